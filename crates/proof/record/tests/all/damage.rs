//! Flip one bit, truncate, delete: every file of the record is walked, and the damage is found and named.

use std::path::{Path, PathBuf};

use linkward_record::{fixture, verify};
use linkward_testkit::{noon, scratch};

use crate::record::Note;

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn every_change_to_any_file_is_found_and_named() {
    let folder = scratch();
    let root = folder.path();
    let store = fixture::open(root).unwrap();
    for number in 0..260 {
        store.append(Note::new(format!("note {number}")), Vec::new(), noon()).unwrap();
    }
    let mut large = Note::new("large");
    large.documents = vec![vec![9; 300 << 10]];
    store.append(large.clone(), large.documents, noon()).unwrap();
    for number in 0..3u8 {
        store.append_entry(linkward_ledger::LogName::Signing, vec![number; 50]).unwrap();
    }
    store.close();
    drop(store);
    let logs = fixture::logs();
    verify(root, &logs, &mut |_| {}).unwrap();
    let mut all = Vec::new();
    files(root, &mut all);
    // Neither evidence nor derived from it: the lock, an empty journal, SQLite's own files beside the index.
    let exempt = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name == "lock" || path.parent().unwrap().ends_with("journal") || name.starts_with("index.db-")
    };
    all.retain(|path| !exempt(path));
    assert!(all.len() > 10, "{all:?}");
    for path in &all {
        let whole = std::fs::read(path).unwrap();
        let index = path.ends_with("index.db");
        let mut offsets: Vec<usize> = (0..whole.len()).step_by((whole.len() / 7).max(1)).collect();
        offsets.extend(whole.len().checked_sub(1));
        // A database has bytes that mean nothing: change what it says instead, in each table.
        if index {
            offsets.clear();
            for change in [
                "update records set env = 'production' where idx = 3",
                "delete from terms where idx = 3",
                "update blobs set offset = offset + 1",
                "delete from records where idx = 3",
            ] {
                let database = rusqlite::Connection::open(path).unwrap();
                database.execute(change, []).unwrap();
                drop(database);
                found(root, path, change);
                std::fs::write(path, &whole).unwrap();
            }
        }
        for offset in offsets {
            let mut changed = whole.clone();
            changed[offset] ^= 4;
            std::fs::write(path, &changed).unwrap();
            found(root, path, &format!("bit flipped at byte {offset}"));
        }
        if !whole.is_empty() && !index {
            for length in [0, whole.len() / 2, whole.len() - 1] {
                std::fs::write(path, &whole[..length]).unwrap();
                found(root, path, &format!("truncated to {length} bytes"));
            }
        }
        // A partial tile that a wider one has superseded may go: nothing refers to it any more.
        if !superseded(path) {
            std::fs::remove_file(path).unwrap();
            found(root, path, "deleted");
        }
        let _ = std::fs::remove_file(root.join("index.db-wal"));
        let _ = std::fs::remove_file(root.join("index.db-shm"));
        std::fs::write(path, &whole).unwrap();
    }
    verify(root, &logs, &mut |_| {}).unwrap();
}

fn superseded(path: &Path) -> bool {
    let folder = path.parent().unwrap();
    let width: Option<u32> = path.file_name().unwrap().to_str().unwrap().parse().ok();
    let Some(width) = width.filter(|_| folder.to_str().unwrap().ends_with(".p")) else { return false };
    std::fs::read_dir(folder)
        .unwrap()
        .any(|entry| entry.unwrap().file_name().to_str().unwrap().parse::<u32>().unwrap() > width)
}

fn found(root: &Path, path: &Path, what: &str) {
    let damage = match verify(root, &fixture::logs(), &mut |_| {}) {
        Err(damage) => damage,
        Ok(_) => panic!("{}: {what} was not found", path.display()),
    };
    // The file itself is named, or, where two files disagree and neither can be preferred, its partner or folder.
    let bundle_or_tile = |path: &Path| path.components().any(|part| part.as_os_str() == "tile");
    let partner = bundle_or_tile(path) && bundle_or_tile(&damage.file);
    assert!(
        damage.file == path || path.starts_with(&damage.file) || partner,
        "{}: {what}, but {damage} was named",
        path.display()
    );
}

/// A stop between tiles and checkpoint leaves tiles that no checkpoint vouches for; other leaves take their places.
#[test]
fn what_a_stop_left_unpublished_is_no_damage() {
    let folder = scratch();
    let root = folder.path();
    let write = |count: usize| {
        let store = fixture::open(root).unwrap();
        for number in 0..count {
            store.append(Note::new(format!("note {number}")), Vec::new(), noon()).unwrap();
        }
    };
    write(3);
    for (partial, width) in [("entries/000.p", "20"), ("0/000.p", "20"), ("0/001.p", "1")] {
        let left = root.join("logs/evidence/tile").join(partial);
        std::fs::create_dir_all(&left).unwrap();
        std::fs::write(left.join(width), vec![7; 32 * width.parse::<usize>().unwrap()]).unwrap();
    }
    write(9);
    verify(root, &fixture::logs(), &mut |_| {}).unwrap();
}

/// Whoever only reads does not know whether a checkpoint of such tiles was signed: they are left for the one that writes.
#[test]
fn a_reader_leaves_unpublished_tiles() {
    let (folder, ahead) = (scratch(), scratch());
    let write = |root: &Path, from: usize, to: usize| {
        let store = fixture::open(root).unwrap();
        for number in from..to {
            store.append(Note::new(format!("note {number}")), Vec::new(), noon()).unwrap();
        }
    };
    write(folder.path(), 0, 3);
    write(ahead.path(), 0, 20);
    let tiles = ["entries/000.p/20", "0/000.p/20"].map(|tile| Path::new("logs/evidence/tile").join(tile));
    for tile in &tiles {
        std::fs::copy(ahead.path().join(tile), folder.path().join(tile)).unwrap();
    }
    let verified = verify(folder.path(), &fixture::logs(), &mut |_| {});
    assert!(verified.is_ok(), "{verified:?}");
    assert!(tiles.iter().all(|tile| folder.path().join(tile).exists()));
    // A kill in the middle of writing one leaves a part of it, or nothing in it; a narrower one is published, and whole.
    for tile in &tiles {
        let whole = std::fs::read(folder.path().join(tile)).unwrap();
        for part in [0, 1, whole.len() / 2, whole.len() - 1] {
            std::fs::write(folder.path().join(tile), &whole[..part]).unwrap();
            let verified = verify(folder.path(), &fixture::logs(), &mut |_| {});
            assert!(verified.is_ok(), "{part} bytes of {}: {verified:?}", tile.display());
        }
        let published = folder.path().join(tile).with_file_name("3");
        let good = std::fs::read(&published).unwrap();
        std::fs::write(&published, &good[..good.len() - 1]).unwrap();
        assert!(verify(folder.path(), &fixture::logs(), &mut |_| {}).is_err(), "{}", published.display());
        std::fs::write(&published, good).unwrap();
    }
    write(folder.path(), 3, 4);
    assert!(!tiles.iter().any(|tile| folder.path().join(tile).exists()));
}
