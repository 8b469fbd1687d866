//! A package and a range of its versions, as people write it: `pkg:npm/left@>=1.0.0,<1.2.0`.

use std::cmp::Ordering;

use linkward_model::Purl;

use crate::ecosystem::{query, scheme};
use crate::order::{Scheme, Unreadable};

/// Why a text is no such range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackageRangeError {
    #[error("`{0}` is no purl")]
    Purl(String),
    #[error("no rules order the versions of `{0}` purls; leave out what stands behind the @")]
    Unordered(String),
    #[error("`{0}` is none of <, <=, =, >=, >")]
    Sign(String),
    #[error("`{0}` {Unreadable}")]
    Version(String),
}

/// A package, and what is asked of its version.
#[derive(Clone, Debug)]
pub struct PackageRange {
    package: Purl,
    bounds: Option<(Scheme, Vec<Bound>)>,
}

/// How a version may compare, and with which.
type Bound = (&'static [Ordering], String);

impl PackageRange {
    /// # Errors
    /// No purl, or versions that cannot be ordered.
    pub fn parse(text: &str) -> Result<Self, PackageRangeError> {
        let (base, range) = match text.rsplit_once('@') {
            Some((base, range)) if !range.contains('/') && !base.ends_with('/') => (base, range),
            _ => (text, ""),
        };
        let package: Purl = base.parse().map_err(|_| PackageRangeError::Purl(base.to_owned()))?;
        if range.is_empty() {
            return Ok(Self { package, bounds: None });
        }
        let ecosystem = query(&package).map(|query| query.ecosystem).unwrap_or_default();
        let unordered = || PackageRangeError::Unordered(package.kind().to_owned());
        let scheme = scheme(&ecosystem).ok_or_else(unordered)?;
        let mut bounds = Vec::new();
        for part in range.split(',').map(str::trim) {
            let signs = part.find(|c| !matches!(c, '<' | '>' | '=')).unwrap_or(part.len());
            let (sign, version) = part.split_at(signs);
            let allowed: &[Ordering] = match sign {
                "" | "=" => &[Ordering::Equal],
                "<" => &[Ordering::Less],
                "<=" => &[Ordering::Less, Ordering::Equal],
                ">" => &[Ordering::Greater],
                ">=" => &[Ordering::Greater, Ordering::Equal],
                _ => return Err(PackageRangeError::Sign(sign.to_owned())),
            };
            let version = version.trim();
            scheme.read(version).map_err(|_| PackageRangeError::Version(version.to_owned()))?;
            bounds.push((allowed, version.to_owned()));
        }
        Ok(Self { package, bounds: Some((scheme, bounds)) })
    }

    /// The package without a version.
    pub fn package(&self) -> &Purl {
        &self.package
    }

    /// Whether a purl of this package has a version in the range; `None` where that cannot be said.
    pub fn holds(&self, purl: &Purl) -> Option<bool> {
        let Some((scheme, bounds)) = &self.bounds else { return Some(true) };
        let version = scheme.read(purl.version()?).ok()?;
        let mut holds = true;
        for (allowed, bound) in bounds {
            let bound = scheme.read(bound).ok()?;
            holds &= allowed.contains(&scheme.compare(version.as_bytes(), bound.as_bytes()));
        }
        Some(holds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_by_the_rules_of_the_ecosystem() {
        let holds = |range: &str, version: &str| {
            let range = PackageRange::parse(range).unwrap();
            range.holds(&format!("pkg:npm/%40s/left@{version}").parse().unwrap())
        };
        assert_eq!(holds("pkg:npm/%40s/left", "1.0.0"), Some(true));
        assert_eq!(holds("pkg:npm/@s/left@1.0.0", "1.0.0"), Some(true));
        assert_eq!(holds("pkg:npm/@s/left@>=1.0.0,<1.10.0", "1.9.0"), Some(true));
        assert_eq!(holds("pkg:npm/@s/left@>=1.0.0,<1.10.0", "1.10.0"), Some(false));
        assert_eq!(holds("pkg:npm/@s/left@<2.0.0", "next"), None);
        for bad in ["pkg:npm/left@>=next", "pkg:npm/left@~1.0", "pkg:generic/x@1", "pkg:npm/left@=>1.0.0"] {
            assert!(PackageRange::parse(bad).is_err(), "{bad}");
        }
    }
}
