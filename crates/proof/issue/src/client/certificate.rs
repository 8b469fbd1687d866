//! Fulcio v2 from the client's side: a signing request in, the certificate out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_evidence::rekor::from_pem;
use linkward_model::Code;
use linkward_prove::PublicKey;
use rcgen::{CertificateParams, DistinguishedName, IsCa, PublicKeyData, SignatureAlgorithm};
use serde_json::{Value, json};

use super::{Post, Transport, answered};
use crate::signing_key::{LocalKey, SigningKey};
use crate::sigstore::Refused;

struct Requester<'a>(&'a LocalKey);

impl PublicKeyData for Requester<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0.point()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Requester<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign_message(message).ok_or(rcgen::Error::RemoteKeyError)
    }
}

/// The certificate, DER, of this key for the token's identity.
///
/// A signing request proves possession by itself: which claim the authority would have had signed instead, only it knows.
pub(super) fn ask(
    key: &LocalKey,
    token: &str,
    authority: &str,
    transport: &dyn Transport,
) -> Result<Vec<u8>, Refused> {
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        let message = "the identity token is empty, or holds what no token does";
        return Err(Refused::new(Code::TokenMalformed, message));
    }
    let body = json!({ "certificateSigningRequest": STANDARD.encode(request(key)?) }).to_string();
    let url = format!("{authority}/api/v2/signingCert");
    let post = Post { url: &url, media: "application/json", bearer: Some(token), body: body.as_bytes() };
    let answer = answered(transport.post(&post)?, &url)?;
    leaf(&answer, key.public(), &url)
}

fn request(key: &LocalKey) -> Result<String, Refused> {
    let failed =
        |error: rcgen::Error| Refused::new(Code::SigningKeyFailed, format!("signing request: {error}"));
    let mut params = CertificateParams::default();
    // As sigstore-python asks: no name of one's own choosing.
    params.distinguished_name = DistinguishedName::new();
    params.is_ca = IsCa::ExplicitNoCa;
    let request = params.serialize_request(&Requester(key)).map_err(failed)?;
    request.pem().map_err(failed)
}

fn leaf(answer: &[u8], key: &[u8], url: &str) -> Result<Vec<u8>, Refused> {
    let wrong = |what: &str| Refused::new(Code::SigningServiceRefused, format!("{url} answered with {what}"));
    let value: Value = serde_json::from_slice(answer).map_err(|_| wrong("something else than JSON"))?;
    // An authority that does not embed the timestamp would need it beside the certificate; no verifier takes that.
    let first = value.pointer("/signedCertificateEmbeddedSct/chain/certificates/0").and_then(Value::as_str);
    let der = first.and_then(from_pem).ok_or_else(|| wrong("no certificate with an embedded timestamp"))?;
    let certified =
        PublicKey::of_certificate(&der).map_err(|_| wrong("a certificate that cannot be read"))?;
    if certified.spki() == key { Ok(der) } else { Err(wrong("a certificate of another key")) }
}
