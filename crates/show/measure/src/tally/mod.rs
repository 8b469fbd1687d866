//! What the record holds, counted as it grows: each record is looked at once, whatever the number of questions.
//!
//! A fold over the log in its order, kept in memory. Things are remembered by the first 16 bytes of their digests:
//! these are counts, not proofs.

mod artifacts;
mod dependencies;
mod deployments;
mod findings;
mod kept;
mod verdicts;

use std::collections::{BTreeMap, VecDeque};

use linkward_ledger::{Body, Kind};
use linkward_model::{Digest, Instant};
use linkward_record::{Row, Store, StoreError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::artifacts::Artifacts;
use self::dependencies::Dependencies;
use self::deployments::Deployments;
use self::findings::Findings;
use self::verdicts::Verdicts;
use crate::{Counts, Refused};

/// Records that are read at once.
const ROUND: usize = 500;

#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Records that were folded.
    next: u64,
    kinds: BTreeMap<Kind, u64>,
    decisions: BTreeMap<String, u64>,
    /// Decisions whose lines retention deleted.
    deleted: u64,
    artifacts: Artifacts,
    dependencies: Dependencies,
    deployments: Deployments,
    findings: Findings,
    verdicts: Verdicts,
    sources: BTreeMap<String, Instant>,
    watched: bool,
    refused: VecDeque<Refused>,
}

/// Refused deployments that are remembered.
const REFUSED: usize = 500;

/// The first 16 bytes of a digest.
fn mark(digest: &Digest) -> u128 {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(digest.as_bytes()) {
        *to = *from;
    }
    u128::from_le_bytes(bytes)
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn digest(value: &Value, pointer: &str) -> Option<u128> {
    text(value, pointer)?.parse().ok().map(|digest: Digest| mark(&digest))
}

impl Tally {
    /// Folds what was recorded since, at most so many records. Returns whether nothing is left.
    ///
    /// # Errors
    /// The record cannot be read; what was folded before stays.
    pub fn advance(&mut self, store: &Store, most: u64) -> Result<bool, StoreError> {
        let end = self.next.saturating_add(most);
        loop {
            let left = usize::try_from(end - self.next).unwrap_or(ROUND);
            let rows = store.rows_from(self.next, ROUND.min(left))?;
            if rows.is_empty() {
                return Ok(left > 0);
            }
            for row in &rows {
                self.take(store, row)?;
                self.next = row.index + 1;
            }
        }
    }

    /// Records that were folded.
    pub fn size(&self) -> u64 {
        self.next
    }

    fn take(&mut self, store: &Store, row: &Row) -> Result<(), StoreError> {
        *self.kinds.entry(row.kind).or_default() += 1;
        let wanted = matches!(
            row.kind,
            Kind::Decisions
                | Kind::Observation
                | Kind::Proof
                | Kind::Sbom
                | Kind::Step
                | Kind::Finding
                | Kind::Verdict
                | Kind::Events
                | Kind::Action
        );
        if !wanted {
            return Ok(());
        }
        let Body { says, terms, .. } = store.body(row.index)?;
        let products =
            || terms.iter().filter_map(|term| term.value.parse().ok()).map(|digest: Digest| mark(&digest));
        match row.kind {
            Kind::Decisions => self.decided(store, row, &says)?,
            Kind::Observation if text(&says, "/what") == Some("artifact") => {
                digest(&says, "/digest").into_iter().for_each(|digest| self.artifacts.seen(digest));
            }
            Kind::Proof => self.artifacts.proven(products(), text(&says, "/predicate_type").unwrap_or("")),
            Kind::Sbom => {
                let gaps = says.get("gaps").and_then(Value::as_array).is_some_and(|gaps| !gaps.is_empty());
                self.artifacts.described(products(), gaps);
                let points = says.pointer("/quality/score").and_then(Value::as_u64);
                let quality = points.and_then(|points| u8::try_from(points).ok());
                let said = dependencies::Said { gaps, quality };
                self.dependencies.take(text(&says, "/name").unwrap_or(""), row.times.event, &terms, said);
            }
            Kind::Step => self.artifacts.built(products().collect()),
            Kind::Finding => self.findings.take(row.times.event, &says),
            Kind::Verdict => self.verdicts.take(&says),
            Kind::Action => self.deployments.take(&says),
            Kind::Events => {
                self.watched = true;
                if let Some(source) = text(&says, "/source") {
                    let last = self.sources.entry(source.to_owned()).or_insert(row.times.event);
                    *last = (*last).max(row.times.event);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn decided(&mut self, store: &Store, row: &Row, says: &Value) -> Result<(), StoreError> {
        let document = text(says, "/document").and_then(|digest| digest.parse::<Digest>().ok());
        let lines = match document.map(|digest| store.blob(&digest)).transpose() {
            Ok(lines) => lines.flatten().unwrap_or_default(),
            Err(StoreError::Deleted { .. }) => {
                self.deleted += says.get("decisions").and_then(Value::as_u64).unwrap_or(0);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let decision: Value = serde_json::from_slice(line).unwrap_or_default();
            let outcome = text(&decision, "/outcome").unwrap_or("unknown").to_owned();
            if outcome != "allow" {
                let word = |pointer: &str| text(&decision, pointer).unwrap_or("").to_owned();
                self.refused.push_back(Refused {
                    at: text(&decision, "/at").and_then(|at| at.parse().ok()).unwrap_or(row.times.event),
                    image: word("/image"),
                    namespace: word("/namespace"),
                    outcome: outcome.clone(),
                    code: text(&decision, "/code").map(str::to_owned),
                    verdict: decision.get("verdict").and_then(Value::as_u64),
                    record: row.index,
                });
                if self.refused.len() > REFUSED {
                    self.refused.pop_front();
                }
            }
            *self.decisions.entry(outcome).or_default() += 1;
        }
        Ok(())
    }

    /// The counts as time stands.
    pub fn counts(&self, now: Instant) -> Counts {
        let (dependencies, new_dependencies) = self.dependencies.counted(now);
        let unverified = self.deployments.unverified(|image| self.verdicts.allows(image));
        Counts {
            records: self.next,
            kinds: self.kinds.clone(),
            decisions: self.decisions.clone(),
            decisions_deleted: self.deleted,
            builds: self.artifacts.builds,
            builds_with_sbom: self.artifacts.whole,
            builds_with_gaps: self.artifacts.gaps,
            artifacts: self.artifacts.artifacts,
            signed: self.artifacts.signed,
            dependencies,
            new_dependencies,
            runner_anomalies: self.findings.runner,
            runner_anomalies_week: self.findings.runner_week(now),
            registry_anomalies: self.findings.registry,
            latencies: self.findings.latencies.clone(),
            rollbacks: self.deployments.rollbacks.clone(),
            provenance: self.verdicts.provenance.clone(),
            outcomes: self.verdicts.outcomes.clone(),
            findings: self.findings.by_state.clone(),
            sources: self.sources.clone(),
            watched: self.watched,
            workloads: self.deployments.workloads() as u64,
            unverified_workloads: unverified.len() as u64,
            unverified,
            refused: self.refused.iter().cloned().collect(),
            projects: self.dependencies.projects(),
        }
    }
}
