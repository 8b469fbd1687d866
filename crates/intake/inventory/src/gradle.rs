//! gradle.lockfile: one `group:artifact:version=configurations` a line; digests stand elsewhere.

use linkward_evidence::Fault;
use linkward_evidence::sbom::Scope;
use linkward_model::Code;

use crate::{Format, Lock, Package, name};

pub(crate) const FORMAT: Format = Format {
    kind: "gradle.lockfile",
    named: |path| name(path) == "gradle.lockfile" || name(path) == "buildscript-gradle.lockfile",
    read,
};

fn read(text: &str) -> Result<Lock, Fault> {
    let mut lock = Lock::default();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || line.starts_with("empty=") {
            continue;
        }
        let wrong = || {
            Fault::new(
                Code::LockfileMalformed,
                format!("line {}", index + 1),
                "is not group:artifact:version=configurations",
            )
        };
        let (coordinate, configurations) = line.split_once('=').ok_or_else(wrong)?;
        let parts: Vec<&str> = coordinate.split(':').collect();
        let [group, artifact, version] = parts.as_slice() else { return Err(wrong()) };
        let tests = configurations.split(',').all(|name| name.to_lowercase().contains("test"));
        lock.packages.push(Package {
            scope: tests.then_some(Scope::Excluded),
            ..Package::named("maven", &format!("{group}/{artifact}"), Some(version))?
        });
    }
    if lock.packages.is_empty() {
        lock.gaps.push("lists no dependency".to_owned());
    }
    Ok(lock)
}
