//! .NET: NAME.deps.json beside a program, which says of which packages it was put together.

use linkward_evidence::Fault;
use serde_json::Value;

use super::{Place, Read, json, malformed};
use crate::{Lock, Package, integrity};

pub(super) const DEPENDENCIES: Place =
    Place { kind: ".NET deps.json", at: |path| path.ends_with(".deps.json"), read: Read::Text(read) };

fn read(text: &str) -> Result<Lock, Fault> {
    let document = json(text)?;
    let libraries = document.get("libraries").and_then(Value::as_object);
    let libraries = libraries.ok_or_else(|| malformed("$", "has no `libraries`"))?;
    let mut lock = Lock::default();
    for (key, entry) in libraries {
        let field = |name: &str| entry.get(name).and_then(Value::as_str);
        // The program itself, and what was built with it, are projects.
        if field("type") != Some("package") {
            continue;
        }
        let (name, version) = key
            .rsplit_once('/')
            .ok_or_else(|| malformed(key.as_str(), "must be a name, a slash and a version"))?;
        lock.packages.push(Package {
            digests: field("sha512").and_then(integrity).into_iter().collect(),
            ..Package::named("nuget", name, Some(version))?
        });
    }
    Ok(lock)
}
