//! A log as somebody who follows it remembers it: the right edge of its tree, a few hundred bytes.
//!
//! From the edge and the entries since then the next root can be computed, so that the log needs no trust and gives no
//! proofs: a checkpoint with another root is a fork.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::VerifiedCheckpoint;
use crate::merkle::{Frontier, Hash, ProofError, leaf_hash};

const HEADER: &str = "linkward.followed/v1";

/// What is remembered of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    origin: String,
    edge: Frontier,
}

impl Followed {
    /// A log of which nothing was seen.
    pub fn new(origin: &str) -> Self {
        Self { origin: origin.to_owned(), edge: Frontier::new() }
    }

    /// A log that is followed from a checkpoint on; the peaks are those of its tree, largest first.
    ///
    /// # Errors
    /// They do not lead to the checkpoint's root.
    pub fn from_peaks(checkpoint: &VerifiedCheckpoint, peaks: Vec<Hash>) -> Result<Self, ProofError> {
        let (found, expected) = (peaks.len(), checkpoint.size().count_ones() as usize);
        let edge =
            Frontier::from_peaks(checkpoint.size(), peaks).ok_or(ProofError::Length { found, expected })?;
        let followed = Self { origin: checkpoint.origin().to_owned(), edge };
        followed.agrees(checkpoint)?;
        Ok(followed)
    }

    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub const fn size(&self) -> u64 {
        self.edge.size()
    }

    pub fn root(&self) -> Hash {
        self.edge.root()
    }

    /// Takes the next entry.
    pub fn push(&mut self, entry: &[u8]) {
        self.edge.push(leaf_hash(entry));
    }

    /// Whether a checkpoint is of the tree that these entries make.
    ///
    /// # Errors
    /// Another size, or another root: the log was forked, or the entries are not its own.
    pub fn agrees(&self, checkpoint: &VerifiedCheckpoint) -> Result<(), ProofError> {
        if checkpoint.size() != self.size() {
            return Err(ProofError::Shrinks { from: self.size(), to: checkpoint.size() });
        }
        let (found, expected) = (self.root(), checkpoint.root());
        if found == expected { Ok(()) } else { Err(ProofError::Root { found, expected }) }
    }

    /// The text that is kept.
    pub fn encode(&self) -> String {
        let mut text = format!("{HEADER}\n{}\n{}\n", self.origin, self.size());
        for peak in self.edge.peaks() {
            text.push_str(&STANDARD.encode(peak.0));
            text.push('\n');
        }
        text
    }

    /// `None` where the text is damaged.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        if lines.next()? != HEADER {
            return None;
        }
        let origin = lines.next().filter(|origin| !origin.is_empty())?.to_owned();
        let size = lines.next()?.parse().ok()?;
        let peak = |line| Hash::from_slice(&STANDARD.decode(line).ok()?);
        let peaks = lines.map(peak).collect::<Option<Vec<_>>>()?;
        Some(Self { origin, edge: Frontier::from_peaks(size, peaks)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let mut followed = Followed::new("log.example");
        for number in 0..11u8 {
            followed.push(&[number]);
            assert_eq!(Followed::parse(&followed.encode()), Some(followed.clone()));
        }
        let text = followed.encode();
        let cut = text.trim_end().rsplit_once('\n').map_or("", |(rest, _)| rest);
        for bad in ["", cut, &text.replace("\n11\n", "\n12\n"), &text.replace("v1", "v2")] {
            assert_eq!(Followed::parse(bad), None, "{bad}");
        }
    }
}
