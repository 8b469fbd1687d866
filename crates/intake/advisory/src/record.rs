//! An advisory as every source says it, before its ranges are evaluated.

use linkward_model::Instant;
use serde_json::Value;

use crate::severity::Severity;

#[derive(Clone, Debug, PartialEq)]
pub struct Advisory {
    pub id: String,
    pub aliases: Vec<String>,
    pub modified: Option<Instant>,
    pub published: Option<Instant>,
    pub withdrawn: bool,
    pub summary: String,
    pub severity: Severity,
    pub references: Vec<String>,
    pub affected: Vec<Affected>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Affected {
    /// As OSV spells it: `PyPI`, `Debian:12`.
    pub ecosystem: String,
    pub name: String,
    pub ranges: Vec<Range>,
    /// Versions that are affected whatever the ranges say.
    pub versions: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Range {
    pub kind: RangeKind,
    pub events: Vec<Event>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeKind {
    SemVer,
    Ecosystem,
    Git,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Introduced(String),
    Fixed(String),
    LastAffected(String),
    Limit(String),
}

impl Advisory {
    /// Records of packages that were made to do harm: every version that they name is to be blocked.
    pub fn is_malicious(&self) -> bool {
        self.id.starts_with("MAL-")
    }
}

impl Affected {
    /// The ranges in short, for people and for the stored details.
    pub(crate) fn describe(&self) -> Value {
        let ranges: Vec<Value> = self
            .ranges
            .iter()
            .map(|range| {
                let events = range.events.iter().map(|event| match event {
                    Event::Introduced(at) => format!("introduced {at}"),
                    Event::Fixed(at) => format!("fixed {at}"),
                    Event::LastAffected(at) => format!("last affected {at}"),
                    Event::Limit(at) => format!("limit {at}"),
                });
                events.collect::<Vec<_>>().join(", ").into()
            })
            .collect();
        serde_json::json!({
            "ecosystem": self.ecosystem, "name": self.name, "ranges": ranges, "versions": self.versions.len(),
        })
    }
}
