//! Where advisories come from and what is made of them: exports that are fetched in part, what to mend first, statements of
//! others, and other scanners.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use linkward_testkit::image::zip;
use linkward_tests::Project;
use serde_json::{Value, json};

const LOCK: &str = "version = 4\n\n[[package]]\nname = \"left\"\nversion = \"1.1.0\"\nsource = \"registry+https://registry.example/index\"\n\
    checksum = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"\n";

fn record(id: &str, fixed: &str) -> String {
    format!(
        r#"{{"id":"{id}","aliases":["CVE-2025-1"],"modified":"2025-12-30T00:00:00Z","summary":"bad <b>","affected":[{{"package":{{"ecosystem":"crates.io","name":"left"}},"ranges":[{{"type":"SEMVER","events":[{{"introduced":"0"}},{{"fixed":"{fixed}"}}]}}]}}]}}"#
    )
}

fn scan(project: &Project, more: &[&str]) -> (i32, String) {
    let args = [&["scan", ".", "--database", "../a.lwa", "--at", "2026-01-01T00:00:00Z"], more].concat();
    project.run(&args)
}

fn project() -> Project {
    let project = Project::new();
    project.write("Cargo.lock", LOCK);
    project.write("../records/A-1.json", &record("A-1", "1.2.0"));
    project
}

