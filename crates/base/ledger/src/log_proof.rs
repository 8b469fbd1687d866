//! A proof that travels: an entry's index, inclusion proof and checkpoint in one text, C2SP tlog-proof v1.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::key::NoteKey;
use crate::merkle::{Hash, ProofError, verify_inclusion};
use crate::note::{Note, NoteError};
use crate::quorum::{TooFew, WitnessPolicy};
use crate::{CheckpointError, VerifiedCheckpoint};

const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// No inclusion proof in a tree of 2^63 leaves is longer.
const MOST: usize = 63;

/// A parsed proof. Parsing proves nothing: see [`LogProof::verify`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogProof {
    /// Not covered by any signature.
    pub extra: Option<Vec<u8>>,
    pub index: u64,
    pub hashes: Vec<Hash>,
    /// The signed note, verbatim.
    pub checkpoint: Vec<u8>,
}

/// Why a text proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogProofError {
    #[error("line {0} of the proof is not what c2sp.org/tlog-proof@v1 says")]
    Line(usize),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("checkpoint is not a signed note")]
    Note(#[from] NoteError),
    #[error("entry {index} is not the one that the proof is about: {source}")]
    Inclusion { index: u64, source: ProofError },
    #[error(transparent)]
    Witnesses(#[from] TooFew),
}

/// What a proof proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    pub checkpoint: VerifiedCheckpoint,
    pub index: u64,
    /// Names of the witnesses of the policy that cosigned, with their times.
    pub witnesses: Vec<(String, u64)>,
}

impl LogProof {
    /// # Errors
    /// Anything but the form of the specification.
    pub fn parse(text: &str) -> Result<Self, LogProofError> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(LogProofError::Line(0))?;
        let mut lines = head.split('\n').enumerate().peekable();
        if lines.next().is_none_or(|(_, line)| line != HEADER) {
            return Err(LogProofError::Line(1));
        }
        let mut extra = None;
        if let Some((at, line)) = lines.peek()
            && let Some(encoded) = line.strip_prefix("extra ")
        {
            extra = Some(STANDARD.decode(encoded).map_err(|_| LogProofError::Line(at + 1))?);
            lines.next();
        }
        let index = lines.next().and_then(|(_, line)| line.strip_prefix("index "));
        let index = index.ok_or(LogProofError::Line(2)).and_then(|digits| {
            let canonical = digits == "0" || !digits.starts_with('0');
            let plain = canonical && digits.bytes().all(|b| b.is_ascii_digit());
            digits.parse().ok().filter(|_| plain).ok_or(LogProofError::Line(2))
        })?;
        let hash = |(at, line): (usize, &str)| {
            let bytes = STANDARD.decode(line).ok().and_then(|bytes| Hash::from_slice(&bytes));
            bytes.filter(|_| at <= MOST + 2).ok_or(LogProofError::Line(at + 1))
        };
        let hashes = lines.map(hash).collect::<Result<_, _>>()?;
        Ok(Self { extra, index, hashes, checkpoint: checkpoint.as_bytes().to_vec() })
    }

    /// The text.
    pub fn encode(&self) -> String {
        let mut text = format!("{HEADER}\n");
        if let Some(extra) = &self.extra {
            text.push_str(&format!("extra {}\n", STANDARD.encode(extra)));
        }
        text.push_str(&format!("index {}\n", self.index));
        for hash in &self.hashes {
            text.push_str(&STANDARD.encode(hash.0));
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&String::from_utf8_lossy(&self.checkpoint));
        text
    }

    /// Checks that the leaf is in the log of this key, and that enough witnesses saw that log.
    ///
    /// # Errors
    /// Any way in which the proof fails.
    pub fn verify(
        &self,
        leaf: &Hash,
        key: &NoteKey,
        policy: &WitnessPolicy,
    ) -> Result<Logged, LogProofError> {
        let checkpoint = VerifiedCheckpoint::open(&self.checkpoint, key)?;
        verify_inclusion(self.index, checkpoint.size(), leaf, &self.hashes, &checkpoint.root())
            .map_err(|source| LogProofError::Inclusion { index: self.index, source })?;
        let note = Note::parse(&self.checkpoint)?;
        let found = policy.met(&note)?;
        let witnesses = found.into_iter().map(|(key, time)| (key.name().to_owned(), time)).collect();
        Ok(Logged { checkpoint, index: self.index, witnesses })
    }
}
