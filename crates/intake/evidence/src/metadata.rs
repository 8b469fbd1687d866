//! The envelope that TUF and in-toto share: `signed` and `signatures`, and the public keys that their documents list.

use serde_json::Value;

use crate::Fault;
use crate::canonical::canonical;
use crate::field::Field;

/// Most signatures of one document, and most keys.
const MAX: usize = 256;

/// What was signed, and by which keys somebody says.
#[derive(Clone, Debug, PartialEq)]
pub struct Metablock {
    pub signed: Value,
    /// The canonical form of `signed`.
    pub message: Vec<u8>,
    pub signatures: Vec<KeyedSignature>,
}

/// A signature and the name of its key: a hint, never trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyedSignature {
    pub key_id: String,
    /// `None` where it is of another make, such as OpenPGP's.
    pub sig: Option<Vec<u8>>,
}

/// A public key as a document lists it. Whether it can be used, the prover says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    pub id: String,
    /// `rsa`, `ed25519`, `ecdsa` and the like.
    pub kind: String,
    pub scheme: String,
    /// PEM, or hexadecimal digits for Ed25519; empty where the key is of another make.
    pub public: String,
}

impl Metablock {
    /// # Errors
    /// Not JSON, or not of that shape.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let document = crate::json(bytes)?;
        Self::read(&Field::root(&document))
    }

    pub(crate) fn read(field: &Field<'_>) -> Result<Self, Fault> {
        let signed = field.required("signed")?;
        signed.object()?;
        let listed = field.required("signatures")?.items()?;
        if listed.len() > MAX {
            return Err(field.fault(format!("has more than {MAX} signatures")));
        }
        let mut signatures = Vec::new();
        for one in &listed {
            let sig = match one.optional("sig") {
                Some(sig) => Some(hex(&sig)?),
                None => None,
            };
            signatures.push(KeyedSignature { key_id: one.required("keyid")?.text()?.to_owned(), sig });
        }
        Ok(Self { signed: signed.value().clone(), message: canonical(signed.value())?, signatures })
    }
}

/// Keys by their id.
pub(crate) fn keys(field: &Field<'_>) -> Result<Vec<ListedKey>, Fault> {
    let members = field.object()?;
    if members.len() > MAX {
        return Err(field.fault(format!("has more than {MAX} keys")));
    }
    members.iter().map(|(id, value)| key(id, &Field::at(&format!("{}.{id}", field.place()), value))).collect()
}

fn key(id: &str, field: &Field<'_>) -> Result<ListedKey, Fault> {
    let values = field.required("keyval")?;
    // An OpenPGP key has no scheme of its own here, and numbers for its public part.
    let text = |from: &Field<'_>, name: &str| {
        from.optional(name).and_then(|field| field.value().as_str()).unwrap_or("").to_owned()
    };
    Ok(ListedKey {
        id: id.to_owned(),
        kind: text(field, "keytype"),
        scheme: text(field, "scheme"),
        public: text(&values, "public"),
    })
}

/// Bytes as hexadecimal digits.
pub(crate) fn hex(field: &Field<'_>) -> Result<Vec<u8>, Fault> {
    unhex(field.text()?).ok_or_else(|| field.fault("must be hexadecimal digits, two a byte"))
}

/// Bytes from hexadecimal digits of either case; `None` for anything else.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| (byte << 4) | digit)).collect())
}
