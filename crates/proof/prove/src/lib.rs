//! Claims become [`Proven`] here and nowhere else: signatures, certificates, log proofs, timestamps.
//!
//! Trust roots and the time are arguments; nothing is fetched. A check that could not be made is never a yes.
#![deny(clippy::indexing_slicing, clippy::expect_used, clippy::panic, clippy::arithmetic_side_effects)]

mod apk;
mod attestation;
mod bundle;
mod certificate;
mod cms;
mod commit;
mod der;
mod ecdsa;
mod eddsa;
mod extension;
mod forms;
mod in_toto;
mod key;
mod named;
mod notation;
mod openpgp;
mod pattern;
mod proven;
mod quorum;
mod record;
mod release;
mod requirements;
mod roots;
mod rpm;
mod scheme;
mod sct;
mod timestamp;
mod transparency;
mod trust;

pub use apk::{MAX_APK_HEAD, SignedApk, apk};
pub use attestation::{Attestation, Logged, SbomSummary, Stamp};
pub use bundle::{AcceptedSigner, Artifact, Signer, bundle, large_bundle};
pub use commit::{
    AllowedSigners, AllowedSignersError, Commit, CommitAuthorities, CommitIdentities, CommitListError,
    ObjectId, ObjectIdError, SignedBy, SignersLine, Tag, commit, tag,
};
pub use extension::{Expected, ExtensionError, FulcioExtension};
pub use forms::{Form, FormTrust, evidence};
pub use in_toto::{
    Folder, Inspected, Inspections, Inspector, LayoutQuestion, StepDone, SupplyChain, expected_materials,
    layout,
};
pub use key::{KeyError, PublicKey};
pub use linkward_evidence::trusted_root::Validity;
pub use named::{Named, named};
pub use notation::{NotationSignature, NotationTrust, TrustedSubject, TrustedSubjectError, notation};
pub use openpgp::{Keyring, KeyringError};
pub use pattern::{Pattern, PatternError};
pub use proven::{Proven, Refusal};
pub use quorum::{Quorum, QuorumError, quorum};
pub use record::{ReopenError, reopen};
pub use release::{SignedRelease, in_release};
pub use requirements::{AtLeast, AtLeastError, Requirements};
pub use roots::{RootsError, TrustRoots, production_date};
pub use rpm::{MAX_RPM_HEAD, Payload, SignedPackage, rpm};
pub use trust::{
    Fetcher, Kept, TrustedTarget, Update, Versions, next_root, reopen_trust, root_version, update_trust,
};
