//! One walk over the record, and what it counts.

use std::collections::{BTreeMap, BTreeSet};

use linkward_ledger::{Kind, Term};
use linkward_model::{Digest, Instant};
use linkward_record::{Filter, Row, Store, StoreError};
use serde_json::Value;

const WEEK: i64 = 7 * 24 * 60 * 60 * 1000;

/// Bounds of the time to detect, in seconds.
pub(crate) const LATENCIES: &[f64] = &[0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 300.0, 900.0, 3600.0];

/// Rules whose findings are anomalies of runners.
const RUNNER: &[&str] =
    &["first-runner", "steps-altered", "publish-run-failed", "cache-crossed", "first-egress"];
/// Rules whose findings are unexpected writes to a registry.
const REGISTRY: &[&str] = &["tag-moved", "registry-write-unauthorised", "digest-differs"];

/// What the record holds, counted. Every number is of records that can be looked at.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Counts {
    /// Gate decisions by outcome.
    pub decisions: BTreeMap<String, u64>,
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
    /// Seconds from an event to its finding.
    pub latencies: Vec<f64>,
    /// Seconds from a failed revision to the next that is ready.
    pub rollbacks: Vec<f64>,
    /// By environment: artifacts, and those with signature, provenance and SBOM.
    pub provenance: BTreeMap<String, (u64, u64)>,
    /// Findings by rule and alert, in their newest state.
    pub findings: BTreeMap<(String, String, String), u64>,
    /// When each source was last heard.
    pub sources: BTreeMap<String, Instant>,
    /// Whether any event was ever taken in: without one, no anomaly proves nothing.
    pub watched: bool,
}

/// Counts the record as it is now.
///
/// # Errors
/// The record cannot be read.
pub fn count(store: &Store, now: Instant) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    decisions(store, &mut counts)?;
    artifacts(store, &mut counts)?;
    builds(store, &mut counts)?;
    dependencies(store, &mut counts, now)?;
    findings(store, &mut counts, now)?;
    verdicts(store, &mut counts)?;
    each(store, Kind::Events, |row, says| {
        counts.watched = true;
        if let Some(source) = text(says, "/source") {
            counts.sources.entry(source.to_owned()).or_insert(row.times.event);
        }
        Ok(())
    })?;
    rollbacks(store, &mut counts)?;
    Ok(counts)
}

