//! What is installed: package databases of a root file system or an image, packages that lie in their folders, archives of
//! classes, and programs that say what they were built of. One kind a file.

mod apk;
mod composer;
mod deps_json;
mod dist_info;
mod dpkg;
mod gemspec;
mod node_modules;
mod os_release;
mod stanza;

use std::collections::{BTreeMap, BTreeSet};

use linkward_evidence::Fault;
use linkward_evidence::sbom::Occurrence;
use linkward_model::{Code, Digest};

use crate::{Inventory, Lock, Package, Source, assemble, java, rpm};

pub(crate) use crate::program::{HEAD, is_program};
pub use os_release::Release;
pub(crate) use os_release::is_release;

pub(crate) fn is_copyright(path: &str) -> bool {
    dpkg::of_copyright(path).is_some()
}

/// One kind of place where installed packages are written down. Purls of distributions get their namespace and release
/// in the end: which distribution it is may stand in a file that comes later.
pub(crate) struct Place {
    pub(crate) kind: &'static str,
    /// Whether a path, relative to what is scanned, is of this kind.
    pub(crate) at: fn(&str) -> bool,
    pub(crate) read: Read,
}

pub(crate) enum Read {
    Text(fn(&str) -> Result<Lock, Fault>),
    Bytes(fn(&[u8]) -> Result<Lock, Fault>),
}

const PLACES: &[Place] = &[
    dpkg::STATUS,
    dpkg::STATUS_D,
    dpkg::LIST,
    dpkg::SUMS,
    apk::INSTALLED,
    rpm::SQLITE,
    rpm::NDB,
    rpm::BDB,
    rpm::JOURNAL,
    dist_info::METADATA,
    node_modules::PACKAGE,
    deps_json::DEPENDENCIES,
    composer::INSTALLED,
    gemspec::SPECIFICATION,
];

/// Largest file that is read whole: with the rest of what is held, 256 MB are enough for any image.
pub const MAX_FILE: u64 = 96 << 20;

/// Whether a file says what is installed, or which distribution this is.
pub fn is_installed(path: &str) -> bool {
    os_release::is_release(path)
        || java::is_archive(path)
        || is_copyright(path)
        || PLACES.iter().any(|place| (place.at)(path))
}

/// How a file is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    None,
    /// Its path says what it is.
    Named,
    /// Its first bytes have to say whether it is a program.
    Program,
}

/// Whether a file is looked at. What can be started has the right to be, or a name that says so.
pub fn interest(path: &str, executable: bool) -> Interest {
    const ENDS: &[&str] = &[".exe", ".dll", ".so", ".dylib", ".node"];
    let name = path.rsplit('/').next().unwrap_or(path);
    if is_installed(path) {
        Interest::Named
    } else if executable || ENDS.iter().any(|end| name.ends_with(end)) || name.contains(".so.") {
        Interest::Program
    } else {
        Interest::None
    }
}

/// What of a target was seen, a file at a time; the order does not matter.
#[derive(Debug, Default)]
pub struct Catalogue {
    releases: BTreeMap<String, Release>,
    read: BTreeMap<String, Vec<Source>>,
    /// What could not be looked at, for a person: the inventory may lack components.
    doubts: Vec<(Code, String)>,
    /// Programs that do not say what they were built of.
    silent: BTreeSet<String>,
    /// Files that packages of a distribution account for.
    owned: BTreeSet<String>,
    /// Licences of a distribution's packages by the path that says so: the database itself names none.
    copyrights: BTreeMap<String, Vec<String>>,
    /// Folders of documentation, and copyright files, that are links: the package, and the one it links to.
    shared: BTreeMap<String, String>,
}

impl Catalogue {
    /// Looks at one file. `layer` is the part of an image that it lies in. A path that comes again takes the place of the first.
    pub fn add(&mut self, path: &str, layer: Option<&str>, bytes: &[u8]) {
        self.forget(path);
        // Descriptions in old package databases are in any encoding; names and versions are ASCII.
        let text = || String::from_utf8_lossy(bytes);
        if os_release::is_release(path) {
            if let Some(release) = Release::read(&text()) {
                self.releases.insert(path.to_owned(), release);
            }
            return;
        }
        if is_copyright(path) {
            self.copyrights.insert(path.to_owned(), dpkg::copyright(bytes));
            return;
        }
        let Some(place) = PLACES.iter().find(|place| (place.at)(path)) else {
            if java::is_archive(path) {
                for (inner, lock) in java::read(path, bytes) {
                    self.put(&inner, layer, bytes, "Java archive", lock);
                }
            } else if is_program(bytes) {
                self.program(path, layer, bytes);
            }
            return;
        };
        let lock = match place.read {
            Read::Text(read) => read(&text()),
            Read::Bytes(read) => read(bytes),
        };
        self.put(path, layer, bytes, place.kind, lock);
    }

