//! Documents whose time has come go, with a tombstone before them; what a hold keeps stays; nothing goes silently.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use linkward_ledger::retention::{Gone, Hold, HoldChange, Rules, Scope, Tombstone};
use linkward_ledger::{Body, Kind, Recordable, Term, TermKind};
use linkward_model::{Code, Digest, Instant};
use linkward_record::fault::{Fault, FaultyFiles, Lost, Survives};
use linkward_record::fixture::{self, RememberingSigner};
use linkward_record::{Damage, Deleted, Store, StoreError, Verified, rebuild, verify};
use linkward_testkit::{noon, scratch, scratch_in_memory};
use serde_json::json;

/// A record of a kind, with documents.
struct Kept {
    kind: Kind,
    name: String,
    documents: Vec<Vec<u8>>,
}

impl Recordable for Kept {
    fn body(&self) -> Body {
        let documents = self.documents.iter().map(|document| Digest::sha256(document)).collect();
        let terms = vec![Term::new(TermKind::Name, &self.name)];
        Body::new(self.kind, terms, documents, json!({ "name": self.name }))
    }
}

fn append(store: &Store, kind: Kind, name: &str, documents: &[&[u8]], now: Instant) -> u64 {
    let documents: Vec<Vec<u8>> = documents.iter().map(|document| document.to_vec()).collect();
    let kept = Kept { kind, name: name.to_owned(), documents: documents.clone() };
    store.append(kept, documents, now).unwrap().index()
}

fn days(days: i64) -> Instant {
    Instant::from_millis(noon().millis() + days * 86_400_000)
}

fn rules(kinds: &[(Kind, u32)]) -> Rules {
    let mut rules = Rules::default();
    for (kind, days) in kinds {
        rules.keep(*kind, *days);
    }
    rules
}

fn hold(store: &Store, scope: Scope) -> u64 {
    let (reason, author) = ("case 7".to_owned(), "legal".to_owned());
    store.append(HoldChange::HoldAdded(Hold { scope, reason, author }), Vec::new(), noon()).unwrap().index()
}

fn release(store: &Store, hold: u64) {
    let (reason, author) = ("closed".to_owned(), "legal".to_owned());
    store.append(HoldChange::HoldRemoved { hold, reason, author }, Vec::new(), noon()).unwrap();
}

fn checked(root: &Path) -> Result<Verified, Damage> {
    verify(root, &fixture::logs(), &mut |_| {})
}

/// Whether the bytes stand in any file of the folder.
fn stands(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return stands(&path, bytes);
        }
        std::fs::read(&path).unwrap().windows(bytes.len()).any(|window| window == bytes)
    })
}

const SECRET: &[u8] = b"the mail address of somebody who asked to be forgotten";

