//! Debian's Release files: which indexes an archive has, by digest, and for how long that holds (Debian repository format).

use linkward_model::{Algorithm, Code, Digest, Instant};

use crate::Fault;

/// Most files of one archive.
const MAX_FILES: usize = 200_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Release {
    pub origin: String,
    pub suite: String,
    pub codename: String,
    pub date: Option<Instant>,
    pub valid_until: Option<Instant>,
    pub files: Vec<File>,
}

/// A file below the Release file, by SHA-256 or SHA-512.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub path: String,
    pub size: u64,
    pub digest: Digest,
}

impl Release {
    /// Reads the text that was signed.
    ///
    /// # Errors
    /// Not a Release file; the fault names the line.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut release = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        let mut within = "";
        for (number, line) in (1..).zip(text.lines()) {
            let fault = |what: String| Fault::new(Code::MalformedField, format!("line {number}"), what);
            if let Some(entry) = line.strip_prefix(' ') {
                let algorithm = match within {
                    "SHA256" => Algorithm::Sha256,
                    "SHA512" => Algorithm::Sha512,
                    // MD5 and SHA-1 prove nothing; the lists of other fields are not needed.
                    _ => continue,
                };
                if release.files.len() >= MAX_FILES {
                    return Err(Fault::new(
                        Code::TooLarge,
                        format!("line {number}"),
                        format!("more than {MAX_FILES} files"),
                    ));
                }
                release
                    .files
                    .push(file(entry, algorithm).ok_or_else(|| fault("is not DIGEST SIZE PATH".to_owned()))?);
                continue;
            }
            if line.is_empty() {
                // One paragraph alone: of a second, readers differ on whether it counts.
                if text.lines().skip(number).any(|line| !line.is_empty()) {
                    return Err(fault("a second paragraph".to_owned()));
                }
                break;
            }
            let (name, value) = line.split_once(':').ok_or_else(|| fault("is no field".to_owned()))?;
            if seen.contains(&name) {
                return Err(fault(format!("field `{}` stands twice", name.escape_debug())));
            }
            seen.push(name);
            within = name;
            let value = value.trim();
            let time = || {
                date(value).ok_or_else(|| {
                    fault(format!(
                        "`{}` is not a date as `Sat, 03 Jan 2026 00:00:00 UTC`",
                        value.escape_debug()
                    ))
                })
            };
            match name {
                "Origin" => value.clone_into(&mut release.origin),
                "Suite" => value.clone_into(&mut release.suite),
                "Codename" => value.clone_into(&mut release.codename),
                "Date" => release.date = Some(time()?),
                "Valid-Until" => release.valid_until = Some(time()?),
                _ => {}
            }
        }
        if release.files.is_empty() {
            return Err(Fault::new(
                Code::MalformedField,
                "SHA256",
                "no file is listed by SHA-256 or SHA-512",
            ));
        }
        Ok(release)
    }
}

fn file(entry: &str, algorithm: Algorithm) -> Option<File> {
    let mut words = entry.split_ascii_whitespace();
    let (digest, size, path) = (words.next()?, words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    Some(File {
        path: path.to_owned(),
        size: size.parse().ok()?,
        digest: Digest::from_hex(algorithm, digest).ok()?,
    })
}

/// As RFC 2822 spells it, in UTC alone.
fn date(text: &str) -> Option<Instant> {
    const MONTHS: &[&str] =
        &["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let rest = text.split_once(", ").map_or(text, |(_, rest)| rest);
    let words: Vec<&str> = rest.split_ascii_whitespace().collect();
    let [day, month, year, time, "UTC" | "GMT" | "Z" | "+0000"] = words.as_slice() else { return None };
    let month = MONTHS.iter().position(|name| name == month)? + 1;
    let day: u8 = day.parse().ok()?;
    format!("{year}-{month:02}-{day:02}T{time}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Origin: Example\nSuite: stable\nDate: Fri, 02 Jan 2026 00:00:00 UTC\nMD5Sum:\n acbd18db4cc2f85cedef654fccc4a4d8 3 a\n\
        SHA256:\n 2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae  3 main/Packages\n";

    #[test]
    fn fields_and_files() {
        let release = Release::parse(TEXT).unwrap();
        assert_eq!((release.origin.as_str(), release.suite.as_str()), ("Example", "stable"));
        assert_eq!(release.date, "2026-01-02T00:00:00Z".parse().ok());
        assert_eq!(release.files.len(), 1);
        assert_eq!(release.files[0].path, "main/Packages");
    }

    #[test]
    fn anything_else_names_its_line() {
        for (from, to, place) in [
            ("Suite: stable", "Origin: Other", "line 2"),
            ("Suite: stable", "stable", "line 2"),
            ("Suite: stable", "", "line 2"),
            (" 3 main", " three main", "line 7"),
            ("2c26", "2c2", "line 7"),
            ("02 Jan", "02 Foo", "line 3"),
            ("UTC", "CET", "line 3"),
            ("SHA256", "SHA1", "SHA256"),
        ] {
            let text = TEXT.replace(from, to);
            assert_eq!(Release::parse(&text).map_err(|fault| fault.place), Err(place.to_owned()), "{to}");
        }
    }
}
