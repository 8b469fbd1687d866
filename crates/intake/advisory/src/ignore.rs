//! Findings that somebody has decided to live with: by whom, why, and until when.

use linkward_evidence::Fault;
use linkward_model::{Code, Instant, Purl};
use serde::Serialize;
use toml::{Table, Value};

use crate::assess::Finding;
use crate::severity::Severity;

const DAY: i64 = 86_400_000;

/// One rule. It ends by itself: what was decided once has to be decided again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ignore {
    /// An advisory's id or alias.
    pub id: String,
    /// The package it is about, without version; all packages where none is named.
    pub package: Option<Purl>,
    pub owner: String,
    pub reason: String,
    /// The end of this day, UTC.
    pub until: Instant,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ignores(Vec<Ignore>);

impl Ignores {
    /// Reads `[[ignore]]` tables of a TOML file.
    ///
    /// # Errors
    /// Every fault of the file: a rule without owner, reason or end is no rule.
    pub fn parse(text: &str) -> Result<Self, Vec<Fault>> {
        let document: Table = text.parse().map_err(|error: toml::de::Error| {
            let before = text.get(..error.span().map_or(0, |span| span.start)).unwrap_or(text);
            let line = before.matches('\n').count() + 1;
            vec![malformed(format!("line {line}"), error.message())]
        })?;
        let mut faults = Vec::new();
        if let Some(other) = document.keys().find(|key| *key != "ignore") {
            faults.push(malformed(other.clone(), "is not known here; write [[ignore]]"));
        }
        let listed = match document.get("ignore") {
            None => &[][..],
            Some(Value::Array(rules)) => rules,
            Some(_) => {
                faults.push(malformed("ignore", "must be written as [[ignore]]"));
                &[]
            }
        };
        let mut rules = Vec::new();
        for (index, rule) in listed.iter().enumerate() {
            match read(rule, &format!("[[ignore]] number {}", index + 1)) {
                Ok(rule) => rules.push(rule),
                Err(found) => faults.extend(found),
            }
        }
        if faults.is_empty() { Ok(Self(rules)) } else { Err(faults) }
    }

    /// The rule that covers a finding today. Malicious packages are never ignored.
    pub(crate) fn covering(&self, purl: &Purl, finding: &Finding, now: Instant) -> Option<&Ignore> {
        self.matching(purl, finding)
            .find(|rule| now < rule.until)
            .filter(|_| finding.severity != Severity::Malicious)
    }

    /// A rule that would cover the finding, were it not past its end.
    pub(crate) fn expired(&self, purl: &Purl, finding: &Finding, now: Instant) -> Option<&Ignore> {
        self.matching(purl, finding).find(|rule| now >= rule.until)
    }

    fn matching(&self, purl: &Purl, finding: &Finding) -> impl Iterator<Item = &Ignore> {
        self.0.iter().filter(move |rule| {
            let mut ids = std::iter::once(&finding.id).chain(&finding.aliases);
            ids.any(|id| id.eq_ignore_ascii_case(&rule.id))
                && rule.package.as_ref().is_none_or(|package| {
                    package.kind() == purl.kind()
                        && package.namespace() == purl.namespace()
                        && package.name() == purl.name()
                        && package.version().is_none_or(|version| Some(version) == purl.version())
                })
        })
    }
}

fn read(rule: &Value, place: &str) -> Result<Ignore, Vec<Fault>> {
    let mut faults = Vec::new();
    if let Some(table) = rule.as_table() {
        let known = ["id", "package", "owner", "reason", "until"];
        faults.extend(
            table
                .keys()
                .filter(|key| !known.contains(&key.as_str()))
                .map(|key| malformed(place, format!("`{key}` is not one of {}", known.join(", ")))),
        );
    }
    let field =
        |name: &str| rule.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let mut required = |name: &str| {
        let found = field(name).map(str::to_owned);
        if found.is_none() {
            faults.push(malformed(place, format!("has no `{name}`")));
        }
        found.unwrap_or_default()
    };
    let (id, owner, reason, until) =
        (required("id"), required("owner"), required("reason"), required("until"));
    let day = format!("{until}T00:00:00Z").parse::<Instant>();
    if day.is_err() && !until.is_empty() {
        faults.push(malformed(place, format!("until: `{until}` is not a day; write it as 2026-12-31")));
    }
    let package = match field("package").map(str::parse::<Purl>) {
        None => None,
        Some(Ok(purl)) => Some(purl),
        Some(Err(error)) => {
            faults.push(malformed(place, format!("package: {error}")));
            None
        }
    };
    match day {
        Ok(day) if faults.is_empty() => {
            Ok(Ignore { id, package, owner, reason, until: day.plus_millis(DAY) })
        }
        _ => Err(faults),
    }
}

fn malformed(place: impl Into<String>, message: impl Into<String>) -> Fault {
    Fault::new(Code::IgnoreMalformed, place, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_reported() {
        let faults =
            Ignores::parse("[[ignore]]\nid = \"A\"\nowner = \"\"\nuntil = \"soon\"\ncolour = \"red\"\n")
                .unwrap_err();
        let all: Vec<String> = faults.iter().map(ToString::to_string).collect();
        for part in ["no `owner`", "no `reason`", "`soon`", "`colour`"] {
            assert!(all.iter().any(|fault| fault.contains(part)), "{part}: {all:?}");
        }
        assert!(Ignores::parse("[ignore]\nid = 1\n").is_err());
        assert!(Ignores::parse("x = \n").unwrap_err()[0].place.contains("line 1"));
        assert_eq!(Ignores::parse(""), Ok(Ignores::default()));
    }
}
