//! Sources that fall silent: who breaks in turns the logs off first.
//!
//! Judged by the set of minutes in which a source was heard, so that the order of arrival plays no part.

use std::collections::{BTreeMap, BTreeSet};

use linkward_evidence::event::Source;
use linkward_model::Instant;

use crate::State;
use crate::rule::Hit;

const MINUTE: i64 = 60_000;
/// Minutes that are remembered: a week.
const MEMORY: i64 = 7 * 24 * 60;
/// Minutes heard before the habit of a source is known.
const ENOUGH: usize = 100;
/// Shortest silence that counts.
const FLOOR: i64 = 30;

#[derive(Debug, Default)]
pub(crate) struct Silence {
    heard: BTreeMap<Source, BTreeSet<i64>>,
}

impl From<BTreeMap<Source, BTreeSet<i64>>> for Silence {
    fn from(heard: BTreeMap<Source, BTreeSet<i64>>) -> Self {
        Self { heard }
    }
}

impl Silence {
    /// By source, the minutes in which it was heard.
    pub(crate) fn minutes(&self) -> &BTreeMap<Source, BTreeSet<i64>> {
        &self.heard
    }

    pub(crate) fn heard(&mut self, source: Source, at: Instant) {
        let minute = at.millis().div_euclid(MINUTE);
        let minutes = self.heard.entry(source).or_default();
        if minutes.insert(minute)
            && let Some(last) = minutes.last().copied()
        {
            while minutes.first().is_some_and(|first| *first < last - MEMORY) {
                minutes.pop_first();
            }
        }
    }

    pub(crate) fn last(&self) -> BTreeMap<Source, Instant> {
        let last =
            |minutes: &BTreeSet<i64>| minutes.last().map(|minute| Instant::from_millis(minute * MINUTE));
        self.heard.iter().filter_map(|(source, minutes)| Some((*source, last(minutes)?))).collect()
    }

    /// Sources that were not heard for twice as long as 99 of 100 of their pauses.
    pub(crate) fn hits(&self, watermark: Instant) -> Vec<Hit> {
        let now = watermark.millis().div_euclid(MINUTE);
        let mut hits = Vec::new();
        for (source, minutes) in &self.heard {
            let Some(last) = minutes.last().copied().filter(|_| minutes.len() >= ENOUGH) else { continue };
            let mut pauses: Vec<i64> =
                minutes.iter().zip(minutes.iter().skip(1)).map(|(a, b)| b - a).collect();
            pauses.sort_unstable();
            let usual = pauses.get(pauses.len() * 99 / 100).copied().unwrap_or(0);
            let bound = (2 * usual).max(FLOOR);
            if now - last > bound {
                hits.push(Hit {
                    event: format!("silence/{last}").into(),
                    source: *source,
                    at: Instant::from_millis((last + bound) * MINUTE),
                    subject: source.as_str().into(),
                    state: State::Confirmed,
                    facts: vec![
                        ("last heard", Instant::from_millis(last * MINUTE).to_string()),
                        ("99 of 100 pauses are at most", format!("{usual} min")),
                    ],
                    weight: None,
                });
            }
        }
        hits
    }
}
