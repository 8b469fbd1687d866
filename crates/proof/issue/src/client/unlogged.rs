//! A signature that no log holds yet. It is written in a form of its own, so that nobody takes it for a bundle.

use linkward_model::{Code, Digest};
use serde_json::{Value, json};

use super::base64;
use crate::sigstore::Refused;

/// The media type of the form: no Sigstore client knows it, and our verifier refuses it with a code of its own.
pub const UNLOGGED: &str = linkward_evidence::bundle::UNLOGGED;
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Material {
    /// A certificate, DER.
    Certificate(Vec<u8>),
    /// SubjectPublicKeyInfo, DER.
    Key(Vec<u8>),
}

impl Material {
    fn in_bundle(&self) -> (&'static str, Value) {
        match self {
            Self::Certificate(der) => ("certificate", json!({ "rawBytes": base64(der) })),
            Self::Key(spki) => ("publicKey", json!({ "hint": Digest::sha256(spki).hex() })),
        }
    }

    fn verifier(&self, details: &str) -> Value {
        match self {
            Self::Certificate(der) => {
                json!({ "keyDetails": details, "x509Certificate": { "rawBytes": base64(der) } })
            }
            Self::Key(spki) => json!({ "keyDetails": details, "publicKey": { "rawBytes": base64(spki) } }),
        }
    }
}

/// A signed, stamped, unlogged signature: everything of its bundle but the log's entry, and what to ask the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Unlogged {
    bundle: Value,
    request: Value,
    /// Base URLs; empty where the home's own log is meant.
    logs: Vec<String>,
}

impl Unlogged {
    pub fn new(
        content: &Value,
        material: &Material,
        digest: &Digest,
        signature: &[u8],
        details: &str,
        stamps: &[Vec<u8>],
        logs: Vec<String>,
    ) -> Self {
        let (name, value) = material.in_bundle();
        let mut bundle = json!({ "mediaType": BUNDLE, "verificationMaterial": { name: value } });
        if !stamps.is_empty() {
            let stamps: Vec<Value> =
                stamps.iter().map(|stamp| json!({ "signedTimestamp": base64(stamp) })).collect();
            bundle["verificationMaterial"]["timestampVerificationData"] =
                json!({ "rfc3161Timestamps": stamps });
        }
        for (name, value) in content.as_object().into_iter().flatten() {
            bundle[name] = value.clone();
        }
        let request = json!({ "hashedRekordRequestV002": {
            "digest": base64(digest.as_bytes()),
            "signature": { "content": base64(signature), "verifier": material.verifier(details) },
        } });
        Self { bundle, request, logs }
    }

    /// The body of a CreateEntryRequest.
    pub fn request(&self) -> &Value {
        &self.request
    }

    pub fn logs(&self) -> &[String] {
        &self.logs
    }

    /// The same signature, to be logged elsewhere.
    #[must_use]
    pub fn with_logs(self, logs: Vec<String>) -> Self {
        Self { logs, ..self }
    }

    /// The bundle, with the entries that the logs gave.
    ///
    /// # Errors
    /// There is no entry.
    pub fn complete(&self, entries: Vec<Value>) -> Result<String, Refused> {
        if entries.is_empty() {
            return Err(Refused::new(Code::BundleNoLogEntry, "no log was asked"));
        }
        let mut bundle = self.bundle.clone();
        bundle["verificationMaterial"]["tlogEntries"] = Value::Array(entries);
        Ok(bundle.to_string())
    }

    /// The form that is kept until a log answers.
    pub fn to_json(&self) -> String {
        json!({ "mediaType": UNLOGGED, "bundle": self.bundle, "request": self.request, "logs": self.logs })
            .to_string()
    }

    /// Reads that form.
    ///
    /// # Errors
    /// Not one.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let wrong = |what: &str| Refused::new(Code::MalformedField, format!("unlogged signature: {what}"));
        let mut value: Value = serde_json::from_slice(bytes)
            .map_err(|error| Refused::new(Code::MalformedJson, format!("unlogged signature: {error}")))?;
        if value.get("mediaType").and_then(Value::as_str) != Some(UNLOGGED) {
            return Err(wrong("mediaType is another"));
        }
        let mut part = |name: &str| match value.get_mut(name).map(Value::take) {
            Some(part @ Value::Object(_)) => Ok(part),
            _ => Err(wrong(&format!("{name} is no object"))),
        };
        let (bundle, request) = (part("bundle")?, part("request")?);
        if bundle.get("mediaType").and_then(Value::as_str) != Some(BUNDLE)
            || !bundle.get("verificationMaterial").is_some_and(Value::is_object)
        {
            return Err(wrong("bundle is none of version 0.3"));
        }
        let logs = value.get("logs").and_then(Value::as_array).ok_or_else(|| wrong("logs is no list"))?;
        let logs: Option<Vec<String>> = logs.iter().map(|log| log.as_str().map(str::to_owned)).collect();
        Ok(Self { bundle, request, logs: logs.ok_or_else(|| wrong("logs holds something else than URLs"))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unlogged() -> Unlogged {
        let content = json!({ "messageSignature": {} });
        let material = Material::Key(b"spki".to_vec());
        let digest = Digest::sha256(b"a");
        Unlogged::new(
            &content,
            &material,
            &digest,
            b"sig",
            "PKIX_ECDSA_P256_SHA_256",
            &[b"t".to_vec()],
            vec!["https://log.example".to_owned()],
        )
    }

    #[test]
    fn the_form_is_read_as_it_was_written_and_completes_to_one_bundle() {
        let unlogged = unlogged();
        let again = Unlogged::parse(unlogged.to_json().as_bytes()).unwrap();
        assert_eq!(again, unlogged);
        assert!(unlogged.complete(Vec::new()).is_err(), "without an entry it is no bundle");
        let entry = json!({ "logIndex": "1" });
        let bundle = unlogged.complete(vec![entry.clone()]).unwrap();
        assert_eq!(bundle, again.complete(vec![entry]).unwrap());
        assert!(bundle.contains("tlogEntries") && !bundle.contains("unlogged"));
    }

    #[test]
    fn what_is_none_is_refused() {
        let good: Value = serde_json::from_str(&unlogged().to_json()).unwrap();
        for (name, bad) in [
            ("mediaType", json!("application/json")),
            ("bundle", json!("x")),
            ("bundle", json!({ "mediaType": BUNDLE })),
            ("request", Value::Null),
            ("logs", json!([1])),
            ("logs", json!({})),
        ] {
            let mut value = good.clone();
            value[name] = bad;
            assert!(Unlogged::parse(value.to_string().as_bytes()).is_err(), "{name}");
        }
        assert!(Unlogged::parse(b"{").is_err());
    }
}
