//! Alert rules, objectives and a board for the tools that people have, made from one table.
//!
//! Integrity is paged by event, whatever the rate: at forty deploys a day one failure is more than a month's budget, and
//! a burn rate would hide that. Burn rates are for coverage.

use serde_json::{Value, json};

/// An objective that a rate of burning makes sense for.
struct Objective {
    name: &'static str,
    code: &'static str,
    target: f64,
    bad: &'static str,
    all: &'static str,
}

const OBJECTIVES: &[Objective] = &[
    Objective {
        name: "verification",
        code: "M1",
        target: 0.999,
        bad: "linkward_verify_total{result!=\"ok\"}",
        all: "linkward_verify_total",
    },
    Objective {
        name: "sbom-coverage",
        code: "M2",
        target: 0.95,
        bad: "linkward_builds_total{sbom!=\"yes\"}",
        all: "linkward_builds_total",
    },
    Objective {
        name: "signed-artifacts",
        code: "M3",
        target: 0.99,
        bad: "linkward_artifacts_total{signed=\"no\"}",
        all: "linkward_artifacts_total",
    },
];

/// Long window, short window, rate, severity.
const WINDOWS: &[(&str, &str, f64, &str)] = &[
    ("1h", "5m", 14.4, "page"),
    ("6h", "30m", 6.0, "page"),
    ("1d", "2h", 3.0, "ticket"),
    ("3d", "6h", 1.0, "ticket"),
];

/// Alerts by event: name, expression, how long, severity, sentence.
const EVENTS: &[(&str, &str, &str, &str, &str)] = &[
    (
        "LinkwardVerificationFailed",
        "increase(linkward_verify_total{result=\"fail\"}[5m]) > 0",
        "0m",
        "page",
        "A deployment failed its verification.",
    ),
    (
        "LinkwardRegistryWriteUnexpected",
        "increase(linkward_registry_writes_unexpected_total[5m]) > 0",
        "0m",
        "page",
        "Somebody wrote to the registry who may not, or other bytes than were built.",
    ),
    (
        "LinkwardInvariantBroken",
        "increase(linkward_findings_total{alert=\"page\"}[5m]) > 0",
        "0m",
        "page",
        "A detection that proves itself has fired.",
    ),
    (
        "LinkwardRunnerAnomalies",
        "increase(linkward_runner_anomalies_total[7d]) > 1",
        "0m",
        "ticket",
        "More anomalies of runners in a week than one.",
    ),
    (
        "LinkwardDetectionSlow",
        "histogram_quantile(0.95, sum by (le) (rate(linkward_detection_latency_seconds_bucket[1d]))) > 3600",
        "10m",
        "ticket",
        "Findings come more than an hour after their events.",
    ),
    (
        "LinkwardSourceSilent",
        "time() - linkward_source_last_event_timestamp_seconds > 86400",
        "10m",
        "ticket",
        "A source of events was not heard for a day.",
    ),
];

fn ratio(objective: &Objective, window: &str) -> String {
    format!("(sum(increase({}[{window}])) / sum(increase({}[{window}])))", objective.bad, objective.all)
}

/// A rule file for Prometheus, YAML.
pub fn prometheus_rules() -> String {
    let mut out = String::from(
        "# Made by `linkward measures export`.\ngroups:\n  - name: linkward-integrity\n    rules:\n",
    );
    let alert = |out: &mut String,
                 name: &str,
                 expression: &str,
                 long: &str,
                 severity: &str,
                 summary: &str| {
        out.push_str(&format!(
            "      - alert: {name}\n        expr: {expression:?}\n        for: {long}\n        labels:\n          severity: {severity}\n        annotations:\n          summary: {summary:?}\n"
        ));
    };
    for (name, expression, long, severity, summary) in EVENTS {
        alert(&mut out, name, expression, long, severity, summary);
    }
    out.push_str("  - name: linkward-budgets\n    rules:\n");
    for objective in OBJECTIVES {
        for (long, short, rate, severity) in WINDOWS {
            let bound = rate * (1.0 - objective.target);
            let name = format!("LinkwardBudget_{}_{long}", objective.name.replace('-', "_"));
            let expression = format!(
                "{} > {bound:.6} and {} > {bound:.6}",
                ratio(objective, long),
                ratio(objective, short)
            );
            let summary =
                format!("{} ({}) burns its budget {rate} times too fast.", objective.name, objective.code);
            alert(&mut out, &name, &expression, "0m", severity, &summary);
        }
    }
    out
}

