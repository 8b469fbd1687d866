//! go.sum: what the module proxy must have served.

use std::collections::BTreeSet;

use linkward_evidence::Fault;
use linkward_model::Code;

use crate::{Format, Lock, Package, name};

pub(crate) const FORMAT: Format = Format { kind: "go.sum", named: |path| name(path) == "go.sum", read };

/// `MODULE VERSION HASH` and `MODULE VERSION/go.mod HASH`. A module of which only go.mod is listed took part in choosing
/// versions, but was not downloaded. The h1 hash is of a sorted list of files, not of the archive: it is no digest that
/// an artifact could be compared with.
fn read(text: &str) -> Result<Lock, Fault> {
    let mut lock = Lock::default();
    let mut seen = BTreeSet::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let place = format!("line {}", number + 1);
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [module, version, hash] = words.as_slice() else {
            return Err(Fault::new(Code::LockfileMalformed, place, "must be module, version and hash"));
        };
        let known = hash.strip_prefix("h1:").is_some_and(|hash| hash.len() == 44);
        if !version.starts_with('v') || !(known || hash.contains(':')) {
            return Err(Fault::new(Code::LockfileMalformed, place, "must be module, version and hash"));
        }
        if !known {
            lock.gaps.push(format!("{module} {version} is pinned by a hash that is not known, {hash}"));
        }
        if version.ends_with("/go.mod") || !seen.insert((*module, *version)) {
            continue;
        }
        lock.packages.push(Package::named("golang", module, Some(version))?);
    }
    if lock.packages.is_empty() && !text.trim().is_empty() {
        lock.hide("lists no module that was downloaded".to_owned());
    }
    Ok(lock)
}
