//! The ten measures: what they are called, what they count, what they should be.

use serde::Serialize;

use crate::Counts;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    AtLeast,
    AtMost,
}

/// Where a measure stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Met,
    Missed,
    /// Nothing is recorded that it could be counted from.
    NoData,
}

impl State {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "missed",
            Self::NoData => "no data",
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct Measure {
    pub code: &'static str,
    pub name: &'static str,
    pub formula: &'static str,
    pub unit: &'static str,
    pub direction: Direction,
    pub target: f64,
    pub value: Option<f64>,
    pub state: State,
    /// What to know before believing it.
    pub trap: &'static str,
    /// What was counted, in words.
    pub detail: String,
}

fn counted(number: u64, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// A share of sorted values.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let at = (share * last as f64).ceil() as usize;
    sorted.get(at.min(last)).copied()
}

/// All ten, in order.
pub fn measures(counts: &Counts) -> Vec<Measure> {
    let decided: u64 = counts.decisions.values().sum();
    let allowed = counts.decisions.get("allow").copied().unwrap_or(0);
    let (artifacts, whole) =
        counts.provenance.values().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let rollbacks = &counts.rollbacks;
    let watched = |value: u64| counts.watched.then_some(value as f64);
    let one = |code, name, formula, unit, direction, target, value: Option<f64>, trap, detail: String| {
        let state = match (value, direction) {
            (None, _) => State::NoData,
            (Some(value), Direction::AtLeast) if value >= target => State::Met,
            (Some(value), Direction::AtMost) if value <= target => State::Met,
            _ => State::Missed,
        };
        Measure { code, name, formula, unit, direction, target, value, state, trap, detail }
    };
    use Direction::{AtLeast, AtMost};
    vec![
        one(
            "M1",
            "Artifact verification success rate",
            "verified deploys / deploys",
            "ratio",
            AtLeast,
            0.999,
            ratio(allowed, decided),
            "Flawed checks that pass.",
            match counts.decisions_deleted {
                0 => format!("{allowed} of {decided} decisions of the admission gate"),
                gone => format!(
                    "{allowed} of {decided} decisions of the admission gate; {gone} more were deleted by retention"
                ),
            },
        ),
        one(
            "M2",
            "SBOM coverage",
            "builds with SBOM / builds",
            "ratio",
            AtLeast,
            0.95,
            ratio(counts.builds_with_sbom, counts.builds),
            "Incomplete SBOMs: those with gaps do not count.",
            format!(
                "{} of {} builds, {} more with gaps{}",
                counts.builds_with_sbom,
                counts.builds,
                counts.builds_with_gaps,
                counts.quality().map_or_else(String::new, |(points, of)| {
                    format!(
                        "; quality {points:.0} of 100 on average of the newest {}",
                        counted(of as u64, "SBOM")
                    )
                })
            ),
        ),
        one(
            "M3",
            "Signed artifact ratio",
            "signed / artifacts",
            "ratio",
            AtLeast,
            0.99,
            ratio(counts.signed, counts.artifacts),
            "Signatures that are used again.",
            format!("{} of {} artifacts", counts.signed, counts.artifacts),
        ),
        one(
            "M4",
            "Unusual dependency delta",
            "new unknown dependencies / dependencies, by week",
            "ratio",
            AtMost,
            0.05,
            counts.new_dependencies.and_then(|new| ratio(new, counts.dependencies)),
            "Legitimate spikes.",
            counts.new_dependencies.map_or_else(
                || "no SBOM is a week old yet".to_owned(),
                |new| format!("{new} of {} are new", counts.dependencies),
            ),
        ),
        one(
            "M5",
            "CI runner anomaly rate",
            "suspicious events by week",
            "count",
            AtMost,
            1.0,
            watched(counts.runner_anomalies_week),
            "Needs a baseline.",
            format!("{} in the last seven days", counted(counts.runner_anomalies_week, "finding")),
        ),
        one(
            "M6",
            "Registry write anomalies",
            "unexpected writes",
            "count",
            AtMost,
            0.0,
            watched(counts.registry_anomalies),
            "Maintenance writes.",
            counted(counts.registry_anomalies, "finding"),
        ),
        one(
            "M7",
            "Time to detect",
            "from the event's time to the finding, 95 of 100",
            "seconds",
            AtMost,
            3600.0,
            counts.latencies.quantile(0.95),
            "Stealth: what is never noticed is not counted.",
            format!("{} of what was heard as it happened", counted(counts.latencies.count, "finding")),
        ),
        one(
            "M8",
            "Time to roll back",
            "from a failed revision to a verified one running, 95 of 100",
            "seconds",
            AtMost,
            1800.0,
            rollbacks.quantile(0.95),
            "Rolling back to the bad one.",
            counted(rollbacks.count, "rollback"),
        ),
        one(
            "M9",
            "Provenance completeness",
            "artifacts with full provenance / artifacts",
            "ratio",
            AtLeast,
            0.98,
            ratio(whole, artifacts),
            "Large builds lose parts.",
            format!("{whole} of {artifacts} artifacts with signature, provenance and SBOM"),
        ),
        one(
            "M10",
            "Vulnerable transitive dependency ratio",
            "vulnerable nodes / nodes of the graph",
            "ratio",
            AtMost,
            0.02,
            None,
            "Not all are exploitable: VEX, reachability.",
            "no scan is recorded that it could be counted from".to_owned(),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_recorded_is_no_data_and_never_a_perfect_score() {
        for measure in measures(&Counts::default()) {
            assert_eq!((measure.state, measure.value), (State::NoData, None), "{}", measure.code);
        }
    }

    #[test]
    fn values_and_targets() {
        let counts = Counts {
            decisions: [("allow".to_owned(), 998), ("deny".to_owned(), 2)].into(),
            builds: 4,
            builds_with_sbom: 3,
            builds_with_gaps: 1,
            artifacts: 2,
            signed: 2,
            projects: [(Some(40), true), (Some(81), false), (None, false)]
                .map(|(quality, gaps)| crate::Project {
                    name: String::new(),
                    at: linkward_testkit::noon(),
                    gaps,
                    quality,
                })
                .to_vec(),
            watched: true,
            latencies: vec![1.0; 99].into_iter().chain([9000.0]).collect(),
            provenance: [("production".to_owned(), (4, 4))].into(),
            ..Counts::default()
        };
        let state = |code: &str| measures(&counts).into_iter().find(|measure| measure.code == code).unwrap();
        assert_eq!((state("M1").value, state("M1").state), (Some(0.998), State::Missed));
        assert_eq!((state("M2").value, state("M2").state), (Some(0.75), State::Missed));
        let says = "3 of 4 builds, 1 more with gaps; quality 60 of 100 on average of the newest 2 SBOMs";
        assert_eq!(state("M2").detail, says);
        for met in ["M3", "M5", "M6", "M7", "M9"] {
            assert_eq!(state(met).state, State::Met, "{met}");
        }
        assert_eq!(state("M7").value, Some(1.0));
        assert_eq!(state("M8").state, State::NoData);
    }
}
