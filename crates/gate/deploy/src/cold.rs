//! Cold digests: asked for before anything was decided. Each is looked up once, whatever the number of pods that wait.

use std::collections::{HashMap, HashSet, VecDeque};

use linkward_model::{Digest, Instant};

/// Digests that wait at once; beyond that, more wait until the next ask.
const MAX_WAITING: usize = 4096;
/// Digests of which nothing is recorded that are remembered.
const MAX_NOTHING: usize = 65_536;
/// How long nothing is believed, at least; jitter spreads the repeats of what arrived together.
const NOTHING_MILLIS: i64 = 5_000;
const JITTER_MILLIS: i64 = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Cold {
    waiting: VecDeque<Digest>,
    queued: HashSet<Digest>,
    /// Nothing was recorded of these, until a time.
    nothing: HashMap<Digest, Instant>,
}

/// What the gate says of a cold digest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chill {
    Pending,
    Nothing,
}

impl Cold {
    /// Asks for a digest; the first ask queues it.
    pub(crate) fn ask(&mut self, digest: Digest, now: Instant) -> Chill {
        if let Some(until) = self.nothing.get(&digest) {
            if now < *until {
                return Chill::Nothing;
            }
            self.nothing.remove(&digest);
        }
        if self.waiting.len() < MAX_WAITING && self.queued.insert(digest) {
            self.waiting.push_back(digest);
        }
        Chill::Pending
    }

    /// Takes what waits, oldest first.
    pub(crate) fn next(&mut self) -> Option<Digest> {
        self.waiting.front().copied()
    }

    /// A digest was looked up; whether anything is recorded of it.
    pub(crate) fn done(&mut self, digest: &Digest, found: bool, now: Instant) {
        if self.queued.remove(digest) {
            self.waiting.retain(|waiting| waiting != digest);
        }
        if found {
            self.nothing.remove(digest);
            return;
        }
        if self.nothing.len() >= MAX_NOTHING {
            self.nothing.retain(|_, until| now < *until);
            if self.nothing.len() >= MAX_NOTHING {
                self.nothing.clear();
            }
        }
        // The digest itself is the jitter: the same for all replicas would be a thundering herd of one second.
        let spread = digest.as_bytes().iter().take(4).fold(0_i64, |sum, byte| sum * 256 + i64::from(*byte));
        self.nothing.insert(*digest, now.plus_millis(NOTHING_MILLIS + spread.rem_euclid(JITTER_MILLIS)));
    }

    pub(crate) fn forget(&mut self, digest: &Digest) {
        self.nothing.remove(digest);
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_look_up_for_any_number_of_asks() {
        let now = linkward_testkit::noon();
        let mut cold = Cold::default();
        let digest = Digest::sha256(b"a");
        for _ in 0..1000 {
            assert_eq!(cold.ask(digest, now), Chill::Pending);
        }
        assert_eq!(cold.len(), 1);
        assert_eq!(cold.next(), Some(digest));
        cold.done(&digest, false, now);
        assert_eq!(cold.next(), None);
        assert_eq!(cold.ask(digest, now.plus_millis(NOTHING_MILLIS - 1)), Chill::Nothing);
        assert_eq!(cold.ask(digest, now.plus_millis(NOTHING_MILLIS + JITTER_MILLIS)), Chill::Pending);
        cold.done(&digest, true, now);
        assert_eq!(cold.len(), 0);
    }

    #[test]
    fn a_flood_of_names_is_bounded() {
        let now = linkward_testkit::noon();
        let mut cold = Cold::default();
        for number in 0..MAX_WAITING + 100 {
            cold.ask(Digest::sha256(&number.to_be_bytes()), now);
        }
        assert_eq!(cold.len(), MAX_WAITING);
    }
}
