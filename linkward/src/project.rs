//! Looking at a project: its source, its lockfiles, its artifacts and the evidence beside them.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use linkward_collect::{Scope, Walk, hash_file, signers_setting, source, walk};
use linkward_issue::step::{self, Plan};
use linkward_model::{Digest, Environment, Instant};
use linkward_prove::Pattern;
use serde_json::Value;

use crate::cli;
use crate::home::Home;
use crate::planned::Planned;
use crate::wire::{Document, Found, Ingest, Quality, Reason, Source};

/// What the lockfiles of a project say.
pub(crate) struct Seen {
    pub(crate) sbom: Option<Document>,
    pub(crate) lockfiles: Vec<String>,
    pub(crate) components: usize,
    pub(crate) quality: Quality,
    pub(crate) gaps: Vec<String>,
    pub(crate) packages: Vec<String>,
}

/// A step that ran: its record, and the statements to be signed.
pub(crate) struct Ran {
    pub(crate) record: Value,
    pub(crate) statements: Vec<String>,
    pub(crate) products: Vec<(String, Digest)>,
    pub(crate) exit_code: i64,
}

pub(crate) fn look(
    path: &Path,
    exclude: &[Pattern],
    named: &[PathBuf],
    environment: Option<Environment>,
    say: &dyn Fn(&str),
) -> Result<Ingest> {
    say("reading the source");
    let source = source_of(path);
    say("reading lockfiles and artifacts");
    let mut walked = walked(path, exclude, &is_evidence, named)?;
    let mut documents = Vec::new();
    let evidence = walked.0.files.extract_if(.., |(name, _)| is_evidence(name));
    for (name, bytes) in evidence {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        documents.push(Document::of_text(name, text));
    }
    let seen = inventory_of(&project_name(path), &walked.0, None);
    let artifacts = walked.0.artifacts.into_iter().map(|artifact| Found {
        name: artifact.name,
        digest: artifact.digest,
        size: artifact.size,
    });
    Ok(Ingest {
        project: project_name(path),
        environment,
        source,
        sbom: seen.sbom,
        lockfiles: seen.lockfiles,
        left_out: walked.1,
        components: seen.components,
        quality: Some(seen.quality),
        gaps: seen.gaps,
        packages: seen.packages,
        artifacts: artifacts.collect(),
        documents,
    })
}

/// Bundles that lie beside what they are about.
fn is_evidence(name: &str) -> bool {
    (name.ends_with(".sigstore.json") || name.ends_with(".sigstore")) && !name.contains("testdata/")
}

pub(crate) fn project_name(path: &Path) -> String {
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    path.file_name().map_or_else(|| "project".to_owned(), |name| name.to_string_lossy().into_owned())
}

pub(crate) fn inventory(path: &Path, exclude: &[Pattern]) -> Result<Seen> {
    let walked = walked(path, exclude, &|_| false, &[])?.0;
    Ok(inventory_of(&project_name(path), &walked, source_date()?))
}

/// Lockfiles and what else is wanted, and the lockfiles that the settings leave out.
fn walked(
    path: &Path,
    exclude: &[Pattern],
    wanted: &dyn Fn(&str) -> bool,
    named: &[PathBuf],
) -> Result<(Walk, Vec<String>)> {
    let left_out = RefCell::new(Vec::new());
    let lockfile = |name: &str| {
        let found = linkward_inventory::is_lockfile(name).is_some();
        let sample = found && exclude.iter().any(|pattern| pattern.matches(name));
        if sample {
            left_out.borrow_mut().push(name.to_owned());
        }
        found && !sample
    };
    let walked = walk(path, &|name| lockfile(name) || wanted(name), named)
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok((walked, left_out.into_inner()))
}

/// When the source was made, where the builder says so (reproducible-builds.org, SOURCE_DATE_EPOCH 1.1): the one time that an
/// SBOM which is the same for the same tree can have.
pub(crate) fn source_date() -> Result<Option<Instant>> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH") else { return Ok(None) };
    // Past the year 9999 no format can say it.
    let seconds =
        text.to_str().and_then(|text| text.parse().ok()).filter(|at| (0..=253_402_300_799).contains(at));
    let wrong = || {
        format!("SOURCE_DATE_EPOCH is `{}`, which is no number of seconds since 1970", text.to_string_lossy())
    };
    seconds.map(|seconds| Some(Instant::from_seconds(seconds))).with_context(wrong)
}

