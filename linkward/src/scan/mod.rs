//! `linkward scan`: what is in it, and is any of it known to be bad.

pub(crate) mod markdown;
pub(crate) mod sarif;
mod table;
mod target;
mod vex;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use linkward_advisory::{Freshness, Ignores, Report, Severity, Subject, Threshold};
use linkward_model::{Code, Exit, Instant};

use crate::advisory::{Place, failure};
use crate::cli::Format;
use crate::commands::{print, print_json};
use crate::progress::Progress;
use crate::table::Style;
use crate::wire::Failure;

pub(crate) use target::{Loaded, Look, load};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder, a root file system, a lockfile, an SBOM (CycloneDX or SPDX), or a purl
    #[arg(default_value = ".", value_name = "TARGET")]
    target: String,
    /// Look for what is installed in the folder (node_modules, site-packages, packages of a distribution), not at lockfiles
    #[arg(long)]
    installed: bool,
    /// The advisory database [default: of the home, or of the user]
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// Findings from this severity on give exit code 1; unrated ones always count, malicious packages too
    #[arg(long, value_enum, default_value_t = FailOn::Low)]
    fail_on: FailOn,
    /// Let components pass about which nothing certain can be said
    #[arg(long)]
    allow_unknown: bool,
    /// Rules that ignore findings, each with an owner, a reason and an end [default: linkward-ignore.toml in the folder]
    #[arg(long, value_name = "FILE")]
    ignore: Option<PathBuf>,
    /// Print this instead of the table
    #[arg(long, value_enum)]
    report: Option<Kind>,
    /// Compare as if it were this time (RFC 3339)
    #[arg(long, hide = true)]
    at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FailOn {
    Notice,
    Low,
    Medium,
    High,
    Critical,
    Malicious,
}

impl FailOn {
    const fn severity(self) -> Severity {
        match self {
            Self::Notice => Severity::Notice,
            Self::Low => Severity::Low,
            Self::Medium => Severity::Medium,
            Self::High => Severity::High,
            Self::Critical => Severity::Critical,
            Self::Malicious => Severity::Malicious,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// For code scanning
    Sarif,
    /// The SBOM with its vulnerabilities, CycloneDX 1.6
    Cyclonedx,
    /// For a comment on a pull request
    Markdown,
}

pub(crate) fn run(args: &Args, home: Option<&Path>, format: Format) -> Result<Exit> {
    let place = Place::find(args.database.as_deref(), home)?;
    let progress = Progress::start();
    progress.say("reading the target");
    let Loaded { sbom, doubts, folder } =
        load(&args.target, if args.installed { Look::Installed } else { Look::ByContent })?;
    let ignores = ignores(args.ignore.as_deref(), folder.as_deref())?;
    progress.say("comparing with advisories");
    let database = place.open()?;
    let freshness = Freshness { now: args.at.unwrap_or_else(Instant::now), max_age_days: place.max_age_days };
    let subject = Subject { target: &args.target, sbom: &sbom, doubts };
    let report =
        Report::make(subject, database.as_ref(), &ignores, freshness).map_err(|error| failure(&error))?;
    drop(progress);
    match (args.report, format) {
        (Some(Kind::Sarif), _) => print_json(&sarif::of(&report))?,
        (Some(Kind::Cyclonedx), _) => print_json(&vex::cyclonedx(&report, &sbom))?,
        (Some(Kind::Markdown), _) => print(&markdown::of(&report))?,
        (None, Format::Json) => print_json(&report)?,
        (None, Format::Table) => print(&table::of(&report, &place.path, Style::of_stdout()))?,
    }
    Ok(report.exit(Threshold { fail_on: args.fail_on.severity(), allow_unknown: args.allow_unknown }))
}

/// Given, or beside what is scanned. A file that is named has to be there.
fn ignores(given: Option<&Path>, folder: Option<&Path>) -> Result<Ignores> {
    let beside = folder.map(|folder| folder.join("linkward-ignore.toml")).filter(|path| path.is_file());
    let Some(path) = given.map(Path::to_path_buf).or(beside) else { return Ok(Ignores::default()) };
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ignores::parse(&text).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(|fault| format!("  {fault}")).collect();
        Failure::new(Code::IgnoreMalformed, format!("{}\n{}", path.display(), lines.join("\n"))).into()
    })
}
