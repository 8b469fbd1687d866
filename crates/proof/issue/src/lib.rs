//! The signing side: keys, the signer process, the build-step recorder, bundles and the home's own trust root.

mod authority;
pub mod bundle;
mod ci;
pub mod client;
mod keys;
mod link;
pub mod person;
pub mod pkcs11;
mod process;
mod protected;
mod protocol;
mod provenance;
mod signed;
mod signing_key;
pub mod sigstore;
pub mod step;
mod trusted_root;
pub mod tuf;
mod witness;

pub use authority::{Authority, AuthorityError, ServerIdentity};
pub use ci::Ci;
pub use keys::{
    KeyError, PublicKeys, Role, artifact_key, create_certificates, create_keys, create_log_key,
    create_log_keys, create_repository_keys, key_files, pem, protect,
};
pub use link::link;
pub use process::{PASSPHRASES, ProcessError, SignerProcess};
pub use protected::{Passphrase, PassphraseSource, ProtectedError, open, passphrases_from, seal};
pub use protocol::{TEST_ISSUER, serve};
pub use provenance::{PAYLOAD_TYPE, Source, provenance, sbom};
pub use signed::{last_signed, settled};
pub use signing_key::{LocalKey, SigningKey, SigningKeyError};
pub use witness::witness_keys;
