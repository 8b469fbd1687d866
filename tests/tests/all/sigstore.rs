//! The private Sigstore: what it refuses, and unmodified clients that sign against it and verify each other; long because
//! each service it stands in for has refusals of its own.

mod clients;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_tests::{Daemon, Project, root};
use serde_json::{Value, json};

use self::clients::{Client, Cosign, Home, Js, Own, Python, finished};

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

/// Every client that is installed here, our own last.
fn installed() -> Vec<Box<dyn Client>> {
    let folder = root().join("target/clients");
    let mut clients: Vec<Box<dyn Client>> = Vec::new();
    let python = folder.join("py/bin/sigstore");
    if python.exists() {
        clients.push(Box::new(Python(python)));
    } else {
        linkward_testkit::skipped("sigstore-python is not installed; `cargo xtask test` installs it");
    }
    for (name, version) in [("sigstore-js 5", "js-5"), ("sigstore-js 4", "js-4")] {
        match Js::find(name, version) {
            Some(js) => clients.push(Box::new(js)),
            None => {
                linkward_testkit::skipped(&format!("{name} is not installed; `cargo xtask test` installs it"))
            }
        }
    }
    clients.push(Box::new(Own));
    clients
}

/// What the clients sign: an artifact, a statement about it, and the predicate of one.
fn signable() -> Project {
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
    // cosign leaves zeros out of its JSON, and sigstore-python wants them: the first entry of a log is nobody's.
    let (exit, text) = project.run(&["sign", "--bundle", "first.json", "a.txt"]);
    assert_eq!(exit, 0, "{text}");
    project
}

/// Each client signs, each that can verifies: who signed what, and who verified it.
fn matrix(home: &Home<'_>, clients: &[Box<dyn Client>]) -> Vec<[String; 3]> {
    let project = home.project;
    let mut rows = Vec::new();
    for signer in clients {
        for kind in ["blob", "dsse"] {
            let bundle = project.path().join(format!("{}-{kind}.json", signer.name().replace(' ', "-")));
            let signed = signer.sign(home, kind, &bundle);
            assert_eq!(signed, Ok(()), "{} signs {kind}", signer.name());
            let verify = |verifier: &dyn Client| verifier.verify(home, kind, &bundle);
            for verifier in clients {
                let Some(verified) = verify(verifier.as_ref()) else { continue };
                assert_eq!(verified, Ok(()), "{} verifies {kind} of {}", verifier.name(), signer.name());
                rows.push([signer.name(), kind, verifier.name()].map(str::to_owned));
            }
            // What was signed for one artifact is not for another: clients agree on no as on yes.
            std::fs::write(project.path().join("a.txt"), "another\n").unwrap();
            for verifier in
                clients.iter().filter(|verifier| kind == "blob" || verifier.looks_at_the_artifact())
            {
                let refused = verify(verifier.as_ref()).is_none_or(|verified| verified.is_err());
                assert!(refused, "{} takes {kind} of {} for another", verifier.name(), signer.name());
            }
            std::fs::write(project.path().join("a.txt"), "an artifact\n").unwrap();
        }
    }
    rows
}

