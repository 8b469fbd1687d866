//! Distinguished names: what a certificate says of its holder, and `x509.subject:` of a trust policy (RFC 4514).

use std::fmt;
use std::str::FromStr;

use crate::certificate::Certificate;
use crate::der::{self, Reader};

/// Attribute types by their short names: those of RFC 4514 and a few that certificates carry.
const TYPES: &[(&str, &[u8])] = &[
    ("CN", &[0x55, 0x04, 0x03]),
    ("SERIALNUMBER", &[0x55, 0x04, 0x05]),
    ("C", &[0x55, 0x04, 0x06]),
    ("L", &[0x55, 0x04, 0x07]),
    ("ST", &[0x55, 0x04, 0x08]),
    ("STREET", &[0x55, 0x04, 0x09]),
    ("O", &[0x55, 0x04, 0x0a]),
    ("OU", &[0x55, 0x04, 0x0b]),
    ("POSTALCODE", &[0x55, 0x04, 0x11]),
];

/// A subject that may sign: all of the attributes that it names, or anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedSubject {
    /// Empty for anybody that the trust store vouches for.
    attributes: Vec<(&'static str, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no trusted identity; write `x509.subject: C=US, ST=WA, O=example.com`, or `*` for anybody")]
pub struct TrustedSubjectError(String);

impl TrustedSubject {
    pub(super) fn is(&self, certificate: &Certificate) -> bool {
        let Some(found) = attributes(certificate) else { return false };
        self.attributes.iter().all(|(name, value)| {
            // A type that stands twice could be read either way.
            let mut same = found.iter().filter(|(known, _)| known == name);
            same.next().is_some_and(|(_, found)| found == value) && same.next().is_none()
        })
    }
}

impl FromStr for TrustedSubject {
    type Err = TrustedSubjectError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || TrustedSubjectError(text.to_owned());
        if text == "*" {
            return Ok(Self { attributes: Vec::new() });
        }
        let listed = text.strip_prefix("x509.subject:").ok_or_else(wrong)?;
        let mut attributes: Vec<(&'static str, String)> = Vec::new();
        for part in split(listed).ok_or_else(wrong)? {
            let (name, value) = part.split_once('=').ok_or_else(wrong)?;
            let name = name.trim();
            let (name, _) =
                TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).ok_or_else(wrong)?;
            let value = value.trim();
            if value.is_empty() || attributes.iter().any(|(known, _)| known == name) {
                return Err(wrong());
            }
            attributes.push((name, value.to_owned()));
        }
        // The specification asks for these three: less would let too many in.
        let named = |wanted: &str| attributes.iter().any(|(name, _)| *name == wanted);
        if ["C", "ST", "O"].iter().all(|name| named(name)) { Ok(Self { attributes }) } else { Err(wrong()) }
    }
}

impl fmt::Display for TrustedSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.attributes.is_empty() {
            return f.write_str("anybody whom the trust store vouches for");
        }
        let parts: Vec<_> = self.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
        write!(f, "x509.subject: {}", parts.join(", "))
    }
}

/// Parts between commas; a backslash takes the next character as it is.
fn split(text: &str) -> Option<Vec<String>> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => parts.last_mut()?.push(chars.next()?),
            ',' => parts.push(String::new()),
            other => parts.last_mut()?.push(other),
        }
    }
    Some(parts)
}

/// The subject's attributes, in the order of the certificate; `None` where it cannot be read.
fn attributes(certificate: &Certificate) -> Option<Vec<(&'static str, String)>> {
    let mut list = Reader::new(certificate.subject()).expect(der::SEQUENCE)?.reader();
    let mut found = Vec::new();
    while !list.is_empty() {
        let mut set = list.expect(der::SET)?.reader();
        while !set.is_empty() {
            let mut pair = set.expect(der::SEQUENCE)?.reader();
            let oid = pair.expect(der::OID)?.content;
            let value = pair.any()?;
            if let Some((name, _)) = TYPES.iter().find(|(_, known)| *known == oid) {
                // UTF8String, PrintableString, IA5String
                if !matches!(value.tag, 0x0c | 0x13 | 0x16) {
                    return None;
                }
                found.push((*name, std::str::from_utf8(value.content).ok()?.to_owned()));
            }
        }
    }
    Some(found)
}

/// For people and for the record.
pub(super) fn spelled(certificate: &Certificate) -> String {
    let parts = attributes(certificate).unwrap_or_default();
    parts.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities() {
        let read = |text: &str| text.parse::<TrustedSubject>().ok().map(|subject| subject.to_string());
        let spelled = "x509.subject: C=US, ST=WA, O=example.com";
        assert_eq!(read(spelled).as_deref(), Some(spelled));
        assert_eq!(read("x509.subject:c=US,st=WA,o=example.com").as_deref(), Some(spelled));
        assert_eq!(
            read("x509.subject: C=US, ST=WA, O=Example\\, Inc.").as_deref(),
            Some("x509.subject: C=US, ST=WA, O=Example, Inc.")
        );
        for bad in [
            "",
            "example.com",
            "x509.subject:",
            "x509.subject: O=example.com",
            "x509.subject: C=US, ST=WA, O=",
            "x509.subject: C=US, C=DE, ST=WA, O=x",
            "x509.subject: C=US, ST=WA, O=x, UID=1",
            "x509.subject: C=US, ST=WA, O=x\\",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
