//! `sbom`: the SBOM of a project's lockfiles, and one format turned into the other.

use std::path::Path;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};
use linkward_evidence::Claim;
use linkward_evidence::convert::{Target, convert as turn};
use linkward_model::{Code, Exit, Instant};

use crate::commands::{complain, print};
use crate::config::Config;
use crate::home::Home;
use crate::project;
use crate::table;
use crate::wire::Failure;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Sbom {
    #[command(subcommand)]
    command: Option<SbomCommand>,
    #[arg(default_value = ".", value_name = "PATH")]
    path: std::path::PathBuf,
}

#[derive(Debug, Subcommand)]
enum SbomCommand {
    /// Turn an SBOM into the other format, on standard output; what could not be kept is named on standard error
    Convert {
        /// CycloneDX JSON or XML, or SPDX JSON, tag-value or JSON-LD
        #[arg(value_name = "FILE")]
        file: std::path::PathBuf,
        /// CycloneDX 1.6 JSON or SPDX 2.3 JSON
        #[arg(long, value_enum)]
        to: To,
        /// Refuse, with exit code 1, where anything could not be kept
        #[arg(long)]
        lossless: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum To {
    Cyclonedx,
    Spdx,
}

pub(crate) fn run(args: &Sbom, home: Option<&Path>) -> Result<Exit> {
    match &args.command {
        None => of_project(&args.path, home),
        Some(SbomCommand::Convert { file, to, lossless }) => convert(file, *to, *lossless),
    }
}

fn of_project(path: &Path, home: Option<&Path>) -> Result<Exit> {
    let config = match Home::find(home, path) {
        Ok(home) => home.config()?,
        Err(_) => Config::default(),
    };
    let seen = project::inventory(path, &config.exclude)?;
    let Some(sbom) = seen.sbom else {
        return Err(Failure::new(Code::NoSbom, format!("no lockfile in {}", path.display())).into());
    };
    print(&sbom.text)?;
    for gap in &seen.gaps {
        complain(&format!("{}: {}", Code::SbomIncomplete, table::visible(gap)));
    }
    Ok(if seen.gaps.is_empty() { Exit::Allowed } else { Exit::Unknown })
}

fn convert(file: &Path, to: To, lossless: bool) -> Result<Exit> {
    let bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let claim = linkward_evidence::parse(&bytes)
        .map_err(|fault| Failure::new(fault.code, format!("{}: {fault}", file.display())))?;
    let Claim::Sbom(sbom) = claim else {
        return Err(Failure::new(Code::NoSbom, format!("{} is not an SBOM", file.display())).into());
    };
    let target = match to {
        To::Cyclonedx => Target::CycloneDx,
        To::Spdx => Target::Spdx,
    };
    let converted = turn(&sbom, target, Instant::now());
    report(&converted.lost);
    if lossless && !converted.lost.is_empty() {
        return Ok(Exit::Denied);
    }
    print(&String::from_utf8_lossy(&converted.bytes))?;
    Ok(Exit::Allowed)
}

#[expect(clippy::print_stderr, reason = "standard output is the document")]
fn report(lost: &std::collections::BTreeMap<String, usize>) {
    for (what, times) in lost {
        eprintln!("not kept: {} ({times} times)", table::visible(what));
    }
}