#[test]
fn unmodified_clients_sign_here_and_verify_each_other() {
    let clients = installed();
    let project = signable();
    let daemon = Daemon::start(&project);
    let home =
        Home { project: &project, url: format!("http://{}", daemon.console), issuer: issuer(&project) };
    matrix(&home, &clients);
    // The same token with another key is somebody else.
    let Some(js) = Js::find("sigstore-js 5", "js-5") else { return };
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

/// With cosign among them: three clients by three, blob and DSSE, and ours.
#[test]
fn cosign_and_the_others_sign_here_and_verify_each_other() {
    let Some(cosign) = Cosign::find() else {
        linkward_testkit::skipped("cosign is not installed; build it with Go and put it on the path");
        return;
    };
    let mut clients = installed();
    clients.insert(0, Box::new(cosign));
    let project = signable();
    let daemon = Daemon::start(&project);
    let home =
        Home { project: &project, url: format!("http://{}", daemon.console), issuer: issuer(&project) };
    let rows = matrix(&home, &clients);
    let three = ["cosign", "sigstore-python", "sigstore-js 5"];
    let among = |name: &String| three.contains(&name.as_str());
    let all = rows.iter().filter(|[signer, _, verifier]| among(signer) && among(verifier)).count();
    let there = clients.iter().filter(|client| three.contains(&client.name())).count();
    assert_eq!(all, 2 * there * there);
    if std::env::var_os("LINKWARD_BLESS").is_none() {
        return;
    }
    assert_eq!(there, 3, "the page is made where every client is installed");
    let rows: String = rows
        .iter()
        .map(|[signer, kind, verifier]| format!("| {signer} | {kind} | {verifier} | verified |\n"))
        .collect();
    let page = format!(
        "# Sigstore clients\n\nMade by the end-to-end tests; do not edit. Unmodified clients that sign against the private Sigstore, and \
         who verifies what they signed. cosign, sigstore-python and sigstore-js 5 among themselves: {all} of {}.\n\n\
         | signer | what | verifier | |\n|---|---|---|---|\n{rows}",
        2 * there * there
    );
    std::fs::write(root().join("docs/sigstore-clients.md"), page).unwrap();
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
    for (round, what) in ["ca", "tsa", "ct", "log", "signing-key", "tuf-root"].iter().enumerate() {
        let (exit, text) = project.run(&["rotate", what, "--overlap", "0"]);
        assert_eq!(exit, 0, "{what}: {text}");
        sign(&format!("client-{}.json", round + 1));
        let (exit, text) = project.run(&["log", "verify"]);
        assert_eq!(exit, 0, "{what}: {text}");
    }
    let root = std::fs::read_to_string(project.path().join(".linkward/trusted_root.json")).unwrap();
    let root: Value = serde_json::from_str(&root).unwrap();
    for list in ["certificateAuthorities", "timestampAuthorities", "ctlogs", "tlogs"] {
        assert_eq!(root[list].as_array().unwrap().len(), 2, "{list}");
    }
    let arguments = [
        "verify",
        "--bundle",
        "old.json",
        "--key-list",
        ".linkward/sigstore/artifact_keys.json",
        "--trusted-root",
        ".linkward/trusted_root.json",
        "a.txt",
    ];
    let (exit, text) = project.run(&arguments);
    assert_eq!(exit, 0, "{text}");
    let (exit, text) = project.run(&["sign", "--bundle", "old.json", "a.txt"]);
    assert_eq!(exit, 0, "{text}");
    assert_eq!(project.run(&arguments).0, 0, "the new key is in the list");
    let key =
        |name: &str| project.run(&[&["verify", "--key", name], &arguments[1..3], &arguments[5..]].concat()).0;
    assert_eq!((key(".linkward/artifact.pub"), key(".linkward/artifact-1.pub")), (0, 1));
}

/// A port that was free a moment ago.
fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[test]
fn clients_learn_of_the_instance_and_its_rotations_from_the_repository() {
    let project = home();
    let console = free_port();
    let daemon = Daemon::start_at(&project, &console);
    for (path, status) in [
        ("/tuf/1.root.json", 200),
        ("/tuf/timestamp.json", 200),
        ("/tuf/1.targets.json", 200),
        ("/tuf/2.root.json", 404),
        ("/tuf/../keys/step.key", 404),
        ("/tuf/.x", 404),
        ("/tuf/", 404),
    ] {
        assert_eq!(daemon.fetch(path, "localhost").0, status, "{path}");
    }
    let python = root().join("target/clients/py/bin/sigstore");
    if !python.exists() {
        linkward_testkit::skipped("sigstore-python is not installed; `cargo xtask test` installs it");
        return;
    }
    let state = project.beside().join("python");
    let url = format!("http://{console}/tuf");
    let issuer = issuer(&project);
    let sigstore = |arguments: &[&str]| {
        let mut command = Command::new(&python);
        command.args(["--instance", &url]).args(arguments).current_dir(project.path());
        command.env("XDG_DATA_HOME", state.join("data")).env("XDG_CACHE_HOME", state.join("cache"));
        finished(command.env("HOME", &state))
    };
    let verify = |bundle: &str| {
        let identity = ["--cert-identity", SUBJECT, "--cert-oidc-issuer", &issuer];
        sigstore(&[&["verify", "identity", "--bundle", bundle], &identity[..], &["a.txt"]].concat())
    };
    assert!(verify("none.json").is_err(), "nobody is trusted before a root is given");
    assert_eq!(sigstore(&["trust-instance", ".linkward/tuf/1.root.json"]), Ok(()));
    let sign = |bundle: &str| {
        sigstore(&["sign", "--identity-token", &token(&project, &[]), "--bundle", bundle, "a.txt"])
    };
    assert_eq!(sign("first.json"), Ok(()));
    assert_eq!(verify("first.json"), Ok(()));
    drop(daemon);
    for what in ["tuf-root", "ca", "log", "tuf-root", "tsa"] {
        let (exit, text) = project.run(&["rotate", what, "--overlap", "0"]);
        assert_eq!(exit, 0, "{what}: {text}");
    }
    let daemon = Daemon::start_at(&project, &console);
    assert_eq!(daemon.fetch("/tuf/3.root.json", "localhost").0, 200);
    assert_eq!(sign("second.json"), Ok(()));
    for bundle in ["first.json", "second.json"] {
        assert_eq!(verify(bundle), Ok(()), "{bundle}");
    }
    // A repository that somebody else signs is none: the client refuses to go on.
    let stamp = project.path().join(".linkward/tuf/timestamp.json");
    let text = std::fs::read_to_string(&stamp).unwrap();
    let mut forged: Value = serde_json::from_str(&text).unwrap();
    forged["signed"]["version"] = json!(1000);
    std::fs::write(&stamp, forged.to_string()).unwrap();
    assert!(verify("first.json").is_err());
    std::fs::write(&stamp, text).unwrap();
    assert_eq!(verify("first.json"), Ok(()));
}

/// The arguments that name this home's instance as any client would name another's.
fn instance(project: &Project) -> [String; 4] {
    let file = |name: &str| project.path().join(".linkward").join(name).display().to_string();
    [
        "--signing-config".to_owned(),
        file("sigstore/signing_config.v0.2.json"),
        "--trusted-root".to_owned(),
        file("trusted_root.json"),
    ]
}

#[test]
fn what_the_log_never_held_is_refused_until_it_is_flushed() {
    let project = home();
    let daemon = Daemon::start(&project);
    let config = project.path().join(".linkward/sigstore/signing_config.v0.2.json");
    let good: Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    let mut away = good.clone();
    // A port that nobody listens on.
    away["rekorTlogUrls"][0]["url"] = json!("http://127.0.0.1:1");
    project.write("away.json", &away.to_string());
    let root = project.path().join(".linkward/trusted_root.json").display().to_string();
    let issuer = issuer(&project);
    let bearer = token(&project, &[]);
    let sign =
        ["sign", "--identity-token", &bearer, "--signing-config", "away.json", "--trusted-root", &root];
    let (exit, text) = project.run(&[&sign[..], &["--bundle", "b.json", "a.txt"]].concat());
    assert_eq!(exit, 3, "{text}");
    assert!(text.contains("bundle-unlogged") && text.contains("spool flush b.json"), "{text}");
    let form = std::fs::read_to_string(project.path().join("b.json")).unwrap();
    let verify = [
        "verify",
        "--bundle",
        "b.json",
        "--identity",
        SUBJECT,
        "--issuer",
        &issuer,
        "--trusted-root",
        &root,
        "a.txt",
    ];
    let (exit, text) = project.run(&verify);
    assert_eq!(exit, 3, "{text}");
    assert!(text.contains("bundle-unlogged"), "{text}");
    // Whoever strips the mark has a bundle without an entry, which is as little.
    let stripped: Value = serde_json::from_str(&form).unwrap();
    project.write("stripped.json", &stripped["bundle"].to_string());
    let (exit, text) = project.run(&[
        "verify",
        "--bundle",
        "stripped.json",
        "--identity",
        SUBJECT,
        "--issuer",
        &issuer,
        "--trusted-root",
        &root,
        "a.txt",
    ]);
    assert_ne!(exit, 0, "{text}");
    assert!(text.contains("bundle-no-log-entry"), "{text}");
    let (exit, text) = project.run(&["spool", "flush", "--trusted-root", &root, "b.json"]);
    assert_eq!(exit, 3, "still away: {text}");
    assert!(text.contains("signing-service-unreachable"), "{text}");
    assert_eq!(std::fs::read_to_string(project.path().join("b.json")).unwrap(), form, "kept as it was");
    let config = config.display().to_string();
    let flush = ["spool", "flush", "--signing-config", &config, "--trusted-root", &root, "b.json"];
    let (exit, text) = project.run(&flush);
    assert_eq!(exit, 0, "{text}");
    let (exit, text) = project.run(&verify);
    assert_eq!(exit, 0, "{text}");
    let bundle: Value =
        serde_json::from_slice(&std::fs::read(project.path().join("b.json")).unwrap()).unwrap();
    for part in ["/messageSignature", "/verificationMaterial/certificate"] {
        assert_eq!(bundle.pointer(part), stripped["bundle"].pointer(part), "the same signature: {part}");
    }
    let (exit, text) = project.run(&flush);
    assert_eq!(exit, 2, "a bundle does not wait: {text}");
    // An authority that is away is no reason to wait: without a certificate nothing is signed.
    let mut none = good;
    none["caUrls"][0]["url"] = json!("http://127.0.0.1:1");
    project.write("none.json", &none.to_string());
    let again = token(&project, &[]);
    let sign = ["sign", "--identity-token", &again, "--signing-config", "none.json", "--trusted-root", &root];
    let (exit, text) = project.run(&[&sign[..], &["--allow-spool", "--bundle", "c.json", "a.txt"]].concat());
    assert_eq!(exit, 3, "{text}");
    assert!(text.contains("signing-service-unreachable"), "{text}");
    assert!(!project.path().join("c.json").exists());
    drop(daemon);
}

#[test]
fn a_home_whose_log_cannot_write_keeps_signatures_until_it_can() {
    let project = home();
    project.write("Cargo.lock", "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n");
    let log = project.path().join(".linkward/logs/signing");
    let tiles = log.join("tile");
    let aside = project.path().join(".linkward/aside");
    let before = tiles.exists();
    if before {
        std::fs::rename(&tiles, &aside).unwrap();
    }
    // A file where the folder of tiles should be: no write succeeds, whoever tries.
    std::fs::write(&tiles, "").unwrap();
    let (exit, text) = project.run(&["sign", "--bundle", "b.json", "a.txt"]);
    assert_eq!(exit, 3, "{text}");
    assert!(text.contains("bundle-unlogged"), "{text}");
    let run = ["run", "--allow-spool", "--product", "out.bin", "--", "sh", "-c", "echo made > out.bin"];
    let (exit, text) = project.run(&run);
    assert_eq!(exit, 0, "a build goes on: {text}");
    assert!(text.contains("not logged"), "{text}");
    let (exit, text) = project.run(&["check", "out.bin"]);
    assert_ne!(exit, 0, "what no log holds allows nothing: {text}");
    let (exit, text) = project.run(&["spool", "flush"]);
    assert_eq!(exit, 3, "{text}");
    let (exit, text) = project.run(&["--format", "json", "spool", "list"]);
    assert_eq!(exit, 3, "{text}");
    let waiting: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(waiting["waiting"].as_array().unwrap().len(), 2, "{text}");
    std::fs::remove_file(&tiles).unwrap();
    if before {
        std::fs::rename(&aside, &tiles).unwrap();
    }
    let (exit, text) = project.run(&["spool", "flush"]);
    assert_eq!(exit, 0, "{text}");
    let verify = [
        "verify",
        "--bundle",
        "b.json",
        "--key",
        ".linkward/artifact.pub",
        "--trusted-root",
        ".linkward/trusted_root.json",
        "a.txt",
    ];
    let (exit, text) = project.run(&verify);
    assert_eq!(exit, 0, "{text}");
    let (exit, text) = project.run(&["check", "out.bin"]);
    assert_eq!(exit, 0, "{text}");
    assert_eq!(project.run(&["spool", "list"]).0, 0);
}

#[test]
fn the_conformance_protocol_signs_blobs_and_statements() {
    let project = home();
    let _daemon = Daemon::start(&project);
    let instance = instance(&project);
    let instance: Vec<&str> = instance.iter().map(String::as_str).collect();
    let issuer = issuer(&project);
    let digest = linkward_model::Digest::sha256(b"an artifact\n");
    // Its bytes are signed as they are, whatever order and spaces they have.
    let statement = format!(
        "{{ \"subject\": [{{\"name\":\"a.txt\", \"digest\":{{\"sha256\":\"{}\"}}}}],\n \"_type\":\"https://in-toto.io/Statement/v1\",\
         \"predicateType\":\"https://example.com/p/v1\",\"predicate\":{{}} }}\n",
        digest.hex()
    );
    project.write("statement.json", &statement);
    for (kind, file) in [(&[][..], "a.txt"), (&["--in-toto"][..], "statement.json")] {
        let bearer = token(&project, &[]);
        let out = format!("{file}.bundle");
        let mut arguments = vec!["sign-bundle"];
        arguments.extend(kind);
        arguments.extend(["--identity-token", &bearer, "--bundle", &out]);
        arguments.extend(&instance);
        arguments.push(file);
        let (exit, text) = project.run(&arguments);
        assert_eq!(exit, 0, "{file}: {text}");
        let bundle: Value =
            serde_json::from_slice(&std::fs::read(project.path().join(&out)).unwrap()).unwrap();
        assert_eq!(bundle["mediaType"], "application/vnd.dev.sigstore.bundle.v0.3+json");
        let material = &bundle["verificationMaterial"];
        assert!(
            material["certificate"]["rawBytes"].is_string() && material["x509CertificateChain"].is_null()
        );
        assert_eq!(
            material["tlogEntries"][0]["kindVersion"],
            json!({ "kind": "hashedrekord", "version": "0.0.2" })
        );
        if !kind.is_empty() {
            let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
            assert_eq!(STANDARD.decode(payload).unwrap(), statement.as_bytes());
        }
        let verify = |identity: &str| {
            project.run(&[
                "verify-bundle",
                "--bundle",
                &out,
                "--certificate-identity",
                identity,
                "--certificate-oidc-issuer",
                &issuer,
                instance[2],
                instance[3],
                "a.txt",
            ])
        };
        let (exit, text) = verify(SUBJECT);
        assert_eq!(exit, 0, "{file}: {text}");
        let (exit, text) = verify("https://ci.example/org/other");
        assert_eq!(exit, 1, "{text}");
        // The token has certified one key; whoever has it now has none.
        let (exit, text) = project.run(&arguments);
        assert_ne!(exit, 0);
        assert!(text.contains("token-replayed"), "{text}");
    }
    let bearer = token(&project, &[]);
    let mut arguments = vec!["sign-bundle", "--identity-token", &bearer, "--bundle", "x.json", "--in-toto"];
    arguments.extend(&instance);
    arguments.push("a.txt");
    assert_eq!(project.run(&arguments).0, 2, "no statement");
    let staging = ["sign-bundle", "--staging", "--identity-token", &bearer, "--bundle", "x.json", "a.txt"];
    assert_ne!(project.run(&staging).0, 0);
    assert!(!project.path().join("x.json").exists());
}

#[test]
fn a_key_of_ones_own_signs_against_an_instance() {
    let project = home();
    let _daemon = Daemon::start(&project);
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "own.key"])
        .current_dir(project.path())
        .output();
    if !made.is_ok_and(|output| output.status.success()) {
        linkward_testkit::skipped("openssl is not installed");
        return;
    }
    use std::os::unix::fs::PermissionsExt as _;
    let path = project.path().join("own.key");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let public = Command::new("openssl")
        .args(["pkey", "-in", "own.key", "-pubout", "-out", "own.pub"])
        .current_dir(project.path())
        .status();
    assert!(public.unwrap().success());
    let (exit, text) = project.run(&["sign", "--key", "own.key", "a.txt"]);
    assert_eq!(exit, 0, "{text}");
    let verify = |key: &str| {
        let root = ".linkward/trusted_root.json";
        let arguments =
            ["verify", "--bundle", "a.txt.sigstore.json", "--key", key, "--trusted-root", root, "a.txt"];
        project.run(&arguments)
    };
    assert_eq!(verify("own.pub").0, 0, "{}", verify("own.pub").1);
    assert_eq!(verify(".linkward/artifact.pub").0, 1);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_ne!(project.run(&["sign", "--key", "own.key", "a.txt"]).0, 0, "a key that others can read");
}

