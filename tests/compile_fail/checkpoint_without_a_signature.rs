//~ E0451
use linkward_ledger::{Checkpoint, VerifiedCheckpoint};

pub fn forge(checkpoint: Checkpoint) -> VerifiedCheckpoint {
    VerifiedCheckpoint { checkpoint, note: Vec::new() }
}
