//! A Sigstore bundle v0.3 around a signed statement, with its entry in our signing log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_evidence::rekor::from_pem;
use linkward_ledger::key::{NoteKey, NoteKeyError};
use linkward_ledger::{Hash, LogId};
use linkward_model::Digest;
use serde_json::{Value, json};

use crate::PAYLOAD_TYPE;
use crate::client::{Material, Unlogged};

/// Why a bundle could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("the step key is not a PEM public key")]
    Key,
    #[error("the log's key is malformed")]
    Log(#[from] NoteKeyError),
    #[error("{0}")]
    Incomplete(String),
}

/// An entry that the log included.
#[derive(Clone, Debug)]
pub struct Included {
    pub index: u64,
    pub size: u64,
    pub root: Hash,
    pub proof: Vec<Hash>,
    /// The signed note.
    pub checkpoint: Vec<u8>,
}

/// What a bundle holds of a signature over an artifact's SHA-256.
pub fn message(digest: &Digest, signature: &[u8]) -> Value {
    json!({ "messageSignature": {
        "messageDigest": { "algorithm": "SHA2_256", "digest": STANDARD.encode(digest.as_bytes()) },
        "signature": STANDARD.encode(signature),
    } })
}

/// What a bundle holds of a signed statement.
pub fn envelope(payload: &[u8], signature: &[u8]) -> Value {
    json!({ "dsseEnvelope": {
        "payload": STANDARD.encode(payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{ "sig": STANDARD.encode(signature) }],
    } })
}

/// A signature of one of the home's own P-256 keys, ready to be logged.
///
/// # Errors
/// The key is not PEM.
pub fn unlogged(
    content: &Value,
    key: &str,
    digest: &Digest,
    signature: &[u8],
    timestamp: Option<Vec<u8>>,
) -> Result<Unlogged, BundleError> {
    let material = Material::Key(from_pem(key).ok_or(BundleError::Key)?);
    let stamps: Vec<Vec<u8>> = timestamp.into_iter().collect();
    Ok(Unlogged::new(content, &material, digest, signature, "PKIX_ECDSA_P256_SHA_256", &stamps, Vec::new()))
}

/// The bundle, once the home's own log has the entry: one line of JSON.
///
/// # Errors
/// The log's key is malformed.
pub fn finish(
    unlogged: &Unlogged,
    entry: &[u8],
    included: &Included,
    log: &LogId,
) -> Result<String, BundleError> {
    let log: NoteKey = log.key.parse()?;
    let entry = crate::sigstore::entry::included(entry, included, &log);
    unlogged.complete(vec![entry]).map_err(|refused| BundleError::Incomplete(refused.message))
}