/// Walks the records of a kind from the newest to the oldest.
fn each(
    store: &Store,
    kind: Kind,
    mut visit: impl FnMut(&Row, &Value) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut before = None;
    loop {
        let rows = store.rows(&Filter { kind: Some(kind), term: None, before, limit: 500 })?;
        let Some(last) = rows.last() else { return Ok(()) };
        before = Some(last.index);
        for row in &rows {
            visit(row, &store.body(row.index)?.says)?;
        }
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn decisions(store: &Store, counts: &mut Counts) -> Result<(), StoreError> {
    each(store, Kind::Decisions, |_, says| {
        let document = text(says, "/document").and_then(|digest| digest.parse::<Digest>().ok());
        let lines = document.map(|digest| store.blob(&digest)).transpose()?.flatten().unwrap_or_default();
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let decision: Value = serde_json::from_slice(line).unwrap_or_default();
            let outcome = text(&decision, "/outcome").unwrap_or("unknown").to_owned();
            *counts.decisions.entry(outcome).or_default() += 1;
        }
        Ok(())
    })
}

fn artifacts(store: &Store, counts: &mut Counts) -> Result<(), StoreError> {
    let mut seen = BTreeSet::new();
    each(store, Kind::Observation, |_, says| {
        if text(says, "/what") == Some("artifact")
            && let Some(digest) = text(says, "/digest").and_then(|digest| digest.parse::<Digest>().ok())
            && seen.insert(digest)
        {
            counts.artifacts += 1;
            counts.signed += u64::from(has(store, Kind::Proof, &digest)?.is_some());
        }
        Ok(())
    })
}

fn has(store: &Store, kind: Kind, digest: &Digest) -> Result<Option<u64>, StoreError> {
    let filter = Filter { kind: Some(kind), term: Some(Term::digest(digest)), before: None, limit: 1 };
    Ok(store.rows(&filter)?.first().map(|row| row.index))
}

/// A build is a step that made something; a step without products needs no SBOM.
fn builds(store: &Store, counts: &mut Counts) -> Result<(), StoreError> {
    let mut before = None;
    loop {
        let rows = store.rows(&Filter { kind: Some(Kind::Step), term: None, before, limit: 500 })?;
        let Some(last) = rows.last() else { return Ok(()) };
        before = Some(last.index);
        for row in &rows {
            let products: Vec<Digest> =
                store.body(row.index)?.terms.iter().filter_map(|term| term.value.parse().ok()).collect();
            if products.is_empty() {
                continue;
            }
            counts.builds += 1;
            let mut found = None;
            for product in &products {
                found = found.or(sbom(store, product)?);
            }
            match found {
                Some(true) => counts.builds_with_sbom += 1,
                Some(false) => counts.builds_with_gaps += 1,
                None => {}
            }
        }
    }
}

/// Whether an SBOM of the product is recorded, and whether it says that nothing is left out.
fn sbom(store: &Store, product: &Digest) -> Result<Option<bool>, StoreError> {
    let Some(index) = has(store, Kind::Sbom, product)? else {
        // An SBOM that was proven as an attestation of the product.
        let filter =
            Filter { kind: Some(Kind::Proof), term: Some(Term::digest(product)), before: None, limit: 20 };
        for row in store.rows(&filter)? {
            let says = store.body(row.index)?.says;
            let kind = text(&says, "/predicate_type").unwrap_or("").to_lowercase();
            if kind.contains("cyclonedx") || kind.contains("spdx") {
                return Ok(Some(true));
            }
        }
        return Ok(None);
    };
    let says = store.body(index)?.says;
    Ok(Some(says.get("gaps").and_then(Value::as_array).is_none_or(Vec::is_empty)))
}

/// The newest SBOM of each project against the newest that is a week older.
fn dependencies(store: &Store, counts: &mut Counts, now: Instant) -> Result<(), StoreError> {
    let mut newest: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut older: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut before = None;
    loop {
        let rows = store.rows(&Filter { kind: Some(Kind::Sbom), term: None, before, limit: 200 })?;
        let Some(last) = rows.last() else { break };
        before = Some(last.index);
        for row in &rows {
            let body = store.body(row.index)?;
            let name = text(&body.says, "/name").unwrap_or("").to_owned();
            let old = now.since(row.times.event) >= WEEK;
            if newest.contains_key(&name) && (!old || older.contains_key(&name)) {
                continue;
            }
            let purls = body.terms.iter().filter(|term| term.kind == linkward_ledger::TermKind::Package);
            let purls: BTreeSet<String> = purls.map(|term| term.value.clone()).collect();
            if old {
                older.entry(name.clone()).or_insert_with(|| purls.clone());
            }
            newest.entry(name).or_insert(purls);
        }
    }
    counts.dependencies = newest.values().map(|purls| purls.len() as u64).sum();
    for (name, purls) in &newest {
        if let Some(old) = older.get(name) {
            *counts.new_dependencies.get_or_insert(0) += purls.difference(old).count() as u64;
        }
    }
    Ok(())
}

/// From a revision that failed to the next one of the same workload that is ready.
fn rollbacks(store: &Store, counts: &mut Counts) -> Result<(), StoreError> {
    let mut lines: BTreeMap<String, Vec<(Instant, String)>> = BTreeMap::new();
    each(store, Kind::Action, |_, says| {
        let at = text(says, "/deployment/at").and_then(|at| at.parse::<Instant>().ok());
        if text(says, "/what") == Some("deployment")
            && let (Some(at), Some(workload)) = (at, text(says, "/deployment/workload"))
        {
            let event = text(says, "/deployment/happened/event").unwrap_or("").to_owned();
            lines.entry(workload.to_owned()).or_default().push((at, event));
        }
        Ok(())
    })?;
    for mut line in lines.into_values() {
        line.sort();
        let mut failed = None;
        for (at, event) in line {
            match event.as_str() {
                "failed" => failed = failed.or(Some(at)),
                "ready" => {
                    counts.rollbacks.extend(failed.take().map(|then: Instant| at.since(then) as f64 / 1000.0))
                }
                _ => {}
            }
        }
    }
    counts.rollbacks.sort_by(f64::total_cmp);
    Ok(())
}

fn findings(store: &Store, counts: &mut Counts, now: Instant) -> Result<(), StoreError> {
    let mut seen = BTreeSet::new();
    let mut first_noticed: BTreeMap<String, f64> = BTreeMap::new();
    each(store, Kind::Finding, |row, says| {
        let Some(id) = text(says, "/finding/id") else { return Ok(()) };
        let at = text(says, "/finding/at").and_then(|at| at.parse::<Instant>().ok());
        // Newest first: the last one written here is the first time that it was noticed.
        if let Some(at) = at {
            first_noticed.insert(id.to_owned(), row.times.event.since(at).max(0) as f64 / 1000.0);
        }
        if !seen.insert(id.to_owned()) {
            return Ok(());
        }
        let word = |pointer: &str| text(says, pointer).unwrap_or("").to_owned();
        let (rule, alert, state) = (word("/finding/rule"), word("/finding/alert"), word("/finding/state"));
        if state != "withdrawn" {
            if RUNNER.contains(&rule.as_str()) {
                counts.runner_anomalies += 1;
                counts.runner_anomalies_week += u64::from(at.is_some_and(|at| now.since(at) < WEEK));
            }
            counts.registry_anomalies += u64::from(REGISTRY.contains(&rule.as_str()));
        }
        *counts.findings.entry((rule, alert, state)).or_default() += 1;
        Ok(())
    })?;
    counts.latencies = first_noticed.into_values().collect();
    counts.latencies.sort_by(f64::total_cmp);
    Ok(())
}

/// The newest verdict of each artifact by environment: complete where nothing that is asked for is missing.
fn verdicts(store: &Store, counts: &mut Counts) -> Result<(), StoreError> {
    let mut seen = BTreeSet::new();
    each(store, Kind::Verdict, |_, says| {
        let environment = text(says, "/question/environment").unwrap_or("").to_owned();
        let digest = text(says, "/question/digest").unwrap_or("").to_owned();
        if !seen.insert((environment.clone(), digest)) {
            return Ok(());
        }
        let requirements = says.get("requirements").and_then(Value::as_array);
        let met = |name: &str| {
            requirements.into_iter().flatten().any(|requirement| {
                text(requirement, "/requirement") == Some(name)
                    && text(requirement, "/outcome") == Some("allow")
            })
        };
        let (all, whole) = counts.provenance.entry(environment).or_default();
        *all += 1;
        *whole += u64::from(["provenance", "sbom", "signed"].iter().all(|name| met(name)));
        Ok(())
    })
}
