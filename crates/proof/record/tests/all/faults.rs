//! The fault table: every write goes wrong once, in every way, and nothing that was acknowledged is lost.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use linkward_ledger::merkle::verify_consistency;
use linkward_ledger::{LogName, VerifiedCheckpoint};
use linkward_record::fault::{Fault, FaultyFiles, Lost, Survives};
use linkward_record::fixture::{self, RememberingSigner};
use linkward_record::{Store, StoreError};
use linkward_testkit::{noon, scratch_in_memory as scratch};

use crate::record::Note;

/// What a caller was told: records with their bytes, entries, and the newest checkpoint.
#[derive(Default)]
struct Told {
    records: Vec<(u64, Vec<u8>)>,
    entries: Vec<(u64, Vec<u8>)>,
    checkpoint: Option<VerifiedCheckpoint>,
}

/// Entries that are there before anything goes wrong: the next few cross tiles of two levels.
const BEFORE: u32 = 510;

fn open(root: &Path, files: &FaultyFiles, signer: &RememberingSigner) -> Result<Store, StoreError> {
    fixture::open_signed(root, Arc::new(files.clone()), Box::new(signer.clone()))
}

/// Appends records with small and large documents, and entries, until something fails.
fn scenario(store: &Store, told: &mut Told) {
    use linkward_ledger::Recordable as _;
    for round in 0..6u8 {
        let mut note = Note::new(format!("note {round}"));
        note.documents = vec![vec![round; 30]];
        if round == 3 {
            note.documents.push(vec![round; 300 << 10]);
        }
        let blob = note.body().encode();
        match store.append(note.clone(), note.documents, noon()) {
            Ok(recorded) => told.records.push((recorded.index(), blob)),
            // A write that failed for once may be tried again: the store goes on.
            Err(_) => continue,
        }
        told.checkpoint = store.checkpoint(LogName::Evidence).ok();
        if round % 2 == 0 {
            let entry = vec![round; 40];
            if let Ok(included) = store.append_entry(LogName::Signing, entry.clone()) {
                told.entries.push((included.index, entry));
            }
        }
    }
}

/// Whether everything that was told is still there after the home is opened again.
fn kept(root: &Path, files: &FaultyFiles, signer: &RememberingSigner, told: &Told) -> Result<(), String> {
    let store = open(root, files, signer).map_err(|error| format!("does not open: {error}"))?;
    for (index, blob) in &told.records {
        let record = store.read(*index).map_err(|error| format!("record {index}: {error}"))?;
        if record.blob() != blob {
            return Err(format!("record {index} is another one"));
        }
        for document in record.body().map_err(|error| error.to_string())?.documents {
            let found = store.blob(&document).map_err(|error| error.to_string())?;
            found.ok_or_else(|| format!("document {document} of record {index} is gone"))?;
        }
    }
    for (index, entry) in &told.entries {
        let again = store.append_entry(LogName::Signing, entry.clone()).map_err(|error| error.to_string())?;
        if again.index != *index {
            return Err(format!("entry {index} is at {} now", again.index));
        }
    }
    if let Some(seen) = told.checkpoint.as_ref().filter(|seen| seen.size() > 0) {
        let now = store.checkpoint(LogName::Evidence).map_err(|error| error.to_string())?;
        if now.size() < seen.size() {
            return Err(format!("the log has {} records, {} were seen", now.size(), seen.size()));
        }
        let proof = store
            .consistency(LogName::Evidence, seen.size(), now.size())
            .map_err(|error| error.to_string())?;
        verify_consistency(seen.size(), now.size(), &seen.root(), &now.root(), &proof)
            .map_err(|error| format!("the log was forked: {error}"))?;
    }
    // It can be written again.
    store
        .append(Note::new("after"), Vec::new(), noon())
        .map(|_| ())
        .map_err(|error| format!("not writable: {error}"))
}

