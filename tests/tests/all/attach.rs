//! Bundles and SBOMs on images: in a real registry, which knows no referrers and gets the fallback tag, and in one that
//! lists referrers by itself.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use linkward_model::Digest;
use linkward_tests::Project;
use serde_json::{Value, json};

/// The registry of the Debian package, on a free port, with its storage in a folder; stopped when dropped.
struct Real {
    child: Child,
    address: String,
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Real {
    fn start(project: &Project) -> Option<Self> {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let config = json!({
            "version": 0.1,
            "log": { "level": "error" },
            "storage": { "filesystem": { "rootdirectory": project.beside().join("registry") } },
            "http": { "addr": address },
        });
        // JSON is YAML.
        let path = project.beside().join("registry.yml");
        std::fs::write(&path, config.to_string()).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(path).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().ok()?;
        let real = Self { child, address };
        for _ in 0..200 {
            if TcpStream::connect(&real.address).is_ok() {
                return Some(real);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the registry does not come up");
    }
}

/// One request: status, headers, body.
fn http(address: &str, method: &str, path: &str, media: &str, body: &[u8]) -> (u16, String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nAccept: {media}\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let split = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let body = answer.split_off(split + 4);
    let head = String::from_utf8_lossy(&answer).into_owned();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head, body)
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Pushes an image without layers; its digest.
fn push(address: &str) -> Digest {
    let config = b"{}";
    let digest = Digest::sha256(config);
    let (status, head, _) = http(address, "POST", "/v2/app/blobs/uploads/", "text/plain", b"");
    assert_eq!(status, 202, "{head}");
    let place = head.lines().find_map(|line| line.strip_prefix("Location: ")).unwrap().trim();
    let place = place.trim_start_matches(&format!("http://{address}"));
    let separator = if place.contains('?') { '&' } else { '?' };
    let place = format!("{place}{separator}digest={digest}");
    assert_eq!(http(address, "PUT", &place, "application/octet-stream", config).0, 201);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": 2 },
        "layers": [],
    })
    .to_string();
    assert_eq!(http(address, "PUT", "/v2/app/manifests/v1", MANIFEST, manifest.as_bytes()).0, 201);
    Digest::sha256(manifest.as_bytes())
}

/// A bundle and an SBOM about the image.
fn signed(project: &Project, image: &Digest) {
    project.run(&["up", "--no-serve"]);
    project.write("predicate.json", "{\"a\":1}");
    let digest = image.to_string();
    let attest = [
        "attest",
        "--predicate",
        "predicate.json",
        "--type",
        "https://example.com/p/v1",
        "--bundle",
        "b.json",
        &digest,
    ];
    let (exit, text) = project.run(&attest);
    assert_eq!(exit, 0, "{text}");
    project
        .write("sbom.json", r#"{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"components":[]}"#);
}

/// Attaches twice, lists, fetches, and verifies what came back.
fn round(project: &Project, address: &str, image: &Digest, referrers: bool) {
    let name = format!("{address}/app:v1");
    for _ in 0..2 {
        let (exit, text) = project.run(&["--format", "json", "attach", &name, "b.json", "sbom.json"]);
        assert_eq!(exit, 0, "{text}");
        let made: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(made["image"], image.to_string());
        assert_eq!(made["attached"][0]["referrers_api"], referrers, "{text}");
    }
    let (exit, text) = project.run(&["--format", "json", "attached", &name, "--out", "got"]);
    assert_eq!(exit, 0, "{text}");
    let found: Value = serde_json::from_str(&text).unwrap();
    let rows = found["attached"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "attached twice is attached once: {text}");
    let bundle =
        rows.iter().find(|row| row["type"] == "application/vnd.dev.sigstore.bundle.v0.3+json").unwrap();
    let file = bundle["file"].as_str().unwrap();
    let (exit, text) = project.run(&[
        "verify",
        "--bundle",
        file,
        "--key",
        ".linkward/artifact.pub",
        "--trusted-root",
        ".linkward/trusted_root.json",
        &image.to_string(),
    ]);
    assert_eq!(exit, 0, "{text}");
    // What speaks of something else is not hung on this image.
    project.write("a.txt", "another artifact\n");
    assert_eq!(project.run(&["sign", "a.txt"]).0, 0);
    let (exit, text) = project.run(&["attach", &name, "a.txt.sigstore.json"]);
    assert_ne!(exit, 0, "{text}");
    assert!(text.contains("subject-missing"), "{text}");
    let (exit, text) = project.run(&["attach", &name, "predicate.json"]);
    assert_ne!(exit, 0, "{text}");
}

#[test]
fn a_registry_without_referrers_gets_the_tag_that_stands_for_them() {
    let project = Project::new();
    let Some(registry) = Real::start(&project) else {
        linkward_testkit::skipped("docker-registry is not installed");
        return;
    };
    let image = push(&registry.address);
    signed(&project, &image);
    let name = format!("{}/app:v1", registry.address);
    assert_eq!(project.run(&["attached", &name]).0, 3, "nothing yet");
    round(&project, &registry.address, &image, false);
    let tag = format!("/v2/app/manifests/{}", image.to_string().replace(':', "-"));
    let (status, _, body) =
        http(&registry.address, "GET", &tag, "application/vnd.oci.image.index.v1+json", b"");
    let index: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, index["manifests"].as_array().unwrap().len()), (200, 2));
}

