//! A scan for people: findings, what is unknown and why, what the data covers, and what to do next.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use linkward_advisory::{Fix, Relation, Report};
use linkward_model::Code;

use crate::table::{Style, counted, grid, visible};

pub(super) fn of(report: &Report, database: &Path, style: Style) -> String {
    let mut out = String::new();
    let totals = &report.totals;
    if totals.findings > 0 {
        let mut rows = vec![
            ["PACKAGE", "VERSION", "ADVISORY", "SEVERITY", "FIXED IN", "RELATION", "SUMMARY"]
                .map(str::to_owned),
        ];
        for (judged, finding) in report.findings() {
            rows.push([
                visible(&judged.name),
                visible(judged.version.as_deref().unwrap_or("-")),
                visible(&finding.id),
                visible(&finding.priority()),
                visible(finding.fixed.as_deref().unwrap_or("-")),
                relation(judged.relation).to_owned(),
                visible(&finding.summary).chars().take(60).collect(),
            ]);
        }
        out.push_str(&grid(&rows));
        out.push('\n');
        for judged in report.components.iter().filter(|judged| judged.fix().is_some()) {
            let _ = writeln!(out, "{}: {}", style.strong(&visible(&judged.id)), advice(judged.fix()));
        }
        out.push('\n');
    }
    unknown(&mut out, report);
    for judged in &report.components {
        for ignored in &judged.ignored {
            let rule = &ignored.rule;
            let until = rule.until.to_string();
            let _ = writeln!(
                out,
                "ignored: {} in {} until {}, by {}: {}",
                visible(&ignored.finding.id),
                visible(&judged.id),
                until.get(..10).unwrap_or(&until),
                visible(&rule.owner),
                visible(&rule.reason)
            );
        }
    }
    for judged in &report.components {
        for excused in &judged.excused {
            let _ = writeln!(
                out,
                "excused: {} in {}, as {} claims: {}",
                visible(&excused.finding.id),
                visible(&judged.id),
                visible(&excused.document),
                visible(excused.justification.as_deref().unwrap_or("no justification"))
            );
        }
    }
    built_on(&mut out, report);
    let _ = writeln!(
        out,
        "{}: {} affected, {} not affected, {} unknown; {} ignored; {:.1} % vulnerable",
        counted(totals.components, "component"),
        totals.affected,
        totals.not_affected,
        totals.unknown,
        counted(totals.ignored, "finding"),
        totals.vulnerable_ratio * 100.0
    );
    coverage(&mut out, report, database);
    out
}

/// What an image was built on: as it was seen, and as it claims.
fn built_on(out: &mut String, report: &Report) {
    let fact = |name: &str| report.facts.get(name).map(|text| visible(text));
    if let (Some(name), Some(layers)) = (fact("image:base-seen"), fact("image:base-seen-layers")) {
        let record = fact("image:base-seen-record").unwrap_or_default();
        let _ = writeln!(out, "built on {name}: {layers} layers are those of record {record}");
    }
    if let Some(name) = fact("image:base") {
        let digest = fact("image:base-digest").map(|digest| format!(" ({digest})")).unwrap_or_default();
        let _ = writeln!(out, "built on {name}{digest}, as its annotations claim");
    }
}

fn relation(relation: Relation) -> &'static str {
    match relation {
        Relation::Direct => "direct",
        Relation::Transitive => "transitive",
        Relation::Own => "own",
    }
}

pub(super) fn advice(fix: Option<&Fix>) -> String {
    match fix {
        Some(Fix::Update { version }) => {
            format!("update to {}, which clears all that is known", visible(version))
        }
        Some(Fix::Remove) => "remove it: it was made to do harm".to_owned(),
        Some(Fix::NoneKnown) => {
            "no version that clears all is known; replace it, or ignore with an end date".to_owned()
        }
        None => String::new(),
    }
}

/// Doubts by code: thousands of components may share one reason.
fn unknown(out: &mut String, report: &Report) {
    const SHOWN: usize = 5;
    let mut by_code: BTreeMap<Code, Vec<String>> = BTreeMap::new();
    for doubt in &report.doubts {
        by_code.entry(doubt.code).or_default().push(visible(&doubt.detail));
    }
    for judged in &report.components {
        for doubt in judged.doubts() {
            by_code.entry(doubt.code).or_default().push(format!(
                "{}: {}",
                visible(&judged.id),
                visible(&doubt.detail)
            ));
        }
    }
    for (code, details) in by_code {
        let _ = writeln!(out, "? {code} ({}): {}", details.len(), code.summary());
        for detail in details.iter().take(SHOWN) {
            let _ = writeln!(out, "    {detail}");
        }
        if details.len() > SHOWN {
            let _ = writeln!(out, "    and {} more; --format json lists all", details.len() - SHOWN);
        }
        let _ = writeln!(out, "    next: {}", code.fix());
    }
}

fn coverage(out: &mut String, report: &Report, path: &Path) {
    let Some(data) = &report.database else {
        let _ = writeln!(out, "no advisory database at {}: nothing is known to be clean", path.display());
        let _ = writeln!(
            out,
            "next: linkward advisory update, or linkward advisory build SOURCE... -o {}",
            path.display()
        );
        return;
    };
    let covered: Vec<String> = data
        .coverage
        .iter()
        .map(|covered| match (&covered.coverage, covered.age_days) {
            (Some(coverage), Some(age)) if coverage.advisories > 0 => {
                format!(
                    "{} {} advisories, {}",
                    covered.ecosystem,
                    coverage.advisories,
                    counted(age.max(0) as u64, "day")
                )
            }
            _ => format!("{} not covered", covered.ecosystem),
        })
        .collect();
    let _ = writeln!(out, "data {}: {}", data.digest.short(), covered.join("; "));
}
