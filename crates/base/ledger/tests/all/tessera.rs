//! A small log that another implementation wrote: every size of it, file by file.

use linkward_ledger::Checkpoint;
use linkward_ledger::merkle::{Frontier, leaf_hash};
use linkward_ledger::note::Note;
use linkward_ledger::tile::{Tile, entries_path, tiles_of};

/// Entries of a bundle: each behind its length in two bytes, big endian.
fn entries(mut bundle: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let Some((length, rest)) = bundle.split_at_checked(2) {
        let length = usize::from(u16::from_be_bytes(length.try_into().unwrap()));
        let (entry, rest) = rest.split_at(length);
        found.push(entry.to_vec());
        bundle = rest;
    }
    found
}

#[test]
fn every_file_is_where_and_what_we_would_write() {
    let Some(vectors) = linkward_testkit::vectors() else {
        return linkward_testkit::skipped("LINKWARD_VECTORS is not set");
    };
    let log = vectors.join("tlog-tiles/tessera");
    for size in 0..=15u16 {
        let note = std::fs::read(log.join(format!("checkpoint.{size}"))).unwrap();
        let note = Note::parse(&note).unwrap();
        let checkpoint = Checkpoint::parse(note.text()).unwrap();
        assert_eq!(
            (checkpoint.origin.as_str(), checkpoint.size),
            ("example.com/log/testdata", u64::from(size))
        );
        let mut frontier = Frontier::new();
        if size > 0 {
            let bundle = std::fs::read(log.join(entries_path(0, size))).unwrap();
            let hashes: Vec<_> = entries(&bundle).iter().map(|entry| leaf_hash(entry)).collect();
            assert_eq!(hashes.len(), usize::from(size));
            hashes.iter().for_each(|hash| frontier.push(*hash));
            let tiles: Vec<Tile> = tiles_of(size.into()).collect();
            let [tile] = tiles.as_slice() else { panic!("{tiles:?}") };
            let stored = std::fs::read(log.join(tile.path())).unwrap();
            assert_eq!(stored, hashes.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>());
        }
        assert_eq!(frontier.root(), checkpoint.root, "size {size}");
    }
}
