//! `linkward inspect`: rules over CI workflows, package manifests and text.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use linkward_advisory::Doubt;
use linkward_evidence::Fault;
use linkward_inspect::name::Names;
use linkward_inspect::package::Package;
use linkward_inspect::registry::{self, Compared};
use linkward_inspect::{Finding, Weight, is_inspected};
use linkward_inventory::{inventory, is_lockfile};
use linkward_model::{Code, Exit, Instant};
use serde_json::json;

use crate::cli::Format;
use crate::commands::{print, print_json};
use crate::config::Config;
use crate::home::Home;
use crate::sandbox::Network;
use crate::scan::sarif::{Entry, log};
use crate::table::{counted, grid, visible};
use crate::wire::{Failure, VERSION};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder, a file, or a package's archive (npm, crates, PyPI, NuGet, jars)
    #[arg(default_value = ".", value_name = "PATH")]
    path: PathBuf,
    /// The release before, a folder or archive: say what PATH can do that it could not
    #[arg(long, value_name = "OLD")]
    previous: Option<PathBuf>,
    /// What the registry says of the package, a file: npm's document of it (`curl REGISTRY/NAME`) or PyPI's JSON. PATH is the archive
    #[arg(long, value_name = "FILE", conflicts_with = "previous")]
    registry: Option<PathBuf>,
    /// The time by which a release is young [default: now]
    #[arg(long, value_name = "TIME", requires = "registry")]
    at: Option<Instant>,
    /// Popular and reserved names, and brands, that packages are held against beside the built-in ones, TOML
    #[arg(long, value_name = "FILE")]
    names: Option<PathBuf>,
    /// A build's log: what it fetched is held against the lockfiles below PATH; may be repeated
    #[arg(long = "build-log", value_name = "FILE")]
    build_logs: Vec<PathBuf>,
    /// Findings from this weight on give exit code 1
    #[arg(long, value_enum, default_value_t = FailOn::Medium)]
    fail_on: FailOn,
    /// Print this instead of the table
    #[arg(long, value_enum)]
    report: Option<Kind>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum FailOn {
    Low,
    Medium,
    High,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Kind {
    /// For code scanning
    Sarif,
}

pub(crate) fn run(args: &Args, home: Option<&Path>, format: Format) -> Result<Exit> {
    crate::sandbox::enter(Network::GivenUp);
    let mut findings: Vec<Finding> = Vec::new();
    let (mut files, mut doubts) = match (&args.previous, &args.registry) {
        // The rules look at both releases; what is new is asked here.
        (Some(_), _) => (Vec::new(), Vec::new()),
        (None, Some(document)) => {
            let (said, files) = of_registry(&args.path, document, args.at.unwrap_or_else(Instant::now))?;
            findings.extend(said.findings);
            let open = said.open.into_iter().map(|open| Doubt::new(Code::RegistrySilent, open));
            (files, open.collect())
        }
        (None, None) => read(&args.path)?,
    };
    let package = args.registry.is_some() || is_package(&args.path);
    files.retain(|(path, _)| !package || path.split('/').all(|part| part != ".github"));
    // The manifest that was held against the registry's was looked at, whatever else there is.
    let mut looked_at = files.len().max(usize::from(args.registry.is_some()));
    if let Some(previous) = &args.previous {
        let (old, new) = (release(previous)?, release(&args.path)?);
        findings.extend(new.gained(&old));
        looked_at = new.files();
    } else if args.path.is_dir() {
        looked_at += dependencies(args, home, &mut findings, &mut doubts)?;
    }
    for (path, bytes) in &files {
        match linkward_inspect::inspect(path, bytes) {
            Ok(found) if package => findings.extend(found.into_iter().map(of_somebody_else)),
            Ok(found) => findings.extend(found),
            // Text in another encoding is not what the rules are about; a workflow that cannot be read is.
            Err(fault) => doubts.push(Doubt::new(fault.code, fault.to_string())),
        }
    }
    if looked_at == 0 {
        let detail = format!("nothing in {} is of a kind that rules look at", args.path.display());
        doubts.push(Doubt::new(Code::NothingFound, detail));
    }
    findings.sort();
    match (args.report, format) {
        (Some(Kind::Sarif), _) => print_json(&sarif(&findings, &doubts))?,
        (None, Format::Json) => print_json(&json!({
            "version": VERSION, "files": looked_at, "findings": findings, "doubts": doubts,
        }))?,
        (None, Format::Table) => print(&table(&findings, &doubts, looked_at))?,
    }
    let threshold = match args.fail_on {
        FailOn::Low => Weight::Low,
        FailOn::Medium => Weight::Medium,
        FailOn::High => Weight::High,
    };
    let denied = findings.iter().any(|finding| finding.weight >= threshold);
    Ok(match (denied, doubts.is_empty()) {
        (true, _) => Exit::Denied,
        (false, false) => Exit::Unknown,
        (false, true) => Exit::Allowed,
    })
}

/// Whether this is somebody else's package, in a form that is published or where a client installed it: its CI runs nothing
/// here. Tar and zip may as well be a repository of one's own.
fn is_package(path: &Path) -> bool {
    const PUBLISHED: &[&str] = &[".tgz", ".crate", ".whl", ".nupkg", ".jar", ".gem"];
    let name = path.to_string_lossy();
    let installed = |part: std::path::Component<'_>| {
        matches!(part.as_os_str().to_str(), Some("node_modules" | "site-packages" | "dist-packages"))
    };
    PUBLISHED.iter().any(|end| name.ends_with(end))
        || std::fs::canonicalize(path).is_ok_and(|path| path.components().any(installed))
}

