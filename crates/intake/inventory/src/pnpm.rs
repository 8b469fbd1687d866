//! pnpm-lock.yaml, versions 5.x (pnpm 3 to 7), 6.x (pnpm 8) and 9.x (pnpm 9 and later).

use std::collections::{BTreeMap, BTreeSet};

use linkward_evidence::sbom::Scope;
use linkward_evidence::{Fault, yaml};
use linkward_model::{Code, Purl};
use serde_json::{Map, Value};

use crate::{Format, Lock, Package, integrity, name, purl};

pub(crate) const FORMAT: Format =
    Format { kind: "pnpm-lock.yaml", named: |path| name(path) == "pnpm-lock.yaml", read };

/// How keys of packages are spelled.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    /// `/name/1.0.0_peer@2`
    V5,
    /// `/name@1.0.0(peer@2)`
    V6,
    /// `name@1.0.0(peer@2)`, with what depends on peers in `snapshots`.
    V9,
}

fn read(text: &str) -> Result<Lock, Fault> {
    let document = yaml::read(text, Code::LockfileMalformed)?;
    let version = document.get("lockfileVersion").and_then(Value::as_str);
    let major = version.and_then(|version| version.split('.').next());
    let keys = match major {
        Some("5") => Keys::V5,
        Some("6") => Keys::V6,
        Some("9") => Keys::V9,
        Some(_) => {
            let what = format!("lockfileVersion {} is not 5, 6 or 9", version.unwrap_or(""));
            return Err(Fault::new(Code::UnsupportedVersion, "$.lockfileVersion", what));
        }
        None => return Err(malformed("$", "has no `lockfileVersion`")),
    };
    let empty = Map::new();
    let packages = match document.get("packages") {
        None | Some(Value::Null) => &empty,
        Some(Value::Object(packages)) => packages,
        Some(_) => return Err(malformed("$.packages", "must be a mapping")),
    };
    let snapshots = match (keys, document.get("snapshots")) {
        (Keys::V9, Some(Value::Object(snapshots))) => snapshots,
        (Keys::V9, None | Some(Value::Null)) => &empty,
        (Keys::V9, Some(_)) => return Err(malformed("$.snapshots", "must be a mapping")),
        _ => packages,
    };
    let reached = reached(&document, keys, snapshots);
    let mut variants: BTreeMap<&str, Vec<&String>> = BTreeMap::new();
    for key in snapshots.keys() {
        variants.entry(bare(keys, key)).or_default().push(key);
    }
    let mut lock = Lock::default();
    let mut named: BTreeMap<String, Purl> = BTreeMap::new();
    for (key, entry) in packages {
        let (name, version) = identity(keys, key, entry)?;
        named.insert(bare(keys, key).to_owned(), identify(&name, &version, entry)?);
    }
    for (key, entry) in packages {
        let (name, version) = identity(keys, key, entry)?;
        let pinned = entry.pointer("/resolution/integrity").and_then(Value::as_str);
        match pinned.map(integrity) {
            Some(None) => lock.gaps.push(format!("{name} {version} is pinned by a weak hash alone")),
            None if entry.pointer("/resolution/commit").is_none() => {
                lock.gaps.push(format!("{name} {version} has no integrity"));
            }
            _ => {}
        }
        let own = variants.get(bare(keys, key)).map_or(&[][..], Vec::as_slice);
        let mut needs = Vec::new();
        for snapshot in own {
            for other in below(snapshots.get(*snapshot), keys, snapshots) {
                needs.extend(named.get(bare(keys, &other)).cloned());
            }
        }
        needs.sort();
        needs.dedup();
        lock.packages.push(Package {
            digests: pinned.and_then(integrity).into_iter().collect(),
            scope: scope(keys, entry, own, snapshots, &reached),
            needs,
            ..Package::of(identify(&name, &version, entry)?, name, Some(version))
        });
    }
    Ok(lock)
}

