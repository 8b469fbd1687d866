//! Who signed: a certificate's subject under an issuer, or a key.

use std::fmt;

use serde::Serialize;

use crate::Digest;

/// An identity as a proof established it. Never a claim: `prove` puts it into its results.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case", tag = "type")]
pub enum Identity {
    /// A certificate's subject alternative name and the OIDC issuer that vouched for it.
    Certificate { subject: String, issuer: String },
    /// A managed key, named by the SHA-256 of its SubjectPublicKeyInfo.
    Key { id: Digest },
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate { subject, issuer } => write!(f, "{subject} (by {issuer})"),
            Self::Key { id } => write!(f, "key {}", id.short()),
        }
    }
}
