//! A Sigstore bundle v0.3 around a signed statement, with its entry in our signing log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_evidence::rekor::from_pem;
use linkward_ledger::key::{NoteKey, NoteKeyError};
use linkward_ledger::{Hash, LogId};
use linkward_model::Digest;
use serde_json::json;

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
    let key = from_pem(step_key).ok_or(BundleError::Key)?;
    let body = json!({
        "apiVersion": "0.0.2",
        "kind": "hashedrekord",
        "spec": { "hashedRekordV002": {
            "data": { "algorithm": "SHA2_256", "digest": STANDARD.encode(Digest::sha256(pae).as_bytes()) },
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

/// The bundle, one line of JSON.
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
) -> Result<String, BundleError> {
    let key: NoteKey = log.key.parse()?;
    let hint = Digest::sha256(&from_pem(step_key).ok_or(BundleError::Key)?);
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "publicKey": { "hint": hint.hex() },
            "tlogEntries": [{
                "logIndex": included.index.to_string(),
                "logId": { "keyId": STANDARD.encode(key.id()) },
                "kindVersion": { "kind": "hashedrekord", "version": "0.0.2" },
                "integratedTime": "0",
                "inclusionProof": {
                    "logIndex": included.index.to_string(),
                    "rootHash": STANDARD.encode(included.root.0),
                    "treeSize": included.size.to_string(),
                    "hashes": included.proof.iter().map(|hash| STANDARD.encode(hash.0)).collect::<Vec<_>>(),
                    "checkpoint": { "envelope": String::from_utf8_lossy(&included.checkpoint) },
                },
                "canonicalizedBody": STANDARD.encode(entry),
            }],
        },
        "dsseEnvelope": {
            "payload": STANDARD.encode(payload),
            "payloadType": PAYLOAD_TYPE,
            "signatures": [{ "sig": STANDARD.encode(signature) }],
        },
    });
    Ok(bundle.to_string())
}