/// A home with entries in it, made once and copied for every point.
struct Home {
    root: PathBuf,
    /// Its format file and its index, which are not behind the port.
    beside: [(&'static str, Vec<u8>); 2],
    files: FaultyFiles,
    signer: RememberingSigner,
    /// The last of them.
    entries: Vec<(u64, Vec<u8>)>,
}

fn home() -> &'static Home {
    static HOME: OnceLock<Home> = OnceLock::new();
    HOME.get_or_init(|| {
        let folder = scratch();
        let (files, signer) = (FaultyFiles::default(), RememberingSigner::default());
        let store = open(folder.path(), &files, &signer).unwrap();
        let entries: Vec<Vec<u8>> = (0..BEFORE).map(|number| number.to_be_bytes().to_vec()).collect();
        let included = store.append_entries(LogName::Signing, entries.clone()).unwrap();
        let entries = included.iter().map(|included| included.index).zip(entries).skip(505).collect();
        drop(store);
        let beside =
            ["format", "index.db"].map(|name| (name, std::fs::read(folder.path().join(name)).unwrap()));
        Home { root: folder.path().to_path_buf(), beside, files, signer, entries }
    })
}

/// Runs the scenario with a fault at an operation and a stop at its end; `None` once the operation is beyond it.
fn point(
    at: u64,
    fault: Fault,
    survives: Survives,
    lost: (Option<Lost>, Option<Lost>),
) -> Option<Result<(), String>> {
    let (folder, home) = (scratch(), home());
    let (files, signer) = (home.files.copy(&home.root, folder.path()), home.signer.copy());
    for (name, bytes) in &home.beside {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let mut told = Told { entries: home.entries.clone(), ..Told::default() };
    let before = files.operations();
    files.lose_syncs(lost.0, lost.1);
    files.fail_at(before + at, fault);
    if let Ok(store) = open(folder.path(), &files, &signer) {
        scenario(&store, &mut told);
    }
    if files.operations() < before + at {
        return None;
    }
    files.restart(survives);
    if lost.0.is_some() || lost.1.is_some() {
        // A signer that remembers would make up for some of what is left out.
        signer.forget();
    }
    Some(kept(folder.path(), &files, &signer, &told))
}

#[test]
fn every_write_may_fail_and_nothing_acknowledged_is_lost() {
    let mut points = 0;
    let mut wrong = Vec::new();
    let some = [Survives::Nothing, Survives::Some(0)];
    let all = [
        Survives::Nothing,
        Survives::Everything,
        Survives::Contents,
        Survives::Names,
        Survives::Some(0),
        Survives::Some(1 << 32),
    ];
    for (fault, survivals) in [
        (Fault::Stop, &all[..]),
        (Fault::Torn, &all[..]),
        (Fault::Error, &some[..]),
        (Fault::Full, &some[..]),
    ] {
        for survives in survivals {
            for at in 1.. {
                // Another draw at every point.
                let survives = match *survives {
                    Survives::Some(seed) => Survives::Some(seed + at),
                    survives => survives,
                };
                match point(at, fault, survives, (None, None)) {
                    None => break,
                    Some(Ok(())) => {}
                    Some(Err(why)) => wrong.push(format!("{fault:?} at {at}, {survives:?} survives: {why}")),
                }
                points += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {points}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(points >= 1000, "only {points} fault points");
}

/// Each sync is there for a reason: leave any one kind out, and some stop loses what was acknowledged.
#[test]
fn leaving_out_any_sync_is_noticed() {
    fn named(path: &Path, part: &str) -> bool {
        path.to_string_lossy().contains(part)
    }
    let kinds: &[(&str, Option<Lost>, Option<Lost>)] = &[
        ("pack data", Some(|path| named(path, ".pack")), None),
        ("pack folder", None, Some(|path| path.ends_with("packs"))),
        ("large blob", Some(|path| named(path, "blobs/sha256/")), None),
        ("large blob's folder", None, Some(|path| named(path, "blobs/sha256/"))),
        ("entry bundle", Some(|path| named(path, "tile/entries")), None),
        ("entry bundle's folder", None, Some(|path| named(path, "tile/entries"))),
        ("hash tile", Some(|path| named(path, "tile/0")), None),
        ("hash tile's folder", None, Some(|path| named(path, "tile/0"))),
        ("upper tile", Some(|path| named(path, "tile/1")), None),
        ("upper tile's folder", None, Some(|path| named(path, "tile/1"))),
        ("checkpoint", Some(|path| named(path, "checkpoint")), None),
        ("checkpoint's folder", None, Some(|path| path.ends_with("evidence") || path.ends_with("signing"))),
    ];
    for (what, files, folders) in kinds {
        let noticed = (1..)
            .map_while(|at| point(at, Fault::Stop, Survives::Nothing, (*files, *folders)))
            .any(|result| result.is_err());
        assert!(noticed, "without the sync of the {what} nothing was lost: it is not needed, or not tested");
    }
}

/// The first start of a home is a fault table of its own: nothing is there yet.
#[test]
fn a_first_start_may_stop_anywhere() {
    let mut points = 0;
    for survives in [Survives::Nothing, Survives::Everything, Survives::Names, Survives::Some(7)] {
        for at in 1.. {
            let folder = scratch();
            let (files, signer) = (FaultyFiles::default(), RememberingSigner::default());
            files.fail_at(at, Fault::Stop);
            let mut told = Told::default();
            if let Ok(store) = open(folder.path(), &files, &signer) {
                scenario(&store, &mut told);
            }
            if files.operations() < at {
                break;
            }
            files.restart(survives);
            kept(folder.path(), &files, &signer, &told)
                .unwrap_or_else(|why| panic!("{at}, {survives:?}: {why}"));
            points += 1;
        }
    }
    assert!(points > 100, "only {points}");
}

/// A signer that signed, and whose answer was lost, refuses every other checkpoint of that size. The log must come to
/// publish the one that was signed, or nobody could ever write again.
#[test]
fn what_was_signed_and_not_published_is_published_at_the_next_start() {
    let folder = scratch();
    let (files, signer) = (FaultyFiles::default(), RememberingSigner::default());
    let store = open(folder.path(), &files, &signer).unwrap();
    store.append_entry(LogName::Signing, b"one".to_vec()).unwrap();
    signer.lose_answer(1);
    assert!(matches!(store.append_entry(LogName::Signing, b"two".to_vec()), Err(StoreError::Poisoned(_))));
    assert!(store.append_entry(LogName::Signing, b"three".to_vec()).is_err());
    drop(store);
    let store = open(folder.path(), &files, &signer).unwrap();
    assert_eq!(store.checkpoint(LogName::Signing).unwrap().size(), 2);
    let again = store.append_entry(LogName::Signing, b"two".to_vec()).unwrap();
    assert_eq!((again.index, again.size), (1, 2));
    assert_eq!(store.append_entry(LogName::Signing, b"three".to_vec()).unwrap().index, 2);
}
