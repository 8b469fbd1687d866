//! What is installed: package databases of a root file system, and packages that lie in their folders. One kind a file.

mod apk;
mod dist_info;
mod dpkg;
mod node_modules;
mod os_release;

use linkward_evidence::Fault;
use linkward_model::Code;

use crate::{Inventory, Lock, assemble};

pub use os_release::Release;

/// One kind of place where installed packages are written down.
pub(crate) struct Place {
    pub(crate) kind: &'static str,
    /// Whether a path, relative to what is scanned, is of this kind.
    pub(crate) at: fn(&str) -> bool,
    pub(crate) read: fn(&str, Option<&Release>) -> Result<Lock, Fault>,
}

const PLACES: &[Place] =
    &[dpkg::STATUS, dpkg::STATUS_D, apk::INSTALLED, dist_info::METADATA, node_modules::PACKAGE];

/// Whether a file says what is installed, or which distribution this is.
pub fn is_installed(path: &str) -> bool {
    os_release::is_release(path) || PLACES.iter().any(|place| (place.at)(path))
}

/// Makes an SBOM of what is installed; the order of the files does not matter.
pub fn installed(project: &str, files: &[(String, Vec<u8>)]) -> Inventory {
    let mut files: Vec<&(String, Vec<u8>)> = files.iter().collect();
    files.sort();
    let text = |bytes: &[u8]| {
        // Descriptions in old package databases are in any encoding; names and versions are ASCII.
        String::from_utf8_lossy(bytes).into_owned()
    };
    let release = files
        .iter()
        .filter(|(path, _)| os_release::is_release(path))
        .find_map(|(_, bytes)| Release::read(&text(bytes)));
    let read = files.iter().filter_map(|(path, bytes)| {
        let place = PLACES.iter().find(|place| (place.at)(path))?;
        Some((path.clone(), place.kind, (place.read)(&text(bytes), release.as_ref())))
    });
    assemble(project, read)
}

/// Fields of a paragraph as Debian's control files and Python's metadata write them: `Name: value`, continued by indentation.
fn fields(paragraph: &str) -> impl Iterator<Item = (&str, &str)> {
    paragraph
        .lines()
        .filter(|line| !line.starts_with([' ', '\t']))
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim(), value.trim()))
}

fn malformed(place: impl Into<String>, message: &str) -> Fault {
    Fault::new(Code::LockfileMalformed, place, message)
}

#[cfg(test)]
mod tests;