/// OpenSLO v1 documents, YAML.
pub fn openslo() -> String {
    let one = |objective: &Objective| {
        format!(
            "---\napiVersion: openslo/v1\nkind: SLO\nmetadata:\n  name: linkward-{}\nspec:\n  description: {:?}\n  service: linkward\n  budgetingMethod: Occurrences\n  timeWindow:\n    - duration: 28d\n      isRolling: true\n  indicator:\n    metadata:\n      name: linkward-{}\n    spec:\n      ratioMetric:\n        counter: true\n        bad:\n          metricSource:\n            type: Prometheus\n            spec:\n              query: {:?}\n        total:\n          metricSource:\n            type: Prometheus\n            spec:\n              query: {:?}\n  objectives:\n    - displayName: {}\n      target: {}\n",
            objective.name,
            format!("Measure {}", objective.code),
            objective.name,
            format!("sum({})", objective.bad),
            format!("sum({})", objective.all),
            objective.code,
            objective.target
        )
    };
    OBJECTIVES.iter().map(one).collect()
}

/// A board for Grafana: each measure against its target, then findings and sources.
pub fn grafana() -> Value {
    const CODES: &[(&str, &str)] = &[
        ("M1", "percentunit"),
        ("M2", "percentunit"),
        ("M3", "percentunit"),
        ("M4", "percentunit"),
        ("M5", "short"),
        ("M6", "short"),
        ("M7", "s"),
        ("M8", "s"),
        ("M9", "percentunit"),
        ("M10", "percentunit"),
    ];
    let source = json!({ "type": "prometheus", "uid": "${DS_PROMETHEUS}" });
    let panel = |id: usize,
                 kind: &str,
                 title: &str,
                 at: (usize, usize, usize),
                 unit: &str,
                 expressions: &[String]| {
        let letter = |index: usize| char::from(b'A' + index as u8).to_string();
        json!({
            "id": id, "type": kind, "title": title, "datasource": source,
            "gridPos": { "h": 6, "w": at.2, "x": at.0, "y": at.1 },
            "fieldConfig": { "defaults": { "unit": unit, "noValue": "no data" }, "overrides": [] }, "options": {},
            "targets": expressions.iter().enumerate().map(|(index, text)| json!({ "refId": letter(index), "expr": text })).collect::<Vec<_>>(),
        })
    };
    let mut panels: Vec<Value> = CODES
        .iter()
        .enumerate()
        .map(|(index, (code, unit))| {
            let expressions = [
                format!("linkward_measure{{code=\"{code}\"}}"),
                format!("linkward_measure_target{{code=\"{code}\"}}"),
            ];
            panel(index + 1, "stat", code, ((index % 5) * 4, index / 5 * 6, 4), unit, &expressions)
        })
        .collect();
    panels.push(panel(
        11,
        "timeseries",
        "Findings",
        (0, 12, 12),
        "short",
        &["increase(linkward_findings_total[1h])".to_owned()],
    ));
    panels.push(panel(
        12,
        "table",
        "Sources: seconds since last heard",
        (12, 12, 12),
        "s",
        &["time() - linkward_source_last_event_timestamp_seconds".to_owned()],
    ));
    json!({
        "uid": "linkward-measures", "title": "Linkward: measures", "schemaVersion": 39, "tags": ["linkward"], "refresh": "1m",
        "time": { "from": "now-7d", "to": "now" },
        "templating": { "list": [{ "name": "DS_PROMETHEUS", "type": "datasource", "query": "prometheus" }] },
        "panels": panels,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Counts, exposition};

    /// A rule over a metric that is never exposed would never fire.
    #[test]
    fn every_metric_that_is_asked_for_is_exposed() {
        let exposed = exposition(&Counts::default());
        let text = prometheus_rules() + &openslo() + &grafana().to_string();
        let mut asked = 0;
        for word in text.split(|c: char| !(c.is_ascii_lowercase() || c == '_')) {
            if let Some(name) = word.strip_prefix("linkward_").map(|_| word) {
                let family = name.trim_end_matches("_bucket");
                assert!(exposed.contains(&format!("# TYPE {family} ")), "{name} is not exposed");
                asked += 1;
            }
        }
        assert!(asked > 40, "{asked}");
    }

    #[test]
    fn budgets_follow_the_workbook() {
        let rules = prometheus_rules();
        // 14.4 times a budget of one in a thousand.
        assert!(rules.contains("> 0.014400 and"), "{rules}");
        assert_eq!(rules.matches("alert: LinkwardBudget_").count(), OBJECTIVES.len() * WINDOWS.len());
        assert!(rules.lines().all(|line| !line.contains('\t')));
    }
}