    fn program(&mut self, path: &str, layer: Option<&str>, bytes: &[u8]) {
        match crate::program::read(bytes) {
            Ok(found) if found.is_empty() => {
                self.silent.insert(path.to_owned());
            }
            Ok(found) => {
                for (kind, lock) in found {
                    self.put(path, layer, bytes, kind, Ok(lock));
                }
            }
            Err(fault) => self.put(path, layer, bytes, "program", Err(fault)),
        }
    }

    fn put(
        &mut self,
        path: &str,
        layer: Option<&str>,
        bytes: &[u8],
        kind: &'static str,
        lock: Result<Lock, Fault>,
    ) {
        let file = Digest::sha256(bytes);
        let context = match layer {
            Some(layer) => format!("layer {layer} file {file}"),
            None => format!("file {file}"),
        };
        let seen = Some(Occurrence { location: path.to_owned(), context: Some(context) });
        let lock = lock.map(|mut lock| {
            self.owned.extend(lock.owns.drain(..).map(|file| without_usr(&file).to_owned()));
            lock
        });
        let source = Source { path: path.to_owned(), kind, lock, seen };
        self.read.entry(path.to_owned()).or_default().push(source);
    }

    /// Takes back what was read at a path: something that is no file of interest stands there instead.
    pub fn forget(&mut self, path: &str) {
        self.releases.remove(path);
        self.copyrights.remove(path);
        self.shared.remove(path);
        self.read.remove(path);
        // What lay within it goes with it.
        let within = format!("{path}!/");
        let inner = self.read.range(within.clone()..).map(|(known, _)| known.clone());
        let inner: Vec<String> = inner.take_while(|known| known.starts_with(&within)).collect();
        inner.iter().for_each(|known| drop(self.read.remove(known)));
        self.silent.remove(path);
    }

    /// Notes a symbolic link: packages that are built together often share their documentation.
    pub fn link(&mut self, path: &str, target: &str) {
        if dpkg::documented(path).is_some()
            && let Some(other) = dpkg::shared_with(path, target)
        {
            self.shared.insert(path.to_owned(), other);
        }
    }

    /// Where licences of Debian's packages could lie that were not seen: a link there, to be given to [`Catalogue::link`].
    pub fn unlicensed(&self) -> Vec<String> {
        let packages = self.read.values().flatten().filter_map(|source| source.lock.as_ref().ok());
        let deb = packages.flat_map(|lock| &lock.packages).filter(|package| package.purl.kind() == "deb");
        let places = deb.map(|package| format!("usr/share/doc/{}", package.name));
        let mut places: Vec<String> = places
            .filter(|place| !self.copyrights.contains_key(&format!("{place}/copyright")))
            .flat_map(|place| [format!("{place}/copyright"), place])
            .collect();
        places.sort();
        places.dedup();
        places
    }

    /// Notes that something could not be looked at.
    pub fn doubt(&mut self, code: Code, detail: impl Into<String>) {
        self.doubts.push((code, detail.into()));
    }

    /// The distribution, as far as it is known yet.
    pub fn release(&self) -> Option<&Release> {
        // etc/os-release is before usr/lib/os-release, as systemd has it.
        self.releases.values().next()
    }

