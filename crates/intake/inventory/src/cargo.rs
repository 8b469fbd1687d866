//! Cargo.lock, versions 1 to 4.

use std::collections::BTreeMap;

use linkward_evidence::Fault;
use linkward_model::{Algorithm, Code, Digest, Purl};
use toml::Value;

use crate::{Format, Lock, Package, name, purl, toml as parse};

pub(crate) const FORMAT: Format =
    Format { kind: "Cargo.lock", named: |path| name(path) == "Cargo.lock", read };

fn read(text: &str) -> Result<Lock, Fault> {
    let document = parse(text)?;
    // Versions 1 and 2 do not say so.
    if let Some(version) = document.get("version")
        && !version.as_integer().is_some_and(|version| (1..=4).contains(&version))
    {
        return Err(Fault::new(Code::UnsupportedVersion, "version", format!("{version} is not 1 to 4")));
    }
    let mut lock = Lock::default();
    let empty = Vec::new();
    let listed = match document.get("package") {
        // An empty file is no lockfile: the smallest one names the project itself.
        None if document.get("version").is_none() => return Err(malformed("$", "has no [[package]]")),
        None => &empty,
        Some(Value::Array(listed)) => listed,
        Some(_) => return Err(malformed("package", "must be a list of [[package]]")),
    };
    // Dependencies are named by as much as is needed to tell them apart: name, name version, name version (source).
    let mut known: BTreeMap<&str, Vec<(&str, Option<&str>)>> = BTreeMap::new();
    for package in listed {
        let name = text_of(package, "name")?;
        let version = text_of(package, "version")?;
        known.entry(name).or_default().push((version, package.get("source").and_then(Value::as_str)));
    }
    for package in listed {
        let (name, version) = (text_of(package, "name")?, text_of(package, "version")?);
        let source = package.get("source").and_then(Value::as_str);
        // Version 1 lists checksums apart, by name, version and source.
        let apart = || {
            let key = format!("checksum {name} {version} ({})", source?);
            document.get("metadata")?.get(&key)
        };
        let checksum = package
            .get("checksum")
            .or_else(apart)
            .and_then(Value::as_str)
            .map(|hex| Digest::from_hex(Algorithm::Sha256, hex))
            .transpose()
            .map_err(|error| malformed(name, error.to_string()))?;
        if source.is_some_and(|source| source.starts_with("registry+")) && checksum.is_none() {
            lock.gaps.push(format!("{name} {version} has no checksum"));
        }
        let mut needs = Vec::new();
        for item in package.get("dependencies").and_then(Value::as_array).into_iter().flatten() {
            needs.extend(item.as_str().and_then(|text| resolve(text, &known)).transpose()?);
        }
        lock.packages.push(Package {
            digests: checksum.into_iter().collect(),
            needs,
            own: source.is_none(),
            ..Package::of(identify(name, version, source)?, name.to_owned(), Some(version.to_owned()))
        });
    }
    Ok(lock)
}

fn identify(name: &str, version: &str, source: Option<&str>) -> Result<Purl, Fault> {
    let found = purl("cargo", name, Some(version))?;
    Ok(match source.and_then(|source| source.strip_prefix("git+")) {
        Some(url) => found.with_qualifier("vcs_url", &format!("git+{url}")),
        None => found,
    })
}

fn resolve(text: &str, known: &BTreeMap<&str, Vec<(&str, Option<&str>)>>) -> Option<Result<Purl, Fault>> {
    let mut words = text.split(' ');
    let name = words.next()?;
    let version = words.next();
    let (version, source) =
        known.get(name)?.iter().find(|(other, _)| version.is_none_or(|wanted| wanted == *other))?;
    Some(identify(name, version, *source))
}

fn text_of<'a>(package: &'a Value, name: &'static str) -> Result<&'a str, Fault> {
    package
        .get(name)
        .and_then(Value::as_str)
        .ok_or_else(|| malformed("[[package]]", format!("has no `{name}`")))
}

fn malformed(place: &str, message: impl Into<String>) -> Fault {
    Fault::new(Code::LockfileMalformed, place, message)
}
