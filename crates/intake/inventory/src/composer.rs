//! composer.lock of Composer 1 and 2. It pins archives by SHA-1 alone: no digest that would identify them.

use std::collections::BTreeMap;

use linkward_evidence::Fault;
use linkward_evidence::sbom::Scope;
use linkward_model::Code;
use serde_json::{Map, Value};

use crate::{Format, Lock, Package, licence, name, purl};

pub(crate) const FORMAT: Format =
    Format { kind: "composer.lock", named: |path| name(path) == "composer.lock", read };

fn read(text: &str) -> Result<Lock, Fault> {
    let document: Value = serde_json::from_str(text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Fault::new(Code::LockfileMalformed, place, error.to_string())
    })?;
    let list = |group: &str| document.get(group).and_then(Value::as_array);
    let Some(packages) = list("packages") else {
        return Err(Fault::new(Code::LockfileMalformed, "$", "has no `packages`"));
    };
    let development = list("packages-dev").map(Vec::as_slice).unwrap_or_default();
    let all = packages.iter().map(|entry| (entry, None));
    let all = all.chain(development.iter().map(|entry| (entry, Some(Scope::Excluded))));
    let mut versions: BTreeMap<String, &str> = BTreeMap::new();
    for (entry, _) in all.clone() {
        versions.insert(field(entry, "name")?.to_lowercase(), field(entry, "version")?);
    }
    let mut lock = Lock::default();
    for (entry, scope) in all {
        let (name, version) = (field(entry, "name")?, field(entry, "version")?);
        let mut needs = Vec::new();
        for other in entry.get("require").and_then(Value::as_object).into_iter().flat_map(Map::keys) {
            // `php` and `ext-json` are of the platform.
            if let Some(version) = versions.get(&other.to_lowercase()) {
                needs.push(purl("composer", other, Some(version))?);
            }
        }
        let licences = licence::of_json(entry);
        lock.packages.push(Package {
            scope,
            needs,
            licences,
            ..Package::named("composer", name, Some(version))?
        });
    }
    if lock.packages.is_empty() {
        lock.gaps.push("lists no package".to_owned());
    }
    Ok(lock)
}

fn field<'a>(entry: &'a Value, name: &str) -> Result<&'a str, Fault> {
    let found = entry.get(name).and_then(Value::as_str);
    found.ok_or_else(|| Fault::new(Code::LockfileMalformed, "packages", format!("an entry has no `{name}`")))
}
