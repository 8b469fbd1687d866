//! Merkle tree hashing and proofs, RFC 6962 section 2.1 with the algorithms of RFC 9162 section 2.1.3.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A node of the tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// From bytes of unchecked length.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// From 64 lower-case hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        linkward_model::Digest::from_hex(linkward_model::Algorithm::Sha256, text)
            .ok()
            .and_then(|digest| Self::from_slice(digest.as_bytes()))
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl serde::Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        Self::from_hex(&text)
            .ok_or_else(|| serde::de::Error::custom("a hash is 64 lower-case hexadecimal digits"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A proof that proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("leaf {index} is beyond the tree of size {size}")]
    Index { index: u64, size: u64 },
    #[error("leaves {start} to {end} are no subtree of a tree of size {size}")]
    Subtree { start: u64, end: u64, size: u64 },
    #[error("tree of size {from} cannot grow into one of size {to}")]
    Shrinks { from: u64, to: u64 },
    #[error("every tree extends the empty one: from size 0 there is nothing to prove")]
    Empty,
    #[error("proof has {found} hashes, expected {expected}")]
    Length { found: usize, expected: usize },
    #[error("proof leads to root {found}, expected {expected}")]
    Root { found: Hash, expected: Hash },
}

/// The root of the tree without leaves: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// Hash of a leaf; the 0x00 prefix keeps a leaf from passing as a node.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    let mut state = Sha256::new_with_prefix([0]);
    state.update(leaf);
    Hash(state.finalize().into())
}

/// Hash of an inner node.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut state = Sha256::new_with_prefix([1]);
    state.update(left.0);
    state.update(right.0);
    Hash(state.finalize().into())
}

/// The root that an inclusion proof leads to, for the leaf hash at `index` of a tree of `size`.
///
/// # Errors
/// The index is beyond the tree, or the proof has the wrong length.
pub fn root_from_inclusion(index: u64, size: u64, leaf: &Hash, proof: &[Hash]) -> Result<Hash, ProofError> {
    if index >= size {
        return Err(ProofError::Index { index, size });
    }
    // `inner` levels sit below the point where the paths to this leaf and to the last one part; above it
    // only left siblings remain, one for each set bit.
    let inner = (u64::BITS - (index ^ (size - 1)).leading_zeros()) as usize;
    let border = index.checked_shr(inner as u32).unwrap_or(0).count_ones() as usize;
    if proof.len() != inner + border {
        return Err(ProofError::Length { found: proof.len(), expected: inner + border });
    }
    let mut hash = *leaf;
    for (level, sibling) in proof.iter().enumerate() {
        let right_child = level >= inner || (index >> level) & 1 == 1;
        hash = if right_child { node_hash(sibling, &hash) } else { node_hash(&hash, sibling) };
    }
    Ok(hash)
}

/// Checks that a leaf hash stands at `index` of the tree of `size` with this root.
///
/// # Errors
/// Any way in which the proof fails.
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    let found = root_from_inclusion(index, size, leaf, proof)?;
    if found == *root { Ok(()) } else { Err(ProofError::Root { found, expected: *root }) }
}

/// Checks that the tree of size `to` extends the tree of size `from` (RFC 9162 section 2.1.4.2), which must not be
/// empty: what is said of the empty tree says nothing of the other.
///
/// # Errors
/// Any way in which the proof fails.
pub fn verify_consistency(
    from: u64,
    to: u64,
    from_root: &Hash,
    to_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if from > to {
        return Err(ProofError::Shrinks { from, to });
    }
    let expect_empty = |found: &Hash, expected: &Hash| {
        if !proof.is_empty() {
            return Err(ProofError::Length { found: proof.len(), expected: 0 });
        }
        if found == expected { Ok(()) } else { Err(ProofError::Root { found: *found, expected: *expected }) }
    };
    if from == 0 {
        expect_empty(from_root, &empty_root())?;
        return if to == 0 { expect_empty(to_root, &empty_root()) } else { Err(ProofError::Empty) };
    }
    if from == to {
        return expect_empty(from_root, to_root);
    }
    // The path starts at the largest complete subtree that ends at `from`; where `from` is a power of two
    // that subtree is the whole old tree and its hash is not repeated in the proof.
    let shift = from.trailing_zeros();
    let start = (from - 1) >> shift;
    let inner = (u64::BITS - ((from - 1) ^ (to - 1)).leading_zeros() - shift) as usize;
    let border = start.checked_shr(inner as u32).unwrap_or(0).count_ones() as usize;
    let seeded = !from.is_power_of_two();
    let expected = inner + border + usize::from(seeded);
    if proof.len() != expected {
        return Err(ProofError::Length { found: proof.len(), expected });
    }
    let (seed, path) = match proof.split_first() {
        Some((first, rest)) if seeded => (*first, rest),
        _ => (*from_root, proof),
    };
    let (mut old, mut new) = (seed, seed);
    for (level, hash) in path.iter().enumerate() {
        if level >= inner || (start >> level) & 1 == 1 {
            old = node_hash(hash, &old);
            new = node_hash(hash, &new);
        } else {
            new = node_hash(&new, hash);
        }
    }
    for (found, expected) in [(old, from_root), (new, to_root)] {
        if found != *expected {
            return Err(ProofError::Root { found, expected: *expected });
        }
    }
    Ok(())
}

