//! What an advisory file can speak for: its sources, and how fresh each ecosystem's data is.

use std::collections::BTreeMap;

use linkward_model::{Digest, Instant};
use serde::{Deserialize, Serialize};

/// Where records came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub name: String,
    /// Of the names and bytes of all records that were read.
    pub digest: Digest,
    pub records: usize,
    /// The time up to which the source is known to speak: said by the operator, or that of its newest record.
    pub as_of: Option<Instant>,
    /// Records that could not be read; what they say is missing from every answer.
    pub unreadable: usize,
}

/// What is known of one ecosystem.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    pub packages: usize,
    /// Advisories on vulnerabilities; without any the ecosystem is not covered, however many malicious packages are known.
    pub advisories: usize,
    pub malicious: usize,
    pub as_of: Option<Instant>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    pub made_by: String,
    pub sources: Vec<Source>,
    /// By ecosystem as the OSV schema spells it, with its release where it has one.
    pub coverage: BTreeMap<String, Coverage>,
    pub withdrawn: usize,
    /// Lists that say what to mend first.
    #[serde(default)]
    pub priorities: Vec<Source>,
    pub(crate) ecosystems: Vec<String>,
    pub(crate) bucket_bits: u32,
}

impl Meta {
    pub fn advisories(&self) -> usize {
        self.coverage.values().map(|coverage| coverage.advisories + coverage.malicious).sum()
    }

    pub fn unreadable(&self) -> usize {
        self.sources.iter().map(|source| source.unreadable).sum()
    }
}
