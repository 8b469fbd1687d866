//! The console in a real browser, with scripts switched off.

use linkward_tests::{Browser, Daemon, Project};
use serde_json::{Value, json};

const AUDIT: &str = include_str!("../../src/page.js");
const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// A project with one artifact that was built under Linkward and one that was merely found.
fn served() -> (Project, Daemon) {
    let project = Project::new();
    project.write("requirements.txt", &format!("Django==1.2 --hash=sha256:{HASH}\n"));
    let build = "mkdir -p dist && echo built > dist/built-1.0.whl";
    assert_eq!(project.run(&["run", "--", "sh", "-c", build]).0, 0);
    project.write("dist/found-1.0.whl", "found\n");
    assert_eq!(project.run(&["up", "--no-serve"]).0, 3);
    let daemon = Daemon::start(&project);
    (project, daemon)
}

fn digest_of(daemon: &Daemon, name: &str) -> String {
    let (_, answer) = daemon.fetch("/api/v1/chain", "localhost");
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let body = &body[body.find('{').unwrap()..=body.rfind('}').unwrap()];
    let chain: Value = serde_json::from_str(body).unwrap();
    let found = chain["artifacts"].as_array().unwrap().iter().find(|artifact| artifact["name"] == name);
    found.unwrap()["digest"].as_str().unwrap().to_owned()
}

#[test]
fn every_page_is_whole_for_eyes_ears_and_keyboards() {
    let Some(browser) = Browser::start() else { return };
    let (_project, daemon) = served();
    let digest = digest_of(&daemon, "dist/built-1.0.whl");
    let artifact = format!("/artifact/{digest}");
    let pages = [
        "/",
        &artifact,
        "/log",
        "/log/verify",
        "/log/entry/0",
        "/search",
        "/search?q=django",
        "/findings",
        "/coverage",
        "/measures",
        "/assess",
        "/gate",
        "/codes",
        "/codes/no-provenance",
        "/no/such/page",
    ];
    for (width, height) in [(1280, 900), (390, 844)] {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        browser.devtools("Emulation.setDeviceMetricsOverride", &size);
        for scheme in ["light", "dark"] {
            let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
            browser.devtools("Emulation.setEmulatedMedia", &media);
            for page in pages {
                browser.open(&format!("http://{}{page}", daemon.console));
                let wrong = browser.run(AUDIT);
                assert_eq!(wrong, json!([]), "{page} at {width} in {scheme}");
            }
        }
    }
    // The address that names nothing is a 404, which the browser reports; a violated policy would stand beside it.
    let complaints = browser.complaints();
    assert!(complaints.iter().all(|complaint| complaint.contains("404")), "{complaints:?}");
}

#[test]
fn the_audit_finds_what_is_wrong() {
    let Some(browser) = Browser::start() else { return };
    browser.open(
        "data:text/html,<h3>x</h3><a href=''></a><input><p style='color:%23999;background:%23fff'>pale</p>",
    );
    let wrong = browser.run(AUDIT).to_string();
    for what in ["language", "title", "one h1", "skips a level", "has no name", "has no label", "contrast 2."]
    {
        assert!(wrong.contains(what), "{what}: {wrong}");
    }
}

#[test]
fn a_person_finds_the_way_from_the_chain_to_the_proof() {
    let Some(browser) = Browser::start() else { return };
    let (_project, daemon) = served();
    browser.open(&format!("http://{}/", daemon.console));
    assert_eq!(browser.title(), "The chain - Linkward");
    let main = browser.text("main");
    for seen in [
        "dist/built-1.0.whl",
        "\u{2713} allow",
        "dist/found-1.0.whl",
        "? unknown",
        "no-signature",
        "requirements.txt",
    ] {
        assert!(main.contains(seen), "{seen}: {main}");
    }

    // The keyboard comes to the skip link first, then past the navigation.
    browser.type_into("body", "\u{e004}");
    assert_eq!(browser.run("return document.activeElement.textContent"), "Skip to content");

    browser.type_into("#q", "django\u{e007}");
    assert!(browser.url().contains("/search?q=django"), "{}", browser.url());
    assert!(browser.text("main").contains("pkg:pypi/django@1.2"), "{}", browser.text("main"));

    browser.open(&format!("http://{}/", daemon.console));
    browser.click(&format!("a[href='/artifact/{}']", digest_of(&daemon, "dist/built-1.0.whl")));
    let artifact = browser.text("main");
    for seen in ["\u{2713} met", "The checks, one by one", "\u{2713} passed", "Signed by", "1 packages"] {
        assert!(artifact.contains(seen), "{seen}: {artifact}");
    }
    browser.click("main a[href^='/log/entry/']");
    assert!(browser.text("main").contains("recomputed just now"), "{}", browser.text("main"));
    browser.click("footer a");
    assert!(browser.text("main").contains("\u{2713} passed"), "{}", browser.text("main"));
}

#[test]
fn what_is_in_evidence_is_text_and_never_markup() {
    let Some(browser) = Browser::start() else { return };
    let project = Project::new();
    let name = "<img src=x onerror=document.title='owned'>\u{202e}gnp.whl";
    project.write(&format!("dist/{name}"), "hostile\n");
    project.run(&["up", "--no-serve"]);
    let daemon = Daemon::start(&project);
    browser.open(&format!("http://{}/", daemon.console));
    assert_eq!(browser.run("return document.images.length"), 0);
    assert_eq!(browser.title(), "The chain - Linkward");
    assert!(browser.text("main").contains("<img src=x") && browser.text("main").contains("U+202E"));
}