/// The right edge of a growing tree: the roots of its complete subtrees, largest first.
///
/// Appending costs amortised constant time; the root costs one hash for each set bit of the size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    pub fn new() -> Self {
        Self::default()
    }

    /// A frontier from stored peaks; `None` unless there is one for each set bit of the size.
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    pub const fn size(&self) -> u64 {
        self.size
    }

    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Adds a leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    pub fn root(&self) -> Hash {
        self.peaks
            .iter()
            .rev()
            .copied()
            .reduce(|right, left| node_hash(&left, &right))
            .unwrap_or_else(empty_root)
    }
}

/// Where proofs get their hashes from: the root of the complete subtree `index` of height `level`
/// (its leaves are `index << level .. (index + 1) << level`).
pub trait Nodes {
    type Error;

    /// # Errors
    /// The hash could not be read.
    fn node(&self, level: u8, index: u64) -> Result<Hash, Self::Error>;
}

/// The root of the leaves `start..end`, where `start` is a multiple of a power of two not below the length.
///
/// # Errors
/// A node could not be read.
pub fn range_root<N: Nodes>(nodes: &N, start: u64, end: u64) -> Result<Hash, N::Error> {
    let mut root = None;
    let mut peaks = Vec::new();
    let mut at = start;
    while at < end {
        let level = (end - at).ilog2() as u8;
        peaks.push(nodes.node(level, at >> level)?);
        at += 1 << level;
    }
    for peak in peaks.iter().rev() {
        root = Some(match root {
            None => *peak,
            Some(right) => node_hash(peak, &right),
        });
    }
    Ok(root.unwrap_or_else(empty_root))
}

/// The inclusion proof of leaf `index` in the tree of `size`; the caller has checked `index < size`.
///
/// # Errors
/// A node could not be read.
pub fn inclusion_proof<N: Nodes>(nodes: &N, index: u64, size: u64) -> Result<Vec<Hash>, N::Error> {
    let mut proof = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let split = start + largest_power_below(end - start);
        if index < split {
            proof.push(range_root(nodes, split, end)?);
            end = split;
        } else {
            proof.push(range_root(nodes, start, split)?);
            start = split;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// The consistency proof from size `from` to size `to`; the caller has checked `from <= to`.
///
/// # Errors
/// A node could not be read.
pub fn consistency_proof<N: Nodes>(nodes: &N, from: u64, to: u64) -> Result<Vec<Hash>, N::Error> {
    let mut proof = Vec::new();
    if from == 0 || from == to {
        return Ok(proof);
    }
    let (mut start, mut end) = (0, to);
    // Descend to the subtree that ends exactly at `from`.
    while end != from {
        let split = start + largest_power_below(end - start);
        if from <= split {
            proof.push(range_root(nodes, split, end)?);
            end = split;
        } else {
            proof.push(range_root(nodes, start, split)?);
            start = split;
        }
    }
    if start != 0 {
        proof.push(range_root(nodes, start, end)?);
    }
    proof.reverse();
    Ok(proof)
}

/// The largest power of two that is less than `n`, for `n` of at least 2.
fn largest_power_below(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}