/// Keys in tests and texts of a package that others publish endanger nobody who installs it.
fn of_somebody_else(finding: Finding) -> Finding {
    const ASIDE: &[&str] =
        &["test", "tests", "__tests__", "spec", "fixtures", "example", "examples", "doc", "docs"];
    let mut folders = finding.path.split('/').rev().skip(1);
    let aside =
        finding.path.to_ascii_lowercase().ends_with(".md") || folders.any(|part| ASIDE.contains(&part));
    if finding.code == Code::SecretExposed && aside {
        return Finding { weight: Weight::Low, ..finding };
    }
    finding
}

/// One release: its archive, or its folder.
fn release(path: &Path) -> Result<Package> {
    let failure = |fault: Fault| Failure::new(fault.code, format!("{}: {fault}", path.display()));
    if path.is_dir() {
        let mut package = Package::default();
        let walked = linkward_collect::walk(path, &|_| true, &[])
            .with_context(|| format!("cannot read {}", path.display()))?;
        if let Some(skipped) = walked.skipped.first() {
            let message = format!("{} was not read: {}", skipped.path, skipped.why);
            return Err(Failure::new(Code::SbomIncomplete, message).into());
        }
        walked.files.iter().try_for_each(|(name, bytes)| package.add(name, bytes)).map_err(failure)?;
        return Ok(package);
    }
    Ok(Package::archive(&bounded(path)?).map_err(failure)?)
}

/// The archive of a package against its registry's document; and what rules look at in it.
fn of_registry(path: &Path, document: &Path, now: Instant) -> Result<(Compared, Files)> {
    if path.is_dir() {
        anyhow::bail!(
            "{} is a folder: --registry takes the archive that the registry serves",
            path.display()
        );
    }
    let (archive, mut files) = unpacked(path)?;
    let said = registry::compare(&bounded(document)?, &archive, &files, now)
        .map_err(|fault| Failure::new(fault.code, format!("{}: {fault}", document.display())))?;
    files.retain(|(name, _)| is_inspected(name));
    Ok((said, files))
}

/// An archive, and the files in it.
fn unpacked(path: &Path) -> Result<(Vec<u8>, Files)> {
    let archive = bounded(path)?;
    let files = linkward_inspect::package::files(&archive)
        .map_err(|fault| Failure::new(fault.code, format!("{}: {fault}", path.display())))?;
    Ok((archive, files))
}

fn bounded(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    file.take(MAX_ARCHIVE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_ARCHIVE {
        let message = format!("{} is larger than {MAX_ARCHIVE} bytes", path.display());
        return Err(Failure::new(Code::TooLarge, message).into());
    }
    Ok(bytes)
}

/// What lockfiles name, held against names and build logs. The number of lockfiles.
fn dependencies(
    args: &Args,
    home: Option<&Path>,
    findings: &mut Vec<Finding>,
    doubts: &mut Vec<Doubt>,
) -> Result<usize> {
    let list = args
        .names
        .as_ref()
        .map(|path| std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display())));
    let names = Names::read(list.transpose()?.as_deref())
        .map_err(|fault| Failure::new(fault.code, format!("the list of names: {fault}")))?;
    // Samples for tests are no dependencies of the project.
    let config = Home::find(home, &args.path).map_or_else(|_| Ok(Config::default()), |home| home.config())?;
    let wanted = |name: &str| {
        is_lockfile(name).is_some() && !config.exclude.iter().any(|pattern| pattern.matches(name))
    };
    let walked = linkward_collect::walk(&args.path, &wanted, &[])
        .with_context(|| format!("cannot read {}", args.path.display()))?;
    let mut locked = Vec::new();
    for file in &walked.files {
        let found = inventory("project", std::slice::from_ref(file));
        doubts.extend(found.faults.iter().map(|fault| Doubt::new(fault.code, fault.to_string())));
        let others = found.sbom.components.into_iter().filter(|component| component.kind != "application");
        for purl in others.filter_map(|component| component.purl) {
            findings.extend(names.judge(&purl, &file.0));
            locked.push(purl);
        }
    }
    for log in &args.build_logs {
        let bytes = bounded(log)?;
        let text = String::from_utf8_lossy(&bytes);
        let shown = log.to_string_lossy();
        let fetched = linkward_inspect::build_log::read(&text);
        if fetched.is_empty() {
            doubts.push(Doubt::new(Code::NothingFound, format!("{shown} names nothing that was fetched")));
        }
        findings.extend(linkward_inspect::build_log::compare(&shown, &fetched, &locked));
        // What builds print is kept and shared like any file.
        match linkward_inspect::inspect(&format!("{shown}.log"), text.as_bytes()) {
            Ok(found) => findings
                .extend(found.into_iter().map(|finding| Finding { path: shown.to_string(), ..finding })),
            Err(fault) => doubts.push(Doubt::new(fault.code, fault.to_string())),
        }
    }
    Ok(walked.files.len() + args.build_logs.len())
}

