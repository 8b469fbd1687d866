//! Appending, reading back, reopening, rebuilding.

use linkward_ledger::{Kind, LogName, Recordable as _, Term, TermKind};
use linkward_record::{Filter, StoreError, fixture, rebuild, seen};
use linkward_testkit::{noon, scratch};

use crate::record::Note;

#[test]
fn a_record_is_read_back_with_its_proof_and_found_by_its_terms() {
    let folder = scratch();
    let store = fixture::open(folder.path()).unwrap();
    let mut note = Note::new("alpha");
    note.documents = vec![b"small".to_vec(), vec![7; 300 << 10]];
    let recorded = store.append(note.clone(), note.documents.clone(), noon()).unwrap();
    assert_eq!(recorded.index(), 0);
    let opaque = store.read(0).unwrap();
    assert_eq!(opaque.blob(), note.body().encode());
    for document in &note.documents {
        let digest = linkward_model::Digest::sha256(document);
        assert_eq!(store.blob(&digest).unwrap().as_ref(), Some(document));
    }
    let filter = |value: &str| Filter {
        kind: Some(Kind::Observation),
        term: Some(Term::new(TermKind::Name, value)),
        before: None,
        limit: 10,
    };
    assert_eq!(store.rows(&filter("alpha")).unwrap().len(), 1);
    assert!(store.rows(&filter("beta")).unwrap().is_empty());
    assert!(store.read(1).is_err());
    let missing = store.append(note, Vec::new(), noon());
    assert!(missing.is_ok(), "documents that are stored need not be given again");
    let mut other = Note::new("beta");
    other.documents = vec![b"never given".to_vec()];
    assert!(matches!(store.append(other, Vec::new(), noon()), Err(StoreError::DocumentMissing(_))));
}

#[test]
fn a_home_has_one_writer() {
    let folder = scratch();
    let store = fixture::open(folder.path()).unwrap();
    assert!(matches!(fixture::open(folder.path()), Err(StoreError::Locked)));
    drop(store);
    assert!(fixture::open(folder.path()).is_ok());
    std::fs::write(folder.path().join("format"), "linkward home 9\n").unwrap();
    assert!(matches!(fixture::open(folder.path()), Err(StoreError::Format(_))));
}

#[test]
fn many_writers_share_groups_and_every_record_stays() {
    let folder = scratch();
    let store = fixture::open(folder.path()).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let store = store.clone();
            scope.spawn(move || {
                for number in 0..40 {
                    store.append(Note::new(format!("{writer}-{number}")), Vec::new(), noon()).unwrap();
                }
            });
        }
    });
    assert_eq!(store.checkpoint(LogName::Evidence).unwrap().size(), 320);
    let all = Filter { limit: 1000, ..Filter::default() };
    let before = store.rows(&all).unwrap();
    assert_eq!(before.len(), 320);
    drop(store);
    std::fs::remove_file(folder.path().join("index.db")).unwrap();
    let store = fixture::open(folder.path()).unwrap();
    assert_eq!(store.rows(&all).unwrap(), before, "the index is a pure fold");
    let verified = linkward_record::verify(folder.path(), &fixture::logs(), &mut |_| {}).unwrap();
    assert_eq!(verified.records, 320);
}

#[test]
fn the_same_entry_keeps_its_first_index() {
    let folder = scratch();
    let store = fixture::open(folder.path()).unwrap();
    let first = store.append_entry(LogName::Signing, b"entry".to_vec()).unwrap();
    store.append_entry(LogName::Signing, b"other".to_vec()).unwrap();
    let again = store.append_entry(LogName::Signing, b"entry".to_vec()).unwrap();
    assert_eq!((first.index, again.index, again.size), (0, 0, 2));
    let leaf = linkward_ledger::merkle::leaf_hash(b"entry");
    linkward_ledger::merkle::verify_inclusion(0, 2, &leaf, &again.proof, &again.root).unwrap();
}

#[test]
fn a_home_that_is_rolled_back_as_a_whole_is_noticed() {
    let (folder, memory) = (scratch(), scratch());
    let home = folder.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let store = fixture::open(&home).unwrap();
    store.append(Note::new("one"), Vec::new(), noon()).unwrap();
    assert_eq!(seen::check(memory.path(), &store).unwrap(), seen::Seen::First);
    drop(store);
    let copy = folder.path().join("copy");
    assert!(std::process::Command::new("cp").arg("-r").arg(&home).arg(&copy).status().unwrap().success());
    let store = fixture::open(&home).unwrap();
    store.append(Note::new("two"), Vec::new(), noon()).unwrap();
    assert_eq!(seen::check(memory.path(), &store).unwrap(), seen::Seen::Extends { from: 1, to: 2 });
    drop(store);
    std::fs::remove_dir_all(&home).unwrap();
    std::fs::rename(&copy, &home).unwrap();
    let store = fixture::open(&home).unwrap();
    assert!(matches!(seen::check(memory.path(), &store), Err(seen::RolledBack::Smaller { seen: 2, now: 1 })));
    // Growing past the old size with other records does not help.
    store.append(Note::new("other"), Vec::new(), noon()).unwrap();
    store.append(Note::new("third"), Vec::new(), noon()).unwrap();
    assert!(matches!(seen::check(memory.path(), &store), Err(seen::RolledBack::Forked { seen: 2 })));
    // Neither does spoiling what was remembered.
    let remembered = std::fs::read_dir(memory.path()).unwrap().next().unwrap().unwrap().path();
    std::fs::write(remembered, "gone").unwrap();
    assert!(matches!(seen::check(memory.path(), &store), Err(seen::RolledBack::Damaged { .. })));
}

#[test]
fn rebuilding_from_logs_and_blobs_gives_the_same_index() {
    let folder = scratch();
    let home = folder.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let store = fixture::open(&home).unwrap();
    for number in 0..300 {
        let mut note = Note::new(format!("note {number}"));
        note.documents = vec![vec![number as u8; 10 * number]];
        store.append(note.clone(), note.documents, noon()).unwrap();
    }
    let all = Filter { limit: 1000, ..Filter::default() };
    let before = store.rows(&all).unwrap();
    drop(store);
    let trust = serde_json::json!({ "logs": fixture::logs() });
    std::fs::write(home.join("trust.json"), trust.to_string()).unwrap();
    let copy = folder.path().join("copy");
    assert_eq!(rebuild(&home, &copy).unwrap().records, 300);
    assert!(rebuild(&home, &copy).is_err(), "a folder in use is refused");
    let store = fixture::open(&copy).unwrap();
    assert_eq!(store.rows(&all).unwrap(), before);
}

#[test]
fn decisions_are_sealed_and_survive_a_stop() {
    let folder = scratch();
    let store = fixture::open(folder.path()).unwrap();
    assert!(store.journal().push(b"{\"decision\":1}"));
    assert!(store.journal().push(b"{\"decision\":2}"));
    assert_eq!(store.seal_journal(noon()).unwrap(), 2);
    store.journal().push(b"{\"decision\":3}");
    drop(store);
    // Left by a process that was killed: sealed when the home is opened again.
    let store = fixture::open(folder.path()).unwrap();
    let filter = Filter { kind: Some(Kind::Decisions), limit: 10, ..Filter::default() };
    let rows = store.rows(&filter).unwrap();
    assert_eq!(rows.len(), 2);
    let body = store.body(rows[0].index).unwrap();
    let segment = store.blob(&body.documents[0]).unwrap().unwrap();
    assert_eq!(segment, b"{\"decision\":3}\n");
}
