//! Signing against any Sigstore instance: a certificate for an identity token, or a key of one's own; a timestamp; the
//! log's entry. How requests travel is the caller's part.
//!
//! Nothing that a service answers is believed: the finished bundle is a claim like anybody's, and the caller has it
//! proven against the trust root before it is kept.

mod certificate;
mod config;
#[cfg(test)]
mod tests;
mod unlogged;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_model::{Algorithm, Code, Digest};
use linkward_prove::PublicKey;
use serde_json::{Value, json};

pub use self::config::{Chosen, SigningConfig};
pub use self::unlogged::{Material, UNLOGGED, Unlogged};
use crate::signing_key::{LocalKey, SigningKey};
use crate::sigstore::Refused;
use crate::sigstore::timestamp::Query;

/// How requests reach a service.
pub trait Transport {
    /// POSTs a body; the answer's status and body, whatever the status.
    ///
    /// # Errors
    /// No answer came: [`Code::SigningServiceUnreachable`].
    fn post(&self, request: &Post<'_>) -> Result<(u16, Vec<u8>), Refused>;
}

/// A request to a service.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    pub url: &'a str,
    pub media: &'a str,
    /// An identity token; never logged.
    pub bearer: Option<&'a str>,
    pub body: &'a [u8],
}

/// What is to be signed.
#[derive(Clone, Debug)]
pub enum Subject<'a> {
    /// An artifact by its SHA-256.
    Artifact(Digest),
    /// An in-toto statement; these bytes exactly.
    Statement(&'a [u8]),
}

impl Subject<'_> {
    fn digest(&self, hash: Algorithm) -> Result<Digest, Refused> {
        match self {
            Self::Artifact(digest) if digest.algorithm() == hash => Ok(*digest),
            Self::Artifact(_) => {
                let message = "the key's hash is another than SHA-256, which the artifact was read with";
                Err(Refused::new(Code::KeyUnsupported, message))
            }
            Self::Statement(payload) => {
                Ok(Digest::of(hash, &linkward_evidence::dsse::pae(crate::PAYLOAD_TYPE, payload)))
            }
        }
    }

    fn content(&self, signature: &[u8]) -> Value {
        match self {
            Self::Artifact(digest) => crate::bundle::message(digest, signature),
            Self::Statement(payload) => crate::bundle::envelope(payload, signature),
        }
    }
}

/// Signs with a key that lives for this signature, certified for the token's identity.
///
/// # Errors
/// A service is out of reach, refuses, or answers something else; or the token is none.
pub fn keyless(
    subject: &Subject<'_>,
    token: &str,
    services: &Chosen,
    transport: &dyn Transport,
) -> Result<Unlogged, Refused> {
    let key = LocalKey::ephemeral().map_err(|error| Refused::new(Code::KeyMalformed, error.to_string()))?;
    let authority = services.authority.as_deref().ok_or_else(|| {
        Refused::new(Code::SigningServiceMissing, "the signing configuration names no certificate authority")
    })?;
    let certificate = certificate::ask(&key, token, authority, transport)?;
    sign(subject, &key, Material::Certificate(certificate), services, transport)
}

/// Signs with a key of one's own.
///
/// # Errors
/// The key does not sign, or a service is out of reach, refuses, or answers something else.
pub fn keyed(
    subject: &Subject<'_>,
    key: &dyn SigningKey,
    services: &Chosen,
    transport: &dyn Transport,
) -> Result<Unlogged, Refused> {
    sign(subject, key, Material::Key(key.public().to_vec()), services, transport)
}

fn sign(
    subject: &Subject<'_>,
    key: &dyn SigningKey,
    material: Material,
    services: &Chosen,
    transport: &dyn Transport,
) -> Result<Unlogged, Refused> {
    let details = PublicKey::from_spki(key.public()).ok().and_then(|key| key.details());
    let details = details.ok_or_else(|| {
        Refused::new(Code::KeyUnsupported, "a log takes P-256, P-384, P-521 or RSA 2048, 3072, 4096")
    })?;
    let digest = subject.digest(key.hash())?;
    let signature =
        key.sign(&digest).map_err(|error| Refused::new(Code::SigningKeyFailed, error.to_string()))?;
    let mut stamps = Vec::with_capacity(services.stamps.len());
    for url in &services.stamps {
        stamps.push(stamp(url, &signature, transport)?);
    }
    let content = subject.content(&signature);
    Ok(Unlogged::new(&content, &material, &digest, &signature, details, &stamps, services.logs.clone()))
}

fn stamp(url: &str, signature: &[u8], transport: &dyn Transport) -> Result<Vec<u8>, Refused> {
    let mut nonce = [0; 16];
    aws_lc_rs::rand::fill(&mut nonce)
        .map_err(|_| Refused::new(Code::SigningKeyFailed, "the system gave no randomness"))?;
    let query = Query::to_send(signature, &nonce);
    let post = Post { url, media: "application/timestamp-query", bearer: None, body: &query };
    answered(transport.post(&post)?, url)
}

/// The body of a good answer.
fn answered((status, body): (u16, Vec<u8>), url: &str) -> Result<Vec<u8>, Refused> {
    if (200..300).contains(&status) {
        return Ok(body);
    }
    let says = serde_json::from_slice::<Value>(&body).ok();
    let says = says.as_ref().and_then(|value| value.get("message")).and_then(Value::as_str);
    let says: String = says.unwrap_or("").chars().filter(|c| !c.is_control()).take(300).collect();
    // A server that is overwhelmed or broken may answer the next time; one that refuses will refuse again.
    let code = if status >= 500 { Code::SigningServiceUnreachable } else { Code::SigningServiceRefused };
    Err(Refused::new(code, format!("{url} answered with status {status} {says}").trim_end()))
}

/// Has a signature logged, in every log that it needs.
///
/// # Errors
/// A log is out of reach, refuses, or answers something else. The signature is still good: it can be logged later.
pub fn log(unlogged: &Unlogged, transport: &dyn Transport) -> Result<String, Refused> {
    let request = unlogged.request().to_string();
    let mut entries = Vec::new();
    for base in unlogged.logs() {
        let url = format!("{base}/api/v2/log/entries");
        let post = Post { url: &url, media: "application/json", bearer: None, body: request.as_bytes() };
        let body = answered(transport.post(&post)?, &url)?;
        let entry: Value = serde_json::from_slice(&body)
            .ok()
            .filter(|entry: &Value| entry.get("inclusionProof").is_some_and(Value::is_object))
            .ok_or_else(|| {
                Refused::new(Code::SigningServiceRefused, format!("{url} answered with no log entry"))
            })?;
        entries.push(entry);
    }
    unlogged.complete(entries)
}

pub(crate) fn base64(bytes: &[u8]) -> Value {
    json!(STANDARD.encode(bytes))
}