#[test]
fn a_document_goes_by_its_kind_and_everything_else_stays() {
    let folder = scratch();
    let root = folder.path();
    let store = fixture::open(root).unwrap();
    let large = [SECRET, &[7; 300 << 10]].concat();
    let old = append(&store, Kind::Events, "old", &[SECRET, &large], noon());
    let claim = append(&store, Kind::Claim, "claim", &[b"kept"], noon());
    append(&store, Kind::Events, "new", &[b"young"], days(80));
    append(&store, Kind::Verdict, "verdict", &[b"never"], noon());
    let rules = rules(&[(Kind::Events, 90), (Kind::Verdict, 1)]);
    assert_eq!(store.plan_deletion(&rules, days(89), 10).unwrap().due, 0, "not yet");
    let plan = store.plan_deletion(&rules, days(91), 10).unwrap();
    assert_eq!((plan.due, plan.held, plan.first.len()), (2, 0, 2));
    assert_eq!(plan.bytes, (SECRET.len() + large.len()) as u64);
    assert!(plan.first.iter().all(|due| due.record == old && due.kind == Kind::Events));
    assert!(stands(&root.join("blobs"), SECRET));
    let deleted = store.delete(&rules, days(91)).unwrap();
    let Deleted { blobs: 2, tombstones, .. } = deleted else { panic!("{deleted:?}") };
    assert!(!stands(&root.join("blobs"), SECRET), "not a byte of it is left");
    for document in [SECRET, &large] {
        let digest = Digest::sha256(document);
        let found = store.blob(&digest);
        assert!(
            matches!(found, Err(StoreError::Deleted { tombstone, .. }) if tombstone == tombstones[0]),
            "{found:?}"
        );
    }
    // The record itself is as before.
    assert_eq!(store.body(old).unwrap().documents.len(), 2);
    let claim = store.body(claim).unwrap().documents[0];
    assert_eq!(store.blob(&claim).unwrap().unwrap(), b"kept");
    assert_eq!(store.blob(&Digest::sha256(b"never")).unwrap().unwrap(), b"never");
    assert_eq!(store.blob(&Digest::sha256(b"young")).unwrap().unwrap(), b"young");
    assert_eq!(store.blob(&Digest::sha256(b"nobody knows")).unwrap(), None, "never there is not deleted");
    assert_eq!(store.delete(&rules, days(91)).unwrap(), Deleted::default(), "and again: nothing to do");
    store.close();
    drop(store);
    let verified = checked(root).unwrap();
    assert_eq!((verified.deleted, verified.undeleted), (2, 0));
    assert!(verified.to_string().ends_with("2 documents deleted by retention"), "{verified}");
    // The index made again says the same, and so does the next start.
    let again = root.join("again");
    std::fs::copy(root.join("format"), folder.path().join("format.copy")).unwrap();
    std::fs::write(root.join("trust.json"), serde_json::to_vec(&json!({ "logs": fixture::logs() })).unwrap())
        .unwrap();
    let rebuilt = rebuild(root, &again).unwrap();
    assert_eq!((rebuilt.records, rebuilt.deleted), (verified.records, 2));
    for name in ["index.db", "index.db-wal", "index.db-shm"] {
        let _ = std::fs::remove_file(root.join(name));
    }
    let store = fixture::open(root).unwrap();
    assert!(matches!(store.blob(&Digest::sha256(SECRET)), Err(StoreError::Deleted { .. })));
}

#[test]
fn what_several_records_name_goes_with_the_last_of_them() {
    let folder = scratch();
    let store = fixture::open(folder.path()).unwrap();
    append(&store, Kind::Events, "first", &[b"shared"], noon());
    append(&store, Kind::Claim, "second", &[b"shared"], noon());
    let events = rules(&[(Kind::Events, 1)]);
    assert_eq!(store.delete(&events, days(10)).unwrap().blobs, 0, "a claim keeps it for ever");
    let both = rules(&[(Kind::Events, 1), (Kind::Claim, 20)]);
    assert_eq!(store.delete(&both, days(10)).unwrap().blobs, 0);
    assert_eq!(store.delete(&both, days(21)).unwrap().blobs, 1);
    // It comes back with a record that names it anew, and goes again.
    append(&store, Kind::Events, "third", &[b"shared"], days(22));
    assert_eq!(store.blob(&Digest::sha256(b"shared")).unwrap().unwrap(), b"shared");
    assert_eq!(store.delete(&both, days(22)).unwrap().blobs, 0);
    store.close();
    drop(store);
    assert_eq!(checked(folder.path()).unwrap().deleted, 0);
    for name in ["index.db", "index.db-wal", "index.db-shm"] {
        let _ = std::fs::remove_file(folder.path().join(name));
    }
    let store = fixture::open(folder.path()).unwrap();
    assert_eq!(store.blob(&Digest::sha256(b"shared")).unwrap().unwrap(), b"shared");
    assert_eq!(store.delete(&both, days(30)).unwrap().blobs, 1);
    drop(store);
    assert_eq!(checked(folder.path()).unwrap().deleted, 1);
}

