//! What a build really fetched, by its log, against what its lockfiles name (DS0015): a build that fetches what nobody locked runs
//! what nobody looked at.

use std::collections::{BTreeMap, BTreeSet};

use linkward_model::{Code, Purl};

use crate::{Finding, Weight};

/// A package that a log says was fetched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fetched {
    pub kind: &'static str,
    pub name: String,
    pub version: String,
    pub line: usize,
}

/// Kind of purl, name and version.
type Named = (&'static str, String, String);

/// One tool's way of saying what it fetches. Adding one is a function and a line in [`TOOLS`].
const TOOLS: &[fn(&str) -> Option<Named>] = &[npm, cargo, go, pip, maven, docker];

/// Every package that any line names.
pub fn read(log: &str) -> Vec<Fetched> {
    let mut found = Vec::new();
    for (index, raw) in log.lines().enumerate() {
        let line = plain(raw);
        if let Some(words) = line.trim().strip_prefix("Successfully installed ") {
            found.extend(words.split_whitespace().filter_map(|word| {
                let (name, version) = word
                    .rsplit_once('-')
                    .filter(|(_, version)| version.starts_with(|c: char| c.is_ascii_digit()))?;
                Some(Fetched {
                    kind: "pypi",
                    name: normal("pypi", name),
                    version: version.to_owned(),
                    line: index + 1,
                })
            }));
            continue;
        }
        if let Some((kind, name, version)) = TOOLS.iter().find_map(|tool| tool(line.trim())) {
            found.push(Fetched { kind, name: normal(kind, &name), version, line: index + 1 });
        }
    }
    found
}

/// What was fetched and is not locked, and, for each kind that the log speaks of, what is locked and was not fetched.
pub fn compare(path: &str, fetched: &[Fetched], locked: &[Purl]) -> Vec<Finding> {
    let mut known: BTreeMap<(&str, String), BTreeSet<String>> = BTreeMap::new();
    for purl in locked {
        let full = match (purl.kind(), purl.namespace()) {
            ("maven", Some(namespace)) => format!("{namespace}:{}", purl.name()),
            (_, Some(namespace)) => format!("{namespace}/{}", purl.name()),
            (_, None) => purl.name().to_owned(),
        };
        let versions = known.entry((purl.kind(), normal(purl.kind(), &full))).or_default();
        versions.extend(purl.version().map(str::to_owned));
    }
    let mut found = Vec::new();
    let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
    let mut told: BTreeSet<(&str, &str, &str)> = BTreeSet::new();
    for package in fetched {
        let versions = known.get(&(package.kind, package.name.clone()));
        seen.insert((package.kind, package.name.as_str()));
        if versions.is_some_and(|versions| versions.contains(&package.version))
            || !told.insert((package.kind, &package.name, &package.version))
        {
            continue;
        }
        let (name, version) = (&package.name, &package.version);
        let message = match versions {
            Some(versions) => {
                let versions: Vec<&str> = versions.iter().map(String::as_str).collect();
                format!(
                    "{} `{name}` {version} was fetched, the lockfile names {}",
                    package.kind,
                    versions.join(", ")
                )
            }
            None => format!("{} `{name}` {version} was fetched, no lockfile names it", package.kind),
        };
        found.push(Finding {
            path: path.to_owned(),
            line: package.line,
            code: Code::BuildUnlisted,
            weight: Weight::High,
            message,
        });
    }
    // Only of what the log speaks of: a tool that printed nothing fetched nothing, or keeps silent.
    let kinds: BTreeSet<&str> = fetched.iter().map(|package| package.kind).collect();
    for (kind, name) in known.keys() {
        if kinds.contains(kind) && !seen.contains(&(*kind, name.as_str())) {
            found.push(Finding {
                path: path.to_owned(),
                line: 1,
                code: Code::BuildUnfetched,
                weight: Weight::Low,
                message: format!(
                    "{kind} `{name}` is locked and was not fetched: from a cache, or not part of this build"
                ),
            });
        }
    }
    found.sort();
    found
}

fn normal(kind: &str, name: &str) -> String {
    match kind {
        "pypi" => name.to_lowercase().replace(['_', '.'], "-"),
        _ => name.to_owned(),
    }
}

/// Without colours, and without what build systems put before a line.
fn plain(line: &str) -> String {
    let mut out = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            for c in chars.by_ref() {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            out.push(c);
        }
    }
    // `#7 12.34 ` of BuildKit, `2026-01-01T00:00:00.0Z ` of GitHub.
    let trimmed = out.trim_start();
    let first = trimmed.split_whitespace().next().unwrap_or_default();
    let stamp = first.len() > 19 && first.ends_with('Z') && first.contains('T');
    let step =
        first.starts_with('#') && first.len() > 1 && first.bytes().skip(1).all(|byte| byte.is_ascii_digit());
    if !stamp && !step {
        return out;
    }
    let rest = trimmed.get(first.len()..).unwrap_or_default().trim_start();
    let seconds = rest.split_whitespace().next().filter(|word| step && word.parse::<f64>().is_ok());
    seconds.and_then(|word| rest.get(word.len()..)).unwrap_or(rest).trim_start().to_owned()
}

