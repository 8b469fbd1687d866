//! `linkward diff`: what changed between two sets of dependencies, and what of the new is known to be bad.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use linkward_advisory::{Assessment, Doubt, Freshness, Severity, scheme};
use linkward_inventory::diff::{Change, Changes, diff};
use linkward_model::{Code, Exit, Instant, Purl};
use serde_json::{Value, json};

use crate::advisory::{Place, failure};
use crate::cli::Format;
use crate::commands::{print, print_json};
use crate::scan::markdown::cell;
use crate::scan::sarif::{Entry, log};
use crate::scan::{Loaded, Look, load};
use crate::table::visible;
use crate::wire::VERSION;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What was: a folder, a lockfile or an SBOM
    #[arg(value_name = "OLD")]
    old: String,
    /// What is
    #[arg(value_name = "NEW")]
    new: String,
    /// The advisory database [default: of the home, or of the user]
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// Let dependencies pass about which nothing certain can be said
    #[arg(long)]
    allow_unknown: bool,
    /// Print this instead of the table
    #[arg(long, value_enum)]
    report: Option<Kind>,
    /// Compare as if it were this time (RFC 3339)
    #[arg(long, hide = true)]
    at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    /// For code scanning
    Sarif,
    /// For a comment on a pull request
    Markdown,
}

/// A reason not to take the change as it is.
#[derive(Debug)]
struct Objection {
    code: Code,
    purl: String,
    message: String,
}

pub(crate) fn run(args: &Args, home: Option<&Path>, format: Format) -> Result<Exit> {
    crate::sandbox::enter(crate::scan::network(&[&args.old, &args.new]));
    let Loaded { sbom: old, doubts: of_old, .. } = load(&args.old, Look::ByContent)?;
    let Loaded { sbom: new, doubts: of_new, .. } = load(&args.new, Look::ByContent)?;
    let mut doubts: Vec<Doubt> = of_old.into_iter().chain(of_new).collect();
    for (name, sbom) in [(&args.old, &old), (&args.new, &new)] {
        let without = sbom.components.iter().filter(|component| component.purl.is_none()).count();
        if without > 0 {
            doubts.push(Doubt::new(
                Code::PackageUnidentified,
                format!("{without} components of {name} have no purl"),
            ));
        }
    }
    let changes = diff(&old, &new);
    let mut objections: Vec<Objection> = changes.changes.iter().filter_map(of_change).collect();
    advisories(args, home, &changes, &mut objections, &mut doubts)?;
    match (args.report, format) {
        (Some(Kind::Sarif), _) => print_json(&sarif(args, &objections, &doubts))?,
        (Some(Kind::Markdown), _) => print(&markdown(&changes, &objections, &doubts))?,
        (None, Format::Json) => print_json(&json!({
            "version": VERSION, "old": args.old, "new": args.new,
            "changes": changes.changes.iter().map(Change::describe).collect::<Vec<_>>(),
            "packages": changes.packages, "unknown_packages": changes.unknown, "unknown_ratio": changes.unknown_ratio(),
            "objections": objections.iter().map(described).collect::<Vec<_>>(), "doubts": doubts,
        }))?,
        (None, Format::Table) => print(&table(&changes, &objections, &doubts))?,
    }
    Ok(match (objections.is_empty(), doubts.is_empty() || args.allow_unknown) {
        (false, _) => Exit::Denied,
        (true, false) => Exit::Unknown,
        (true, true) => Exit::Allowed,
    })
}

fn of_change(change: &Change) -> Option<Objection> {
    let (code, purl, message) = match change {
        Change::Replaced { purl, from, to } => {
            (Code::DependencyReplaced, purl, format!("the same version had {from}, now it has {to}"))
        }
        Change::Moved { from, to } => {
            (Code::DependencyReplaced, to, format!("the same version was taken from {from}"))
        }
        Change::Unpinned { purl } => {
            (Code::DependencyUnpinned, purl, "its digest is no longer there".to_owned())
        }
        _ => return None,
    };
    Some(Objection { code, purl: purl.to_string(), message })
}

/// What advisories say of everything that is new. Without data that is unknown, not clean.
fn advisories(
    args: &Args,
    home: Option<&Path>,
    changes: &Changes,
    objections: &mut Vec<Objection>,
    doubts: &mut Vec<Doubt>,
) -> Result<()> {
    let new: BTreeSet<&Purl> = changes.changes.iter().flat_map(Change::new_purls).collect();
    if new.is_empty() {
        return Ok(());
    }
    let place = Place::find(args.database.as_deref(), home)?;
    let Some(database) = place.open()? else {
        let detail = format!(
            "{} new versions were compared with nothing: no database at {}",
            new.len(),
            place.path.display()
        );
        doubts.push(Doubt::new(Code::AdvisoryMissing, detail));
        return Ok(());
    };
    let freshness = Freshness { now: args.at.unwrap_or_else(Instant::now), max_age_days: place.max_age_days };
    for purl in new {
        match database.assess(purl, freshness).map_err(|error| failure(&error))? {
            Assessment::NotAffected => {}
            Assessment::Unknown { doubts: found } => {
                doubts.extend(
                    found
                        .into_iter()
                        .map(|doubt| Doubt::new(doubt.code, format!("{purl}: {}", doubt.detail))),
                );
            }
            Assessment::Affected { findings, doubts: found, .. } => {
                doubts.extend(
                    found
                        .into_iter()
                        .map(|doubt| Doubt::new(doubt.code, format!("{purl}: {}", doubt.detail))),
                );
                for finding in findings.into_iter().filter(|finding| finding.severity != Severity::Notice) {
                    let message =
                        format!("{} ({}): {}", finding.id, finding.severity.as_str(), finding.summary);
                    objections.push(Objection { code: finding.code, purl: purl.to_string(), message });
                }
            }
        }
    }
    Ok(())
}

