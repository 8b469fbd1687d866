//! requirements.txt with hashes, poetry.lock and uv.lock.

use std::collections::BTreeMap;

use linkward_evidence::Fault;
use linkward_model::{Code, Digest, Purl};
use toml::Value;

use crate::{Format, Lock, Package, purl, toml as parse};

pub(crate) const REQUIREMENTS: Format = Format {
    kind: "requirements.txt",
    named: |name| name.starts_with("requirements") && name.ends_with(".txt"),
    read: requirements,
};
pub(crate) const POETRY: Format =
    Format { kind: "poetry.lock", named: |name| name == "poetry.lock", read: tables };
pub(crate) const UV: Format = Format { kind: "uv.lock", named: |name| name == "uv.lock", read: tables };

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
                lock.gaps.push(format!("`{line}` is not followed"));
            }
            continue;
        }
        let mut words = line.split_whitespace();
        let requirement = words.next().unwrap_or(line).split(';').next().unwrap_or(line);
        let Some((name, version)) = requirement.split_once("==") else {
            lock.gaps.push(format!("`{requirement}` is not pinned to one version"));
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

/// poetry.lock and uv.lock: both are lists of [[package]].
fn tables(text: &str) -> Result<Lock, Fault> {
    let document = parse(text)?;
    let mut lock = Lock::default();
    let Some(Value::Array(listed)) = document.get("package") else { return Ok(lock) };
    let mut versions: BTreeMap<String, String> = BTreeMap::new();
    for entry in listed {
        let (name, version) = (text_of(entry, "name")?, text_of(entry, "version").unwrap_or(""));
        versions.insert(normal(name), version.to_owned());
    }
    for entry in listed {
        let name = text_of(entry, "name")?;
        let Some(version) = entry.get("version").and_then(Value::as_str) else { continue };
        let source = entry.get("source");
        let own = source
            .is_some_and(|source| ["editable", "virtual"].iter().any(|kind| source.get(kind).is_some()));
        let mut digests = Vec::new();
        let files = entry.get("files").and_then(Value::as_array).into_iter().flatten();
        let wheels = entry.get("wheels").and_then(Value::as_array).into_iter().flatten();
        for file in files.chain(wheels).chain(entry.get("sdist")) {
            let hash = file.get("hash").and_then(Value::as_str);
            digests.extend(hash.and_then(|hash| hash.parse::<Digest>().ok()));
        }
        if digests.is_empty() && !own {
            lock.gaps.push(format!("{name} {version} has no hash"));
        }
        let mut needs = Vec::new();
        let mut need = |other: &str| {
            if let Some(version) = versions.get(&normal(other)) {
                needs.extend(purl("pypi", other, Some(version)).ok());
            }
        };
        match entry.get("dependencies") {
            Some(Value::Table(table)) => table.keys().for_each(|other| need(other)),
            Some(Value::Array(items)) => {
                items.iter().filter_map(|item| item.get("name").and_then(Value::as_str)).for_each(&mut need);
            }
            _ => {}
        }
        lock.packages.push(package(name, version, digests, needs, own)?);
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
    Ok(Package {
        purl: purl("pypi", name, Some(version))?,
        name: name.to_owned(),
        version: Some(version.to_owned()),
        digests,
        scope: None,
        needs,
        own,
    })
}
