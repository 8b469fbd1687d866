//! A private Sigstore: what its services read, check and write. Keys stay with the signer process.

pub mod ceremony;
pub mod claims;
pub mod entry;
pub mod instance;
pub mod leaf;
pub mod request;
pub mod sct;
pub mod timestamp;
pub mod token;

#[cfg(test)]
mod decade;
#[cfg(test)]
mod tests;

use linkward_model::Code;

/// Why a service refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refused {
    pub code: Code,
    pub message: String,
}

impl Refused {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}
