//! Lockfiles to components to a deterministic SBOM: the same tree gives the same bytes.

mod actions;
mod base_image;
mod bun;
mod cargo;
mod composer;
pub mod diff;
mod gemfile;
mod go;
mod gomod;
mod gradle;
mod helm;
pub mod image;
mod installed;
mod java;
mod licence;
mod npm;
mod nuget;
mod number;
mod pipfile;
mod pnpm;
mod pom;
mod program;
mod python;
mod rpm;
mod terraform;
mod yarn;

use std::collections::{BTreeMap, BTreeSet};

use linkward_evidence::Fault;
use linkward_evidence::sbom::{Component, Occurrence, Relation, Sbom, Scope};
use linkward_model::{Code, Digest, Purl};

/// One kind of lockfile. Adding one is a file and a line in [`LOCKFILES`].
pub(crate) struct Format {
    pub(crate) kind: &'static str,
    /// Whether a file is of this kind, by its path in the project.
    pub(crate) named: fn(&str) -> bool,
    pub(crate) read: fn(&str) -> Result<Lock, Fault>,
}

const LOCKFILES: &[Format] = &[
    cargo::FORMAT,
    npm::FORMAT,
    pnpm::FORMAT,
    yarn::FORMAT,
    python::REQUIREMENTS,
    python::POETRY,
    python::UV,
    python::PDM,
    go::FORMAT,
    gomod::FORMAT,
    bun::FORMAT,
    pipfile::FORMAT,
    gemfile::FORMAT,
    composer::FORMAT,
    nuget::FORMAT,
    gradle::FORMAT,
    pom::FORMAT,
    terraform::LOCK,
    terraform::MODULES,
    terraform::CONFIGURATION,
    actions::FORMAT,
    base_image::FORMAT,
    helm::CHART,
    helm::LOCK,
];

/// What one lockfile pins.
#[derive(Debug, Default)]
pub(crate) struct Lock {
    pub(crate) packages: Vec<Package>,
    /// What the lockfile leaves open, for a person.
    pub(crate) gaps: Vec<String>,
    /// Of these, what leaves out components: a scan cannot speak for them.
    pub(crate) hidden: Vec<String>,
    /// What is asked for without saying which; another file may.
    pub(crate) open: Vec<Open>,
    /// Files that these packages account for.
    pub(crate) owns: Vec<String>,
}

impl Lock {
    /// Notes that components are missing from what is read.
    pub(crate) fn hide(&mut self, what: String) {
        self.gaps.push(what.clone());
        self.hidden.push(what);
    }
}

/// Something that is asked for by a range, or not at all by version.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) what: String,
    /// The file that says which was chosen, in the same folder or one above it.
    pub(crate) settled_by: &'static str,
}

#[derive(Debug)]
pub(crate) struct Package {
    pub(crate) purl: Purl,
    pub(crate) name: String,
    pub(crate) version: Option<String>,
    pub(crate) digests: Vec<Digest>,
    pub(crate) scope: Option<Scope>,
    /// Purls that it depends on.
    pub(crate) needs: Vec<Purl>,
    /// Whether the project itself is this package: a member, not a dependency.
    pub(crate) own: bool,
    /// All that apply, as SPDX expressions or as they are called.
    pub(crate) licences: Vec<String>,
}

impl Package {
    /// Somebody else's, with nothing further said of it.
    pub(crate) fn of(purl: Purl, name: String, version: Option<String>) -> Self {
        Self {
            purl,
            name,
            version,
            digests: Vec::new(),
            scope: None,
            needs: Vec::new(),
            own: false,
            licences: Vec::new(),
        }
    }

    /// Of a type whose purls are made of name and version alone.
    ///
    /// # Errors
    /// The name is none.
    pub(crate) fn named(kind: &str, name: &str, version: Option<&str>) -> Result<Self, Fault> {
        // What purls call a namespace Maven calls a group.
        let shown = if kind == "maven" { name.replace('/', ":") } else { name.to_owned() };
        Ok(Self::of(purl(kind, name, version)?, shown, version.map(str::to_owned)))
    }
}

/// A lockfile that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lockfile {
    pub path: String,
    pub kind: &'static str,
    pub components: usize,
}

