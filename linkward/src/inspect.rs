//! `linkward inspect`: rules over CI workflows, package manifests and text.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use linkward_advisory::Doubt;
use linkward_inspect::{Finding, Weight, is_inspected};
use linkward_model::{Code, Exit};
use serde_json::json;

use crate::cli::Format;
use crate::commands::{print, print_json};
use crate::scan::sarif::{Entry, log};
use crate::table::{counted, grid, visible};
use crate::wire::VERSION;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A folder or a file
    #[arg(default_value = ".", value_name = "PATH")]
    path: PathBuf,
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

pub(crate) fn run(args: &Args, format: Format) -> Result<Exit> {
    let (files, mut doubts) = read(&args.path)?;
    let mut findings: Vec<Finding> = Vec::new();
    for (path, bytes) in &files {
        match linkward_inspect::inspect(path, bytes) {
            Ok(found) => findings.extend(found),
            // Text in another encoding is not what the rules are about; a workflow that cannot be read is.
            Err(fault) => doubts.push(Doubt::new(fault.code, fault.to_string())),
        }
    }
    if files.is_empty() {
        let detail = format!("nothing in {} is of a kind that rules look at", args.path.display());
        doubts.push(Doubt::new(Code::NothingFound, detail));
    }
    findings.sort();
    match (args.report, format) {
        (Some(Kind::Sarif), _) => print_json(&sarif(&findings, &doubts))?,
        (None, Format::Json) => print_json(&json!({
            "version": VERSION, "files": files.len(), "findings": findings, "doubts": doubts,
        }))?,
        (None, Format::Table) => print(&table(&findings, &doubts, files.len()))?,
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
