//! Package URLs, by the purl specification (ECMA-427): build, parse, one canonical spelling.

mod types;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A package identifier in canonical form: equal purls are equal texts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Purl {
    kind: String,
    namespace: Option<String>,
    name: String,
    version: Option<String>,
    qualifiers: BTreeMap<String, String>,
    subpath: Option<String>,
}

/// Why a text is not a purl.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PurlError {
    #[error("a purl starts with `pkg:`")]
    Scheme,
    #[error("purl has no type")]
    NoType,
    #[error("purl type `{0}` may hold letters, digits, `.` and `-`, and starts with a letter")]
    Type(String),
    #[error("purl has no name")]
    NoName,
    #[error("purl qualifier `{0}` is not key=value")]
    Qualifier(String),
    #[error("purl qualifier key `{0}` may hold letters, digits, `.`, `-` and `_`, and starts with a letter")]
    QualifierKey(String),
    #[error("a purl of type {kind} {rule}")]
    Rule { kind: String, rule: &'static str },
    #[error("purl holds a broken percent escape in `{0}`")]
    Escape(String),
}

impl Purl {
    /// A purl of a type, name and version; the namespace is part of the name where the type has one (`@scope/name`).
    ///
    /// # Errors
    /// An empty or misspelled type, or an empty name.
    pub fn new(kind: &str, name: &str, version: Option<&str>) -> Result<Self, PurlError> {
        let (namespace, name) = match name.rsplit_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, name),
        };
        Self::build(kind, namespace, name, version, BTreeMap::new(), None)
    }

    /// A purl from its parts, each as it is meant, without escapes.
    ///
    /// # Errors
    /// A part is missing or misspelled, or the type has a rule against it.
    pub fn from_parts(parts: &Parts<'_>) -> Result<Self, PurlError> {
        let mut qualifiers = BTreeMap::new();
        for (key, value) in parts.qualifiers {
            if !value.is_empty() {
                qualifiers.insert(qualifier_key(key)?, (*value).to_owned());
            }
        }
        Self::build(parts.kind, parts.namespace, parts.name, parts.version, qualifiers, parts.subpath)
    }

    /// Parses as [`FromStr`] does, but refuses what a producer should not have written: a qualifier key that starts in
    /// upper case. (The published cases refuse `Arch=` and accept `repositorY_url=`; the first letter tells them apart.)
    ///
    /// # Errors
    /// Not a purl, or such a key.
    pub fn parse_strict(text: &str) -> Result<Self, PurlError> {
        let qualifiers = text.split('#').next().and_then(|rest| rest.split_once('?')).map_or("", |(_, q)| q);
        for key in qualifiers.split('&').filter_map(|pair| pair.split('=').next()) {
            if key.starts_with(|c: char| c.is_ascii_uppercase()) {
                return Err(PurlError::QualifierKey(key.to_owned()));
            }
        }
        text.parse()
    }

    #[must_use]
    pub fn with_qualifier(mut self, key: &str, value: &str) -> Self {
        if !value.is_empty() {
            self.qualifiers.insert(key.to_ascii_lowercase(), value.to_owned());
        }
        self
    }

    /// The purl of all versions.
    #[must_use]
    pub fn without_version(mut self) -> Self {
        self.version = None;
        self
    }

    pub fn kind(&self) -> &str {
        &self.kind
    }

    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    pub fn qualifiers(&self) -> &BTreeMap<String, String> {
        &self.qualifiers
    }

    pub fn subpath(&self) -> Option<&str> {
        self.subpath.as_deref()
    }

    fn build(
        kind: &str,
        namespace: Option<&str>,
        name: &str,
        version: Option<&str>,
        qualifiers: BTreeMap<String, String>,
        subpath: Option<&str>,
    ) -> Result<Self, PurlError> {
        if kind.is_empty() {
            return Err(PurlError::NoType);
        }
        let kind = kind.to_ascii_lowercase();
        let well_formed = kind.starts_with(|c: char| c.is_ascii_lowercase())
            && kind.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-'));
        if !well_formed {
            return Err(PurlError::Type(kind));
        }
        let mut name = name.trim_matches('/').to_owned();
        let mut namespace = namespace
            .map(|text| text.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"))
            .filter(|text| !text.is_empty());
        let mut version = version.filter(|text| !text.is_empty()).map(str::to_owned);
        if name.is_empty() {
            return Err(PurlError::NoName);
        }
        types::apply(&kind, &mut namespace, &mut name, &mut version, &qualifiers)?;
        let subpath = subpath
            .map(|text| {
                text.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect::<Vec<_>>().join("/")
            })
            .filter(|text| !text.is_empty());
        Ok(Self { kind, namespace, name, version, qualifiers, subpath })
    }
}