#[test]
fn a_hold_wins_until_it_is_removed() {
    let document = Digest::sha256(b"evidence");
    let scopes = [
        Scope::Everything,
        Scope::Kind(Kind::Events),
        Scope::Record(0),
        Scope::Term(Term::new(TermKind::Name, "app")),
        Scope::Term(Term::digest(&document)),
    ];
    for scope in scopes {
        let folder = scratch();
        let store = fixture::open(folder.path()).unwrap();
        append(&store, Kind::Events, "app", &[b"evidence"], noon());
        append(&store, Kind::Claim, "other", &[b"other"], noon());
        let record = hold(&store, scope.clone());
        let rules = rules(&[(Kind::Events, 1), (Kind::Claim, 1)]);
        let plan = store.plan_deletion(&rules, days(2), 10).unwrap();
        let everything = scope == Scope::Everything;
        assert_eq!((plan.due, plan.held), if everything { (0, 2) } else { (1, 1) }, "{scope}");
        assert!(plan.first.iter().filter_map(|due| due.hold).all(|hold| hold == record));
        assert_eq!(store.delete(&rules, days(2)).unwrap().blobs, u64::from(!everything), "{scope}");
        assert_eq!(store.blob(&document).unwrap().unwrap(), b"evidence", "{scope}");
        release(&store, record);
        assert_eq!(store.delete(&rules, days(2)).unwrap().blobs, if everything { 2 } else { 1 }, "{scope}");
        drop(store);
        assert_eq!(checked(folder.path()).unwrap().deleted, 2, "{scope}");
    }
}

#[test]
fn a_hold_that_cannot_be_read_keeps_everything() {
    struct Later;
    impl Recordable for Later {
        fn body(&self) -> Body {
            let says = json!({ "what": "hold-added", "scope": { "hold": "tenant", "value": "acme" } });
            Body::new(Kind::Action, vec![HoldChange::term()], Vec::new(), says)
        }
    }
    let folder = scratch();
    let store = fixture::open(folder.path()).unwrap();
    append(&store, Kind::Events, "app", &[b"evidence"], noon());
    store.append(Later, Vec::new(), noon()).unwrap();
    let rules = rules(&[(Kind::Events, 1)]);
    assert!(matches!(store.plan_deletion(&rules, days(2), 10), Err(StoreError::Hold(_))));
    assert!(matches!(store.delete(&rules, days(2)), Err(StoreError::Hold(_))));
    assert_eq!(store.blob(&Digest::sha256(b"evidence")).unwrap().unwrap(), b"evidence");
}

#[test]
fn a_document_that_is_lost_is_not_covered_up() {
    let folder = scratch();
    let store = fixture::open(folder.path()).unwrap();
    let large = vec![9; 300 << 10];
    append(&store, Kind::Events, "app", &[&large], noon());
    let digest = Digest::sha256(&large).hex();
    std::fs::remove_file(folder.path().join("blobs/sha256").join(&digest[..2]).join(&digest)).unwrap();
    let rules = rules(&[(Kind::Events, 1)]);
    assert!(matches!(store.delete(&rules, days(2)), Err(StoreError::Blob { .. })));
}

