//! Counting as the record grows, and samples of the measures over time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use linkward_measure::{Budget, Counts, PERIOD, Tally, budgets, measures, samples};
use linkward_model::{Code, Instant};
use linkward_record::NotKept;
use serde_json::{Value, json};

use super::Engine;
use super::recall::FOLDS;
use crate::wire::{Failure, VERSION};

/// Records that one question may count before it is answered; the rest is counted in the background.
const AT_ONCE: u64 = 500;
/// Records that the background counts before others have their turn.
pub(super) const ROUND: u64 = 500;
/// Points of a line on a page.
const POINTS: usize = 120;
const MINUTE: i64 = 60_000;
const SAMPLE: i64 = 5 * MINUTE;

/// What the counts are kept as for the next start.
const KEPT: &str = "counts";

/// The counts, and whether they ever were of the whole record since the start.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    tally: Mutex<Option<Tally>>,
    whole: AtomicBool,
    counted: AtomicU64,
}

impl Engine {
    /// Counts what was recorded since. Returns whether nothing is left.
    pub(super) fn count_on(&self, most: u64) -> Result<bool> {
        let mut tally = self.tally();
        let tally = tally.get_or_insert_with(|| self.begin_counting());
        let whole = tally.advance(&self.store, most)?;
        self.counting.counted.store(tally.size(), Ordering::Relaxed);
        self.counting.whole.fetch_or(whole, Ordering::Relaxed);
        Ok(whole)
    }

    fn tally(&self) -> MutexGuard<'_, Option<Tally>> {
        self.counting.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From what was kept, or from nothing.
    fn begin_counting(&self) -> Tally {
        let kept = self.store.kept(KEPT, FOLDS).and_then(|mut kept| Tally::reopen(kept.size, || kept.line()));
        let why = match kept {
            Ok(Some(tally)) => return tally,
            Ok(None) => "a line is not as it was written".to_owned(),
            Err(NotKept::Missing) => return Tally::default(),
            Err(error) => error.to_string(),
        };
        crate::commands::complain(&format!("{KEPT}.kept is thrown away, and the record counted anew: {why}"));
        Tally::default()
    }

    pub(super) fn leave_counts(&self) -> Result<()> {
        let tally = self.tally();
        match &*tally {
            Some(tally) if self.counting.whole.load(Ordering::Relaxed) => {
                Ok(self.store.keep(KEPT, FOLDS, tally.size(), tally.keep())?)
            }
            _ => Ok(()),
        }
    }

    /// The counts, and whether they are of the whole record.
    ///
    /// # Errors
    /// A daemon has not counted to the end since it was started: there is no number yet, not even a small one.
    pub(super) fn counts(&self, now: Instant) -> Result<(Counts, bool)> {
        let (counted, size) = (self.counting.counted.load(Ordering::Relaxed), self.log_size());
        let little = size.saturating_sub(counted) <= AT_ONCE;
        if self.addresses.get().is_some() && !self.counting.whole.load(Ordering::Relaxed) && !little {
            let message =
                format!("{counted} of {size} records were counted since the start; ask again in a moment");
            return Err(Failure::new(Code::StillFolding, message).into());
        }
        let whole = self.count_on(AT_ONCE)?;
        let tally = self.tally();
        let counts = tally.as_ref().map(|tally| tally.counts(now)).unwrap_or_default();
        Ok((counts, whole))
    }

    /// The counts of the whole record, however long that takes: for commands.
    pub(super) fn all_counts(&self, now: Instant) -> Result<Counts> {
        while !self.count_on(ROUND)? {
            // A lock is not fair by itself: pages have their turn.
            if self.addresses.get().is_some() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(self.tally().as_ref().map(|tally| tally.counts(now)).unwrap_or_default())
    }

    /// Stores a sample where the last is old enough.
    pub(super) fn sample(&self, now: Instant) -> Result<()> {
        let last = self.outbox().mark("sampled")?;
        if last.is_some_and(|last| now.millis().abs_diff(last) < SAMPLE.unsigned_abs()) {
            return Ok(());
        }
        let counts = self.all_counts(now)?;
        let taken = samples(&counts);
        let mut state = self.outbox();
        state.sample(taken.iter().map(|sample| (sample.name.as_str(), sample.value)), now)?;
        if last.is_none_or(|last| last / (12 * SAMPLE) != now.millis() / (12 * SAMPLE)) {
            state.thin_samples(now)?;
        }
        let marks = vec![("sampled", now.millis())];
        state.apply(&linkward_record::outbox::Step { marks, ..Default::default() }, now)?;
        drop(state);
        self.ticket_gaps(&counts, now)
    }

    pub(super) fn budgets(&self, now: Instant) -> Vec<Budget> {
        let state = self.outbox();
        let since = now.plus_millis(-PERIOD);
        budgets(now, &|name| state.series(name, since, usize::MAX).unwrap_or_default())
    }

    /// The stored values of each measure.
    pub(super) fn measure_history(
        &self,
        counts: &Counts,
        now: Instant,
    ) -> BTreeMap<&'static str, Vec<(Instant, f64)>> {
        let state = self.outbox();
        let since = now.plus_millis(-PERIOD);
        let of = |code: &'static str| (code, state.series(code, since, POINTS).unwrap_or_default());
        measures(counts).into_iter().map(|measure| of(measure.code)).collect()
    }

    pub(super) fn measures_answer(&self) -> Result<Value> {
        let now = Instant::now();
        let counts = self.all_counts(now)?;
        Ok(json!({ "version": VERSION, "measures": measures(&counts), "budgets": self.budgets(now) }))
    }

    /// What the pages about measures show.
    pub(super) fn measure_facts(&self, path: &str, facts: &mut linkward_console::HomeFacts) -> Result<()> {
        const WANTED: &[&str] =
            &["/measures", "/assess", "/metrics", "/api/v1/measures", "/board", "/api/v1/board", "/export/"];
        if !WANTED.iter().any(|wanted| path.starts_with(wanted)) {
            return Ok(());
        }
        let (counts, whole) = match self.counts(facts.now) {
            Ok(counts) => counts,
            Err(error) => match error.downcast::<Failure>() {
                Ok(Failure { code: Some(Code::StillFolding), message }) => {
                    facts.waiting = Some((Code::StillFolding, message));
                    return Ok(());
                }
                Ok(failure) => return Err(failure.into()),
                Err(error) => return Err(error),
            },
        };
        facts.history = self.measure_history(&counts, facts.now);
        facts.budgets = self.budgets(facts.now);
        facts.counted = whole;
        facts.counts = counts;
        Ok(())
    }
}
