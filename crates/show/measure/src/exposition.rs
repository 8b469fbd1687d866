//! Prometheus text exposition. Counters are there from the first scrape, at 0, so that `increase()` sees the first one.

use std::fmt::Write as _;

use crate::count::BOUNDS;
use crate::{Counts, Durations, measures};

/// The measures' metrics, to be put after those of the gate and the record.
pub fn exposition(counts: &Counts) -> String {
    let mut out = String::new();
    let mut family = |name: &str, kind: &str, help: &str, samples: &[(String, f64)]| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    };
    let decided = |outcome: &str| counts.decisions.get(outcome).copied().unwrap_or(0) as f64;
    let label = |text: &str| text.to_owned();
    family(
        "linkward_verify_total",
        "counter",
        "Decisions of the admission gate (M1).",
        &[
            (label("{result=\"ok\",stage=\"deploy\"}"), decided("allow")),
            (label("{result=\"fail\",stage=\"deploy\"}"), decided("deny")),
            (label("{result=\"unknown\",stage=\"deploy\"}"), decided("unknown")),
        ],
    );
    let without = counts.builds - counts.builds_with_sbom - counts.builds_with_gaps;
    family(
        "linkward_builds_total",
        "counter",
        "Recorded builds by SBOM (M2).",
        &[
            (label("{sbom=\"yes\"}"), counts.builds_with_sbom as f64),
            (label("{sbom=\"incomplete\"}"), counts.builds_with_gaps as f64),
            (label("{sbom=\"no\"}"), without as f64),
        ],
    );
    if let Some((points, _)) = counts.quality() {
        family(
            "linkward_sbom_quality",
            "gauge",
            "Points of 100 of the newest SBOMs, on average (M2).",
            &[(String::new(), points)],
        );
    }
    family(
        "linkward_artifacts_total",
        "counter",
        "Artifacts that were seen (M3).",
        &[
            (label("{signed=\"yes\"}"), counts.signed as f64),
            (label("{signed=\"no\"}"), (counts.artifacts - counts.signed) as f64),
        ],
    );
    let mut dependencies = vec![(label("{state=\"total\"}"), counts.dependencies as f64)];
    dependencies.extend(counts.new_dependencies.map(|new| (label("{state=\"new\"}"), new as f64)));
    family(
        "linkward_dependencies",
        "gauge",
        "Packages of the newest SBOMs; new since a week ago (M4).",
        &dependencies,
    );
    family(
        "linkward_runner_anomalies_total",
        "counter",
        "Findings about runners (M5).",
        &[(String::new(), counts.runner_anomalies as f64)],
    );
    family(
        "linkward_registry_writes_unexpected_total",
        "counter",
        "Findings about registry writes (M6).",
        &[(String::new(), counts.registry_anomalies as f64)],
    );
    histogram(
        &mut out,
        "linkward_detection_latency_seconds",
        "From an event to its finding (M7).",
        &counts.latencies,
    );
    histogram(
        &mut out,
        "linkward_rollback_duration_seconds",
        "From a failed revision to the next that is ready (M8).",
        &counts.rollbacks,
    );
    let mut family = |name: &str, kind: &str, help: &str, samples: &[(String, f64)]| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    };
    for (name, help, durations) in [
        (
            "linkward_detections_total",
            "Findings, by whether they came within an hour (M7).",
            &counts.latencies,
        ),
        (
            "linkward_rollbacks_total",
            "Rollbacks, by whether they took at most an hour (M8).",
            &counts.rollbacks,
        ),
    ] {
        let within = durations.within(3600.0);
        let samples = [
            (label("{within=\"yes\"}"), within as f64),
            (label("{within=\"no\"}"), (durations.count - within) as f64),
        ];
        family(name, "counter", help, &samples);
    }
    let complete: Vec<(String, f64)> = counts
        .provenance
        .iter()
        .flat_map(|(environment, (all, whole))| {
            let labels =
                |complete: &str| format!("{{environment=\"{environment}\",complete=\"{complete}\"}}");
            [(labels("yes"), *whole as f64), (labels("no"), (all - whole) as f64)]
        })
        .collect();
    family(
        "linkward_provenance_artifacts",
        "gauge",
        "Artifacts by completeness of provenance (M9).",
        &complete,
    );
    let alerts: Vec<(String, f64)> = ["page", "ticket"]
        .iter()
        .map(|alert| (format!("{{alert=\"{alert}\"}}"), counts.standing(alert) as f64))
        .collect();
    family("linkward_findings_total", "counter", "Findings that stand, by alert.", &alerts);
    let sources: Vec<(String, f64)> = counts
        .sources
        .iter()
        .map(|(source, at)| (format!("{{source=\"{source}\"}}"), at.millis() as f64 / 1000.0))
        .collect();
    family(
        "linkward_source_last_event_timestamp_seconds",
        "gauge",
        "When a source was last heard.",
        &sources,
    );
    let all = measures(counts);
    // Not absent: what is known not to be known can be told from a scrape that failed.
    let values: Vec<(String, f64)> =
        all.iter().map(|one| (format!("{{code=\"{}\"}}", one.code), one.value.unwrap_or(f64::NAN))).collect();
    family("linkward_measure", "gauge", "The measures' values; NaN is no data.", &values);
    let targets: Vec<(String, f64)> =
        all.iter().map(|one| (format!("{{code=\"{}\"}}", one.code), one.target)).collect();
    family("linkward_measure_target", "gauge", "What the measures should be.", &targets);
    family(
        "linkward_workloads",
        "gauge",
        "Workloads that run, by whether everything in them is verified.",
        &[
            (label("{verified=\"yes\"}"), (counts.workloads - counts.unverified_workloads) as f64),
            (label("{verified=\"no\"}"), counts.unverified_workloads as f64),
        ],
    );
    let artifacts: Vec<(String, f64)> = ["allow", "deny", "unknown"]
        .iter()
        .map(|outcome| {
            let number = counts.outcomes.get(outcome).copied().unwrap_or(0);
            (format!("{{outcome=\"{outcome}\"}}"), number as f64)
        })
        .collect();
    family("linkward_artifacts", "gauge", "Artifacts by their newest verdict.", &artifacts);
    let kinds: Vec<(String, f64)> =
        counts.kinds.iter().map(|(kind, number)| (format!("{{kind=\"{kind}\"}}"), *number as f64)).collect();
    family("linkward_records", "gauge", "Records in the evidence log.", &kinds);
    family(
        "linkward_log_size",
        "gauge",
        "Leaves that were counted.",
        &[(String::new(), counts.records as f64)],
    );
    out
}

