//! k of n signers: several bundles over one artifact, each by another of the signers that count.

use linkward_model::{Code, Digest, Identity};

use crate::attestation::Attestation;
use crate::bundle::AcceptedSigner;
use crate::proven::Proven;
use crate::requirements::AtLeast;

/// Most signers and proofs of one question.
const MAX: usize = 256;

/// Enough different signers signed the artifact: who, each once.
#[derive(Clone, Debug)]
pub struct Quorum {
    signers: Vec<Identity>,
}

impl Quorum {
    pub fn signers(&self) -> &[Identity] {
        &self.signers
    }
}

/// Why there is no quorum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct QuorumError {
    pub code: Code,
    pub message: String,
}

/// Each accepted signer counts once, and so does each who signed: a pattern that many names fit is one signer, and a
/// name that fits two patterns is one signer too. To let two of a group sign, the group's pattern is listed twice.
///
/// Only proofs about one of the artifact's digests count.
///
/// # Errors
/// Fewer than `need` signed, or more was asked than can be counted.
pub fn quorum(
    proofs: &[Proven<Attestation>],
    artifact: &[Digest],
    accepted: &[AcceptedSigner],
    need: AtLeast,
) -> Result<Quorum, QuorumError> {
    if proofs.len() > MAX || accepted.len() > MAX {
        let message = format!("more than {MAX} bundles or signers");
        return Err(QuorumError { code: Code::TooLarge, message });
    }
    let mut signed: Vec<&Identity> = proofs
        .iter()
        .filter(|proof| {
            let mut digests = proof.claim.subjects.iter().flat_map(|subject| &subject.digests);
            digests.any(|digest| artifact.contains(digest))
        })
        .map(|proof| &proof.signer)
        .collect();
    signed.sort();
    signed.dedup();
    let fits: Vec<Vec<usize>> = accepted
        .iter()
        .map(|accepted| {
            let fitting = signed.iter().enumerate().filter(|(_, who)| accepted.matches(who));
            fitting.map(|(place, _)| place).collect()
        })
        .collect();
    let taken = pairs(&fits, signed.len());
    let signers: Vec<Identity> =
        signed.iter().zip(&taken).filter(|(_, by)| by.is_some()).map(|(who, _)| (*who).clone()).collect();
    if need.met_by(signers.len()) && !signers.is_empty() {
        return Ok(Quorum { signers });
    }
    let message = format!(
        "{} of {} accepted signers signed this artifact, {} needed",
        signers.len(),
        accepted.len(),
        need.count().max(1)
    );
    Err(QuorumError { code: Code::SignersTooFew, message })
}

/// The most pairs of an accepted signer and somebody who signed, each in one pair only (augmenting paths). Taking the
/// first that fits would count too few where one pattern is wider than another. Returns who is taken, by which signer.
fn pairs(fits: &[Vec<usize>], signed: usize) -> Vec<Option<usize>> {
    let mut taken = vec![None; signed];
    for accepted in 0..fits.len() {
        place(accepted, fits, &mut taken, &mut vec![false; signed]);
    }
    taken
}

fn place(accepted: usize, fits: &[Vec<usize>], taken: &mut [Option<usize>], seen: &mut [bool]) -> bool {
    for &who in fits.get(accepted).map_or(&[][..], Vec::as_slice) {
        match seen.get_mut(who) {
            Some(seen) if !*seen => *seen = true,
            _ => continue,
        }
        let free = match taken.get(who).copied().flatten() {
            None => true,
            Some(other) => place(other, fits, taken, seen),
        };
        if free && let Some(slot) = taken.get_mut(who) {
            *slot = Some(accepted);
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::pairs;

    fn most(fits: &[&[usize]], signed: usize) -> usize {
        let fits: Vec<Vec<usize>> = fits.iter().map(|list| list.to_vec()).collect();
        pairs(&fits, signed).iter().flatten().count()
    }

    #[test]
    fn everybody_counts_once() {
        assert_eq!(most(&[], 3), 0);
        assert_eq!(most(&[&[0, 1, 2]], 3), 1);
        assert_eq!(most(&[&[0], &[0]], 1), 1);
        // The wide pattern gives way to the narrow one.
        assert_eq!(most(&[&[0, 1], &[0]], 2), 2);
        assert_eq!(most(&[&[0, 1], &[0, 2], &[0]], 3), 3);
        assert_eq!(most(&[&[1], &[1], &[0, 1]], 2), 2);
    }
}
