//! Rules in the Sigma format (specification v2.1): detections over what a source said, whole, and correlations of them.
//!
//! A rule that uses what is not evaluated here is refused with its place: one that silently never matched would be worse
//! than none. A Sigma finding is a ticket at most; what proves itself has rules of its own.

mod condition;
mod correlation;
mod logsource;
mod matcher;
mod read;
mod router;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use linkward_evidence::event::{Event, Source};
use linkward_model::Digest;
use serde_json::Value;

pub use read::{Refused, load};

use crate::rule::{About, Fold, Hit, Rule};
use crate::sight::{Heard, Sight};
use condition::Condition;
use correlation::Correlation;
use logsource::Feed;
use matcher::Selection;
pub(crate) use router::Router;

/// Everything that was loaded. It lives as long as the process: rules are read once at a start.
#[derive(Debug, Clone, Default)]
pub struct Pack {
    pub(crate) rules: Vec<&'static SigmaRule>,
    digest: Option<Digest>,
}

impl Pack {
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Of the rules' texts: what was folded with other rules is folded anew.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Each rule, and whether what it looks at was ever heard.
    pub fn sight(&self, heard: &Heard) -> Vec<(&'static About, Sight)> {
        let of = |rule: &&'static SigmaRule| {
            let rules: Vec<&SigmaRule> = match &rule.what {
                What::Correlation(correlation) => correlation.rules.clone(),
                What::Detection(_) => vec![*rule],
            };
            let unheard = |rule: &&SigmaRule| {
                let feeds = rule.feed.feeds();
                !feeds.is_empty() && !feeds.iter().any(|feed| heard.has_heard(feed))
            };
            let missing: Vec<&'static str> = rules
                .into_iter()
                .filter(unheard)
                .flat_map(|rule| rule.feed.feeds().iter().copied())
                .collect();
            let sight = if missing.is_empty() { Sight::Armed } else { Sight::Unheard { sources: missing } };
            (rule.about, sight)
        };
        self.rules.iter().map(of).collect()
    }

    /// Everything about each rule.
    pub fn about(&self) -> impl Iterator<Item = &'static About> {
        self.rules.iter().map(|rule| rule.about)
    }
}

/// One rule, or one correlation.
#[derive(Debug)]
pub(crate) struct SigmaRule {
    about: &'static About,
    feed: Feed,
    what: What,
    /// Whether it fires by itself; rules that a correlation counts do only where it says `generate`.
    silent: AtomicBool,
}

#[derive(Debug)]
enum What {
    Detection(Detection),
    Correlation(Correlation),
}

/// Selections and how they are joined.
#[derive(Debug)]
struct Detection {
    selections: Vec<(String, Selection)>,
    conditions: Vec<Condition>,
    /// Fields that the rule wants shown.
    fields: Vec<String>,
}

impl Detection {
    fn matches(&self, document: &Value) -> bool {
        let holds = |name: &str| {
            let found = self.selections.iter().find(|(known, _)| known == name);
            found.is_some_and(|(_, selection)| selection.matches(document))
        };
        let names: Vec<&str> = self.selections.iter().map(|(name, _)| name.as_str()).collect();
        // Several conditions are alternatives.
        self.conditions.iter().any(|condition| condition.holds(&names, &holds))
    }
}

impl SigmaRule {
    pub(crate) fn source(&self) -> Option<Source> {
        self.feed.source()
    }

    fn detects(&self, event: &Event) -> bool {
        match &self.what {
            What::Detection(detection) => {
                self.feed.fits(event) && detection.matches(&self.feed.document(event))
            }
            What::Correlation(_) => false,
        }
    }
}

/// Who or what an event is about.
fn subject(event: &Event) -> &str {
    let all = [&event.actor, &event.role, &event.repository, &event.package];
    all.into_iter().find_map(|field| field.as_deref()).unwrap_or(&event.id)
}

impl Rule for SigmaRule {
    fn about(&self) -> &'static About {
        self.about
    }

    fn judge(&self, event: &Event, _: &crate::Estate) -> Option<Hit> {
        if self.silent.load(Ordering::Relaxed) || !self.detects(event) {
            return None;
        }
        let mut hit = Hit::new(event, subject(event));
        if let What::Detection(detection) = &self.what {
            for field in detection.fields.iter().take(16) {
                let document = self.feed.document(event);
                let found = matcher::values(&document, field);
                if let Some(value) = found.first().and_then(|value| matcher::text(value)) {
                    hit = hit.fact(crate::kept::lasting(field), value.chars().take(200).collect::<String>());
                }
            }
        }
        Some(hit)
    }

    fn key(&self, event: &Event, _: &crate::Estate) -> Option<Box<str>> {
        match &self.what {
            What::Correlation(correlation) => correlation.key(event),
            What::Detection(_) => None,
        }
    }

    fn slim(&self, event: &Event) -> Option<Arc<Event>> {
        match &self.what {
            What::Correlation(correlation) => correlation.slim(event),
            What::Detection(_) => None,
        }
    }

    fn fold(&self) -> Option<Box<dyn Fold>> {
        match &self.what {
            What::Correlation(correlation) => Some(correlation.fold()),
            What::Detection(_) => None,
        }
    }
}
