//! cargo-auditable: the section `.dep-v0` holds the dependency tree as JSON, packed by zlib.

use std::io::Read as _;

use linkward_evidence::Fault;
use linkward_evidence::sbom::Scope;
use linkward_model::Code;
use serde_json::Value;

use super::{Section, malformed};
use crate::{Lock, Package, purl};

const PLACE: &str = ".dep-v0";
/// As much as cargo-auditable's own reader takes.
const MAX_TREE: u64 = 8 << 20;
const MAX_PACKAGES: usize = 100_000;

pub(super) fn read(sections: &[Section<'_>], _: bool) -> Result<Option<Lock>, Fault> {
    let Some(section) = sections.iter().find(|section| section.name == PLACE.as_bytes()) else {
        return Ok(None);
    };
    let mut json = Vec::new();
    let unpacked = flate2::read::ZlibDecoder::new(section.bytes).take(MAX_TREE + 1).read_to_end(&mut json);
    unpacked.map_err(|error| malformed(PLACE, &format!("is not packed by zlib: {error}")))?;
    if json.len() as u64 > MAX_TREE {
        return Err(Fault::new(Code::TooLarge, PLACE, format!("unpacks to more than {MAX_TREE} bytes")));
    }
    let document: Value =
        serde_json::from_slice(&json).map_err(|error| malformed(PLACE, &error.to_string()))?;
    let listed = document.get("packages").and_then(Value::as_array);
    let listed = listed.ok_or_else(|| malformed(PLACE, "has no `packages`"))?;
    if listed.len() > MAX_PACKAGES {
        return Err(Fault::new(Code::TooLarge, PLACE, format!("lists more than {MAX_PACKAGES} packages")));
    }
    let mut lock = Lock::default();
    let mut purls = Vec::new();
    for (index, entry) in listed.iter().enumerate() {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        let (Some(name), Some(version)) = (text("name"), text("version")) else {
            return Err(malformed(&format!("{PLACE}, package {index}"), "has no `name` or `version`"));
        };
        let source = text("source").unwrap_or_default();
        let mut found = purl("cargo", name, Some(version))?;
        // The record says that it came from git or another registry, but not from which.
        if !matches!(source, "crates.io" | "local" | "CratesIo" | "Local") {
            found = found.with_qualifier("repository_url", source);
        }
        purls.push(found.clone());
        lock.packages.push(Package {
            scope: (text("kind") == Some("build")).then_some(Scope::Excluded),
            own: entry.get("root").and_then(Value::as_bool) == Some(true)
                || matches!(source, "local" | "Local"),
            ..Package::of(found, name.to_owned(), Some(version.to_owned()))
        });
    }
    for (package, entry) in lock.packages.iter_mut().zip(listed) {
        for need in entry.get("dependencies").and_then(Value::as_array).into_iter().flatten() {
            let at = need.as_u64().and_then(|at| usize::try_from(at).ok());
            let other = at.and_then(|at| purls.get(at));
            let other = other.ok_or_else(|| malformed(PLACE, "names a dependency that it does not list"))?;
            package.needs.push(other.clone());
        }
    }
    if lock.packages.is_empty() {
        lock.hide("lists no package".to_owned());
    }
    Ok(Some(lock))
}