fn build(project: &Project, more: &[&str]) {
    let args =
        [&["advisory", "build", "../records", "-o", "../a.lwa", "--as-of", "2025-12-31"], more].concat();
    let (code, text) = project.run(&args);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn what_is_exploited_comes_first() {
    let project = project();
    project.write("../records/A-2.json", &record("A-2", "1.2.0").replace("CVE-2025-1", "CVE-2025-2"));
    project.write("../kev.json", r#"{"vulnerabilities":[{"cveID":"CVE-2025-2","dateAdded":"2025-12-01"}]}"#);
    project.write("../epss.csv", "#v1\ncve,epss,percentile\nCVE-2025-1,0.42,0.9\n");
    build(&project, &["--kev", "../kev.json", "--epss", "../epss.csv"]);
    let (code, text) = scan(&project, &[]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("exploited") && text.contains("42 % likely"), "{text}");
    assert!(text.find("A-2").unwrap() < text.find("A-1").unwrap(), "{text}");
    project.write("../kev.json", "{}");
    let (code, text) =
        project.run(&["advisory", "build", "../records", "-o", "../b.lwa", "--kev", "../kev.json"]);
    assert!(code == 2 && text.contains("advisory-malformed"), "{code} {text}");
}

#[test]
fn a_statement_counts_for_its_component_alone() {
    let project = project();
    build(&project, &[]);
    let vex = |product: &str, status: &str| {
        json!({ "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://shop.example/vex/1", "author": "shop", "timestamp": "2025-12-31T00:00:00Z",
            "version": 1, "statements": [{ "vulnerability": { "name": "CVE-2025-1" }, "products": [{ "@id": product }],
            "status": status, "justification": "vulnerable_code_not_in_execute_path" }] })
        .to_string()
    };
    project.write("vex.json", &vex("pkg:cargo/left@1.1.0", "not_affected"));
    let (code, text) = scan(&project, &["--vex", "vex.json"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("excused: A-1") && text.contains("vulnerable_code_not_in_execute_path"), "{text}");
    project.write("vex.json", &vex("pkg:cargo/other@1.1.0", "not_affected"));
    assert_eq!(scan(&project, &["--vex", "vex.json"]).0, 1);
    let malicious = record("MAL-2025-1", "1.2.0");
    project.write("../records/MAL-2025-1.json", &malicious);
    build(&project, &[]);
    project.write("vex.json", &vex("pkg:cargo/left@1.1.0", "not_affected"));
    assert_eq!(scan(&project, &["--vex", "vex.json"]).0, 1, "malicious packages are never excused");
    project.write("vex.json", "{}");
    assert_eq!(scan(&project, &["--vex", "vex.json"]).0, 3);
}

#[test]
fn every_difference_to_another_scanner_has_a_reason() {
    let project = project();
    project.write("../records/A-3.json", &record("A-3", "1.0.0").replace("CVE-2025-1", "CVE-2025-3"));
    project.write(
        "../records/A-4.json",
        &record("A-4", "9").replace("\"left\"", "\"right\"").replace("CVE-2025-1", "CVE-2025-4"),
    );
    build(&project, &[]);
    let finding = |id: &str, name: &str, version: &str| json!({ "vulnerability": { "id": id }, "artifact": { "name": name, "version": version, "purl": format!("pkg:cargo/{name}@{version}") } });
    let matches = [
        finding("CVE-2025-3", "left", "1.1.0"),
        finding("CVE-2025-4", "left", "1.1.0"),
        finding("CVE-2025-9", "left", "1.1.0"),
        finding("CVE-2025-1", "left", "1.0.0"),
        finding("CVE-2025-1", "ghost", "1"),
    ];
    project.write("grype.json", &json!({ "matches": matches }).to_string());
    let (code, text) = scan(&project, &["--compare", "grype.json", "--format", "json"]);
    assert_eq!(code, 1, "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    let comparison = &report["comparison"];
    let why: BTreeMap<String, String> = comparison["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            let text = |name: &str| one[name].as_str().unwrap().to_owned();
            (format!("{} {} {}", text("only"), text("advisory"), text("component")), text("why"))
        })
        .collect();
    let expected = [
        ("here A-1 pkg:cargo/left@1.1.0", "advisory-missing-there"),
        ("there CVE-2025-1 pkg:cargo/ghost@1", "not-in-inventory"),
        ("there CVE-2025-1 pkg:cargo/left@1.0.0", "other-version"),
        ("there CVE-2025-3 pkg:cargo/left@1.1.0", "version-not-affected"),
        ("there CVE-2025-4 pkg:cargo/left@1.1.0", "other-package"),
        ("there CVE-2025-9 pkg:cargo/left@1.1.0", "advisory-unknown"),
    ];
    assert_eq!(why, expected.map(|(key, why)| (key.to_owned(), why.to_owned())).into());
    project.write("grype.json", &json!({ "matches": [finding("CVE-2025-1", "left", "1.1.0")] }).to_string());
    let (_, text) = scan(&project, &["--compare", "grype.json"]);
    assert!(text.contains("compared with grype: 1 finding agreed, 0 only here, 0 only there"), "{text}");
    let pip = r#"{"dependencies":[{"name":"left","skip_reason":"service unreachable"}]}"#;
    project.write("pip.json", pip);
    let (_, text) = scan(&project, &["--compare", "pip.json"]);
    assert!(text.contains("skipped-there") && text.contains("service unreachable"), "{text}");
    project.write("pip.json", "{}");
    assert_eq!(scan(&project, &["--compare", "pip.json"]).0, 3);
}

#[test]
fn a_page_for_a_browser_loads_nothing_and_escapes_everything() {
    let project = project();
    build(&project, &[]);
    let (code, page) = scan(&project, &["--report", "html"]);
    assert_eq!(code, 1);
    assert!(
        page.contains("A-1") && page.contains("bad &lt;b&gt;") && page.contains("update to 1.2.0"),
        "{page}"
    );
    assert!(!page.contains("<script") && !page.contains("src=") && !page.contains("http://"), "{page}");
    assert!(page.contains("default-src 'none'"));
}

#[derive(Default)]
struct Served {
    /// Answered whole, or cut off after as many bytes.
    bytes: Vec<u8>,
    cut: Option<usize>,
    modified: &'static str,
    asked: Vec<String>,
}

fn serve(state: &Arc<Mutex<Served>>) -> (u16, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let state = Arc::clone(state);
    let serve = move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = String::new();
            let mut from = BufReader::new(stream.try_clone().unwrap());
            while !head.ends_with("\r\n\r\n") && from.read_line(&mut head).unwrap() > 0 {}
            if head.starts_with("GET /stop") {
                return;
            }
            let mut state = state.lock().unwrap();
            state.asked.push(head.clone());
            let etag = format!("\"{}\"", linkward_model::Digest::sha256(&state.bytes).short());
            let range = head.lines().find_map(|line| {
                line.strip_prefix("Range: bytes=")?.strip_suffix('-')?.parse::<usize>().ok()
            });
            let (status, body) = if head.contains(&format!("If-None-Match: {etag}")) {
                ("304 Not Modified", &[][..])
            } else if let Some(start) = range.filter(|_| head.contains(&format!("If-Range: {etag}"))) {
                ("206 Partial Content", &state.bytes[start..])
            } else {
                ("200 OK", state.bytes.as_slice())
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\nETag: {etag}\r\nLast-Modified: {}\r\nContent-Length: {}\r\n\r\n",
                state.modified,
                body.len()
            );
            let sent = &body[..state.cut.unwrap_or(body.len()).min(body.len())];
            stream.write_all(answer.as_bytes()).and_then(|()| stream.write_all(sent)).unwrap();
        }
    };
    (port, std::thread::spawn(serve))
}

#[test]
fn exports_are_fetched_once_and_go_on_where_they_were_cut_off() {
    let project = project();
    let export = zip(&[("A-1.json", record("A-1", "1.2.0").as_bytes())]);
    let state = Arc::new(Mutex::new(Served {
        bytes: export,
        cut: Some(100),
        modified: "Wed, 31 Dec 2025 00:00:00 GMT",
        ..Served::default()
    }));
    let (port, served) = serve(&state);
    assert_eq!(project.run(&["up", "--no-serve"]).0 & !3, 0);
    let settings = format!("[advisory]\nurl = \"http://127.0.0.1:{port}\"\necosystems = [\"crates.io\"]\n");
    project.write(".linkward/linkward.toml", &settings);
    let update = || project.run(&["advisory", "update"]);
    let (code, text) = update();
    assert!(code == 3 && text.contains("advisory-unreachable"), "{code} {text}");
    state.lock().unwrap().cut = None;
    let (code, text) = update();
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("crates.io: fetched, sha256:"), "{text}");
    let (code, text) = update();
    assert!(code == 0 && text.contains("crates.io: unchanged"), "{code} {text}");
    let asked = std::mem::take(&mut state.lock().unwrap().asked);
    assert!(
        asked[0].starts_with("GET /crates.io/all.zip") && asked[1].contains("Range: bytes=100-"),
        "{asked:?}"
    );
    assert!(asked[2].contains("If-None-Match"), "{asked:?}");
    let database = project.path().join(".linkward/advisories.lwa");
    let (code, text) = project.run(&["scan", ".", "--at", "2026-01-01T00:00:00Z"]);
    assert!(code == 1 && text.contains("A-1"), "{code} {text}");
    // An export that is older than what is here would hide what is known since.
    let before = std::fs::read(&database).unwrap();
    *state.lock().unwrap() = Served {
        bytes: zip(&[("A-0.json", record("A-0", "0.1.0").as_bytes())]),
        modified: "Mon, 01 Dec 2025 00:00:00 GMT",
        ..Served::default()
    };
    let (code, text) = update();
    assert!(code == 3 && text.contains("advisory-stale"), "{code} {text}");
    assert_eq!(std::fs::read(&database).unwrap(), before);
    // What is no archive is not taken either.
    *state.lock().unwrap() =
        Served { bytes: b"moved".to_vec(), modified: "Fri, 02 Jan 2026 00:00:00 GMT", ..Served::default() };
    assert_eq!(update().0, 2);
    assert_eq!(std::fs::read(&database).unwrap(), before);
    std::net::TcpStream::connect(("127.0.0.1", port))
        .unwrap()
        .write_all(b"GET /stop HTTP/1.1\r\n\r\n")
        .unwrap();
    served.join().unwrap();
}
