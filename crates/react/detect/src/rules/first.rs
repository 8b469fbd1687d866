//! First sights: a value that a subject never showed before, once the subject is known well enough.
//!
//! Forgets after 90 days, learns for 14 days and 10 observations: shorter windows cry at everybody who releases monthly.

use std::collections::BTreeMap;

use linkward_evidence::event::Event;
use linkward_model::Instant;

use crate::Estate;
use crate::rule::{About, Fold, Hit, Rule};

const DAY: i64 = 24 * 60 * 60 * 1000;
const MEMORY: i64 = 90 * DAY;
const LEARNING: i64 = 14 * DAY;
const OBSERVATIONS: u32 = 10;
/// Values that are remembered of one subject; the one that was not seen for longest goes first.
const MOST: usize = 256;

/// What a first-sight rule looks at in an event.
type Value = fn(&Event) -> Option<Box<str>>;

/// A rule about something that a subject never showed before.
#[derive(Debug)]
pub(crate) struct FirstSight {
    pub(super) about: &'static About,
    /// The value's name, for people.
    pub(super) what: &'static str,
    /// Whose memory it is.
    pub(super) key: Value,
    pub(super) value: Value,
}

impl Rule for FirstSight {
    fn about(&self) -> &'static About {
        self.about
    }

    fn key(&self, event: &Event, _: &Estate) -> Option<Box<str>> {
        (self.key)(event)
    }

    fn fold(&self) -> Option<Box<dyn Fold>> {
        let (value, what) = (self.value, self.what);
        Some(Box::new(Seen { value, what, since: None, count: 0, seen: BTreeMap::new() }))
    }
}

#[derive(Clone)]
struct Seen {
    value: Value,
    what: &'static str,
    since: Option<Instant>,
    count: u32,
    seen: BTreeMap<Box<str>, Instant>,
}

impl Fold for Seen {
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

    fn keep(&self) -> serde_json::Value {
        serde_json::json!([self.since, self.count, self.seen])
    }

    fn reopen(&self, kept: serde_json::Value) -> Option<Box<dyn Fold>> {
        let (since, count, seen) = serde_json::from_value(kept).ok()?;
        Some(Box::new(Self { since, count, seen, ..self.clone() }))
    }
}

/// What findings of an event are about: the nearest thing that other findings may be about too.
pub(super) fn entity(event: &Event) -> Box<str> {
    let named = [&event.package, &event.repository, &event.role, &event.actor].into_iter().flatten().next();
    named.cloned().unwrap_or_else(|| event.source.as_str().into())
}
