//! Witnesses over HTTP, with real daemons: quorum, one away, one lying, a restart, a split view.

use std::path::PathBuf;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use linkward_ledger::Checkpoint;
use linkward_ledger::cosigner::CosignerKey;
use linkward_ledger::key::NoteKey;
use linkward_ledger::merkle::{Frontier, Hash, leaf_hash};
use linkward_ledger::note::{Note, signature_line};
use linkward_ledger::witness::AddCheckpoint;
use linkward_tests::{Daemon, Project};
use serde_json::Value;

/// A home with settings, so far without a daemon.
fn home(settings: &str) -> Project {
    let project = Project::new();
    let (_, text) = project.run(&["up", "--no-serve"]);
    assert!(settings_of(&project).exists(), "{text}");
    configure(&project, settings);
    project
}

fn settings_of(project: &Project) -> PathBuf {
    project.path().join(".linkward/linkward.toml")
}

fn configure(project: &Project, settings: &str) {
    std::fs::write(settings_of(project), settings).unwrap();
}

fn shown(project: &Project) -> Value {
    let (_, text) = project.run(&["--format", "json", "witness"]);
    serde_json::from_str(&text).unwrap()
}

fn list(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

fn quoted(items: &[String]) -> String {
    items.iter().map(|item| format!("{item:?}")).collect::<Vec<_>>().join(", ")
}

/// A witness of these logs: its project, its daemon, its keys.
fn witness_of(logs: &[String]) -> (Project, Daemon, Vec<CosignerKey>) {
    let project = home(&format!("[witness]\nlogs = [{}]\n", quoted(logs)));
    let daemon = Daemon::start(&project);
    let keys = list(&shown(&project)["keys"]).iter().map(|key| key.parse().unwrap()).collect();
    (project, daemon, keys)
}

fn note_of(daemon: &Daemon) -> Note {
    let (status, text) = daemon.fetch("/tlog/evidence/checkpoint", "localhost");
    assert_eq!(status, 200, "{text}");
    Note::parse(text.split_once("\r\n\r\n").unwrap().1.as_bytes()).unwrap()
}

#[test]
fn three_daemons_witness_a_fourth() {
    let project = home("");
    let logs = list(&shown(&project)["own_logs"]);
    let mut witnesses: Vec<_> = (0..3).map(|_| witness_of(&logs)).collect();
    // One is asked by its Ed25519 key, the others by the post-quantum one.
    let key = |number: usize, witnesses: &[(Project, Daemon, Vec<CosignerKey>)]| {
        witnesses[number].2[usize::from(number > 0)].clone()
    };
    let keys: Vec<_> = (0..3).map(|number| key(number, &witnesses)).collect();
    let ask = |keys: &[CosignerKey], witnesses: &[(Project, Daemon, Vec<CosignerKey>)]| {
        let lines: Vec<String> = keys
            .iter()
            .zip(witnesses)
            .enumerate()
            // The last is asked as one on another machine is: over TLS, with its own authority.
            .map(|(number, (key, (_, daemon, _)))| match number {
                2 => format!("{key} https://{}/witness", daemon.admission),
                _ => format!("{key} http://{}/witness", daemon.console),
            })
            .collect();
        format!("[witness]\nat_least = 2\nca = \"witness.pem\"\nask = [{}]\n", quoted(&lines))
    };
    let (code, text) = witnesses[2].0.run(&["admit", "manifest"]);
    assert_eq!(code, 0, "{text}");
    let authority = witnesses[2].0.path().join(".linkward/authority.pem");
    std::fs::copy(authority, project.path().join(".linkward/witness.pem")).unwrap();
    configure(&project, &ask(&keys, &witnesses));
    let daemon = Daemon::start(&project);
    project.write("one.txt", "one");
    let up = |name: &str| project.run(&["up", "--no-serve", "--artifact", name]);
    let (code, text) = up("one.txt");
    assert!(code != 2, "{text}");
    let note = note_of(&daemon);
    let count = |note: &Note| keys.iter().filter(|key| key.cosigned(note).is_some()).count();
    assert!(count(&note) >= 2, "{}", note.text());
    // A proof that leaves the home brings the cosignatures along.
    let (code, proof) = project.run(&["log", "proof", "0"]);
    assert_eq!(code, 0, "{proof}");
    project.write("proof", &proof);
    let mut args = vec!["log".to_owned(), "verify-proof".to_owned(), "proof".to_owned()];
    args.extend(["--key".to_owned(), logs[0].clone(), "--witnesses".to_owned(), "2".to_owned()]);
    args.extend(keys.iter().flat_map(|key| ["--witness".to_owned(), key.to_string()]));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (code, text) = project.run(&args);
    assert_eq!(code, 0, "{text}");

    // One is away: two are enough, and who is lacking is said.
    let (first, gone, first_keys) = witnesses.remove(0);
    drop(gone);
    project.write("two.txt", "two");
    let (code, text) = up("two.txt");
    assert!(code != 2, "{text}");
    assert_eq!(count(&note_of(&daemon)), 2);
    let (code, text) = project.run(&["witness"]);
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("LACKING: "), "{text}");
    let (_, page) = daemon.fetch("/log", "localhost");
    assert!(page.contains("did not cosign") && page.contains("cosigned the first"), "{page}");

    // A second is away: nothing is acknowledged, nothing is published.
    let (second, gone, second_keys) = witnesses.remove(0);
    drop(gone);
    let before = note_of(&daemon).text().to_owned();
    project.write("three.txt", "three");
    let (code, text) = up("three.txt");
    assert_eq!(code, 3, "{text}");
    assert!(text.contains("witnesses-too-few") && text.contains("1 of the 2"), "{text}");
    assert_eq!(note_of(&daemon).text(), before);
    let (status, answer) = daemon.post(
        "/api/v2/log/entries",
        &[("Content-Type", "application/json")],
        r#"{"hashedRekordRequestV002":{}}"#,
    );
    assert_eq!(status, 400, "what is no entry is refused as before: {answer}");

    // Both start again: what waited is published and goes on. Until then the home can be read.
    drop(daemon);
    let (code, text) = project.run(&["log", "list"]);
    assert_eq!(code, 0, "{text}");
    let again: Vec<_> = [(first, first_keys), (second, second_keys)]
        .into_iter()
        .map(|(project, keys)| {
            let daemon = Daemon::start(&project);
            (project, daemon, keys)
        })
        .collect();
    witnesses.splice(0..0, again);
    // The first lies: what it signs is not by the key that the log expects of it.
    let mut expected = keys.clone();
    let (_, stranger, stranger_keys) = witness_of(&logs);
    drop(stranger);
    expected[0] = stranger_keys[0].clone();
    configure(&project, &ask(&expected, &witnesses));
    let daemon = Daemon::start(&project);
    let (code, text) = up("three.txt");
    assert!(code != 2 && code != 3 || !text.contains("witnesses-too-few"), "{text}");
    let note = note_of(&daemon);
    assert_ne!(note.text(), before);
    assert_eq!(expected.iter().filter(|key| key.cosigned(&note).is_some()).count(), 2);
    let standing = shown(&project);
    assert!(
        standing["asked"][0]["trouble"].as_str().is_some_and(|why| why.contains("no cosignature by the key")),
        "{standing}"
    );
    drop(daemon);
    let (code, text) = project.run(&["log", "verify"]);
    assert_eq!(code, 0, "{text}");
}

