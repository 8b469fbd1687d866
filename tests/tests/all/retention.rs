//! Documents go by their age, holds keep them, and whoever reads the record afterwards is told.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_ledger::retention::Rules;
use linkward_ledger::{Body, Kind, LogId, Recordable, Term, TermKind};
use linkward_model::{Digest, Instant, Tenant};
use linkward_record::{CheckpointSigner, RealFiles, Settings, SignError, Store};
use linkward_tests::Project;
use serde_json::{Value, json};

const DAY: i64 = 86_400_000;

/// Signs checkpoints with the keys of a home, as its signer process does.
struct Keys(std::path::PathBuf);

impl CheckpointSigner for Keys {
    fn sign(&mut self, log: &LogId, text: &str) -> Result<Vec<u8>, SignError> {
        let pem = std::fs::read_to_string(self.0.join(format!("{}.key", log.name.as_str()))).unwrap();
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&STANDARD.decode(body).unwrap()).unwrap();
        Ok(pair.sign(text.as_bytes()).as_ref().to_vec())
    }
}

/// The record of a home, opened as the binary opens it.
fn store(project: &Project) -> Store {
    let home = project.path().join(".linkward");
    let trust: Value = serde_json::from_slice(&std::fs::read(home.join("trust.json")).unwrap()).unwrap();
    let logs: Vec<LogId> = serde_json::from_value(trust["logs"].clone()).unwrap();
    let settings = Settings { tenant: Tenant::default(), logs };
    Store::open(&home, Arc::new(RealFiles), settings, Box::new(Keys(home.join("keys")))).unwrap()
}

/// A segment of events as a home records it.
struct Segment(Vec<u8>);

impl Recordable for Segment {
    fn body(&self) -> Body {
        let document = Digest::sha256(&self.0);
        let terms = vec![Term::new(TermKind::Name, "runner-7")];
        let says = json!({ "what": "events", "feed": "", "live": true, "document": document, "count": 1 });
        Body::new(Kind::Events, terms, vec![document], says)
    }
}

fn segment(store: &Store, text: &str, days_ago: i64) -> u64 {
    let at = Instant::from_millis(Instant::now().millis() - days_ago * DAY);
    let bytes = text.as_bytes().to_vec();
    store.append(Segment(bytes.clone()), vec![bytes], at).unwrap().index()
}

fn settings(project: &Project, from: &str, to: &str) {
    let path = project.path().join(".linkward/linkward.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    let changed = text.replace(from, to);
    assert_ne!(text, changed, "{from}");
    std::fs::write(path, changed).unwrap();
}

fn asked(project: &Project, arguments: &[&str], code: i32) -> String {
    let (exit, text) = project.run(arguments);
    assert_eq!(exit, code, "{arguments:?}: {text}");
    text
}

fn holds(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        let bytes = || std::fs::read(&path).unwrap();
        if path.is_dir() { holds(&path, text) } else { String::from_utf8_lossy(&bytes()).contains(text) }
    })
}

