//! OIDC identity tokens (RFC 7519 over RFC 7515), checked offline against keys that the operator named.
//!
//! What a token says about its own key (`jwk`, `jku`, `x5u`) is never looked at, and its algorithm must be the one that
//! goes with the key: `none` and a public key taken for a shared secret are not in the table at all.

use aws_lc_rs::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use linkward_model::{Code, Digest, Instant};
use serde_json::Value;

use super::Refused;

/// Longest token.
const MAX_TOKEN: usize = 16 << 10;
/// By how much clocks may differ.
const SKEW_SECONDS: i64 = 60;
/// Most keys of one issuer.
const MAX_KEYS: usize = 64;

/// The keys of an issuer.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

#[derive(Clone, Debug)]
struct Key {
    id: Option<String>,
    algorithm: Option<String>,
    material: Material,
}

#[derive(Clone, Debug)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl KeySet {
    /// Reads a JWK Set (RFC 7517). Keys of other types, or for encryption, are left out.
    ///
    /// # Errors
    /// Not a key set, or none of its keys can be used.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let value: Value = serde_json::from_slice(bytes)
            .map_err(|error| Refused::new(Code::MalformedJson, format!("key set: {error}")))?;
        let listed = value.get("keys").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let keys: Vec<Key> = listed.iter().take(MAX_KEYS).filter_map(Key::parse).collect();
        if keys.is_empty() {
            return Err(Refused::new(
                Code::KeyMalformed,
                "the key set holds no RSA, P-256, P-384 or Ed25519 key",
            ));
        }
        Ok(Self { keys })
    }

    /// The set of one P-256 key.
    pub fn of_p256(id: &str, point: &[u8]) -> Self {
        let material = Material::P256(point.to_vec());
        Self { keys: vec![Key { id: Some(id.to_owned()), algorithm: Some("ES256".to_owned()), material }] }
    }
}

impl Key {
    fn parse(value: &Value) -> Option<Self> {
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name)?).ok();
        if text("use").is_some_and(|usage| usage != "sig") {
            return None;
        }
        let point = |length: usize| -> Option<Vec<u8>> {
            let (x, y) = (bytes("x")?, bytes("y")?);
            (x.len() == length && y.len() == length).then(|| [&[4][..], &x, &y].concat())
        };
        let material = match (text("kty")?, text("crv")) {
            ("RSA", None) => Material::Rsa { n: bytes("n")?, e: bytes("e")? },
            ("EC", Some("P-256")) => Material::P256(point(32)?),
            ("EC", Some("P-384")) => Material::P384(point(48)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(bytes("x")?),
            _ => return None,
        };
        Some(Self { id: text("kid").map(str::to_owned), algorithm: text("alg").map(str::to_owned), material })
    }

    /// Whether the key signed, with this algorithm; `None` where the two do not go together.
    fn signed(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> Option<bool> {
        if self.algorithm.as_deref().is_some_and(|own| own != algorithm) {
            return None;
        }
        let raw = |name, key: &[u8]| UnparsedPublicKey::new(name, key).verify(message, signature).is_ok();
        Some(match (&self.material, algorithm) {
            (Material::Rsa { n, e }, "RS256" | "RS384" | "RS512" | "PS256") => {
                let parameters = match algorithm {
                    "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
                    "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
                    "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
                    _ => &signature::RSA_PSS_2048_8192_SHA256,
                };
                let key = RsaPublicKeyComponents { n: n.as_slice(), e: e.as_slice() };
                key.verify(parameters, message, signature).is_ok()
            }
            (Material::P256(point), "ES256") => raw(&signature::ECDSA_P256_SHA256_FIXED, point),
            (Material::P384(point), "ES384") => raw(&signature::ECDSA_P384_SHA384_FIXED, point),
            (Material::Ed25519(key), "EdDSA") => {
                UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signature).is_ok()
            }
            _ => return None,
        })
    }
}

/// A token as it came: nothing about it is proven.
#[derive(Debug)]
pub struct Unverified<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    algorithm: String,
    key: Option<String>,
    claims: Value,
}

/// The claims of a token that holds: signed by its issuer, for us, now.
#[derive(Clone, Debug)]
pub struct Token {
    pub claims: Value,
    /// What a token is remembered by, so that it is not used twice.
    pub id: Digest,
    pub expires: Instant,
}