/// Name and version of a package: of its key, unless the entry says so itself (tarballs, git).
fn identity(keys: Keys, key: &str, entry: &Value) -> Result<(String, String), Fault> {
    let field = |name: &str| entry.get(name).and_then(Value::as_str);
    let bare = bare(keys, key);
    let spelled = match keys {
        Keys::V5 => bare.trim_start_matches('/').rsplit_once('/'),
        Keys::V6 | Keys::V9 => {
            bare.trim_start_matches('/').rsplit_once('@').filter(|(name, _)| !name.is_empty())
        }
    };
    let name = field("name").or(spelled.map(|(name, _)| name));
    let version = field("version").or(spelled.map(|(_, version)| version));
    match (name, version) {
        (Some(name), Some(version)) => Ok((name.to_owned(), version.to_owned())),
        _ => Err(malformed(&format!("$.packages[`{key}`]"), "names no package and version")),
    }
}

fn identify(name: &str, version: &str, entry: &Value) -> Result<Purl, Fault> {
    let of = |name: &str| entry.pointer(&format!("/resolution/{name}")).and_then(Value::as_str);
    let found = purl("npm", name, Some(version))?;
    Ok(match (of("repo"), of("commit")) {
        (Some(repo), Some(commit)) => found.with_qualifier("vcs_url", &format!("git+{repo}@{commit}")),
        _ => found,
    })
}

/// A key without the peers that it was resolved with.
fn bare(keys: Keys, key: &str) -> &str {
    match keys {
        Keys::V5 => {
            // The version is the last part; a name may hold underscores.
            let from = key.rfind('/').map_or(0, |at| at + 1);
            let at = key.get(from..).and_then(|version| version.find('_'));
            at.and_then(|at| key.get(..from + at)).unwrap_or(key)
        }
        Keys::V6 | Keys::V9 => key.split('(').next().unwrap_or(key),
    }
}

/// The key that a dependency's value stands for; workspace members and links have none.
fn target(name: &str, value: &str, keys: Keys, snapshots: &Map<String, Value>) -> Option<String> {
    let spelled = match keys {
        Keys::V5 => format!("/{name}/{value}"),
        Keys::V6 => format!("/{name}@{value}"),
        Keys::V9 => format!("{name}@{value}"),
    };
    // The value itself where it is an alias, a tarball or git.
    [spelled, value.to_owned()].into_iter().find(|key| snapshots.contains_key(key))
}

fn below(entry: Option<&Value>, keys: Keys, snapshots: &Map<String, Value>) -> Vec<String> {
    let lists = ["dependencies", "optionalDependencies"];
    let named = lists.iter().filter_map(|list| entry?.get(list)?.as_object()).flatten();
    named
        .filter_map(|(name, value)| {
            // Importers of version 6 and later say {specifier, version}.
            let value = value.as_str().or_else(|| value.get("version")?.as_str())?;
            target(name, value, keys, snapshots)
        })
        .collect()
}

/// Everything that is reached without a devDependency of an importer.
fn reached(document: &Value, keys: Keys, snapshots: &Map<String, Value>) -> BTreeSet<String> {
    let importers = document.get("importers").and_then(Value::as_object);
    let mut queue: Vec<String> = match importers {
        Some(importers) => {
            importers.values().flat_map(|importer| below(Some(importer), keys, snapshots)).collect()
        }
        None => below(Some(document), keys, snapshots),
    };
    let mut reached = BTreeSet::new();
    while let Some(key) = queue.pop() {
        queue.extend(
            below(snapshots.get(&key), keys, snapshots).into_iter().filter(|key| !reached.contains(key)),
        );
        reached.insert(key);
    }
    reached
}

fn scope(
    keys: Keys,
    entry: &Value,
    own: &[&String],
    snapshots: &Map<String, Value>,
    reached: &BTreeSet<String>,
) -> Option<Scope> {
    let flag = |entry: Option<&Value>, name: &str| {
        entry.and_then(|entry| entry.get(name)).and_then(Value::as_str) == Some("true")
    };
    let dev = match keys {
        Keys::V5 | Keys::V6 => flag(Some(entry), "dev"),
        Keys::V9 => !own.iter().any(|snapshot| reached.contains(*snapshot)),
    };
    let optional = match keys {
        Keys::V5 | Keys::V6 => flag(Some(entry), "optional"),
        Keys::V9 => !own.is_empty() && own.iter().all(|snapshot| flag(snapshots.get(*snapshot), "optional")),
    };
    if dev { Some(Scope::Excluded) } else { optional.then_some(Scope::Optional) }
}

fn malformed(place: &str, message: impl Into<String>) -> Fault {
    Fault::new(Code::LockfileMalformed, place, message)
}