impl fmt::Display for Purl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pkg:{}/", self.kind)?;
        for part in self.namespace.iter().flat_map(|text| text.split('/')) {
            write!(f, "{}/", escape(part, ""))?;
        }
        f.write_str(&escape(&self.name, if types::name_is_path(&self.kind) { "/" } else { "" }))?;
        if let Some(version) = &self.version {
            write!(f, "@{}", escape(version, ""))?;
        }
        for (index, (key, value)) in self.qualifiers.iter().enumerate() {
            let lead = if index == 0 { '?' } else { '&' };
            write!(f, "{lead}{key}={}", escape(value, ""))?;
        }
        if let Some(subpath) = &self.subpath {
            write!(f, "#{}", escape(subpath, "/"))?;
        }
        Ok(())
    }
}

impl FromStr for Purl {
    type Err = PurlError;

    /// Parses from the right, as the specification says.
    fn from_str(text: &str) -> Result<Self, PurlError> {
        let (rest, subpath) = match text.split_once('#') {
            Some((rest, subpath)) => (rest, Some(unescape(subpath)?)),
            None => (text, None),
        };
        let (rest, raw_qualifiers) = match rest.split_once('?') {
            Some((rest, qualifiers)) => (rest, qualifiers),
            None => (rest, ""),
        };
        let mut qualifiers = BTreeMap::new();
        for pair in raw_qualifiers.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair
                .split_once('=')
                .filter(|(key, _)| !key.is_empty())
                .ok_or_else(|| PurlError::Qualifier(pair.to_owned()))?;
            let value = unescape(value)?;
            if !value.is_empty() {
                qualifiers.insert(qualifier_key(key)?, value);
            }
        }
        let (scheme, rest) = rest.split_once(':').ok_or(PurlError::Scheme)?;
        if !scheme.eq_ignore_ascii_case("pkg") {
            return Err(PurlError::Scheme);
        }
        let (kind, rest) = rest.trim_start_matches('/').split_once('/').ok_or(PurlError::NoName)?;
        // An `@` may open an npm scope: only one behind the last slash starts the version.
        let (path, version) = match rest.rsplit_once('@') {
            Some((path, version)) if !version.contains('/') => (path, Some(unescape(version)?)),
            _ => (rest, None),
        };
        // A path that ends in a slash has no name: taking the namespace's last part for it would name another package.
        let path = path.trim_start_matches('/');
        let split = if types::name_is_path(kind) { path.split_once('/') } else { path.rsplit_once('/') };
        let (namespace, name) = match split {
            Some((namespace, name)) => (Some(unescape(namespace)?), unescape(name)?),
            None => (None, unescape(path)?),
        };
        Self::build(kind, namespace.as_deref(), &name, version.as_deref(), qualifiers, subpath.as_deref())
    }
}

/// The parts of a purl.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts<'a> {
    pub kind: &'a str,
    pub namespace: Option<&'a str>,
    pub name: &'a str,
    pub version: Option<&'a str>,
    pub qualifiers: &'a [(&'a str, &'a str)],
    pub subpath: Option<&'a str>,
}

fn qualifier_key(key: &str) -> Result<String, PurlError> {
    let key = key.to_ascii_lowercase();
    let sound = key.starts_with(|c: char| c.is_ascii_lowercase())
        && key
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_'));
    if sound { Ok(key) } else { Err(PurlError::QualifierKey(key)) }
}

fn escape(text: &str, keep: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b'~' | b':');
        if plain || keep.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn unescape(text: &str) -> Result<String, PurlError> {
    let broken = || PurlError::Escape(text.to_owned());
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16)).ok_or_else(broken);
        let value = digit()? * 16 + digit()?;
        out.push(u8::try_from(value).map_err(|_| broken())?);
    }
    String::from_utf8(out).map_err(|_| broken())
}

impl Serialize for Purl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Purl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical() {
        for (text, canonical) in [
            ("pkg:cargo/serde@1.0.0", "pkg:cargo/serde@1.0.0"),
            ("pkg:npm/%40angular/cli@1.2", "pkg:npm/%40angular/cli@1.2"),
            ("pkg:npm/@angular/cli", "pkg:npm/%40angular/cli"),
            ("PKG:PyPI/Django_x.y@1?b=2&A=1#./a//b/", "pkg:pypi/django-x-y@1?a=1&b=2#a/b"),
            ("pkg:golang/google.golang.org/grpc@v1.2%2Bx", "pkg:golang/google.golang.org/grpc@v1.2%2Bx"),
        ] {
            assert_eq!(text.parse::<Purl>().map(|purl| purl.to_string()), Ok(canonical.to_owned()));
        }
        for bad in
            ["", "cargo/x", "pkg:", "pkg:cargo", "pkg:cargo/", "pkg:1x/y", "pkg:npm/a%zz", "pkg:npm/a?=1"]
        {
            assert!(bad.parse::<Purl>().is_err(), "{bad}");
        }
    }
}
