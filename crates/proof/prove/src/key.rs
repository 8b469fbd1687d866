//! Public keys of every type the field uses, by their SubjectPublicKeyInfo.

use std::sync::Arc;

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use linkward_evidence::rekor::from_pem;
use linkward_model::{Algorithm, Digest};

use crate::der::{self, Reader};
use crate::ecdsa::{KeyTable, Known};

/// Why a key was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("not a PEM public key (SubjectPublicKeyInfo)")]
    Malformed,
    #[error("key is not P-256, P-384, P-521, Ed25519 or RSA of 2048 to 8192 bits")]
    Unsupported,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    P256,
    P384,
    P521,
    Ed25519,
    Rsa,
}

/// A public key that was read. It says nothing about whom it belongs to.
#[derive(Clone)]
pub struct PublicKey {
    kind: Kind,
    spki: Vec<u8>,
    /// The key itself, as the curve or RSA spells it.
    raw: Vec<u8>,
    /// What makes the many signatures of one key cheaper.
    known: Option<Arc<Known>>,
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

impl Eq for PublicKey {}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} key {}", self.kind, self.id().short())
    }
}

const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
pub(crate) const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

impl PublicKey {
    /// # Errors
    /// Not PEM, or of a type that is not supported.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        Self::from_spki(&from_pem(text).ok_or(KeyError::Malformed)?)
    }

    /// # Errors
    /// Not a SubjectPublicKeyInfo, or of a type that is not supported.
    pub fn from_spki(spki: &[u8]) -> Result<Self, KeyError> {
        let read = || {
            let mut outer = Reader::new(spki);
            let mut info = outer.expect(der::SEQUENCE)?.reader();
            let mut algorithm = info.expect(der::SEQUENCE)?.reader();
            let name = algorithm.expect(der::OID)?.content;
            let curve = algorithm.optional(der::OID).map(|curve| curve.content);
            let raw = info.expect(der::BIT_STRING)?.bits()?;
            (outer.is_empty() && info.is_empty()).then_some((name, curve, raw))
        };
        let (name, curve, raw) = read().ok_or(KeyError::Malformed)?;
        let kind = match (name, curve) {
            (EC, Some(P256)) => Kind::P256,
            (EC, Some(P384)) => Kind::P384,
            (EC, Some(P521)) => Kind::P521,
            (ED25519, None) => Kind::Ed25519,
            (RSA, None) => Kind::Rsa,
            _ => return Err(KeyError::Unsupported),
        };
        Ok(Self { kind, spki: spki.to_vec(), raw: raw.to_vec(), known: None })
    }

    /// A key of an Edwards curve from its 32 bytes.
    pub(crate) fn ed25519(raw: &[u8]) -> Result<Self, KeyError> {
        Self::of_parts(&[der::element(der::OID, ED25519)], raw)
    }

    /// A point of the curve with this object identifier, uncompressed.
    pub(crate) fn ecdsa(curve: &[u8], point: &[u8]) -> Result<Self, KeyError> {
        Self::of_parts(&[der::element(der::OID, EC), der::element(der::OID, curve)], point)
    }

    /// Modulus and exponent, big-endian.
    pub(crate) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        let parts = [der::integer(modulus), der::integer(exponent)].concat();
        Self::from_pkcs1(&der::element(der::SEQUENCE, &parts))
    }

    fn of_parts(algorithm: &[Vec<u8>], raw: &[u8]) -> Result<Self, KeyError> {
        let algorithm = der::element(der::SEQUENCE, &algorithm.concat());
        let bits = der::element(der::BIT_STRING, &[&[0], raw].concat());
        Self::from_spki(&der::element(der::SEQUENCE, &[algorithm, bits].concat()))
    }

    /// The same key, of which many signatures are to be expected: an authority's, a log's. After some dozens of them an
    /// ECDSA key has a table that makes each several times cheaper; the answers are the same.
    #[must_use]
    pub fn for_many(self) -> Self {
        self.knowing(Known::new)
    }

    /// As [`for_many`](Self::for_many), with the table from the first signature on. For measurements and tests.
    #[must_use]
    pub fn with_table(self) -> Self {
        self.knowing(Known::at_once)
    }

    fn knowing(mut self, known: fn() -> Known) -> Self {
        if matches!(self.kind, Kind::P256 | Kind::P384) {
            self.known = Some(Arc::new(known()));
        }
        self
    }

    pub(crate) const fn kind(&self) -> Kind {
        self.kind
    }

    /// An RSA key in the older spelling that some certificate logs are listed under (RFC 8017, appendix A.1.1).
    pub(crate) fn from_pkcs1(raw: &[u8]) -> Result<Self, KeyError> {
        Reader::new(raw).expect(der::SEQUENCE).ok_or(KeyError::Malformed)?;
        let algorithm = [der::element(der::OID, RSA), vec![0x05, 0x00]].concat();
        let bits = [&[0], raw].concat();
        let spki = [der::element(der::SEQUENCE, &algorithm), der::element(der::BIT_STRING, &bits)].concat();
        Self::from_spki(&der::element(der::SEQUENCE, &spki))
    }

    /// The key of a certificate, which says nothing about who issued that.
    ///
    /// # Errors
    /// Not a certificate, or its key is of a type that is not supported.
    pub fn of_certificate(der: &[u8]) -> Result<Self, KeyError> {
        crate::certificate::Certificate::parse(der).map(|parsed| parsed.key).ok_or(KeyError::Malformed)
    }

    /// The key as its curve or RSA spells it: the content of the SubjectPublicKeyInfo's bit string.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// Sigstore's name of key type and hash, for those that a Rekor v2 log takes.
    pub fn details(&self) -> Option<&'static str> {
        match (self.kind, self.raw.len()) {
            (Kind::P256, _) => Some("PKIX_ECDSA_P256_SHA_256"),
            (Kind::P384, _) => Some("PKIX_ECDSA_P384_SHA_384"),
            (Kind::P521, _) => Some("PKIX_ECDSA_P521_SHA_512"),
            (Kind::Ed25519, _) => None,
            // A PKCS#1 key is its modulus, the exponent and some fifteen bytes of framing.
            (Kind::Rsa, 256..=300) => Some("PKIX_RSA_PKCS1V15_2048_SHA256"),
            (Kind::Rsa, 384..=430) => Some("PKIX_RSA_PKCS1V15_3072_SHA256"),
            (Kind::Rsa, 512..=560) => Some("PKIX_RSA_PKCS1V15_4096_SHA256"),
            (Kind::Rsa, _) => None,
        }
    }

    /// SHA-256 of the SubjectPublicKeyInfo.
    pub fn id(&self) -> Digest {
        Digest::sha256(&self.spki)
    }

    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Whether the signature over the message is by this key, with the hash that goes with its type.
    pub fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.signed_with(self.own_hash(), message, signature)
    }

    pub(crate) fn signed_with(&self, hash: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if let Some(table) = self.table() {
            return table.verify(digest::digest(digest_algorithm(hash), message).as_ref(), signature);
        }
        self.algorithms(hash)
            .iter()
            .any(|algorithm| UnparsedPublicKey::new(*algorithm, &self.raw).verify(message, signature).is_ok())
    }

    fn table(&self) -> Option<&KeyTable> {
        self.known.as_ref()?.table(&self.raw)
    }

    /// As [`signed`](Self::signed) where only the message's digest is at hand; `None` where the key's type cannot.
    pub fn signed_digest(&self, message: &Digest, signature: &[u8]) -> Option<bool> {
        let algorithm = digest_algorithm(message.algorithm());
        if self.kind == Kind::Ed25519 {
            // Ed25519ph is over a digest, and over none but this. Where it is none, it may still be one of the message.
            let prehashed = message.algorithm() == Algorithm::Sha512
                && crate::eddsa::verify_prehashed(&self.raw, message.as_bytes(), signature);
            return prehashed.then_some(true);
        }
        if let Some(table) = self.table() {
            return Some(table.verify(message.as_bytes(), signature));
        }
        let imported = digest::Digest::import_less_safe(message.as_bytes(), algorithm).ok()?;
        Some(self.algorithms(message.algorithm()).iter().any(|algorithm| {
            UnparsedPublicKey::new(*algorithm, &self.raw).verify_digest(&imported, signature).is_ok()
        }))
    }

    /// Whether the signature is Ed25519ph of the message; other keys hash it anyway.
    pub(crate) fn signed_prehashed(&self, message: &[u8], signature: &[u8]) -> bool {
        let digest = || digest::digest(&digest::SHA512, message);
        self.kind == Kind::Ed25519 && crate::eddsa::verify_prehashed(&self.raw, digest().as_ref(), signature)
    }

    /// The hash that goes with the key's type.
    pub fn own_hash(&self) -> Algorithm {
        match self.kind {
            Kind::P256 | Kind::Ed25519 | Kind::Rsa => Algorithm::Sha256,
            Kind::P384 => Algorithm::Sha384,
            Kind::P521 => Algorithm::Sha512,
        }
    }

    fn algorithms(&self, hash: Algorithm) -> &'static [&'static dyn VerificationAlgorithm] {
        use Algorithm::{Sha256, Sha384, Sha512};
        match (self.kind, hash) {
            (Kind::P256, Sha256) => &[&signature::ECDSA_P256_SHA256_ASN1],
            (Kind::P256, Sha384) => &[&signature::ECDSA_P256_SHA384_ASN1],
            (Kind::P256, Sha512) => &[&signature::ECDSA_P256_SHA512_ASN1],
            (Kind::P384, Sha256) => &[&signature::ECDSA_P384_SHA256_ASN1],
            (Kind::P384, Sha384) => &[&signature::ECDSA_P384_SHA384_ASN1],
            (Kind::P384, Sha512) => &[&signature::ECDSA_P384_SHA512_ASN1],
            (Kind::P521, Sha256) => &[&signature::ECDSA_P521_SHA256_ASN1],
            (Kind::P521, Sha384) => &[&signature::ECDSA_P521_SHA384_ASN1],
            (Kind::P521, Sha512) => &[&signature::ECDSA_P521_SHA512_ASN1],
            (Kind::Ed25519, _) => &[&signature::ED25519],
            (Kind::Rsa, Sha256) => {
                &[&signature::RSA_PKCS1_2048_8192_SHA256, &signature::RSA_PSS_2048_8192_SHA256]
            }
            (Kind::Rsa, Sha384) => {
                &[&signature::RSA_PKCS1_2048_8192_SHA384, &signature::RSA_PSS_2048_8192_SHA384]
            }
            (Kind::Rsa, Sha512) => {
                &[&signature::RSA_PKCS1_2048_8192_SHA512, &signature::RSA_PSS_2048_8192_SHA512]
            }
        }
    }
}

const fn digest_algorithm(hash: Algorithm) -> &'static digest::Algorithm {
    match hash {
        Algorithm::Sha256 => &digest::SHA256,
        Algorithm::Sha384 => &digest::SHA384,
        Algorithm::Sha512 => &digest::SHA512,
    }
}
