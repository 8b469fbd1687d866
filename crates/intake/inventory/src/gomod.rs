//! go.mod: from Go 1.17 on it lists every module that the build needs, with the version that is chosen.

use std::collections::BTreeMap;

use linkward_evidence::Fault;
use linkward_model::Code;

use crate::{Format, Lock, Package, name};

pub(crate) const FORMAT: Format = Format { kind: "go.mod", named: |path| name(path) == "go.mod", read };

/// Name, version where one is named, and what stands in its place: another module, or a folder.
type Replacement = (String, Option<String>, Option<(String, String)>);

fn read(text: &str) -> Result<Lock, Fault> {
    let mut lock = Lock::default();
    let mut required: BTreeMap<String, String> = BTreeMap::new();
    let mut replaced: Vec<Replacement> = Vec::new();
    let (mut block, mut module, mut complete) = (String::new(), false, false);
    for (index, line) in text.lines().enumerate() {
        let wrong =
            |what: &str| Fault::new(Code::LockfileMalformed, format!("line {}", index + 1), what.to_owned());
        let line = line.split("//").next().unwrap_or(line).trim();
        if line.is_empty() {
            continue;
        }
        if line == ")" {
            if block.is_empty() {
                return Err(wrong("closes what was not opened"));
            }
            block.clear();
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().map(|word| word.trim_matches(['"', '`'])).collect();
        let (verb, words) = match (block.as_str(), words.as_slice()) {
            ("", [verb, "("]) => {
                block = (*verb).to_owned();
                continue;
            }
            ("", [verb, rest @ ..]) => ((*verb).to_owned(), rest),
            (open, all) => (open.to_owned(), all),
        };
        match (verb.as_str(), words) {
            ("module", [_]) => module = true,
            ("go", [version]) => {
                let numbers: Vec<u32> = version.split('.').filter_map(|part| part.parse().ok()).collect();
                complete = numbers.as_slice() >= [1, 17].as_slice();
            }
            ("require", [name, version]) => {
                required.insert((*name).to_owned(), (*version).to_owned());
            }
            // A replacement without version is a folder.
            ("replace", [name, "=>", _]) => replaced.push(((*name).to_owned(), None, None)),
            ("replace", [name, version, "=>", folder]) if folder.starts_with(['.', '/']) => {
                replaced.push(((*name).to_owned(), Some((*version).to_owned()), None));
            }
            ("replace", [name, "=>", other, version]) => {
                replaced.push(((*name).to_owned(), None, Some(((*other).to_owned(), (*version).to_owned()))));
            }
            ("replace", [name, old, "=>", other, version]) => {
                let to = Some(((*other).to_owned(), (*version).to_owned()));
                replaced.push(((*name).to_owned(), Some((*old).to_owned()), to));
            }
            ("exclude" | "retract" | "toolchain" | "godebug" | "tool" | "ignore", _) => {}
            _ => return Err(wrong("is no directive of go.mod")),
        }
    }
    if !block.is_empty() || !module {
        return Err(Fault::new(Code::LockfileMalformed, "$", "ends within a block, or names no module"));
    }
    if !complete {
        lock.hide("is of Go before 1.17: indirect modules are not listed".to_owned());
    }
    for (name, version) in required {
        let fits = |from: &Option<String>| from.as_ref().is_none_or(|from| *from == version);
        let (name, version) = match replaced.iter().find(|(from, old, _)| *from == name && fits(old)) {
            None => (name, version),
            Some((.., Some(other))) => other.clone(),
            Some((.., None)) => {
                lock.hide(format!("{name} is replaced by a local folder"));
                continue;
            }
        };
        lock.packages.push(Package::named("golang", &name, Some(&version))?);
    }
    if lock.packages.is_empty() {
        lock.gaps.push("requires no module".to_owned());
    }
    Ok(lock)
}
