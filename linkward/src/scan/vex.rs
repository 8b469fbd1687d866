//! The SBOM with what was found about it: a CycloneDX vulnerability disclosure report.

use linkward_advisory::{Fix, Report, Severity};
use linkward_evidence::sbom::Sbom;
use serde_json::{Map, Value, json};

pub(super) fn cyclonedx(report: &Report, sbom: &Sbom) -> Value {
    let mut document: Value = serde_json::from_slice(&linkward_evidence::cyclonedx::write(sbom))
        .unwrap_or(Value::Object(Map::new()));
    let mut vulnerabilities = Vec::new();
    for (judged, finding) in report.findings() {
        let rating = match finding.severity {
            Severity::Unrated => "unknown",
            Severity::Notice => "info",
            Severity::Malicious => "critical",
            other => other.as_str(),
        };
        let mut entry = json!({
            "id": finding.id,
            "ratings": [{ "severity": rating }],
            "description": finding.summary,
            "references": finding.aliases.iter().map(|id| json!({ "id": id, "source": {} })).collect::<Vec<_>>(),
            "affects": [{ "ref": judged.id }],
        });
        if let Some(Fix::Update { version }) = judged.fix() {
            entry["recommendation"] = format!("update to {version}").into();
        }
        vulnerabilities.push(entry);
    }
    if let Some(object) = document.as_object_mut() {
        // The serial number names the SBOM alone, which is another document.
        object.remove("serialNumber");
        object.insert("vulnerabilities".to_owned(), vulnerabilities.into());
        // What could not be said is part of the answer.
        let unknown = report.components.iter().flat_map(|judged| {
            judged.doubts().iter().map(move |doubt| (format!("{}: {}", judged.id, doubt.code), doubt.code))
        });
        let of_target = report.doubts.iter().map(|doubt| (doubt.detail.clone(), doubt.code));
        let properties: Vec<Value> = of_target
            .chain(unknown)
            .map(|(detail, code)| json!({ "name": format!("linkward:unknown:{code}"), "value": detail }))
            .collect();
        if let Some(known) = object.entry("properties").or_insert_with(|| json!([])).as_array_mut() {
            known.extend(properties);
        }
    }
    document
}
