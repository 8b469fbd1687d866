//! dpkg: var/lib/dpkg/status, and status.d of images without dpkg itself.

use linkward_evidence::Fault;

use super::{Place, Release, fields, malformed};
use crate::{Lock, Package, purl};

pub(super) const STATUS: Place =
    Place { kind: "dpkg status", at: |path| path.ends_with("var/lib/dpkg/status"), read };
pub(super) const STATUS_D: Place = Place {
    kind: "dpkg status.d",
    at: |path| path.contains("var/lib/dpkg/status.d/") && !path.ends_with(".md5sums"),
    read,
};

fn read(text: &str, release: Option<&Release>) -> Result<Lock, Fault> {
    let mut lock = Lock::default();
    let text = text.replace("\r\n", "\n");
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        let field =
            |wanted: &str| fields(paragraph).find(|(name, _)| *name == wanted).map(|(_, value)| value);
        let name = field("Package").ok_or_else(|| malformed("$", "has a paragraph without `Package`"))?;
        // Removed packages leave their configuration; status.d has no such field.
        if field("Status").is_some_and(|status| !status.ends_with(" installed")) {
            continue;
        }
        let Some(version) = field("Version") else {
            lock.hide(format!("{name} has no version"));
            continue;
        };
        let namespace = release.map_or("debian", |release| release.id.as_str());
        let mut found = purl("deb", &format!("{namespace}/{name}"), Some(version))?;
        for (key, value) in [
            ("arch", field("Architecture").map(str::to_owned)),
            ("distro", release.map(Release::qualifier)),
            // `glibc (2.36-9)`: advisories speak of source packages, whose version may differ.
            ("upstream", field("Source").map(|source| source.replace(" (", "@").replace(')', ""))),
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
