//! requirements.txt with hashes, poetry.lock and uv.lock.

use std::collections::{BTreeMap, BTreeSet};

use linkward_evidence::Fault;
use linkward_evidence::sbom::Scope;
use linkward_model::{Code, Digest, Purl};
use toml::{Table, Value};

use crate::{Format, Lock, Package, name, purl, toml as parse};

pub(crate) const REQUIREMENTS: Format = Format {
    kind: "requirements.txt",
    named: |path| name(path).starts_with("requirements") && name(path).ends_with(".txt"),
    read: requirements,
};
pub(crate) const POETRY: Format =
    Format { kind: "poetry.lock", named: |path| name(path) == "poetry.lock", read: poetry };
pub(crate) const UV: Format = Format { kind: "uv.lock", named: |path| name(path) == "uv.lock", read: uv };

pub(crate) const PDM: Format = Format { kind: "pdm.lock", named: |path| name(path) == "pdm.lock", read: pdm };

fn requirements(text: &str) -> Result<Lock, Fault> {
    let mut lock = Lock::default();
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    for line in joined.lines() {
        let line = line.split(" #").next().unwrap_or(line).trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with('-') {
            if line.starts_with("-r") || line.starts_with("-c") || line.starts_with("-e") {
                lock.hide(format!("`{line}` is not followed"));
            }
            continue;
        }
        let mut words = line.split_whitespace();
        let requirement = words.next().unwrap_or(line).split(';').next().unwrap_or(line);
        let Some((name, version)) = requirement.split_once("==") else {
            lock.hide(format!("`{requirement}` is not pinned to one version"));
            continue;
        };
        let name = name.split('[').next().unwrap_or(name);
        let mut digests = Vec::new();
        for word in words {
            if let Some(hash) = word.strip_prefix("--hash=") {
                let digest: Result<Digest, _> = hash.parse();
                digests.push(digest.map_err(|error| {
                    Fault::new(Code::LockfileMalformed, format!("requirement `{name}`"), error.to_string())
                })?);
            }
        }
        if digests.is_empty() {
            lock.gaps.push(format!("{name} {version} has no hash"));
        }
        lock.packages.push(package(name, version, digests, Vec::new(), false)?);
    }
    Ok(lock)
}

fn unsupported(place: &str, message: String) -> Fault {
    Fault::new(Code::UnsupportedVersion, place, message)
}

/// poetry.lock of poetry 1 and 2.
fn poetry(text: &str) -> Result<Lock, Fault> {
    let document = parse(text)?;
    let metadata = document.get("metadata");
    let version = metadata.and_then(|metadata| metadata.get("lock-version")).and_then(Value::as_str);
    match version.and_then(|version| version.split('.').next()) {
        Some("1" | "2") => {}
        Some(_) => {
            let what = format!("{} is not 1.x or 2.x", version.unwrap_or(""));
            return Err(unsupported("metadata.lock-version", what));
        }
        None => {
            return Err(Fault::new(Code::LockfileMalformed, "[metadata]", "has no `lock-version`"));
        }
    }
    let mut lock = tables(&document, &|entry, name| {
        // Before poetry 1.5 the hashes stood apart, by package.
        let own = entry.get("files").and_then(Value::as_array);
        let apart = || metadata?.get("files")?.get(name)?.as_array();
        own.or_else(apart).into_iter().flatten().collect()
    })?;
    for (package, entry) in lock.packages.iter_mut().zip(listed(&document)) {
        let groups = entry.get("groups").and_then(Value::as_array);
        let main = match (groups, entry.get("category").and_then(Value::as_str)) {
            (Some(groups), _) => groups.iter().any(|group| group.as_str() == Some("main")),
            (None, Some(category)) => category == "main",
            (None, None) => true,
        };
        let optional = entry.get("optional").and_then(Value::as_bool) == Some(true);
        package.scope = if main { optional.then_some(Scope::Optional) } else { Some(Scope::Excluded) };
    }
    Ok(lock)
}

/// pdm.lock, versions 3 and 4.
fn pdm(text: &str) -> Result<Lock, Fault> {
    let document = parse(text)?;
    let version = document.get("metadata").and_then(|metadata| metadata.get("lock_version"));
    match version.and_then(Value::as_str).and_then(|version| version.split('.').next()) {
        Some("3" | "4") => {}
        Some(other) => return Err(unsupported("metadata.lock_version", format!("{other} is not 3 or 4"))),
        None => return Err(Fault::new(Code::LockfileMalformed, "[metadata]", "has no `lock_version`")),
    }
    let mut lock = tables(&document, &|entry, _| {
        entry.get("files").and_then(Value::as_array).into_iter().flatten().collect()
    })?;
    for (package, entry) in lock.packages.iter_mut().zip(listed(&document)) {
        let groups = entry.get("groups").and_then(Value::as_array);
        let main = groups.is_none_or(|groups| groups.iter().any(|group| group.as_str() == Some("default")));
        package.scope = if main { None } else { Some(Scope::Excluded) };
    }
    Ok(lock)
}

