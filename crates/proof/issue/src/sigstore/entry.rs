//! Rekor v2: what clients ask to be logged becomes the canonical entry, its signature checked before.
//!
//! sigstore-js still asks for kind `dsse`. Verifiers accept hashedrekord over the pre-authentication encoding alone,
//! so that is what is logged for it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_ledger::key::NoteKey;
use linkward_model::{Algorithm, Code, Digest};
use linkward_prove::PublicKey;
use serde_json::{Value, json};

use super::Refused;
use super::request::{base64, member, text};
use crate::bundle::Included;

/// An entry whose signature holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The bytes of the leaf.
    pub body: Vec<u8>,
    /// Whom to count it against: the certificate or key.
    pub verifier: Digest,
}

/// Who made the signature.
enum Verifier {
    Certificate(Vec<u8>),
    Key(Vec<u8>),
}

impl Verifier {
    fn parse(value: &Value) -> Result<(Self, PublicKey), Refused> {
        let raw = |value: &Value| base64(text(value, "rawBytes", "raw_bytes")?, "rawBytes");
        let certificate = member(value, "x509Certificate", "x509_certificate");
        match (certificate, member(value, "publicKey", "public_key")) {
            (Some(certificate), None) => {
                let der = raw(certificate)?;
                let key = PublicKey::of_certificate(&der).map_err(|_| {
                    Refused::new(Code::CertificateMalformed, "x509Certificate cannot be read")
                })?;
                Ok((Self::Certificate(der), key))
            }
            (None, Some(key)) => {
                let spki = raw(key)?;
                let key = PublicKey::from_spki(&spki)
                    .map_err(|error| Refused::new(Code::KeyMalformed, format!("publicKey: {error}")))?;
                Ok((Self::Key(spki), key))
            }
            _ => Err(Refused::new(
                Code::MalformedField,
                "verifier must hold either x509Certificate or publicKey",
            )),
        }
    }

    fn json(&self, details: &str) -> Value {
        match self {
            Self::Certificate(der) => {
                json!({ "keyDetails": details, "x509Certificate": { "rawBytes": STANDARD.encode(der) } })
            }
            Self::Key(spki) => {
                json!({ "keyDetails": details, "publicKey": { "rawBytes": STANDARD.encode(spki) } })
            }
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Certificate(bytes) | Self::Key(bytes) => bytes,
        }
    }
}

impl Entry {
    /// Reads a CreateEntryRequest.
    ///
    /// # Errors
    /// Not one, or of a key that is not taken, or its signature does not hold.
    pub fn parse(body: &[u8]) -> Result<Self, Refused> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| Refused::new(Code::MalformedJson, error.to_string()))?;
        if let Some(request) = member(&value, "hashedRekordRequestV002", "hashed_rekord_request_v002") {
            return Self::hashed(request);
        }
        if let Some(request) = member(&value, "dsseRequestV002", "dsse_request_v002") {
            return Self::envelope(request);
        }
        Err(Refused::new(
            Code::UnsupportedFormat,
            "the body holds neither hashedRekordRequestV002 nor dsseRequestV002",
        ))
    }

    fn hashed(request: &Value) -> Result<Self, Refused> {
        let signature = member(request, "signature", "signature")
            .ok_or_else(|| Refused::new(Code::MalformedField, "the request has no signature"))?;
        let (verifier, key) = Verifier::parse(
            member(signature, "verifier", "verifier")
                .ok_or_else(|| Refused::new(Code::MalformedField, "the signature has no verifier"))?,
        )?;
        let digest = base64(text(request, "digest", "digest")?, "digest")?;
        let content = base64(text(signature, "content", "content")?, "signature.content")?;
        Self::checked(&digest, &content, &verifier, &key)
    }

    fn envelope(request: &Value) -> Result<Self, Refused> {
        let envelope = member(request, "envelope", "envelope")
            .ok_or_else(|| Refused::new(Code::MalformedField, "the request has no envelope"))?;
        let verifiers = member(request, "verifiers", "verifiers").and_then(Value::as_array);
        let [verifier] = verifiers.map_or(&[][..], Vec::as_slice) else {
            return Err(Refused::new(Code::MalformedField, "the request must name one verifier"));
        };
        let signatures = envelope.get("signatures").and_then(Value::as_array);
        let [signature] = signatures.map_or(&[][..], Vec::as_slice) else {
            return Err(Refused::new(
                Code::BundleManySignatures,
                "the envelope must hold exactly one signature",
            ));
        };
        let (verifier, key) = Verifier::parse(verifier)?;
        let payload = base64(text(envelope, "payload", "payload")?, "payload")?;
        let kind = text(envelope, "payloadType", "payload_type")?;
        let pae = linkward_evidence::dsse::pae(kind, &payload);
        let content = base64(text(signature, "sig", "sig")?, "sig")?;
        Self::checked(Digest::of(key.own_hash(), &pae).as_bytes(), &content, &verifier, &key)
    }

    fn checked(
        digest: &[u8],
        signature: &[u8],
        verifier: &Verifier,
        key: &PublicKey,
    ) -> Result<Self, Refused> {
        let details = key.details().ok_or_else(|| {
            Refused::new(Code::KeyUnsupported, "use P-256, P-384, P-521 or RSA 2048, 3072, 4096")
        })?;
        let digest = Digest::from_bytes(key.own_hash(), digest).ok_or_else(|| {
            Refused::new(Code::MalformedField, "digest has the wrong length for the key's hash")
        })?;
        if key.signed_digest(&digest, signature) != Some(true) {
            return Err(Refused::new(
                Code::SignatureMismatch,
                "the signature is not by this key over this digest; nothing was logged",
            ));
        }
        let algorithm = match digest.algorithm() {
            Algorithm::Sha256 => "SHA2_256",
            Algorithm::Sha384 => "SHA2_384",
            Algorithm::Sha512 => "SHA2_512",
        };
        let body = json!({
            "apiVersion": "0.0.2",
            "kind": "hashedrekord",
            "spec": { "hashedRekordV002": {
                "data": { "algorithm": algorithm, "digest": STANDARD.encode(digest.as_bytes()) },
                "signature": { "content": STANDARD.encode(signature), "verifier": verifier.json(details) },
            } },
        });
        // serde_json writes members in alphabetical order and without spaces: JCS for these ASCII strings.
        Ok(Self { body: body.to_string().into_bytes(), verifier: Digest::sha256(verifier.bytes()) })
    }
}

/// A TransparencyLogEntry, as clients and bundles hold it.
pub fn included(body: &[u8], included: &Included, log: &NoteKey) -> Value {
    json!({
        "logIndex": included.index.to_string(),
        "logId": { "keyId": STANDARD.encode(log.id()) },
        "kindVersion": { "kind": "hashedrekord", "version": "0.0.2" },
        "integratedTime": "0",
        "inclusionProof": {
            "logIndex": included.index.to_string(),
            "rootHash": STANDARD.encode(included.root.0),
            "treeSize": included.size.to_string(),
            "hashes": included.proof.iter().map(|hash| STANDARD.encode(hash.0)).collect::<Vec<_>>(),
            "checkpoint": { "envelope": String::from_utf8_lossy(&included.checkpoint) },
        },
        "canonicalizedBody": STANDARD.encode(body),
    })
}
