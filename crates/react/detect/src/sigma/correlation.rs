//! Correlations: how often, how many different, what together, what in this order, within a time and for a group.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use linkward_evidence::event::Event;
use linkward_model::Instant;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::matcher::{Order, text, values};
use super::{SigmaRule, subject};
use crate::Estate;
use crate::rule::{Fold, Hit, memory};

/// Events that one group may hold; beyond it the oldest go, and what they would have shown was shown.
const MAX_HELD: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    EventCount,
    ValueCount,
    Temporal,
    TemporalOrdered,
}

/// How the count is held against a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Than(Order, u64),
    Equal(u64),
}

#[derive(Debug)]
pub(crate) struct Correlation {
    pub(crate) kind: Kind,
    pub(crate) rules: Vec<&'static SigmaRule>,
    pub(crate) group_by: Vec<String>,
    /// By a name in `group_by`, the field that each rule has for it.
    pub(crate) aliases: BTreeMap<String, BTreeMap<usize, String>>,
    pub(crate) millis: i64,
    /// Of temporal ones: every rule.
    pub(crate) asked: Asked,
    /// Of `value_count`.
    pub(crate) field: Option<String>,
}

/// What is kept of an event for a correlation: nothing of what the source said but this.
const MATCHED: &str = "sigma_rules";
const VALUE: &str = "sigma_value";

impl Correlation {
    fn matched(&self, event: &Event) -> Vec<usize> {
        let rules = self.rules.iter().enumerate();
        rules.filter(|(_, rule)| rule.detects(event)).map(|(number, _)| number).collect()
    }

    fn field_of(&self, event: &Event, number: usize, name: &str) -> Option<String> {
        let rule = self.rules.get(number)?;
        let own = self.aliases.get(name).and_then(|by| by.get(&number)).map_or(name, String::as_str);
        let document = rule.feed.document(event);
        values(&document, own).into_iter().find_map(text).map(std::borrow::Cow::into_owned)
    }

    /// The group of an event; none where no rule fits or a field is missing.
    pub(crate) fn key(&self, event: &Event) -> Option<Box<str>> {
        let number = *self.matched(event).first()?;
        let mut parts = Vec::with_capacity(self.group_by.len());
        for name in &self.group_by {
            parts.push(self.field_of(event, number, name)?);
        }
        // Without a group all are one.
        Some(if parts.is_empty() { Box::from("all") } else { parts.join(" ").into() })
    }

    /// The event without what the source said, but with what the fold needs of it.
    pub(crate) fn slim(&self, event: &Event) -> Option<Arc<Event>> {
        let matched = self.matched(event);
        let value = match &self.field {
            Some(field) => self.field_of(event, *matched.first()?, field),
            None => None,
        };
        let subject = match self.group_by.as_slice() {
            [] => subject(event).to_owned(),
            _ => self.key(event)?.into_string(),
        };
        let mut slim = event.clone().without_raw();
        slim.raw = json!({ MATCHED: matched, VALUE: value, "sigma_subject": subject });
        Some(Arc::new(slim))
    }

    pub(crate) fn fold(&self) -> Box<dyn Fold> {
        let (least, exact) = match self.asked {
            Asked::Than(Order::AtLeast, number) => (number, None),
            Asked::Than(Order::Greater, number) => (number.saturating_add(1), None),
            Asked::Equal(number) => (number, Some(number)),
            // Fewer than so many is true from the start: `read` refuses it.
            Asked::Than(Order::Less | Order::AtMost, _) => (u64::MAX, None),
        };
        Box::new(Window {
            kind: self.kind,
            rules: self.rules.len(),
            millis: self.millis,
            least,
            exact,
            held: VecDeque::new(),
            over: false,
        })
    }
}

/// The events of one group that may still count.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Window {
    kind: Kind,
    rules: usize,
    millis: i64,
    least: u64,
    exact: Option<u64>,
    held: VecDeque<Held>,
    /// Whether it is shown already; it is shown again once it was no longer so.
    over: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Held {
    at: Instant,
    matched: Vec<usize>,
    value: Option<String>,
}

impl Window {
    fn count(&self) -> u64 {
        let count = match self.kind {
            Kind::EventCount => self.held.len(),
            Kind::ValueCount => {
                self.held.iter().filter_map(|held| held.value.as_ref()).collect::<BTreeSet<_>>().len()
            }
            Kind::Temporal => self.held.iter().flat_map(|held| &held.matched).collect::<BTreeSet<_>>().len(),
            Kind::TemporalOrdered => self.in_order(),
        };
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// How many rules in their order, one after another.
    fn in_order(&self) -> usize {
        let mut next = 0;
        for held in &self.held {
            if held.matched.contains(&next) {
                next += 1;
            }
        }
        next
    }

    fn fires(&self) -> bool {
        match self.kind {
            Kind::Temporal | Kind::TemporalOrdered => self.count() >= self.rules as u64,
            Kind::EventCount | Kind::ValueCount => match self.exact {
                Some(exact) => self.count() == exact,
                None => self.count() >= self.least,
            },
        }
    }
}

impl Fold for Window {
    fn step(&mut self, event: &Event, _: &Estate, hits: &mut Vec<Hit>) {
        let at = event.at();
        let read = |name: &str| event.raw.get(name).cloned().unwrap_or(Value::Null);
        let matched = serde_json::from_value(read(MATCHED)).unwrap_or_default();
        let value = read(VALUE).as_str().map(str::to_owned);
        self.held.retain(|held| at.since(held.at) <= self.millis);
        // What it no longer comes to by itself may be shown again.
        self.over = self.over && self.fires();
        self.held.push_back(Held { at, matched, value });
        if self.held.len() > MAX_HELD {
            self.held.pop_front();
        }
        let fires = self.fires();
        if fires && !self.over {
            let subject = read("sigma_subject");
            let hit = Hit::new(event, subject.as_str().unwrap_or("all"))
                .fact("count", self.count())
                .fact("within", format!("{} s", self.millis / 1000));
            hits.push(hit);
        }
        self.over = fires;
    }

    memory!();
}