#[test]
fn a_flood_of_bad_tokens_is_held_back_and_recorded_by_its_count() {
    let project = home();
    let daemon = Daemon::start(&project);
    // {"alg":"ES256"}, {"iss":"https://evil.example","sub":"mallory"}
    let bearer = "Authorization: Bearer eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2V2aWwuZXhhbXBsZSIsInN1YiI6Im1hbGxvcnkifQ.AA";
    let key = r#"{"publicKeyRequest":{"publicKey":{"content":"-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEG+KKl7OeFAxTfFpNRZKw6tsFB1CeXbdPSXwm+hdvlVr4aX8Jzxs3qP8ZHCZxTq0WMKQpLHf2n83zWLQTxRsU4A==\n-----END PUBLIC KEY-----"},"proofOfPossession":"MAA="}}"#;
    let ask = |bearer: &str| post(&daemon, "/api/v2/signingCert", &[JSON, bearer], key.as_bytes());
    let statuses: Vec<u16> = (0..400).map(|_| ask(bearer).0).collect();
    assert_eq!(statuses.first(), Some(&401));
    assert!(statuses.contains(&429), "held back at last");
    assert!(statuses.iter().all(|status| [401, 429].contains(status)), "never anything else");
    // Somebody else is not held back for it.
    let good = token(&project, &[]);
    assert_eq!(ask(&format!("Authorization: Bearer {good}")).0, 400, "an honest token, a proof that is none");
    let (exit, text) = project.run(&["--format", "json", "sigstore", "show"]);
    assert_eq!(exit, 0, "{text}");
    let shown: Value = serde_json::from_str(&text).unwrap();
    let count = |code: &str| {
        let rows = shown["refused"].as_array().unwrap();
        rows.iter().find(|row| row["code"] == code).map_or(0, |row| row["count"].as_u64().unwrap())
    };
    assert_eq!(count("token-issuer") + count("rate-limited"), 400, "{text}");
    let recorded = || {
        let (_, text) = project.run(&["--format", "json", "log", "list", "--kind", "observation"]);
        let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
        rows.iter().find_map(|row| {
            let (_, text) = project.run(&["log", "show", &row["record"].to_string()]);
            let record: Value = serde_json::from_str(&text).unwrap();
            (record["body"]["says"]["what"] == "signing-refusals").then_some(record)
        })
    };
    // The daemon records by the ten seconds, in one record however many there were.
    let record = (0..40).find_map(|_| {
        std::thread::sleep(Duration::from_millis(500));
        recorded()
    });
    let record = record.expect("a record of the refusals");
    let rows = record["body"]["says"]["refused"].as_array().unwrap();
    assert!(
        rows.iter().any(|row| row["code"] == "token-issuer" && row["service"] == "certificate"),
        "{record}"
    );
}