/// Manifests and blobs by path, and who refers to whom.
#[derive(Default)]
struct Stored {
    files: BTreeMap<String, Vec<u8>>,
    /// Answers every question for referrers with this status, if it is not 200.
    refuses: u16,
}

/// A registry that knows referrers, for as long as the test runs.
fn modern(stored: &Arc<Mutex<Stored>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stored = Arc::clone(stored);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { return };
            let _ = serve(stream, &stored);
        }
    });
    address
}

fn serve(stream: TcpStream, stored: &Mutex<Stored>) -> std::io::Result<()> {
    let mut from = BufReader::new(stream);
    let mut line = String::new();
    from.read_line(&mut line)?;
    let (method, path) =
        (line.split(' ').next().unwrap_or("").to_owned(), line.split(' ').nth(1).unwrap_or("").to_owned());
    let mut length = 0;
    loop {
        let mut header = String::new();
        from.read_line(&mut header)?;
        if header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    let mut stored = stored.lock().unwrap();
    let empty = Vec::new();
    let (status, header, answer) = if method == "POST" {
        (202, "Location: /v2/app/upload\r\n".to_owned(), empty)
    } else if method == "PUT" && path.starts_with("/v2/app/upload?digest=") {
        let digest = path.split_once("digest=").map_or("", |(_, digest)| digest).to_owned();
        stored.files.insert(format!("/v2/app/blobs/{digest}"), body);
        (201, String::new(), empty)
    } else if method == "PUT" {
        let subject = serde_json::from_slice::<Value>(&body).ok();
        let subject = subject.as_ref().and_then(|value| value.pointer("/subject/digest")?.as_str());
        let header = subject.map_or_else(String::new, |subject| format!("OCI-Subject: {subject}\r\n"));
        stored.files.insert(format!("/v2/app/manifests/{}", Digest::sha256(&body)), body.clone());
        stored.files.insert(path, body);
        (201, header, empty)
    } else if let Some(digest) = path.strip_prefix("/v2/app/referrers/") {
        let mut found = BTreeMap::new();
        for bytes in stored.files.values() {
            let Ok(value) = serde_json::from_slice::<Value>(bytes) else { continue };
            if value.pointer("/subject/digest").is_some_and(|subject| subject == digest) {
                let own = Digest::sha256(bytes).to_string();
                found.insert(own.clone(), json!({ "digest": own, "artifactType": value["artifactType"] }));
            }
        }
        let found: Vec<Value> = found.into_values().collect();
        let status = if stored.refuses == 0 { 200 } else { stored.refuses };
        (status, String::new(), json!({ "manifests": found }).to_string().into_bytes())
    } else {
        match stored.files.get(&path) {
            Some(bytes) => (200, String::new(), bytes.clone()),
            None => (404, String::new(), empty),
        }
    };
    drop(stored);
    let mut stream = from.into_inner();
    write!(
        stream,
        "HTTP/1.1 {status} x\r\n{header}Content-Length: {}\r\nConnection: close\r\n\r\n",
        answer.len()
    )?;
    stream.write_all(&answer)
}

#[test]
fn a_registry_with_referrers_is_believed_only_when_it_answers() {
    let project = Project::new();
    let stored = Arc::new(Mutex::new(Stored::default()));
    let address = modern(&stored);
    let image = push(&address);
    signed(&project, &image);
    round(&project, &address, &image, true);
    let tag = format!("/v2/app/manifests/{}", image.to_string().replace(':', "-"));
    assert!(!stored.lock().unwrap().files.contains_key(&tag), "no tag where there is a list");
    // A listing that fails is no empty listing: signatures must not vanish while a registry is busy.
    for status in [429, 500] {
        stored.lock().unwrap().refuses = status;
        let (exit, text) = project.run(&["attached", &format!("{address}/app:v1")]);
        assert_eq!(exit, 3, "{text}");
        assert!(text.contains("image-unreachable") && !text.contains("nothing is attached"), "{text}");
    }
    stored.lock().unwrap().refuses = 0;
    // Bytes that are not those of their digest are refused, whoever serves them.
    let changed: Vec<String> = stored
        .lock()
        .unwrap()
        .files
        .keys()
        .filter(|path| path.starts_with("/v2/app/blobs/"))
        .cloned()
        .collect();
    for path in changed {
        stored.lock().unwrap().files.insert(path, b"{\"changed\":1}".to_vec());
    }
    let (exit, text) = project.run(&["attached", &format!("{address}/app:v1"), "--out", "evil"]);
    assert_eq!(exit, 2, "{text}");
    assert!(text.contains("blob-mismatch"), "{text}");
}
