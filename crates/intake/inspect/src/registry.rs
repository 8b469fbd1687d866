//! A package against what its registry says of it: npm's document of a package (a packument, or of one version), PyPI's JSON.
//! Scanners and lockfiles read the registry's copy of a manifest, installers run the archive's: where they differ, somebody is
//! shown another package than the one that runs. The document is given; nothing is fetched.

use std::collections::{BTreeMap, BTreeSet};

use linkward_evidence::{Fault, integrity};
use linkward_model::{Code, Digest, DigestsStream, Instant, Purl};
use serde_json::Value;

use crate::{Finding, Weight};

/// A release younger than this may still be found out: most malicious ones are within days.
const YOUNG: i64 = 7 * 24 * 60 * 60 * 1000;
/// Scripts that npm runs by itself when a package is installed.
const SCRIPTS: &[&str] = &["preinstall", "install", "postinstall", "prepare", "preprepare", "postprepare"];

/// What was found, and what could not be compared, for a person.
#[derive(Debug, Default)]
pub struct Compared {
    pub findings: Vec<Finding>,
    pub open: Vec<String>,
}

/// What is held against what.
struct Held<'a> {
    document: &'a Value,
    archive: &'a [u8],
    files: &'a [(String, Vec<u8>)],
    now: Instant,
}

/// Holds an archive, and its files without their common folder, against the registry's document of the package.
///
/// # Errors
/// The document is no JSON, or of no registry that is known here; the archive has no manifest that it could be held against.
pub fn compare(
    document: &[u8],
    archive: &[u8],
    files: &[(String, Vec<u8>)],
    now: Instant,
) -> Result<Compared, Fault> {
    let document: Value = serde_json::from_slice(document).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Fault::new(Code::MalformedJson, place, error.to_string())
    })?;
    let mut said = Compared::default();
    let held = Held { document: &document, archive, files, now };
    if document.get("info").is_some_and(Value::is_object) {
        pypi(&held, &mut said)?;
    } else if document.get("versions").is_some_and(Value::is_object) || document.get("dist").is_some() {
        npm(&held, &mut said)?;
    } else {
        let what = "is neither npm's document of a package (`versions`, or `dist` of one version) nor PyPI's (`info`)";
        return Err(Fault::new(Code::UnsupportedFormat, "$", what));
    }
    said.findings.sort();
    Ok(said)
}

impl Compared {
    fn find(&mut self, path: &str, code: Code, weight: Weight, message: String) {
        self.findings.push(Finding { path: path.to_owned(), line: 1, code, weight, message });
    }

    fn differs(&mut self, path: &str, what: &str, archive: &str, registry: &str) {
        let message = format!("{what} is {archive} in the archive and {registry} in the registry");
        self.find(path, Code::ManifestConfusion, Weight::High, message);
    }

    /// The bytes against the digests that the registry lists; none that proves anything leaves it open.
    fn bytes(&mut self, path: &str, archive: &[u8], listed: &[Digest]) {
        if listed.is_empty() {
            self.open.push(
                "the registry lists no digest of SHA-256 or better: the bytes were not compared".to_owned(),
            );
            return;
        }
        let mut stream = DigestsStream::new();
        stream.update(archive);
        let own = stream.finish();
        if listed.iter().any(|digest| own.contains(digest)) {
            return;
        }
        for (listed, own) in listed.iter().flat_map(|one| own.iter().map(move |own| (one, own))) {
            if listed.algorithm() == own.algorithm() {
                let message =
                    format!("the registry lists {}, and the archive is {}", listed.short(), own.short());
                self.find(path, Code::DependencyReplaced, Weight::High, message);
                return;
            }
        }
    }

