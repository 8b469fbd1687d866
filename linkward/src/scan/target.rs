//! What is scanned, as an SBOM, with everything that could not be read as a doubt.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use linkward_advisory::Doubt;
use linkward_evidence::Claim;
use linkward_evidence::sbom::{Component, Sbom};
use linkward_inventory::image::Platform;
use linkward_inventory::{
    Catalogue, HEAD, Interest, Inventory, MAX_FILE, interest, inventory, is_lockfile, is_program,
};
use linkward_model::{Code, Digest, Purl};

use crate::wire::Failure;

pub(crate) struct Loaded {
    pub(crate) sbom: Sbom,
    pub(crate) doubts: Vec<Doubt>,
    /// Where rules to ignore findings may lie.
    pub(crate) folder: Option<PathBuf>,
    /// Of an image: each layer with all below it.
    pub(crate) chain: Vec<Digest>,
}

/// Which of the two things that a folder can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Lockfiles where it is a project, packages where it is a root file system.
    ByContent,
    /// Packages that are installed in it.
    Installed,
}

/// What lies at a target that decides how it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Purl,
    Image,
    /// A root file system.
    Root,
    /// A folder of a project.
    Project,
    File,
}

pub(crate) fn shape(target: &str) -> Result<Shape> {
    if target.starts_with("pkg:") {
        return Ok(Shape::Purl);
    }
    if crate::image::is_reference(target) {
        return Ok(Shape::Image);
    }
    let path = Path::new(target);
    let kind = std::fs::metadata(path).with_context(|| {
        format!(
            "cannot read {target}; an image of a registry is written as docker://registry.example/name:tag"
        )
    })?;
    Ok(match kind.is_dir() {
        true if crate::image::is_layout(path) => Shape::Image,
        true if ROOT.iter().any(|name| path.join(name).exists()) => Shape::Root,
        true => Shape::Project,
        false if crate::image::is_archive(path) => Shape::Image,
        false => Shape::File,
    })
}

/// What only the root of a file system has.
const ROOT: &[&str] = &[
    "etc/os-release",
    "usr/lib/os-release",
    "var/lib/dpkg/status",
    "lib/apk/db/installed",
    "var/lib/rpm",
    "usr/lib/sysimage/rpm",
];

pub(crate) fn load(target: &str, look: Look) -> Result<Loaded> {
    load_for(target, look, None)
}

pub(crate) fn load_for(target: &str, look: Look, platform: Option<&Platform>) -> Result<Loaded> {
    let path = Path::new(target);
    let shape = shape(target)?;
    if platform.is_some() && shape != Shape::Image {
        bail!("--platform chooses among images; {target} is none");
    }
    match (shape, look) {
        (Shape::Purl, _) => purl(target),
        (Shape::Image, _) => {
            let progress = crate::progress::Progress::start();
            of_inventory(crate::image::inventory(target, platform, &progress)?)
        }
        (Shape::Root, _) | (Shape::Project, Look::Installed) => packages(path),
        (Shape::Project, Look::ByContent) => folder(path),
        (Shape::File, _) => file(path),
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
        ..Component::default()
    };
    let sbom = Sbom { components: vec![component], ..Sbom::default() };
    Ok(Loaded { sbom, doubts: Vec::new(), folder: None, chain: Vec::new() })
}

fn folder(path: &Path) -> Result<Loaded> {
    let walked = linkward_collect::walk(path, &|name| is_lockfile(name).is_some(), &[])
        .with_context(|| format!("cannot read {}", path.display()))?;
    let name = crate::project::project_name(path);
    let mut loaded = of_inventory(inventory(&name, &walked.files))?;
    loaded.doubts.extend(walked.skipped.iter().map(|skipped| {
        Doubt::new(Code::SbomIncomplete, format!("{} was not read: {}", skipped.path, skipped.why))
    }));
    loaded.folder = Some(path.to_path_buf());
    Ok(loaded)
}

