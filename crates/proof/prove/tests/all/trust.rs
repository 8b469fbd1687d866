//! The TUF client: a repository that the reference implementation made, and what an attacker who controls the line, or
//! some of the keys, makes of a sound one.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use linkward_evidence::canonical::canonical;
use linkward_model::{Code, Digest, Instant, Outcome};
use linkward_prove::{
    Fetcher, Kept, TrustRoots, TrustedTarget, next_root, reopen_trust, root_version, update_trust,
};
use serde_json::{Value, json};

const NOW: Instant = Instant::from_seconds(1_800_000_000);

struct Disk(PathBuf);

impl Fetcher for Disk {
    fn fetch(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, String> {
        let bytes = std::fs::read(self.0.join(path)).ok();
        if bytes.as_ref().is_some_and(|bytes| bytes.len() as u64 > limit) {
            return Err("too long".to_owned());
        }
        Ok(bytes)
    }
}

fn golden() -> Disk {
    Disk(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/tuf"))
}

#[test]
fn what_the_reference_implementation_made_is_followed_from_the_first_root() {
    let disk = golden();
    let first = std::fs::read(disk.0.join("1.root.json")).unwrap();
    assert_eq!(root_version(&first), Ok(1));
    let update = update_trust(&Kept::pinned(&first), &disk, "trusted_root.json", NOW);
    let proven = update.outcome.unwrap();
    let versions = proven.claim().versions();
    assert_eq!((versions.root, versions.timestamp, versions.snapshot, versions.targets), (3, 6, 5, 4));
    assert_eq!(proven.checks().len(), 7);
    assert!(proven.checks().iter().all(|check| check.outcome == Outcome::Passed));
    assert_eq!(
        TrustRoots::parse(proven.claim().content()).unwrap().digest(),
        TrustRoots::production().digest()
    );
    // What was kept proves it again without a line, long after everything expired; a changed file it does not.
    let late = Instant::from_seconds(3_000_000_000);
    let content = proven.claim().content().to_vec();
    let again = reopen_trust(&update.kept, "trusted_root.json", &content, late).outcome.unwrap();
    assert_eq!(again.claim(), proven.claim());
    let changed = [&content[..], b"\n"].concat();
    let refused = reopen_trust(&update.kept, "trusted_root.json", &changed, late).outcome.unwrap_err();
    assert_eq!(refused.code, Code::TrustMetadataDigest);
    // A second update finds nothing newer, and says so.
    assert!(update_trust(&update.kept, &disk, "trusted_root.json", NOW).outcome.is_ok());
}

#[test]
fn a_root_is_carried_over_by_hand_step_by_step_only() {
    let read = |name: &str| std::fs::read(golden().0.join(name)).unwrap();
    let first = Kept::pinned(&read("1.root.json"));
    assert_eq!(next_root(&first, &read("3.root.json"), NOW).unwrap_err().0, Code::TrustRootChain);
    let second = next_root(&first, &read("2.root.json"), NOW).unwrap();
    assert_eq!(next_root(&second, &read("3.root.json"), NOW).unwrap().root, read("3.root.json"));
}

#[test]
fn no_bit_of_any_document_may_change() {
    struct Changed(Disk, String, usize);
    impl Fetcher for Changed {
        fn fetch(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, String> {
            let mut found = self.0.fetch(path, limit)?;
            if path == self.1 {
                found.as_mut().unwrap()[self.2] ^= 1;
            }
            Ok(found)
        }
    }
    let first = std::fs::read(golden().0.join("1.root.json")).unwrap();
    let target = std::fs::read_dir(golden().0.join("targets")).unwrap().next().unwrap().unwrap().file_name();
    let target = format!("targets/{}", target.into_string().unwrap());
    for name in ["5.snapshot.json", "4.targets.json", &target] {
        let length = std::fs::metadata(golden().0.join(name)).unwrap().len() as usize;
        for at in (0..length).step_by(17) {
            let changed = Changed(golden(), name.to_owned(), at);
            let outcome = update_trust(&Kept::pinned(&first), &changed, "trusted_root.json", NOW).outcome;
            assert_eq!(outcome.unwrap_err().code, Code::TrustMetadataDigest, "{name} {at}");
        }
    }
}

/// A repository in memory, whose keys we have.
struct Repository {
    files: BTreeMap<String, Vec<u8>>,
    root: Value,
    timestamp: Value,
    snapshot: Value,
    targets: Value,
    /// Who signs each.
    by: BTreeMap<&'static str, Vec<u8>>,
    unreachable: Option<&'static str>,
    asked: RefCell<Vec<String>>,
}

const TARGET: &[u8] = b"the trust root";

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn id(seed: u8) -> String {
    Digest::sha256(&[seed]).hex()
}

fn listed(seed: u8) -> Value {
    json!({ "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": hex(pair(seed).public_key().as_ref()) } })
}

fn root(version: u64, roots: &[u8], threshold: u64, online: u8) -> Value {
    let keys: serde_json::Map<_, _> =
        roots.iter().chain([&online, &9]).map(|seed| (id(*seed), listed(*seed))).collect();
    json!({
        "_type": "root", "spec_version": "1.0.31", "version": version, "expires": "2040-01-01T00:00:00Z",
        "consistent_snapshot": true, "keys": keys,
        "roles": {
            "root": { "keyids": roots.iter().map(|seed| id(*seed)).collect::<Vec<_>>(), "threshold": threshold },
            "timestamp": { "keyids": [id(online)], "threshold": 1 },
            "snapshot": { "keyids": [id(online)], "threshold": 1 },
            "targets": { "keyids": [id(9)], "threshold": 1 },
        },
    })
}

fn signed(content: &Value, seeds: &[u8]) -> Vec<u8> {
    let message = canonical(content).unwrap();
    let sign = |seed: &u8| json!({ "keyid": id(*seed), "sig": hex(pair(*seed).sign(&message).as_ref()) });
    json!({ "signed": content, "signatures": seeds.iter().map(sign).collect::<Vec<_>>() })
        .to_string()
        .into_bytes()
}

fn hashes(bytes: &[u8]) -> Value {
    json!({ "sha256": Digest::sha256(bytes).hex() })
}

impl Repository {
    fn new() -> Self {
        let common = |kind: &str, version: u64| json!({ "_type": kind, "spec_version": "1.0.31", "version": version, "expires": "2040-01-01T00:00:00Z" });
        let mut targets = common("targets", 4);
        targets["targets"] = json!({ "root.json": { "length": TARGET.len(), "hashes": hashes(TARGET) } });
        let mut snapshot = common("snapshot", 5);
        snapshot["meta"] = json!({ "targets.json": { "version": 4 }, "other.json": { "version": 7 } });
        let mut timestamp = common("timestamp", 6);
        timestamp["meta"] = json!({ "snapshot.json": { "version": 5 } });
        let by = BTreeMap::from([
            ("root", vec![1, 2]),
            ("timestamp", vec![5]),
            ("snapshot", vec![5]),
            ("targets", vec![9]),
        ]);
        Self {
            files: BTreeMap::new(),
            root: root(1, &[1, 2, 3], 2, 5),
            timestamp,
            snapshot,
            targets,
            by,
            unreachable: None,
            asked: RefCell::new(Vec::new()),
        }
    }

    /// Writes everything as it stands now, but what is there already.
    fn publish(&mut self) {
        let name = |document: &Value, name: &str| format!("{}.{name}.json", document["version"]);
        let documents = [
            (name(&self.root, "root"), &self.root, "root"),
            (name(&self.targets, "targets"), &self.targets, "targets"),
            (name(&self.snapshot, "snapshot"), &self.snapshot, "snapshot"),
            ("timestamp.json".to_owned(), &self.timestamp, "timestamp"),
        ];
        for (path, content, role) in documents {
            let bytes = signed(content, &self.by[role]);
            self.files.entry(path).or_insert(bytes);
        }
        let path = format!("targets/{}.root.json", Digest::sha256(TARGET).hex());
        self.files.entry(path).or_insert(TARGET.to_vec());
    }

    fn rewrite(&mut self) {
        self.files.clear();
        self.publish();
    }
}

impl Fetcher for Repository {
    fn fetch(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, String> {
        self.asked.borrow_mut().push(path.to_owned());
        if self.unreachable.is_some_and(|lost| path.ends_with(lost)) {
            return Err("connection refused".to_owned());
        }
        let found = self.files.get(path).cloned();
        // Some fetchers do not keep to the limit; the client must notice.
        let _ = limit;
        Ok(found)
    }
}

type Attack = (&'static str, fn(&mut Repository), Result<(), Code>);

/// What is done after a client has seen the sound repository once; every document is signed as the table says.
const ATTACKS: &[Attack] = &[
    ("nothing", |r| r.rewrite(), Ok(())),
    (
        "a newer state",
        |r| {
            r.timestamp["version"] = json!(7);
            r.timestamp["meta"]["snapshot.json"]["version"] = json!(6);
            r.snapshot["version"] = json!(6);
            r.snapshot["meta"]["targets.json"]["version"] = json!(5);
            r.targets["version"] = json!(5);
            r.rewrite();
        },
        Ok(()),
    ),
    (
        "the timestamp is cut off",
        |r| {
            r.files.insert("timestamp.json".to_owned(), b"{\"signed\":".to_vec());
        },
        Err(Code::TrustMetadataMalformed),
    ),
    (
        "a name stands twice",
        |r| {
            let text = String::from_utf8(r.files["timestamp.json"].clone()).unwrap();
            let text = text.replacen("\"signed\":", "\"signed\":{},\"signed\":", 1);
            r.files.insert("timestamp.json".to_owned(), text.into_bytes());
        },
        Err(Code::TrustMetadataMalformed),
    ),
    (
        "another version of the specification",
        |r| {
            r.timestamp["spec_version"] = json!("2.0.0");
            r.rewrite();
        },
        Err(Code::UnsupportedVersion),
    ),
    (
        "a snapshot passes for a timestamp",
        |r| {
            let snapshot = r.files["5.snapshot.json"].clone();
            r.files.insert("timestamp.json".to_owned(), snapshot);
        },
        Err(Code::TrustMetadataMalformed),
    ),
    (
        "the timestamp is signed by another role's key",
        |r| {
            r.by.insert("timestamp", vec![9]);
            r.rewrite();
        },
        Err(Code::TrustMetadataSignatures),
    ),
    (
        "the snapshot is signed by a stranger",
        |r| {
            r.by.insert("snapshot", vec![8]);
            r.rewrite();
        },
        Err(Code::TrustMetadataSignatures),
    ),
    (
        "the targets are signed by the online key",
        |r| {
            r.by.insert("targets", vec![5]);
            r.rewrite();
        },
        Err(Code::TrustMetadataSignatures),
    ),
    (
        "a timestamp of an older version",
        |r| {
            r.timestamp["version"] = json!(5);
            r.rewrite();
        },
        Err(Code::TrustMetadataRollback),
    ),
    (
        "the same timestamp with other content",
        |r| {
            r.timestamp["expires"] = json!("2041-01-01T00:00:00Z");
            r.rewrite();
        },
        Err(Code::TrustMetadataRollback),
    ),
    (
        "a timestamp that names an older snapshot",
        |r| {
            r.timestamp["version"] = json!(7);
            r.timestamp["meta"]["snapshot.json"]["version"] = json!(4);
            r.snapshot["version"] = json!(4);
            r.rewrite();
        },
        Err(Code::TrustMetadataRollback),
    ),
    (
        "the same snapshot with other content",
        |r| {
            r.timestamp["version"] = json!(7);
            r.snapshot["expires"] = json!("2041-01-01T00:00:00Z");
            r.rewrite();
        },
        Err(Code::TrustMetadataRollback),
    ),
    (
        "a snapshot that takes targets back",
        |r| {
            r.timestamp["version"] = json!(7);
            r.timestamp["meta"]["snapshot.json"]["version"] = json!(6);
            r.snapshot["version"] = json!(6);
            r.snapshot["meta"]["targets.json"]["version"] = json!(3);
            r.targets["version"] = json!(3);
            r.rewrite();
        },
        Err(Code::TrustMetadataRollback),
    ),
    (
        "a snapshot that forgets a document",
        |r| {
            r.timestamp["version"] = json!(7);
            r.timestamp["meta"]["snapshot.json"]["version"] = json!(6);
            r.snapshot["version"] = json!(6);
            r.snapshot["meta"].as_object_mut().unwrap().remove("other.json");
            r.rewrite();
        },
        Err(Code::TrustMetadataRollback),
    ),
    (
        "freeze: the timestamp has expired",
        |r| {
            r.timestamp["version"] = json!(7);
            r.timestamp["expires"] = json!("2020-01-01T00:00:00Z");
            r.rewrite();
        },
        Err(Code::TrustMetadataExpired),
    ),
    (
        "freeze: the snapshot has expired",
        |r| {
            r.timestamp["version"] = json!(7);
            r.timestamp["meta"]["snapshot.json"]["version"] = json!(6);
            r.snapshot["version"] = json!(6);
            r.snapshot["expires"] = json!("2020-01-01T00:00:00Z");
            r.rewrite();
        },
        Err(Code::TrustMetadataExpired),
    ),
    (
        "freeze: the targets have expired",
        |r| {
            r.targets["expires"] = json!("2020-01-01T00:00:00Z");
            r.rewrite();
        },
        Err(Code::TrustMetadataExpired),
    ),
    (
        "freeze: the root has expired",
        |r| {
            let mut next = root(2, &[1, 2, 3], 2, 5);
            next["expires"] = json!("2020-01-01T00:00:00Z");
            r.files.insert("2.root.json".to_owned(), signed(&next, &[1, 2]));
        },
        Err(Code::TrustMetadataExpired),
    ),
    (
        "an expired root that a current one follows",
        |r| {
            let mut next = root(2, &[1, 2, 3], 2, 5);
            next["expires"] = json!("2020-01-01T00:00:00Z");
            r.files.insert("2.root.json".to_owned(), signed(&next, &[1, 2]));
            r.files.insert("3.root.json".to_owned(), signed(&root(3, &[1, 2, 3], 2, 5), &[1, 2]));
        },
        Ok(()),
    ),
    (
        "mix and match: another snapshot than the timestamp names",
        |r| {
            let mut other = r.snapshot.clone();
            other["version"] = json!(6);
            r.files.insert("5.snapshot.json".to_owned(), signed(&other, &[5]));
        },
        Err(Code::TrustMetadataMixed),
    ),
    (
        "mix and match: other targets than the snapshot names",
        |r| {
            let mut other = r.targets.clone();
            other["version"] = json!(9);
            r.files.insert("4.targets.json".to_owned(), signed(&other, &[9]));
        },
        Err(Code::TrustMetadataMixed),
    ),
    (
        "another snapshot than the one whose digest is named",
        |r| {
            r.timestamp["version"] = json!(7);
            r.timestamp["meta"]["snapshot.json"] = json!({ "version": 5, "hashes": hashes(b"other") });
            r.rewrite();
        },
        Err(Code::TrustMetadataDigest),
    ),
    (
        "a snapshot longer than is named",
        |r| {
            r.timestamp["version"] = json!(7);
            r.timestamp["meta"]["snapshot.json"] = json!({ "version": 5, "length": 10 });
            r.rewrite();
        },
        Err(Code::TrustMetadataDigest),
    ),
    (
        "an endless timestamp",
        |r| {
            r.files.insert("timestamp.json".to_owned(), vec![b' '; 20_000]);
        },
        Err(Code::TrustMetadataDigest),
    ),
    (
        "another target",
        |r| {
            for (path, bytes) in &mut r.files {
                if path.starts_with("targets/") {
                    *bytes = b"the evil root!".to_vec();
                }
            }
        },
        Err(Code::TrustMetadataDigest),
    ),
    (
        "a longer target",
        |r| {
            for (path, bytes) in &mut r.files {
                if path.starts_with("targets/") {
                    bytes.extend(b"more");
                }
            }
        },
        Err(Code::TrustMetadataDigest),
    ),
    (
        "a target without a digest that counts",
        |r| {
            r.targets["targets"]["root.json"]["hashes"] = json!({ "md5": "00" });
            r.rewrite();
        },
        Err(Code::TrustMetadataMalformed),
    ),
    (
        "the target is not listed",
        |r| {
            r.targets["targets"] = json!({});
            r.rewrite();
        },
        Err(Code::TrustTargetMissing),
    ),
    (
        "the target may be delegated",
        |r| {
            r.targets["targets"] = json!({});
            r.targets["delegations"] = json!({ "keys": {}, "roles": [{ "name": "a" }] });
            r.rewrite();
        },
        Err(Code::TrustTargetDelegated),
    ),
    (
        "a root that skips a version",
        |r| {
            r.files.insert("2.root.json".to_owned(), signed(&root(3, &[1, 2, 3], 2, 5), &[1, 2]));
        },
        Err(Code::TrustRootChain),
    ),
    (
        "an older root under a newer name",
        |r| {
            let first = r.files["1.root.json"].clone();
            r.files.insert("2.root.json".to_owned(), first);
        },
        Err(Code::TrustRootChain),
    ),
    (
        "a root that the old keys did not sign",
        |r| {
            r.files.insert("2.root.json".to_owned(), signed(&root(2, &[6, 7], 2, 5), &[6, 7]));
        },
        Err(Code::TrustMetadataSignatures),
    ),
    (
        "a root that one of the old keys signed",
        |r| {
            r.files.insert("2.root.json".to_owned(), signed(&root(2, &[1, 6, 7], 2, 5), &[1, 6, 7]));
        },
        Err(Code::TrustMetadataSignatures),
    ),
    (
        "a root that its own keys did not sign",
        |r| {
            r.files.insert("2.root.json".to_owned(), signed(&root(2, &[6, 7], 2, 5), &[1, 2]));
        },
        Err(Code::TrustMetadataSignatures),
    ),
    (
        "a root that one key signed twice",
        |r| {
            r.files.insert("2.root.json".to_owned(), signed(&root(2, &[1, 2, 3], 2, 5), &[1, 1]));
        },
        Err(Code::TrustMetadataSignatures),
    ),
    (
        "a root in which one key has two ids",
        |r| {
            let mut next = root(2, &[1, 2, 3], 2, 5);
            next["keys"][id(2)] = listed(1);
            let mut document: Value = serde_json::from_slice(&signed(&next, &[1, 2])).unwrap();
            let again = document["signatures"][0]["sig"].clone();
            // Both old keys signed; of the new ones, one under two names.
            let extra = json!({ "keyid": id(2), "sig": again });
            document["signatures"].as_array_mut().unwrap().push(extra);
            r.files.insert("2.root.json".to_owned(), document.to_string().into_bytes());
        },
        Err(Code::TrustMetadataSignatures),
    ),
    (
        "a root with a threshold of none",
        |r| {
            let mut next = root(2, &[1, 2, 3], 2, 5);
            next["roles"]["timestamp"]["threshold"] = json!(0);
            r.files.insert("2.root.json".to_owned(), signed(&next, &[1, 2]));
        },
        Err(Code::TrustMetadataMalformed),
    ),
    (
        "a rotation that both sides signed",
        |r| {
            r.files.insert("2.root.json".to_owned(), signed(&root(2, &[1, 6, 7], 2, 5), &[1, 2, 6]));
        },
        Ok(()),
    ),
    (
        "after the online key was stolen and its counter run up, a rotation recovers",
        |r| {
            r.files.insert("2.root.json".to_owned(), signed(&root(2, &[1, 2, 3], 2, 4), &[1, 2]));
            r.by.insert("timestamp", vec![4]);
            r.by.insert("snapshot", vec![4]);
            r.timestamp["version"] = json!(1);
            r.timestamp["meta"]["snapshot.json"]["version"] = json!(1);
            r.snapshot["version"] = json!(1);
            r.files.retain(|path, _| path.ends_with("root.json"));
            r.publish();
        },
        Ok(()),
    ),
    (
        "the old online key after a rotation",
        |r| {
            r.files.insert("2.root.json".to_owned(), signed(&root(2, &[1, 2, 3], 2, 4), &[1, 2]));
        },
        Err(Code::TrustMetadataSignatures),
    ),
    (
        "nobody says whether there is a newer root",
        |r| r.unreachable = Some("2.root.json"),
        Err(Code::TrustUnreachable),
    ),
    ("no timestamp", |r| drop(r.files.remove("timestamp.json")), Err(Code::TrustUnreachable)),
    ("no snapshot", |r| drop(r.files.remove("5.snapshot.json")), Err(Code::TrustUnreachable)),
    ("the line breaks at the target", |r| r.unreachable = Some(".root.json"), Err(Code::TrustUnreachable)),
];

fn first(repository: &Repository) -> (Kept, TrustedTarget) {
    let kept = Kept::pinned(&repository.files["1.root.json"]);
    let update = update_trust(&kept, repository, "root.json", NOW);
    (update.kept, update.outcome.unwrap().claim().clone())
}

#[test]
fn every_attack_ends_as_the_table_says() {
    let mut wrong = Vec::new();
    for (name, attack, expected) in ATTACKS {
        let mut repository = Repository::new();
        repository.publish();
        let (kept, before) = first(&repository);
        attack(&mut repository);
        let update = update_trust(&kept, &repository, "root.json", NOW);
        let checks = match &update.outcome {
            Ok(proven) => proven.checks().to_vec(),
            Err(refusal) => refusal.checks.clone(),
        };
        assert_eq!(checks.len(), 7, "{name}: every check is listed: {checks:?}");
        let found = update.outcome.as_ref().map(|_| ()).map_err(|refusal| refusal.code);
        if found != *expected {
            wrong.push(format!("{name}: {:?}, not {expected:?}", update.outcome.map(|_| ())));
        }
        // What was confirmed before can still be proven from what was kept then.
        assert!(reopen_trust(&kept, "root.json", before.content(), NOW).outcome.is_ok(), "{name}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_was_seen_counts_though_the_update_failed() {
    let mut repository = Repository::new();
    repository.publish();
    let (kept, _) = first(&repository);
    let sound = repository.files.clone();
    // A newer root and a newer timestamp, and then the line breaks.
    repository.files.insert("2.root.json".to_owned(), signed(&root(2, &[1, 2, 3], 2, 5), &[1, 2]));
    repository.timestamp["version"] = json!(7);
    repository.files.insert("timestamp.json".to_owned(), signed(&repository.timestamp, &[5]));
    repository.files.remove("5.snapshot.json");
    let broken = update_trust(&kept, &repository, "root.json", NOW);
    assert_eq!(broken.outcome.unwrap_err().code, Code::TrustUnreachable);
    assert_eq!(root_version(&broken.kept.root), Ok(2));
    // The older state is no longer taken, though the client never finished with the newer one.
    repository.files = sound;
    repository.files.insert("2.root.json".to_owned(), broken.kept.root.clone());
    let back = update_trust(&broken.kept, &repository, "root.json", NOW);
    assert_eq!(back.outcome.unwrap_err().code, Code::TrustMetadataRollback);
}

#[test]
fn no_name_leads_out_of_the_repository() {
    for name in ["../secret", "/etc/passwd", "a/../../b", "a\\b"] {
        let mut repository = Repository::new();
        repository.targets["targets"][name] = json!({ "length": 1, "hashes": hashes(b"x") });
        repository.publish();
        let kept = Kept::pinned(&repository.files["1.root.json"]);
        let outcome = update_trust(&kept, &repository, name, NOW).outcome;
        assert_eq!(outcome.unwrap_err().code, Code::TrustTargetMissing, "{name}");
        assert!(repository.asked.borrow().iter().all(|path| !path.contains("..")));
    }
}
