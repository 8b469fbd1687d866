//! transparency-dev/merkle: proofs of inclusion and consistency, of trees and subtrees, most wrong in one way.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_ledger::merkle::{Hash, leaf_hash, verify_consistency, verify_inclusion};
use linkward_ledger::subtree::{Subtree, verify_subtree_consistency, verify_subtree_inclusion};
use serde_json::Value;

fn hash(value: &Value) -> Option<Hash> {
    Hash::from_slice(&STANDARD.decode(value.as_str()?).ok()?)
}

/// Some cases spell a root as a few words that only need to be equal: their hash stands for them.
fn root(value: &Value) -> Option<Hash> {
    let bytes = STANDARD.decode(value.as_str()?).ok()?;
    Some(Hash::from_slice(&bytes).unwrap_or_else(|| leaf_hash(&bytes)))
}

fn hashes(value: &Value) -> Option<Vec<Hash>> {
    value.as_array().map_or(Some(Vec::new()), |list| list.iter().map(hash).collect())
}

/// Whether the proof of a case holds; a hash of another length is none.
fn holds(kind: &str, case: &Value) -> bool {
    let number = |name: &str| case[name].as_u64();
    let holds = || {
        let proof = hashes(&case["proof"])?;
        Some(match kind {
            "inclusion" => {
                let (index, size) = (number("leafIdx")?, number("treeSize")?);
                verify_inclusion(index, size, &hash(&case["leafHash"])?, &proof, &root(&case["root"])?)
            }
            "subtreeinclusion" => {
                let subtree = Subtree { start: number("start")?, end: number("end")? };
                let leaf = hash(&case["leafHash"])?;
                verify_subtree_inclusion(number("leafIdx")?, subtree, &leaf, &proof, &root(&case["root"])?)
            }
            "subtreeconsistency" => {
                let subtree = Subtree { start: number("start")?, end: number("end")? };
                let (ours, tree) = (root(&case["root1"])?, root(&case["root2"])?);
                verify_subtree_consistency(subtree, number("size")?, &ours, &tree, &proof)
            }
            _ => {
                let (from, to) = (number("size1")?, number("size2")?);
                verify_consistency(from, to, &root(&case["root1"])?, &root(&case["root2"])?, &proof)
            }
        })
    };
    holds().is_some_and(|result| result.is_ok())
}

fn walk(folder: &Path, kind: &str, count: &mut [u32; 2], wrong: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, kind, count, wrong);
            continue;
        }
        let case: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let expected = !case["wantErr"].as_bool().unwrap();
        count[usize::from(expected)] += 1;
        if holds(kind, &case) != expected {
            wrong.push(format!("{} ({})", path.display(), case["desc"]));
        }
    }
}

#[test]
fn every_published_proof() {
    let Some(vectors) = linkward_testkit::vectors() else {
        return linkward_testkit::skipped("LINKWARD_VECTORS is not set");
    };
    let mut cases = 0;
    for kind in ["inclusion", "consistency", "subtreeinclusion", "subtreeconsistency"] {
        let (mut count, mut wrong) = ([0; 2], Vec::new());
        walk(&vectors.join("merkle").join(kind), kind, &mut count, &mut wrong);
        assert!(wrong.is_empty(), "{wrong:#?}");
        // Both kinds of case are there: a verifier that says the same to all would fail.
        assert!(count[0] > 80 && count[1] > 5, "{kind}: {count:?}");
        cases += count[0] + count[1];
    }
    assert_eq!(cases, 518, "cases that were not run");
}
