//~ E0308
// A proof that is in no log could be denied later.
use linkward_decide::Evidence;
use linkward_model::Digest;
use linkward_prove::{Attestation, Proven};

pub fn evidence<'a>(proofs: &'a [Proven<Attestation>], roots: Digest) -> Evidence<'a> {
    Evidence { proofs, refusals: &[], observations: &[], history: &[], roots, origin: "", log_size: 0 }
}
