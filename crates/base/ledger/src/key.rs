//! Ed25519 keys of logs and witnesses, in the C2SP signed-note spelling.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// Signature type of a plain Ed25519 note signature.
const ED25519_NOTE: u8 = 1;

/// A note verifier: name, key hash and Ed25519 key, `name+hash+base64(0x01 || key)`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteKey {
    name: String,
    key: [u8; 32],
}

/// Why a text is not a note verifier key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a verifier key of the form name+hash+base64")]
pub struct NoteKeyError(String);

impl NoteKey {
    /// # Errors
    /// The name is empty or holds white space or a plus.
    pub fn new(name: &str, key: [u8; 32]) -> Result<Self, NoteKeyError> {
        if name.is_empty() || name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+') {
            return Err(NoteKeyError(name.to_owned()));
        }
        Ok(Self { name: name.to_owned(), key })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub const fn public(&self) -> &[u8; 32] {
        &self.key
    }

    /// SHA-256(name || LF || 0x01 || key); the first four bytes stand in signatures, all of it is a Rekor v2 log id.
    pub fn id(&self) -> [u8; 32] {
        let mut state = Sha256::new_with_prefix(self.name.as_bytes());
        state.update([b'\n', ED25519_NOTE]);
        state.update(self.key);
        state.finalize().into()
    }

    /// The four bytes that go in front of a signature.
    pub fn hint(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.id();
        [a, b, c, d]
    }

    /// Whether this signature over these bytes is by this key.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.key).verify(message, signature).is_ok()
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519_NOTE];
        key.extend(self.key);
        let hint = u32::from_be_bytes(self.hint());
        write!(f, "{}+{hint:08x}+{}", self.name, STANDARD.encode(key))
    }
}

impl fmt::Debug for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for NoteKey {
    type Err = NoteKeyError;

    fn from_str(text: &str) -> Result<Self, NoteKeyError> {
        let wrong = || NoteKeyError(text.to_owned());
        // The base64 part may hold a plus itself: split from the left.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(hint), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong());
        };
        let bytes = STANDARD.decode(key).map_err(|_| wrong())?;
        let key = match bytes.split_first() {
            Some((&ED25519_NOTE, rest)) => rest.try_into().map_err(|_| wrong())?,
            _ => return Err(wrong()),
        };
        let key = Self::new(name, key)?;
        if format!("{:08x}", u32::from_be_bytes(key.hint())) == hint { Ok(key) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling() {
        // The verifier key of the signed-note specification's own example.
        let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        let key: NoteKey = text.parse().unwrap();
        assert_eq!(key.name(), "PeterNeumann");
        assert_eq!(key.to_string(), text);
        for bad in ["", "a+b", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"] {
            assert!(bad.parse::<NoteKey>().is_err(), "{bad}");
        }
    }
}
