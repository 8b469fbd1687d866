//! Snapshots: what goes in comes out, and nothing else does.

use linkward_decide::{Outcome, TargetKind};
use linkward_deploy::{
    Floor, Gate, Position, Settings, Snapshot, SnapshotError, SnapshotRecord, snapshot_file,
};
use linkward_ledger::LogName;
use linkward_ledger::key::NoteKey;
use linkward_model::Code;

use crate::fixture::{World, digest, environment, image};

fn log(world: &World) -> NoteKey {
    world.store.log_id(LogName::Evidence).unwrap().key.parse().unwrap()
}

fn make(world: &World, gate: &Gate) -> Vec<u8> {
    let now = linkward_testkit::noon();
    let size = world.store.checkpoint(LogName::Evidence).unwrap().size();
    let document = gate.document(size, Position { session: 1, sequence: 2, last: None }, Vec::new(), now);
    let record = SnapshotRecord::new(&document, &environment(), gate.epoch());
    let index = world.store.append(record, Vec::new(), now).unwrap().index();
    snapshot_file(&world.carry(index), &document)
}

fn settings() -> Settings {
    Settings { lease_millis: Some(60_000), ..Settings::strict(environment()) }
}

#[test]
fn a_gate_that_starts_from_a_snapshot_decides_alike() {
    let now = linkward_testkit::noon();
    let mut world = World::new();
    let gate = world.gate(Settings::strict(environment()), now);
    gate.insert(&world.verdict("good-struck", now));
    let entry = world.revoke(TargetKind::Digest, &digest("good-struck").to_string(), now);
    gate.revoke(&entry, &[digest("good-struck"), digest("unseen")]);
    gate.knows(1);
    let file = make(&world, &gate);
    let snapshot = Snapshot::open(&file, &log(&world), &environment(), None).unwrap();
    assert_eq!((snapshot.len(), snapshot.floor().epoch, snapshot.position().sequence), (4, 1, 2));
    let replica = Gate::new(settings());
    replica.load(snapshot, now);
    assert_eq!(replica.mode(), gate.mode());
    for name in ["good", "bad", "odd", "good-struck", "unseen"] {
        let (one, two) = (gate.decide(&image(name), "shop", now), replica.decide(&image(name), "shop", now));
        assert_eq!(
            (one.outcome(), one.code(), one.verdict()),
            (two.outcome(), two.code(), two.verdict()),
            "{name}"
        );
        assert_eq!(one.message(), two.message(), "{name}");
    }
    assert_eq!(replica.decide(&image("unseen"), "shop", now).code(), Some(Code::DigestRevoked));
    assert_eq!(
        replica.decide(&image("never"), "shop", now).code(),
        Some(Code::NoEvidence),
        "replicas look nothing up"
    );
}

#[test]
fn a_tampered_truncated_or_foreign_snapshot_is_refused() {
    let now = linkward_testkit::noon();
    let world = World::new();
    let gate = world.gate(Settings::strict(environment()), now);
    let file = make(&world, &gate);
    let key = log(&world);
    let open = |bytes: &[u8]| Snapshot::open(bytes, &key, &environment(), None);
    assert!(open(&file).is_ok());
    let text = String::from_utf8(file.clone()).unwrap();
    for (from, to) in
        [("deny", "allow"), ("digest-denied", "-"), ("enforce", "observe"), ("\"epoch\":0", "\"epoch\":9")]
    {
        let changed = text.replace(from, to);
        assert_ne!(changed, text, "{from}");
        assert!(open(changed.as_bytes()).is_err(), "{from} -> {to}");
    }
    for length in (0..file.len()).step_by(97) {
        assert!(open(&file[..length]).is_err(), "{length}");
    }
    let other = NoteKey::new(key.name(), [9; 32]).unwrap();
    assert!(matches!(Snapshot::open(&file, &other, &environment(), None), Err(SnapshotError::Carried(_))));
    let production = "production".parse().unwrap();
    assert!(matches!(Snapshot::open(&file, &key, &production, None), Err(SnapshotError::Environment { .. })));
    // A record of the log that is no snapshot vouches for nothing.
    let first = world.carry(0);
    let document = text.split_once('\n').unwrap().1.as_bytes();
    assert!(matches!(open(&snapshot_file(&first, document)), Err(SnapshotError::Document)));
}

#[test]
fn an_older_snapshot_never_brings_a_revoked_thing_back() {
    let now = linkward_testkit::noon();
    let mut world = World::new();
    let gate = world.gate(Settings::strict(environment()), now);
    let old = make(&world, &gate);
    let entry = world.revoke(TargetKind::Digest, &digest("good").to_string(), now);
    gate.revoke(&entry, &[digest("good")]);
    gate.knows(1);
    let new = make(&world, &gate);
    let key = log(&world);
    let floor = Snapshot::open(&new, &key, &environment(), None).unwrap().floor().clone();
    let refused = Snapshot::open(&old, &key, &environment(), Some(&floor)).unwrap_err();
    assert_eq!(refused.code(), Code::SnapshotRolledBack, "{refused}");
    assert!(Snapshot::open(&new, &key, &environment(), Some(&floor)).is_ok());
    let foreign = Floor { origin: "other.evidence.linkward.internal".to_owned(), ..floor };
    assert!(matches!(
        Snapshot::open(&new, &key, &environment(), Some(&foreign)),
        Err(SnapshotError::Origin { .. })
    ));
    // Within a process as well: loading the old one over the new one lifts nothing.
    let replica = Gate::new(settings());
    replica.load(Snapshot::open(&new, &key, &environment(), None).unwrap(), now);
    replica.load(Snapshot::open(&old, &key, &environment(), None).unwrap(), now);
    assert_eq!(replica.decide(&image("good"), "shop", now).code(), Some(Code::DigestRevoked));
    assert_eq!(replica.epoch(), 1);
    assert_eq!(replica.decide(&image("good"), "shop", now).outcome(), Outcome::Deny);
}
