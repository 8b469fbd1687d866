//! The private Sigstore: what it refuses, and unmodified clients that sign against it and verify each other.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_tests::{Daemon, Project, root};
use serde_json::{Value, json};

const SUBJECT: &str = "https://ci.example/org/app";

/// A home whose test issuer may be used.
fn home() -> Project {
    let project = Project::new();
    project.write("a.txt", "an artifact\n");
    let (exit, text) = project.run(&["up", "--no-serve"]);
    assert!(project.path().join(".linkward/format").exists(), "{exit}: {text}");
    let settings = project.path().join(".linkward/linkward.toml");
    let text = std::fs::read_to_string(&settings).unwrap();
    let changed = text.replace("# dangerous_test_issuer = false", "dangerous_test_issuer = true");
    assert_ne!(text, changed);
    std::fs::write(settings, changed).unwrap();
    project
}

fn token(project: &Project, arguments: &[&str]) -> String {
    let (exit, text) = project.run(&[&["sigstore", "token", "--subject", SUBJECT], arguments].concat());
    assert_eq!(exit, 0, "{text}");
    text.trim().to_owned()
}

fn issuer(project: &Project) -> String {
    let (exit, text) = project.run(&["--format", "json", "sigstore", "show"]);
    assert_eq!(exit, 0, "{text}");
    let shown: Value = serde_json::from_str(&text).unwrap();
    shown["test_issuer"].as_str().unwrap().to_owned()
}

/// A POST with these headers: status and body.
fn post(daemon: &Daemon, path: &str, headers: &[&str], body: &[u8]) -> (u16, String) {
    let mut stream = TcpStream::connect(&daemon.console).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let length = body.len();
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n"
    );
    for header in headers {
        head.push_str(header);
        head.push_str("\r\n");
    }
    write!(stream, "{head}\r\n").unwrap();
    // A server that refuses early closes while we write.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, text.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
}

/// Name, path, headers, body; status and code of the answer.
type Abuse = (&'static str, &'static str, &'static [&'static str], &'static [u8], u16, &'static str);

const JSON: &str = "Content-Type: application/json";

#[test]
fn what_is_signed_here_verifies_and_the_same_entry_keeps_its_index() {
    let project = home();
    let (exit, text) = project.run(&["sign", "a.txt"]);
    assert_eq!(exit, 0, "{text}");
    let key = [
        "verify",
        "--bundle",
        "a.txt.sigstore.json",
        "--key",
        ".linkward/artifact.pub",
        "--trusted-root",
        ".linkward/trusted_root.json",
        "a.txt",
    ];
    let (exit, text) = project.run(&key);
    assert_eq!(exit, 0, "{text}");
    project.write("a.txt", "another artifact\n");
    let (exit, text) = project.run(&key);
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("digest-mismatch"), "{text}");
    project.write("a.txt", "an artifact\n");
    project.write("predicate.json", "{\"a\":1}");
    let attest = ["attest", "--predicate", "predicate.json", "--type", "https://example.com/p/v1", "a.txt"];
    let (exit, text) = project.run(&attest);
    assert_eq!(exit, 0, "{text}");
    let (exit, text) =
        project.run(&["attest", "--predicate", "predicate.json", "--type", "nonsense", "a.txt"]);
    assert_eq!(exit, 2, "{text}");
    // Whoever has provenance signed with the artifact key has not built anything.
    let provenance = json!({
        "buildDefinition": { "buildType": "https://example.com/b", "externalParameters": {} },
        "runDetails": { "builder": { "id": "https://example.com/builder" } },
    });
    project.write("predicate.json", &provenance.to_string());
    let (exit, text) =
        project.run(&["attest", "--predicate", "predicate.json", "--type", "slsa-provenance", "a.txt"]);
    assert_eq!(exit, 0, "{text}");
    let (exit, text) = project.run(&["check", "a.txt"]);
    assert_ne!(exit, 0, "forged provenance must not allow: {text}");
    let daemon = Daemon::start(&project);
    let bundle: Value =
        serde_json::from_slice(&std::fs::read(project.path().join("a.txt.sigstore.json")).unwrap()).unwrap();
    let entry = &bundle["verificationMaterial"]["tlogEntries"][0];
    let body = STANDARD.decode(entry["canonicalizedBody"].as_str().unwrap()).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let spec = &body["spec"]["hashedRekordV002"];
    let request = json!({ "hashedRekordRequestV002": {
        "digest": spec["data"]["digest"], "signature": spec["signature"],
    } });
    let (status, again) = post(&daemon, "/api/v2/log/entries", &[JSON], request.to_string().as_bytes());
    assert_eq!(status, 201, "{again}");
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["logIndex"], entry["logIndex"]);
    assert_eq!(again["canonicalizedBody"], entry["canonicalizedBody"]);
    assert_ne!(again["inclusionProof"]["treeSize"], entry["inclusionProof"]["treeSize"], "a fresh proof");
    for path in
        ["/api/v2/checkpoint", "/api/v2/trustBundle", "/api/v2/configuration", "/api/v1/timestamp/certchain"]
    {
        assert_eq!(daemon.fetch(path, "localhost").0, 200, "{path}");
    }
}

