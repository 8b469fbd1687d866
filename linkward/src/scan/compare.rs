//! What another scanner found in the same target, and why it differs: scanners disagree by hundreds of findings on one image,
//! and without a reason for each nobody can tell a gap from noise.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use linkward_advisory::{Database, Judged, Report};
use linkward_model::{Code, Purl};
use serde::Serialize;
use serde_json::Value;

use crate::advisory::failure;
use crate::table::{counted, grid, visible};
use crate::wire::Failure;

const MAX_REPORT: u64 = 512 << 20;

/// One finding of the other scanner.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Theirs {
    name: String,
    version: String,
    purl: Option<Purl>,
    /// The advisory's id and what it is called elsewhere.
    ids: Vec<String>,
}

/// The other scanner's report.
#[derive(Debug, Default)]
struct Other {
    scanner: &'static str,
    findings: Vec<Theirs>,
    /// What it says it did not look at, and why.
    skipped: BTreeMap<String, String>,
}

/// Why one of two scanners reports what the other does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Why {
    /// The component is not in the target as it is seen here.
    NotInInventory,
    /// Another version of it is.
    OtherVersion,
    /// The database does not have the advisory.
    AdvisoryUnknown,
    /// The advisory does not name this package: a match by CPE or by a similar name.
    OtherPackage,
    /// Its ranges leave this version out.
    VersionNotAffected,
    /// A rule here ignores it.
    Ignored,
    /// A VEX statement here says that it does not hold.
    Excused,
    /// Nothing certain could be said of the component here.
    Undecided,
    /// The other scanner says that it left the component out.
    SkippedThere,
    /// The other scanner reports other advisories of the component, but not this one.
    AdvisoryMissingThere,
    /// The other scanner reports nothing of the component.
    ComponentMissingThere,
}