fn described(objection: &Objection) -> Value {
    json!({ "code": objection.code, "purl": objection.purl, "message": objection.message })
}

/// `1.0 -> 2.0`, and whether that goes back.
fn line(change: &Change) -> (String, String) {
    let versions = |purls: &[Purl]| {
        let all: Vec<&str> = purls.iter().map(|purl| purl.version().unwrap_or("-")).collect();
        if all.is_empty() { "-".to_owned() } else { all.join(", ") }
    };
    match change {
        Change::Added { purl }
        | Change::Removed { purl }
        | Change::Unpinned { purl }
        | Change::Replaced { purl, .. } => (purl.to_string(), String::new()),
        Change::Moved { from, to } => (to.to_string(), format!("from {from}")),
        Change::Changed { from, to } => {
            let name = from.iter().chain(to).next().map(bare).unwrap_or_default();
            let back = if goes_back(from, to) { " (goes back)" } else { "" };
            (name, format!("{} -> {}{back}", versions(from), versions(to)))
        }
    }
}

fn bare(purl: &Purl) -> String {
    let text = purl.to_string();
    let end = text.rfind('@').filter(|_| purl.version().is_some()).unwrap_or(text.len());
    text.get(..end).unwrap_or(&text).to_owned()
}

fn goes_back(from: &[Purl], to: &[Purl]) -> bool {
    let ([from], [to]) = (from, to) else { return false };
    let Some(scheme) = linkward_advisory::query(to).ok().and_then(|query| scheme(&query.ecosystem)) else {
        return false;
    };
    let read = |purl: &Purl| scheme.read(purl.version()?).ok();
    match (read(from), read(to)) {
        (Some(from), Some(to)) => scheme.compare(to.as_bytes(), from.as_bytes()).is_lt(),
        _ => false,
    }
}

fn table(changes: &Changes, objections: &[Objection], doubts: &[Doubt]) -> String {
    let mut out = String::new();
    let rows: Vec<_> = changes
        .changes
        .iter()
        .map(|change| {
            let (name, what) = line(change);
            [change.kind().to_owned(), visible(&name), visible(&what)]
        })
        .collect();
    out.push_str(&crate::table::grid(&rows));
    for objection in objections {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "x {} {}: {}",
            objection.code,
            visible(&objection.purl),
            visible(&objection.message)
        );
    }
    for doubt in doubts {
        let _ = writeln!(out, "? {}: {}", doubt.code, visible(&doubt.detail));
    }
    let _ = writeln!(
        out,
        "{} changes; {} of {} packages were not there before ({:.1} %)",
        changes.changes.len(),
        changes.unknown,
        changes.packages,
        changes.unknown_ratio() * 100.0
    );
    out
}

fn markdown(changes: &Changes, objections: &[Objection], doubts: &[Doubt]) -> String {
    const MAX_ROWS: usize = 50;
    let mut out = format!(
        "### Dependency changes\n\n{} changes; {} of {} packages were not there before ({:.1} %)\n",
        changes.changes.len(),
        changes.unknown,
        changes.packages,
        changes.unknown_ratio() * 100.0
    );
    if !objections.is_empty() {
        out.push_str("\n**Look at these before merging:**\n");
    }
    for objection in objections.iter().take(MAX_ROWS) {
        let _ = writeln!(out, "- {} {}: {}", objection.code, cell(&objection.purl), cell(&objection.message));
    }
    if !doubts.is_empty() {
        out.push_str("\nCould not be said:\n");
    }
    for doubt in doubts.iter().take(MAX_ROWS) {
        let _ = writeln!(out, "- {}: {}", doubt.code, cell(&doubt.detail));
    }
    if !changes.changes.is_empty() {
        out.push_str("\n| change | package | versions |\n|---|---|---|\n");
    }
    for change in changes.changes.iter().take(MAX_ROWS) {
        let (name, what) = line(change);
        let _ = writeln!(out, "| {} | {} | {} |", change.kind(), cell(&name), cell(&what));
    }
    let hidden =
        [objections.len(), doubts.len(), changes.changes.len()].map(|count| count.saturating_sub(MAX_ROWS));
    if hidden.iter().any(|count| *count > 0) {
        let _ = writeln!(
            out,
            "\n{} more lines are not shown; `linkward diff --format json` lists all.",
            hidden.iter().sum::<usize>()
        );
    }
    out
}

fn sarif(args: &Args, objections: &[Objection], doubts: &[Doubt]) -> Value {
    let of_objections = objections.iter().map(|objection| Entry {
        rule: objection.code.to_string(),
        level: "error",
        message: format!("{}: {}", objection.purl, objection.message),
        path: args.new.clone(),
        line: 1,
        key: format!("{} {}", objection.code, objection.purl),
    });
    let of_doubts = doubts.iter().map(|doubt| Entry {
        rule: doubt.code.to_string(),
        level: "warning",
        message: doubt.detail.clone(),
        path: args.new.clone(),
        line: 1,
        key: format!("{} {}", doubt.code, doubt.detail),
    });
    let entries: Vec<Entry> = of_objections.chain(of_doubts).collect();
    log(&entries, doubts.is_empty())
}