#[test]
fn requests_that_are_abuse_are_refused_with_their_code() {
    let project = home();
    let daemon = Daemon::start(&project);
    let (entries, certificates) = ("/api/v2/log/entries", "/api/v2/signingCert");
    let cases: &[Abuse] = &[
        ("not JSON", entries, &[JSON], b"{", 400, "malformed-json"),
        ("unknown kind", entries, &[JSON], b"{}", 400, "unsupported-format"),
        ("a form", entries, &["Content-Type: text/plain"], b"{}", 415, "unsupported-format"),
        ("a web page", entries, &[JSON, "Origin: https://evil.example"], b"{}", 403, "malformed-field"),
        (
            "not a query",
            "/api/v1/timestamp",
            &["Content-Type: application/timestamp-query"],
            b"x",
            400,
            "malformed-field",
        ),
        ("empty", certificates, &[JSON], b"{}", 400, "malformed-field"),
    ];
    for (name, path, headers, body, status, code) in cases {
        let answer = post(&daemon, path, headers, body);
        assert_eq!(answer.0, *status, "{name}: {}", answer.1);
        assert!(answer.1.contains(code), "{name}: {}", answer.1);
    }
    let (status, _) = post(&daemon, certificates, &[JSON], &vec![b' '; 80 << 10]);
    assert!(status == 413 || status == 0, "an oversized body is refused: {status}");
    let key = r#"{"publicKeyRequest":{"publicKey":{"content":"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEG+KKl7OeFAxTfFpNRZKw6tsFB1CeXbdPSXwm+hdvlVr4aX8Jzxs3qP8ZHCZxTq0WMKQpLHf2n83zWLQTxRsU4A==\n-----END PUBLIC KEY-----"},"proofOfPossession":"MAA="}}"#;
    let ask = |token: &str| {
        let bearer = format!("Authorization: Bearer {token}");
        let headers: Vec<&str> = if token.is_empty() { vec![JSON] } else { vec![JSON, &bearer] };
        post(&daemon, certificates, &headers, key.as_bytes())
    };
    let good = token(&project, &[]);
    let expired = token(&project, &["--lifetime", "-120"]);
    let elsewhere = token(&project, &["--audience", "other"]);
    for (token, status, code) in [
        ("", 401, "token-missing"),
        ("x.y.z", 400, "token-malformed"),
        // {"alg":"none"} and {"iss":"https://evil.example"}
        ("eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2V2aWwuZXhhbXBsZSJ9.", 401, "token-algorithm"),
        ("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2V2aWwuZXhhbXBsZSJ9.AA", 401, "token-issuer"),
        (&expired, 401, "token-expired"),
        (&elsewhere, 401, "token-audience"),
        (&format!("{}AA", good.get(..good.len() - 2).unwrap()), 401, "token-signature"),
        (&good, 400, ""),
    ] {
        let answer = ask(token);
        assert_eq!(answer.0, status, "{code}: {}", answer.1);
        assert!(answer.1.contains(code), "{code}: {}", answer.1);
    }
}

#[test]
fn an_issuer_for_tests_is_off_until_it_is_switched_on() {
    let project = Project::new();
    project.run(&["up", "--no-serve"]);
    let (exit, text) = project.run(&["sigstore", "token", "--subject", SUBJECT]);
    assert_eq!(exit, 2, "{text}");
    assert!(text.contains("dangerous_test_issuer"), "{text}");
}

/// A client that signs and verifies.
trait Client {
    fn name(&self) -> &'static str;
    fn sign(&self, home: &Home<'_>, kind: &str, bundle: &Path) -> Result<(), String>;
    /// Whether it can verify at all: `None` where this version is known not to.
    fn verify(&self, home: &Home<'_>, kind: &str, bundle: &Path) -> Option<Result<(), String>>;
}

struct Home<'a> {
    project: &'a Project,
    url: String,
    issuer: String,
}

impl Home<'_> {
    fn file(&self, kind: &str) -> PathBuf {
        self.project.path().join(if kind == "dsse" { "statement.json" } else { "a.txt" })
    }

    fn config(&self) -> PathBuf {
        self.project.path().join(".linkward/sigstore/client_trust_config.json")
    }
}

