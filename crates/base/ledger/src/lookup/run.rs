//! A run: every row of the leaves `from..until`, sorted, under one Merkle root. A contiguous piece of it shows what is
//! there, and by its neighbours what is not.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::Term;
use crate::merkle::{Hash, Nodes, leaf_hash, node_hash, range_root};

/// What a term is looked up by: SHA-256 of its kind and value. The index holds no names.
pub fn key(term: &Term) -> Hash {
    let mut state = Sha256::new_with_prefix("linkward.lookup/v1\n");
    state.update(term.kind.as_str());
    state.update("\n");
    state.update(&term.value);
    Hash(state.finalize().into())
}

/// One row: the leaf of this index has this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub key: Hash,
    pub index: u64,
}

impl Row {
    /// Bytes of a row: the key, the index in big-endian order. Rows sort as their bytes do.
    pub const SIZE: usize = 40;

    pub fn encode(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let (key, index) = bytes.split_at_mut(32);
        key.copy_from_slice(&self.key.0);
        index.copy_from_slice(&self.index.to_be_bytes());
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (key, index) = bytes.split_at_checked(32)?;
        Some(Self { key: Hash::from_slice(key)?, index: u64::from_be_bytes(index.try_into().ok()?) })
    }

    pub fn hash(&self) -> Hash {
        leaf_hash(&self.encode())
    }
}

/// What is committed of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    pub from: u64,
    pub until: u64,
    pub rows: u64,
    pub root: Hash,
}

/// A contiguous piece of a run, and the hashes that lead from it to the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// Which of the run's rows is the first.
    pub start: u64,
    pub rows: Vec<Row>,
    pub hashes: Vec<Hash>,
}

impl Serialize for Row {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.key, self.index).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (key, index) = Deserialize::deserialize(deserializer)?;
        Ok(Self { key, index })
    }
}

impl Piece {
    /// The hashes for the rows `start..start + rows.len()` of a run; none of its rows where it has none.
    ///
    /// # Errors
    /// A node could not be read.
    pub fn prove<N: Nodes>(nodes: &N, of: u64, start: u64, rows: Vec<Row>) -> Result<Self, N::Error> {
        let mut hashes = Vec::new();
        let end = start.saturating_add(rows.len() as u64);
        if of > 0 {
            collect(nodes, (0, of), (start, end), &mut hashes)?;
        }
        Ok(Self { start, rows, hashes })
    }

    /// The root that the piece leads to in a run of `of` rows; `None` where it has the wrong shape.
    pub fn root(&self, of: u64) -> Option<Hash> {
        let end = self.start.checked_add(self.rows.len() as u64).filter(|end| *end <= of)?;
        if of == 0 {
            return self.hashes.is_empty().then(crate::merkle::empty_root);
        }
        if self.rows.is_empty() {
            return None;
        }
        let mut hashes = self.hashes.iter();
        let root = lead((0, of), (self.start, end), &self.rows, &mut hashes)?;
        hashes.next().is_none().then_some(root)
    }
}

fn split(start: u64, end: u64) -> u64 {
    start + (1 << (end - start - 1).ilog2())
}

fn collect<N: Nodes>(
    nodes: &N,
    (start, end): (u64, u64),
    piece: (u64, u64),
    hashes: &mut Vec<Hash>,
) -> Result<(), N::Error> {
    if end <= piece.0 || start >= piece.1 {
        hashes.push(range_root(nodes, start, end)?);
    } else if end - start > 1 {
        let middle = split(start, end);
        collect(nodes, (start, middle), piece, hashes)?;
        collect(nodes, (middle, end), piece, hashes)?;
    }
    Ok(())
}

/// At most 64 deep: each step halves the range.
fn lead(
    (start, end): (u64, u64),
    piece: (u64, u64),
    rows: &[Row],
    hashes: &mut std::slice::Iter<'_, Hash>,
) -> Option<Hash> {
    if end <= piece.0 || start >= piece.1 {
        return hashes.next().copied();
    }
    if end - start == 1 {
        return rows.get(usize::try_from(start - piece.0).ok()?).map(Row::hash);
    }
    let middle = split(start, end);
    let left = lead((start, middle), piece, rows, hashes)?;
    let right = lead((middle, end), piece, rows, hashes)?;
    Some(node_hash(&left, &right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle::Frontier;
    use std::convert::Infallible;

    struct Vector(Vec<Hash>);

    impl Nodes for Vector {
        type Error = Infallible;

        fn node(&self, level: u8, index: u64) -> Result<Hash, Infallible> {
            Ok(crate::tile::subtree(&self.0, level, index as usize).unwrap())
        }
    }

    #[test]
    fn every_piece_of_every_run_leads_to_its_root() {
        let rows: Vec<Row> =
            (0..40u64).map(|index| Row { key: Hash([index as u8 / 3; 32]), index }).collect();
        for of in 0..rows.len() {
            let hashes: Vec<Hash> = rows[..of].iter().map(Row::hash).collect();
            let mut tree = Frontier::new();
            hashes.iter().for_each(|hash| tree.push(*hash));
            let nodes = Vector(hashes);
            for start in 0..=of {
                for end in start..=of {
                    let Ok(piece) = Piece::prove(&nodes, of as u64, start as u64, rows[start..end].to_vec());
                    let root = piece.root(of as u64);
                    // A piece without rows of a run that has some shows nothing.
                    assert_eq!(root == Some(tree.root()), end > start || of == 0, "{start}..{end} of {of}");
                    let longer =
                        Piece { hashes: [piece.hashes.clone(), vec![tree.root()]].concat(), ..piece };
                    assert_eq!(longer.root(of as u64), None);
                }
            }
        }
        let far = Piece { start: u64::MAX, rows: rows[..2].to_vec(), hashes: Vec::new() };
        assert_eq!(far.root(u64::MAX), None);
        assert!(rows.iter().all(|row| Row::decode(&row.encode()) == Some(*row)));
    }
}