    pub fn finish(mut self, project: &str) -> Inventory {
        let alone: Vec<&str> = self
            .silent
            .iter()
            .map(String::as_str)
            .filter(|path| !self.owned.contains(without_usr(path)))
            .collect();
        if let Some((last, more)) = alone.get(..alone.len().min(SHOWN)).and_then(<[&str]>::split_last) {
            let mut names = more.to_vec();
            names.push(last);
            let rest = match alone.len().saturating_sub(SHOWN) {
                0 => String::new(),
                rest => format!(" and {rest} more"),
            };
            let what = "programs do not say what they were built of, and belong to no package";
            self.doubts
                .push((Code::SbomIncomplete, format!("{} {what}: {}{rest}", alone.len(), names.join(", "))));
        }
        let release = self.release().cloned();
        let mut copyrights: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (path, licences) in std::mem::take(&mut self.copyrights) {
            let name = dpkg::of_copyright(&path).unwrap_or_default();
            copyrights.entry(name.to_owned()).or_default().extend(licences);
        }
        for (path, other) in &self.shared {
            if let Some(name) = dpkg::documented(path)
                && let Some(licences) = copyrights.get(other).cloned()
            {
                copyrights.entry(name.to_owned()).or_insert(licences);
            }
        }
        let read = self.read.into_values().flatten().map(|source| {
            let lock = source.lock.and_then(|mut lock| {
                for package in &mut lock.packages {
                    if package.purl.kind() == "deb"
                        && let Some(licences) = copyrights.get(&package.name)
                    {
                        package.licences.extend(licences.iter().cloned());
                    }
                    of_release(package, release.as_ref())?;
                }
                Ok(lock)
            });
            Source { lock, ..source }
        });
        let mut inventory = assemble(project, read);
        for (code, detail) in self.doubts {
            inventory.sbom.gaps.push(detail.clone());
            inventory.doubts.push((code, detail));
        }
        inventory
    }
}

/// Programs that a doubt names before it counts.
const SHOWN: usize = 10;

/// Distributions say /bin where the file lies in /usr/bin, and the reverse.
fn without_usr(path: &str) -> &str {
    let path = path.trim_start_matches('/');
    path.strip_prefix("usr/").unwrap_or(path)
}

/// Names the distribution, and its release, in the purl of one of its packages.
fn of_release(package: &mut Package, release: Option<&Release>) -> Result<(), Fault> {
    let kind = package.purl.kind().to_owned();
    let usual = match kind.as_str() {
        "deb" => "debian",
        "apk" => "alpine",
        "rpm" => "rpm",
        _ => return Ok(()),
    };
    // As purls name them, which is not always as they name themselves.
    let namespace = match release.map(|release| release.id.as_str()) {
        None => usual,
        Some("rhel") => "redhat",
        Some("opensuse-leap" | "opensuse-tumbleweed") => "opensuse",
        Some("sles") => "suse",
        Some(id) => id,
    };
    let name = format!("{namespace}/{}", package.purl.name());
    let mut purl = crate::purl(&kind, &name, package.purl.version())?;
    for (key, value) in package.purl.qualifiers() {
        purl = purl.with_qualifier(key, value);
    }
    if let Some(release) = release {
        purl = purl.with_qualifier("distro", &release.qualifier());
    }
    package.purl = purl;
    Ok(())
}

/// Makes an SBOM of what is installed; the order of the files does not matter.
pub fn installed(project: &str, files: &[(String, Vec<u8>)]) -> Inventory {
    let mut catalogue = Catalogue::default();
    files.iter().for_each(|(path, bytes)| catalogue.add(path, None, bytes));
    catalogue.finish(project)
}

/// Fields of a paragraph as Debian's control files and Python's metadata write them: `Name: value`, continued by indentation.
fn fields(paragraph: &str) -> impl Iterator<Item = (&str, &str)> {
    paragraph
        .lines()
        .filter(|line| !line.starts_with([' ', '\t']))
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim(), value.trim()))
}

/// What one package writes of itself where it lies; one without a version is there, and nobody can say whether it is bad.
fn one(kind: &str, name: &str, version: Option<&str>, licences: Vec<String>) -> Result<Lock, Fault> {
    let mut lock = Lock::default();
    match version {
        Some(_) => lock.packages.push(Package { licences, ..Package::named(kind, name, version)? }),
        None => lock.hide(format!("{name} has no version")),
    }
    Ok(lock)
}

fn json(text: &str) -> Result<serde_json::Value, Fault> {
    serde_json::from_str(text).map_err(|error| {
        malformed(format!("line {}, column {}", error.line(), error.column()), &error.to_string())
    })
}

pub(crate) fn malformed(place: impl Into<String>, message: &str) -> Fault {
    Fault::new(Code::LockfileMalformed, place, message)
}

#[cfg(test)]
mod tests;
