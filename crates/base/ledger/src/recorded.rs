//! `Recorded<T>`: a value together with the proof that it stands in a log.
//!
//! There are two ways to hold one: `record::append` writes the value and proves its inclusion, or bytes read
//! back from a log are proven and then reopened by the stage that owns the type. Neither is possible without a
//! checkpoint whose signature was checked.

use linkward_model::{Digest, Environment, Instant};

use crate::merkle::{Hash, ProofError, leaf_hash, verify_inclusion};
use crate::{Body, BodyError, Envelope, EnvelopeError, Kind, VerifiedCheckpoint};

/// A value that may become a record. Implemented by the crate that owns the type.
///
/// Contract: `body` is a pure function of the value: equal values give equal bytes.
pub trait Recordable {
    fn body(&self) -> Body;

    /// Which environment the record is about.
    fn environment(&self) -> Environment {
        Environment::default()
    }

    /// When it happened, as somebody says.
    fn claimed(&self) -> Option<Instant> {
        None
    }

    /// When it happened, as something proves.
    fn proven(&self) -> Option<Instant> {
        None
    }

    /// What of a body must be the same when the value is made again, by this version or a later one. Everything, unless
    /// the body also holds words for people: a later version may word a check differently, or do one more.
    fn conclusion(body: Body) -> Body {
        body
    }
}

/// Where a record stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The log's origin.
    pub origin: String,
    /// The leaf's index.
    pub index: u64,
}

/// A value that is in the log. No `Deserialize`, no public constructor but the two proofs below.
#[derive(Clone, Debug)]
pub struct Recorded<T> {
    value: T,
    envelope: Envelope,
    position: Position,
    /// Size of the log whose checkpoint proved it.
    proven_at_size: u64,
}

/// A record's bytes as they were read back: what they mean is for the owning stage to say.
#[derive(Clone, Debug)]
pub struct Opaque {
    blob: Vec<u8>,
}

/// Why something is not recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    #[error("leaf is not an envelope")]
    Envelope(#[from] EnvelopeError),
    #[error("record body is malformed")]
    Body(#[from] BodyError),
    #[error("inclusion proof fails")]
    Proof(#[from] ProofError),
    #[error("blob {found} is not the one that the leaf names, {expected}")]
    Blob { found: Digest, expected: Digest },
    #[error("body is of kind {found}, its leaf says {expected}")]
    Kind { found: Kind, expected: Kind },
}

impl Recorded<Opaque> {
    /// Proves that a leaf and its blob stand at `index` of the log behind the checkpoint.
    ///
    /// # Errors
    /// The leaf is no envelope, the blob is another, or the proof fails.
    pub fn prove(
        leaf: &[u8],
        blob: Vec<u8>,
        index: u64,
        proof: &[Hash],
        checkpoint: &VerifiedCheckpoint,
    ) -> Result<Self, RecordedError> {
        verify_inclusion(index, checkpoint.size(), &leaf_hash(leaf), proof, &checkpoint.root())?;
        let envelope = Envelope::decode(leaf)?;
        let found = Digest::sha256(&blob);
        if found != envelope.blob {
            return Err(RecordedError::Blob { found, expected: envelope.blob });
        }
        Ok(Self {
            value: Opaque { blob },
            envelope,
            position: Position { origin: checkpoint.origin().to_owned(), index },
            proven_at_size: checkpoint.size(),
        })
    }

    /// The record's bytes.
    pub fn blob(&self) -> &[u8] {
        &self.value.blob
    }

    /// The parsed body, whose kind is that of the leaf.
    ///
    /// # Errors
    /// The blob is no body, or of another kind.
    pub fn body(&self) -> Result<Body, RecordedError> {
        let body = Body::decode(&self.value.blob)?;
        if body.kind != self.envelope.kind {
            return Err(RecordedError::Kind { found: body.kind, expected: self.envelope.kind });
        }
        Ok(body)
    }

    /// Puts a value that its stage made again in place of the bytes: only if it comes to the conclusion that they hold.
    ///
    /// # Errors
    /// The value is not the one that was recorded.
    pub fn reopen<T: Recordable>(self, value: T) -> Result<Recorded<T>, RecordedError> {
        let made = value.body();
        let recorded = self.body()?;
        let found = Digest::sha256(&made.encode());
        if found != self.envelope.blob && T::conclusion(made) != T::conclusion(recorded) {
            return Err(RecordedError::Blob { found, expected: self.envelope.blob });
        }
        Ok(Recorded {
            value,
            envelope: self.envelope,
            position: self.position,
            proven_at_size: self.proven_at_size,
        })
    }
}

impl<T> Recorded<T> {
    pub const fn value(&self) -> &T {
        &self.value
    }

    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    pub const fn position(&self) -> &Position {
        &self.position
    }

    pub const fn index(&self) -> u64 {
        self.position.index
    }

    /// Size of the log whose checkpoint proved this record.
    pub const fn proven_at_size(&self) -> u64 {
        self.proven_at_size
    }
}
