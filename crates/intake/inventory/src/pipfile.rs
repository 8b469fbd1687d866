//! Pipfile.lock, specification 6.

use linkward_evidence::Fault;
use linkward_evidence::sbom::Scope;
use linkward_model::{Code, Digest};
use serde_json::Value;

use crate::{Format, Lock, Package, name, purl};

pub(crate) const FORMAT: Format =
    Format { kind: "Pipfile.lock", named: |path| name(path) == "Pipfile.lock", read };

fn read(text: &str) -> Result<Lock, Fault> {
    let document: Value = serde_json::from_str(text).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Fault::new(Code::LockfileMalformed, place, error.to_string())
    })?;
    match document.pointer("/_meta/pipfile-spec").and_then(Value::as_u64) {
        Some(6) => {}
        Some(other) => {
            return Err(Fault::new(
                Code::UnsupportedVersion,
                "_meta.pipfile-spec",
                format!("{other} is not 6"),
            ));
        }
        None => return Err(Fault::new(Code::LockfileMalformed, "_meta", "has no `pipfile-spec`")),
    }
    let mut lock = Lock::default();
    for (group, scope) in [("default", None), ("develop", Some(Scope::Excluded))] {
        let listed = document.get(group).and_then(Value::as_object);
        for (name, entry) in listed.into_iter().flatten() {
            let text = |field: &str| entry.get(field).and_then(Value::as_str);
            let version = text("version").and_then(|version| version.strip_prefix("=="));
            if version.is_none() && text("git").is_none() {
                lock.hide(format!("{name} is not pinned to one version"));
                continue;
            }
            let mut digests = Vec::new();
            for hash in entry.get("hashes").and_then(Value::as_array).into_iter().flatten() {
                let digest: Result<Digest, _> = hash.as_str().unwrap_or_default().parse();
                digests.push(digest.map_err(|error| {
                    Fault::new(Code::LockfileMalformed, format!("package `{name}`"), error.to_string())
                })?);
            }
            let mut found = purl("pypi", name, version)?;
            if let (Some(url), Some(commit)) = (text("git"), text("ref")) {
                found = found.with_qualifier("vcs_url", &format!("git+{url}@{commit}"));
            } else if digests.is_empty() {
                lock.gaps.push(format!("{name} {} has no hash", version.unwrap_or_default()));
            }
            lock.packages.push(Package {
                digests,
                scope,
                ..Package::of(found, name.clone(), version.map(str::to_owned))
            });
        }
    }
    if lock.packages.is_empty() {
        lock.gaps.push("lists no package".to_owned());
    }
    Ok(lock)
}
