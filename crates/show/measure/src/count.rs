//! What is counted.

use std::collections::{BTreeMap, VecDeque};

use linkward_ledger::Kind;
use linkward_model::Instant;
use linkward_record::{Store, StoreError};
use serde::{Deserialize, Serialize};

use crate::Tally;
use crate::measure::quantile;

pub(crate) const WEEK: i64 = 7 * 24 * 60 * 60 * 1000;

/// Bounds of durations, in seconds.
pub(crate) const BOUNDS: [f64; 9] = [0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 900.0, 3600.0];
/// Durations that shares are taken of.
const RECENT: usize = 4096;

/// Rules whose findings are anomalies of runners.
pub(crate) const RUNNER: &[&str] =
    &["first-runner", "steps-altered", "publish-run-failed", "cache-crossed", "first-egress"];
/// Rules whose findings are unexpected writes to a registry.
pub(crate) const REGISTRY: &[&str] = &["tag-moved", "registry-write-unauthorised", "digest-differs"];

/// How long something took, many times: all in buckets, the newest as they were.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Durations {
    /// By bound, how many were at most that long.
    pub(crate) below: [u64; BOUNDS.len()],
    pub count: u64,
    #[serde(with = "bits")]
    pub sum: f64,
    #[serde(with = "many_bits")]
    recent: VecDeque<f64>,
}

/// A number that has to come back to the last bit.
mod bits {
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(number.to_bits())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(f64::from_bits(u64::deserialize(deserializer)?))
    }
}

/// Many of them.
mod many_bits {
    use std::collections::VecDeque;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        numbers: &VecDeque<f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(numbers.iter().map(|number| number.to_bits()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<VecDeque<f64>, D::Error> {
        Ok(Vec::<u64>::deserialize(deserializer)?.into_iter().map(f64::from_bits).collect())
    }
}

impl Durations {
    pub fn take(&mut self, seconds: f64) {
        for (below, bound) in self.below.iter_mut().zip(BOUNDS) {
            *below += u64::from(seconds <= bound);
        }
        self.count += 1;
        self.sum += seconds;
        self.recent.push_back(seconds);
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
    }

    /// A share of the newest four thousand.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let mut sorted: Vec<f64> = self.recent.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        quantile(&sorted, share)
    }

    /// How many were at most an hour, or another of the bounds.
    pub(crate) fn within(&self, bound: f64) -> u64 {
        let place = BOUNDS.iter().position(|known| *known >= bound);
        place.and_then(|place| self.below.get(place)).copied().unwrap_or(self.count)
    }
}

impl FromIterator<f64> for Durations {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut durations = Self::default();
        values.into_iter().for_each(|value| durations.take(value));
        durations
    }
}

/// What the record holds, counted. Every number is of records that can be looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Records that were looked at.
    pub records: u64,
    pub kinds: BTreeMap<Kind, u64>,
    /// Gate decisions by outcome.
    pub decisions: BTreeMap<String, u64>,
    /// Decisions that retention deleted: nobody can say any more how they went.
    pub decisions_deleted: u64,
    /// Builds that were recorded, and those whose products have an SBOM: whole, or with gaps.
    pub builds: u64,
    pub builds_with_sbom: u64,
    pub builds_with_gaps: u64,
    /// Artifacts that were seen, and those with a proven signature.
    pub artifacts: u64,
    pub signed: u64,
    /// Packages of the newest SBOMs, and those that the SBOMs of a week before did not have; absent without a week.
    pub dependencies: u64,
    pub new_dependencies: Option<u64>,
    pub runner_anomalies: u64,
    pub runner_anomalies_week: u64,
    pub registry_anomalies: u64,
    /// Seconds from an event to its finding; of what was heard as it happened.
    pub latencies: Durations,
    /// Seconds from a failed revision to the next that is ready.
    pub rollbacks: Durations,
    /// By environment: artifacts, and those with signature, provenance and SBOM.
    pub provenance: BTreeMap<String, (u64, u64)>,
    /// Artifacts by the outcome of their newest verdict.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Findings by rule, alert and state, in their newest state.
    pub findings: BTreeMap<(String, String, String), u64>,
    /// When each source was last heard.
    pub sources: BTreeMap<String, Instant>,
    /// Whether any event was ever taken in: without one, no anomaly proves nothing.
    pub watched: bool,
    /// Workloads that run, and those that run something whose newest verdict is not that it may.
    pub workloads: u64,
    pub unverified_workloads: u64,
    pub unverified: Vec<String>,
    /// The newest decisions that were not to allow, oldest first.
    pub refused: Vec<Refused>,
    /// The newest SBOM of each project.
    pub projects: Vec<Project>,
}

/// A deployment that was not allowed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    pub at: Instant,
    pub image: String,
    pub namespace: String,
    pub outcome: String,
    pub code: Option<String>,
    pub verdict: Option<u64>,
    /// The record that it was sealed in.
    pub record: u64,
}

/// How a project stands with its SBOM.
#[derive(Clone, Debug, PartialEq)]
pub struct Project {
    pub name: String,
    pub at: Instant,
    pub gaps: bool,
    /// Points of 100; absent where the record does not say them.
    pub quality: Option<u8>,
}

/// Whether findings of a rule are anomalies of runners.
pub fn is_runner(rule: &str) -> bool {
    RUNNER.contains(&rule)
}

/// Whether findings of a rule are unexpected writes to a registry.
pub fn is_registry(rule: &str) -> bool {
    REGISTRY.contains(&rule)
}

impl Counts {
    /// Points of 100 of the newest SBOMs on average, and how many say them.
    pub fn quality(&self) -> Option<(f64, usize)> {
        let points: Vec<u8> = self.projects.iter().filter_map(|project| project.quality).collect();
        let sum: u64 = points.iter().map(|points| u64::from(*points)).sum();
        (!points.is_empty()).then(|| (sum as f64 / points.len() as f64, points.len()))
    }

    /// Findings that stand, by alert.
    pub fn standing(&self, alert: &str) -> u64 {
        let stands = |key: &(String, String, String)| key.1 == alert && key.2 != "withdrawn";
        self.findings.iter().filter(|(key, _)| stands(key)).map(|(_, number)| number).sum()
    }
}

/// Counts the whole record at once, for whoever asks only once.
///
/// # Errors
/// The record cannot be read.
pub fn count(store: &Store, now: Instant) -> Result<Counts, StoreError> {
    let mut tally = Tally::default();
    while !tally.advance(store, u64::MAX / 2)? {}
    Ok(tally.counts(now))
}