#[derive(Debug)]
pub struct Inventory {
    pub sbom: Sbom,
    pub lockfiles: Vec<Lockfile>,
    /// What of the target could not be looked at, with its reason; the SBOM has a gap for each.
    pub doubts: Vec<(Code, String)>,
    /// Lockfiles that could not be read; the SBOM has a gap for each.
    pub faults: Vec<Fault>,
    /// Gaps that leave out components.
    pub hidden: Vec<String>,
    /// Of an image: each layer with all below it, the lowest first.
    pub chain: Vec<Digest>,
}

/// One file that was read.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) kind: &'static str,
    pub(crate) lock: Result<Lock, Fault>,
    /// Where components of it were seen, if that is to be said.
    pub(crate) seen: Option<Occurrence>,
}

pub use installed::{Catalogue, Interest, MAX_FILE, Release, installed, interest, is_installed};
pub use program::{HEAD, is_program};

/// The kind of a lockfile by its path; `None` where it is none of this project's.
pub fn is_lockfile(path: &str) -> Option<&'static str> {
    LOCKFILES.iter().find(|format| (format.named)(path)).map(|format| format.kind)
}

/// The last part of a path.
pub(crate) fn name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Makes an SBOM of lockfiles; their order does not matter.
pub fn inventory(project: &str, files: &[(String, Vec<u8>)]) -> Inventory {
    let mut files: Vec<&(String, Vec<u8>)> = files.iter().collect();
    files.sort();
    let paths: BTreeSet<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    let read = files.iter().filter_map(|(path, bytes)| {
        let format = LOCKFILES.iter().find(|format| (format.named)(path))?;
        let text = std::str::from_utf8(bytes)
            .map_err(|_| Fault::new(Code::LockfileMalformed, "$", "is not UTF-8 text"));
        let lock = text.and_then(|text| (format.read)(text)).map(|mut lock| {
            for open in std::mem::take(&mut lock.open) {
                if !settled(path, open.settled_by, &paths) {
                    lock.hide(format!("{}, and no {} says which that is", open.what, name(open.settled_by)));
                }
            }
            lock
        });
        Some(Source { path: path.clone(), kind: format.kind, lock, seen: None })
    });
    assemble(project, read)
}

/// Whether a file lies in the folder of another, or in one above it.
fn settled(path: &str, by: &str, paths: &BTreeSet<&str>) -> bool {
    let mut folder = path;
    while let Some((above, _)) = folder.rsplit_once('/') {
        if paths.contains(format!("{above}/{by}").as_str()) {
            return true;
        }
        folder = above;
    }
    paths.contains(by)
}

/// One SBOM of everything that was read, in the order of the paths.
pub(crate) fn assemble(project: &str, read: impl Iterator<Item = Source>) -> Inventory {
    let mut all: BTreeMap<String, Package> = BTreeMap::new();
    let mut places: BTreeMap<String, Vec<Occurrence>> = BTreeMap::new();
    let mut inventory = Inventory {
        sbom: Sbom::default(),
        lockfiles: Vec::new(),
        doubts: Vec::new(),
        faults: Vec::new(),
        hidden: Vec::new(),
        chain: Vec::new(),
    };
    for Source { path, kind, lock, seen } in read {
        match lock {
            Ok(lock) => {
                // Configuration that takes nothing from elsewhere is no lockfile of anything.
                if lock.packages.is_empty() && lock.gaps.is_empty() && seen.is_none() {
                    continue;
                }
                let components = lock.packages.iter().filter(|package| !package.own).count();
                inventory.lockfiles.push(Lockfile { path: path.clone(), kind, components });
                inventory.sbom.gaps.extend(lock.gaps.iter().map(|gap| format!("{path}: {gap}")));
                inventory.hidden.extend(lock.hidden.iter().map(|gap| format!("{path}: {gap}")));
                for package in lock.packages {
                    if let Some(other) = disagreement(&all, &package) {
                        inventory.sbom.gaps.push(format!(
                            "{path}: {} is pinned to another digest elsewhere, {other}",
                            package.purl
                        ));
                    }
                    if let Some(seen) = &seen {
                        places.entry(package.purl.to_string()).or_default().push(seen.clone());
                    }
                    merge(&mut all, package);
                }
            }
            Err(fault) => {
                inventory.sbom.gaps.push(format!("{path} could not be read"));
                let place = format!("{path}, {}", fault.place);
                inventory.faults.push(Fault { place, ..fault });
            }
        }
    }
    let root = format!("project:{project}");
    let mut direct: Vec<String> = Vec::new();
    for package in all.values() {
        let id = package.purl.to_string();
        let needs: Vec<String> =
            package.needs.iter().map(Purl::to_string).filter(|need| all.contains_key(need)).collect();
        if package.own {
            direct.push(id.clone());
        }
        inventory.sbom.relations.push(Relation { from: id, to: needs });
    }
    // What nobody needs is needed by the project itself.
    let needed: BTreeSet<&String> =
        inventory.sbom.relations.iter().flat_map(|relation| &relation.to).collect();
    direct.extend(
        all.iter().filter(|(id, package)| !package.own && !needed.contains(id)).map(|(id, _)| id.clone()),
    );
    direct.sort();
    inventory.sbom.relations.push(Relation { from: root.clone(), to: direct });
    inventory.sbom.components = all
        .into_iter()
        .map(|(id, package)| component(package, places.remove(&id).unwrap_or_default()))
        .collect();
    inventory.sbom.spec = "CycloneDX 1.6".to_owned();
    inventory.sbom.subject = Some(Component {
        id: root,
        kind: "application".to_owned(),
        name: project.to_owned(),
        version: None,
        purl: None,
        digests: Vec::new(),
        other_hashes: Vec::new(),
        licences: Vec::new(),
        scope: None,
        occurrences: Vec::new(),
    });
    inventory
}