fn histogram(out: &mut String, name: &str, help: &str, durations: &Durations) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
    for (bound, below) in BOUNDS.iter().zip(durations.below) {
        let _ = writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {below}");
    }
    let _ = writeln!(
        out,
        "{name}_bucket{{le=\"+Inf\"}} {0}\n{name}_sum {1}\n{name}_count {0}",
        durations.count, durations.sum
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_record_has_every_counter_at_zero_and_no_value() {
        let text = exposition(&Counts::default());
        assert!(text.contains("linkward_verify_total{result=\"fail\",stage=\"deploy\"} 0"));
        assert!(text.contains("linkward_detection_latency_seconds_bucket{le=\"+Inf\"} 0"));
        assert!(text.contains("linkward_measure{code=\"M1\"} NaN"), "no data is no number");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with("linkward_") && value.parse::<f64>().is_ok(), "{line}");
        }
    }

    #[test]
    fn buckets_are_cumulative() {
        let counts = Counts { latencies: [0.2, 2.0, 7200.0].into_iter().collect(), ..Counts::default() };
        let text = exposition(&counts);
        for line in ["le=\"0.1\"} 0", "le=\"0.5\"} 1", "le=\"5\"} 2", "le=\"3600\"} 2", "le=\"+Inf\"} 3"] {
            assert!(text.contains(&format!("linkward_detection_latency_seconds_bucket{{{line}")), "{line}");
        }
    }
}
