//! What the gate has done, for status and metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counted without a lock.
#[derive(Debug, Default)]
pub struct Counters {
    pub(crate) reviews: AtomicU64,
    pub(crate) allowed: AtomicU64,
    pub(crate) denied: AtomicU64,
    pub(crate) unknown: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) pending: AtomicU64,
    pub(crate) broken_glass: AtomicU64,
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Names and values.
    pub fn read(&self) -> [(&'static str, u64); 7] {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        [
            ("reviews", of(&self.reviews)),
            ("allowed", of(&self.allowed)),
            ("denied", of(&self.denied)),
            ("unknown", of(&self.unknown)),
            ("refused", of(&self.refused)),
            ("pending", of(&self.pending)),
            ("break_glass", of(&self.broken_glass)),
        ]
    }
}
