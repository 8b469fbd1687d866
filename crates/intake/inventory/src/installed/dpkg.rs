//! dpkg: var/lib/dpkg/status, and status.d of images without dpkg itself.

use linkward_evidence::Fault;

use super::stanza::{self, Spelling};
use super::{Place, Read, fields};
use crate::Lock;

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
