use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use linkward_model::{Digest, Instant};
use linkward_testkit::noon;
use serde_json::Value;
use std::path::Path;

use super::metadata::canonical;
use super::{Key, Repository, Role};

const DAY: i64 = 86_400_000;

fn pair() -> (Key, Ed25519KeyPair) {
    let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    (Key(pair.public_key().as_ref().try_into().unwrap()), pair)
}

/// Keys, all of them known to the one that signs.
#[derive(Default)]
struct Ring(Vec<(Key, Ed25519KeyPair)>);

impl Ring {
    fn make(&mut self) -> Key {
        self.0.push(pair());
        self.0.last().unwrap().0
    }

    fn sign(&self, key: Key, text: &str) -> Result<Vec<u8>, String> {
        let (_, pair) = self.0.iter().find(|(known, _)| *known == key).ok_or("no such key")?;
        Ok(pair.sign(text.as_bytes()).as_ref().to_vec())
    }
}

fn json(folder: &Path, name: &str) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(folder.join(name)).ok()?).ok()
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect()
}

/// Whether one of the role's keys in this root signed the file.
fn signed(root: &Value, role: &str, file: &Value) -> bool {
    let text = canonical(&file["signed"]);
    root["signed"]["roles"][role]["keyids"].as_array().unwrap().iter().any(|id| {
        let key = bytes(root["signed"]["keys"][id.as_str().unwrap()]["keyval"]["public"].as_str().unwrap());
        file["signatures"].as_array().unwrap().iter().any(|one| {
            one["keyid"] == *id
                && UnparsedPublicKey::new(&ED25519, &key)
                    .verify(text.as_bytes(), &bytes(one["sig"].as_str().unwrap()))
                    .is_ok()
        })
    })
}

/// Walks as a client does that has the first root: the targets there are.
fn walk(folder: &Path, now: Instant) -> Value {
    let mut root = json(folder, "1.root.json").unwrap();
    assert!(signed(&root, "root", &root));
    for version in 2.. {
        let Some(next) = json(folder, &format!("{version}.root.json")) else { break };
        assert!(signed(&root, "root", &next) && signed(&next, "root", &next), "root {version}");
        root = next;
    }
    let check = |name: &str, role: &str| {
        let file = json(folder, name).unwrap();
        assert!(signed(&root, role, &file), "{name}");
        assert_eq!(file["signed"]["_type"], role);
        let expires: Instant = file["signed"]["expires"].as_str().unwrap().parse().unwrap();
        assert!(now < expires, "{name} expired");
        file
    };
    assert!(root["signed"]["expires"].as_str().unwrap().parse::<Instant>().unwrap() > now);
    let stamp = check("timestamp.json", "timestamp");
    let snapshot =
        check(&format!("{}.snapshot.json", stamp["signed"]["meta"]["snapshot.json"]["version"]), "snapshot");
    let targets =
        check(&format!("{}.targets.json", snapshot["signed"]["meta"]["targets.json"]["version"]), "targets");
    for (name, target) in targets["signed"]["targets"].as_object().unwrap() {
        let digest = target["hashes"]["sha256"].as_str().unwrap();
        let content = std::fs::read(folder.join(format!("targets/{digest}.{name}"))).unwrap();
        assert_eq!(Digest::sha256(&content).hex(), digest);
        assert_eq!(target["length"], content.len());
    }
    targets["signed"]["targets"].clone()
}

fn made(folder: &Path, ring: &mut Ring) -> Repository {
    let repository = Repository::new(folder);
    let keys = [ring.make(), ring.make(), ring.make()];
    repository.create(keys[0], keys[1], keys[2], noon(), &mut |_, key, text| ring.sign(key, text)).unwrap();
    repository
}

#[test]
fn metadata_is_signed_again_before_it_expires_and_not_sooner() {
    let scratch = linkward_testkit::scratch();
    let mut ring = Ring::default();
    let repository = made(scratch.path(), &mut ring);
    let update = |content: &[u8], now: Instant| {
        repository
            .update(&[("trusted_root.json", content)], now, &mut |_, key, text| ring.sign(key, text))
            .unwrap()
            .roles
    };
    let all = [Role::Targets, Role::Snapshot, Role::Timestamp];
    assert_eq!(update(b"one", noon()), all);
    assert_eq!(update(b"one", noon().plus_millis(DAY)), []);
    assert_eq!(update(b"one", noon().plus_millis(4 * DAY)), [Role::Timestamp]);
    assert_eq!(update(b"two", noon().plus_millis(4 * DAY)), all);
    assert_eq!(update(b"two", noon().plus_millis(60 * DAY)), [Role::Snapshot, Role::Timestamp]);
    let late = noon().plus_millis(300 * DAY);
    assert_eq!(update(b"two", late), [Role::Root, Role::Targets, Role::Snapshot, Role::Timestamp]);
    assert_eq!(walk(scratch.path(), late).as_object().unwrap().len(), 1);
}

#[test]
fn a_client_of_the_first_root_walks_through_ten_years_of_rotations() {
    let scratch = linkward_testkit::scratch();
    let mut ring = Ring::default();
    let repository = made(scratch.path(), &mut ring);
    let mut now = noon();
    for round in 0..40 {
        now = now.plus_millis(91 * DAY);
        let keys = [ring.make(), ring.make(), ring.make()];
        let mut sign = |_: Role, key: Key, text: &str| ring.sign(key, text);
        // What stood before is still good by the new root, and after the update by its newest keys alone.
        let content = format!("root {round}");
        repository.update(&[("trusted_root.json", content.as_bytes())], now, &mut sign).unwrap();
        repository.rotate(keys[0], keys[1], keys[2], now, &mut sign).unwrap();
        walk(scratch.path(), now);
        let published =
            repository.update(&[("trusted_root.json", content.as_bytes())], now, &mut sign).unwrap();
        assert_eq!(published.roles.len(), 3, "signed by the new keys: {published:?}");
        walk(scratch.path(), now);
    }
    assert!(scratch.path().join("41.root.json").exists());
}

#[test]
fn an_update_that_cannot_be_signed_leaves_what_there_was() {
    let scratch = linkward_testkit::scratch();
    let mut ring = Ring::default();
    let repository = made(scratch.path(), &mut ring);
    let mut sign = |_: Role, key: Key, text: &str| ring.sign(key, text);
    repository.update(&[("a", b"one")], noon(), &mut sign).unwrap();
    for stop in [Role::Targets, Role::Snapshot, Role::Timestamp] {
        let mut broken = |role: Role, key: Key, text: &str| {
            if role == stop { Err("away".to_owned()) } else { ring.sign(key, text) }
        };
        assert!(repository.update(&[("a", b"two")], noon(), &mut broken).is_err());
        let targets = walk(scratch.path(), noon());
        assert_eq!(targets["a"]["hashes"]["sha256"], Digest::sha256(b"one").hex(), "stopped at {stop}");
    }
    repository.update(&[("a", b"two")], noon(), &mut sign).unwrap();
    assert_eq!(walk(scratch.path(), noon())["a"]["hashes"]["sha256"], Digest::sha256(b"two").hex());
    std::fs::write(scratch.path().join("timestamp.json"), "{").unwrap();
    assert!(repository.update(&[("a", b"two")], noon(), &mut sign).is_err(), "damage is not written over");
}
