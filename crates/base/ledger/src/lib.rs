//! The record's shapes and proofs: envelope, Merkle proofs, signed notes, checkpoints, `Recorded<T>`. No I/O.
//!
//! What stands here can be checked by anybody who holds bytes and a public key; what writes them is `record`.

mod body;
pub mod checkpoint;
pub mod cosigner;
mod envelope;
pub mod followed;
pub mod key;
pub mod log_proof;
pub mod lookup;
pub mod merkle;
pub mod note;
pub mod quorum;
mod recorded;
pub mod retention;
pub mod subtree;
pub mod tile;
pub mod witness;

pub use body::{Body, BodyError, Term, TermKind};
pub use checkpoint::{Checkpoint, CheckpointError, VerifiedCheckpoint};
pub use envelope::{Envelope, EnvelopeError, Kind, LogId, LogName, Times, Visibility};
pub use merkle::{Hash, ProofError};
pub use recorded::{Opaque, Position, Recordable, Recorded, RecordedError};
