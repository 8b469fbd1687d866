//! The blob behind a leaf: what the record says, the terms it is found by, and the documents that belong to it.

use linkward_model::{Digest, Purl};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Kind;

/// What a term names; the index has one list for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TermKind {
    /// A content digest: of an artifact, a document, a policy.
    Digest,
    /// A package URL.
    Package,
    /// A signer's subject, issuer or key id.
    Identity,
    /// A file, image or project name.
    Name,
    /// A source revision, `git:HEX`.
    Revision,
    /// Where the source of an artifact is, as its signer's certificate says.
    Repository,
    /// A builder's id.
    Builder,
    /// A reason code.
    Code,
}

impl TermKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Digest => "digest",
            Self::Package => "package",
            Self::Identity => "identity",
            Self::Name => "name",
            Self::Revision => "revision",
            Self::Repository => "repository",
            Self::Builder => "builder",
            Self::Code => "code",
        }
    }
}

/// One way to find a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Term {
    pub kind: TermKind,
    pub value: String,
}

impl Term {
    pub fn new(kind: TermKind, value: impl Into<String>) -> Self {
        Self { kind, value: value.into() }
    }

    pub fn digest(digest: &Digest) -> Self {
        Self::new(TermKind::Digest, digest.to_string())
    }

    pub fn package(purl: &Purl) -> Self {
        Self::new(TermKind::Package, purl.to_string())
    }
}

/// The parsed blob of a record. Terms are sorted and distinct, so that equal records have equal bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    pub kind: Kind,
    pub terms: Vec<Term>,
    /// Documents kept beside this one, by digest.
    pub documents: Vec<Digest>,
    pub says: Value,
}

/// Why a blob is not a record's body.
#[derive(Debug, thiserror::Error)]
#[error("record body is malformed")]
pub struct BodyError(#[from] serde_json::Error);

impl Body {
    pub fn new(kind: Kind, mut terms: Vec<Term>, documents: Vec<Digest>, says: Value) -> Self {
        terms.sort();
        terms.dedup();
        Self { kind, terms, documents, says }
    }

    /// The blob's bytes: JSON, object keys of `says` in alphabetical order.
    pub fn encode(&self) -> Vec<u8> {
        // Values built from values cannot fail to serialise.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// # Errors
    /// Not JSON of this shape.
    pub fn decode(blob: &[u8]) -> Result<Self, BodyError> {
        Ok(serde_json::from_slice(blob)?)
    }
}
