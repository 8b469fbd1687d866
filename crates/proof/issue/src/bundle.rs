//! A Sigstore bundle v0.3 around a signed statement, with its entry in our signing log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_evidence::rekor::from_pem;
use linkward_ledger::key::{NoteKey, NoteKeyError};
use linkward_ledger::{Hash, LogId};
use linkward_model::Digest;
use serde_json::{Value, json};

use crate::PAYLOAD_TYPE;

/// Why a bundle could not be put together.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("the step key is not a PEM public key")]
    Key,
    #[error("the log's key is malformed")]
    Log(#[from] NoteKeyError),
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

/// The canonical Rekor v2 entry, hashedrekord 0.0.2 over the hash of the pre-authentication encoding. serde_json
/// writes object members in alphabetical order and without spaces, which is JCS for these ASCII strings.
///
/// # Errors
/// The key is not PEM.
pub fn entry(pae: &[u8], signature: &[u8], step_key: &str) -> Result<Vec<u8>, BundleError> {
    entry_of(&Digest::sha256(pae), signature, step_key)
}

/// As [`entry`], for what has this SHA-256.
///
/// # Errors
/// The key is not PEM.
pub fn entry_of(digest: &Digest, signature: &[u8], step_key: &str) -> Result<Vec<u8>, BundleError> {
    let key = from_pem(step_key).ok_or(BundleError::Key)?;
    let body = json!({
        "apiVersion": "0.0.2",
        "kind": "hashedrekord",
        "spec": { "hashedRekordV002": {
            "data": { "algorithm": "SHA2_256", "digest": STANDARD.encode(digest.as_bytes()) },
            "signature": {
                "content": STANDARD.encode(signature),
                "verifier": {
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "publicKey": { "rawBytes": STANDARD.encode(key) },
                },
            },
        } },
    });
    Ok(body.to_string().into_bytes())
}

/// The bundle of a statement, one line of JSON.
///
/// # Errors
/// A key is malformed.
pub fn assemble(
    payload: &[u8],
    signature: &[u8],
    step_key: &str,
    entry: &[u8],
    included: &Included,
    log: &LogId,
    timestamp: Option<&[u8]>,
) -> Result<String, BundleError> {
    let content = json!({ "dsseEnvelope": {
        "payload": STANDARD.encode(payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{ "sig": STANDARD.encode(signature) }],
    } });
    around(&content, step_key, entry, included, log, timestamp)
}

/// The bundle around an envelope or message signature that this key made.
///
/// # Errors
/// A key is malformed.
pub fn around(
    content: &Value,
    key: &str,
    entry: &[u8],
    included: &Included,
    log: &LogId,
    timestamp: Option<&[u8]>,
) -> Result<String, BundleError> {
    let log: NoteKey = log.key.parse()?;
    let hint = Digest::sha256(&from_pem(key).ok_or(BundleError::Key)?);
    let mut bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "publicKey": { "hint": hint.hex() },
            "tlogEntries": [crate::sigstore::entry::included(entry, included, &log)],
        },
    });
    if let Some(response) = timestamp {
        bundle["verificationMaterial"]["timestampVerificationData"] =
            json!({ "rfc3161Timestamps": [{ "signedTimestamp": STANDARD.encode(response) }] });
    }
    for (name, value) in content.as_object().into_iter().flatten() {
        bundle[name] = value.clone();
    }
    Ok(bundle.to_string())
}
