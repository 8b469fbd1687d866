//! Small trees, all of them: roots as RFC 9162 defines them, every proof, and every proof with something wrong.

use std::convert::Infallible;

use linkward_ledger::merkle::{
    Frontier, Hash, Nodes, ProofError, consistency_proof, empty_root, inclusion_proof, leaf_hash, node_hash,
    verify_consistency, verify_inclusion,
};

/// Section 2.1.1, word by word.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            node_hash(&root(&leaves[..split]), &root(&leaves[split..]))
        }
    }
}

struct Leaves(Vec<Hash>);

impl Nodes for Leaves {
    type Error = Infallible;

    fn node(&self, level: u8, index: u64) -> Result<Hash, Infallible> {
        let start = usize::try_from(index << level).unwrap();
        Ok(root(&self.0[start..start + (1 << level)]))
    }
}

const SIZE: u64 = 36;

fn leaves() -> Leaves {
    Leaves((0..SIZE).map(|index| leaf_hash(&index.to_be_bytes())).collect())
}

fn prefix(leaves: &Leaves, size: u64) -> Hash {
    root(&leaves.0[..usize::try_from(size).unwrap()])
}

/// A proof with one thing wrong: a bit, a hash too few, a hash too many.
fn spoilt(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut found = vec![[proof, &[empty_root()]].concat()];
    for place in 0..proof.len() {
        let mut flipped = proof.to_vec();
        flipped[place].0[place % 32] ^= 1;
        let mut shorter = proof.to_vec();
        shorter.remove(place);
        found.extend([flipped, shorter]);
    }
    found
}

#[test]
fn the_right_edge_gives_the_root() {
    let leaves = leaves();
    let mut frontier = Frontier::new();
    for size in 0..=SIZE {
        assert_eq!(frontier.root(), prefix(&leaves, size), "size {size}");
        let stored = Frontier::from_peaks(size, frontier.peaks().to_vec()).unwrap();
        assert_eq!(stored, frontier);
        if let Some(leaf) = leaves.0.get(usize::try_from(size).unwrap()) {
            frontier.push(*leaf);
        }
    }
}

#[test]
fn inclusion_of_every_leaf_in_every_tree() {
    let leaves = leaves();
    for size in 1..=SIZE {
        let root = prefix(&leaves, size);
        for index in 0..size {
            let proof = inclusion_proof(&leaves, index, size).unwrap();
            let leaf = leaves.0[usize::try_from(index).unwrap()];
            verify_inclusion(index, size, &leaf, &proof, &root).unwrap();
            for other in (0..=size).filter(|other| *other != index) {
                assert!(verify_inclusion(other, size, &leaf, &proof, &root).is_err());
            }
            for proof in spoilt(&proof) {
                assert!(verify_inclusion(index, size, &leaf, &proof, &root).is_err());
            }
            assert!(verify_inclusion(index, size, &root, &proof, &leaf).is_err() || size == 1);
        }
    }
}

#[test]
fn consistency_of_every_pair_of_trees() {
    let leaves = leaves();
    for to in 0..=SIZE {
        let new = prefix(&leaves, to);
        for from in 0..=to {
            let old = prefix(&leaves, from);
            let proof = consistency_proof(&leaves, from, to).unwrap();
            let result = verify_consistency(from, to, &old, &new, &proof);
            if from == 0 && to > 0 {
                assert_eq!(result, Err(ProofError::Empty));
                continue;
            }
            result.unwrap();
            for proof in spoilt(&proof) {
                assert!(verify_consistency(from, to, &old, &new, &proof).is_err(), "{from} to {to}");
            }
            let mut forked = old;
            forked.0[0] ^= 1;
            assert!(verify_consistency(from, to, &forked, &new, &proof).is_err(), "{from} to {to}");
            assert!(from == to || verify_consistency(to, from, &new, &old, &proof).is_err());
        }
    }
}
