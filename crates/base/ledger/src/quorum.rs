//! How many witnesses must have cosigned a checkpoint before it is believed: k of n, by key.

use crate::cosigner::CosignerKey;
use crate::note::Note;

/// A policy over witnesses. Two names with one key are one witness.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WitnessPolicy {
    witnesses: Vec<CosignerKey>,
    at_least: usize,
}

/// A policy that nothing can fulfil.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at_least} witnesses are required, but only {known} different ones are named")]
pub struct PolicyError {
    pub at_least: usize,
    pub known: usize,
}

/// Too few witnesses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found} of the {at_least} witnesses that are required cosigned the checkpoint")]
pub struct TooFew {
    pub found: usize,
    pub at_least: usize,
}

impl WitnessPolicy {
    /// # Errors
    /// More witnesses are required than different ones are named.
    pub fn new(mut witnesses: Vec<CosignerKey>, at_least: usize) -> Result<Self, PolicyError> {
        witnesses.sort_by(|a, b| a.public().cmp(b.public()));
        witnesses.dedup_by(|a, b| a.public() == b.public());
        if at_least > witnesses.len() {
            return Err(PolicyError { at_least, known: witnesses.len() });
        }
        Ok(Self { witnesses, at_least })
    }

    /// The witnesses that cosigned a checkpoint, with their times.
    ///
    /// # Errors
    /// Fewer than required.
    pub fn met(&self, note: &Note) -> Result<Vec<(&CosignerKey, u64)>, TooFew> {
        let cosigned = |witness| Some((witness, CosignerKey::cosigned(witness, note)?));
        let found: Vec<_> = self.witnesses.iter().filter_map(cosigned).collect();
        if found.len() < self.at_least {
            return Err(TooFew { found: found.len(), at_least: self.at_least });
        }
        Ok(found)
    }
}
