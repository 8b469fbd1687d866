//! The home's own `trusted_root.json`, so that any Sigstore client can verify what its signing log lists.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_ledger::LogId;
use linkward_ledger::key::{NoteKey, NoteKeyError};
use linkward_model::Instant;
use serde_json::{Value, json};

/// SubjectPublicKeyInfo of Ed25519 up to the key (RFC 8410).
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A trust root that names one log. The log's origin is the host name of its base URL, as clients expect.
///
/// # Errors
/// The log's key is malformed.
pub fn trusted_root(log: &LogId, valid_from: Instant) -> Result<Vec<u8>, NoteKeyError> {
    Ok(serde_json::to_vec_pretty(&document(log, valid_from)?).unwrap_or_default())
}

pub(crate) fn document(log: &LogId, valid_from: Instant) -> Result<Value, NoteKeyError> {
    let key: NoteKey = log.key.parse()?;
    let spki = [&ED25519_SPKI[..], key.public()].concat();
    Ok(json!({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [{
            "baseUrl": format!("https://{}", log.origin),
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": STANDARD.encode(spki),
                "keyDetails": "PKIX_ED25519",
                // Timestamps are whole seconds: one of the first second must not come before the log.
                "validFor": { "start": Instant::from_seconds(valid_from.seconds()) },
            },
            "logId": { "keyId": STANDARD.encode(key.id()) },
        }],
        "certificateAuthorities": [],
        "ctlogs": [],
        "timestampAuthorities": [],
    }))
}
