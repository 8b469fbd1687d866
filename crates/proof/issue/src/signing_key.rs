//! What signs an artifact: a key in a file, one that lives for a single signature, or one that a service holds.

use std::path::Path;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use linkward_model::{Algorithm, Digest};

use crate::keys::{self, KeyError};

/// A private key behind an interface, so that it may be somewhere else: a cloud's key service answers these three.
///
/// An implementation asks its service once for the public half and keeps it: `public` must not change over the
/// value's life. `sign` may fail and be tried again; it must never sign anything but the digest that it was given.
pub trait SigningKey {
    /// SubjectPublicKeyInfo, DER.
    fn public(&self) -> &[u8];

    /// The hash that goes with the key's type.
    fn hash(&self) -> Algorithm;

    /// The signature of a message by its digest, made with [`hash`](Self::hash); ECDSA as a DER sequence.
    ///
    /// # Errors
    /// The key is out of reach, or its holder refuses.
    fn sign(&self, digest: &Digest) -> Result<Vec<u8>, SigningKeyError>;
}

/// Why a key did not sign.
#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    #[error("the digest is not of the hash that goes with the key")]
    Hash,
    #[error("the key's holder did not sign: {0}")]
    Holder(String),
}

/// A P-256 key in this process's memory.
#[derive(Debug)]
pub struct LocalKey {
    pair: EcdsaKeyPair,
    spki: Vec<u8>,
}

impl LocalKey {
    /// A key that is never written: it is gone with this value.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub fn ephemeral() -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(|_| KeyError::Random)?;
        Self::of(pair).ok_or(KeyError::Random)
    }

    /// A key from a PEM file that its owner alone can read.
    ///
    /// # Errors
    /// It cannot be read, can be read by others, or is no P-256 key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let der = keys::read_file(path)?;
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der)
            .ok()
            .and_then(Self::of)
            .ok_or_else(|| KeyError::Malformed(path.to_path_buf()))
    }

    fn of(pair: EcdsaKeyPair) -> Option<Self> {
        let spki = pair.public_key().as_der().ok()?.as_ref().to_vec();
        Some(Self { pair, spki })
    }

    /// The uncompressed point.
    pub(crate) fn point(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    pub(crate) fn sign_message(&self, message: &[u8]) -> Option<Vec<u8>> {
        let signature = self.pair.sign(&SystemRandom::new(), message).ok()?;
        Some(signature.as_ref().to_vec())
    }
}

impl SigningKey for LocalKey {
    fn public(&self) -> &[u8] {
        &self.spki
    }

    fn hash(&self) -> Algorithm {
        Algorithm::Sha256
    }

    fn sign(&self, digest: &Digest) -> Result<Vec<u8>, SigningKeyError> {
        if digest.algorithm() != Algorithm::Sha256 {
            return Err(SigningKeyError::Hash);
        }
        let imported =
            aws_lc_rs::digest::Digest::import_less_safe(digest.as_bytes(), &aws_lc_rs::digest::SHA256)
                .map_err(|_| SigningKeyError::Hash)?;
        let signature = self
            .pair
            .sign_digest(&imported)
            .map_err(|_| SigningKeyError::Holder("the signature could not be made".to_owned()))?;
        Ok(signature.as_ref().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linkward_prove::PublicKey;

    #[test]
    fn a_key_signs_digests_of_its_own_hash_alone() {
        let key = LocalKey::ephemeral().unwrap();
        let signature = key.sign(&Digest::sha256(b"a")).unwrap();
        let public = PublicKey::from_spki(key.public()).unwrap();
        assert!(public.signed(b"a", &signature) && !public.signed(b"b", &signature));
        assert!(matches!(key.sign(&Digest::of(Algorithm::Sha384, b"a")), Err(SigningKeyError::Hash)));
        assert_ne!(LocalKey::ephemeral().unwrap().public(), key.public());
    }
}
