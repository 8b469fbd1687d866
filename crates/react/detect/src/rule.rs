//! What a rule is.

use std::sync::Arc;

use linkward_evidence::event::{Action, Event, Source};
use linkward_model::Instant;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kept::facts;
use crate::{Estate, State};

/// What a rule's findings are worth by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// An invariant is broken, and the finding shows it: may page, is never muted by maintenance.
    Invariant,
    /// Something happened for the first time: a ticket.
    FirstSight,
    /// A weight: says nothing alone.
    Weight,
}

impl Tier {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invariant => "invariant",
            Self::FirstSight => "first-sight",
            Self::Weight => "weight",
        }
    }
}

/// Everything about a rule that is not code.
#[derive(Debug, Serialize)]
pub struct About {
    /// kebab-case; also the name of its file, its cases and its page.
    pub id: &'static str,
    pub tier: Tier,
    /// What the finding says, as a sentence.
    pub title: &'static str,
    /// Why an attacker cares.
    pub why: &'static str,
    /// What would make it benign.
    pub benign: &'static str,
    /// What to do first.
    pub response: &'static str,
    /// Fields of the event that decide; a test drops each of them.
    pub fields: &'static [&'static str],
    #[serde(skip)]
    pub actions: &'static [Action],
    /// Sources without which it sees nothing.
    pub sources: &'static [Source],
    /// Detections, failure modes, attack patterns, ATT&CK techniques, mitigations.
    pub covers: &'static [&'static str],
    /// In thousandths of a bit, for combination.
    pub weight: u32,
}

/// One way to notice.
///
/// Contract: `judge` and the folds are pure: same events in the same order, same hits. The engine sorts.
pub trait Rule: Sync {
    fn about(&self) -> &'static About;

    /// Why the rule cannot see anything with this estate.
    fn unarmed(&self, _: &Estate) -> Option<&'static str> {
        None
    }

    /// What one event shows by itself.
    fn judge(&self, _: &Event, _: &Estate) -> Option<Hit> {
        None
    }

    /// What an event belongs to, for rules that look at more than one.
    fn key(&self, _: &Event, _: &Estate) -> Option<Box<str>> {
        None
    }

    /// What is kept of an event for this rule's memory, where that is more than its named fields.
    fn slim(&self, _: &Event) -> Option<Arc<Event>> {
        None
    }

    /// Fresh memory for one key; absent for rules that look at one event.
    fn fold(&self) -> Option<Box<dyn Fold>> {
        None
    }
}

/// The memory of a rule for one key, moved on by events in order of time.
pub trait Fold: Send + Sync {
    fn step(&mut self, event: &Event, estate: &Estate, hits: &mut Vec<Hit>);

    /// The earliest time after `_` at which waiting ends for something that is still absent.
    fn due(&self, _: Instant) -> Option<Instant> {
        None
    }

    /// Whether `settle` has anything to say: what an event shows then depends on later ones.
    fn pending(&self) -> bool {
        false
    }

    /// What is still absent, as time stands: provisional before its due time, confirmed after.
    fn settle(&self, _: Instant, _: &mut Vec<Hit>) {}

    fn copy(&self) -> Box<dyn Fold>;

    /// The memory, for the next start.
    fn keep(&self) -> Value;

    /// The memory that was kept, into a fresh fold of the same rule; nothing where it is of another shape.
    fn reopen(&self, kept: Value) -> Option<Box<dyn Fold>>;
}

/// Copying and keeping, for folds that are their own memory.
macro_rules! memory {
    () => {
        fn copy(&self) -> Box<dyn Fold> {
            Box::new(self.clone())
        }

        fn keep(&self) -> serde_json::Value {
            serde_json::to_value(self).unwrap_or_default()
        }

        fn reopen(&self, kept: serde_json::Value) -> Option<Box<dyn Fold>> {
            Some(Box::new(serde_json::from_value::<Self>(kept).ok()?))
        }
    };
}
pub(crate) use memory;

impl std::fmt::Debug for dyn Fold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fold")
    }
}

/// What a rule saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// The event that completes it.
    pub event: Box<str>,
    pub source: Source,
    pub at: Instant,
    /// What it is about: a repository, package, role. Findings of one subject are combined.
    pub subject: Box<str>,
    pub state: State,
    /// What was compared, for people: each a name and a value.
    #[serde(with = "facts")]
    pub facts: Vec<(&'static str, String)>,
    /// In thousandths of a bit; the rule's own weight where it is `None`.
    pub weight: Option<u32>,
}

impl Hit {
    pub(crate) fn new(event: &Event, subject: &str) -> Self {
        Self {
            event: event.id.clone(),
            source: event.source,
            at: event.at(),
            subject: subject.into(),
            state: State::Confirmed,
            facts: Vec::new(),
            weight: None,
        }
    }

    #[must_use]
    pub(crate) fn fact(mut self, name: &'static str, value: impl ToString) -> Self {
        self.facts.push((name, value.to_string()));
        self
    }

    /// A fact that may not be known.
    #[must_use]
    pub(crate) fn says(self, name: &'static str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.fact(name, value),
            None => self,
        }
    }
}
