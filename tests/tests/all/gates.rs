//! Revocation, gates elsewhere, nodes, break-glass and the way back, as people and clusters meet them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use linkward_tests::{Daemon, Project};
use serde_json::{Value, json};

use crate::admission::{built, client, pod, post, post_to, project};

const BY: [&str; 4] = ["--reason", "a test", "--author", "tests"];

fn ask(project: &Project, args: &[&str]) -> (i32, Value) {
    let args = [&["--format", "json"], args].concat();
    let (exit, text) = project.run(&args);
    let value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}"));
    (exit, value)
}

fn digest_of(image: &str) -> String {
    image.split_once('@').unwrap().1.to_owned()
}

fn workload(kind: &str, name: &str, image: &str) -> String {
    let mut review: Value = serde_json::from_str(&pod(image)).unwrap();
    let spec = review["request"]["object"]["spec"].clone();
    review["request"]["kind"] = json!({ "group": "apps", "version": "v1", "kind": kind });
    review["request"]["name"] = name.into();
    review["request"]["object"] = json!({ "spec": { "template": { "spec": spec } } });
    review.to_string()
}

/// Asks until it is so; how fast is for the bench to say.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < Duration::from_secs(20), "not within twenty seconds: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_is_revoked_is_refused_at_once_explained_and_taken_back_in_the_open() {
    let project = project();
    let daemon = Daemon::start(&project);
    let client = client(&project);
    let good = built(&project);
    let digest = digest_of(&good);
    assert_eq!(project.run(&["admit", "enforce"]).0, 0);
    let allowed = || post(&daemon, &client, &pod(&good)).unwrap()["response"]["allowed"] == true;
    assert!(
        post(&daemon, &client, &workload("Deployment", "cart", &good)).unwrap()["response"]["allowed"]
            == true
    );
    assert!(allowed());
    let (_, status) = ask(&project, &["admit", "status"]);
    let verified = status["verified"].as_u64().unwrap();

    let (exit, answer) = ask(&project, &[&["revoke", "digest", &digest], &BY[..]].concat());
    assert_eq!(exit, 0, "{answer}");
    assert_eq!(answer["digests"], json!([digest]));
    assert!(answer["workloads"].to_string().contains("shop/Deployment/cart"), "{answer}");
    let record = answer["record"].as_u64().unwrap().to_string();
    let refused = post(&daemon, &client, &pod(&good)).unwrap();
    assert_eq!(refused["response"]["allowed"], false);
    assert!(
        refused["response"]["status"]["message"].as_str().unwrap().contains("digest-revoked"),
        "{refused}"
    );
    let (exit, explained) = ask(&project, &["explain", &digest]);
    assert_eq!((exit, &explained["replay"]["result"]), (1, &json!("same")), "{explained}");
    assert_eq!(explained["reasons"][0]["code"], "digest-revoked");
    assert_eq!(ask(&project, &["check", &digest]).0, 1);
    assert_eq!(ask(&project, &["admit", "image", &good]).0, 1);
    let (exit, text) = project.run(&[&["revoke", "digest", &digest], &BY[..]].concat());
    assert_eq!(exit, 2, "revoked twice: {text}");

    // It outlives the daemon.
    drop(daemon);
    let daemon = Daemon::start(&project);
    assert_eq!(post(&daemon, &client, &pod(&good)).unwrap()["response"]["allowed"], false);
    let (exit, answer) = ask(&project, &[&["revoke", "undo", &record], &BY[..]].concat());
    assert_eq!(exit, 0, "{answer}");
    assert_eq!(post(&daemon, &client, &pod(&good)).unwrap()["response"]["allowed"], true);
    assert_eq!(project.run(&[&["revoke", "undo", &record], &BY[..]].concat()).0, 2);

    // By the key that signed it, by its builder, by what it contains.
    let (_, home) = ask(&project, &["log", "list", "--kind", "proof", "--limit", "1"]);
    let (_, proof) = ask(&project, &["log", "show", &home[0]["record"].to_string()]);
    let says = &proof["body"]["says"];
    let (key, builder) =
        (says["signer"]["id"].as_str().unwrap().to_owned(), trust(&project)["builder"].clone());
    for (kind, value, code) in [
        ("key", key.as_str(), "key-revoked"),
        ("builder", builder.as_str().unwrap(), "builder-revoked"),
        ("package", "pkg:pypi/django", "package-revoked"),
        ("package", "pkg:pypi/django@>=1.0,<1.3", "package-revoked"),
    ] {
        let (exit, answer) = ask(&project, &[&["revoke", kind, value], &BY[..]].concat());
        assert_eq!(exit, 0, "{kind}: {answer}");
        let record = answer["record"].to_string();
        until(code, || {
            let answer = post(&daemon, &client, &pod(&good)).unwrap();
            answer["response"]["status"]["message"].as_str().unwrap_or("").contains(code)
        });
        let (_, explained) = ask(&project, &["explain", &digest]);
        assert_eq!(explained["replay"]["result"], "same", "{kind}: {explained}");
        assert_eq!(ask(&project, &[&["revoke", "undo", &record], &BY[..]].concat()).0, 0);
        until("allowed again", || {
            post(&daemon, &client, &pod(&good)).unwrap()["response"]["allowed"] == true
        });
    }
    let (_, list) = ask(&project, &["revoke", "list"]);
    assert_eq!((list["revocations"].as_array().unwrap().len(), &list["epoch"]), (0, &json!(10)), "{list}");
    // However often it was asked, refused, revoked and restarted: each bundle is verified when it comes, and once after a restart.
    let (_, status) = ask(&project, &["admit", "status"]);
    assert!(status["verified"].as_u64().unwrap() <= verified + 3, "{status}");
    assert_eq!(project.run(&["log", "verify"]).0, 0);
}

