//! The keys with which this home cosigns other logs' checkpoints: Ed25519, and ML-DSA-44 for the time after it.

use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, ML_DSA_44_SIGNING, PqdsaKeyPair};
use linkward_ledger::Checkpoint;
use linkward_ledger::cosigner::{CosignerKey, Scheme};
use linkward_model::Instant;

use crate::keys::{self, KeyError};

const ED25519: &str = "witness.key";
const ML_DSA: &str = "witness-ml-dsa.key";

/// The public halves under the witness's name; made where they are missing.
///
/// # Errors
/// A key cannot be made or read.
pub fn witness_keys(folder: &Path, name: &str) -> Result<Vec<CosignerKey>, KeyError> {
    if !folder.join(ED25519).exists() {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::Random)?;
        keys::write(folder, ED25519, document.as_ref())?;
    }
    if !folder.join(ML_DSA).exists() {
        let pair = PqdsaKeyPair::generate(&ML_DSA_44_SIGNING).map_err(|_| KeyError::Random)?;
        keys::write(folder, ML_DSA, pair.to_pkcs8v1().map_err(|_| KeyError::Random)?.as_ref())?;
    }
    keys::sync(folder)?;
    let Pair { ed25519, ml_dsa } = Pair::read(folder)?;
    [(Scheme::Ed25519, ed25519.public_key().as_ref()), (Scheme::MlDsa44, ml_dsa.public_key().as_ref())]
        .into_iter()
        .map(|(scheme, public)| {
            CosignerKey::new(name, scheme, public).map_err(|_| KeyError::Malformed(folder.to_path_buf()))
        })
        .collect()
}

struct Pair {
    ed25519: Ed25519KeyPair,
    ml_dsa: PqdsaKeyPair,
}

impl Pair {
    fn read(folder: &Path) -> Result<Self, KeyError> {
        let malformed = |name: &str| KeyError::Malformed(folder.join(name));
        let ed25519 = Ed25519KeyPair::from_pkcs8(&keys::read(folder, ED25519)?);
        let ml_dsa = PqdsaKeyPair::from_pkcs8(&ML_DSA_44_SIGNING, &keys::read(folder, ML_DSA)?);
        Ok(Self {
            ed25519: ed25519.map_err(|_| malformed(ED25519))?,
            ml_dsa: ml_dsa.map_err(|_| malformed(ML_DSA))?,
        })
    }
}

/// Cosignature lines, by both keys, over the text of a checkpoint at this time. Nothing but a checkpoint is cosigned.
pub(crate) fn cosign(folder: &Path, name: &str, text: &str) -> Result<Vec<u8>, String> {
    let checkpoint = Checkpoint::parse(text).map_err(|error| error.to_string())?;
    if checkpoint.text() != text {
        return Err("the checkpoint is not in its canonical form".to_owned());
    }
    let Pair { ed25519, ml_dsa } = Pair::read(folder).map_err(|error| error.to_string())?;
    let time = u64::try_from(Instant::now().seconds()).map_err(|_| "the clock is before 1970".to_owned())?;
    let key =
        |scheme, public: &[u8]| CosignerKey::new(name, scheme, public).map_err(|error| error.to_string());
    let classic = key(Scheme::Ed25519, ed25519.public_key().as_ref())?;
    let message = classic.message(text, time).ok_or("the text is no checkpoint")?;
    let mut lines = classic.line(time, ed25519.sign(&message).as_ref());
    let quantum = key(Scheme::MlDsa44, ml_dsa.public_key().as_ref())?;
    let message = quantum.message(text, time).ok_or("the text is no checkpoint")?;
    let mut signature = vec![0; ML_DSA_44_SIGNING.signature_len()];
    let length = ml_dsa.sign(&message, &mut signature).map_err(|_| "signing failed".to_owned())?;
    lines.push_str(&quantum.line(time, signature.get(..length).unwrap_or(&signature)));
    Ok(lines.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use linkward_ledger::note::Note;

    #[test]
    fn both_keys_cosign_checkpoints_and_nothing_else() {
        let folder = linkward_testkit::scratch();
        let keys = witness_keys(folder.path(), "w.example").unwrap();
        assert_eq!(keys, witness_keys(folder.path(), "w.example").unwrap(), "keys are made once");
        let text = Checkpoint {
            origin: "log.example".to_owned(),
            size: 5,
            root: linkward_ledger::Hash([7; 32]),
            extensions: Vec::new(),
        }
        .text();
        let lines = String::from_utf8(cosign(folder.path(), "w.example", &text).unwrap()).unwrap();
        let note = Note::parse(format!("{text}\n{lines}").as_bytes()).unwrap();
        for key in &keys {
            assert!(key.cosigned(&note).is_some(), "{key}");
        }
        for bad in ["linkward.gate/v1\nx\n", "log.example\n05\nAAAA\n", ""] {
            assert!(cosign(folder.path(), "w.example", bad).is_err(), "{bad}");
        }
    }
}