/// uv.lock, version 1.
fn uv(text: &str) -> Result<Lock, Fault> {
    let document = parse(text)?;
    match document.get("version").and_then(Value::as_integer) {
        Some(1) => {}
        Some(other) => return Err(unsupported("version", format!("{other} is not 1"))),
        None => return Err(Fault::new(Code::LockfileMalformed, "$", "has no `version`")),
    }
    let mut lock = tables(&document, &|entry, _| {
        let wheels = entry.get("wheels").and_then(Value::as_array).into_iter().flatten();
        wheels.chain(entry.get("sdist")).collect()
    })?;
    // What only groups for development reach is left out of what is shipped.
    let mut shipped: BTreeSet<Purl> = BTreeSet::new();
    let mut queue: Vec<&Package> = lock.packages.iter().filter(|package| package.own).collect();
    let members = !queue.is_empty();
    let known: BTreeMap<&Purl, &Package> =
        lock.packages.iter().map(|package| (&package.purl, package)).collect();
    while let Some(package) = queue.pop() {
        if shipped.insert(package.purl.clone()) {
            queue.extend(package.needs.iter().filter_map(|need| known.get(need).copied()));
        }
    }
    for package in lock.packages.iter_mut().filter(|package| members && !shipped.contains(&package.purl)) {
        package.scope = Some(Scope::Excluded);
    }
    Ok(lock)
}

/// The [[package]] entries that name a version.
fn listed(document: &Table) -> impl Iterator<Item = &Value> {
    let all = document.get("package").and_then(Value::as_array).into_iter().flatten();
    all.filter(|entry| entry.get("version").and_then(Value::as_str).is_some())
}

type Files<'a> = dyn Fn(&'a Value, &str) -> Vec<&'a Value> + 'a;

/// poetry.lock and uv.lock: both are lists of [[package]].
fn tables<'a>(document: &'a Table, files: &Files<'a>) -> Result<Lock, Fault> {
    let mut lock = Lock::default();
    match document.get("package") {
        None => return Ok(lock),
        Some(Value::Array(_)) => {}
        Some(_) => {
            return Err(Fault::new(Code::LockfileMalformed, "package", "must be a list of [[package]]"));
        }
    }
    let mut versions: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for entry in listed(document) {
        versions.entry(normal(text_of(entry, "name")?)).or_default().push(text_of(entry, "version")?);
    }
    for entry in listed(document) {
        let (name, version) = (text_of(entry, "name")?, text_of(entry, "version")?);
        let source = entry.get("source");
        let from = |kind: &str| source.and_then(|source| source.get(kind)).and_then(Value::as_str);
        let own = ["editable", "virtual", "directory"].iter().any(|kind| from(kind).is_some());
        let mut digests = Vec::new();
        for file in files(entry, name) {
            let Some(hash) = file.get("hash").and_then(Value::as_str) else { continue };
            let digest: Result<Digest, _> = hash.parse();
            digests.push(digest.map_err(|error| {
                Fault::new(Code::LockfileMalformed, format!("package `{name}`"), error.to_string())
            })?);
        }
        // uv writes `git = "URL?rev=..#COMMIT"`, poetry a type, a url and a resolved reference.
        let git = match (from("git"), from("type"), from("url"), from("resolved_reference")) {
            (Some(url), ..) => url
                .rsplit_once('#')
                .map(|(url, commit)| format!("git+{}@{commit}", url.split('?').next().unwrap_or(url))),
            (None, Some("git"), Some(url), Some(commit)) => Some(format!("git+{url}@{commit}")),
            _ => None,
        };
        if digests.is_empty() && !own && git.is_none() {
            lock.gaps.push(format!("{name} {version} has no hash"));
        }
        let mut needs = Vec::new();
        let mut need = |other: &str, wanted: Option<&str>| {
            let known = versions.get(&normal(other)).map_or(&[][..], Vec::as_slice);
            // Where several versions are locked for several environments, any of them may be meant.
            let meant = known.iter().filter(|version| wanted.is_none_or(|wanted| wanted == **version));
            needs.extend(meant.filter_map(|version| purl("pypi", other, Some(version)).ok()));
        };
        match entry.get("dependencies") {
            Some(Value::Table(table)) => table.keys().for_each(|other| need(other, None)),
            Some(Value::Array(items)) => {
                for item in items {
                    // pdm writes requirements: `idna<4,>=2.5`.
                    if let Some(requirement) = item.as_str() {
                        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
                        need(requirement.split(|c| !is_name(c)).next().unwrap_or(requirement), None);
                    } else if let Some(other) = item.get("name").and_then(Value::as_str) {
                        need(other, item.get("version").and_then(Value::as_str));
                    }
                }
            }
            _ => {}
        }
        let mut found = package(name, version, digests, needs, own)?;
        if let Some(url) = git {
            found.purl = found.purl.with_qualifier("vcs_url", &url);
        }
        lock.packages.push(found);
    }
    Ok(lock)
}

/// PEP 503.
fn normal(name: &str) -> String {
    name.to_lowercase().replace(['_', '.'], "-")
}

fn text_of<'a>(entry: &'a Value, name: &'static str) -> Result<&'a str, Fault> {
    let found = entry.get(name).and_then(Value::as_str);
    found.ok_or_else(|| Fault::new(Code::LockfileMalformed, "[[package]]", format!("has no `{name}`")))
}

fn package(
    name: &str,
    version: &str,
    digests: Vec<Digest>,
    needs: Vec<Purl>,
    own: bool,
) -> Result<Package, Fault> {
    Ok(Package { digests, needs, own, ..Package::named("pypi", name, Some(version))? })
}
