//! Artifacts and builds: which are signed, which have an SBOM. Evidence may come before or after what it is about.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

const SEEN: u8 = 1;
const PROVEN: u8 = 2;
/// An SBOM that leaves nothing out, and one with gaps.
const WHOLE: u8 = 4;
const GAPS: u8 = 8;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Artifacts {
    #[serde(skip)]
    pub(super) flags: HashMap<u128, u8>,
    pub(super) artifacts: u64,
    pub(super) signed: u64,
    pub(super) builds: u64,
    pub(super) whole: u64,
    pub(super) gaps: u64,
    /// Builds without a whole SBOM by what they made, and whether they have one with gaps.
    #[serde(skip)]
    pub(super) waiting: HashMap<u128, Vec<u64>>,
    #[serde(skip)]
    pub(super) open: HashMap<u64, bool>,
}

impl Artifacts {
    fn set(&mut self, digest: u128, flag: u8) {
        let flags = self.flags.entry(digest).or_default();
        let (before, after) = (*flags, *flags | flag);
        *flags = after;
        if before == after {
            return;
        }
        self.artifacts += u64::from(flag == SEEN);
        let signed = |flags: u8| flags & (SEEN | PROVEN) == SEEN | PROVEN;
        self.signed += u64::from(signed(after) && !signed(before));
        if flag == WHOLE {
            for build in self.waiting.remove(&digest).unwrap_or_default() {
                if let Some(had_gaps) = self.open.remove(&build) {
                    self.gaps -= u64::from(had_gaps);
                    self.whole += 1;
                }
            }
        } else if flag == GAPS {
            for build in self.waiting.get(&digest).into_iter().flatten() {
                if let Some(had_gaps) = self.open.get_mut(build) {
                    self.gaps += u64::from(!*had_gaps);
                    *had_gaps = true;
                }
            }
        }
    }

    pub(super) fn seen(&mut self, digest: u128) {
        self.set(digest, SEEN);
    }

    pub(super) fn proven(&mut self, digests: impl Iterator<Item = u128>, predicate: &str) {
        let predicate = predicate.to_lowercase();
        let sbom = predicate.contains("cyclonedx") || predicate.contains("spdx");
        for digest in digests {
            self.set(digest, PROVEN);
            if sbom {
                self.set(digest, WHOLE);
            }
        }
    }

    pub(super) fn described(&mut self, digests: impl Iterator<Item = u128>, gaps: bool) {
        digests.for_each(|digest| self.set(digest, if gaps { GAPS } else { WHOLE }));
    }

    /// A step that made something; a step without products needs no SBOM.
    pub(super) fn built(&mut self, products: Vec<u128>) {
        if products.is_empty() {
            return;
        }
        let known =
            |flag: u8| products.iter().any(|product| self.flags.get(product).is_some_and(|f| f & flag != 0));
        let (whole, gaps) = (known(WHOLE), known(GAPS));
        self.builds += 1;
        if whole {
            self.whole += 1;
            return;
        }
        self.gaps += u64::from(gaps);
        self.open.insert(self.builds, gaps);
        for product in products {
            self.waiting.entry(product).or_default().push(self.builds);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_counts_whether_it_comes_before_or_after() {
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
            let mut artifacts = Artifacts::default();
            for step in order {
                match step {
                    0 => artifacts.seen(1),
                    1 => artifacts.proven([1].into_iter(), "https://slsa.dev/provenance/v1"),
                    2 => artifacts.built(vec![1]),
                    _ => artifacts.described([1].into_iter(), false),
                }
            }
            let counted =
                (artifacts.artifacts, artifacts.signed, artifacts.builds, artifacts.whole, artifacts.gaps);
            assert_eq!(counted, (1, 1, 1, 1, 0), "{order:?}");
        }
    }

    #[test]
    fn gaps_are_no_whole_and_a_build_counts_once() {
        let mut artifacts = Artifacts::default();
        artifacts.built(vec![1, 2]);
        artifacts.described([1, 2].into_iter(), true);
        assert_eq!((artifacts.whole, artifacts.gaps), (0, 1));
        artifacts.described([2].into_iter(), false);
        artifacts.described([1].into_iter(), false);
        assert_eq!((artifacts.builds, artifacts.whole, artifacts.gaps), (1, 1, 0));
        artifacts.built(vec![]);
        artifacts.seen(1);
        artifacts.seen(1);
        assert_eq!((artifacts.builds, artifacts.artifacts, artifacts.signed), (1, 1, 0));
    }
}
