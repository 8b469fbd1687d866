//! A record that travels with its proof, so that a gate elsewhere can believe it without the log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_ledger::key::NoteKey;
use linkward_ledger::{CheckpointError, Hash, Opaque, Recorded, RecordedError, VerifiedCheckpoint};
use serde::{Deserialize, Serialize};

/// Leaf, body, inclusion proof and the signed checkpoint that it leads to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Carried {
    leaf: String,
    blob: String,
    index: u64,
    proof: Vec<String>,
    checkpoint: String,
}

/// Why a carried record is not believed.
#[derive(Debug, thiserror::Error)]
pub enum CarriedError {
    #[error("field `{0}` is not in its encoding")]
    Encoding(&'static str),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Record(#[from] RecordedError),
}

impl Carried {
    /// Packs a record; `proof` is its inclusion in the log of the checkpoint.
    pub fn new(record: &Recorded<Opaque>, proof: &[Hash], checkpoint: &VerifiedCheckpoint) -> Self {
        Self {
            leaf: STANDARD.encode(record.envelope().encode()),
            blob: STANDARD.encode(record.blob()),
            index: record.index(),
            proof: proof.iter().map(ToString::to_string).collect(),
            checkpoint: String::from_utf8_lossy(checkpoint.note()).into_owned(),
        }
    }

    /// Proves it against the key of the log.
    ///
    /// # Errors
    /// Any part is malformed, signed by another key, or does not lead to the next.
    pub fn prove(&self, log: &NoteKey) -> Result<(Recorded<Opaque>, VerifiedCheckpoint), CarriedError> {
        let decode = |text: &str, name| STANDARD.decode(text).map_err(|_| CarriedError::Encoding(name));
        let checkpoint = VerifiedCheckpoint::open(self.checkpoint.as_bytes(), log)?;
        let proof = self
            .proof
            .iter()
            .map(|hash| Hash::from_hex(hash).ok_or(CarriedError::Encoding("proof")))
            .collect::<Result<Vec<_>, _>>()?;
        let (leaf, blob) = (decode(&self.leaf, "leaf")?, decode(&self.blob, "blob")?);
        let record = Recorded::<Opaque>::prove(&leaf, blob, self.index, &proof, &checkpoint)?;
        Ok((record, checkpoint))
    }
}
