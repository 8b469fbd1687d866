//! The webhook as an API server calls it: over TLS, with the authority of the printed configuration.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_tests::{Daemon, Project};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};

pub(crate) const WHEEL: &str = "dist/app-1.0.whl";
const BUILD: &[&str] = &["run", "--", "sh", "-c", "mkdir -p dist && echo wheel > dist/app-1.0.whl"];

pub(crate) fn project() -> Project {
    let project = Project::new();
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    project.write("requirements.txt", &format!("Django==1.2 --hash=sha256:{hash}\n"));
    project
}

/// What an API server is configured with: the bundle of the manifest, and nothing else.
pub(crate) fn client(project: &Project) -> Arc<rustls::ClientConfig> {
    let (exit, manifest) = project.run(&["admit", "manifest"]);
    assert_eq!(exit, 0, "{manifest}");
    let bundle = manifest.lines().find_map(|line| line.trim().strip_prefix("caBundle: ")).unwrap();
    let authority = CertificateDer::from_pem_slice(&STANDARD.decode(bundle).unwrap()).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

pub(crate) fn post(
    daemon: &Daemon,
    client: &Arc<rustls::ClientConfig>,
    body: &str,
) -> std::io::Result<Value> {
    let (_, body) = post_to(&daemon.admission, client, "/admit?timeout=5s", body)?;
    Ok(serde_json::from_str(&body).unwrap())
}

/// Status and body of a POST over TLS.
pub(crate) fn post_to(
    address: &str,
    client: &Arc<rustls::ClientConfig>,
    path: &str,
    body: &str,
) -> std::io::Result<(u16, String)> {
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connection = rustls::ClientConnection::new(Arc::clone(client), name).unwrap();
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut stream = rustls::StreamOwned::new(connection, stream);
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap();
    Ok((status, body.to_owned()))
}

pub(crate) fn pod(image: &str) -> String {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "namespace": "shop",
            "name": "app",
            "operation": "CREATE",
            "userInfo": { "username": "deployer" },
            "object": { "apiVersion": "v1", "kind": "Pod", "spec": { "containers": [{ "name": "app", "image": image }] } },
        },
    })
    .to_string()
}

pub(crate) fn built(project: &Project) -> String {
    let (exit, text) = project.run(BUILD);
    assert_eq!(exit, 0, "{text}");
    let (exit, text) = project.run(&["check", WHEEL, "--format", "json"]);
    assert_eq!(exit, 0, "{text}");
    let checked: Value = serde_json::from_str(&text).unwrap();
    let digest = checked.pointer("/digest").or_else(|| checked.pointer("/0/digest"));
    format!("registry.example/shop/app@{}", digest.and_then(Value::as_str).unwrap())
}

#[test]
fn from_observe_to_enforce_as_an_api_server_sees_it() {
    let project = project();
    let daemon = Daemon::start(&project);
    let client = client(&project);
    let good = built(&project);
    let stranger = format!("registry.example/shop/other@sha256:{}", "7".repeat(64));

    let answer = post(&daemon, &client, &pod(&good)).unwrap();
    assert_eq!(answer["response"]["uid"], "705ab4f5-6393-11e8-b7cc-42010a800002");
    assert_eq!(answer["response"]["allowed"], true);
    assert_eq!(answer["response"]["warnings"], Value::Null);
    assert_eq!(answer["response"]["auditAnnotations"]["decision"], "allow");

    let answer = post(&daemon, &client, &pod(&stranger)).unwrap();
    assert_eq!(answer["response"]["allowed"], true, "observe refuses nothing");
    let warning = answer["response"]["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("would be denied: ") && warning.contains("no-evidence"), "{warning}");

    let (exit, text) = project.run(&["admit", "enforce"]);
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("shop/Pod/app") && text.contains(&stranger), "{text}");
    // Nothing stands in the way of a daemon that has not seen the stranger.
    drop(daemon);
    let daemon = Daemon::start(&project);
    post(&daemon, &client, &pod(&good)).unwrap();
    let (exit, text) = project.run(&["admit", "enforce"]);
    assert_eq!(exit, 0, "{text}");
    let answer = post(&daemon, &client, &pod(&stranger)).unwrap();
    assert_eq!(answer["response"]["allowed"], false);
    assert_eq!(answer["response"]["status"]["code"], 403);
    assert_eq!(post(&daemon, &client, &pod(&good)).unwrap()["response"]["allowed"], true);

    // The decisions are in the log, and the log is whole.
    std::thread::sleep(Duration::from_millis(1500));
    let (exit, text) = project.run(&["--format", "json", "log", "list", "--kind", "decisions"]);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("\"kind\": \"decisions\""), "{text}");
    // Enforcing outlives a restart.
    drop(daemon);
    let daemon = Daemon::start(&project);
    assert_eq!(post(&daemon, &client, &pod(&stranger)).unwrap()["response"]["allowed"], false);
    let (exit, text) = project.run(&["log", "verify"]);
    assert_eq!(exit, 0, "{text}");
}

#[test]
fn a_changed_policy_is_obeyed_within_seconds_though_nobody_asks() {
    let project = project();
    let daemon = Daemon::start(&project);
    let client = client(&project);
    let good = built(&project);
    let (exit, text) = project.run(&["admit", "enforce"]);
    assert_eq!(exit, 0, "{text}");
    assert_eq!(post(&daemon, &client, &pod(&good)).unwrap()["response"]["allowed"], true);
    let path = project.path().join(".linkward/policy.yaml");
    let policy = std::fs::read_to_string(&path).unwrap();
    let until = |allowed: bool| {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(10) {
            let answer = post(&daemon, &client, &pod(&good)).unwrap();
            if answer["response"]["allowed"] == allowed {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("not {allowed} within ten seconds")
    };
    let changed = policy.replace("builders: [https://linkward.dev/", "builders: [https://other.example/");
    assert_ne!(policy, changed);
    std::fs::write(&path, changed).unwrap();
    let answer = until(false);
    assert!(
        answer["response"]["status"]["message"].as_str().unwrap().contains("builder-refused"),
        "{answer}"
    );
    // A faulty file changes nothing.
    std::fs::write(&path, "version: 1\nrulez: []\n").unwrap();
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(post(&daemon, &client, &pod(&good)).unwrap()["response"]["allowed"], false);
    std::fs::write(&path, policy).unwrap();
    until(true);
}

#[test]
fn strangers_and_nonsense_get_no_decision() {
    let project = project();
    let daemon = Daemon::start(&project);
    let own = client(&project);
    let answer = post(&daemon, &own, "{\"kind\": \"Pod\"}").unwrap();
    assert!(answer["error"].as_str().unwrap().contains("AdmissionReview"), "{answer}");
    // Another home's authority is not this one's.
    let other = self::project();
    built(&other);
    assert!(post(&daemon, &client(&other), &pod("app:1")).is_err());
    let (exit, text) = project.run(&["admit", "manifest", "--url", "https://linkward.example/admit"]);
    assert_eq!(exit, 2, "{text}");
    assert!(text.contains("[admission]"), "{text}");
}