/// Tombstones that somebody with the key wrote by hand: the verifier holds them against the records and the holds.
#[test]
fn a_tombstone_without_a_reason_is_found() {
    type Forge = (&'static str, fn(&Store) -> Tombstone);
    fn of(document: &[u8], kind: Kind, days: u32) -> Tombstone {
        let gone = Gone { digest: Digest::sha256(document), size: document.len() as u64 };
        Tombstone::new(rules(&[(kind, days)]), vec![gone])
    }
    let cases: &[Forge] = &[
        ("before its time", |_| of(b"evidence", Kind::Events, 90)),
        ("no rule for its kind", |_| of(b"evidence", Kind::Claim, 1)),
        ("a kind that is never deleted", |store| {
            append(store, Kind::Verdict, "verdict", &[b"why"], noon());
            of(b"why", Kind::Verdict, 1)
        }),
        ("a hold", |store| {
            hold(store, Scope::Term(Term::new(TermKind::Name, "app")));
            of(b"evidence", Kind::Events, 1)
        }),
        ("named by nothing", |_| of(b"nothing", Kind::Events, 1)),
    ];
    for (name, forge) in cases {
        let folder = scratch();
        let store = fixture::open(folder.path()).unwrap();
        append(&store, Kind::Events, "app", &[b"evidence"], noon());
        let tombstone = forge(&store);
        store.append(tombstone, Vec::new(), days(2)).unwrap();
        drop(store);
        assert_eq!(checked(folder.path()).unwrap_err().code, Code::DeletionUnfounded, "{name}");
    }
}

#[test]
fn what_is_erased_without_a_tombstone_is_damage() {
    let folder = scratch();
    let root = folder.path();
    let store = fixture::open(root).unwrap();
    append(&store, Kind::Events, "app", &[b"evidence"], noon());
    append(&store, Kind::Events, "other", &[b"other"], noon());
    drop(store);
    let pack = root.join("blobs/packs/000001.pack");
    let whole = std::fs::read(&pack).unwrap();
    let at = whole.windows(8).position(|window| window == b"evidence").unwrap();
    let mut erased = whole.clone();
    erased[at - 40..at - 36].copy_from_slice(b"LWD1");
    erased[at..at + 8].fill(0);
    std::fs::write(&pack, &erased).unwrap();
    let damage = checked(root).unwrap_err();
    assert_eq!(damage.code, Code::RecordDamaged);
    assert!(damage.what.contains("missing"), "{damage}");
    // Marked as erased, but not: whoever did that hides something.
    erased[at] = 1;
    std::fs::write(&pack, &erased).unwrap();
    assert_eq!(checked(root).unwrap_err().code, Code::RecordDamaged);
    // A stop before the last step is no damage, and is said.
    std::fs::write(&pack, &whole).unwrap();
    let store = fixture::open(root).unwrap();
    store.delete(&rules(&[(Kind::Events, 1)]), days(2)).unwrap();
    drop(store);
    let done = std::fs::read(&pack).unwrap();
    std::fs::write(&pack, [&whole[..], &done[whole.len()..]].concat()).unwrap();
    let verified = checked(root).unwrap();
    assert_eq!((verified.deleted, verified.undeleted), (2, 2), "{verified}");
    for name in ["index.db", "index.db-wal", "index.db-shm"] {
        let _ = std::fs::remove_file(root.join(name));
    }
    drop(fixture::open(root).unwrap());
    assert_eq!(std::fs::read(&pack).unwrap(), done, "the next start completes it");
    assert_eq!(checked(root).unwrap().undeleted, 0);
}

#[test]
fn documents_go_while_others_append() {
    let folder = scratch();
    let store = fixture::open(folder.path()).unwrap();
    for number in 0..40u8 {
        append(&store, Kind::Events, "old", &[&[number; 100]], noon());
    }
    let rules = rules(&[(Kind::Events, 1)]);
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let store = store.clone();
            // The same documents again, under records that are young: each must be there when its record is.
            scope.spawn(move || {
                for number in (0..40u8).filter(|number| number % 4 == thread) {
                    append(&store, Kind::Events, "young", &[&[number; 100]], days(2));
                    let found = store.blob(&Digest::sha256(&[number; 100])).unwrap();
                    assert!(found.is_some(), "{number}");
                }
            });
        }
        for _ in 0..10 {
            store.delete(&rules, days(2)).unwrap();
        }
    });
    for number in 0..40u8 {
        assert!(store.blob(&Digest::sha256(&[number; 100])).unwrap().is_some(), "{number}");
    }
    store.close();
    drop(store);
    checked(folder.path()).unwrap();
}

