//! Gemfile.lock of Bundler.

use std::collections::BTreeMap;

use linkward_evidence::Fault;
use linkward_model::{Algorithm, Code, Digest};

use crate::{Format, Lock, Package, name, purl};

pub(crate) const FORMAT: Format = Format {
    kind: "Gemfile.lock",
    named: |path| name(path) == "Gemfile.lock" || name(path) == "gems.locked",
    read,
};

struct Gem<'a> {
    name: &'a str,
    version: &'a str,
    needs: Vec<&'a str>,
    /// Where a git source was taken from, with its revision; `Some("")` for a folder of the project.
    source: Option<String>,
}

fn read(text: &str) -> Result<Lock, Fault> {
    let mut gems: Vec<Gem<'_>> = Vec::new();
    let mut digests: BTreeMap<(&str, &str), Digest> = BTreeMap::new();
    let (mut section, mut remote, mut revision, mut seen) = ("", "", "", false);
    for (index, line) in text.lines().enumerate() {
        let wrong =
            |what: &str| Fault::new(Code::LockfileMalformed, format!("line {}", index + 1), what.to_owned());
        let content = line.trim();
        let indent = line.len() - line.trim_start().len();
        match (indent, section) {
            _ if content.is_empty() => {}
            (0, _) => {
                section = content;
                (remote, revision) = ("", "");
                seen |= matches!(section, "GEM" | "GIT" | "PATH");
            }
            (2, "GEM" | "GIT" | "PATH") => match content.split_once(':') {
                Some(("remote", url)) => remote = url.trim(),
                Some(("revision", commit)) => revision = commit.trim(),
                _ => {}
            },
            (4, "GEM" | "GIT" | "PATH") => {
                let (name, version) = named(content).ok_or_else(|| wrong("is not `name (version)`"))?;
                let source = match section {
                    "GIT" => Some(format!("git+{remote}@{revision}")),
                    "PATH" => Some(String::new()),
                    _ => None,
                };
                gems.push(Gem { name, version, needs: Vec::new(), source });
            }
            (6, "GEM" | "GIT" | "PATH") => {
                let gem = gems.last_mut().ok_or_else(|| wrong("stands below no gem"))?;
                gem.needs.extend(content.split_whitespace().next());
            }
            (2, "CHECKSUMS") => {
                if let Some((gem, hash)) = content.rsplit_once(" sha256=") {
                    let key = named(gem).ok_or_else(|| wrong("is not `name (version) sha256=`"))?;
                    let digest = Digest::from_hex(Algorithm::Sha256, hash)
                        .map_err(|error| wrong(&error.to_string()))?;
                    digests.insert(key, digest);
                }
            }
            _ => {}
        }
    }
    if !seen {
        return Err(Fault::new(Code::LockfileMalformed, "$", "has no GEM, GIT or PATH section"));
    }
    let mut lock = Lock::default();
    // A gem is listed once for each platform; the version without it is what advisories speak of.
    let mut by_name: BTreeMap<&str, &str> = BTreeMap::new();
    for gem in &gems {
        by_name.entry(gem.name).or_insert_with(|| bare(gem.version));
    }
    for gem in &gems {
        let own = gem.source.as_deref() == Some("");
        let version = bare(gem.version);
        let mut found = purl("gem", gem.name, Some(version))?;
        if let Some(url) = gem.source.as_deref().filter(|url| !url.is_empty()) {
            found = found.with_qualifier("vcs_url", url);
        }
        let digest = digests.get(&(gem.name, gem.version)).copied();
        if digest.is_none() && gem.source.is_none() {
            lock.gaps.push(format!("{} {} has no checksum", gem.name, gem.version));
        }
        let needs = gem.needs.iter().filter_map(|need| Some((*need, *by_name.get(need)?)));
        lock.packages.push(Package {
            digests: digest.into_iter().collect(),
            needs: needs.map(|(name, version)| purl("gem", name, Some(version))).collect::<Result<_, _>>()?,
            own,
            ..Package::of(found, gem.name.to_owned(), Some(version.to_owned()))
        });
    }
    if lock.packages.is_empty() {
        lock.gaps.push("lists no gem".to_owned());
    }
    Ok(lock)
}

/// `name (1.2.3)`.
fn named(text: &str) -> Option<(&str, &str)> {
    let (name, rest) = text.split_once(" (")?;
    Some((name, rest.strip_suffix(')')?)).filter(|(name, version)| !name.is_empty() && !version.is_empty())
}

/// The version without a platform: `1.15.4` of `1.15.4-x86_64-linux`.
fn bare(version: &str) -> &str {
    version.split('-').next().unwrap_or(version)
}
