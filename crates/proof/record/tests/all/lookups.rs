//! Look-ups that prove themselves: every page is complete, and nothing can be taken out of it unnoticed.

use std::path::Path;

use linkward_ledger::key::NoteKey;
use linkward_ledger::lookup::{Answer, Complete, LookupError};
use linkward_ledger::{LogName, Term, TermKind};
use linkward_record::{Filter, LookupFailure, Store, fixture};
use linkward_testkit::{noon, scratch};

use crate::record::Note;

fn keys() -> Vec<NoteKey> {
    fixture::logs().iter().map(|log| log.key.parse().unwrap()).collect()
}

/// An entry says what it is found by.
fn terms_of(leaf: &[u8]) -> Option<Vec<Term>> {
    let text = std::str::from_utf8(leaf).ok()?;
    Some(vec![Term::new(TermKind::Identity, text.split_once(' ')?.0)])
}

fn named(name: &str) -> Term {
    Term::new(TermKind::Name, name)
}

fn fill(store: &Store, from: u64, until: u64) {
    let notes = (from..until).map(|number| (Note::new(format!("name {}", number % 7)), Vec::new()));
    store.append_many(notes.collect(), noon()).unwrap();
}

fn verified(answer: &Answer) -> Result<Complete, LookupError> {
    // What is handed over is text.
    let text = serde_json::to_string(answer).unwrap();
    serde_json::from_str::<Answer>(&text).unwrap().verify(&keys(), &terms_of)
}

fn lookup(store: &Store, term: Term, before: Option<u64>, limit: usize) -> Answer {
    store.lookup(LogName::Evidence, term, before, limit, &terms_of).unwrap()
}

/// All pages of a term, each verified; the pages must join.
fn all(store: &Store, term: &Term, limit: usize) -> Vec<u64> {
    let (mut found, mut before) = (Vec::new(), None);
    loop {
        let answer = lookup(store, term.clone(), before, limit);
        let page = verified(&answer).unwrap();
        assert!(page.indexes.len() <= limit);
        assert_eq!(page.until, before.unwrap_or(page.checkpoint.size()));
        found.extend(&page.indexes);
        if page.is_last() {
            return found;
        }
        before = Some(page.from);
    }
}

/// What is there, as the index of rows says, which nobody needs to trust.
fn naive(store: &Store, term: &Term) -> Vec<u64> {
    let filter = Filter { term: Some(term.clone()), limit: 10_000, ..Filter::default() };
    store.rows(&filter).unwrap().iter().map(|row| row.index).collect()
}

#[test]
fn every_page_is_complete_at_every_size() {
    let folder = scratch();
    let store = fixture::open(folder.path()).unwrap();
    let mut size = 0;
    // With nothing indexed, at the borders of runs, and with an unindexed rest.
    for step in [0, 5, 58, 2, 64, 127, 300, 1, 700] {
        fill(&store, size, size + step);
        size += step;
        for commit in [false, true] {
            if commit {
                store.commit_lookups(&terms_of, noon()).unwrap();
            }
            for term in [named("name 3"), named("nobody"), named("")] {
                assert_eq!(all(&store, &term, 100), naive(&store, &term), "{term:?} at {size}");
            }
        }
    }
    assert_eq!(all(&store, &named("name 0"), 1), naive(&store, &named("name 0")), "one a page");
    assert_eq!(store.commit_lookups(&terms_of, noon()).unwrap(), None, "nothing new is nothing to commit to");
    let before = all(&store, &named("name 5"), 100);
    drop(store);
    let verified = linkward_record::verify_with(folder.path(), &fixture::logs(), &terms_of, &mut |_| {});
    verified.unwrap();
    // The index can be lost: it is made again from the leaves, and must be the one that was committed.
    std::fs::remove_dir_all(folder.path().join("lookup")).unwrap();
    std::fs::remove_file(folder.path().join("index.db")).unwrap();
    let store = fixture::open(folder.path()).unwrap();
    assert_eq!(all(&store, &named("name 5"), 100), before);
}

#[test]
fn entries_of_the_signing_log_are_looked_up_too() {
    let folder = scratch();
    let store = fixture::open(folder.path()).unwrap();
    let entries = (0..700u32).map(|number| format!("signer-{} {number}", number % 9).into_bytes());
    store.append_entries(LogName::Signing, entries.collect()).unwrap();
    let term = Term::new(TermKind::Identity, "signer-4");
    let ask = || store.lookup(LogName::Signing, term.clone(), None, 100, &terms_of).unwrap();
    let whole = verified(&ask()).unwrap();
    assert_eq!(whole.indexes.len(), 78);
    store.commit_lookups(&terms_of, noon()).unwrap();
    let answer = ask();
    assert!(
        answer.tail.as_ref().is_some_and(|tail| tail.leaves.len() == 700 % 64),
        "little is left to deliver"
    );
    assert_eq!(verified(&answer).unwrap().indexes, whole.indexes);
    assert!(matches!(
        store.lookup(LogName::Certificates, term, None, 100, &terms_of),
        Err(LookupFailure::Log(_))
    ));
}