#[test]
fn keys_under_a_passphrase_sign_with_it_alone() {
    let project = home();
    let run = |passphrase: Option<&str>, arguments: &[&str]| {
        let mut command = project.command(arguments);
        if let Some(passphrase) = passphrase {
            command.env("LINKWARD_KEY_PASSPHRASE", passphrase);
        }
        // A session of its own has no terminal to ask at.
        let output = Command::new("setsid")
            .arg("--wait")
            .arg(command.get_program())
            .args(command.get_args())
            .current_dir(project.path())
            .envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .output()
            .unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        (output.status.code().unwrap_or(-1), text)
    };
    let (exit, text) = run(None, &["key", "encrypt"]);
    assert_eq!(exit, 2, "{text}");
    assert!(text.contains("key-locked") && text.contains("LINKWARD_KEY_PASSPHRASE_FILE"), "{text}");
    let (exit, text) = run(Some("correct"), &["key", "encrypt"]);
    assert_eq!(exit, 0, "{text}");
    let folder = project.path().join(".linkward/keys");
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "key") {
            let text = std::fs::read_to_string(&path).unwrap();
            assert!(text.contains("ENCRYPTED PRIVATE KEY"), "{}", path.display());
        }
    }
    for wrong in [None, Some("wrong")] {
        let (exit, text) = run(wrong, &["sign", "a.txt"]);
        assert_ne!(exit, 0, "{wrong:?}: {text}");
        assert!(!project.path().join("a.txt.sigstore.json").exists());
    }
    let (exit, text) = run(Some("correct"), &["sign", "a.txt"]);
    assert_eq!(exit, 0, "{text}");
    // A key that is made later is no more bare than the others.
    let (exit, text) = run(Some("correct"), &["rotate", "signing-key"]);
    assert_eq!(exit, 0, "{text}");
    let made = std::fs::read_to_string(folder.join("artifact-2.key")).unwrap();
    assert!(made.contains("ENCRYPTED PRIVATE KEY"));
    let (exit, text) = run(Some("wrong"), &["key", "decrypt"]);
    assert_eq!(exit, 2, "{text}");
    let (exit, text) = run(Some("correct"), &["key", "decrypt"]);
    assert_eq!(exit, 0, "{text}");
    let (exit, text) = run(None, &["sign", "a.txt"]);
    assert_eq!(exit, 0, "{text}");
}
