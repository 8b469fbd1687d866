//! A finding: what was noticed, with everything that it takes to see why.

use std::fmt;

use linkward_evidence::event::Source;
use linkward_model::{Digest, Instant};
use serde::{Deserialize, Serialize};

use crate::Tier;
use crate::rule::{About, Hit};

/// Whether it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Something is absent that may still arrive.
    Provisional,
    Confirmed,
    /// What was missed arrived late.
    Withdrawn,
}

impl State {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Provisional => "provisional",
            Self::Confirmed => "confirmed",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Who hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alert {
    /// Kept, for combination and for the record.
    None,
    Ticket,
    Page,
}

impl Alert {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Ticket => "ticket",
            Self::Page => "page",
        }
    }
}

/// Made from rule, subject and event: the same finding has the same id on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FindingId(Digest);

impl FindingId {
    pub(crate) fn new(rule: &str, subject: &str, event: &str) -> Self {
        Self(Digest::sha256(format!("{rule}\0{subject}\0{event}").as_bytes()))
    }

    /// Sixteen digits: what people type.
    pub fn short(&self) -> String {
        self.0.hex().get(..16).unwrap_or_default().to_owned()
    }

    pub fn digest(&self) -> Digest {
        self.0
    }
}

impl fmt::Display for FindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    pub name: String,
    pub value: String,
}

/// What was noticed. Its bytes are a function of the events alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub id: FindingId,
    pub rule: &'static str,
    pub tier: Tier,
    pub alert: Alert,
    pub state: State,
    /// When the event happened that completes it.
    pub at: Instant,
    pub source: Source,
    pub subject: String,
    pub title: &'static str,
    pub facts: Vec<Fact>,
    /// The event that completes it.
    pub event: String,
    /// In thousandths of a bit.
    pub weight: u32,
}

impl Finding {
    pub(crate) fn new(about: &'static About, hit: &Hit) -> Self {
        let alert = match about.tier {
            // What may still arrive wakes nobody.
            Tier::Invariant if hit.state == State::Confirmed => Alert::Page,
            Tier::Invariant | Tier::FirstSight => Alert::Ticket,
            Tier::Weight => Alert::None,
        };
        let facts = hit.facts.iter();
        Self {
            id: FindingId::new(about.id, &hit.subject, &hit.event),
            rule: about.id,
            tier: about.tier,
            alert,
            state: hit.state,
            at: hit.at,
            source: hit.source,
            subject: hit.subject.to_string(),
            title: about.title,
            facts: facts
                .map(|(name, value)| Fact { name: (*name).to_owned(), value: value.clone() })
                .collect(),
            event: hit.event.to_string(),
            weight: hit.weight.unwrap_or(about.weight),
        }
    }
}
