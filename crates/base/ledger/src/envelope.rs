//! The leaf of the evidence log: a versioned envelope around the digest of its blob. No personal data stands in it.

use std::fmt;
use std::str::FromStr;

use linkward_model::{Digest, Environment, Instant, Tenant};
use serde::{Deserialize, Serialize};

/// What a record is about. The spelling on disk never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Whose keys and roots are trusted, who may change policy.
    Trust,
    /// A policy as it came into force.
    Policy,
    /// Bytes that we saw: an artifact, a source revision.
    Observation,
    /// A document that somebody else wrote, kept as it came.
    Claim,
    /// A claim that was checked, with the checks.
    Proof,
    /// A claim that failed its checks.
    Refusal,
    /// An SBOM that we made.
    Sbom,
    /// A build step that we ran.
    Step,
    Verdict,
    /// A sealed batch of gate decisions.
    Decisions,
    Finding,
    Action,
    Revocation,
    /// A change of a gate's mode.
    Mode,
    /// A sealed segment of events.
    Events,
    /// Marks a blob that was deleted under a retention rule.
    Tombstone,
    /// Commits to the look-up index over earlier leaves.
    Index,
}

impl Kind {
    pub const ALL: &[Self] = &[
        Self::Trust,
        Self::Policy,
        Self::Observation,
        Self::Claim,
        Self::Proof,
        Self::Refusal,
        Self::Sbom,
        Self::Step,
        Self::Verdict,
        Self::Decisions,
        Self::Finding,
        Self::Action,
        Self::Revocation,
        Self::Mode,
        Self::Events,
        Self::Tombstone,
        Self::Index,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trust => "trust",
            Self::Policy => "policy",
            Self::Observation => "observation",
            Self::Claim => "claim",
            Self::Proof => "proof",
            Self::Refusal => "refusal",
            Self::Sbom => "sbom",
            Self::Step => "step",
            Self::Verdict => "verdict",
            Self::Decisions => "decisions",
            Self::Finding => "finding",
            Self::Action => "action",
            Self::Revocation => "revocation",
            Self::Mode => "mode",
            Self::Events => "events",
            Self::Tombstone => "tombstone",
            Self::Index => "index",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = EnvelopeError;

    fn from_str(text: &str) -> Result<Self, EnvelopeError> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| EnvelopeError::Kind(text.to_owned()))
    }
}

/// The three times of a record; what is not known is absent, never guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// When it came to us.
    pub event: Instant,
    /// When it happened, as somebody says.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub claimed: Option<Instant>,
    /// When it happened, as a timestamp or a log proves.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub proven: Option<Instant>,
}

/// Version 1 of the leaf. Its bytes are JSON with the fields in this order and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope {
    #[serde(rename = "v")]
    version: u8,
    pub kind: Kind,
    pub tenant: Tenant,
    #[serde(rename = "env")]
    pub environment: Environment,
    pub times: Times,
    /// Digest of the blob, SHA-256.
    pub blob: Digest,
    /// Bytes in the blob.
    pub size: u64,
}

/// Why bytes are not an envelope.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    #[error("envelope version {0} is not known")]
    Version(u8),
    #[error("`{0}` is not a kind of record")]
    Kind(String),
    #[error("leaf is not an envelope")]
    Json(#[from] serde_json::Error),
    #[error("envelope is not in its canonical form")]
    NotCanonical,
}

impl Envelope {
    /// The version that is written.
    pub const VERSION: u8 = 1;

    pub fn new(kind: Kind, tenant: Tenant, environment: Environment, times: Times, blob: &[u8]) -> Self {
        Self {
            version: Self::VERSION,
            kind,
            tenant,
            environment,
            times,
            blob: Digest::sha256(blob),
            size: blob.len() as u64,
        }
    }

    /// The leaf's bytes.
    pub fn encode(&self) -> Vec<u8> {
        // Serialising this struct cannot fail: every field is a string or a number.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a leaf.
    ///
    /// # Errors
    /// An unknown version or kind, or any spelling but the canonical one.
    pub fn decode(leaf: &[u8]) -> Result<Self, EnvelopeError> {
        #[derive(Deserialize)]
        struct Version {
            v: u8,
        }
        let Version { v } = serde_json::from_slice(leaf)?;
        if v != Self::VERSION {
            return Err(EnvelopeError::Version(v));
        }
        let envelope: Self = serde_json::from_slice(leaf)?;
        if envelope.encode() == leaf { Ok(envelope) } else { Err(EnvelopeError::NotCanonical) }
    }
}

/// The short name of a log within a home; also its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogName {
    /// Our records: leaves are envelopes.
    Evidence,
    /// Signatures: leaves are byte-exact Rekor entries.
    Signing,
    /// Certificates that our authority issued.
    Certificates,
}

impl LogName {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Evidence => "evidence",
            Self::Signing => "signing",
            Self::Certificates => "certificates",
        }
    }
}

/// Who may read a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Visibility {
    Private,
    Public,
}

/// One of the logs of a home.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogId {
    pub name: LogName,
    pub origin: String,
    /// Verifier key in the signed-note spelling.
    pub key: String,
    pub codec: String,
    pub visibility: Visibility,
    pub tenant: Tenant,
}
