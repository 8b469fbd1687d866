//! SARIF 2.1.0 for code scanning.

use std::collections::BTreeSet;

use linkward_advisory::{Report, Severity};
use linkward_model::{Code, Digest};
use serde_json::{Value, json};

/// One result. The fingerprint is made of what it is about, so that it stays the same from run to run.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) rule: String,
    pub(crate) level: &'static str,
    pub(crate) message: String,
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) key: String,
}

/// A log of one run. `complete` is false where something could not be said: a viewer must not call it clean.
pub(crate) fn log(entries: &[Entry], complete: bool) -> Value {
    let rules: BTreeSet<&str> = entries.iter().map(|entry| entry.rule.as_str()).collect();
    let rules: Vec<Value> = rules
        .into_iter()
        .map(|rule| match rule.parse::<Code>() {
            Ok(code) => json!({
                "id": rule, "shortDescription": { "text": code.summary() }, "help": { "text": code.fix() },
            }),
            Err(_) => json!({ "id": rule }),
        })
        .collect();
    let results: Vec<Value> = entries
        .iter()
        .map(|entry| {
            json!({
                "ruleId": entry.rule,
                "level": entry.level,
                "message": { "text": entry.message },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": entry.path },
                    "region": { "startLine": entry.line.max(1) },
                } }],
                "partialFingerprints": { "linkward/v1": Digest::sha256(entry.key.as_bytes()).hex() },
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "linkward", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "invocations": [{ "executionSuccessful": complete }],
            "results": results,
        }],
    })
}

pub(super) fn of(report: &Report) -> Value {
    let mut entries = Vec::new();
    for (judged, finding) in report.findings() {
        let level = match finding.severity {
            Severity::Notice => "note",
            Severity::Low | Severity::Medium => "warning",
            _ => "error",
        };
        entries.push(Entry {
            rule: finding.code.to_string(),
            level,
            message: format!(
                "{}: {} ({}): {}",
                judged.id,
                finding.id,
                finding.severity.as_str(),
                finding.summary
            ),
            path: report.target.clone(),
            line: 1,
            key: format!("{} {}", judged.id, finding.id),
        });
    }
    let of_components = report.components.iter().flat_map(|judged| {
        judged.doubts().iter().map(move |doubt| (doubt, format!("{}: {}", judged.id, doubt.detail)))
    });
    let of_target = report.doubts.iter().map(|doubt| (doubt, doubt.detail.clone()));
    for (doubt, message) in of_target.chain(of_components) {
        entries.push(Entry {
            rule: doubt.code.to_string(),
            level: "warning",
            path: report.target.clone(),
            line: 1,
            key: format!("{} {message}", doubt.code),
            message,
        });
    }
    let complete = report.totals.unknown == 0 && report.doubts.is_empty();
    log(&entries, complete)
}
