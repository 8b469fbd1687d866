//! `linkward affected`: what of everything that was ever recorded an advisory, or a range of versions, speaks of.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use linkward_advisory::{Assessment, Database, Freshness, PackageRange};
use linkward_model::{Code, Exit, Instant, Purl};
use serde::Serialize;
use serde_json::Value;

use crate::access::Access;
use crate::advisory::{Place, failure};
use crate::cli::Format;
use crate::commands::{nearest, print, print_json};
use crate::table::{self, Style, counted};
use crate::wire::{Failure, Request, VERSION};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// An advisory's id or alias, or a purl; behind its @ a version or a range: 'pkg:npm/left@>=1.0.0,<1.2.0'
    #[arg(value_name = "ADVISORY|PURL[@RANGE]")]
    what: String,
    /// The advisory database [default: of the home, or of the user]
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
struct Answer {
    version: u32,
    what: String,
    affected: Vec<Value>,
    /// Recorded versions that could not be compared.
    unknown: Vec<Value>,
    /// Recorded versions of the packages in question that were looked at.
    compared: usize,
}

pub(crate) fn run(args: &Args, home: Option<&Path>, format: Format) -> Result<Exit> {
    let access = Access::open(&nearest(home)?)?;
    let recorded: Vec<Value> = access.ask(Request::List { kind: Some("sbom".to_owned()), limit: 1 })?;
    let claimed: Vec<Value> = access.ask(Request::List { kind: Some("claim".to_owned()), limit: 1 })?;
    if recorded.is_empty() && claimed.is_empty() {
        let message = "no SBOM is recorded here: whether anything is affected is unknown";
        return Err(Failure::new(Code::NoSbom, message).into());
    }
    let ask = |prefixes: Vec<String>| -> Result<Vec<String>> { access.ask(Request::Packages { prefixes }) };
    let (mut affected, mut unknown) = (Vec::new(), Vec::new());
    let purls = if args.what.starts_with("pkg:") {
        let range = PackageRange::parse(&args.what)?;
        let purls = ask(vec![range.package().to_string()])?;
        for text in &purls {
            match range.holds(&text.parse().context("a recorded purl is malformed")?) {
                Some(true) => affected.push(text.clone()),
                Some(false) => {}
                None => unknown.push(text.clone()),
            }
        }
        purls
    } else {
        let place = Place::find(args.database.as_deref(), home)?;
        let missing = || {
            Failure::new(Code::AdvisoryMissing, format!("no advisory database at {}", place.path.display()))
        };
        let database = place.open()?.ok_or_else(missing)?;
        let purls = ask(packages(&database, &args.what)?)?;
        for text in &purls {
            match names(&database, &text.parse().context("a recorded purl is malformed")?, &args.what)? {
                Some(true) => affected.push(text.clone()),
                Some(false) => {}
                None => unknown.push(text.clone()),
            }
        }
        purls
    };
    let answer = Answer {
        version: VERSION,
        what: args.what.clone(),
        affected: access.ask(Request::Holders { purls: affected })?,
        unknown: access.ask(Request::Holders { purls: unknown })?,
        compared: purls.len(),
    };
    match format {
        Format::Json => print_json(&answer)?,
        Format::Table => print(&described(&answer, Style::of_stdout()))?,
    }
    Ok(match (answer.affected.is_empty(), answer.unknown.is_empty()) {
        (false, _) => Exit::Denied,
        (true, false) => Exit::Unknown,
        (true, true) => Exit::Allowed,
    })
}

fn described(answer: &Answer, style: Style) -> String {
    let mut out = String::new();
    for (state, all) in [("affected", &answer.affected), ("unknown", &answer.unknown)] {
        for holder in all {
            let purl = table::visible(holder.get("purl").and_then(Value::as_str).unwrap_or_default());
            let count = holder.get("sboms").and_then(Value::as_u64).unwrap_or(0);
            let newest = holder.get("newest").and_then(Value::as_array).into_iter().flatten();
            let projects: Vec<String> = newest
                .take(10)
                .map(|sbom| {
                    let name =
                        table::visible(sbom.get("project").and_then(Value::as_str).unwrap_or_default());
                    let gone = sbom.get("code").and_then(Value::as_str);
                    let gone = gone.map_or_else(String::new, |code| format!(", {code}"));
                    format!("{name} (record {}{gone})", sbom.get("record").unwrap_or(&Value::Null))
                })
                .collect();
            out.push_str(&format!(
                "{state} {} in {}: {}\n",
                style.strong(&purl),
                counted(count, "SBOM"),
                projects.join(", ")
            ));
        }
    }
    out.push_str(&format!(
        "{}: {} affected, {} unknown of {} recorded\n",
        table::visible(&answer.what),
        answer.affected.len(),
        answer.unknown.len(),
        counted(answer.compared, "version")
    ));
    out
}

/// The packages that an advisory names, as the beginnings of purls.
fn packages(database: &Database, id: &str) -> Result<Vec<String>> {
    let found = database.find(id).map_err(|error| failure(&error))?;
    if found.is_empty() {
        let message = format!(
            "the database knows no advisory `{}`: whether anything is affected is unknown",
            table::visible(id)
        );
        return Err(Failure::new(Code::AdvisoryNoData, message).into());
    }
    let affected = found.iter().filter_map(|detail| detail.get("affected")?.as_array()).flatten();
    let mut prefixes = Vec::new();
    for package in affected {
        let text = |name: &str| package.get(name).and_then(Value::as_str).unwrap_or_default();
        let prefix = linkward_advisory::purls(text("ecosystem"), text("name"));
        let unread = || {
            Failure::new(
                Code::AdvisoryNoData,
                format!("no purl is known for {}", table::visible(text("ecosystem"))),
            )
        };
        prefixes.push(prefix.ok_or_else(unread)?);
    }
    Ok(prefixes)
}

/// Whether the advisory holds for a component; `None` where that cannot be said. How old the data is does not matter
/// for an advisory that is known.
fn names(database: &Database, purl: &Purl, id: &str) -> Result<Option<bool>> {
    let freshness = Freshness { now: Instant::from_millis(0), max_age_days: i64::MAX / 100_000_000 };
    let assessment = database.assess(purl, freshness).map_err(|error| failure(&error))?;
    Ok(match assessment {
        Assessment::NotAffected => Some(false),
        Assessment::Affected { findings, doubts, .. } => {
            let mut ids =
                findings.iter().flat_map(|finding| std::iter::once(&finding.id).chain(&finding.aliases));
            match (ids.any(|other| other.eq_ignore_ascii_case(id)), doubts.is_empty()) {
                (true, _) => Some(true),
                (false, true) => Some(false),
                (false, false) => None,
            }
        }
        Assessment::Unknown { .. } => None,
    })
}