#[test]
fn what_is_due_is_planned_held_and_deleted() {
    let project = Project::new();
    project.write("a.txt", "an artifact\n");
    project.run(&["up", "--no-serve"]);
    let opened = store(&project);
    let (old, young) = ("{\"who\":\"mallory\"}\n", "{\"who\":\"trent\"}\n");
    let record = segment(&opened, old, 40);
    segment(&opened, young, 3);
    drop(opened);
    let text = asked(&project, &["retention", "plan"], 0);
    assert!(text.contains("no rule is set"), "{text}");
    settings(&project, "# events_days = 0 ", "events_days = 30 ");
    let text = asked(&project, &["retention", "plan"], 0);
    assert!(text.contains("events 30 days") && text.contains("1 documents of 18 bytes are due"), "{text}");

    // A hold, by each of two ways; the second keeps it when the first is gone.
    let by = ["--reason", "case 7", "--author", "legal"];
    let hold = |what: &[&str]| {
        let text = asked(&project, &[&["--format", "json", "hold", "add"], what, &by].concat(), 0);
        serde_json::from_str::<Value>(&text).unwrap()["record"].to_string()
    };
    let (first, second) = (hold(&["--name", "runner-7"]), hold(&["--record", &record.to_string()]));
    let text = asked(&project, &["hold", "list"], 0);
    assert!(text.contains("name runner-7") && text.contains(&format!("record {record}")), "{text}");
    for held in [&first, &second] {
        let text = asked(&project, &["retention", "apply"], 0);
        assert!(text.contains("0 documents of 0 bytes deleted; 1 are held"), "{text}");
        asked(&project, &[&["hold", "remove", held][..], &by].concat(), 0);
    }
    let text = asked(&project, &[&["hold", "remove", &first][..], &by].concat(), 2);
    assert!(text.contains("no hold that is in force"), "{text}");
    asked(&project, &["hold", "add", "--reason", "nothing is named", "--author", "legal"], 2);
    asked(&project, &["hold", "add", "--everything", "--reason", " ", "--author", "legal"], 2);
    assert!(asked(&project, &["hold", "list"], 0).contains("no hold is in force"));

    let blobs = project.path().join(".linkward/blobs");
    assert!(holds(&blobs, "mallory"));
    let text = asked(&project, &["--format", "json", "retention", "apply"], 0);
    let applied: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&applied["deleted"], &applied["bytes"], &applied["held"]),
        (&json!(1), &json!(18), &json!(0))
    );
    assert!(!holds(&blobs, "mallory"), "not a byte of it is left");
    assert!(holds(&blobs, "trent"));
    let tombstone = applied["tombstones"][0].to_string();

    // Everybody who reads is told.
    let text = asked(&project, &["explain", &record.to_string()], 0);
    assert!(text.contains("deleted-by-retention") && text.contains(&format!("record {tombstone}")), "{text}");
    let text = asked(&project, &["explain", &Digest::sha256(old.as_bytes()).to_string()], 0);
    assert!(text.contains("tombstone"), "{text}");
    let text = asked(&project, &["log", "verify"], 0);
    assert!(text.contains("1 documents deleted by retention"), "{text}");
    let copy = project.beside().join("copy").to_string_lossy().into_owned();
    let text = asked(&project, &["record", "rebuild", "--to", &copy], 0);
    assert!(text.contains("deleted-by-retention: 1"), "{text}");
    let backup = project.beside().join("backup").to_string_lossy().into_owned();
    let text = asked(&project, &["backup", &backup], 0);
    assert!(text.contains("deleted-by-retention: 1"), "{text}");
    let other = Project::new();
    asked(&other, &["restore", &backup], 0);
    let text = asked(&other, &["log", "verify"], 0);
    assert!(text.contains("1 documents deleted by retention"), "{text}");
    let text = asked(&project, &["detect", "list"], 0);
    assert!(text.contains("deleted-by-retention: 1 segments of events"), "{text}");

    settings(&project, "events_days = 30 ", "verdict_days = 30 ");
    let text = asked(&project, &["retention", "plan"], 2);
    assert!(text.contains("verdict_days"), "what decides is never deleted: {text}");
}

/// Proofs, claims and SBOMs go: what was decided by them stands, is not replayed as something else, and what is asked
/// anew is unknown until the evidence is there again.
#[test]
fn verdicts_outlive_their_evidence() {
    let project = Project::new();
    project.write("a.txt", "an artifact\n");
    project.write("Cargo.lock", "version = 4\n\n[[package]]\nname = \"app\"\nversion = \"1.0.0\"\ndependencies = [\n \"itoa\",\n]\n\n[[package]]\nname = \"itoa\"\nversion = \"1.0.0\"\nsource = \"registry+https://registry.example/index\"\n");
    project.write("Cargo.toml", "[package]\nname = \"app\"\nversion = \"1.0.0\"\n");
    project.run(&["up", "--no-serve"]);
    asked(&project, &["run", "--product", "b.txt", "--", "sh", "-c", "cp a.txt b.txt"], 0);
    let (exit, decided) = project.run(&["check", "b.txt"]);
    let before = asked(&project, &["explain", &digest(&project)], exit);
    assert!(before.contains("the same result from the log alone"), "{before}");
    let bundles: Vec<String> = std::fs::read_dir(project.path().join(".linkward/bundles"))
        .unwrap()
        .map(|entry| entry.unwrap().path().to_string_lossy().into_owned())
        .collect();

    let opened = store(&project);
    let mut rules = Rules::default();
    for kind in [Kind::Proof, Kind::Claim, Kind::Sbom] {
        rules.keep(kind, 30);
    }
    let later = Instant::from_millis(Instant::now().millis() + 40 * DAY);
    assert!(opened.delete(&rules, later).unwrap().blobs >= 2);
    drop(opened);
    let text = asked(&project, &["explain", &digest(&project)], 3);
    assert!(text.contains("cannot be replayed: deleted-by-retention"), "{text}");
    let (exit, text) = project.run(&["check", "b.txt"]);
    assert_eq!(exit, 3, "once {decided}, now {text}");
    assert!(text.contains("deleted-by-retention"), "{text}");
    let text = asked(&project, &["why", "pkg:cargo/itoa"], 0);
    assert!(text.contains("deleted-by-retention"), "{text}");
    let text = asked(&project, &["affected", "pkg:cargo/itoa"], 1);
    assert!(text.contains("deleted-by-retention"), "{text}");
    let text = asked(&project, &["log", "verify"], 0);
    assert!(text.contains("deleted by retention"), "{text}");
    // The evidence again, and it counts again.
    let again: Vec<&str> =
        ["evidence", "add"].into_iter().chain(bundles.iter().map(String::as_str)).collect();
    asked(&project, &again, 0);
    let (_, text) = project.run(&["check", "b.txt"]);
    assert!(!text.contains("no-provenance"), "{text}");
}

fn digest(project: &Project) -> String {
    Digest::sha256(&std::fs::read(project.path().join("b.txt")).unwrap()).to_string()
}