/// What is installed: databases of packages, packages in their folders, programs that say what they were built of.
fn packages(path: &Path) -> Result<Loaded> {
    let mut catalogue = Catalogue::default();
    let mut visit = |name: &str, path: &Path| {
        match look_at(name, path)? {
            Some(bytes) => catalogue.add(name, None, &bytes),
            None => catalogue.forget(name),
        }
        Ok(())
    };
    let skipped = linkward_collect::each_file(path, &mut visit)
        .with_context(|| format!("cannot read {}", path.display()))?;
    for skipped in skipped {
        catalogue.doubt(Code::SbomIncomplete, format!("{} was not read: {}", skipped.path, skipped.why));
    }
    for place in catalogue.unlicensed() {
        if let Ok(target) = std::fs::read_link(path.join(&place)) {
            catalogue.link(&place, &target.to_string_lossy());
        }
    }
    let found = catalogue.finish(&crate::project::project_name(path));
    Ok(Loaded { folder: Some(path.to_path_buf()), ..of_inventory(found)? })
}

/// The bytes of a file of interest.
fn look_at(name: &str, path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let mut wanted = interest(name, false);
    let mut file = None;
    if wanted == Interest::None {
        use std::os::unix::fs::PermissionsExt as _;
        // Most files are neither named nor can be started: they cost no more than this.
        wanted = interest(name, std::fs::symlink_metadata(path)?.permissions().mode() & 0o111 != 0);
    }
    let mut bytes = Vec::new();
    match wanted {
        Interest::None => return Ok(None),
        Interest::Named => {}
        Interest::Program => {
            let mut opened = std::fs::File::open(path)?;
            opened.by_ref().take(HEAD as u64).read_to_end(&mut bytes)?;
            if !is_program(&bytes) {
                return Ok(None);
            }
            file = Some(opened);
        }
    }
    let file = file.map_or_else(|| std::fs::File::open(path), Ok)?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(std::io::Error::other(format!("is larger than {MAX_FILE} bytes")));
    }
    Ok(Some(bytes))
}

fn file(path: &Path) -> Result<Loaded> {
    let name = crate::project::project_name(path);
    let mut head = Vec::new();
    std::fs::File::open(path)?.take(HEAD as u64).read_to_end(&mut head)?;
    if is_program(&head) || interest(&name, false) == Interest::Named {
        let mut catalogue = Catalogue::default();
        let bytes = look_at_program(path)?;
        catalogue.add(&name, None, &bytes);
        let found = catalogue.finish(&name);
        return Ok(Loaded { folder: path.parent().map(Path::to_path_buf), ..of_inventory(found)? });
    }
    let document = crate::commands::read_document(path)?;
    let folder = path.parent().map(Path::to_path_buf);
    // Some are told by the folders that they lie in.
    let at = path.to_string_lossy();
    let at = at.trim_start_matches("./");
    if is_lockfile(at).is_some() {
        let found = inventory(&document.name, &[(at.to_owned(), document.text.into_bytes())]);
        return Ok(Loaded { folder, ..of_inventory(found)? });
    }
    match linkward_evidence::parse(document.text.as_bytes()) {
        Ok(Claim::Sbom(sbom)) => {
            let incomplete = |gap: &String| Doubt::new(Code::SbomIncomplete, gap.clone());
            Ok(Loaded { doubts: sbom.gaps.iter().map(incomplete).collect(), sbom, folder, chain: Vec::new() })
        }
        Ok(_) => bail!("{} is evidence, but no SBOM", path.display()),
        Err(fault) => Err(Failure::new(fault.code, format!("{}: {fault}", path.display())).into()),
    }
}

fn look_at_program(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        let message = format!("{} is larger than {MAX_FILE} bytes", path.display());
        return Err(Failure::new(Code::TooLarge, message).into());
    }
    Ok(bytes)
}

fn of_inventory(mut found: Inventory) -> Result<Loaded> {
    found.sbom.created = crate::project::source_date()?;
    let faults = found.faults.iter().map(|fault| Doubt::new(fault.code, fault.to_string()));
    let hidden = found.hidden.iter().map(|gap| Doubt::new(Code::SbomIncomplete, gap.clone()));
    let unseen = found.doubts.iter().map(|(code, detail)| Doubt::new(*code, detail.clone()));
    let doubts = faults.chain(hidden).chain(unseen).collect();
    Ok(Loaded { sbom: found.sbom, doubts, folder: None, chain: found.chain })
}
