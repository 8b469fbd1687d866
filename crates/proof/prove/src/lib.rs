//! Claims become [`Proven`] here and nowhere else: signatures, certificates, log proofs, timestamps.
//!
//! Trust roots and the time are arguments; nothing is fetched. A check that could not be made is never a yes.
#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::panic, clippy::arithmetic_side_effects)]

mod attestation;
mod bundle;
mod certificate;
mod commit;
mod der;
mod extension;
mod key;
mod named;
mod pattern;
mod proven;
mod quorum;
mod record;
mod requirements;
mod roots;
mod sct;
mod timestamp;
mod transparency;

pub use attestation::{Attestation, Logged, SbomSummary, Stamp};
pub use bundle::{AcceptedSigner, Artifact, Signer, bundle};
pub use commit::{
    AllowedSigners, AllowedSignersError, Commit, ObjectId, ObjectIdError, SignedBy, SignersLine, Tag, commit,
    tag,
};
pub use extension::{Expected, ExtensionError, FulcioExtension};
pub use key::{KeyError, PublicKey};
pub use linkward_evidence::trusted_root::Validity;
pub use named::{Named, named};
pub use pattern::{Pattern, PatternError};
pub use proven::{Proven, Refusal};
pub use quorum::{Quorum, QuorumError, quorum};
pub use record::{ReopenError, reopen};
pub use requirements::{AtLeast, AtLeastError, Requirements};
pub use roots::{RootsError, TrustRoots, production_date};
