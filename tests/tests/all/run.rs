//! `run` in other systems: what it tells, what it masks, and the layout that plans it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_tests::Project;
use serde_json::{Value, json};

/// The first requests that come, path and body; answers each with 200. Ends with the test.
fn sink(requests: usize) -> (String, mpsc::Receiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for _ in 0..requests {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
            let mut bytes = Vec::new();
            let mut buffer = [0; 4096];
            let whole = |bytes: &[u8]| {
                let text = String::from_utf8_lossy(bytes).into_owned();
                let (head, body) = text.split_once("\r\n\r\n")?;
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("Content-Length: ")?.parse::<usize>().ok())?;
                let path = head.split(' ').nth(1)?.to_owned();
                (body.len() >= length).then(|| (path, serde_json::from_str(body).unwrap_or(Value::Null)))
            };
            let request = loop {
                if let Some(request) = whole(&bytes) {
                    break request;
                }
                match stream.read(&mut buffer) {
                    Ok(count) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
                    _ => return,
                }
            };
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
            let _ = sender.send(request);
        }
    });
    (address, receiver)
}

/// Payloads of the bundles that `run` left, by predicate type.
fn statements(project: &Project) -> Vec<Value> {
    let folder = project.path().join(".linkward/bundles");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let bundle: Value = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let payload = STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
        found.push(serde_json::from_slice(&payload).unwrap());
    }
    found
}

#[test]
fn a_step_in_ci_is_recorded_told_and_keeps_its_secrets() {
    let project = Project::new();
    let (address, told) = sink(2);
    let mut command = project.command(&[
        "run",
        "--product",
        "out.bin",
        "--env",
        "DEPLOY_TOKEN",
        "--",
        "sh",
        "-c",
        "echo made > out.bin # hunter22secret",
    ]);
    let output = command
        .env("LINKWARD_TELEMETRY_OTLP", format!("http://{address}"))
        .env("LINKWARD_TELEMETRY_CDEVENTS", format!("http://{address}/events"))
        .env("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .env("DEPLOY_TOKEN", "hunter22secret")
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_REPOSITORY", "org/app")
        .env("GITHUB_TOKEN", "hunter22secret")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let first = told.recv_timeout(Duration::from_secs(10)).unwrap();
    let second = told.recv_timeout(Duration::from_secs(10)).unwrap();
    assert_eq!((first.0.as_str(), second.0.as_str()), ("/v1/traces", "/events"));
    let span = &first.1["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(span["traceId"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(second.1["type"], "dev.cdevents.taskrun.finished.0.2.0");
    assert_eq!(second.1["data"]["subject"]["content"]["outcome"], "success");
    let statements = statements(&project);
    let of = |kind: &str| statements.iter().find(|statement| statement["predicateType"] == kind).unwrap();
    let provenance = of("https://slsa.dev/provenance/v1");
    let inside = &provenance["predicate"]["buildDefinition"]["internalParameters"]["ci"];
    assert_eq!(inside["system"], "github-actions");
    assert_eq!(inside["variables"]["GITHUB_REPOSITORY"], "org/app");
    let link = of("https://in-toto.io/attestation/link/v0.3");
    assert_eq!(link["predicate"]["byproducts"]["return-value"], 0);
    assert_eq!(link["predicate"]["environment"]["DEPLOY_TOKEN"], "(masked)");
    assert_eq!(link["subject"], provenance["subject"]);
    for text in [first.1.to_string(), second.1.to_string(), json!(statements).to_string()] {
        assert!(!text.contains("hunter22"), "{text}");
        assert!(text.contains("(masked)") || text.contains("cdevents"), "{text}");
    }
    // That nobody listens changes nothing but a line on the error stream.
    let mut command =
        project.command(&["run", "--product", "out.bin", "--", "sh", "-c", "echo more > out.bin"]);
    let output = command.env("LINKWARD_TELEMETRY_OTLP", "http://127.0.0.1:1").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("telemetry"), "{output:?}");
}

fn openssl(folder: &Path, arguments: &[&str]) -> bool {
    let done = Command::new("openssl").args(arguments).current_dir(folder).output();
    done.is_ok_and(|output| output.status.success())
}

#[test]
fn a_step_that_a_layout_plans_leaves_the_link_that_proves_it() {
    let project = Project::new();
    let (exit, text) = project.run(&["up", "--no-serve"]);
    assert!(project.path().join(".linkward/format").exists(), "{exit}: {text}");
    let folder = project.beside();
    if !openssl(
        folder,
        &["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "owner.key"],
    ) {
        linkward_testkit::skipped("openssl is not installed");
        return;
    }
    assert!(openssl(folder, &["pkey", "-in", "owner.key", "-pubout", "-out", "owner.pub"]));
    let trust: Value =
        serde_json::from_slice(&std::fs::read(project.path().join(".linkward/trust.json")).unwrap()).unwrap();
    let id = "ab".repeat(32);
    let command = ["sh", "-c", "echo made > out.bin"];
    let layout = json!({
        "_type": "layout", "expires": "2099-01-01T00:00:00Z", "readme": "",
        "keys": { id.clone(): {
            "keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": { "public": trust["step_key"] },
        } },
        "steps": [{
            "_type": "step", "name": "build", "threshold": 1, "pubkeys": [id], "expected_command": command,
            "expected_materials": [["DISALLOW", "*"]],
            "expected_products": [["CREATE", "out.bin"], ["DISALLOW", "*"]],
        }],
        "inspect": [],
    })
    .to_string();
    let kind = "application/vnd.in-toto+json";
    let pae = format!("DSSEv1 {} {kind} {} {layout}", kind.len(), layout.len());
    std::fs::write(folder.join("pae"), pae).unwrap();
    assert!(openssl(folder, &["dgst", "-sha256", "-sign", "owner.key", "-out", "sig", "pae"]));
    let signature = STANDARD.encode(std::fs::read(folder.join("sig")).unwrap());
    let envelope = json!({
        "payload": STANDARD.encode(&layout), "payloadType": kind,
        "signatures": [{ "keyid": "owner", "sig": signature }],
    });
    let path = folder.join("root.layout");
    std::fs::write(&path, envelope.to_string()).unwrap();
    let path = path.display().to_string();
    let run = |step: &str, command: &[&str]| {
        let options = ["run", "--layout", &path, "--product", "out.bin", "--step", step, "--"];
        project.run(&[&options[..], command].concat())
    };
    for (step, command, code) in [
        ("deploy", &command[..], "step-not-planned"),
        ("build", &["sh", "-c", "echo other > out.bin"][..], "step-command-mismatch"),
    ] {
        let (exit, text) = run(step, command);
        assert_eq!(exit, 2, "{text}");
        assert!(text.contains(code), "{text}");
    }
    project.write("Cargo.lock", "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\n");
    let (exit, text) = run("build", &command);
    assert_ne!(exit, 0, "{text}");
    assert!(text.contains("layout-rule-disallow"), "{text}");
    assert!(!project.path().join("out.bin").exists(), "what is not planned is not run");
    std::fs::remove_file(project.path().join("Cargo.lock")).unwrap();
    let (exit, text) = run("build", &command);
    assert_eq!(exit, 0, "{text}");
    assert!(project.path().join("build.abababab.link").exists());
    let owner = folder.join("owner.pub").display().to_string();
    let verify =
        || project.run(&["verify", "--layout", &path, "--layout-key", &owner, "--link-dir", ".", "out.bin"]);
    let (exit, text) = verify();
    assert_eq!(exit, 0, "{text}");
    project.write("out.bin", "something else\n");
    let (exit, text) = verify();
    assert_ne!(exit, 0, "{text}");
}
