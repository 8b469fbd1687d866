//! bun.lock, versions 0 and 1: JSON in which a comma may stand before a closing bracket.

use linkward_evidence::Fault;
use linkward_model::{Code, Purl};
use serde_json::{Map, Value};

use crate::{Format, Lock, Package, integrity, name, purl};

pub(crate) const FORMAT: Format = Format { kind: "bun.lock", named: |path| name(path) == "bun.lock", read };

fn read(text: &str) -> Result<Lock, Fault> {
    let document: Value = serde_json::from_str(&plain(text)).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Fault::new(Code::LockfileMalformed, place, error.to_string())
    })?;
    match document.get("lockfileVersion").and_then(Value::as_u64) {
        Some(0 | 1) => {}
        Some(other) => {
            return Err(Fault::new(
                Code::UnsupportedVersion,
                "lockfileVersion",
                format!("{other} is not 0 or 1"),
            ));
        }
        None => return Err(malformed("$", "has no `lockfileVersion`")),
    }
    let Some(Value::Object(packages)) = document.get("packages") else {
        return Err(malformed("$", "has no `packages`"));
    };
    let mut lock = Lock::default();
    for (key, entry) in packages {
        let Some((name, version)) = identity(entry) else {
            return Err(malformed(key, "must be a list that begins with name@version"));
        };
        if version.starts_with("workspace:") {
            continue;
        }
        let found = identify(name, version)?;
        let items = entry.as_array().map(Vec::as_slice).unwrap_or_default();
        let digest = items.iter().skip(1).filter_map(Value::as_str).find_map(integrity);
        if digest.is_none() {
            lock.gaps.push(format!("{name} {version} has no integrity"));
        }
        let mut needs = Vec::new();
        for group in ["dependencies", "optionalDependencies"] {
            let listed = items.iter().find_map(|item| item.get(group)).and_then(Value::as_object);
            for other in listed.into_iter().flat_map(Map::keys) {
                let near = resolve(packages, key, other).and_then(identity);
                needs.extend(near.map(|(name, version)| identify(name, version)).transpose()?);
            }
        }
        let version = found.version().map(str::to_owned);
        lock.packages.push(Package {
            digests: digest.into_iter().collect(),
            needs,
            ..Package::of(found, name.to_owned(), version)
        });
    }
    if lock.packages.is_empty() {
        lock.gaps.push("lists no package".to_owned());
    }
    Ok(lock)
}

/// What stands nearest: below the package itself, below what it lies in, or at the top.
fn resolve<'a>(packages: &'a Map<String, Value>, from: &str, name: &str) -> Option<&'a Value> {
    let mut at = Some(from);
    while let Some(folder) = at {
        if let Some(found) = packages.get(&format!("{folder}/{name}")) {
            return Some(found);
        }
        at = folder.rsplit_once('/').map(|(above, _)| above);
    }
    packages.get(name)
}

/// `@scope/name@1.0.0` of an entry.
fn identity(entry: &Value) -> Option<(&str, &str)> {
    let text = entry.as_array()?.first()?.as_str()?;
    let at = text.char_indices().skip(1).find(|(_, c)| *c == '@')?.0;
    let (name, version) = text.split_at(at);
    Some((name, version.strip_prefix('@')?)).filter(|(name, version)| !name.is_empty() && !version.is_empty())
}

fn identify(name: &str, version: &str) -> Result<Purl, Fault> {
    if version.starts_with("git") || version.starts_with("http") || version.contains(':') {
        return Ok(purl("npm", name, None)?.with_qualifier("vcs_url", version));
    }
    purl("npm", name, Some(version))
}

/// The text as plain JSON: commas before closing brackets are taken out, outside strings alone.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut inside, mut escaped) = (false, false);
    let mut waiting: Option<usize> = None;
    for c in text.chars() {
        if inside {
            inside = escaped || c != '"';
            escaped = c == '\\' && !escaped;
        } else if c == ',' {
            waiting = Some(out.len());
        } else if matches!(c, '}' | ']') {
            if let Some(at) = waiting.take() {
                // A space keeps lines and columns as they are.
                out.replace_range(at..=at, " ");
            }
        } else if !c.is_whitespace() {
            waiting = None;
            inside = c == '"';
        }
        out.push(c);
    }
    out
}

fn malformed(place: &str, message: impl Into<String>) -> Fault {
    Fault::new(Code::LockfileMalformed, place, message)
}
