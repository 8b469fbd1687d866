use std::path::Path;

use super::*;
use crate::{Inventory, installed};

/// A header of these tags: texts, numbers, lists of texts.
fn header(tags: &[(u32, &[&str])], numbers: &[(u32, &[u32])]) -> Vec<u8> {
    let (mut index, mut values) = (Vec::new(), Vec::new());
    for (tag, words) in numbers {
        for word in [*tag, 4, values.len() as u32, words.len() as u32] {
            index.extend(word.to_be_bytes());
        }
        words.iter().for_each(|word| values.extend(word.to_be_bytes()));
    }
    for (tag, texts) in tags {
        let list = matches!(tag, 1117 | 1118);
        for word in [*tag, if list { 8 } else { 6 }, values.len() as u32, texts.len() as u32] {
            index.extend(word.to_be_bytes());
        }
        for text in *texts {
            values.extend(text.as_bytes());
            values.push(0);
        }
    }
    let counts = [(tags.len() + numbers.len()) as u32, values.len() as u32];
    let mut out: Vec<u8> = counts.iter().flat_map(|count| count.to_be_bytes()).collect();
    out.extend(index);
    out.extend(values);
    out
}

fn packages() -> Vec<Vec<u8>> {
    let text =
        |name: &'static str, version: &'static str, source: &'static str| -> Vec<(u32, Vec<&'static str>)> {
            vec![
                (1000, vec![name]),
                (1001, vec![version]),
                (1002, vec!["1.el9"]),
                (1022, vec!["x86_64"]),
                (1044, vec![source]),
                (1118, vec!["/usr/bin/"]),
                (1117, vec![name]),
            ]
        };
    let make = |tags: Vec<(u32, Vec<&str>)>, epoch: u32| {
        let tags: Vec<(u32, &[&str])> = tags.iter().map(|(tag, texts)| (*tag, texts.as_slice())).collect();
        header(&tags, &[(1003, &[epoch]), (1116, &[0])])
    };
    vec![
        make(text("bash", "5.1.8", "bash-5.1.8-1.el9.src.rpm"), 0),
        make(text("openssl-libs", "3.0.7", "openssl-3.0.7-1.el9.src.rpm"), 1),
        make(text("gpg-pubkey", "abc", ""), 0),
    ]
}

const EXPECTED: [&str; 2] = [
    "pkg:rpm/rocky/bash@5.1.8-1.el9?arch=x86_64&distro=rocky-9.3",
    "pkg:rpm/rocky/openssl-libs@3.0.7-1.el9?arch=x86_64&distro=rocky-9.3&epoch=1&upstream=openssl",
];

fn of(path: &str, bytes: Vec<u8>) -> Inventory {
    let release = b"ID=\"rocky\"\nVERSION_ID=\"9.3\"\n".to_vec();
    installed("root", &[(path.to_owned(), bytes), ("etc/os-release".to_owned(), release)])
}

fn ids(found: &Inventory) -> Vec<&str> {
    found.sbom.components.iter().map(|component| component.id.as_str()).collect()
}

fn ndb() -> Vec<u8> {
    let mut out = b"RpmP".to_vec();
    for word in [0u32, 7, 1, 0, 0, 0, 0] {
        out.extend(word.to_le_bytes());
    }
    let mut blobs = Vec::new();
    let mut slots = Vec::new();
    for (index, header) in packages().iter().enumerate() {
        slots.extend(b"Slot");
        for word in [index as u32 + 1, ((PAGE + blobs.len()) / 16) as u32, 1] {
            slots.extend(word.to_le_bytes());
        }
        blobs.extend(b"BlbS");
        for word in [index as u32 + 1, 0, header.len() as u32] {
            blobs.extend(word.to_le_bytes());
        }
        blobs.extend(header);
        blobs.resize(blobs.len().next_multiple_of(16), 0);
    }
    out.extend(slots);
    while out.len() < PAGE {
        out.extend(b"Slot");
        out.extend([0; 12]);
    }
    out.extend(blobs);
    out
}

const PAGE: usize = 4096;

