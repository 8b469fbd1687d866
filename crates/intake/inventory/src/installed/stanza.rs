//! Databases of packages as paragraphs of fields: dpkg's and apk's, which differ in the names of fields alone.

use linkward_evidence::Fault;

use super::malformed;
use crate::{Lock, Package, licence, purl};

/// How one database spells what is needed.
pub(super) struct Spelling {
    pub(super) kind: &'static str,
    /// The value of a field in a paragraph; names are as the database writes them.
    pub(super) field: for<'a> fn(&'a str, &str) -> Option<&'a str>,
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    pub(super) architecture: &'static str,
    /// The field with the licence, where the database has one.
    pub(super) licence: Option<&'static str>,
    /// Of which package this one was made: advisories speak of that one.
    pub(super) upstream: fn(&str, name: &str) -> Option<String>,
    /// Whether the paragraph is about a package that is there.
    pub(super) present: fn(&str) -> bool,
}

pub(super) fn read(text: &str, spelling: &Spelling) -> Result<Lock, Fault> {
    let mut lock = Lock::default();
    let text = text.replace("\r\n", "\n");
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        let field = |wanted: &str| (spelling.field)(paragraph, wanted);
        let missing = || malformed("$", &format!("has a paragraph without `{}`", spelling.name));
        let name = field(spelling.name).ok_or_else(missing)?;
        if !(spelling.present)(paragraph) {
            continue;
        }
        let Some(version) = field(spelling.version) else {
            lock.hide(format!("{name} has no version"));
            continue;
        };
        let mut found = purl(spelling.kind, name, Some(version))?;
        for (key, value) in [
            ("arch", field(spelling.architecture).map(str::to_owned)),
            ("upstream", (spelling.upstream)(paragraph, name)),
        ] {
            if let Some(value) = value {
                found = found.with_qualifier(key, &value);
            }
        }
        let licences = spelling.licence.and_then(field).and_then(licence::declared).into_iter().collect();
        lock.packages
            .push(Package { licences, ..Package::of(found, name.to_owned(), Some(version.to_owned())) });
    }
    if lock.packages.is_empty() {
        lock.gaps.push("lists no installed package".to_owned());
    }
    Ok(lock)
}
