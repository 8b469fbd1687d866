//! yarn.lock, classic (yarn 1) and berry (yarn 2 and later).

use std::collections::BTreeMap;

use linkward_evidence::{Fault, yaml};
use linkward_model::{Code, Digest, Purl};
use serde_json::Value;

use crate::{Format, Lock, Package, integrity, name, purl};

pub(crate) const FORMAT: Format = Format { kind: "yarn.lock", named: |path| name(path) == "yarn.lock", read };

fn read(text: &str) -> Result<Lock, Fault> {
    if text.lines().any(|line| line.starts_with("__metadata:")) {
        return berry(text);
    }
    if text.lines().any(|line| line.trim_end() == "# yarn lockfile v1") {
        return classic(text);
    }
    let what = "is neither of yarn 1 (`# yarn lockfile v1`) nor of a later yarn (`__metadata:`)";
    Err(Fault::new(Code::UnsupportedVersion, "line 1", what))
}

/// One entry: what asks for it, and what it was resolved to.
#[derive(Default)]
struct Entry {
    place: String,
    /// `name@range`, as those who need it spell it.
    asked: Vec<String>,
    version: Option<String>,
    /// The package's own name: another one where it was asked for by an alias.
    name: Option<String>,
    /// A git repository that it comes from.
    git: Option<String>,
    digests: Vec<Digest>,
    gap: Option<&'static str>,
    /// Name and range.
    needs: Vec<(String, String)>,
    own: bool,
}

