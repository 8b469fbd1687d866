//! What is scanned, as an SBOM, with everything that could not be read as a doubt.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use linkward_advisory::Doubt;
use linkward_evidence::Claim;
use linkward_evidence::sbom::{Component, Sbom};
use linkward_inventory::{Inventory, inventory, is_lockfile};
use linkward_model::{Code, Purl};

use crate::wire::Failure;

pub(crate) struct Loaded {
    pub(crate) sbom: Sbom,
    pub(crate) doubts: Vec<Doubt>,
    /// Where rules to ignore findings may lie.
    pub(crate) folder: Option<PathBuf>,
}

pub(crate) fn load(target: &str) -> Result<Loaded> {
    if target.starts_with("pkg:") {
        return purl(target);
    }
    let path = Path::new(target);
    let kind = std::fs::metadata(path).with_context(|| format!("cannot read {target}"))?;
    if kind.is_dir() { folder(path) } else { file(path) }
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