/// Largest archive or log.
const MAX_ARCHIVE: u64 = 256 << 20;
/// Ends of names that tell a package's archive.
const ARCHIVES: &[&str] = &[".tgz", ".tar.gz", ".crate", ".whl", ".zip", ".nupkg", ".jar", ".gem", ".tar"];

type Files = Vec<(String, Vec<u8>)>;

fn read(path: &Path) -> Result<(Files, Vec<Doubt>)> {
    let unread = || format!("cannot read {}", path.display());
    if path.is_dir() {
        let walked = linkward_collect::walk(path, &is_inspected, &[]).with_context(unread)?;
        let skipped = walked.skipped.iter().map(|skipped| {
            Doubt::new(Code::SbomIncomplete, format!("{} was not read: {}", skipped.path, skipped.why))
        });
        return Ok((walked.files, skipped.collect()));
    }
    let file_name = path.to_string_lossy();
    if ARCHIVES.iter().any(|end| file_name.ends_with(end)) {
        let (_, mut files) = unpacked(path)?;
        files.retain(|(name, _)| is_inspected(name));
        return Ok((files, Vec::new()));
    }
    let size = std::fs::metadata(path).with_context(unread)?.len();
    if size > linkward_inspect::MAX_FILE as u64 {
        let detail = format!("{} has {size} bytes", path.display());
        return Ok((Vec::new(), vec![Doubt::new(Code::TooLarge, detail)]));
    }
    // The whole path tells a workflow from other YAML.
    let name = std::fs::canonicalize(path).with_context(unread)?.to_string_lossy().replace('\\', "/");
    let shown = path.to_string_lossy().into_owned();
    let name = match name.rsplit_once("/.github/workflows/") {
        Some((_, file)) => format!(".github/workflows/{file}"),
        None => shown,
    };
    Ok((vec![(name, std::fs::read(path).with_context(unread)?)], Vec::new()))
}

fn table(findings: &[Finding], doubts: &[Doubt], files: usize) -> String {
    let mut rows = Vec::new();
    for finding in findings {
        rows.push([
            format!("{}:{}", visible(&finding.path), finding.line),
            finding.weight.as_str().to_owned(),
            finding.code.to_string(),
            visible(&finding.message),
        ]);
    }
    let mut out = grid(&rows);
    for doubt in doubts {
        out.push_str(&format!("? {}: {}\n", doubt.code, visible(&doubt.detail)));
    }
    out.push_str(&format!("{} in {}\n", counted(findings.len(), "finding"), counted(files, "file")));
    out
}

fn sarif(findings: &[Finding], doubts: &[Doubt]) -> serde_json::Value {
    let mut entries: Vec<Entry> = findings
        .iter()
        .map(|finding| Entry {
            rule: finding.code.to_string(),
            level: match finding.weight {
                Weight::High => "error",
                Weight::Medium => "warning",
                Weight::Low => "note",
            },
            message: finding.message.clone(),
            path: finding.path.clone(),
            line: finding.line,
            // Lines move; what is said about which file does not.
            key: format!("{} {} {}", finding.code, finding.path, finding.message),
        })
        .collect();
    entries.extend(doubts.iter().map(|doubt| Entry {
        rule: doubt.code.to_string(),
        level: "warning",
        message: doubt.detail.clone(),
        path: ".".to_owned(),
        line: 1,
        key: format!("{} {}", doubt.code, doubt.detail),
    }));
    log(&entries, doubts.is_empty())
}