impl Why {
    fn as_str(self) -> String {
        serde_json::to_value(self)
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
            .unwrap_or_default()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Difference {
    /// `here` or `there`: who alone reports it.
    only: &'static str,
    component: String,
    advisory: String,
    why: Why,
    detail: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    scanner: &'static str,
    agreed: usize,
    differences: Vec<Difference>,
    skipped_there: BTreeMap<String, String>,
}

pub(super) fn compare(file: &Path, report: &Report, database: Option<&Database>) -> Result<Comparison> {
    let mut bytes = Vec::new();
    let opened = std::fs::File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
    std::io::Read::read_to_end(&mut std::io::Read::take(opened, MAX_REPORT), &mut bytes)?;
    let document: Value = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::new(Code::MalformedJson, format!("{}: {error}", file.display())))?;
    let other = read(&document).ok_or_else(|| {
        let what = "is no JSON report of grype, trivy, osv-scanner or pip-audit";
        Failure::new(Code::UnsupportedFormat, format!("{} {what}", file.display()))
    })?;
    differences(other, report, database)
}

fn differences(other: Other, report: &Report, database: Option<&Database>) -> Result<Comparison> {
    let mut by_name: BTreeMap<String, Vec<&Judged>> = BTreeMap::new();
    for judged in &report.components {
        for name in names(judged) {
            by_name.entry(name).or_default().push(judged);
        }
    }
    let mut agreed: BTreeSet<(String, String)> = BTreeSet::new();
    let mut found: BTreeSet<Difference> = BTreeSet::new();
    for theirs in &other.findings {
        let candidates = by_name.get(&normal(&theirs.name)).map(Vec::as_slice).unwrap_or_default();
        let here = candidates.iter().find(|judged| is_version(judged, &theirs.version));
        let same = here.and_then(|judged| {
            let finding =
                judged.findings().iter().find(|finding| overlap(&theirs.ids, &finding.id, &finding.aliases));
            finding.map(|finding| (judged.id.clone(), finding.id.clone()))
        });
        if let Some(same) = same {
            agreed.insert(same);
            continue;
        }
        let (why, detail) = match here {
            None => absent(theirs, candidates),
            Some(judged) => unreported(theirs, judged, database)?,
        };
        found.insert(Difference {
            only: "there",
            component: theirs
                .purl
                .as_ref()
                .map_or_else(|| format!("{} {}", theirs.name, theirs.version), Purl::to_string),
            advisory: theirs.ids.first().cloned().unwrap_or_default(),
            why,
            detail,
        });
    }
    for (judged, finding) in report.findings() {
        if agreed.contains(&(judged.id.clone(), finding.id.clone())) {
            continue;
        }
        let own = names(judged);
        let skipped = own.iter().find_map(|name| other.skipped.get(name));
        let any = other
            .findings
            .iter()
            .any(|theirs| own.contains(&normal(&theirs.name)) && is_version(judged, &theirs.version));
        let (why, detail) = match (skipped, any) {
            (Some(reason), _) => (Why::SkippedThere, format!("{} left it out: {reason}", other.scanner)),
            (None, true) => {
                (Why::AdvisoryMissingThere, format!("{} reports others of it, not this one", other.scanner))
            }
            (None, false) => (
                Why::ComponentMissingThere,
                format!("{} reports nothing of it: not seen, or not matched", other.scanner),
            ),
        };
        found.insert(Difference {
            only: "here",
            component: judged.id.clone(),
            advisory: finding.id.clone(),
            why,
            detail,
        });
    }
    Ok(Comparison {
        scanner: other.scanner,
        agreed: agreed.len(),
        differences: found.into_iter().collect(),
        skipped_there: other.skipped,
    })
}

fn absent(theirs: &Theirs, candidates: &[&Judged]) -> (Why, String) {
    let versions: Vec<&str> = candidates.iter().filter_map(|judged| judged.version.as_deref()).collect();
    if versions.is_empty() {
        (Why::NotInInventory, format!("{} is not in the target as it is seen here", theirs.name))
    } else {
        (Why::OtherVersion, format!("here it is {}", versions.join(", ")))
    }
}

/// The component is here, the finding is not: what stands in its place.
fn unreported(theirs: &Theirs, judged: &Judged, database: Option<&Database>) -> Result<(Why, String)> {
    if let Some(ignored) = judged
        .ignored
        .iter()
        .find(|ignored| overlap(&theirs.ids, &ignored.finding.id, &ignored.finding.aliases))
    {
        return Ok((Why::Ignored, format!("by the rule of {}: {}", ignored.rule.owner, ignored.rule.reason)));
    }
    if let Some(excused) = judged
        .excused
        .iter()
        .find(|excused| overlap(&theirs.ids, &excused.finding.id, &excused.finding.aliases))
    {
        let why = excused.justification.as_deref().unwrap_or("no justification");
        return Ok((Why::Excused, format!("{} says so: {why}", excused.document)));
    }
    let mut details = Vec::new();
    for id in &theirs.ids {
        let known =
            database.map(|database| database.find(id)).transpose().map_err(|error| failure(&error))?;
        details.extend(known.unwrap_or_default());
    }
    if details.is_empty() {
        let why = if judged.doubts().is_empty() { Why::AdvisoryUnknown } else { Why::Undecided };
        let doubts: Vec<String> = judged.doubts().iter().map(|doubt| doubt.detail.clone()).collect();
        let detail =
            if doubts.is_empty() { "the database does not have it".to_owned() } else { doubts.join("; ") };
        return Ok((why, detail));
    }
    let own = names(judged);
    let affected: Vec<&Value> =
        details.iter().filter_map(|detail| detail.get("affected")?.as_array()).flatten().collect();
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let ours: Vec<&&Value> =
        affected.iter().filter(|entry| own.contains(&normal(&text(entry, "name")))).collect();
    if ours.is_empty() {
        let named: BTreeSet<String> = affected
            .iter()
            .map(|entry| format!("{} {}", text(entry, "ecosystem"), text(entry, "name")))
            .collect();
        let named: Vec<String> = named.into_iter().take(3).collect();
        return Ok((Why::OtherPackage, format!("the advisory is about {}", named.join(", "))));
    }
    if let Some(doubt) = judged.doubts().first() {
        return Ok((Why::Undecided, doubt.detail.clone()));
    }
    let ranges: BTreeSet<String> = ours
        .iter()
        .filter_map(|entry| entry.get("ranges")?.as_array())
        .flatten()
        .filter_map(|range| range.as_str().map(str::to_owned))
        .collect();
    let ranges: Vec<String> = ranges.into_iter().take(3).collect();
    Ok((Why::VersionNotAffected, format!("its ranges leave this version out: {}", ranges.join("; "))))
}

fn overlap(ids: &[String], id: &str, aliases: &[String]) -> bool {
    std::iter::once(id)
        .chain(aliases.iter().map(String::as_str))
        .any(|own| ids.iter().any(|other| other.eq_ignore_ascii_case(own)))
}

/// Every spelling under which another scanner may name a component.
fn names(judged: &Judged) -> BTreeSet<String> {
    let mut found = BTreeSet::from([normal(&judged.name)]);
    if let Some(purl) = &judged.purl {
        found.insert(normal(purl.name()));
        if let Some(namespace) = purl.namespace() {
            found.insert(normal(&format!("{namespace}/{}", purl.name())));
            found.insert(normal(&format!("{namespace}:{}", purl.name())));
        }
        // Advisories of distributions are about source packages.
        found.extend(
            purl.qualifiers()
                .get("upstream")
                .map(|source| normal(source.split('@').next().unwrap_or(source))),
        );
    }
    found
}

fn normal(name: &str) -> String {
    name.to_lowercase().replace(['_', '.'], "-")
}

/// Some write the `v` of Go, and epochs, and some do not.
fn is_version(judged: &Judged, other: &str) -> bool {
    let bare = |text: &str| text.trim_start_matches('v').to_owned();
    let epoch = judged.purl.as_ref().and_then(|purl| purl.qualifiers().get("epoch"));
    judged.version.as_deref().is_some_and(|own| {
        bare(own) == bare(other) || epoch.is_some_and(|epoch| format!("{epoch}:{own}") == other)
    })
}

fn read(document: &Value) -> Option<Other> {
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let words = |value: &Value, name: &str| -> Vec<String> {
        list(value, name).iter().filter_map(|word| word.as_str().map(str::to_owned)).collect()
    };
    let mut other = Other::default();
    if document.get("matches").is_some_and(Value::is_array) {
        other.scanner = "grype";
        for entry in list(document, "matches") {
            let (about, artifact) = (entry.get("vulnerability")?, entry.get("artifact")?);
            let mut ids = vec![text(about, "id")];
            ids.extend(list(&entry, "relatedVulnerabilities").iter().map(|related| text(related, "id")));
            let purl = text(artifact, "purl").parse().ok();
            other.findings.push(Theirs {
                name: text(artifact, "name"),
                version: text(artifact, "version"),
                purl,
                ids,
            });
        }
    } else if document.get("Results").is_some() || document.get("ArtifactName").is_some() {
        other.scanner = "trivy";
        for entry in list(document, "Results").iter().flat_map(|result| list(result, "Vulnerabilities")) {
            let purl = entry
                .pointer("/PkgIdentifier/PURL")
                .and_then(Value::as_str)
                .and_then(|purl| purl.parse().ok());
            let mut ids = vec![text(&entry, "VulnerabilityID")];
            ids.extend(words(&entry, "VendorIDs"));
            other.findings.push(Theirs {
                name: text(&entry, "PkgName"),
                version: text(&entry, "InstalledVersion"),
                purl,
                ids,
            });
        }
    } else if document.get("results").is_some_and(Value::is_array) {
        other.scanner = "osv-scanner";
        for entry in list(document, "results").iter().flat_map(|result| list(result, "packages")) {
            let package = entry.get("package")?;
            for about in list(&entry, "vulnerabilities") {
                let mut ids = vec![text(&about, "id")];
                ids.extend(words(&about, "aliases"));
                other.findings.push(Theirs {
                    name: text(package, "name"),
                    version: text(package, "version"),
                    purl: None,
                    ids,
                });
            }
        }
    } else if document.get("dependencies").is_some_and(Value::is_array) {
        other.scanner = "pip-audit";
        for entry in list(document, "dependencies") {
            if let Some(reason) = entry.get("skip_reason").and_then(Value::as_str) {
                other.skipped.insert(normal(&text(&entry, "name")), reason.to_owned());
            }
            for about in list(&entry, "vulns") {
                let mut ids = vec![text(&about, "id")];
                ids.extend(words(&about, "aliases"));
                other.findings.push(Theirs {
                    name: text(&entry, "name"),
                    version: text(&entry, "version"),
                    purl: None,
                    ids,
                });
            }
        }
    } else {
        return None;
    }
    other.findings.sort();
    other.findings.dedup();
    Some(other)
}

pub(super) fn table(comparison: &Comparison) -> String {
    let differences = &comparison.differences;
    let of = |side: &str| differences.iter().filter(|difference| difference.only == side).count();
    let mut out = format!(
        "\ncompared with {}: {} agreed, {} only here, {} only there\n",
        comparison.scanner,
        counted(comparison.agreed, "finding"),
        of("here"),
        of("there")
    );
    if !differences.is_empty() {
        let mut rows = vec![["ONLY", "COMPONENT", "ADVISORY", "WHY", "DETAIL"].map(str::to_owned)];
        rows.extend(differences.iter().map(|difference| {
            [
                difference.only.to_owned(),
                visible(&difference.component),
                visible(&difference.advisory),
                difference.why.as_str(),
                visible(&difference.detail),
            ]
        }));
        out.push_str(&grid(&rows));
    }
    for (name, reason) in &comparison.skipped_there {
        let _ = writeln!(out, "{} left out {}: {}", comparison.scanner, visible(name), visible(reason));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_report_is_read() {
        let of = |text: &str| read(&serde_json::from_str(text).unwrap()).unwrap();
        let grype = r#"{"matches":[{"vulnerability":{"id":"GHSA-1"},"relatedVulnerabilities":[{"id":"CVE-1"}],"artifact":{"name":"left","version":"1.0","purl":"pkg:npm/left@1.0"}}]}"#;
        let trivy = r#"{"ArtifactName":"x","Results":[{"Vulnerabilities":[{"VulnerabilityID":"CVE-1","PkgName":"left","InstalledVersion":"1.0","PkgIdentifier":{"PURL":"pkg:npm/left@1.0"}}]},{}]}"#;
        let osv = r#"{"results":[{"packages":[{"package":{"name":"left","version":"1.0"},"vulnerabilities":[{"id":"GHSA-1","aliases":["CVE-1"]}]}]}]}"#;
        let pip = r#"{"dependencies":[{"name":"left","version":"1.0","vulns":[{"id":"PYSEC-1","aliases":["CVE-1"]}]},{"name":"Old_One","skip_reason":"not found"}]}"#;
        for (text, scanner) in [(grype, "grype"), (trivy, "trivy"), (osv, "osv-scanner"), (pip, "pip-audit")]
        {
            let other = of(text);
            assert_eq!(other.scanner, scanner);
            let [found] = other.findings.as_slice() else { panic!("{scanner}") };
            assert!(
                found.ids.contains(&"CVE-1".to_owned()) && found.name == "left" && found.version == "1.0"
            );
        }
        assert_eq!(of(pip).skipped["old-one"], "not found");
        assert!(read(&serde_json::json!({"a": 1})).is_none());
    }
}