/// Two lockfiles that pin one version to different bytes: where a version is one file, somebody replaced it.
fn disagreement(all: &BTreeMap<String, Package>, package: &Package) -> Option<String> {
    // A version on PyPI is several files.
    if package.purl.kind() == "pypi" {
        return None;
    }
    let known = all.get(&package.purl.to_string())?;
    let other = |digest: &&Digest| {
        package.digests.iter().any(|own| own.algorithm() == digest.algorithm())
            && !package.digests.contains(digest)
    };
    known.digests.iter().find(other).map(|digest| digest.short())
}

fn merge(all: &mut BTreeMap<String, Package>, mut package: Package) {
    package.digests.sort();
    package.digests.dedup();
    package.needs.sort();
    package.needs.dedup();
    match all.entry(package.purl.to_string()) {
        std::collections::btree_map::Entry::Vacant(entry) => {
            entry.insert(package);
        }
        std::collections::btree_map::Entry::Occupied(mut entry) => {
            let known = entry.get_mut();
            known.digests.extend(package.digests);
            known.digests.sort();
            known.digests.dedup();
            known.needs.extend(package.needs);
            known.needs.sort();
            known.needs.dedup();
            known.own |= package.own;
            known.licences.extend(package.licences);
            known.licences.sort();
            known.licences.dedup();
            // Needed by anybody without condition is needed.
            if package.scope.is_none() {
                known.scope = None;
            }
        }
    }
}

fn component(package: Package, occurrences: Vec<Occurrence>) -> Component {
    Component {
        id: package.purl.to_string(),
        kind: if package.own { "application" } else { "library" }.to_owned(),
        name: package.name,
        version: package.version,
        purl: Some(package.purl),
        digests: package.digests,
        other_hashes: Vec::new(),
        licences: licence::all_of(package.licences),
        scope: package.scope,
        occurrences,
    }
}

/// A fault at a byte offset of a text.
pub(crate) fn fault_at(text: &str, offset: usize, message: impl Into<String>) -> Fault {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |tail| tail.chars().count()) + 1;
    Fault::new(Code::LockfileMalformed, format!("line {line}, column {column}"), message)
}

pub(crate) fn toml(text: &str) -> Result<::toml::Table, Fault> {
    text.parse::<::toml::Table>()
        .map_err(|error| fault_at(text, error.span().map_or(0, |span| span.start), error.message()))
}

pub(crate) fn purl(kind: &str, name: &str, version: Option<&str>) -> Result<Purl, Fault> {
    Purl::new(kind, name, version)
        .map_err(|error| Fault::new(Code::LockfileMalformed, format!("package `{name}`"), error.to_string()))
}

/// A digest out of an SRI string; weaker functions give none.
pub(crate) fn integrity(text: &str) -> Option<Digest> {
    linkward_evidence::integrity::digests(text).next()
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;
