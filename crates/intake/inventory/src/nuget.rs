//! packages.lock.json of NuGet, versions 1 and 2.

use linkward_evidence::Fault;
use linkward_model::{Algorithm, Code, Digest};
use serde_json::{Map, Value};

use crate::{Format, Lock, Package, name, purl};

pub(crate) const FORMAT: Format =
    Format { kind: "packages.lock.json", named: |path| name(path) == "packages.lock.json", read };

fn read(text: &str) -> Result<Lock, Fault> {
    use base64::Engine as _;
    let document: Value = serde_json::from_str(text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Fault::new(Code::LockfileMalformed, place, error.to_string())
    })?;
    match document.get("version").and_then(Value::as_u64) {
        Some(1 | 2) => {}
        Some(other) => {
            return Err(Fault::new(Code::UnsupportedVersion, "version", format!("{other} is not 1 or 2")));
        }
        None => return Err(Fault::new(Code::LockfileMalformed, "$", "has no `version`")),
    }
    let Some(frameworks) = document.get("dependencies").and_then(Value::as_object) else {
        return Err(Fault::new(Code::LockfileMalformed, "$", "has no `dependencies`"));
    };
    let mut lock = Lock::default();
    for packages in frameworks.values().filter_map(Value::as_object) {
        // Names are written in any case of letters.
        let resolved = |name: &str| {
            let (name, entry) = packages.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
            Some((name, entry.get("resolved").and_then(Value::as_str)?))
        };
        for (name, entry) in packages {
            let text = |field: &str| entry.get(field).and_then(Value::as_str);
            if text("type") == Some("Project") {
                continue;
            }
            let Some(version) = text("resolved") else {
                lock.hide(format!("{name} has no resolved version"));
                continue;
            };
            let digest = text("contentHash")
                .and_then(|hash| base64::engine::general_purpose::STANDARD.decode(hash).ok())
                .and_then(|bytes| Digest::from_bytes(Algorithm::Sha512, &bytes));
            if digest.is_none() {
                lock.gaps.push(format!("{name} {version} has no content hash"));
            }
            let mut needs = Vec::new();
            for other in entry.get("dependencies").and_then(Value::as_object).into_iter().flat_map(Map::keys)
            {
                if let Some((other, version)) = resolved(other) {
                    needs.push(purl("nuget", other, Some(version))?);
                }
            }
            lock.packages.push(Package {
                digests: digest.into_iter().collect(),
                needs,
                ..Package::named("nuget", name, Some(version))?
            });
        }
    }
    if lock.packages.is_empty() {
        lock.gaps.push("lists no package".to_owned());
    }
    Ok(lock)
}