fn finished(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(()) } else { Err(text(&output.stdout) + &text(&output.stderr)) }
}

struct Python(PathBuf);

impl Client for Python {
    fn name(&self) -> &'static str {
        "sigstore-python"
    }

    fn sign(&self, home: &Home<'_>, kind: &str, bundle: &Path) -> Result<(), String> {
        let token = token(home.project, &[]);
        let mut command = Command::new(&self.0);
        command.arg("--trust-config").arg(home.config());
        if kind == "dsse" {
            command.arg("attest").args(["--predicate-type", "https://slsa.dev/provenance/v1"]);
            command.arg("--predicate").arg(home.project.path().join("provenance.json"));
        } else {
            command.arg("sign");
        }
        command.args(["--identity-token", &token]).arg("--bundle").arg(bundle);
        finished(command.arg(home.project.path().join("a.txt")))
    }

    fn verify(&self, home: &Home<'_>, _: &str, bundle: &Path) -> Option<Result<(), String>> {
        let mut command = Command::new(&self.0);
        command.arg("--trust-config").arg(home.config()).args(["verify", "identity"]);
        command.arg("--bundle").arg(bundle).args(["--cert-identity", SUBJECT]);
        command.args(["--cert-oidc-issuer", &home.issuer]).arg(home.project.path().join("a.txt"));
        Some(finished(&mut command))
    }
}

/// sigstore-js of a major version, in a folder of its own, and the Node to run it.
struct Js {
    name: &'static str,
    node: PathBuf,
    modules: PathBuf,
}

impl Js {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.node);
        command.arg(root().join("tests/testdata/clients/sigstore.mjs")).arg(&self.modules).args(arguments);
        command
    }
}

impl Client for Js {
    fn name(&self) -> &'static str {
        self.name
    }

    fn sign(&self, home: &Home<'_>, kind: &str, bundle: &Path) -> Result<(), String> {
        let token = token(home.project, &[]);
        let mut command = self.command(&["sign", kind, &home.url, &token]);
        finished(command.arg(bundle).arg(home.file(kind)))
    }

    fn verify(&self, home: &Home<'_>, kind: &str, bundle: &Path) -> Option<Result<(), String>> {
        if !self.modules.join("node_modules/@sigstore/verify").exists() {
            return None;
        }
        let mut command = self.command(&["verify", kind]);
        command.arg(home.project.path().join(".linkward/trusted_root.json")).arg(bundle);
        Some(finished(command.arg(home.file(kind))))
    }
}

struct Own;

impl Client for Own {
    fn name(&self) -> &'static str {
        "linkward"
    }

    fn sign(&self, _: &Home<'_>, _: &str, _: &Path) -> Result<(), String> {
        Err("signs with a managed key".to_owned())
    }

    fn verify(&self, home: &Home<'_>, _: &str, bundle: &Path) -> Option<Result<(), String>> {
        let mut command = home.project.command(&["verify", "--identity", SUBJECT, "--issuer", &home.issuer]);
        command.arg("--trusted-root").arg(home.project.path().join(".linkward/trusted_root.json"));
        Some(finished(command.arg("--bundle").arg(bundle).arg(home.project.path().join("a.txt"))))
    }
}