/// The name and the range of `name@range`; a scope's `@` is part of the name.
fn descriptor(text: &str) -> Option<(&str, &str)> {
    let at = text.char_indices().skip(1).find(|(_, c)| *c == '@')?.0;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// The name behind `alias@npm:name@range`.
fn aliased(asked: &str) -> Option<&str> {
    let (name, range) = descriptor(asked)?;
    match range.strip_prefix("npm:").and_then(descriptor) {
        Some((real, _)) => Some(real),
        None => Some(name),
    }
}

fn finish(entries: Vec<Entry>) -> Result<Lock, Fault> {
    let mut lock = Lock::default();
    let mut found: BTreeMap<String, Purl> = BTreeMap::new();
    let mut named = Vec::new();
    for entry in &entries {
        let first = entry.asked.first().map_or("", String::as_str);
        let name = entry.name.as_deref().or_else(|| aliased(first));
        let (Some(name), Some(version)) = (name, entry.version.as_deref()) else {
            return Err(malformed(&entry.place, format!("`{first}` names no package and version")));
        };
        let own = purl("npm", name, Some(version))?;
        let own = match &entry.git {
            Some(url) => own.with_qualifier("vcs_url", url),
            None => own,
        };
        for asked in &entry.asked {
            found.insert(asked.clone(), own.clone());
        }
        named.push((name.to_owned(), version.to_owned(), own));
    }
    for (entry, (name, version, own)) in entries.into_iter().zip(named) {
        if let Some(gap) = entry.gap {
            lock.gaps.push(format!("{name} {version} {gap}"));
        }
        let need = |(name, range): &(String, String)| {
            let spelled = [format!("{name}@{range}"), format!("{name}@npm:{range}")];
            spelled.iter().find_map(|asked| found.get(asked)).cloned()
        };
        lock.packages.push(Package {
            needs: entry.needs.iter().filter_map(need).collect(),
            digests: entry.digests,
            own: entry.own,
            ..Package::of(own, name, Some(version))
        });
    }
    Ok(lock)
}

fn berry(text: &str) -> Result<Lock, Fault> {
    let document = yaml::read(text, Code::LockfileMalformed)?;
    let Value::Object(listed) = &document else { return Err(malformed("$", "must be a mapping")) };
    let version = document.pointer("/__metadata/version").and_then(Value::as_str);
    if !version
        .and_then(|version| version.parse::<u32>().ok())
        .is_some_and(|version| (4..=9).contains(&version))
    {
        let what = format!("version {} is not 4 to 9", version.unwrap_or("(none)"));
        return Err(Fault::new(Code::UnsupportedVersion, "$.__metadata.version", what));
    }
    let mut entries = Vec::new();
    for (asked, value) in listed.iter().filter(|(asked, _)| *asked != "__metadata") {
        let field = |name: &str| value.get(name).and_then(Value::as_str);
        let place = format!("$[`{asked}`]");
        let resolution =
            field("resolution").ok_or_else(|| malformed(&place, "has no `resolution`".to_owned()))?;
        let (name, source) = descriptor(resolution)
            .ok_or_else(|| malformed(&place, format!("resolution `{resolution}` names no source")))?;
        let own = ["workspace:", "portal:", "link:"].iter().any(|kind| source.starts_with(kind));
        let git = source.contains("#commit=").then(|| source.replacen("#commit=", "@", 1));
        // What yarn patches on the way in is another package than the published one.
        let patched = source.starts_with("patch:");
        let mut needs = Vec::new();
        if let Some(Value::Object(dependencies)) = value.get("dependencies") {
            for (name, range) in dependencies {
                needs.extend(range.as_str().map(|range| (name.clone(), range.to_owned())));
            }
        }
        let gap = match field("checksum") {
            _ if own => None,
            _ if patched => Some("is patched before use: no digest of a published package"),
            None => Some("has no checksum"),
            // yarn's checksum is of the archive that it makes itself, no digest of the published package.
            Some(_) => None,
        };
        entries.push(Entry {
            asked: asked.split(", ").map(str::to_owned).collect(),
            version: field("version").map(str::to_owned),
            name: Some(name.to_owned()),
            git,
            gap,
            needs,
            own,
            place,
            digests: Vec::new(),
        });
    }
    finish(entries)
}

/// Yarn 1's own format: headers at the margin, fields below them, lists of dependencies below fields.
fn classic(text: &str) -> Result<Lock, Fault> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut list = "";
    for (number, line) in text.lines().enumerate() {
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let place = format!("line {}", number + 1);
        let indent = line.len() - line.trim_start().len();
        let wrong = |what: &str| malformed(&place, what.to_owned());
        if indent == 0 {
            let header = content.strip_suffix(':').ok_or_else(|| wrong("must end in a colon"))?;
            let asked = header.split(", ").map(|item| item.trim().trim_matches('"').to_owned()).collect();
            entries.push(Entry { asked, place, gap: Some("has no integrity"), ..Entry::default() });
            list = "";
            continue;
        }
        let entry = entries.last_mut().ok_or_else(|| wrong("belongs to no entry"))?;
        if indent == 2 && content.ends_with(':') {
            list =
                if matches!(content, "dependencies:" | "optionalDependencies:") { "needs" } else { "other" };
            continue;
        }
        let (name, value) = pair(content).ok_or_else(|| wrong("must be a name and a value"))?;
        match (indent, list) {
            (2, _) => field(entry, name, value),
            (4, "needs") => entry.needs.push((name.to_owned(), value.to_owned())),
            (4, "other") => {}
            _ => return Err(wrong("is indented as nothing that yarn writes")),
        }
    }
    finish(entries)
}

fn field(entry: &mut Entry, name: &str, value: &str) {
    match name {
        "version" => entry.version = Some(value.to_owned()),
        "integrity" => {
            entry.digests = integrity(value).into_iter().collect();
            entry.gap = entry.digests.is_empty().then_some("is pinned by a weak hash alone");
        }
        "resolved" => {
            let (url, fragment) = value.split_once('#').unwrap_or((value, ""));
            let git = url.starts_with("git") || url.ends_with(".git");
            if git && fragment.len() == 40 {
                entry.git = Some(format!("{url}@{fragment}"));
                entry.gap = None;
            } else if fragment.len() == 40 && entry.digests.is_empty() {
                entry.gap = Some("is pinned by a weak hash alone");
            }
        }
        _ => {}
    }
}

/// `name value`, either of them in quotes or not.
fn pair(content: &str) -> Option<(&str, &str)> {
    let (name, rest) = match content.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => content.split_once(' ')?,
    };
    let value = rest.trim();
    Some((name, value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)))
}

fn malformed(place: &str, message: impl Into<String>) -> Fault {
    Fault::new(Code::LockfileMalformed, place, message)
}
