//! What changed from one SBOM to another: added, removed, other versions, other bytes, lost pins.

use std::collections::{BTreeMap, BTreeSet};

use linkward_evidence::sbom::{Component, Sbom};
use linkward_model::Purl;
use serde_json::{Value, json};

/// A package by its purl without version and qualifiers.
type Name = (String, Option<String>, String);

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Added {
        purl: Purl,
    },
    Removed {
        purl: Purl,
    },
    /// The package stays, its versions do not.
    Changed {
        from: Vec<Purl>,
        to: Vec<Purl>,
    },
    /// The same version with other bytes: no honest release does that.
    Replaced {
        purl: Purl,
        from: String,
        to: String,
    },
    /// The same version, from another source than before.
    Moved {
        from: Purl,
        to: Purl,
    },
    /// A digest was there and is no longer.
    Unpinned {
        purl: Purl,
    },
}

/// All differences, in order of the packages' names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub changes: Vec<Change>,
    /// Packages of the new SBOM.
    pub packages: usize,
    /// Of these, packages that the old one did not have.
    pub unknown: usize,
}

impl Changes {
    /// M4: new unknown dependencies of all dependencies.
    pub fn unknown_ratio(&self) -> f64 {
        if self.packages == 0 { 0.0 } else { self.unknown as f64 / self.packages as f64 }
    }
}

impl Change {
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Added { .. } => "added",
            Self::Removed { .. } => "removed",
            Self::Changed { .. } => "changed",
            Self::Replaced { .. } => "replaced",
            Self::Moved { .. } => "moved",
            Self::Unpinned { .. } => "unpinned",
        }
    }

    /// The purls that are new with this change.
    pub fn new_purls(&self) -> &[Purl] {
        match self {
            Self::Added { purl } | Self::Replaced { purl, .. } | Self::Unpinned { purl } => {
                std::slice::from_ref(purl)
            }
            Self::Changed { to, .. } => to,
            Self::Moved { to, .. } => std::slice::from_ref(to),
            Self::Removed { .. } => &[],
        }
    }

    pub fn describe(&self) -> Value {
        match self {
            Self::Added { purl } | Self::Removed { purl } | Self::Unpinned { purl } => {
                json!({ "change": self.kind(), "purl": purl })
            }
            Self::Changed { from, to } => json!({ "change": self.kind(), "from": from, "to": to }),
            Self::Replaced { purl, from, to } => {
                json!({ "change": self.kind(), "purl": purl, "from": from, "to": to })
            }
            Self::Moved { from, to } => json!({ "change": self.kind(), "from": from, "to": to }),
        }
    }
}

/// Compares two SBOMs. Components without purl cannot be followed; the caller says how many there are.
pub fn diff(old: &Sbom, new: &Sbom) -> Changes {
    let (before, after) = (by_name(old), by_name(new));
    let mut changes = Vec::new();
    let names: BTreeSet<&Name> = before.keys().chain(after.keys()).collect();
    let none = BTreeMap::new();
    for name in names {
        let (was, is) = (before.get(name).unwrap_or(&none), after.get(name).unwrap_or(&none));
        let purl = |(_, component): (&Option<&str>, &&Component)| component.purl.clone();
        if was.is_empty() {
            changes.extend(is.iter().filter_map(purl).map(|purl| Change::Added { purl }));
            continue;
        }
        if is.is_empty() {
            changes.extend(was.iter().filter_map(purl).map(|purl| Change::Removed { purl }));
            continue;
        }
        let gone: Vec<Purl> =
            was.iter().filter(|(version, _)| !is.contains_key(*version)).filter_map(purl).collect();
        let come: Vec<Purl> =
            is.iter().filter(|(version, _)| !was.contains_key(*version)).filter_map(purl).collect();
        if !gone.is_empty() || !come.is_empty() {
            changes.push(Change::Changed { from: gone, to: come });
        }
        for (version, now) in is {
            if let Some(then) = was.get(version) {
                changes.extend(same_version(then, now));
            }
        }
    }
    let unknown = after.keys().filter(|name| !before.contains_key(*name)).count();
    Changes { changes, packages: after.len(), unknown }
}

fn by_name(sbom: &Sbom) -> BTreeMap<Name, BTreeMap<Option<&str>, &Component>> {
    let mut found: BTreeMap<Name, BTreeMap<Option<&str>, &Component>> = BTreeMap::new();
    for component in &sbom.components {
        let Some(purl) = &component.purl else { continue };
        let name = (purl.kind().to_owned(), purl.namespace().map(str::to_owned), purl.name().to_owned());
        found.entry(name).or_default().insert(purl.version(), component);
    }
    found
}

fn same_version(then: &Component, now: &Component) -> Option<Change> {
    let purl = now.purl.clone()?;
    if let Some(from) = then.purl.clone().filter(|from| *from != purl) {
        return Some(Change::Moved { from, to: purl });
    }
    if !then.digests.is_empty() && now.digests.is_empty() {
        return Some(Change::Unpinned { purl });
    }
    // A version on PyPI is several files: only digests that all differ are other bytes.
    let of = |component: &Component| -> BTreeSet<String> {
        component.digests.iter().map(ToString::to_string).collect()
    };
    let (was, is) = (of(then), of(now));
    let comparable = then.digests.iter().any(|a| now.digests.iter().any(|b| a.algorithm() == b.algorithm()));
    let shared = was.intersection(&is).next().is_some();
    (comparable && !shared).then(|| Change::Replaced {
        purl,
        from: was.into_iter().next().unwrap_or_default(),
        to: is.into_iter().next().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory;

    fn sbom(lines: &[&str]) -> Sbom {
        let text = lines.join("\n");
        inventory("x", &[("requirements.txt".to_owned(), text.into_bytes())]).sbom
    }

    fn kinds(old: &[&str], new: &[&str]) -> Vec<&'static str> {
        diff(&sbom(old), &sbom(new)).changes.iter().map(Change::kind).collect()
    }

    #[test]
    fn every_kind_of_change() {
        let pin = |byte: &str| format!("left==1.0 --hash=sha256:{}", byte.repeat(32));
        let (a, b) = (pin("aa"), pin("bb"));
        assert_eq!(kinds(&[&a], &[&a]), [""; 0]);
        assert_eq!(kinds(&[&a], &[&a, "right==2"]), ["added"]);
        assert_eq!(kinds(&[&a, "right==2"], &[&a]), ["removed"]);
        assert_eq!(kinds(&["right==2"], &["right==3"]), ["changed"]);
        assert_eq!(kinds(&[&a], &[&b]), ["replaced"]);
        assert_eq!(kinds(&[&a], &["left==1.0"]), ["unpinned"]);
        assert_eq!(kinds(&["left==1.0"], &[&a]), [""; 0], "a pin that is gained is no danger");
    }

    #[test]
    fn one_more_file_of_a_release_is_not_other_bytes() {
        let one = format!("left==1.0 --hash=sha256:{}", "aa".repeat(32));
        let two = format!("{one} --hash=sha256:{}", "bb".repeat(32));
        assert_eq!(kinds(&[&one], &[&two]), [""; 0]);
    }

    #[test]
    fn the_ratio_of_unknown_dependencies() {
        let changes = diff(&sbom(&["a==1", "b==1", "c==1"]), &sbom(&["a==2", "b==1", "c==1", "d==1"]));
        assert_eq!((changes.packages, changes.unknown), (4, 1));
        assert!((changes.unknown_ratio() - 0.25).abs() < 1e-9);
        assert!(diff(&sbom(&[]), &sbom(&[])).unknown_ratio().abs() < 1e-9);
    }
}