impl Token {
    /// A claim that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }
}

impl<'a> Unverified<'a> {
    /// # Errors
    /// Not a signed token, or signed in a way that is refused whoever signed.
    pub fn parse(text: &'a str) -> Result<Self, Refused> {
        let malformed = |what: &str| Refused::new(Code::TokenMalformed, format!("the token {what}"));
        if text.len() > MAX_TOKEN {
            return Err(Refused::new(Code::TooLarge, "the token is longer than 16 KiB"));
        }
        let (signed, signature) = text.rsplit_once('.').ok_or_else(|| malformed("has no three parts"))?;
        let (header, claims) = signed.split_once('.').ok_or_else(|| malformed("has no three parts"))?;
        let json = |part: &str, what: &str| -> Result<Value, Refused> {
            let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed(what))?;
            serde_json::from_slice(&bytes).ok().filter(Value::is_object).ok_or_else(|| malformed(what))
        };
        let header = json(header, "has a header that cannot be read")?;
        let claims = json(claims, "has claims that cannot be read")?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| malformed("has a signature that is not base64url"))?;
        if header.get("crit").is_some() {
            return Err(malformed("asks for an extension that is not understood"));
        }
        let algorithm = header.get("alg").and_then(Value::as_str).unwrap_or("none").to_owned();
        let known = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"];
        if !known.contains(&algorithm.as_str()) {
            let message = format!("the token is signed with `{algorithm}`; taken are {}", known.join(", "));
            return Err(Refused::new(Code::TokenAlgorithm, message));
        }
        let key = header.get("kid").and_then(Value::as_str).map(str::to_owned);
        Ok(Self { signed, signature, algorithm, key, claims })
    }

    /// Who says to have issued it: which key set to check it with.
    pub fn issuer(&self) -> &str {
        self.claims.get("iss").and_then(Value::as_str).unwrap_or("")
    }

    /// Whom it says to speak for.
    pub fn subject(&self) -> &str {
        self.claims.get("sub").and_then(Value::as_str).unwrap_or("")
    }

    /// Checks the token against its issuer's keys.
    ///
    /// # Errors
    /// Signature, audience or time do not hold.
    pub fn verify(&self, keys: &KeySet, audience: &str, now: Instant) -> Result<Token, Refused> {
        let mut fits = false;
        let named = |key: &&Key| self.key.is_none() || key.id.is_none() || key.id == self.key;
        let signed = keys.keys.iter().filter(named).any(|key| {
            let holds = key.signed(&self.algorithm, self.signed.as_bytes(), &self.signature);
            fits |= holds.is_some();
            holds == Some(true)
        });
        if !signed {
            return Err(if fits {
                Refused::new(Code::TokenSignature, format!("no key of {} signed the token", self.issuer()))
            } else {
                Refused::new(
                    Code::TokenAlgorithm,
                    format!("{} has no key for {}", self.issuer(), self.algorithm),
                )
            });
        }
        let audiences = match self.claims.get("aud") {
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        if !audiences.contains(&audience) {
            let message = format!("the token is for {audiences:?}, not for `{audience}`");
            return Err(Refused::new(Code::TokenAudience, message));
        }
        let seconds = |name: &str| self.claims.get(name).and_then(Value::as_f64).map(|time| time as i64);
        let expires =
            seconds("exp").ok_or_else(|| Refused::new(Code::TokenMalformed, "the token has no `exp`"))?;
        if expires.saturating_add(SKEW_SECONDS) <= now.seconds() {
            let at = Instant::from_seconds(expires);
            return Err(Refused::new(Code::TokenExpired, format!("the token expired at {at}")));
        }
        let latest = now.seconds().saturating_add(SKEW_SECONDS);
        if ["nbf", "iat"].iter().any(|name| seconds(name).is_some_and(|time| time > latest)) {
            return Err(Refused::new(Code::TokenExpired, "the token is from a time that has not come"));
        }
        Ok(Token {
            claims: self.claims.clone(),
            id: Digest::sha256(self.signed.as_bytes()),
            expires: Instant::from_seconds(expires.saturating_add(SKEW_SECONDS)),
        })
    }
}
