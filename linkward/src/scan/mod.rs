//! `linkward scan`: what is in it, and is any of it known to be bad.

mod compare;
mod html;
pub(crate) mod keeper;
pub(crate) mod markdown;
pub(crate) mod sarif;
mod table;
mod target;
mod vex;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use linkward_advisory::{Freshness, Ignores, Report, Severity, Statements, Subject, Threshold};
use linkward_inventory::image::Platform;
use linkward_model::{Code, Exit, Instant};

use crate::advisory::{Place, failure};
use crate::cli::Format;
use crate::commands::{print, print_json};
use crate::progress::Progress;
use crate::sandbox::Network;
use crate::table::Style;
use crate::wire::Failure;

pub(crate) use target::{Loaded, Look, Shape, load, load_for, shape};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder, a root file system, an image (OCI layout, archive, or docker://REGISTRY/NAME:TAG), a lockfile, a program, an SBOM (CycloneDX or SPDX), or a purl
    #[arg(default_value = ".", value_name = "TARGET")]
    target: String,
    /// Look for what is installed in the folder (node_modules, site-packages, packages of a distribution), not at lockfiles
    #[arg(long)]
    installed: bool,
    /// Which image of several, as linux/arm64 [default: Linux on this machine's processor]
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
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
    /// A VEX document whose statements about a component of the target count for it; may be repeated
    #[arg(long = "vex", value_name = "FILE")]
    statements: Vec<PathBuf>,
    /// A JSON report of grype, trivy, osv-scanner or pip-audit on the same target: every difference is explained
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Print this instead of the table
    #[arg(long, value_enum)]
    report: Option<Kind>,
    /// Read without giving up any right: for measuring what that costs
    #[arg(long, hide = true)]
    dangerously_unconfined: bool,
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
    /// One page for a browser
    Html,
}

pub(crate) fn run(args: &Args, home: Option<&Path>, format: Format) -> Result<Exit> {
    let place = Place::find(args.database.as_deref(), home)?;
    let progress = Progress::start();
    offer(&place, home, format)?;
    let mut keeper = keeper::Keeper::start(home)?;
    if !args.dangerously_unconfined {
        crate::sandbox::enter(network(&[&args.target]));
    }
    progress.say("reading the target");
    let mut loaded = load_for(
        &args.target,
        if args.installed { Look::Installed } else { Look::ByContent },
        args.platform.as_ref(),
    )?;
    if let Some(keeper) = &mut keeper {
        progress.say("recording what was found");
        keeper.keep(&args.target, &mut loaded)?;
    }
    let Loaded { sbom, doubts, folder, .. } = loaded;
    let ignores = ignores(args.ignore.as_deref(), folder.as_deref())?;
    progress.say("comparing with advisories");
    let database = place.open()?;
    let freshness = Freshness { now: args.at.unwrap_or_else(Instant::now), max_age_days: place.max_age_days };
    let statements = args.statements.iter().map(|file| statements(file)).collect::<Result<Vec<_>>>()?;
    let subject = Subject { target: &args.target, sbom: &sbom, doubts, statements: &statements };
    let report =
        Report::make(subject, database.as_ref(), &ignores, freshness).map_err(|error| failure(&error))?;
    let comparison = args.compare.as_ref().map(|file| compare::compare(file, &report, database.as_ref()));
    let comparison = comparison.transpose()?;
    drop(progress);
    match (args.report, format) {
        (Some(Kind::Sarif), _) => print_json(&sarif::of(&report))?,
        (Some(Kind::Cyclonedx), _) => print_json(&vex::cyclonedx(&report, &sbom))?,
        (Some(Kind::Markdown), _) => print(&markdown::of(&report))?,
        (Some(Kind::Html), _) => print(&html::of(&report))?,
        (None, Format::Json) => match &comparison {
            None => print_json(&report)?,
            Some(comparison) => {
                let mut document = serde_json::to_value(&report)?;
                if let Some(object) = document.as_object_mut() {
                    object.insert("comparison".to_owned(), serde_json::to_value(comparison)?);
                }
                print_json(&document)?;
            }
        },
        (None, Format::Table) => {
            print(&table::of(&report, &place.path, Style::of_stdout()))?;
            comparison.iter().try_for_each(|comparison| print(&compare::table(comparison)))?;
        }
    }
    Ok(report.exit(Threshold { fail_on: args.fail_on.severity(), allow_unknown: args.allow_unknown }))
}

/// Without a database nothing can be said; a person who is there may have it fetched. Nobody else is asked, and nothing is
/// fetched without an answer.
fn offer(place: &Place, home: Option<&Path>, format: Format) -> Result<()> {
    use std::io::{BufRead as _, IsTerminal as _};
    let person = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if place.path.exists() || !person || format != Format::Table {
        return Ok(());
    }
    let question = format!(
        "There is no advisory database at {}; without one nothing can be said. Fetch it now? [y/N]",
        place.path.display()
    );
    crate::commands::complain(&question);
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        crate::advisory::update(home, &[], format)?;
    }
    Ok(())
}

fn statements(file: &Path) -> Result<Statements> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let vex = crate::vex::statements(&bytes)
        .map_err(|fault| Failure::new(fault.code, format!("{}: {fault}", file.display())))?;
    let missing = || Failure::new(Code::UnsupportedFormat, format!("{} holds no statement", file.display()));
    Ok(Statements { name: file.display().to_string(), vex: vex.ok_or_else(missing)? })
}

/// Whether any target has to be fetched.
pub(crate) fn network(targets: &[&str]) -> Network {
    if targets.iter().any(|target| crate::image::is_reference(target)) {
        Network::Needed
    } else {
        Network::GivenUp
    }
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
