// Keeps a page current: when the record grows, the page is asked for again and its content replaced. Without this
// script the page is the same, and as old as its loading.
"use strict";
const note = document.querySelector("[data-live]");
if (note && window.EventSource) {
  let asked = false;
  const busy = () => {
    const at = document.activeElement;
    return (at && ["INPUT", "TEXTAREA", "SELECT"].includes(at.tagName)) || !getSelection().isCollapsed;
  };
  const renew = async () => {
    if (asked || document.hidden || busy()) return;
    asked = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
        const open = [...document.querySelectorAll("main details")].map((one) => one.open);
        const now = document.querySelector("main");
        if (fresh && fresh.innerHTML !== now.innerHTML) {
          now.replaceChildren(...fresh.childNodes);
          document.querySelectorAll("main details").forEach((one, at) => (one.open = open[at] || false));
        }
        const said = document.querySelector("[data-live]");
        if (said) said.textContent = "Live; as of " + new Date().toLocaleTimeString() + ".";
      }
    } catch (_) {
      // The next event asks again.
    } finally {
      asked = false;
    }
  };
  const source = new EventSource("/events/stream");
  source.addEventListener("grown", renew);
  source.onopen = () => (note.textContent = "Live.");
  source.onerror = () => {
    const said = document.querySelector("[data-live]");
    if (said) said.textContent = "Not live: the connection is gone; it is tried again.";
  };
}