/// Whatever is taken out, added or changed is noticed.
#[test]
fn a_page_from_which_anything_is_missing_is_refused() {
    let folder = scratch();
    let store = fixture::open(folder.path()).unwrap();
    fill(&store, 0, 500);
    store.commit_lookups(&terms_of, noon()).unwrap();
    fill(&store, 500, 530);
    let answer = lookup(&store, named("name 3"), None, 100);
    assert_eq!(verified(&answer).unwrap().indexes.len(), 76);
    let refused = |what: &str, change: &dyn Fn(&mut Answer)| {
        let mut changed = answer.clone();
        change(&mut changed);
        assert_ne!(changed, answer, "{what} changed nothing");
        let result = verified(&changed);
        assert!(result.is_err(), "{what}: {result:?}");
    };
    for piece in 0..answer.pieces.len() {
        for row in 0..answer.pieces[piece].rows.len() {
            let index = answer.pieces[piece].rows[row].index;
            let forget = move |changed: &mut Answer| changed.entries.retain(|entry| entry.index != index);
            refused("a row deleted", &|changed| {
                changed.pieces[piece].rows.remove(row);
            });
            refused("a row deleted, its entry too", &|changed| {
                changed.pieces[piece].rows.remove(row);
                forget(changed);
            });
            refused("a row changed", &|changed| changed.pieces[piece].rows[row].index ^= 1);
        }
        for hash in 0..answer.pieces[piece].hashes.len() {
            refused("a hash changed", &|changed| changed.pieces[piece].hashes[hash].0[7] ^= 1);
            refused("a hash deleted", &|changed| {
                changed.pieces[piece].hashes.remove(hash);
            });
        }
        refused("a piece deleted", &|changed| drop(changed.pieces.remove(piece)));
        refused("a piece shifted", &|changed| changed.pieces[piece].start += 1);
    }
    for entry in 0..answer.entries.len() {
        refused("an entry deleted", &|changed| drop(changed.entries.remove(entry)));
        refused("an entry of another leaf", &|changed| changed.entries[entry].leaf.push(' '));
    }
    let leaves = answer.tail.as_ref().unwrap().leaves.len();
    for leaf in 0..leaves {
        refused("a leaf of the tail deleted", &|changed| {
            changed.tail.as_mut().unwrap().leaves.remove(leaf);
        });
        refused("a body of the tail withheld", &|changed| {
            changed.tail.as_mut().unwrap().leaves[leaf].body = None;
        });
        refused("a body of the tail swapped", &|changed| {
            changed.tail.as_mut().unwrap().leaves[leaf].body = Some("{}".to_owned());
        });
    }
    refused("no tail", &|changed| changed.tail = None);
    refused("no commitment", &|changed| changed.commitment = None);
    refused("a commitment to fewer runs", &|changed| {
        let commitment = changed.commitment.as_mut().unwrap();
        commitment.body = commitment.body.replacen("\"until\":", "\"until\":1", 1);
    });
    refused("a commitment that is another record", &|changed| {
        let entry = changed.entries[3].clone();
        let commitment = changed.commitment.as_mut().unwrap();
        (commitment.index, commitment.leaf, commitment.hashes) = (entry.index, entry.leaf, entry.hashes);
    });
    refused("another term", &|changed| changed.term = named("name 4"));
    refused("less is looked at than is claimed", &|changed| changed.before = Some(520));
    refused("another version", &|changed| changed.version.push('2'));
    refused("another log's key", &|changed| {
        changed.checkpoint = changed.checkpoint.replacen("0000", "1111", 1)
    });
    let page = lookup(&store, named("name 3"), None, 10);
    assert!(!verified(&page).unwrap().is_last());
    let mut whole = page;
    whole.from = 0;
    assert!(verified(&whole).is_err(), "a page that stops early cannot pass for the last one");
}

#[test]
fn an_index_that_lost_a_row_answers_nothing() {
    let folder = scratch();
    let store = fixture::open(folder.path()).unwrap();
    fill(&store, 0, 300);
    let record = store.commit_lookups(&terms_of, noon()).unwrap().unwrap();
    let term = named("name 3");
    let sound = lookup(&store, term.clone(), None, 100);
    drop(store);
    // A row of the first run becomes one of somebody else; the file keeps its length and order.
    let lookups = folder.path().join("lookup/evidence");
    let largest = std::fs::read_dir(&lookups).unwrap().map(|entry| entry.unwrap().path());
    let path = largest.max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let wanted = linkward_ledger::lookup::key(&term);
    let at = bytes.chunks(40).position(|row| row.get(..32) == Some(&wanted.0[..])).unwrap() * 40;
    bytes[at + 31] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let store = fixture::open(folder.path()).unwrap();
    let result = store.lookup(LogName::Evidence, term.clone(), None, 100, &terms_of);
    assert!(
        matches!(result, Err(LookupFailure::Differs { record: found, .. }) if found == record),
        "{result:?}"
    );
    assert!(verified(&sound).is_ok(), "what was answered before still holds");
    drop(store);
    // Without the file it is made again.
    std::fs::remove_file(&path).unwrap();
    let store = fixture::open(folder.path()).unwrap();
    assert_eq!(lookup(&store, term, None, 100).entries, sound.entries);
}

#[test]
fn a_commitment_to_another_index_is_found() {
    let folder = scratch();
    let store = fixture::open(folder.path()).unwrap();
    let entries = (0..64u32).map(|number| format!("signer {number}").into_bytes()).collect();
    store.append_entries(LogName::Signing, entries).unwrap();
    // A home that leaves its signers out of the index, and commits to that.
    store.commit_lookups(&|_| Some(Vec::new()), noon()).unwrap();
    drop(store);
    let verify = |root: &Path| linkward_record::verify_with(root, &fixture::logs(), &terms_of, &mut |_| {});
    let damage = verify(folder.path()).unwrap_err();
    assert!(damage.what.contains("another look-up index"), "{damage}");
}
