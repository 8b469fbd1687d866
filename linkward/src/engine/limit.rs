//! Rate limits by identity, and the memory of tokens that were used. Both are bounded: a flood costs no memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use linkward_model::{Digest, Instant};

/// Identities that are counted at once.
const MAX_TRACKED: usize = 20_000;

/// A bucket for each identity: it fills by the second, and every request takes one.
#[derive(Debug)]
pub(super) struct Limiter {
    per_second: f64,
    burst: f64,
    buckets: Mutex<HashMap<Digest, (f64, Instant)>>,
}

impl Limiter {
    pub(super) fn new(per_second: f64, burst: f64) -> Self {
        Self { per_second, burst, buckets: Mutex::default() }
    }

    /// Takes one; otherwise after how many seconds there is one again.
    pub(super) fn take(&self, identity: Digest, now: Instant) -> Result<(), u64> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MAX_TRACKED && !buckets.contains_key(&identity) {
            let full = (self.burst / self.per_second * 1000.0) as i64;
            buckets.retain(|_, (_, last)| now.since(*last) < full);
            if buckets.len() >= MAX_TRACKED {
                return Err(1);
            }
        }
        let (level, last) = buckets.entry(identity).or_insert((self.burst, now));
        let seconds = now.since(*last).max(0) as f64 / 1000.0;
        *level = (*level + seconds * self.per_second).min(self.burst);
        *last = now;
        if *level >= 1.0 {
            *level -= 1.0;
            Ok(())
        } else {
            Err(((1.0 - *level) / self.per_second).ceil().max(1.0) as u64)
        }
    }
}

/// Which token certified which key, until the token expires.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    used: Mutex<HashMap<Digest, (Digest, Instant)>>,
}

impl Tokens {
    /// Whether the token may certify this key: it is new, or did so before.
    pub(super) fn use_for(&self, token: Digest, key: Digest, expires: Instant, now: Instant) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.len() >= MAX_TRACKED {
            used.retain(|_, (_, expires)| *expires > now);
            if used.len() >= MAX_TRACKED {
                return false;
            }
        }
        used.entry(token).or_insert((key, expires)).0 == key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_identity_runs_dry_and_another_does_not() {
        let limiter = Limiter::new(2.0, 4.0);
        let (a, b) = (Digest::sha256(b"a"), Digest::sha256(b"b"));
        let now = Instant::from_seconds(1_000);
        let taken = (0..10).filter(|_| limiter.take(a, now).is_ok()).count();
        assert_eq!(taken, 4);
        assert_eq!(limiter.take(a, now), Err(1));
        assert_eq!(limiter.take(b, now), Ok(()));
        assert_eq!(limiter.take(a, now.plus_millis(600)), Ok(()));
        assert!(limiter.take(a, now.plus_millis(600)).is_err());
    }

    #[test]
    fn a_token_certifies_one_key() {
        let tokens = Tokens::default();
        let (token, key, other) = (Digest::sha256(b"t"), Digest::sha256(b"k"), Digest::sha256(b"o"));
        let now = Instant::from_seconds(1_000);
        assert!(tokens.use_for(token, key, now.plus_millis(1000), now));
        assert!(tokens.use_for(token, key, now.plus_millis(1000), now));
        assert!(!tokens.use_for(token, other, now.plus_millis(1000), now));
    }
}