#[test]
fn unmodified_clients_sign_here_and_verify_each_other() {
    let folder = root().join("target/clients");
    let mut signers: Vec<Box<dyn Client>> = Vec::new();
    let python = folder.join("py/bin/sigstore");
    if python.exists() {
        signers.push(Box::new(Python(python)));
    } else {
        linkward_testkit::skipped("sigstore-python is not installed; `cargo xtask test` installs it");
    }
    let node = folder.join("js-5/node_modules/.bin/node");
    for (name, version) in [("sigstore-js 5", "js-5"), ("sigstore-js 4", "js-4")] {
        let modules = folder.join(version);
        if node.exists() && modules.join("node_modules/@sigstore/sign").exists() {
            signers.push(Box::new(Js { name, node: node.clone(), modules }));
        } else {
            linkward_testkit::skipped(&format!("{name} is not installed; `cargo xtask test` installs it"));
        }
    }
    if signers.is_empty() {
        return;
    }
    let project = home();
    let digest = linkward_model::Digest::sha256(b"an artifact\n");
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "a.txt", "digest": { "sha256": digest.hex() } }],
        "predicateType": "https://example.com/p/v1",
        "predicate": {},
    });
    project.write("statement.json", &statement.to_string());
    let provenance = json!({
        "buildDefinition": { "buildType": "https://example.com/b", "externalParameters": {} },
        "runDetails": { "builder": { "id": "https://example.com/builder" } },
    });
    project.write("provenance.json", &provenance.to_string());
    let daemon = Daemon::start(&project);
    let home =
        Home { project: &project, url: format!("http://{}", daemon.console), issuer: issuer(&project) };
    let mut rows = String::new();
    for signer in &signers {
        for kind in ["blob", "dsse"] {
            let bundle = project.path().join(format!("{}-{kind}.json", signer.name().replace(' ', "-")));
            let signed = signer.sign(&home, kind, &bundle);
            assert_eq!(signed, Ok(()), "{} signs {kind}", signer.name());
            for verifier in signers.iter().map(AsRef::as_ref).chain([&Own as &dyn Client]) {
                let Some(verified) = verifier.verify(&home, kind, &bundle) else { continue };
                assert_eq!(verified, Ok(()), "{} verifies {kind} of {}", verifier.name(), signer.name());
                rows.push_str(&format!("| {} | {kind} | {} | verified |\n", signer.name(), verifier.name()));
            }
            // What was signed for one artifact is not for another: clients agree on no as on yes.
            std::fs::write(project.path().join("a.txt"), "another\n").unwrap();
            assert!(Own.verify(&home, kind, &bundle).is_some_and(|verified| verified.is_err()));
            std::fs::write(project.path().join("a.txt"), "an artifact\n").unwrap();
        }
    }
    // The same token with another key is somebody else.
    if signers.iter().any(|signer| signer.name() == "sigstore-js 5") {
        let modules = folder.join("js-5");
        let js = Js { name: "sigstore-js 5", node, modules };
        let stolen = token(&project, &[]);
        let sign = || {
            let mut command = js.command(&["sign", "blob", &home.url, &stolen]);
            finished(command.arg(project.path().join("stolen.json")).arg(home.file("blob")))
        };
        assert_eq!(sign(), Ok(()));
        let refused = sign();
        assert!(
            refused.as_ref().is_err_and(|text| text.contains("401") || text.contains("token-replayed")),
            "{refused:?}"
        );
    }
    if std::env::var_os("LINKWARD_BLESS").is_some() {
        let page = format!(
            "# Sigstore clients\n\nMade by the end-to-end tests; do not edit. Unmodified clients that sign against the private Sigstore, and \
             who verifies what they signed.\n\n| signer | what | verifier | |\n|---|---|---|---|\n{rows}"
        );
        std::fs::write(root().join("docs/sigstore-clients.md"), page).unwrap();
    }
}

#[test]
fn what_was_signed_before_a_rotation_verifies_after_it() {
    let project = home();
    let (exit, text) = project.run(&["sign", "--bundle", "old.json", "a.txt"]);
    assert_eq!(exit, 0, "{text}");
    let python = root().join("target/clients/py/bin/sigstore");
    let client = python.exists().then_some(Python(python));
    if client.is_none() {
        linkward_testkit::skipped("sigstore-python is not installed; `cargo xtask test` installs it");
    }
    let sign = |name: &str| {
        let daemon = Daemon::start(&project);
        let home =
            Home { project: &project, url: format!("http://{}", daemon.console), issuer: issuer(&project) };
        let bundle = project.path().join(name);
        if let Some(client) = &client {
            assert_eq!(client.sign(&home, "blob", &bundle), Ok(()));
            for known in ["client-0.json", name] {
                let bundle = project.path().join(known);
                assert_eq!(client.verify(&home, "blob", &bundle), Some(Ok(())), "{known} after {name}");
                assert_eq!(Own.verify(&home, "blob", &bundle), Some(Ok(())), "{known} after {name}");
            }
        }
        let (exit, text) = project.run(&["rotate", "ca"]);
        assert_eq!(exit, 2, "not under a running daemon: {text}");
        assert!(text.contains("home-locked"), "{text}");
    };
    sign("client-0.json");
    for (round, what) in ["ca", "tsa", "ct"].iter().enumerate() {
        let (exit, text) = project.run(&["rotate", what, "--overlap", "0"]);
        assert_eq!(exit, 0, "{text}");
        sign(&format!("client-{}.json", round + 1));
    }
    let root = std::fs::read_to_string(project.path().join(".linkward/trusted_root.json")).unwrap();
    let root: Value = serde_json::from_str(&root).unwrap();
    for list in ["certificateAuthorities", "timestampAuthorities", "ctlogs"] {
        assert_eq!(root[list].as_array().unwrap().len(), 2, "{list}");
    }
    let arguments = [
        "verify",
        "--bundle",
        "old.json",
        "--key",
        ".linkward/artifact.pub",
        "--trusted-root",
        ".linkward/trusted_root.json",
        "a.txt",
    ];
    let (exit, text) = project.run(&arguments);
    assert_eq!(exit, 0, "{text}");
}
