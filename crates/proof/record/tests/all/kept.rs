//! What a fold came to, kept for the next start: used where it is whole and of this log, and in no other case.

use std::sync::Arc;

use linkward_record::fault::{Fault, FaultyFiles, Survives};
use linkward_record::fixture::RememberingSigner;
use linkward_record::{NotKept, Store, fixture};
use linkward_testkit::{noon, scratch, scratch_in_memory};

use crate::record::Note;

fn grown(path: &std::path::Path, until: u64) -> Store {
    let store = fixture::open(path).unwrap();
    for number in 0..until {
        store.append(Note::new(format!("n{number}")), Vec::new(), noon()).unwrap();
    }
    store
}

fn lines(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("line {number} {}", "x".repeat(number % 97)))
}

fn read(store: &Store) -> Result<Vec<String>, NotKept> {
    let mut kept = store.kept("fold", "code")?;
    let mut all = Vec::new();
    while let Some(line) = kept.line()? {
        all.push(line);
    }
    Ok(all)
}

#[test]
fn what_is_kept_comes_back_for_this_place_and_this_code() {
    let folder = scratch();
    let store = grown(folder.path(), 5);
    assert!(matches!(store.kept("fold", "code"), Err(NotKept::Missing)));
    for count in [0, 1, 50_000] {
        store.keep("fold", "code", 3, lines(count)).unwrap();
        assert_eq!(store.kept("fold", "code").unwrap().size, 3);
        assert_eq!(read(&store).unwrap(), lines(count).collect::<Vec<_>>());
    }
    assert!(matches!(store.kept("fold", "newer code"), Err(NotKept::Code)));
    // The log goes on; what was kept of its beginning still is of it.
    store.append(Note::new("later"), Vec::new(), noon()).unwrap();
    assert!(read(&store).is_ok());
    assert!(store.keep("fold", "code", 99, lines(1)).is_err(), "a place that the log has not reached");
    assert!(read(&store).is_ok(), "what was kept before stays");
}

#[test]
fn every_flipped_byte_and_every_cut_is_noticed() {
    let folder = scratch();
    let store = grown(folder.path(), 2);
    store.keep("fold", "code", 2, lines(6)).unwrap();
    let path = folder.path().join("fold.kept");
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(&path, &damaged).unwrap();
        assert!(matches!(read(&store), Err(NotKept::Damaged(_))), "byte {at}");
        std::fs::write(&path, &whole[..at]).unwrap();
        assert!(matches!(read(&store), Err(NotKept::Damaged(_))), "cut at {at}");
    }
    std::fs::write(&path, [&whole[..], b"more\n"].concat()).unwrap();
    assert!(matches!(read(&store), Err(NotKept::Damaged(_))));
    std::fs::write(&path, whole).unwrap();
    assert!(read(&store).is_ok());
}

#[test]
fn a_place_of_another_log_or_of_one_that_went_another_way_is_none() {
    let (one, other) = (scratch(), scratch());
    let store = grown(one.path(), 4);
    store.keep("fold", "code", 4, lines(3)).unwrap();
    let path = |folder: &std::path::Path| folder.join("fold.kept");
    // The same log, shorter: as after a restore from an older backup.
    let shorter = grown(other.path(), 3);
    std::fs::copy(path(one.path()), path(other.path())).unwrap();
    assert!(matches!(read(&shorter), Err(NotKept::Place)));
    // As long, but another record in it.
    shorter.append(Note::new("another way"), Vec::new(), noon()).unwrap();
    assert!(matches!(read(&shorter), Err(NotKept::Place)));
    // Another fold's file under this name.
    store.keep("counts", "code", 4, lines(3)).unwrap();
    std::fs::rename(one.path().join("counts.kept"), path(one.path())).unwrap();
    assert!(matches!(read(&store), Err(NotKept::Damaged(_))));
}

#[test]
fn whatever_goes_wrong_while_it_is_written_one_of_the_two_is_there() {
    let survivors =
        [Survives::Nothing, Survives::Everything, Survives::Contents, Survives::Names, Survives::Some(7)];
    let faults = [Fault::Error, Fault::Full, Fault::Stop, Fault::Torn];
    for (fault, survives) in faults.into_iter().flat_map(|fault| survivors.map(|survives| (fault, survives)))
    {
        for number in 1.. {
            let folder = scratch_in_memory();
            let (files, signer) = (FaultyFiles::default(), RememberingSigner::default());
            let open =
                || fixture::open_signed(folder.path(), Arc::new(files.clone()), Box::new(signer.clone()));
            let store = open().unwrap();
            for name in ["one", "two"] {
                store.append(Note::new(name), Vec::new(), noon()).unwrap();
            }
            store.keep("fold", "code", 1, lines(3)).unwrap();
            files.fail_at(files.operations() + number, fault);
            let result = store.keep("fold", "code", 2, lines(4));
            drop(store);
            files.restart(survives);
            let store = open().unwrap();
            let found = read(&store).map(|lines| lines.len());
            // A torn name over lost content is thrown away; what is used is one of the two, whole.
            assert!(
                matches!(found, Ok(3 | 4) | Err(NotKept::Damaged(_) | NotKept::Missing)),
                "{fault:?} {survives:?} at {number}: {found:?}"
            );
            if result.is_ok() {
                assert_eq!(found.unwrap(), 4, "{fault:?} {survives:?} at {number}");
                break;
            }
        }
    }
}