/// What is recorded has the time of its record, and none in the SBOM: the same lockfiles are the same document.
fn inventory_of(project: &str, walked: &Walk, created: Option<Instant>) -> Seen {
    let mut found = linkward_inventory::inventory(project, &walked.files);
    found.sbom.created = created;
    let skipped =
        walked.skipped.iter().map(|skipped| format!("{} was not read: {}", skipped.path, skipped.why));
    found.sbom.gaps.extend(skipped);
    let sbom = (!found.lockfiles.is_empty() || !found.faults.is_empty()).then(|| {
        let text = linkward_evidence::cyclonedx::write(&found.sbom);
        Document::of_text("sbom.cdx.json", String::from_utf8_lossy(&text))
    });
    let faults = found.faults.iter().map(ToString::to_string);
    Seen {
        sbom,
        lockfiles: found.lockfiles.iter().map(|lockfile| lockfile.path.clone()).collect(),
        components: found.sbom.components.len(),
        quality: Quality::of(&found.sbom),
        gaps: faults.chain(found.sbom.gaps.clone()).collect(),
        packages: found
            .sbom
            .components
            .iter()
            .filter_map(|c| c.purl.as_ref())
            .map(ToString::to_string)
            .collect(),
    }
}

fn source_of(path: &Path) -> Source {
    match source(path) {
        Ok(seen) => Source {
            revision: Some(seen.revision),
            branch: seen.branch,
            remote: seen.remote.map(|url| url.to_string()),
            tree: Some(seen.tree.to_string()),
            clean: seen.tree.is_clean(),
            commit: Some(base64::engine::general_purpose::STANDARD.encode(&seen.commit)),
            signers_hint: signers_setting(path)
                .filter(|setting| setting.scope == Scope::Operator)
                .map(|setting| setting.path.display().to_string()),
            reason: None,
        },
        Err(unknown) => Source {
            revision: None,
            branch: None,
            remote: None,
            tree: None,
            clean: false,
            commit: None,
            signers_hint: None,
            reason: Some(Reason {
                code: unknown.code,
                detail: unknown.why,
                next: unknown.code.fix().to_owned(),
            }),
        },
    }
}

pub(crate) fn run_step(
    args: &cli::Run,
    home: &Home,
    builder: &str,
    from: &Path,
    planned: Option<&Planned>,
) -> Result<Ran> {
    let project = home.project();
    let exclude = home.config()?.exclude;
    let seen = inventory(project, &exclude)?;
    let checkout = source(project).ok();
    let (lock, _) = walked(project, &exclude, &|_| false, &[])?;
    let materials: step::Listing =
        lock.files.iter().map(|(name, bytes)| (name.clone(), Digest::sha256(bytes))).collect();
    let directory = from.strip_prefix(project).map_or_else(
        |_| ".".to_owned(),
        |path| match path.to_string_lossy() {
            path if path.is_empty() => ".".to_owned(),
            path => path.into_owned(),
        },
    );
    let patterns = args
        .products
        .iter()
        .map(|glob| Pattern::parse(glob).map_err(anyhow::Error::new))
        .collect::<Result<Vec<_>>>()?;
    let products = || products(project, &patterns);
    let plan = Plan {
        name: &args.step,
        command: &args.command,
        folder: from,
        directory,
        variables: &args.variables,
    };
    if let Some(planned) = planned {
        planned.takes(&materials)?;
    }
    let step = step::run(&plan, materials, products, Instant::now)?;
    let source = linkward_issue::Source {
        remote: checkout.as_ref().and_then(|seen| seen.remote.as_ref()).map(ToString::to_string),
        revision: checkout.as_ref().map(|seen| seen.revision.clone()),
        clean: checkout.as_ref().is_some_and(|seen| seen.tree.is_clean()),
    };
    let ci = linkward_issue::Ci::detect(|name| std::env::var(name).ok());
    let mut statements = Vec::new();
    if !step.products.is_empty() {
        statements.push(linkward_issue::provenance(&step, &source, builder, ci.as_ref()));
        if let Some(sbom) = &seen.sbom {
            statements.push(linkward_issue::sbom(&step, &serde_json::from_str(&sbom.text)?));
        }
        statements.push(linkward_issue::link(&step));
    }
    Ok(Ran {
        record: serde_json::to_value(&step)?,
        statements,
        products: step.products.clone(),
        exit_code: step.exit_code,
    })
}

/// Products by convention, or by the globs that were given.
fn products(project: &Path, patterns: &[Pattern]) -> std::io::Result<step::Listing> {
    if patterns.is_empty() {
        let walked = walk(project, &|_| false, &[])?;
        return Ok(walked.artifacts.into_iter().map(|artifact| (artifact.name, artifact.digest)).collect());
    }
    let mut found = Vec::new();
    let mut folders = vec![project.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            let kind = entry.file_type()?;
            let name = path.strip_prefix(project).unwrap_or(&path).to_string_lossy().into_owned();
            if kind.is_dir() && !matches!(name.as_str(), ".git" | ".linkward") {
                folders.push(path);
            } else if kind.is_file() && patterns.iter().any(|pattern| pattern.matches(&name)) {
                found.push((name, hash_file(&path)?.0));
            }
        }
    }
    found.sort();
    Ok(found)
}
