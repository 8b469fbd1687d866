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
        "/board/on-call",
        "/board/executive",
        "/board/debug",
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
    // The key is pressed before the page that it asks for is there.
    let asked = std::time::Instant::now();
    while !browser.url().contains("/search?q=django") {
        assert!(asked.elapsed().as_secs() < 20, "{}", browser.url());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
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

/// A board shows what came after it was loaded, without anybody asking again; without scripts it is a page like others.
#[test]
fn boards_are_live_and_their_graph_leads_to_records() {
    let Some(browser) = Browser::start_with_scripts() else { return };
    let (project, daemon) = served();
    project.write(".linkward/secret", "hush");
    let secret = project.path().join(".linkward/secret");
    let settings = format!("[webhooks]\ngitlab = {:?}\n", secret.to_string_lossy());
    project.write(".linkward/detect.toml", &settings);
    browser.open(&format!("http://{}/board/on-call", daemon.console));
    assert!(!browser.text("main").contains("acme/"), "{}", browser.text("main"));
    // Silence of what nobody listens to is no good news.
    assert!(browser.text("main").contains("No registry was heard"), "{}", browser.text("main"));
    let event = json!({
        "object_kind": "tag_push", "event_name": "tag_push", "ref": "refs/tags/v1", "before": "aa", "after": "bb",
        "project": { "path_with_namespace": "acme/<b>app</b>", "default_branch": "main" }, "commits": [],
    });
    assert_eq!(daemon.post("/webhooks/gitlab", &[("X-Gitlab-Token", "hush")], &event.to_string()).0, 202);
    let start = std::time::Instant::now();
    while !browser.text("main").contains("acme/<b>app</b>") {
        assert!(start.elapsed().as_secs() < 30, "the page does not renew itself: {}", browser.text("main"));
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());

    let built = digest_of(&daemon, "dist/built-1.0.whl");
    browser.open(&format!("http://{}/board/debug?digest={built}", daemon.console));
    let nodes = browser.run("return document.querySelectorAll('svg.graph a[href]').length;");
    assert!(nodes.as_u64().unwrap() >= 3, "builder, SBOM and artifact: {nodes}");
    let wrong = browser.run(AUDIT);
    assert_eq!(wrong, json!([]), "with scripts as without");
}

#[test]
fn tables_are_exported_and_compute_nothing() {
    let (project, daemon) = served();
    project.write("dist/=cmd-1.0.whl", "x\n");
    assert_eq!(project.run(&["up", "--no-serve"]).0, 3);
    for table in [
        "findings",
        "alerts",
        "coverage",
        "measures",
        "budgets",
        "artifacts",
        "inputs",
        "records",
        "services",
    ] {
        let (status, answer) = daemon.fetch(&format!("/export/{table}.csv"), "localhost");
        assert!(status == 200 && answer.contains("content-disposition: attachment"), "{table}: {answer}");
        let (status, answer) = daemon.fetch(&format!("/export/{table}.json"), "localhost");
        assert!(status == 200 && answer.contains(&format!("\"table\": \"{table}\"")), "{table}: {answer}");
    }
    assert_eq!(daemon.fetch("/export/passwords.csv", "localhost").0, 404);
    let (_, artifacts) = daemon.fetch("/export/artifacts.csv", "localhost");
    assert!(artifacts.contains("dist/built-1.0.whl,sha256:"), "{artifacts}");
}