fn trust(project: &Project) -> Value {
    serde_json::from_slice(&std::fs::read(project.path().join(".linkward/trust.json")).unwrap()).unwrap()
}

/// A line between a gate and the record that can be cut.
struct Line {
    address: String,
    cut: Arc<AtomicBool>,
}

impl Line {
    fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (cut, target) = (Arc::new(AtomicBool::new(false)), target.to_owned());
        let is_cut = Arc::clone(&cut);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                if is_cut.load(Ordering::SeqCst) {
                    continue;
                }
                let (target, is_cut) = (target.clone(), Arc::clone(&is_cut));
                std::thread::spawn(move || -> std::io::Result<()> {
                    let mut upstream = TcpStream::connect(&target)?;
                    let mut request = Vec::new();
                    let mut buffer = [0; 1024];
                    while !request.ends_with(b"\r\n\r\n") {
                        let count = stream.read(&mut buffer)?;
                        request.extend_from_slice(&buffer[..count]);
                    }
                    upstream.write_all(&request)?;
                    let mut answer = Vec::new();
                    upstream.read_to_end(&mut answer)?;
                    // Cut while it was waiting: the answer is lost on the way.
                    if !is_cut.load(Ordering::SeqCst) {
                        stream.write_all(&answer)?;
                    }
                    Ok(())
                });
            }
        });
        Self { address, cut }
    }
}

