//! Which of two versions comes first, by the rules of their ecosystem. One scheme is one function and one line in [`SCHEMES`].

mod alpine;
mod debian;
mod key;
mod maven;
mod numbers;
mod packagist;
mod pep440;
mod rpm;
mod rubygems;
mod semver;

use std::cmp::Ordering;

/// Longest version that is read: the longest published ones have some 90 characters.
const MAX_VERSION: usize = 512;

/// A text that is no version under its ecosystem's rules. What cannot be read cannot be called unaffected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a version that this ecosystem orders")]
pub struct Unreadable;

/// The version rules of a group of ecosystems.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    SemVer,
    Pep440,
    Maven,
    RubyGems,
    NuGet,
    Packagist,
    Debian,
    Rpm,
    Alpine,
    Pub,
    Hackage,
    Cran,
}

enum Order {
    /// A byte key that sorts as the versions do.
    Key(fn(&str) -> Result<Vec<u8>, Unreadable>),
    /// An order that no key can carry.
    Text(fn(&str, &str) -> Ordering),
}

const SCHEMES: &[(Scheme, &str, Order)] = &[
    (Scheme::SemVer, "semver", Order::Key(semver::semver)),
    (Scheme::Pep440, "pypi", Order::Key(pep440::encode)),
    (Scheme::Maven, "maven", Order::Text(maven::compare)),
    (Scheme::RubyGems, "rubygems", Order::Key(rubygems::encode)),
    (Scheme::NuGet, "nuget", Order::Key(semver::nuget)),
    (Scheme::Packagist, "packagist", Order::Text(packagist::compare)),
    (Scheme::Debian, "debian", Order::Key(debian::encode)),
    (Scheme::Rpm, "redhat", Order::Key(rpm::encode)),
    (Scheme::Alpine, "alpine", Order::Key(alpine::encode)),
    (Scheme::Pub, "pub", Order::Key(semver::publication)),
    (Scheme::Hackage, "hackage", Order::Key(numbers::hackage)),
    (Scheme::Cran, "cran", Order::Key(numbers::cran)),
];

/// A version in the form that is compared: a key, or the text where the scheme has none.
///
/// Its own order is only that of schemes with keys; [`Scheme::compare`] knows them all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(Box<[u8]>);

impl Version {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Scheme {
    fn order(self) -> &'static Order {
        // Every scheme has its line; a test walks them.
        SCHEMES
            .iter()
            .find(|(scheme, ..)| *scheme == self)
            .map_or(&Order::Key(semver::semver), |(.., order)| order)
    }

    /// The name that the files of published assertions use.
    pub fn name(self) -> &'static str {
        SCHEMES.iter().find(|(scheme, ..)| *scheme == self).map_or("", |(_, name, _)| name)
    }

    pub fn all() -> impl Iterator<Item = Self> {
        SCHEMES.iter().map(|(scheme, ..)| *scheme)
    }

    /// # Errors
    /// The text is no version of this scheme.
    pub fn read(self, text: &str) -> Result<Version, Unreadable> {
        if text.is_empty() || text.len() > MAX_VERSION {
            return Err(Unreadable);
        }
        Ok(Version(match self.order() {
            Order::Key(encode) => encode(text)?.into(),
            Order::Text(_) => text.as_bytes().into(),
        }))
    }

    /// Compares what [`Scheme::read`] made; bytes of another scheme give an arbitrary but stable order.
    pub fn compare(self, a: &[u8], b: &[u8]) -> Ordering {
        match self.order() {
            Order::Key(_) => a.cmp(b),
            Order::Text(compare) => compare(&String::from_utf8_lossy(a), &String::from_utf8_lossy(b)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_stands_in_the_table_once() {
        for scheme in Scheme::all() {
            assert_eq!(SCHEMES.iter().filter(|(other, ..)| *other == scheme).count(), 1);
            assert!(!scheme.name().is_empty());
            assert!(scheme.read("").is_err(), "{scheme:?}");
            assert!(scheme.read(&"1".repeat(MAX_VERSION + 1)).is_err(), "{scheme:?}");
        }
    }

    #[test]
    fn what_is_no_version_is_said_to_be_none() {
        for (scheme, text) in [
            (Scheme::SemVer, "latest"),
            (Scheme::SemVer, "1.2.3abc"),
            (Scheme::NuGet, "1.x"),
            (Scheme::RubyGems, "main"),
            (Scheme::RubyGems, "1.0$"),
            (Scheme::Hackage, "1.a"),
            (Scheme::Cran, ""),
            (Scheme::Debian, "x:1"),
            (Scheme::Debian, "-1"),
            (Scheme::Pep440, " "),
        ] {
            assert_eq!(scheme.read(text), Err(Unreadable), "{scheme:?} {text}");
        }
    }
}
