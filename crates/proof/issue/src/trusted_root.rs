//! The logs of the home's own `trusted_root.json`, so that any Sigstore client can verify what its signing log lists.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_ledger::key::{NoteKey, NoteKeyError};
use linkward_model::Instant;
use serde_json::{Value, json};

/// SubjectPublicKeyInfo of Ed25519 up to the key (RFC 8410).
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A log under one of its keys. Its origin is the host name of its base URL, as clients expect.
pub(crate) fn log(key: &str, start: Instant, end: Option<Instant>) -> Result<Value, NoteKeyError> {
    let key: NoteKey = key.parse()?;
    let spki = [&ED25519_SPKI[..], key.public()].concat();
    // Timestamps are whole seconds: one of the first second must not come before the log.
    let start = Instant::from_seconds(start.seconds());
    let valid = match end {
        Some(end) => json!({ "start": start, "end": end }),
        None => json!({ "start": start }),
    };
    Ok(json!({
        "baseUrl": format!("https://{}", key.name()),
        "hashAlgorithm": "SHA2_256",
        "publicKey": { "rawBytes": STANDARD.encode(spki), "keyDetails": "PKIX_ED25519", "validFor": valid },
        "logId": { "keyId": STANDARD.encode(key.id()) },
    }))
}

/// A trust root of these logs alone.
pub(crate) fn document(logs: Vec<Value>) -> Value {
    json!({
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": logs,
        "certificateAuthorities": [],
        "ctlogs": [],
        "timestampAuthorities": [],
    })
}
