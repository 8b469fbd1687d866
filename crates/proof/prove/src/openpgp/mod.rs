//! OpenPGP (RFC 9580, and what RFC 4880 left in use): public keys and signatures, versions 4 and 6.
//!
//! What is read is only what a verifier of documents needs. SHA-1 and shorter hashes, DSA and RSA below 2048 bits are
//! refused wherever they stand, in self-signatures too. Capabilities must be stated: a key without flags signs nothing.
//!
//! Known gaps: revocations by another, designated key are not followed; keys are not looked up anywhere.

mod armor;
mod certificate;
mod clearsign;
mod key;
mod packet;
mod signature;

use linkward_model::{Code, Digest, Instant};

pub(crate) use armor::dearmor;
pub(crate) use certificate::Usable;
pub(crate) use clearsign::Clearsigned;
pub(crate) use signature::{Signature, Text};

use certificate::Certificate;
use packet::packets;

/// Largest keyring that is read.
const MAX_KEYRING: usize = 16 << 20;
const MAX_KEYS: usize = 10_000;

/// Public keys that an operator lists, each with what it says of itself.
#[derive(Clone, Debug)]
pub struct Keyring {
    certificates: Vec<Certificate>,
    digest: Digest,
}

/// The file has a fault, and none of its keys is used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("keyring: {0}")]
pub struct KeyringError(pub(crate) String);

impl KeyringError {
    pub const fn code(&self) -> Code {
        Code::KeyringMalformed
    }
}

/// Why a signature proves nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    Malformed(String),
    /// SHA-1, DSA, or an RSA key that is too short.
    Weak(String),
    Unsupported(String),
    /// It was not made over this content by this key.
    Mismatch,
    UnknownKey(String),
    /// The key is listed, but may not sign, or not at that time.
    NotValid(String),
}

impl Lack {
    /// The code of a document's refusal, with a sentence.
    pub(crate) fn code(self, content: &str) -> (Code, String) {
        match self {
            Self::Malformed(why) => (Code::OpenpgpMalformed, why),
            Self::Weak(why) => (Code::OpenpgpWeak, why),
            Self::Unsupported(why) => (Code::OpenpgpUnsupported, why),
            Self::Mismatch => (Code::OpenpgpMismatch, format!("a listed key did not sign {content}")),
            Self::UnknownKey(key) => (Code::OpenpgpKeyUnknown, format!("{key} is not in the keyring")),
            Self::NotValid(why) => (Code::OpenpgpKeyNotValid, why),
        }
    }
}

impl Keyring {
    /// Armoured or binary, as `gpg --export` writes it: one key after the other.
    ///
    /// # Errors
    /// It cannot be read to its end, or holds no key.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyringError> {
        let fault = |why: String| KeyringError(why);
        if bytes.len() > MAX_KEYRING {
            return Err(fault(format!("the file is larger than {MAX_KEYRING} bytes")));
        }
        let mut certificates = Vec::new();
        for block in armor::blocks(bytes).map_err(fault)? {
            let packets = packets(&block).ok_or_else(|| fault("it is cut off, or no OpenPGP".to_owned()))?;
            certificates.extend(certificate::read(&packets).map_err(fault)?);
        }
        if certificates.is_empty() || certificates.len() > MAX_KEYS {
            return Err(fault(format!("it must hold 1 to {MAX_KEYS} keys")));
        }
        Ok(Self { certificates, digest: Digest::sha256(bytes) })
    }

    /// SHA-256 of the file.
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    pub fn len(&self) -> usize {
        self.certificates.len()
    }

    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// Whose signature over `content` this is: the key by its issuer, fit to sign when it was made and not revoked since.
    pub(crate) fn verify(
        &self,
        signature: &Signature,
        content: &[u8],
        now: Instant,
    ) -> Result<Usable<'_>, Lack> {
        let mut closest = Lack::UnknownKey(signature.issuer_text());
        for (place, certificate) in self.certificates.iter().enumerate() {
            for key in certificate.keys() {
                if !signature.may_be_by(key) {
                    continue;
                }
                signature.check(key, content)?;
                match certificate.usable(key, signature, now) {
                    Ok(identity) => {
                        return Ok(Usable { place: place.saturating_add(1), certificate, key, identity });
                    }
                    Err(why) => closest = Lack::NotValid(why),
                }
            }
        }
        Err(closest)
    }
}
