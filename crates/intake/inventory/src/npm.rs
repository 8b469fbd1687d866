//! package-lock.json and npm-shrinkwrap.json, versions 1, 2 and 3.

use linkward_evidence::Fault;
use linkward_evidence::sbom::Scope;
use linkward_model::{Code, Purl};
use serde_json::{Map, Value};

use crate::{Format, Lock, Package, integrity, licence, name, purl};

pub(crate) const FORMAT: Format = Format {
    kind: "package-lock.json",
    named: |path| matches!(name(path), "package-lock.json" | "npm-shrinkwrap.json"),
    read,
};

fn read(text: &str) -> Result<Lock, Fault> {
    let document: Value = serde_json::from_str(text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Fault::new(Code::LockfileMalformed, place, error.to_string())
    })?;
    let version = document
        .get("lockfileVersion")
        .and_then(Value::as_u64)
        .ok_or_else(|| malformed("$", "has no `lockfileVersion`"))?;
    let mut lock = Lock::default();
    match (version, document.get("packages"), document.get("dependencies")) {
        (2 | 3, Some(Value::Object(packages)), _) => modern(packages, &mut lock)?,
        (1, _, Some(Value::Object(dependencies))) => classic(&mut vec![dependencies], &mut lock)?,
        (1, _, None) => {}
        (1..=3, _, _) => return Err(malformed("$", "has neither `packages` nor `dependencies`")),
        (other, _, _) => {
            let what = format!("{other} is not 1, 2 or 3");
            return Err(Fault::new(Code::UnsupportedVersion, "$.lockfileVersion", what));
        }
    }
    Ok(lock)
}

/// Versions 2 and 3: keys are paths below the project, the empty one is the project itself.
fn modern(packages: &Map<String, Value>, lock: &mut Lock) -> Result<(), Fault> {
    for (path, entry) in packages {
        if path.is_empty() || entry.get("link").and_then(Value::as_bool) == Some(true) {
            continue;
        }
        let own = !path.contains("node_modules/");
        let by_path = path.rsplit_once("node_modules/").map_or(path.as_str(), |(_, name)| name);
        // An alias is installed under another name than its own.
        let name = entry.get("name").and_then(Value::as_str).unwrap_or(by_path);
        let version = entry.get("version").and_then(Value::as_str);
        if own && version.is_none() {
            continue;
        }
        let mut needs = Vec::new();
        for list in ["dependencies", "optionalDependencies"] {
            let named = entry.get(list).and_then(Value::as_object);
            needs.extend(named.into_iter().flatten().filter_map(|(name, _)| nearest(packages, path, name)));
        }
        lock.packages.push(package(
            name,
            version,
            entry,
            own,
            needs,
            lock_gap(name, version, entry, own, &mut lock.gaps),
        )?);
    }
    Ok(())
}

/// What `require` would find from a path: the nearest node_modules upwards.
fn nearest(packages: &Map<String, Value>, from: &str, name: &str) -> Option<Purl> {
    let mut base = from;
    loop {
        let path = if base.is_empty() {
            format!("node_modules/{name}")
        } else {
            format!("{base}/node_modules/{name}")
        };
        if let Some(entry) = packages.get(&path) {
            let own = entry.get("name").and_then(Value::as_str).unwrap_or(name);
            return purl("npm", own, entry.get("version").and_then(Value::as_str)).ok();
        }
        if base.is_empty() {
            return None;
        }
        base = base.rsplit_once("/node_modules/").map_or("", |(above, _)| above);
    }
}

/// Version 1: nested as the folders are; `within` are the levels from the project down to this one.
fn classic(within: &mut Vec<&Map<String, Value>>, lock: &mut Lock) -> Result<(), Fault> {
    let Some(dependencies) = within.last().copied() else { return Ok(()) };
    if within.len() > 64 {
        return Err(malformed("$.dependencies", "is nested deeper than 64"));
    }
    for (name, entry) in dependencies {
        let (name, version) = unaliased(name, entry);
        let nested = entry.get("dependencies").and_then(Value::as_object);
        let mut needs = Vec::new();
        for (needed, _) in entry.get("requires").and_then(Value::as_object).into_iter().flatten() {
            // As `require` looks: in the package's own folder, then in each above it.
            let above = nested.into_iter().chain(within.iter().rev().copied());
            let found = above.filter_map(|level| level.get(needed)).next();
            needs.extend(found.and_then(|entry| {
                let (name, version) = unaliased(needed, entry);
                purl("npm", name, version).ok()
            }));
        }
        lock.packages.push(package(
            name,
            version,
            entry,
            false,
            needs,
            lock_gap(name, version, entry, false, &mut lock.gaps),
        )?);
        if let Some(nested) = nested {
            within.push(nested);
            classic(within, lock)?;
            within.pop();
        }
    }
    Ok(())
}

/// Name and version of an entry of version 1, where an alias is spelled `npm:name@version`.
fn unaliased<'a>(name: &'a str, entry: &'a Value) -> (&'a str, Option<&'a str>) {
    let version = entry.get("version").and_then(Value::as_str);
    match version.and_then(|version| version.strip_prefix("npm:")).and_then(|alias| alias.rsplit_once('@')) {
        Some((name, version)) => (name, Some(version)),
        None => (name, version),
    }
}

/// Notes a download that nothing pins.
fn lock_gap(
    name: &str,
    version: Option<&str>,
    entry: &Value,
    own: bool,
    gaps: &mut Vec<String>,
) -> Option<String> {
    let text = entry.get("integrity").and_then(Value::as_str);
    let bundled = own || entry.get("inBundle").is_some() || entry.get("bundled").is_some();
    match text {
        None if !bundled => gaps.push(format!("{name} {} has no integrity", version.unwrap_or(""))),
        Some(text) if integrity(text).is_none() => {
            gaps.push(format!("{name} {} is pinned by a weak hash alone", version.unwrap_or("")));
        }
        _ => {}
    }
    text.map(str::to_owned)
}

fn package(
    name: &str,
    version: Option<&str>,
    entry: &Value,
    own: bool,
    needs: Vec<Purl>,
    pinned: Option<String>,
) -> Result<Package, Fault> {
    let flag = |name: &str| entry.get(name).and_then(Value::as_bool) == Some(true);
    let scope = if flag("dev") || flag("devOptional") {
        Some(Scope::Excluded)
    } else if flag("optional") {
        Some(Scope::Optional)
    } else {
        None
    };
    Ok(Package {
        digests: pinned.as_deref().and_then(integrity).into_iter().collect(),
        scope,
        needs,
        own,
        licences: licence::of_json(entry),
        ..Package::named("npm", name, version)?
    })
}

fn malformed(place: &str, message: impl Into<String>) -> Fault {
    Fault::new(Code::LockfileMalformed, place, message)
}