/// A gate process with a folder of its own.
struct Replica {
    child: Child,
    address: String,
    folder: PathBuf,
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder(project: &Project, name: &str) -> PathBuf {
    let folder = project.beside().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(project.path().join(".linkward/trust.json"), folder.join("trust.json")).unwrap();
    std::fs::write(folder.join("linkward.toml"), "[admission]\nlease_seconds = 2\n").unwrap();
    folder
}

impl Replica {
    fn start(project: &Project, folder: &Path, feed: &str) -> Self {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let tls = project.beside().join("tls");
        let child = project
            .command(&["admit", "serve", "--listen", "127.0.0.1:0", "--feed", &format!("http://{feed}/gate")])
            .args([
                "--gate",
                &text(folder),
                "--cert",
                &text(&tls.join("tls.crt")),
                "--key",
                &text(&tls.join("tls.key")),
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        let address = first.split_once("https://").unwrap().1.split('/').next().unwrap().to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, folder: folder.to_path_buf() }
    }

    /// Allowed, and the code in what it says.
    fn review(&self, client: &Arc<rustls::ClientConfig>, image: &str) -> (bool, String) {
        let (_, body) = post_to(&self.address, client, "/admit", &pod(image)).unwrap();
        let answer: Value = serde_json::from_str(&body).unwrap();
        let code = answer["response"]["auditAnnotations"]["code"].as_str().unwrap_or("").to_owned();
        (answer["response"]["allowed"] == true, code)
    }
}

#[test]
fn gates_elsewhere_obey_within_the_feed_and_know_when_they_are_cut_off() {
    let project = project();
    let daemon = Daemon::start(&project);
    let client = client(&project);
    let good = built(&project);
    assert_eq!(project.run(&["admit", "enforce"]).0, 0);
    let tls = project.beside().join("tls").to_string_lossy().into_owned();
    let (exit, text) =
        project.run(&["admit", "certificate", "--name", "127.0.0.1", "--days", "1", "--out", &tls]);
    assert_eq!(exit, 0, "{text}");
    let line = Line::to(&daemon.console);
    let mut gates: Vec<Replica> = (0..4)
        .map(|number| {
            let feed = if number == 0 { &line.address } else { &daemon.console };
            Replica::start(&project, &folder(&project, &format!("gate-{number}")), feed)
        })
        .collect();
    for gate in &gates {
        until("every gate has its snapshot", || gate.review(&client, &good).0);
        let stranger = format!("registry.example/x@sha256:{}", "7".repeat(64));
        assert_eq!(gate.review(&client, &stranger), (false, "no-evidence".to_owned()));
    }
    let old = std::fs::read(gates[1].folder.join("snapshot")).unwrap();

    line.cut.store(true, Ordering::SeqCst);
    let digest = digest_of(&good);
    let (exit, answer) = ask(&project, &[&["revoke", "digest", &digest], &BY[..]].concat());
    assert_eq!(exit, 0, "{answer}");
    for gate in &gates[1..] {
        until("a connected gate refuses", || {
            gate.review(&client, &good) == (false, "digest-revoked".to_owned())
        });
    }
    until("the gate that is cut off knows it", || {
        gates[0].review(&client, &good) == (false, "feed-stale".to_owned())
    });
    line.cut.store(false, Ordering::SeqCst);
    until("it comes back", || gates[0].review(&client, &good) == (false, "digest-revoked".to_owned()));

    // Away from everything, from its own disk; and with yesterday's snapshot put back.
    until("the newer snapshot is kept", || std::fs::read(gates[1].folder.join("snapshot")).unwrap() != old);
    let folder = gates[1].folder.clone();
    gates.remove(1);
    let alone = Replica::start(&project, &folder, "127.0.0.1:9");
    assert_eq!(alone.review(&client, &good), (false, "digest-revoked".to_owned()));
    drop(alone);
    std::fs::write(folder.join("snapshot"), &old).unwrap();
    let alone = Replica::start(&project, &folder, "127.0.0.1:9");
    assert_eq!(alone.review(&client, &good), (false, "snapshot-rolled-back".to_owned()));
    drop(alone);

    // The record starts again: its gates catch up by themselves.
    let record = answer["record"].to_string();
    let (exit, text) = project.run(&[&["revoke", "undo", &record], &BY[..]].concat());
    assert_eq!(exit, 0, "{text}");
    until("taken back everywhere", || gates.iter().all(|gate| gate.review(&client, &good).0));
}

#[test]
fn a_node_decides_from_its_snapshot_in_containerds_protocol() {
    let project = project();
    let daemon = Daemon::start(&project);
    let good = built(&project);
    assert_eq!(project.run(&["admit", "enforce"]).0, 0);
    let folder = folder(&project, "node");
    let gate = folder.to_string_lossy().into_owned();
    let digest = digest_of(&good);
    let verify = |flags: &[&str], stdin: &str| {
        let child = project
            .command(&["admit", "image-verifier", "--gate", &gate])
            .args(flags)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = child.unwrap();
        // One that refuses early may have closed its end.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let media = ["-stdin-media-type", "application/vnd.oci.descriptor.v1+json"];
    let descriptor = |digest: &str| format!("{{\"mediaType\":\"m\",\"digest\":\"{digest}\",\"size\":7}}");
    let asked = |name: &str, digest: &str, stdin: &str| {
        verify(&[&["-name", name, "-digest", digest], &media[..]].concat(), stdin)
    };
    let (exit, text) = asked(&good, &digest, &descriptor(&digest));
    assert!(exit != 0 && text.contains("snapshot-missing"), "{exit} {text}");

    let (exit, text) = project.run(&[
        "admit",
        "fetch",
        "--gate",
        &gate,
        "--feed",
        &format!("http://{}/gate", daemon.console),
    ]);
    assert_eq!(exit, 0, "{text}");
    drop(daemon);
    assert_eq!(asked(&good, &digest, &descriptor(&digest)).0, 0, "the control plane is away");
    assert_eq!(asked("registry.example/shop/app:v1", &digest, &descriptor(&digest)).0, 0);
    let other = format!("sha256:{}", "7".repeat(64));
    for (name, digest, stdin, code) in [
        ("registry.example/shop/app:v1", other.as_str(), descriptor(&other), "no-evidence"),
        (good.as_str(), other.as_str(), descriptor(&other), "image-digest-mismatch"),
        (good.as_str(), digest.as_str(), descriptor(&other), "descriptor"),
        (good.as_str(), digest.as_str(), "{".to_owned(), "descriptor"),
        (good.as_str(), "sha256:aa", String::new(), "-digest"),
        ("Registry.example/App:v1", digest.as_str(), descriptor(&digest), "image-malformed"),
    ] {
        let (exit, text) = asked(name, digest, &stdin);
        assert!(exit != 0 && text.contains(code), "{name} {digest}: {exit} {text}");
        assert!(text.starts_with("linkward: refused"), "{text}");
    }
    // containerd knows no subcommands.
    let mut bare = project.command(&["-name", &good, "-digest", &digest]);
    let output = bare.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() != Some(0) && text.contains("trust.json"), "{text}");
    // Past its lease a snapshot gives no yes.
    until("stale", || asked(&good, &digest, &descriptor(&digest)).1.contains("feed-stale"));
    // Tampered, it gives none at all.
    let path = folder.join("snapshot");
    let changed = std::fs::read_to_string(&path).unwrap().replace("\tallow\t", "\tdeny\t");
    std::fs::write(&path, changed).unwrap();
    assert!(asked(&good, &digest, &descriptor(&digest)).1.contains("snapshot-invalid"));
}

#[test]
fn glass_is_broken_by_enough_people_for_one_namespace() {
    let project = project();
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let (one, two, note) = (
        text(project.beside().join("one.key")),
        text(project.beside().join("two.key")),
        text(project.beside().join("glass")),
    );
    // There is nothing in the project yet: no verdict, but a home.
    assert_eq!(project.run(&["up", "--no-serve"]).0, 3);
    let mut keys = Vec::new();
    for (name, file) in [("ops-1", &one), ("ops-2", &two)] {
        let (exit, line) = project.run(&["admit", "break-glass", "key", name, "--out", file]);
        assert_eq!(exit, 0, "{line}");
        keys.push(line.trim().to_owned());
    }
    let settings = format!(
        "[admission]\nbreak_glass_keys = [\"{}\", \"{}\"]\nbreak_glass_people = 2\n",
        keys[0], keys[1]
    );
    std::fs::write(project.path().join(".linkward/linkward.toml"), settings).unwrap();
    let daemon = Daemon::start(&project);
    let client = client(&project);
    assert_eq!(project.run(&["admit", "enforce"]).0, 0);
    let digest = format!("sha256:{}", "7".repeat(64));
    let image = format!("registry.example/shop/urgent@{digest}");
    assert_eq!(post(&daemon, &client, &pod(&image)).unwrap()["response"]["allowed"], false);
    let sign =
        ["admit", "break-glass", "sign", "--digest", &digest, "--namespace", "shop", "--reason", "down"];
    let (exit, said) =
        project.run(&[&sign[..], &["--name", "ops-1", "--key", &one, "--out", &note]].concat());
    assert_eq!(exit, 0, "{said}");
    let (exit, said) = project.run(&["admit", "break-glass", "use", &note]);
    assert!(exit == 2 && said.contains("break-glass-invalid"), "one of two: {said}");
    let (exit, said) =
        project.run(&["admit", "break-glass", "cosign", &note, "--name", "ops-2", "--key", &two]);
    assert_eq!(exit, 0, "{said}");
    let (exit, said) = project.run(&["admit", "break-glass", "use", &note]);
    assert_eq!(exit, 0, "{said}");
    let answer = post(&daemon, &client, &pod(&image)).unwrap();
    assert_eq!(answer["response"]["allowed"], true);
    assert!(answer["response"]["warnings"][0].as_str().unwrap().contains("break-glass-applied"), "{answer}");
    let elsewhere = pod(&image).replace("\"shop\"", "\"bank\"");
    assert_eq!(post(&daemon, &client, &elsewhere).unwrap()["response"]["allowed"], false);
    // It outlives a restart, and lifts no revocation.
    drop(daemon);
    let daemon = Daemon::start(&project);
    assert_eq!(post(&daemon, &client, &pod(&image)).unwrap()["response"]["allowed"], true);
    assert_eq!(project.run(&[&["revoke", "digest", &digest], &BY[..]].concat()).0, 0);
    assert_eq!(post(&daemon, &client, &pod(&image)).unwrap()["response"]["allowed"], false);
}

#[test]
fn where_it_takes_two_one_person_revokes_nothing_and_brings_nothing_back() {
    let project = project();
    let good = built(&project);
    let text = |name: &str| project.beside().join(name).to_string_lossy().into_owned();
    let mut keys = Vec::new();
    for name in ["ops-1", "ops-2"] {
        let (exit, line) = project.run(&["admit", "break-glass", "key", name, "--out", &text(name)]);
        assert_eq!(exit, 0, "{line}");
        keys.push(line.trim().to_owned());
    }
    // The first person under another name is still the first person.
    let again = keys[0].replacen("ops-1", "ops-3", 1);
    let settings = format!("[revoke]\npeople = 2\nkeys = [\"{}\", \"{}\"]\n", keys[0], keys[1]);
    std::fs::write(project.path().join(".linkward/linkward.toml"), settings).unwrap();
    assert_ne!(again, keys[0]);
    let daemon = Daemon::start(&project);
    let client = client(&project);
    assert_eq!(project.run(&["admit", "enforce"]).0, 0);
    let allowed = || post(&daemon, &client, &pod(&good)).unwrap()["response"]["allowed"] == true;
    let digest = digest_of(&good);
    let (exit, said) = project.run(&[&["revoke", "digest", &digest], &BY[..]].concat());
    assert!(exit == 2 && said.contains("revocation-unsigned"), "{exit} {said}");
    let by = |name: &str| {
        vec![
            "--reason".to_owned(),
            "a test".to_owned(),
            "--author".to_owned(),
            name.to_owned(),
            "--sign-with".to_owned(),
            text(name),
        ]
    };
    let propose = |args: &[&str]| {
        let by = by("ops-1");
        let by: Vec<&str> = by.iter().map(String::as_str).collect();
        let (exit, answer) = ask(&project, &[args, &by].concat());
        assert_eq!((exit, &answer["code"]), (3, &json!("revocation-pending")), "{answer}");
        answer["record"].to_string()
    };
    let confirm = |record: &str, name: &str| {
        project.run(&["revoke", "confirm", record, "--author", name, "--key", &text(name)])
    };
    let proposal = propose(&["revoke", "digest", &digest]);
    assert!(allowed(), "one person stops nothing");
    let (_, list) = ask(&project, &["revoke", "list"]);
    assert_eq!(list["pending_records"], json!([proposal.parse::<u64>().unwrap()]));
    let (exit, said) = confirm(&proposal, "ops-1");
    assert!(exit == 3 && said.contains("revocation-pending"), "twice the same person: {exit} {said}");
    assert!(allowed());
    assert_eq!(confirm("0", "ops-2").0, 2, "record 0 is no proposal");
    let (exit, said) = confirm(&proposal, "ops-2");
    assert_eq!(exit, 0, "{said}");
    assert!(!allowed());
    let (exit, said) = confirm(&proposal, "ops-2");
    assert!(exit == 2 && said.contains("confirmed already"), "{said}");
    let (_, list) = ask(&project, &["revoke", "list"]);
    assert_eq!(list["revocations"][0]["author"], "ops-1 and ops-2", "{list}");
    // Bringing it back takes two as well.
    let record = list["revocations"][0]["record"].to_string();
    let (exit, said) = project.run(&[&["revoke", "undo", &record], &BY[..]].concat());
    assert!(exit == 2 && said.contains("revocation-unsigned"), "{exit} {said}");
    let undo = propose(&["revoke", "undo", &record]);
    assert!(!allowed());
    assert_eq!(confirm(&undo, "ops-2").0, 0);
    assert!(allowed());
    assert_eq!(project.run(&["log", "verify"]).0, 0);
}

#[test]
fn the_way_back_and_the_answers_to_controllers() {
    let project = project();
    let good = built(&project);
    std::fs::write(project.path().join(".linkward/linkward.toml"), "[deploy]\nsoak_seconds = 0\n").unwrap();
    let daemon = Daemon::start(&project);
    let client = client(&project);
    let cart = "shop/Deployment/cart";
    let (exit, plan) = ask(&project, &["rollback", cart]);
    assert_eq!((exit, &plan["plan"]["current"]), (3, &Value::Null));
    for bad in ["cart", "shop/cart", "shop/Deployment/", "a/b/c/d"] {
        assert_eq!(project.run(&["rollback", bad]).0, 2, "{bad}");
    }
    assert_eq!(project.run(&["deploy", "record", cart, "--ready"]).0, 2, "nothing is known of it");
    assert_eq!(project.run(&["deploy", "record", cart, "--image", "registry.example/cart:v1"]).0, 2);
    // The webhook tells the ledger; a command tells what a webhook cannot see.
    post(&daemon, &client, &workload("Deployment", "cart", &good)).unwrap();
    until("the rollout is recorded", || {
        ask(&project, &["deploy", "list", cart]).1["revisions"].as_array().unwrap().len() == 1
    });
    assert_eq!(project.run(&["deploy", "record", cart, "--ready"]).0, 0);
    let other = format!("registry.example/shop/app@sha256:{}", "7".repeat(64));
    assert_eq!(project.run(&["deploy", "record", cart, "--image", &other]).0, 0);
    let (exit, plan) = ask(&project, &["rollback", cart]);
    assert_eq!((exit, &plan["plan"]["target"]["images"]), (0, &json!([good])), "{plan}");

    let argo = |image: &str| {
        let body =
            json!({ "namespace": "shop", "workload": "cart", "image": image, "stable": good }).to_string();
        let (status, body) = post_to(&daemon.admission, &client, "/v1/verdict/argo", &body).unwrap();
        let answer: Value = serde_json::from_str(&body).unwrap();
        (
            status,
            answer["data"]["verdict"].as_str().unwrap().to_owned(),
            answer["data"]["lastKnownGood"].clone(),
        )
    };
    let flagger = |what: &str, image: Option<&str>| {
        let metadata = image.map_or_else(|| json!({}), |image| json!({ "image": image }));
        let body = json!({ "name": "cart", "namespace": "shop", "phase": "Progressing", "checksum": "1", "metadata": metadata });
        post_to(&daemon.admission, &client, &format!("/v1/verdict/flagger/{what}"), &body.to_string())
            .unwrap()
            .0
    };
    assert_eq!(argo(&good), (200, "pass".to_owned(), json!(good)));
    assert_eq!(argo("registry.example/cart:v1").1, "fail");
    until("looked up", || argo(&other).1 == "inconclusive");
    assert_eq!((flagger("gate", Some(&good)), flagger("rollback", Some(&good))), (200, 403));
    assert_eq!(flagger("gate", None), 403, "the ledger's newest has no verdict");
    assert_eq!(project.run(&["canary", &good, "--error-rate", "0.01", "--stable-error-rate", "0.01"]).0, 0);
    assert_eq!(project.run(&["canary", &good, "--error-rate", "0.5", "--stable-error-rate", "0.01"]).0, 1);
    assert_eq!(project.run(&["canary", &good, "--error-rate", "2", "--stable-error-rate", "0.01"]).0, 2);
    assert_eq!(project.run(&["canary", &other]).0, 3);

    assert_eq!(project.run(&[&["revoke", "digest", &digest_of(&good)], &BY[..]].concat()).0, 0);
    assert_eq!(argo(&good), (200, "fail".to_owned(), Value::Null));
    assert_eq!((flagger("gate", Some(&good)), flagger("rollback", Some(&good))), (403, 200));
    let (exit, plan) = ask(&project, &["rollback", cart]);
    assert_eq!((exit, &plan["plan"]["target"]), (3, &Value::Null), "never to what is revoked: {plan}");
    assert_eq!(project.run(&["canary", &good]).0, 1);
    let (status, _) = post_to(&daemon.admission, &client, "/v1/verdict/argo", "{}").unwrap();
    assert_eq!(status, 400);
}
