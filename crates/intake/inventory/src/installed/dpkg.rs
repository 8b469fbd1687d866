//! dpkg: var/lib/dpkg/status, and status.d of images without dpkg itself.

use linkward_evidence::Fault;

use super::stanza::{self, Spelling};
use super::{Place, Read, fields};
use crate::{Lock, licence};

pub(super) const STATUS: Place =
    Place { kind: "dpkg status", at: |path| path.ends_with("var/lib/dpkg/status"), read: Read::Text(read) };
pub(super) const STATUS_D: Place = Place {
    kind: "dpkg status.d",
    at: |path| path.contains("var/lib/dpkg/status.d/") && !path.ends_with(".md5sums"),
    read: Read::Text(read),
};

/// Which files belong to a package: one path a line, or behind a hash where dpkg itself is not there.
pub(super) const LIST: Place = Place {
    kind: "dpkg list",
    at: |path| path.contains("var/lib/dpkg/info/") && path.ends_with(".list"),
    read: Read::Text(|text| Ok(Lock { owns: text.lines().map(str::to_owned).collect(), ..Lock::default() })),
};
pub(super) const SUMS: Place = Place {
    kind: "dpkg md5sums",
    at: |path| path.contains("var/lib/dpkg/status.d/") && path.ends_with(".md5sums"),
    read: Read::Text(|text| {
        let files = text.lines().filter_map(|line| line.split_once(char::is_whitespace));
        Ok(Lock { owns: files.map(|(_, file)| file.trim().to_owned()).collect(), ..Lock::default() })
    }),
};

const SPELLING: Spelling = Spelling {
    kind: "deb",
    field,
    name: "Package",
    version: "Version",
    architecture: "Architecture",
    // In a file of its own, usr/share/doc/NAME/copyright.
    licence: None,
    // `glibc (2.36-9)`: the source's version may differ.
    upstream: |paragraph, _| {
        field(paragraph, "Source").map(|source| source.replace(" (", "@").replace(')', ""))
    },
    // Removed packages leave their configuration; status.d has no such field.
    present: |paragraph| field(paragraph, "Status").is_none_or(|status| status.ends_with(" installed")),
};

fn read(text: &str) -> Result<Lock, Fault> {
    stanza::read(text, &SPELLING)
}

fn field<'a>(paragraph: &'a str, wanted: &str) -> Option<&'a str> {
    fields(paragraph).find(|(name, _)| *name == wanted).map(|(_, value)| value)
}

const DOCUMENTATION: &str = "usr/share/doc/";

/// The package of a folder of documentation, or of the copyright file in it.
pub(super) fn documented(path: &str) -> Option<&str> {
    let at = path.rfind(DOCUMENTATION)?;
    let whole = at == 0 || path.as_bytes().get(at - 1) == Some(&b'/');
    let rest = path.get(at + DOCUMENTATION.len()..).filter(|_| whole)?;
    let name = rest.strip_suffix("/copyright").unwrap_or(rest);
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

/// The package of a copyright file, by its path.
pub(super) fn of_copyright(path: &str) -> Option<&str> {
    path.ends_with("/copyright").then(|| documented(path)).flatten()
}

/// The package whose documentation a link leads to: `libgcc-s1` to `gcc-12-base`, or to `../gcc-12-base/copyright`.
pub(super) fn shared_with(path: &str, target: &str) -> Option<String> {
    let (folder, _) = path.rsplit_once('/')?;
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for part in target.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match part {
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    documented(&parts.join("/")).map(str::to_owned)
}

/// What a copyright file says; texts of licences are in any encoding.
pub(super) fn copyright(bytes: &[u8]) -> Vec<String> {
    licence::of_debian(&String::from_utf8_lossy(bytes))
}
