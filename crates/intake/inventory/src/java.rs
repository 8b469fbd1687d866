//! Java: what archives of classes say of themselves. Each may hold others (war, ear, and the fat jars of frameworks), down to a
//! few levels and to half the size at each.

use linkward_evidence::Fault;
use linkward_evidence::archive::zip::{self, ZipError};
use linkward_model::Code;

use crate::installed::MAX_FILE;
use crate::{Lock, Package};

/// Archives in archives: a jar in a war in an ear, and one more.
const MAX_DEPTH: u32 = 4;
/// Archives within one file.
const MAX_ARCHIVES: usize = 10_000;
const MAX_TEXT: u64 = 1 << 20;

/// Whether a path is one of an archive of classes.
pub(crate) fn is_archive(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    [".jar", ".war", ".ear", ".jpi", ".hpi", ".par", ".rar.jar"].iter().any(|end| lower.ends_with(end))
}

/// What an archive, and each within it, says: its path within the file, and its packages.
pub(crate) fn read(path: &str, bytes: &[u8]) -> Vec<(String, Result<Lock, Fault>)> {
    let mut found = Vec::new();
    archive(path, bytes, 0, &mut found);
    found
}

fn archive(path: &str, bytes: &[u8], depth: u32, found: &mut Vec<(String, Result<Lock, Fault>)>) {
    if found.len() >= MAX_ARCHIVES {
        if found.len() == MAX_ARCHIVES {
            let what = format!("holds more than {MAX_ARCHIVES} archives");
            found.push((path.to_owned(), Err(Fault::new(Code::TooLarge, "$", what))));
        }
        return;
    }
    let at = found.len();
    found.push((path.to_owned(), Ok(Lock::default())));
    let mut lock = Lock::default();
    let mut manifest = None;
    let mut fault = None;
    let wanted = |name: &str| name == MANIFEST || is_properties(name) || is_archive(name);
    let read = zip::each(bytes, MAX_FILE >> depth, wanted, |name, member| {
        if is_archive(name) {
            if depth < MAX_DEPTH {
                archive(&format!("{path}!/{name}"), member, depth + 1, found);
            } else {
                lock.hide(format!("{name} is nested deeper than {MAX_DEPTH} archives"));
            }
        } else if member.len() as u64 > MAX_TEXT {
            lock.hide(format!("{name} is larger than {MAX_TEXT} bytes"));
        } else if name == MANIFEST {
            manifest = Some(String::from_utf8_lossy(member).into_owned());
        } else {
            match properties(&String::from_utf8_lossy(member)) {
                Some(package) => match package {
                    Ok(package) => lock.packages.push(package),
                    Err(error) => fault = fault.take().or(Some(error)),
                },
                None => lock.hide(format!("{name} names no version")),
            }
        }
    });
    if let Err(error) = read {
        let code = match error {
            ZipError::TooLarge(_) => Code::TooLarge,
            ZipError::Unsupported(_) => Code::UnsupportedFormat,
            _ => Code::ArchiveMalformed,
        };
        fault = Some(Fault::new(code, "$", error.to_string()));
    }
    // Only where Maven left no trace the manifest has to do: it names no group that advisories know.
    if lock.packages.is_empty() && fault.is_none() {
        by_manifest(path, manifest.as_deref().unwrap_or_default(), &mut lock);
    }
    if let Some(entry) = found.get_mut(at) {
        entry.1 = fault.map_or(Ok(lock), Err);
    }
}

const MANIFEST: &str = "META-INF/MANIFEST.MF";

fn is_properties(name: &str) -> bool {
    name.starts_with("META-INF/maven/") && name.ends_with("/pom.properties")
}

/// pom.properties, which Maven writes: `key=value` a line.
fn properties(text: &str) -> Option<Result<Package, Fault>> {
    let value = |wanted: &str| {
        text.lines()
            .filter(|line| !line.trim_start().starts_with(['#', '!']))
            .filter_map(|line| line.split_once(['=', ':']))
            .find(|(key, _)| key.trim() == wanted)
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    };
    let (group, artifact, version) = (value("groupId")?, value("artifactId")?, value("version")?);
    Some(package(&format!("{group}/{artifact}"), version))
}

fn package(name: &str, version: &str) -> Result<Package, Fault> {
    Package::named("maven", name, Some(version))
}

