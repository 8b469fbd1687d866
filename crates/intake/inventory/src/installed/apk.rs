//! apk: lib/apk/db/installed, one letter a field.

use linkward_evidence::Fault;

use super::{Place, Release, malformed};
use crate::{Lock, Package, purl};

pub(super) const INSTALLED: Place =
    Place { kind: "apk installed", at: |path| path.ends_with("lib/apk/db/installed"), read };

fn read(text: &str, release: Option<&Release>) -> Result<Lock, Fault> {
    let mut lock = Lock::default();
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        let field =
            |wanted: &str| paragraph.lines().find_map(|line| line.strip_prefix(wanted)).map(str::trim);
        let name = field("P:").ok_or_else(|| malformed("$", "has a paragraph without `P:`"))?;
        let Some(version) = field("V:") else {
            lock.hide(format!("{name} has no version"));
            continue;
        };
        let namespace = release.map_or("alpine", |release| release.id.as_str());
        let mut found = purl("apk", &format!("{namespace}/{name}"), Some(version))?;
        for (key, value) in [
            ("arch", field("A:").map(str::to_owned)),
            ("distro", release.map(Release::qualifier)),
            // The origin is the package that advisories speak of.
            ("upstream", field("o:").filter(|origin| *origin != name).map(str::to_owned)),
        ] {
            if let Some(value) = value {
                found = found.with_qualifier(key, &value);
            }
        }
        lock.packages.push(Package {
            purl: found,
            name: name.to_owned(),
            version: Some(version.to_owned()),
            digests: Vec::new(),
            scope: None,
            needs: Vec::new(),
            own: false,
        });
    }
    if lock.packages.is_empty() {
        lock.gaps.push("lists no installed package".to_owned());
    }
    Ok(lock)
}
