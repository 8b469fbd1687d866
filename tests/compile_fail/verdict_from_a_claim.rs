//~ E0308
// A verdict stands on proofs, not on what somebody says.
use linkward_decide::Evidence;
use linkward_evidence::Claim;
use linkward_model::Digest;

pub fn evidence<'a>(claims: &'a [Claim], roots: Digest) -> Evidence<'a> {
    Evidence { proofs: claims, refusals: &[], observations: &[], history: &[], roots, origin: "", log_size: 0 }
}