/// One page of entries: the counter, a header beside its key, and one on two pages of its own.
fn bdb(big: bool) -> Vec<u8> {
    const SIZE: usize = 512;
    let word = |value: u32| if big { value.to_be_bytes() } else { value.to_le_bytes() };
    let half = |value: usize| if big { (value as u16).to_be_bytes() } else { (value as u16).to_le_bytes() };
    let mut meta = vec![0; SIZE];
    meta[12..16].copy_from_slice(&word(0x61561));
    meta[20..24].copy_from_slice(&word(SIZE as u32));
    meta[25] = 8;
    meta[32..36].copy_from_slice(&word(3));
    let page = |kind: u8, next: u32, count: usize, used: usize| {
        let mut page = vec![0; SIZE];
        page[16..20].copy_from_slice(&word(next));
        page[20..22].copy_from_slice(&half(count));
        page[22..24].copy_from_slice(&half(used));
        page[25] = kind;
        page
    };
    let all = packages();
    let apart = [&[3, 0, 0, 0][..], &word(2), &word(all[1].len() as u32)].concat();
    let entries = [
        vec![1, 0, 0, 0, 0],
        vec![1, 9, 0, 0, 0],
        vec![1, 1, 0, 0, 0],
        [&[1][..], &all[0]].concat(),
        vec![1, 2, 0, 0, 0],
        apart,
    ];
    let mut hash = page(13, 0, entries.len(), 0);
    let mut end = SIZE;
    for (index, entry) in entries.iter().enumerate() {
        end -= entry.len();
        hash[end..end + entry.len()].copy_from_slice(entry);
        hash[26 + 2 * index..28 + 2 * index].copy_from_slice(&half(end));
    }
    let (first, second) = all[1].split_at(100);
    let mut chain = page(7, 3, 1, first.len());
    chain[26..26 + first.len()].copy_from_slice(first);
    let mut last = page(7, 0, 1, second.len());
    last[26..26 + second.len()].copy_from_slice(second);
    [meta, hash, chain, last].concat()
}

fn sqlite() -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/rpm/rpmdb.sqlite")).unwrap()
}

#[test]
fn each_database_says_the_same() {
    for (path, bytes) in [
        ("usr/lib/sysimage/rpm/Packages.db", ndb()),
        ("var/lib/rpm/Packages", bdb(false)),
        ("var/lib/rpm/Packages", bdb(true)),
    ] {
        let found = of(path, bytes);
        assert!(found.faults.is_empty(), "{path}: {:?}", found.faults);
        assert_eq!(ids(&found), EXPECTED, "{path}");
    }
}

/// Written by SQLite itself: 400 packages, some on pages of their own, below two levels of pages.
#[test]
fn a_database_of_sqlite_is_read_through_its_tree() {
    let found = of("var/lib/rpm/rpmdb.sqlite", sqlite());
    assert!(found.faults.is_empty(), "{:?}", found.faults);
    assert_eq!(ids(&found).len(), 400);
    assert_eq!(ids(&found)[7], "pkg:rpm/rocky/package-007@1.0.7-1.el9?arch=x86_64&distro=rocky-9.3");
    let journal = of("var/lib/rpm/rpmdb.sqlite-wal", b"x".to_vec());
    assert_eq!(journal.hidden.len(), 1);
}

#[test]
fn damage_is_a_fault_with_a_place() {
    for (path, whole) in
        [("rpm/Packages.db", ndb()), ("rpm/Packages", bdb(false)), ("rpm/rpmdb.sqlite", sqlite())]
    {
        for cut in [0, 10, 30, whole.len() / 2, whole.len() - 300] {
            let found = of(path, whole[..cut].to_vec());
            assert_eq!(found.faults.len(), 1, "{path} {cut}");
            assert_eq!(found.faults[0].code, Code::PackagesMalformed, "{path} {cut}");
        }
    }
    // A page that leads to itself.
    let mut circle = bdb(false);
    circle[2 * 512 + 16] = 2;
    assert_eq!(of("rpm/Packages", circle).faults.len(), 1);
}

proptest::proptest! {
    #[test]
    fn damaged_databases_never_panic(at in 0usize..6000, byte in proptest::prelude::any::<u8>(), which in 0usize..3) {
        let read = [ndb::headers, bdb::headers, sqlite::headers][which];
        let mut bytes = match which { 0 => ndb(), 1 => bdb(false), _ => sqlite() };
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        let _ = read(&bytes).and_then(lock);
    }
}
