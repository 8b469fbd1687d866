// What is wrong with the page for somebody who reads it by ear, by keyboard or with weak eyes (WCAG 2.2, AA).
const wrong = [];
const say = (what, element) => wrong.push(what + ": " + element.outerHTML.slice(0, 120));
const all = (selector) => [...document.querySelectorAll(selector)];
const named = (e) => (e.textContent || "").trim() || e.getAttribute("aria-label");

if (!document.documentElement.lang) wrong.push("the page names no language");
if (!document.title) wrong.push("the page has no title");
if (all("h1").length !== 1) wrong.push("there must be one h1, found " + all("h1").length);
let level = 1;
for (const heading of all("h1,h2,h3,h4")) {
  const next = Number(heading.tagName[1]);
  if (next > level + 1) say("a heading skips a level", heading);
  level = next;
}
for (const link of all("a,button")) if (!named(link)) say("has no name", link);
for (const input of all("input")) if (!input.labels.length && !input.getAttribute("aria-label")) say("has no label", input);
for (const table of all("table")) {
  if (!table.caption) say("has no caption", table);
  for (const head of table.querySelectorAll("th")) if (!head.scope) say("has no scope", head);
}
for (const image of all("svg,img")) {
  if (!image.getAttribute("aria-hidden") && !image.getAttribute("aria-label") && !image.alt) say("has no text", image);
}
const ids = all("[id]").map((e) => e.id);
if (new Set(ids).size !== ids.length) wrong.push("an id stands twice");
for (const e of all("*")) if (getComputedStyle(e).overflowX === "auto" && e.scrollWidth > e.clientWidth && e.tabIndex < 0) say("cannot be scrolled by keyboard", e);
const wide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
if (wide) {
  const over = all("body *").find((e) => !e.closest(".scroll,pre") && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1);
  say("the page is wider than its window", over || document.body);
}

const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
const light = ([r, g, b]) => {
  const part = (c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
};
const behind = (e) => {
  for (; e; e = e.parentElement) {
    const colour = numbers(getComputedStyle(e).backgroundColor);
    if (colour.length === 3 || colour[3] > 0.99) return colour;
  }
  return [255, 255, 255];
};
for (const e of all("body *")) {
  if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || !e.getClientRects().length) continue;
  const [a, b] = [light(numbers(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
  if ((a + 0.05) / (b + 0.05) < 4.5) say("contrast " + ((a + 0.05) / (b + 0.05)).toFixed(2), e);
}
for (const entry of performance.getEntriesByType("resource")) {
  if (new URL(entry.name).origin !== location.origin) wrong.push("loads from elsewhere: " + entry.name);
}
return wrong;
