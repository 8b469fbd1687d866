//! PHP: vendor/composer/installed.json, which Composer writes beside what it installs.

use linkward_evidence::Fault;
use linkward_evidence::sbom::Scope;
use serde_json::Value;

use super::{Place, Read, json, malformed};
use crate::{Lock, Package, licence};

pub(super) const INSTALLED: Place = Place {
    kind: "composer installed.json",
    at: |path| path.ends_with("composer/installed.json"),
    read: Read::Text(read),
};

fn read(text: &str) -> Result<Lock, Fault> {
    let document = json(text)?;
    // Composer 1 wrote the list alone.
    let packages = document.get("packages").unwrap_or(&document).as_array();
    let packages = packages.ok_or_else(|| malformed("$", "has no `packages`"))?;
    let development: Vec<&str> = document
        .get("dev-package-names")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut lock = Lock::default();
    for entry in packages {
        let field = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let name = field("name").ok_or_else(|| malformed("$", "has a package without `name`"))?;
        let Some(version) = field("version") else {
            lock.hide(format!("{name} has no version"));
            continue;
        };
        lock.packages.push(Package {
            scope: development.contains(&name).then_some(Scope::Excluded),
            licences: licence::of_json(entry),
            ..Package::named("composer", name, Some(version))?
        });
    }
    Ok(lock)
}