const ORIGIN: &str = "log.example";

struct Log {
    pair: Ed25519KeyPair,
}

impl Log {
    fn key(&self) -> NoteKey {
        NoteKey::new(ORIGIN, self.pair.public_key().as_ref().try_into().unwrap()).unwrap()
    }

    fn request(&self, old: u64, proof: Vec<Hash>, leaves: &[u8]) -> String {
        let mut tree = Frontier::new();
        leaves.iter().for_each(|leaf| tree.push(leaf_hash(&[*leaf])));
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: tree.size(),
            root: tree.root(),
            extensions: Vec::new(),
        };
        let text = checkpoint.text();
        let line = signature_line(&self.key(), self.pair.sign(text.as_bytes()).as_ref());
        AddCheckpoint { old, proof, checkpoint: format!("{text}\n{line}").into_bytes() }.encode()
    }
}

#[test]
fn a_split_view_is_refused_and_found() {
    let log = Log { pair: Ed25519KeyPair::from_seed_unchecked(&[42; 32]).unwrap() };
    let other = Log { pair: Ed25519KeyPair::from_seed_unchecked(&[43; 32]).unwrap() };
    let (project, daemon, keys) = witness_of(&[log.key().to_string()]);
    let ask = |daemon: &Daemon, request: &str| {
        let (status, answer) = daemon.post("/witness/add-checkpoint", &[], request);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let kind = head
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("content-type: ").map(str::to_owned));
        (status, kind.unwrap_or_default(), body.to_owned())
    };
    let one = log.request(0, Vec::new(), &[1]);
    let (status, _, body) = ask(&daemon, &one);
    assert_eq!(status, 200, "{body}");
    let note = format!(
        "{}{body}",
        AddCheckpoint::parse(&one).map(|asked| String::from_utf8(asked.checkpoint).unwrap()).unwrap()
    );
    let note = Note::parse(note.as_bytes()).unwrap();
    assert!(keys.iter().all(|key| key.cosigned(&note).is_some()), "both keys cosign");
    // The status matrix of the specification.
    assert_eq!(ask(&daemon, "nonsense").0, 400);
    assert_eq!(ask(&daemon, &log.request(2, Vec::new(), &[1])).0, 400, "an old size beyond the checkpoint");
    assert_eq!(ask(&daemon, &other.request(1, Vec::new(), &[1])).0, 403);
    let stranger = log.request(1, Vec::new(), &[1]).replace(ORIGIN, "other.example");
    assert_eq!(ask(&daemon, &stranger).0, 404);
    let (status, kind, body) = ask(&daemon, &log.request(0, Vec::new(), &[1, 2]));
    assert_eq!((status, kind.as_str(), body.as_str()), (409, "text/x.tlog.size", "1\n"));
    assert_eq!(ask(&daemon, &log.request(1, vec![leaf_hash(&[9])], &[1, 2])).0, 422);
    let (status, _, _) = ask(&daemon, &log.request(1, vec![leaf_hash(&[2])], &[1, 2]));
    assert_eq!(status, 200);
    // A restart forgets nothing.
    drop(daemon);
    let daemon = Daemon::start(&project);
    let (status, kind, body) = ask(&daemon, &log.request(0, Vec::new(), &[1]));
    assert_eq!((status, kind.as_str(), body.as_str()), (409, "text/x.tlog.size", "2\n"));
    // Two trees of one size, and a third that does not extend them; again and again.
    for _ in 0..3 {
        let (status, kind, body) = ask(&daemon, &log.request(2, Vec::new(), &[1, 3]));
        assert_eq!((status, kind.as_str(), body.as_str()), (409, "text/x.tlog.size", "2\n"));
        assert_eq!(ask(&daemon, &log.request(2, vec![leaf_hash(&[4])], &[1, 3, 4])).0, 422);
    }
    let (code, _) = daemon.post("/witness/add-checkpoint", &[("Origin", "https://page.example")], &one);
    assert_eq!(code, 403);
    assert_eq!(daemon.post("/witness/add-checkpoint", &[], &"x".repeat(70 << 10)).0, 413);
    let (_, text) = project.run(&["--format", "json", "detect", "list"]);
    let found: Value = serde_json::from_str(&text).unwrap();
    let rules: Vec<_> = found["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|finding| finding.pointer("/finding/rule")?.as_str())
        .collect();
    for rule in ["log-forked", "log-unproven"] {
        assert!(rules.contains(&rule), "{rule}: {text}");
    }
    let (_, page) = daemon.fetch("/findings", "localhost");
    assert!(page.contains("A log showed our witness two trees of one size"), "{page}");
}