/// Every write of a deletion goes wrong once: what is kept is there, what is gone has its tombstone, and the next
/// deletion brings it to an end.
#[test]
fn a_deletion_may_stop_anywhere() {
    fn open(root: &Path, files: &FaultyFiles, signer: &RememberingSigner) -> Result<Store, StoreError> {
        fixture::open_signed(root, Arc::new(files.clone()), Box::new(signer.clone()))
    }
    let large = vec![5; 300 << 10];
    let going: Vec<Vec<u8>> = vec![SECRET.to_vec(), b"two".to_vec(), large];
    let rules = rules(&[(Kind::Events, 1)]);
    let point =
        |at: u64, fault: Fault, survives: Survives, lost: Option<Lost>| -> Option<Result<(), String>> {
            let folder = scratch_in_memory();
            let root: PathBuf = folder.path().to_path_buf();
            let (files, signer) = (FaultyFiles::default(), RememberingSigner::default());
            let store = open(&root, &files, &signer).unwrap();
            for document in &going {
                append(&store, Kind::Events, "old", &[document], noon());
                append(&store, Kind::Claim, "kept", &[&[document.as_slice(), b"!"].concat()], noon());
            }
            let before = files.operations();
            files.lose_syncs(lost, lost);
            files.fail_at(before + at, fault);
            let told = store.delete(&rules, days(2)).is_ok();
            drop(store);
            if files.operations() < before + at {
                return None;
            }
            files.restart(survives);
            if lost.is_some() {
                signer.forget();
            }
            let kept = || -> Result<(), String> {
                let text = |error: StoreError| error.to_string();
                let store = open(&root, &files, &signer).map_err(text)?;
                for document in &going {
                    let other = Digest::sha256(&[document.as_slice(), b"!"].concat());
                    store.blob(&other).map_err(text)?.ok_or("a kept document is gone")?;
                    match store.blob(&Digest::sha256(document)) {
                        Ok(Some(_)) if !told => {}
                        Err(StoreError::Deleted { .. }) => {}
                        found => return Err(format!("told {told}: {found:?}")),
                    }
                }
                store.delete(&rules, days(2)).map_err(text)?;
                for document in &going {
                    let found = store.blob(&Digest::sha256(document));
                    if !matches!(found, Err(StoreError::Deleted { .. })) {
                        return Err(format!("at last: {found:?}"));
                    }
                }
                // Not a byte is left, whatever was deleted before the stop or after it.
                let held = [SECRET, b"!"].concat();
                let count =
                    |bytes: &[u8], what: &[u8]| bytes.windows(what.len()).filter(|w| w == &what).count();
                let left = files.every_file().into_iter().find(|(path, bytes)| {
                    path.starts_with(root.join("blobs")) && count(bytes, SECRET) > count(bytes, &held)
                });
                left.map_or(Ok(()), |(path, _)| Err(format!("{} has it still", path.display())))
            };
            Some(kept())
        };
    let mut points = 0;
    let mut wrong = Vec::new();
    for fault in [Fault::Stop, Fault::Torn, Fault::Error, Fault::Full] {
        for survives in
            [Survives::Nothing, Survives::Everything, Survives::Contents, Survives::Names, Survives::Some(3)]
        {
            for at in 1.. {
                match point(at, fault, survives, None) {
                    None => break,
                    Some(Ok(())) => {}
                    Some(Err(why)) => wrong.push(format!("{fault:?} at {at}, {survives:?}: {why}")),
                }
                points += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {points}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(points >= 200, "only {points}");
    // The draft of a pack that is not synced before it takes the old one's place may come to nothing.
    let lost: Lost = |path| path.to_string_lossy().ends_with("000001.new");
    let noticed = (1..)
        .map_while(|at| point(at, Fault::Stop, Survives::Names, Some(lost)))
        .any(|result| result.is_err());
    assert!(noticed, "the sync of the new pack is not needed, or not tested");
}
