//! First sights: a value that a subject never showed before, once the subject is known well enough.
//!
//! Forgets after 90 days, learns for 14 days and 10 observations: shorter windows cry at everybody who releases monthly.

use std::collections::BTreeMap;

use linkward_evidence::event::Event;
use linkward_model::Instant;

use crate::Estate;
use crate::rule::{Fold, Hit};

const DAY: i64 = 24 * 60 * 60 * 1000;
const MEMORY: i64 = 90 * DAY;
const LEARNING: i64 = 14 * DAY;
const OBSERVATIONS: u32 = 10;
/// Values that are remembered of one subject; the one that was not seen for longest goes first.
const MOST: usize = 256;

/// What a first-sight rule looks at in an event.
pub(super) type Value = fn(&Event) -> Option<Box<str>>;

#[derive(Clone)]
pub(super) struct FirstSight {
    value: Value,
    what: &'static str,
    since: Option<Instant>,
    count: u32,
    seen: BTreeMap<Box<str>, Instant>,
}

impl FirstSight {
    pub(super) fn boxed(what: &'static str, value: Value) -> Box<dyn Fold> {
        Box::new(Self { value, what, since: None, count: 0, seen: BTreeMap::new() })
    }
}

impl Fold for FirstSight {
    fn step(&mut self, event: &Event, _: &Estate, hits: &mut Vec<Hit>) {
        let Some(value) = (self.value)(event) else { return };
        let at = event.at();
        let since = *self.since.get_or_insert(at);
        let known = self.seen.get(&value).is_some_and(|last| at.since(*last) <= MEMORY);
        if !known && self.count >= OBSERVATIONS && at.since(since) >= LEARNING {
            let others: Vec<&str> = self.seen.keys().take(5).map(|other| &**other).collect();
            hits.push(
                Hit::new(event, &entity(event))
                    .fact(self.what, &value)
                    .fact("seen before", others.join(", ")),
            );
        }
        self.count = self.count.saturating_add(1);
        self.seen.insert(value, at);
        if self.seen.len() > MOST
            && let Some(oldest) =
                self.seen.iter().min_by_key(|(_, last)| **last).map(|(value, _)| value.clone())
        {
            self.seen.remove(&oldest);
        }
    }

    fn copy(&self) -> Box<dyn Fold> {
        Box::new(self.clone())
    }
}

/// What findings of an event are about: the nearest thing that other findings may be about too.
pub(super) fn entity(event: &Event) -> Box<str> {
    let named = [&event.package, &event.repository, &event.role, &event.actor].into_iter().flatten().next();
    named.cloned().unwrap_or_else(|| event.source.as_str().into())
}
