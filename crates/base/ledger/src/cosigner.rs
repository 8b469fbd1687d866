//! Keys of witnesses and their cosignatures, C2SP tlog-cosignature v1.1: Ed25519 and ML-DSA-44.
//!
//! A log that shows different trees to different people is found out only by somebody else who saw it: a cosignature
//! says that a witness did, and that all it saw was one tree.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, ML_DSA_44, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use crate::Checkpoint;
use crate::note::{Note, Signature};

const ED25519_COSIGNATURE: u8 = 4;
const ML_DSA_COSIGNATURE: u8 = 6;
const ML_DSA_KEY: usize = 1312;

/// A witness: its name and public key, `name+hash+base64(type || key)`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CosignerKey {
    name: String,
    scheme: Scheme,
    public: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    Ed25519,
    /// Post-quantum; commits to the witness's name.
    MlDsa44,
}

/// Why a text is not a witness's key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a witness key of the form name+hash+base64, of type 4 (Ed25519) or 6 (ML-DSA-44)")]
pub struct CosignerKeyError(String);

impl CosignerKey {
    /// # Errors
    /// The name is empty, too long, or holds white space or a plus; the key has the wrong length.
    pub fn new(name: &str, scheme: Scheme, public: &[u8]) -> Result<Self, CosignerKeyError> {
        let length = match scheme {
            Scheme::Ed25519 => 32,
            Scheme::MlDsa44 => ML_DSA_KEY,
        };
        let named = (1..256).contains(&name.len())
            && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+');
        if !named || public.len() != length {
            return Err(CosignerKeyError(name.to_owned()));
        }
        Ok(Self { name: name.to_owned(), scheme, public: public.to_vec() })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What makes two witnesses different: names are free.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The four bytes in front of a signature.
    pub fn hint(&self) -> [u8; 4] {
        let mut state = Sha256::new_with_prefix(self.name.as_bytes());
        state.update([b'\n', self.byte()]);
        state.update(&self.public);
        let [a, b, c, d, ..] = <[u8; 32]>::from(state.finalize());
        [a, b, c, d]
    }

    const fn byte(&self) -> u8 {
        match self.scheme {
            Scheme::Ed25519 => ED25519_COSIGNATURE,
            Scheme::MlDsa44 => ML_DSA_COSIGNATURE,
        }
    }

    /// The bytes that this witness signs at a time, in seconds since 1970; `None` where the text is no checkpoint.
    pub fn message(&self, text: &str, time: u64) -> Option<Vec<u8>> {
        let checkpoint = Checkpoint::parse(text).ok()?;
        match self.scheme {
            Scheme::Ed25519 => Some(format!("cosignature/v1\ntime {time}\n{text}").into_bytes()),
            Scheme::MlDsa44 => {
                let mut message = b"subtree/v1\n\0".to_vec();
                message.push(u8::try_from(self.name.len()).ok()?);
                message.extend_from_slice(self.name.as_bytes());
                message.extend(time.to_be_bytes());
                message.push(u8::try_from(checkpoint.origin.len()).ok()?);
                message.extend_from_slice(checkpoint.origin.as_bytes());
                message.extend(0u64.to_be_bytes());
                message.extend(checkpoint.size.to_be_bytes());
                message.extend(checkpoint.root.0);
                Some(message)
            }
        }
    }

    /// The signature line over a checkpoint from the bytes that the key made of [`CosignerKey::message`].
    pub fn line(&self, time: u64, signature: &[u8]) -> String {
        let mut bytes = self.hint().to_vec();
        bytes.extend(time.to_be_bytes());
        bytes.extend_from_slice(signature);
        format!("— {} {}\n", self.name, STANDARD.encode(bytes))
    }

    /// When this witness cosigned a checkpoint, seconds since 1970; `None` where it did not.
    ///
    /// A time of zero makes no statement that the tree was the largest, and does not count.
    pub fn cosigned(&self, note: &Note) -> Option<u64> {
        let own = |signature: &&Signature| signature.name == self.name && signature.hint == self.hint();
        note.signatures().iter().filter(own).find_map(|signature| {
            let (time, signature) = signature.bytes.split_first_chunk::<8>()?;
            let time = u64::from_be_bytes(*time);
            if time == 0 || i64::try_from(time).is_err() {
                return None;
            }
            let message = self.message(note.text(), time)?;
            let result = match self.scheme {
                Scheme::Ed25519 => UnparsedPublicKey::new(&ED25519, &self.public).verify(&message, signature),
                Scheme::MlDsa44 => {
                    UnparsedPublicKey::new(&ML_DSA_44, &self.public).verify(&message, signature)
                }
            };
            result.is_ok().then_some(time)
        })
    }
}

impl fmt::Display for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![self.byte()];
        key.extend_from_slice(&self.public);
        write!(f, "{}+{:08x}+{}", self.name, u32::from_be_bytes(self.hint()), STANDARD.encode(key))
    }
}

impl fmt::Debug for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for CosignerKey {
    type Err = CosignerKeyError;

    fn from_str(text: &str) -> Result<Self, CosignerKeyError> {
        let wrong = || CosignerKeyError(text.to_owned());
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(hint), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(wrong());
        };
        let bytes = STANDARD.decode(key).map_err(|_| wrong())?;
        let key = match bytes.split_first() {
            Some((&ED25519_COSIGNATURE, public)) => Self::new(name, Scheme::Ed25519, public),
            Some((&ML_DSA_COSIGNATURE, public)) => Self::new(name, Scheme::MlDsa44, public),
            _ => return Err(wrong()),
        };
        let key = key.map_err(|_| wrong())?;
        if format!("{:08x}", u32::from_be_bytes(key.hint())) == hint { Ok(key) } else { Err(wrong()) }
    }
}