/// Name and version as the manifest has them, or else the file's name.
fn by_manifest(path: &str, manifest: &str, lock: &mut Lock) {
    // Lines are at most 72 bytes long and go on with a space; the main section ends with the first empty line.
    let text = manifest.replace("\r\n", "\n").replace("\n ", "");
    let main = text.split("\n\n").next().unwrap_or_default();
    let value = |wanted: &str| {
        let lines = main.lines().filter_map(|line| line.split_once(':'));
        let mut found =
            lines.filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value.trim());
        found.find(|value| !value.is_empty())
    };
    let file = path.rsplit('/').next().unwrap_or(path);
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let split = stem.match_indices('-').find(|(at, _)| {
        stem.get(at + 1..).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    let of_file = split.and_then(|(at, _)| Some((stem.get(..at)?, stem.get(at + 1..)?)));
    let name = value("Implementation-Title").filter(|name| !name.contains([' ', '$']));
    let name = name.or(of_file.map(|(name, _)| name)).unwrap_or(stem);
    let version = value("Implementation-Version")
        .or_else(|| value("Bundle-Version"))
        .or(of_file.map(|(_, version)| version));
    match version.map(|version| package(name, version)) {
        Some(Ok(package)) => {
            lock.hide(format!(
                "{name} was not built by Maven: its group, and so what is known of it, cannot be told"
            ));
            lock.packages.push(package);
        }
        _ => lock.hide(format!("{name} does not say what it is")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linkward_testkit::image::zip;

    fn all(path: &str, bytes: &[u8]) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for (path, lock) in read(path, bytes) {
            match lock {
                Ok(lock) => {
                    found.extend(lock.packages.iter().map(|package| format!("{path} {}", package.purl)));
                    found.extend(lock.hidden.iter().map(|gap| format!("{path} hidden: {gap}")));
                }
                Err(fault) => found.push(format!("{path} {}", fault.code)),
            }
        }
        found
    }

    fn maven(artifact: &str) -> Vec<u8> {
        let text = format!("#made\ngroupId=org.example\nartifactId={artifact}\nversion=1.2\n");
        zip(&[
            (&format!("META-INF/maven/org.example/{artifact}/pom.properties"), text.as_bytes()),
            ("a/B.class", b"x"),
        ])
    }

    #[test]
    fn archives_within_archives_are_found() {
        let war =
            zip(&[("WEB-INF/lib/left.jar", &maven("left")), ("WEB-INF/lib/right.jar", &maven("right"))]);
        let ear = zip(&[("shop.war", &war)]);
        assert_eq!(
            all("shop.ear", &ear)[2..],
            [
                "shop.ear!/shop.war!/WEB-INF/lib/left.jar pkg:maven/org.example/left@1.2",
                "shop.ear!/shop.war!/WEB-INF/lib/right.jar pkg:maven/org.example/right@1.2",
            ]
        );
        let mut deep = maven("core");
        for _ in 0..6 {
            deep = zip(&[("x.jar", &deep)]);
        }
        assert!(
            all("x.jar", &deep).iter().any(|line| line.contains("nested deeper")),
            "{:?}",
            all("x.jar", &deep)
        );
    }

    #[test]
    fn what_maven_did_not_build_is_named_and_not_known() {
        let manifest = b"Manifest-Version: 1.0\r\nImplementation-Title: thi\r\n ng\r\nImplementation-Version: 3.1\r\n\r\nName: x\r\n";
        let found = all("lib/other-2.0.jar", &zip(&[("META-INF/MANIFEST.MF", manifest)]));
        assert_eq!(found[0], "lib/other-2.0.jar pkg:maven/thing@3.1");
        assert!(found[1].contains("hidden"), "{found:?}");
        assert_eq!(all("lib/my-lib-2.0.jar", &zip(&[]))[0], "lib/my-lib-2.0.jar pkg:maven/my-lib@2.0");
        assert!(all("plain.jar", &zip(&[]))[0].contains("does not say what it is"));
    }

    #[test]
    fn what_is_cut_off_is_a_fault() {
        let whole = maven("left");
        for cut in [0, 10, whole.len() - 30] {
            assert_eq!(all("a.jar", &whole[..cut]), ["a.jar archive-malformed"], "{cut}");
        }
    }
}
