//! Strikes: revocations at work between their record and the verdicts that know them.
//!
//! Deciding thousands of digests again takes longer than a revocation may. So a revocation strikes at once every digest
//! that stood on what it names, and each strike stands until a verdict that saw the revocation replaces it.

use std::collections::HashMap;
use std::sync::Arc;

use linkward_decide::{Entry, code_of};
use linkward_ledger::Recorded;
use linkward_model::{Code, Digest};

/// Why a digest is refused although its newest verdict may allow it.
#[derive(Clone, Debug)]
pub(crate) struct Strike {
    pub(crate) code: Code,
    pub(crate) detail: Arc<str>,
    /// Record of the revocation.
    pub(crate) record: u64,
}

/// Strikes by digest. One digest can be struck by several revocations.
#[derive(Clone, Debug, Default)]
pub(crate) struct Strikes {
    by_digest: HashMap<Digest, Vec<Strike>>,
}

impl Strikes {
    /// Strikes these digests by a recorded revocation; nothing where the record takes one back.
    pub(crate) fn strike(&mut self, entry: &Recorded<Entry>, digests: &[Digest]) {
        let Entry::Revoke(revocation) = entry.value() else { return };
        let target = &revocation.target;
        let detail: Arc<str> = format!(
            "{} {} is revoked by {}: {}",
            target.kind(),
            target.value(),
            revocation.author,
            revocation.reason
        )
        .into();
        for digest in digests {
            let strikes = self.by_digest.entry(*digest).or_default();
            if strikes.iter().all(|strike| strike.record != entry.index()) {
                strikes.push(Strike {
                    code: code_of(target.kind()),
                    detail: Arc::clone(&detail),
                    record: entry.index(),
                });
            }
        }
    }

    /// Takes back what one revocation struck.
    pub(crate) fn lift(&mut self, revocation: u64) {
        self.by_digest.retain(|_, strikes| {
            strikes.retain(|strike| strike.record != revocation);
            !strikes.is_empty()
        });
    }

    /// The strike that a verdict which saw this much of the log did not know.
    pub(crate) fn unknown_to(&self, digest: &Digest, log_size: Option<u64>) -> Option<&Strike> {
        let strikes = self.by_digest.get(digest)?;
        strikes.iter().find(|strike| log_size.is_none_or(|size| size <= strike.record))
    }

    /// The newest revocation that struck a digest.
    pub(crate) fn newest(&self, digest: &Digest) -> Option<u64> {
        self.by_digest.get(digest)?.iter().map(|strike| strike.record).max()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Digest, &Strike)> {
        self.by_digest.iter().flat_map(|(digest, strikes)| strikes.iter().map(move |strike| (digest, strike)))
    }

    pub(crate) fn insert(&mut self, digest: Digest, strike: Strike) {
        self.by_digest.entry(digest).or_default().push(strike);
    }
}
