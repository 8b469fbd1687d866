//! Proofs about a subtree: the leaves `start..end` as a tree of their own, as a witness signs them (C2SP
//! tlog-cosignature, with the definition and the algorithms of draft-ietf-plants-merkle-tree-certs, section 4).

use crate::merkle::{Hash, ProofError, empty_root, node_hash, verify_inclusion};

/// The leaves `start..end` of a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subtree {
    pub start: u64,
    pub end: u64,
}

impl Subtree {
    /// Only a range that starts at a multiple of the next power of two of its length is a subtree: any other one cuts
    /// through nodes of the tree.
    fn check(self, size: u64) -> Result<u64, ProofError> {
        let Self { start, end } = self;
        let wrong = ProofError::Subtree { start, end, size };
        let length = end.checked_sub(start).filter(|length| *length > 0 && end <= size);
        let length = length.ok_or_else(|| wrong.clone())?;
        let aligned = length.checked_next_power_of_two().is_some_and(|width| start.is_multiple_of(width));
        if aligned { Ok(length) } else { Err(wrong) }
    }
}

/// Checks that a leaf hash stands at `index` of the whole tree, within the subtree with this root.
///
/// # Errors
/// Any way in which the proof fails.
pub fn verify_subtree_inclusion(
    index: u64,
    subtree: Subtree,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    let length = subtree.check(subtree.end)?;
    let inside = index.checked_sub(subtree.start).ok_or(ProofError::Index { index, size: subtree.end })?;
    verify_inclusion(inside, length, leaf, proof, root)
}

/// The subtree without leaves is part of every tree, and says nothing of it.
fn empty(ours: &Hash, proof: &[Hash]) -> Result<(), ProofError> {
    if !proof.is_empty() {
        return Err(ProofError::Length { found: proof.len(), expected: 0 });
    }
    let expected = empty_root();
    if *ours == expected { Ok(()) } else { Err(ProofError::Root { found: *ours, expected }) }
}

/// Checks that the subtree with root `ours` is part of the tree of `size` with root `tree`.
///
/// # Errors
/// Any way in which the proof fails.
pub fn verify_subtree_consistency(
    subtree: Subtree,
    size: u64,
    ours: &Hash,
    tree: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if subtree.start == subtree.end && subtree.end <= size {
        return empty(ours, proof);
    }
    subtree.check(size)?;
    let (mut first, mut last, mut end) = (subtree.start, subtree.end - 1, size - 1);
    let mut climb = |first: &mut u64, last: &mut u64| {
        (*first, *last, end) = (*first >> 1, *last >> 1, end >> 1);
        end
    };
    let mut top = size - 1;
    let whole = last == top;
    while first != last && (whole || last & 1 == 1) {
        top = climb(&mut first, &mut last);
    }
    let short = |expected| ProofError::Length { found: proof.len(), expected };
    let (seed, path) = if first == last {
        (*ours, proof)
    } else {
        proof.split_first().map(|(seed, path)| (*seed, path)).ok_or_else(|| short(1))?
    };
    let (mut old, mut new) = (seed, seed);
    for (used, hash) in path.iter().enumerate() {
        if top == 0 {
            return Err(short(proof.len() - path.len() + used));
        }
        if last & 1 == 1 || last == top {
            if first < last {
                old = node_hash(hash, &old);
            }
            new = node_hash(hash, &new);
            while last & 1 == 0 && last > 0 {
                climb(&mut first, &mut last);
            }
        } else {
            new = node_hash(&new, hash);
        }
        top = climb(&mut first, &mut last);
    }
    if top != 0 {
        return Err(short(proof.len() + 1));
    }
    for (found, expected) in [(old, ours), (new, tree)] {
        if found != *expected {
            return Err(ProofError::Root { found, expected: *expected });
        }
    }
    Ok(())
}