    fn young(&mut self, path: &str, published: Option<&str>, now: Instant) {
        let Some(at) = published.and_then(|text| text.parse::<Instant>().ok()) else {
            self.open.push("the document does not say when the version was published".to_owned());
            return;
        };
        let age = now.since(at);
        if age < YOUNG {
            let hours = age.max(0) / 3_600_000;
            let message = format!("was published {} days and {} hours ago, at {at}", hours / 24, hours % 24);
            self.find(path, Code::VersionYoung, Weight::Low, message);
        }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

fn shown(text: Option<&str>) -> String {
    match text {
        Some(text) if text.chars().count() > 120 => {
            format!("`{}...`", text.chars().take(120).collect::<String>())
        }
        Some(text) => format!("`{text}`"),
        None => "absent".to_owned(),
    }
}

const MANIFEST: &str = "package.json";

fn npm(held: &Held<'_>, said: &mut Compared) -> Result<(), Fault> {
    let Held { document, files, .. } = held;
    let own = files.iter().find(|(path, _)| path == MANIFEST).map(|(_, bytes)| bytes.as_slice());
    let own = own.ok_or_else(|| {
        Fault::new(Code::NothingFound, MANIFEST, "is not in the archive that is held against this document")
    })?;
    let own: Value = serde_json::from_slice(own).map_err(|error| {
        Fault::new(Code::MalformedJson, format!("{MANIFEST}, line {}", error.line()), error.to_string())
    })?;
    let version = text(&own, "version").unwrap_or_default();
    let listed = match document.get("versions").and_then(Value::as_object) {
        Some(versions) => match versions.get(version) {
            Some(listed) => listed,
            None => {
                let message = format!("the registry has no version {}", shown(Some(version)));
                said.find(MANIFEST, Code::ManifestConfusion, Weight::High, message);
                return Ok(());
            }
        },
        None => *document,
    };
    for field in ["name", "version"] {
        let (archive, registry) = (text(&own, field), text(listed, field));
        if archive != registry {
            said.differs(MANIFEST, field, &shown(archive), &shown(registry));
        }
    }
    let native = files.iter().any(|(path, _)| path == "binding.gyp");
    let script = |of: &Value, name: &str| text(of.get("scripts")?, name).map(str::to_owned);
    for name in SCRIPTS {
        let (archive, registry) = (script(&own, name), script(listed, name));
        // The registry writes down what npm would do of itself with native code.
        let implied = *name == "install"
            && archive.is_none()
            && native
            && registry.as_deref() == Some("node-gyp rebuild");
        if archive != registry && !implied {
            said.differs(
                MANIFEST,
                &format!("script `{name}`"),
                &shown(archive.as_deref()),
                &shown(registry.as_deref()),
            );
        }
    }
    // npm's own normalisation copies optional dependencies among the others.
    let together: &[&str] = &["dependencies", "optionalDependencies"];
    for (what, fields) in [("dependency", together), ("peer dependency", &["peerDependencies"])] {
        let all = |of: &Value| -> BTreeMap<String, String> {
            let maps = fields.iter().filter_map(|field| of.get(*field)?.as_object());
            maps.flatten()
                .filter_map(|(name, range)| Some((name.clone(), range.as_str()?.to_owned())))
                .collect()
        };
        let (archive, registry) = (all(&own), all(listed));
        let names: BTreeSet<&String> = archive.keys().chain(registry.keys()).collect();
        for name in names {
            let (archive, registry) = (archive.get(name), registry.get(name));
            if archive != registry {
                let shown = |range: Option<&String>| shown(range.map(String::as_str));
                said.differs(MANIFEST, &format!("{what} `{name}`"), &shown(archive), &shown(registry));
            }
        }
    }
    let (archive_bin, registry_bin) = (commands(&own), commands(listed));
    if archive_bin != registry_bin {
        let list = |commands: &BTreeMap<String, String>| {
            let list: Vec<String> = commands.iter().map(|(name, path)| format!("{name}={path}")).collect();
            shown((!list.is_empty()).then(|| list.join(" ")).as_deref())
        };
        said.differs(MANIFEST, "what it installs as commands", &list(&archive_bin), &list(&registry_bin));
    }
    let listed_digests = listed.pointer("/dist/integrity").and_then(Value::as_str).unwrap_or_default();
    said.bytes(MANIFEST, held.archive, &integrity::digests(listed_digests).collect::<Vec<_>>());
    history(document, version, listed, held.now, said);
    Ok(())
}

/// What a package puts on the path, as npm understands its two forms.
fn commands(of: &Value) -> BTreeMap<String, String> {
    let path = |path: &str| path.trim_start_matches("./").to_owned();
    match of.get("bin") {
        Some(Value::String(one)) => {
            let name = text(of, "name").unwrap_or_default();
            let name = name.rsplit('/').next().unwrap_or(name);
            [(name.to_owned(), path(one))].into()
        }
        Some(Value::Object(all)) => {
            all.iter().filter_map(|(name, to)| Some((name.clone(), path(to.as_str()?)))).collect()
        }
        _ => BTreeMap::new(),
    }
}

/// A version against those that the registry had before it.
fn history(document: &Value, version: &str, listed: &Value, now: Instant, said: &mut Compared) {
    let times = document.get("time").and_then(Value::as_object);
    let at = |version: &str| times?.get(version)?.as_str()?.parse::<Instant>().ok();
    let published = times.and_then(|times| times.get(version)).and_then(Value::as_str);
    said.young(MANIFEST, published, now);
    let (Some(versions), Some(own)) = (document.get("versions").and_then(Value::as_object), at(version))
    else {
        return;
    };
    let mut before: Vec<(Instant, &Value)> =
        versions.iter().filter_map(|(name, of)| Some((at(name)?, of))).filter(|(at, _)| *at < own).collect();
    before.sort_by_key(|(at, _)| *at);
    let Some((_, last)) = before.last() else { return };
    let proven = |of: &Value| of.pointer("/dist/attestations").is_some_and(|found| !found.is_null());
    if proven(last) && !proven(listed) {
        let message =
            format!("version {} before it had provenance, this one has none", shown(text(last, "version")));
        said.find(MANIFEST, Code::AttestationDowngrade, Weight::High, message);
    }
    let publisher = |of: &Value| of.pointer("/_npmUser/name").and_then(Value::as_str).map(str::to_owned);
    let known: BTreeSet<String> = before.iter().filter_map(|(_, of)| publisher(of)).collect();
    if let Some(publisher) = publisher(listed)
        && !known.is_empty()
        && !known.contains(&publisher)
    {
        let message = format!(
            "was published by `{publisher}`, who published none of the {} versions before",
            before.len()
        );
        said.find(MANIFEST, Code::PublisherChanged, Weight::Low, message);
    }
}

/// The metadata of an sdist.
const SOURCE: &str = "PKG-INFO";

/// Wheels and sdists carry core metadata; PyPI shows that of the first file that was uploaded of a version.
fn pypi(held: &Held<'_>, said: &mut Compared) -> Result<(), Fault> {
    let Held { document, files, .. } = held;
    let wheel = |path: &str| path.split('/').count() == 2 && path.ends_with(".dist-info/METADATA");
    let own = files.iter().find(|(path, _)| wheel(path) || path == SOURCE);
    let (path, own) = own.ok_or_else(|| {
        Fault::new(
            Code::NothingFound,
            "$",
            "the archive that is held against it has neither METADATA of a wheel nor PKG-INFO",
        )
    })?;
    let own = String::from_utf8_lossy(own).replace("\r\n", "\n");
    let head = own.split("\n\n").next().unwrap_or_default();
    let all = |wanted: &str| -> Vec<String> {
        let fields = head.lines().filter_map(|line| line.split_once(':'));
        fields
            .filter(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.trim().to_owned())
            .collect()
    };
    let info = document.get("info").unwrap_or(&Value::Null);
    let same = |one: &str, other: &str| match (Purl::new("pypi", one, None), Purl::new("pypi", other, None)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    };
    let (name, registry) = (all("Name").into_iter().next(), text(info, "name"));
    if !name.as_deref().zip(registry).is_some_and(|(one, other)| same(one, other)) {
        said.differs(path, "name", &shown(name.as_deref()), &shown(registry));
    }
    let version = all("Version").into_iter().next();
    let at_hand = text(info, "version");
    let urls = document
        .get("releases")
        .and_then(|releases| releases.get(version.as_deref()?))
        .or(document.get("urls"));
    let urls = urls.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if version.as_deref() != at_hand
        && document.get("releases").and_then(|all| all.get(version.as_deref()?)).is_none()
    {
        said.differs(path, "version", &shown(version.as_deref()), &shown(at_hand));
        return Ok(());
    }
    // Of another version than the one at hand PyPI does not show the metadata.
    if version.as_deref() == at_hand {
        let listed: BTreeSet<String> =
            (info.get("requires_dist").and_then(Value::as_array).into_iter().flatten())
                .filter_map(Value::as_str)
                .map(requirement)
                .collect();
        let own: BTreeSet<String> = all("Requires-Dist").iter().map(|text| requirement(text)).collect();
        let more = own.difference(&listed).map(|one| (one, "archive", "registry"));
        let less = listed.difference(&own).map(|one| (one, "registry", "archive"));
        // What PyPI shows is of the file that was uploaded first; wheels of other platforms may differ honestly.
        for (one, here, there) in more.chain(less).filter(|_| path != SOURCE) {
            let message = format!("requires `{one}` in the {here}, and not in the {there}");
            said.find(path, Code::ManifestConfusion, Weight::Medium, message);
        }
        if path == SOURCE {
            said.open.push(
                "an sdist's requirements may be made when it is built: they were not compared".to_owned(),
            );
        }
    } else {
        said.open.push("the document shows another version: requirements were not compared".to_owned());
    }
    let digests: Vec<Digest> = urls
        .iter()
        .filter_map(|file| file.pointer("/digests/sha256")?.as_str())
        .filter_map(|hex| format!("sha256:{hex}").parse().ok())
        .collect();
    said.bytes(path, held.archive, &digests);
    let times = urls.iter().filter_map(|file| text(file, "upload_time_iso_8601"));
    said.young(path, times.min(), held.now);
    Ok(())
}

/// A requirement without the spaces and parentheses that writers set as they like.
fn requirement(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '(' | ')'))
        .map(|c| if c == '\'' { '"' } else { c })
        .collect()
}

#[cfg(test)]
mod tests;
