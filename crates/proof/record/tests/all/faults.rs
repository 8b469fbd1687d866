//! The fault table: every write goes wrong once, in every way, and nothing that was acknowledged is lost.

use std::path::Path;
use std::sync::Arc;

use linkward_ledger::merkle::verify_consistency;
use linkward_ledger::{LogName, VerifiedCheckpoint};
use linkward_record::fault::{Fault, FaultyFiles, Lost, Survives};
use linkward_record::{Store, fixture};
use linkward_testkit::{noon, scratch_in_memory};

use crate::record::Note;

/// What a caller was told: records with their bytes, entries, and the newest checkpoint.
#[derive(Default)]
struct Told {
    records: Vec<(u64, Vec<u8>)>,
    entries: Vec<(u64, Vec<u8>)>,
    checkpoint: Option<VerifiedCheckpoint>,
}

/// Appends records with small and large documents, and entries, until something fails.
fn scenario(store: &Store, told: &mut Told) {
    use linkward_ledger::Recordable as _;
    for round in 0..10u8 {
        let mut note = Note::new(format!("note {round}"));
        note.documents = vec![vec![round; 30]];
        if round == 4 {
            note.documents.push(vec![round; 300 << 10]);
        }
        let blob = note.body().encode();
        match store.append(note.clone(), note.documents, noon()) {
            Ok(recorded) => told.records.push((recorded.index(), blob)),
            // A write that failed for once may be tried again: the store goes on.
            Err(_) => continue,
        }
        told.checkpoint = store.checkpoint(LogName::Evidence).ok();
        if round % 3 == 0 {
            let entry = vec![round; 40];
            if let Ok(included) = store.append_entry(LogName::Signing, entry.clone()) {
                told.entries.push((included.index, entry));
            }
        }
    }
}

/// Whether everything that was told is still there after the home is opened again.
fn kept(root: &Path, files: &FaultyFiles, told: &Told) -> Result<(), String> {
    let store = fixture::open_with(root, Arc::new(files.clone()))
        .map_err(|error| format!("does not open: {error}"))?;
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

/// Runs the scenario with a fault at an operation and a stop at its end; `None` once the operation is beyond it.
fn point(
    at: u64,
    fault: Fault,
    survives: Survives,
    lost: (Option<Lost>, Option<Lost>),
) -> Option<Result<(), String>> {
    // What is tested lies in `FaultyFiles`; the folder holds the lock and an index that can be made again.
    let folder = scratch_in_memory();
    let files = FaultyFiles::default();
    files.lose_syncs(lost.0, lost.1);
    files.fail_at(at, fault);
    let mut told = Told::default();
    if let Ok(store) = fixture::open_with(folder.path(), Arc::new(files.clone())) {
        scenario(&store, &mut told);
    }
    if files.operations() < at {
        return None;
    }
    files.restart(survives);
    Some(kept(folder.path(), &files, &told))
}

#[test]
fn every_write_may_fail_and_nothing_acknowledged_is_lost() {
    let mut points = 0;
    let mut wrong = Vec::new();
    for fault in [Fault::Stop, Fault::Torn, Fault::Error, Fault::Full] {
        for survives in [Survives::Nothing, Survives::Everything, Survives::Contents, Survives::Names] {
            for at in 1.. {
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
