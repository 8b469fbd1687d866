//! What a client sends to the certificate authority: a key, proof that it holds it, and its token.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_evidence::rekor::from_pem;
use linkward_model::Code;
use linkward_prove::PublicKey;
use serde_json::Value;

use super::Refused;

/// The three shapes there are: sigstore-python sends a CSR, sigstore-go a key, sigstore-js a key and its token.
#[derive(Debug)]
pub struct SigningRequest {
    key: PublicKey,
    proof: Proof,
    /// The token of the body; the header's goes before it.
    pub token: Option<String>,
}

#[derive(Debug)]
enum Proof {
    /// The signed part of the CSR and its signature.
    Request(Vec<u8>, Vec<u8>),
    /// A signature over the token's subject or e-mail address.
    Challenge(Vec<u8>),
}

pub(crate) fn base64(text: &str, name: &str) -> Result<Vec<u8>, Refused> {
    STANDARD.decode(text).map_err(|_| Refused::new(Code::MalformedBase64, format!("{name} is not base64")))
}

/// A member under its camelCase or snake_case name: protobuf's JSON has both.
pub(crate) fn member<'a>(value: &'a Value, camel: &str, snake: &str) -> Option<&'a Value> {
    value.get(camel).or_else(|| value.get(snake)).filter(|value| !value.is_null())
}

pub(crate) fn text<'a>(value: &'a Value, camel: &str, snake: &str) -> Result<&'a str, Refused> {
    member(value, camel, snake)
        .and_then(Value::as_str)
        .ok_or_else(|| Refused::new(Code::MalformedField, format!("{camel} is missing or no string")))
}

impl SigningRequest {
    /// # Errors
    /// None of the shapes, or the key is of a type that certificates are not made for.
    pub fn parse(body: &[u8]) -> Result<Self, Refused> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|error| Refused::new(Code::MalformedJson, error.to_string()))?;
        let token = member(&value, "credentials", "credentials")
            .and_then(|credentials| member(credentials, "oidcIdentityToken", "oidc_identity_token"))
            .and_then(Value::as_str)
            .map(str::to_owned);
        if let Some(csr) = member(&value, "certificateSigningRequest", "certificate_signing_request") {
            let pem = base64(csr.as_str().unwrap_or(""), "certificateSigningRequest")?;
            let (signed, signature, spki) = csr_parts(&pem).ok_or_else(|| {
                Refused::new(Code::MalformedField, "certificateSigningRequest is not a PEM signing request")
            })?;
            return Ok(Self { key: key(&spki)?, proof: Proof::Request(signed, signature), token });
        }
        let request = member(&value, "publicKeyRequest", "public_key_request").ok_or_else(|| {
            Refused::new(
                Code::MalformedField,
                "the body holds neither certificateSigningRequest nor publicKeyRequest",
            )
        })?;
        let public = member(request, "publicKey", "public_key")
            .ok_or_else(|| Refused::new(Code::MalformedField, "publicKeyRequest has no publicKey"))?;
        let spki = from_pem(text(public, "content", "content")?)
            .ok_or_else(|| Refused::new(Code::KeyMalformed, "publicKey.content is not PEM"))?;
        let proof = base64(text(request, "proofOfPossession", "proof_of_possession")?, "proofOfPossession")?;
        Ok(Self { key: key(&spki)?, proof: Proof::Challenge(proof), token })
    }

    /// The key, once the client has shown that it holds its private half.
    ///
    /// # Errors
    /// The proof is of another key, or over something else.
    pub fn proven(&self, challenges: &[&str]) -> Result<&PublicKey, Refused> {
        let holds = match &self.proof {
            Proof::Request(signed, signature) => self.key.signed(signed, signature),
            Proof::Challenge(signature) => {
                challenges.iter().any(|challenge| self.key.signed(challenge.as_bytes(), signature))
            }
        };
        if holds {
            Ok(&self.key)
        } else {
            let message = "the request does not prove that its sender holds the key";
            Err(Refused::new(Code::PossessionUnproven, message))
        }
    }
}

fn key(spki: &[u8]) -> Result<PublicKey, Refused> {
    let key = PublicKey::from_spki(spki)
        .map_err(|error| Refused::new(Code::KeyMalformed, format!("the key is {error}")))?;
    if key.details().is_none() {
        return Err(Refused::new(Code::KeyUnsupported, "use P-256, P-384, P-521 or RSA 2048, 3072, 4096"));
    }
    Ok(key)
}

/// PKCS #10 (RFC 2986): the signed part, the signature, and the key. Its names and attributes are not looked at: the
/// token alone says who asks.
fn csr_parts(pem: &[u8]) -> Option<(Vec<u8>, Vec<u8>, Vec<u8>)> {
    let der = from_pem(std::str::from_utf8(pem).ok()?)?;
    let (signed, signature) = yasna::parse_der(&der, |reader| {
        reader.read_sequence(|reader| {
            let signed = reader.next().read_der()?;
            reader.next().read_der()?;
            Ok((signed, reader.next().read_bitvec_bytes()?.0))
        })
    })
    .ok()?;
    let spki = yasna::parse_der(&signed, |reader| {
        reader.read_sequence(|reader| {
            reader.next().read_u8()?;
            reader.next().read_der()?;
            let spki = reader.next().read_der()?;
            reader.read_optional(|attributes| attributes.read_der())?;
            Ok(spki)
        })
    })
    .ok()?;
    Some((signed, signature, spki))
}
