//! Alert rules, objectives and a board for the tools that people have, made from one table.
//!
//! Integrity is paged by event, whatever the rate: at forty deploys a day one failure is more than a month's budget, and
//! a burn rate would hide that. Burn rates are for coverage.

use serde_json::{Value, json};

use crate::budget::{OBJECTIVES, Objective, WINDOWS};

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
        "LinkwardUnverifiedRuns",
        "linkward_workloads{verified=\"no\"} > 0",
        "5m",
        "page",
        "A workload runs something whose newest verdict is not that it may.",
    ),
    (
        "LinkwardAlertsUndelivered",
        "linkward_alerts_undelivered > 0",
        "10m",
        "page",
        "Linkward cannot tell people what it found.",
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

/// A panel: kind, title, unit, width of 24, expressions.
type Panel = (&'static str, &'static str, &'static str, usize, &'static [&'static str]);

/// Who looks, and at what.
const BOARDS: &[(&str, &str, &[Panel])] = &[
    (
        "executive",
        "Linkward: how we stand",
        &[
            ("stat", "Verified deployments (M1)", "percentunit", 4, &["linkward_measure{code=\"M1\"}"]),
            ("stat", "Open pages", "short", 4, &["linkward_alerts_open{severity=\"page\"}"]),
            ("stat", "Time to detect, 95 of 100 (M7)", "s", 4, &["linkward_measure{code=\"M7\"}"]),
            ("stat", "Time to roll back, 95 of 100 (M8)", "s", 4, &["linkward_measure{code=\"M8\"}"]),
            (
                "stat",
                "Integrity budget left",
                "percentunit",
                4,
                &["linkward_budget_left_ratio{objective=\"integrity\"}"],
            ),
            (
                "timeseries",
                "Coverage (M2, M3, M9)",
                "percentunit",
                24,
                &["linkward_measure{code=~\"M2|M3|M9\"}", "linkward_measure_target{code=~\"M2|M3|M9\"}"],
            ),
        ],
    ),
    (
        "on-call",
        "Linkward: on call",
        &[
            ("stat", "Open alerts", "short", 4, &["linkward_alerts_open"]),
            ("stat", "Undelivered", "short", 4, &["linkward_alerts_undelivered"]),
            (
                "stat",
                "Refused in 24 h",
                "short",
                4,
                &["sum(increase(linkward_verify_total{result=\"fail\"}[24h]))"],
            ),
            (
                "stat",
                "Without attestation in 24 h",
                "short",
                4,
                &["sum(increase(linkward_verify_total{result=\"unknown\"}[24h]))"],
            ),
            (
                "stat",
                "Unexpected registry writes in 24 h (M6)",
                "short",
                4,
                &["increase(linkward_registry_writes_unexpected_total[24h])"],
            ),
            (
                "stat",
                "Runner anomalies in 7 d (M5)",
                "short",
                4,
                &["increase(linkward_runner_anomalies_total[7d])"],
            ),
            ("stat", "Workloads that run unverified", "short", 4, &["linkward_workloads{verified=\"no\"}"]),
            (
                "table",
                "Sources: seconds since last heard",
                "s",
                20,
                &["time() - linkward_source_last_event_timestamp_seconds"],
            ),
        ],
    ),
    (
        "debug",
        "Linkward: in detail",
        &[
            ("stat", "All measures", "short", 24, &["linkward_measure"]),
            (
                "timeseries",
                "Decisions",
                "short",
                12,
                &["sum by (result) (increase(linkward_verify_total[5m]))"],
            ),
            ("timeseries", "Findings", "short", 12, &["increase(linkward_findings_total[1h])"]),
            ("timeseries", "Builds by SBOM", "short", 8, &["linkward_builds_total"]),
            ("timeseries", "Artifacts by verdict", "short", 8, &["linkward_artifacts"]),
            ("timeseries", "Provenance by environment (M9)", "short", 8, &["linkward_provenance_artifacts"]),
            ("timeseries", "Dependencies (M4)", "short", 8, &["linkward_dependencies"]),
            (
                "heatmap",
                "Time to detect",
                "s",
                8,
                &["sum by (le) (increase(linkward_detection_latency_seconds_bucket[1h]))"],
            ),
            ("timeseries", "Records", "short", 8, &["linkward_records"]),
            ("timeseries", "Budgets left", "percentunit", 24, &["linkward_budget_left_ratio"]),
        ],
    ),
];

/// Boards for Grafana: name, and the board.
pub fn grafana() -> Vec<(&'static str, Value)> {
    BOARDS.iter().map(|(name, title, panels)| (*name, board(name, title, panels))).collect()
}

fn board(name: &str, title: &str, panels: &[Panel]) -> Value {
    const HEIGHT: usize = 7;
    let source = json!({ "type": "prometheus", "uid": "${DS_PROMETHEUS}" });
    let (mut x, mut y) = (0, 0);
    let mut drawn = Vec::new();
    for (index, (kind, title, unit, width, expressions)) in panels.iter().enumerate() {
        if x + width > 24 {
            (x, y) = (0, y + HEIGHT);
        }
        let letter = |index: usize| char::from(b'A' + index as u8).to_string();
        let targets = expressions.iter().enumerate();
        drawn.push(json!({
            "id": index + 1, "type": kind, "title": title, "datasource": source,
            "gridPos": { "h": HEIGHT, "w": width, "x": x, "y": y },
            "fieldConfig": { "defaults": {
                "unit": unit, "noValue": "not scraped",
                // No data is a value of its own, and no zero.
                "mappings": [{ "type": "special", "options": { "match": "nan", "result": { "text": "no data" } } }],
            }, "overrides": [] },
            "options": {},
            "targets": targets.map(|(index, text)| json!({ "refId": letter(index), "expr": text, "datasource": source })).collect::<Vec<_>>(),
        }));
        x += width;
    }
    json!({
        "uid": format!("linkward-{name}"), "title": title, "schemaVersion": 39, "tags": ["linkward"], "refresh": "1m",
        "time": { "from": "now-7d", "to": "now" },
        "templating": { "list": [{ "name": "DS_PROMETHEUS", "type": "datasource", "query": "prometheus" }] },
        "annotations": { "list": [{
            "name": "Pages", "enable": true, "datasource": source, "expr": "increase(linkward_findings_total{alert=\"page\"}[1m]) > 0",
        }] },
        "panels": drawn,
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
        let boards: String = grafana().into_iter().map(|(_, board)| board.to_string()).collect();
        // What the console itself adds; its own test walks them.
        let exposed = exposed
            + "# TYPE linkward_alerts_open # TYPE linkward_alerts_undelivered # TYPE linkward_budget_left_ratio ";
        let text = prometheus_rules() + &openslo() + &boards;
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
    fn panels_lie_beside_each_other_within_the_width() {
        for ((name, board), panels) in grafana().into_iter().zip([6, 8, 10]) {
            let all = board["panels"].as_array().unwrap();
            assert_eq!(all.len(), panels, "{name}");
            let side = |panel: &Value, of: &str| panel["gridPos"][of].as_u64().unwrap();
            for (index, one) in all.iter().enumerate() {
                assert!(side(one, "x") + side(one, "w") <= 24, "{name}: {one}");
                for other in all.iter().skip(index + 1) {
                    let apart = side(one, "y") != side(other, "y")
                        || side(one, "x") + side(one, "w") <= side(other, "x");
                    assert!(apart, "{name}: {one} lies under {other}");
                }
            }
        }
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