/// `npm http fetch GET 200 https://HOST/@scope/name/-/name-1.0.0.tgz 12ms`.
fn npm(line: &str) -> Option<Named> {
    let url = line.split_whitespace().find(|word| word.starts_with("http") && word.contains(".tgz"))?;
    let (before, file) = url.split_once("/-/")?;
    let path = before.split_once("://")?.1.split_once('/')?.1.replace("%2f", "/").replace("%2F", "/");
    // The path of a proxy may have more before the name.
    let parts: Vec<&str> = path.split('/').collect();
    let name = match parts.as_slice() {
        [.., scope, name] if scope.starts_with('@') => format!("{scope}/{name}"),
        [.., name] => (*name).to_owned(),
        [] => return None,
    };
    let stem = file.split(".tgz").next()?.rsplit('/').next()?;
    let bare = name.rsplit('/').next().unwrap_or(&name);
    Some(("npm", name.clone(), stem.strip_prefix(bare)?.strip_prefix('-')?.to_owned()))
}

/// `Downloaded serde v1.0.0`, and `Downloaded serde v1.0.0 (registry ...)`.
fn cargo(line: &str) -> Option<Named> {
    let rest = line.strip_prefix("Downloaded ").or_else(|| line.strip_prefix("Downloading "))?;
    let mut words = rest.split_whitespace();
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    version.starts_with(|c: char| c.is_ascii_digit()).then(|| ("cargo", name.to_owned(), version.to_owned()))
}

/// `go: downloading example.com/a v1.2.3`.
fn go(line: &str) -> Option<Named> {
    let mut words = line.strip_prefix("go: downloading ")?.split_whitespace();
    let (name, version) = (words.next()?, words.next()?);
    version.starts_with('v').then(|| ("golang", name.to_owned(), version.to_owned()))
}

/// `Downloading https://HOST/.../name-1.0-py3-none-any.whl (3 kB)`, and source archives.
fn pip(line: &str) -> Option<Named> {
    let rest = line.strip_prefix("Downloading ").or_else(|| line.strip_prefix("Using cached "))?;
    let file = rest.split_whitespace().next()?.rsplit('/').next()?;
    let file = file.split('#').next()?;
    if let Some(stem) = file.strip_suffix(".whl") {
        let mut parts = stem.split('-');
        return Some(("pypi", parts.next()?.to_owned(), parts.next()?.to_owned()));
    }
    let stem = file.strip_suffix(".tar.gz").or_else(|| file.strip_suffix(".zip"))?;
    let (name, version) = stem.rsplit_once('-')?;
    version.starts_with(|c: char| c.is_ascii_digit()).then(|| ("pypi", name.to_owned(), version.to_owned()))
}

/// `Downloaded from central: https://HOST/maven2/org/x/y/1.0/y-1.0.jar (10 kB at 1 MB/s)`.
fn maven(line: &str) -> Option<Named> {
    let line = line.strip_prefix("[INFO] ").unwrap_or(line);
    let rest = line.strip_prefix("Downloaded from ").or_else(|| line.strip_prefix("Downloading from "))?;
    let (repository, url) = rest.split_once(": ")?;
    let url = url.split_whitespace().next()?;
    if repository.is_empty() || !url.ends_with(".jar") {
        return None;
    }
    let path = url.split_once("://")?.1.split_once('/')?.1;
    let parts: Vec<&str> = path.split('/').collect();
    let [group @ .., artifact, version, file] = parts.as_slice() else { return None };
    if !file.starts_with(&format!("{artifact}-{version}")) {
        return None;
    }
    // What stands before the group is where the repository lies on its server.
    let roots = ["maven2", "maven", "public", "releases", "repository", "m2", "content", "groups"];
    let from = group.iter().rposition(|part| roots.contains(part)).map_or(0, |at| at + 1);
    Some(("maven", format!("{}:{artifact}", group.get(from..)?.join(".")), (*version).to_owned()))
}

/// `FROM registry.example/a:1@sha256:...` as BuildKit prints it: `#5 [1/3] FROM ...`.
fn docker(line: &str) -> Option<Named> {
    let rest = line
        .split_once("] FROM ")
        .map(|(_, rest)| rest)
        .or_else(|| line.strip_prefix("Step ")?.split_once(" : FROM ").map(|(_, rest)| rest))?;
    let image = rest.split_whitespace().next()?;
    let (name, version) = match image.split_once('@') {
        Some((name, digest)) => (
            name.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(name, |(name, _)| name),
            digest,
        ),
        None => image.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).unwrap_or((image, "latest")),
    };
    Some(("docker", name.to_owned(), version.to_owned()))
}
