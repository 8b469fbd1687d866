//! `sbom`: the SBOM of a project's lockfiles, and one format turned into the other.

use std::path::Path;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};
use linkward_advisory::Doubt;
use linkward_evidence::Claim;
use linkward_evidence::convert::{Target, convert as turn};
use linkward_inventory::image::Platform;
use linkward_model::{Code, Exit, Instant};

use crate::cli::Format;
use crate::commands::{complain, print, print_json};
use crate::config::Config;
use crate::home::Home;
use crate::project;
use crate::sandbox::Network;
use crate::scan::keeper::Keeper;
use crate::scan::{Loaded, Look, Shape, load_for, network, shape};
use crate::table;
use crate::wire::{Failure, VERSION};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Sbom {
    #[command(subcommand)]
    command: Option<SbomCommand>,
    /// A folder, a root file system, an image (OCI layout, archive, or docker://REGISTRY/NAME:TAG), a lockfile or a program
    #[arg(default_value = ".", value_name = "TARGET")]
    target: String,
    /// Which image of several, as linux/arm64 [default: Linux on this machine's processor]
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    /// Say how good the SBOM is, of 100 points and why, instead of printing it; TARGET may be an SBOM
    #[arg(long)]
    quality: bool,
    /// With --quality: exit code 1 where it has fewer points
    #[arg(long, value_name = "POINTS", requires = "quality", value_parser = clap::value_parser!(u8).range(..=100))]
    min_quality: Option<u8>,
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

pub(crate) fn run(args: &Sbom, home: Option<&Path>, format: Format) -> Result<Exit> {
    match &args.command {
        None if args.quality => quality(args, format),
        None if shape(&args.target)? == Shape::Project && args.platform.is_none() => {
            of_project(Path::new(&args.target), home)
        }
        None => of_target(&args.target, args.platform.as_ref(), home),
        Some(SbomCommand::Convert { file, to, lossless }) => convert(file, *to, *lossless),
    }
}

fn of_project(path: &Path, home: Option<&Path>) -> Result<Exit> {
    let config = match Home::find(home, path) {
        Ok(home) => home.config()?,
        Err(_) => Config::default(),
    };
    let mut keeper = Keeper::start(home)?;
    crate::sandbox::enter(Network::GivenUp);
    let seen = project::inventory(path, &config.exclude)?;
    let Some(sbom) = seen.sbom else {
        return Err(Failure::new(Code::NoSbom, format!("no lockfile in {}", path.display())).into());
    };
    if let Some(keeper) = &mut keeper {
        keeper.record(&project::project_name(path), sbom.text.clone(), None)?;
    }
    print(&sbom.text)?;
    for gap in &seen.gaps {
        complain(&format!("{}: {}", Code::SbomIncomplete, table::visible(gap)));
    }
    Ok(if seen.gaps.is_empty() { Exit::Allowed } else { Exit::Unknown })
}

fn of_target(target: &str, platform: Option<&Platform>, home: Option<&Path>) -> Result<Exit> {
    let mut keeper = Keeper::start(home)?;
    crate::sandbox::enter(network(&[target]));
    let mut loaded = load_for(target, Look::ByContent, platform)?;
    if let Some(keeper) = &mut keeper {
        keeper.keep(target, &mut loaded)?;
    }
    let Loaded { sbom, doubts, .. } = loaded;
    print(&String::from_utf8_lossy(&linkward_evidence::cyclonedx::write(&sbom)))?;
    Ok(complain_of(target, &sbom, &doubts))
}

/// Says what could not be seen; 3 where that is anything.
fn complain_of(target: &str, sbom: &linkward_evidence::sbom::Sbom, doubts: &[Doubt]) -> Exit {
    for doubt in doubts {
        complain(&format!("{}: {}", doubt.code, table::visible(&doubt.detail)));
    }
    if sbom.components.is_empty() {
        complain(&format!("{}: no component was found in {target}", Code::NothingFound));
    }
    if doubts.is_empty() && !sbom.components.is_empty() { Exit::Allowed } else { Exit::Unknown }
}

/// Fewer points than were asked for is 1; a target that could not be seen whole is 3, whatever its points.
fn quality(args: &Sbom, format: Format) -> Result<Exit> {
    crate::sandbox::enter(network(&[&args.target]));
    let Loaded { sbom, doubts, .. } = load_for(&args.target, Look::ByContent, args.platform.as_ref())?;
    let quality = sbom.quality();
    match format {
        Format::Json => print_json(&serde_json::json!({
            "version": VERSION, "target": args.target, "components": sbom.components.len(), "quality": quality,
        }))?,
        Format::Table => {
            let mut rows = vec![["PART", "POINTS", "WHY NOT ALL"].map(str::to_owned)];
            rows.extend(quality.parts.iter().map(|part| {
                let why = part.reason.as_deref().map(table::visible).unwrap_or_default();
                [part.name.to_owned(), format!("{} of {}", part.given, part.points), why.to_string()]
            }));
            print(&format!("quality {} of 100\n\n{}", quality.score, table::grid(&rows)))?;
        }
    }
    let seen = complain_of(&args.target, &sbom, &doubts);
    Ok(if args.min_quality.is_some_and(|least| quality.score < least) { Exit::Denied } else { seen })
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
