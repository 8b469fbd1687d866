//! The events of one rule and key in order of time, whatever the order in which they came.
//!
//! Memory at the end of the window is kept as `base`; what came since is kept as events, so that a late one can be put
//! in its place and everything after it judged again.

use std::sync::Arc;

use linkward_evidence::event::Event;
use linkward_model::Instant;

use crate::Estate;
use crate::rule::{Fold, Hit};

/// Events that may stand in a tail before it is looked at for shortening.
pub(crate) const SLACK: usize = 64;

#[derive(Debug)]
pub(crate) struct Timeline {
    pub(crate) rule: usize,
    base: Box<dyn Fold>,
    base_until: Option<Instant>,
    tail: Vec<Arc<Event>>,
    head: Box<dyn Fold>,
    /// Hits of events that are in `base`, then those of the tail.
    hits: Vec<Hit>,
    settled: usize,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    AtTheEnd,
    /// Put in its place; what came after was judged again.
    Between,
    Repeated,
    /// Older than the window: not judged.
    TooLate,
}

impl Timeline {
    pub(crate) fn new(rule: usize, fold: Box<dyn Fold>) -> Self {
        Self {
            rule,
            base: fold.copy(),
            base_until: None,
            tail: Vec::new(),
            head: fold,
            hits: Vec::new(),
            settled: 0,
        }
    }

    /// As it was when its parts were taken from another.
    pub(crate) fn reopen(
        rule: usize,
        base: Box<dyn Fold>,
        base_until: Option<Instant>,
        settled: Vec<Hit>,
        tail: Vec<Arc<Event>>,
        estate: &Estate,
    ) -> Self {
        let (mut head, mut hits) = (base.copy(), settled);
        let settled = hits.len();
        tail.iter().for_each(|event| head.step(event, estate, &mut hits));
        Self { rule, base, base_until, tail, head, hits, settled }
    }

    pub(crate) fn base(&self) -> serde_json::Value {
        self.base.keep()
    }

    pub(crate) fn until(&self) -> Option<Instant> {
        self.base_until
    }

    pub(crate) fn settled(&self) -> &[Hit] {
        self.hits.get(..self.settled).unwrap_or_default()
    }

    pub(crate) fn tail(&self) -> &[Arc<Event>] {
        &self.tail
    }

    pub(crate) fn insert(&mut self, event: &Arc<Event>, estate: &Estate) -> Placed {
        let place = (event.at(), &*event.id);
        if self.base_until.is_some_and(|until| event.at() <= until) {
            return Placed::TooLate;
        }
        let last = self.tail.last().map(|last| (last.at(), &*last.id));
        if last.is_none_or(|last| last < place) {
            self.tail.push(Arc::clone(event));
            self.head.step(event, estate, &mut self.hits);
            return Placed::AtTheEnd;
        }
        match self.tail.binary_search_by(|other| (other.at(), &*other.id).cmp(&place)) {
            Ok(_) => Placed::Repeated,
            Err(at) => {
                self.tail.insert(at, Arc::clone(event));
                self.head = self.base.copy();
                self.hits.truncate(self.settled);
                for event in &self.tail {
                    self.head.step(event, estate, &mut self.hits);
                }
                Placed::Between
            }
        }
    }

    /// Moves events that no late one can precede any more into `base`, once there are enough to be worth it.
    pub(crate) fn shorten(&mut self, before: Instant, estate: &Estate, least: usize) {
        if self.tail.len() < least {
            return;
        }
        let count = self.tail.partition_point(|event| event.at() < before);
        if count < least.div_ceil(2) {
            return;
        }
        let mut hits = Vec::new();
        for event in self.tail.drain(..count) {
            self.base.step(&event, estate, &mut hits);
            self.base_until = Some(event.at());
        }
        self.settled += hits.len();
        self.tail.shrink_to_fit();
    }

    pub(crate) fn due(&self, after: Instant) -> Option<Instant> {
        self.head.due(after)
    }

    pub(crate) fn pending(&self) -> bool {
        self.head.pending()
    }

    /// Everything that the rule sees for this key, as time stands.
    pub(crate) fn hits(&self, watermark: Instant) -> Vec<Hit> {
        let mut hits = self.hits.clone();
        self.head.settle(watermark, &mut hits);
        hits
    }

    pub(crate) fn count(&self) -> usize {
        self.hits.len()
    }

    pub(crate) fn events(&self) -> usize {
        self.tail.len()
    }
}
