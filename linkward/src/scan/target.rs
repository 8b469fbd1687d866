//! What is scanned, as an SBOM, with everything that could not be read as a doubt.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use linkward_advisory::Doubt;
use linkward_evidence::Claim;
use linkward_evidence::sbom::{Component, Sbom};
use linkward_inventory::{Inventory, installed, inventory, is_installed, is_lockfile};
use linkward_model::{Code, Purl};

use crate::wire::Failure;

pub(crate) struct Loaded {
    pub(crate) sbom: Sbom,
    pub(crate) doubts: Vec<Doubt>,
    /// Where rules to ignore findings may lie.
    pub(crate) folder: Option<PathBuf>,
}

/// Which of the two things that a folder can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Lockfiles where it is a project, packages where it is a root file system.
    ByContent,
    /// Packages that are installed in it.
    Installed,
}

pub(crate) fn load(target: &str, look: Look) -> Result<Loaded> {
    if target.starts_with("pkg:") {
        return purl(target);
    }
    let path = Path::new(target);
    let kind = std::fs::metadata(path).with_context(|| format!("cannot read {target}"))?;
    let root = ["etc/os-release", "usr/lib/os-release", "var/lib/dpkg/status", "lib/apk/db/installed"];
    match (kind.is_dir(), look) {
        (true, Look::Installed) => packages(path),
        (true, Look::ByContent) if root.iter().any(|name| path.join(name).exists()) => packages(path),
        (true, Look::ByContent) => folder(path),
        (false, _) => file(path),
    }
}

fn purl(text: &str) -> Result<Loaded> {
    let purl: Purl = text.parse().with_context(|| format!("`{text}` is no purl"))?;
    let component = Component {
        id: purl.to_string(),
        kind: "library".to_owned(),
        name: purl.name().to_owned(),
        version: purl.version().map(str::to_owned),
        purl: Some(purl),
        digests: Vec::new(),
        other_hashes: Vec::new(),
        licences: Vec::new(),
        scope: None,
    };
    let sbom = Sbom { components: vec![component], ..Sbom::default() };
    Ok(Loaded { sbom, doubts: Vec::new(), folder: None })
}

fn folder(path: &Path) -> Result<Loaded> {
    let walked = linkward_collect::walk(path, &|name| is_lockfile(name).is_some(), &[])
        .with_context(|| format!("cannot read {}", path.display()))?;
    let name = crate::project::project_name(path);
    let mut loaded = of_lockfiles(inventory(&name, &walked.files));
    loaded.doubts.extend(walked.skipped.iter().map(|skipped| {
        Doubt::new(Code::SbomIncomplete, format!("{} was not read: {}", skipped.path, skipped.why))
    }));
    loaded.folder = Some(path.to_path_buf());
    Ok(loaded)
}

/// What is installed. Only what has a record of its own is seen: compiled programs and databases that are not read are said.
fn packages(path: &Path) -> Result<Loaded> {
    let walked = linkward_collect::walk_whole(path, &|name| is_installed(name))
        .with_context(|| format!("cannot read {}", path.display()))?;
    let name = crate::project::project_name(path);
    let mut loaded = of_lockfiles(installed(&name, &walked.files));
    loaded.doubts.extend(walked.skipped.iter().map(|skipped| {
        Doubt::new(Code::SbomIncomplete, format!("{} was not read: {}", skipped.path, skipped.why))
    }));
    if ["usr/lib/sysimage/rpm", "var/lib/rpm"].iter().any(|name| path.join(name).is_dir()) {
        loaded.doubts.push(Doubt::new(Code::UnsupportedFormat, "the RPM database is not read"));
    }
    if ["bin", "usr/bin", "usr/local/bin"].iter().any(|name| path.join(name).is_dir()) {
        let detail = "compiled programs and archives are not looked into: what they contain is unknown";
        loaded.doubts.push(Doubt::new(Code::SbomIncomplete, detail));
    }
    loaded.folder = Some(path.to_path_buf());
    Ok(loaded)
}

fn file(path: &Path) -> Result<Loaded> {
    let document = crate::commands::read_document(path)?;
    let folder = path.parent().map(Path::to_path_buf);
    if is_lockfile(&document.name).is_some() {
        let found = inventory(&document.name, &[(document.name.clone(), document.text.into_bytes())]);
        return Ok(Loaded { folder, ..of_lockfiles(found) });
    }
    match linkward_evidence::parse(document.text.as_bytes()) {
        Ok(Claim::Sbom(sbom)) => {
            let incomplete = |gap: &String| Doubt::new(Code::SbomIncomplete, gap.clone());
            Ok(Loaded { doubts: sbom.gaps.iter().map(incomplete).collect(), sbom, folder })
        }
        Ok(_) => bail!("{} is evidence, but no SBOM", path.display()),
        Err(fault) => Err(Failure::new(fault.code, format!("{}: {fault}", path.display())).into()),
    }
}

fn of_lockfiles(found: Inventory) -> Loaded {
    let faults = found.faults.iter().map(|fault| Doubt::new(fault.code, fault.to_string()));
    let hidden = found.hidden.iter().map(|gap| Doubt::new(Code::SbomIncomplete, gap.clone()));
    let doubts = faults.chain(hidden).collect();
    Loaded { sbom: found.sbom, doubts, folder: None }
}
