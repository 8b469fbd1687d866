//! `linkward trust`: a repository in a folder and over HTTP, what it may change, and what that is worth offline.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use linkward_tests::Project;

fn golden() -> PathBuf {
    linkward_tests::root().join("crates/proof/prove/testdata/tuf")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Serves a folder on loopback until it is dropped.
struct Served {
    url: String,
    stop: Arc<AtomicBool>,
}

impl Served {
    fn new(folder: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&stop);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let mut stream = stream.unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).unwrap();
                let path = head.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').to_owned();
                let (status, body) = match std::fs::read(folder.join(path)) {
                    Ok(body) => ("200 OK", body),
                    Err(_) => ("404 Not Found", Vec::new()),
                };
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            }
        });
        Self { url: format!("http://{address}"), stop }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = std::net::TcpStream::connect(self.url.trim_start_matches("http://"));
    }
}

fn says(project: &Project, args: &[&str], exit: i32, text: &str) -> String {
    let (found, said) = project.run(args);
    assert_eq!(found, exit, "{args:?}: {said}");
    assert!(said.contains(text), "{args:?}: {said}");
    said
}

#[test]
fn a_repository_is_added_followed_pinned_and_its_root_used() {
    let project = Project::new();
    says(&project, &["up", "--no-serve"], 3, "");
    let first = golden().join("1.root.json").display().to_string();
    let folder = project.beside().join("repository");
    copy(&golden(), &folder);
    let place = folder.display().to_string();
    says(&project, &["trust", "show"], 0, "nothing was added");
    says(&project, &["trust", "update"], 2, "trust-unknown");
    says(&project, &["trust", "add", "../x", "--root", &first, "--url", &place], 2, "is no name");
    says(
        &project,
        &["trust", "add", "public", "--root", &first, "--url", &place, "--target", "x"],
        3,
        "trust-target-missing",
    );
    says(&project, &["trust", "show"], 0, "nothing was added");
    says(
        &project,
        &["trust", "add", "public", "--root", &first, "--url", &place],
        0,
        "1 to 3; there is no 4.root.json",
    );
    says(&project, &["trust", "add", "public", "--root", &first, "--url", &place], 2, "there already");
    says(&project, &["trust", "show"], 0, "current");
    let root = says(&project, &["trust", "show", "public", "--print"], 0, "rekor.sigstore.dev");
    assert_eq!(
        root,
        std::fs::read_to_string(linkward_tests::root().join("crates/proof/prove/src/production_root.json"))
            .unwrap()
    );
    says(&project, &["trust", "update", "other"], 2, "trust-unknown");

    // The record names the root's versions once the home is opened again.
    says(&project, &["up", "--no-serve"], 3, "");
    let recorded = says(&project, &["log", "list", "--kind", "trust", "--format", "json"], 0, "trust");
    let newest: serde_json::Value = serde_json::from_str(&recorded).unwrap();
    let index = newest.pointer("/0/record").unwrap().to_string();
    says(&project, &["log", "show", &index, "--format", "json"], 0, "\"root_version\": 3");

    // A pin holds against the repository, and the repository against a wrong pin.
    let zeros = format!("sha256:{}", "0".repeat(64));
    says(&project, &["trust", "pin", "public", &zeros], 0, "is pinned");
    says(&project, &["trust", "update"], 1, "trust-pin-mismatch");
    says(&project, &["trust", "show"], 3, "trust-pin-mismatch");
    says(&project, &["trust", "pin", "public", "--off"], 0, "follows");
    says(&project, &["trust", "update", "public"], 0, "verified public");

    // A changed timestamp is refused, and what was confirmed before goes on.
    let timestamp = folder.join("timestamp.json");
    let text = std::fs::read_to_string(&timestamp).unwrap();
    std::fs::write(
        &timestamp,
        text.replace("\"version\":6", "\"version\":7").replace("\"version\": 6", "\"version\": 7"),
    )
    .unwrap();
    says(&project, &["trust", "update"], 1, "trust-metadata-signatures");
    says(&project, &["trust", "show"], 0, "current");
    std::fs::remove_file(&timestamp).unwrap();
    says(&project, &["trust", "update"], 3, "trust-unreachable");

    if let Some(folder) = linkward_testkit::vectors().map(|vectors| vectors.join("bundles")) {
        let path = |name: &str| folder.join(name).display().to_string();
        let (bundle, artifact) =
            (path("conda-attestation.sigstore.json"), path("signed-package-2.1.0-hb0f4dca_0.conda"));
        let verify = [
            "verify",
            "--bundle",
            &bundle,
            "--identity",
            "https://github.com/prefix-dev/**",
            "--issuer",
            "https://token.actions.githubusercontent.com",
            "--trust",
            "public",
            &artifact,
        ];
        says(&project, &verify, 0, "verified");
        let json: Vec<&str> = verify.into_iter().chain(["--format", "json"]).collect();
        says(&project, &json, 0, "\"targets_version\": 4");
        // As if it had been confirmed a long time ago.
        let state = project.path().join(".linkward/trust/public.json");
        let mut known: serde_json::Value = serde_json::from_slice(&std::fs::read(&state).unwrap()).unwrap();
        known["confirmed"]["at"] = "2026-01-01T00:00:00Z".into();
        std::fs::write(&state, known.to_string()).unwrap();
        says(&project, &verify, 3, "trust-root-stale");
    }
}

#[test]
fn over_http_and_by_hand() {
    let project = Project::new();
    says(&project, &["up", "--no-serve"], 3, "");
    let folder = project.beside().join("repository");
    copy(&golden(), &folder);
    let third = folder.join("3.root.json");
    let kept = std::fs::read(&third).unwrap();
    // Whoever serves only the first two roots holds the third back: the timestamp is already signed by its key.
    std::fs::remove_file(&third).unwrap();
    let served = Served::new(folder.clone());
    let first = golden().join("1.root.json").display().to_string();
    let add = ["trust", "add", "public", "--root", &first, "--url", &served.url];
    says(&project, &add, 1, "trust-metadata-signatures");
    std::fs::write(&third, kept).unwrap();
    says(&project, &add, 0, "1 to 3");
    says(
        &project,
        &["trust", "add", "far", "--root", &first, "--url", "http://example.com/x"],
        2,
        "use https",
    );

    let root = golden().join("3.root.json");
    let path = root.display().to_string();
    says(&project, &["trust", "rotate", "public", "--root", &path], 2, "trust-root-chain");
    let zeros = format!("sha256:{}", "0".repeat(64));
    says(
        &project,
        &["trust", "rotate", "public", "--root", &path, "--dangerous-unchained", &zeros],
        2,
        "its digest is",
    );
    let digest = linkward_model::Digest::sha256(&std::fs::read(&root).unwrap()).to_string();
    says(
        &project,
        &["trust", "rotate", "public", "--root", &path, "--dangerous-unchained", &digest],
        0,
        "root 3",
    );
    says(&project, &["trust", "update"], 0, "3 to 3");
    drop(served);
    says(&project, &["trust", "update"], 3, "trust-unreachable");
    says(&project, &["trust", "show"], 0, "current");
}
