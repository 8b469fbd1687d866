//! The signing side: keys, the signer process, the build-step recorder, bundles and the home's own trust root.

mod authority;
pub mod bundle;
mod keys;
pub mod person;
mod process;
mod protocol;
mod provenance;
mod signed;
pub mod sigstore;
pub mod step;
mod trusted_root;

pub use authority::{Authority, AuthorityError, ServerIdentity};
pub use keys::{KeyError, PublicKeys, Role, artifact_key, create_certificates, create_keys, pem};
pub use process::{ProcessError, SignerProcess};
pub use protocol::{TEST_ISSUER, serve};
pub use provenance::{PAYLOAD_TYPE, Source, provenance, sbom};
pub use signed::last_signed;
pub use trusted_root::trusted_root;
