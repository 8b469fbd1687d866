//! Revocations: what passed once and must not pass any more.
//!
//! They are records like any other, so a verdict as of a log size knows exactly those that stand below it, and is
//! replayed with the same. Evidence by what is revoked is struck out before policy is asked: an artifact that others
//! have signed as well stays good, one that stood on the revoked evidence alone is denied.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use linkward_advisory::{PackageRange, PackageRangeError};
use linkward_ledger::{Body, Kind, Opaque, Recordable, Recorded, Term, TermKind};
use linkward_model::{Code, Digest, Identity, Instant, Purl};
use linkward_prove::{Attestation, Pattern, Proven};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::decide::Question;
use crate::verdict::{Outcome, Reason, ReopenError, Verdict};

type Proof = Recorded<Proven<Attestation>>;

/// What kind of thing is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKind {
    Digest,
    /// A certificate's subject.
    Identity,
    /// A managed key, by the SHA-256 of its SubjectPublicKeyInfo.
    Key,
    /// An OIDC issuer, with everybody whom it vouches for.
    Issuer,
    Builder,
    /// A package URL; `pkg:npm/name` alone means every version.
    Package,
    /// A policy file, by digest.
    Policy,
}

impl TargetKind {
    pub const ALL: &[Self] =
        &[Self::Digest, Self::Identity, Self::Key, Self::Issuer, Self::Builder, Self::Package, Self::Policy];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Digest => "digest",
            Self::Identity => "identity",
            Self::Key => "key",
            Self::Issuer => "issuer",
            Self::Builder => "builder",
            Self::Package => "package",
            Self::Policy => "policy",
        }
    }
}

impl fmt::Display for TargetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TargetKind {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let found = Self::ALL.iter().copied().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| TargetError::Kind(text.to_owned()))
    }
}

/// The code of a denial by a revocation of this kind.
pub const fn code_of(kind: TargetKind) -> Code {
    match kind {
        TargetKind::Digest => Code::DigestRevoked,
        TargetKind::Identity => Code::IdentityRevoked,
        TargetKind::Key => Code::KeyRevoked,
        TargetKind::Issuer => Code::IssuerRevoked,
        TargetKind::Builder => Code::BuilderRevoked,
        TargetKind::Package => Code::PackageRevoked,
        TargetKind::Policy => Code::PolicyRevoked,
    }
}

/// Whether a code says that something is revoked: a gate obeys these whatever the mode of a rule.
pub fn is_revocation(code: Code) -> bool {
    TargetKind::ALL.iter().any(|kind| code_of(*kind) == code)
}

/// Why a text names nothing that can be revoked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error(
        "`{0}` is not something to revoke; there are digest, identity, key, issuer, builder, package, policy"
    )]
    Kind(String),
    #[error("a {0} is revoked by its digest, written as sha256:HEX")]
    Digest(TargetKind),
    #[error("`{0}` is not a package URL; write it as pkg:npm/name or pkg:npm/name@1.2.3")]
    Package(String),
    #[error(transparent)]
    Range(#[from] PackageRangeError),
    #[error("`{0}` is not a name or pattern, or would match everything")]
    Pattern(String),
}

/// What is revoked: a digest, or a name that may be a pattern.
#[derive(Clone, Debug)]
pub struct Target {
    kind: TargetKind,
    value: String,
    matcher: Matcher,
}

#[derive(Clone, Debug)]
enum Matcher {
    Digest(Digest),
    Name(Pattern),
    /// The package itself, or any of its versions.
    Package(Pattern, Pattern),
    /// Versions of a package, by the order of its ecosystem.
    Range(PackageRange, String),
}

impl Target {
    /// # Errors
    /// The value does not fit the kind.
    pub fn parse(kind: TargetKind, value: &str) -> Result<Self, TargetError> {
        let pattern = |text: &str| {
            let vain = text.is_empty() || text.chars().all(|c| matches!(c, '*' | '?' | '/' | '.'));
            Pattern::parse(text)
                .ok()
                .filter(|_| !vain && !text.chars().any(char::is_control))
                .ok_or_else(|| TargetError::Pattern(value.to_owned()))
        };
        let matcher = match kind {
            TargetKind::Digest | TargetKind::Key | TargetKind::Policy => {
                Matcher::Digest(value.parse().map_err(|_| TargetError::Digest(kind))?)
            }
            TargetKind::Identity | TargetKind::Issuer | TargetKind::Builder => Matcher::Name(pattern(value)?),
            TargetKind::Package => {
                let rest = value.strip_prefix("pkg:").filter(|rest| rest.contains('/'));
                let rest = rest.ok_or_else(|| TargetError::Package(value.to_owned()))?;
                let version = rest.rsplit_once('@').map_or("", |(_, version)| version);
                if version.contains(['<', '>', '=', ',']) {
                    let range = PackageRange::parse(value)?;
                    let package = range.package().to_string();
                    return Ok(Self {
                        kind,
                        value: value.to_owned(),
                        matcher: Matcher::Range(range, package),
                    });
                }
                // The at sign of a version; a scope's is written %40 in a package URL.
                if rest.contains('@') {
                    Matcher::Name(pattern(value)?)
                } else {
                    Matcher::Package(pattern(value)?, pattern(&format!("{value}@**"))?)
                }
            }
        };
        Ok(Self { kind, value: value.to_owned(), matcher })
    }

    pub const fn kind(&self) -> TargetKind {
        self.kind
    }

    pub fn value(&self) -> &str {
        &self.value
    }

    /// The digest of what is revoked by digest.
    pub const fn digest(&self) -> Option<Digest> {
        match self.matcher {
            Matcher::Digest(digest) => Some(digest),
            _ => None,
        }
    }

    pub fn names(&self, name: &str) -> bool {
        match &self.matcher {
            Matcher::Digest(digest) => digest.to_string() == name,
            Matcher::Name(pattern) => pattern.matches(name),
            // A version that cannot be compared may be one of them: unknown is no yes.
            Matcher::Range(range, _) => name
                .parse::<Purl>()
                .is_ok_and(|purl| is_package(range.package(), &purl) && range.holds(&purl) != Some(false)),
            Matcher::Package(whole, version) => {
                let name = name.split(['?', '#']).next().unwrap_or(name);
                whole.matches(name) || version.matches(name)
            }
        }
    }

    /// What every name that it can match starts with, for whoever searches an index.
    pub fn literal(&self) -> &str {
        if let Matcher::Range(_, package) = &self.matcher {
            return package;
        }
        if self.value.starts_with("regex:") {
            return "";
        }
        self.value.split('*').next().unwrap_or("")
    }
}

fn is_package(one: &Purl, other: &Purl) -> bool {
    (one.kind(), one.namespace(), one.name()) == (other.kind(), other.namespace(), other.name())
}

/// Something is revoked.
#[derive(Clone, Debug)]
pub struct Revocation {
    pub target: Target,
    pub reason: String,
    pub author: String,
    /// For keys: from when on the key was in other hands. What is proven to be older stays good.
    pub since: Option<Instant>,
    /// Record of the proposal, where it took several people.
    pub proposal: Option<u64>,
}

/// A revocation is taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undo {
    /// Record of the revocation.
    pub revocation: u64,
    pub reason: String,
    pub author: String,
    pub proposal: Option<u64>,
}

/// One record of the revocation list.
#[derive(Clone, Debug)]
pub enum Entry {
    Revoke(Revocation),
    Undo(Undo),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what", deny_unknown_fields)]
enum Wire {
    Revocation {
        kind: TargetKind,
        value: String,
        reason: String,
        author: String,
        since: Option<Instant>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proposal: Option<u64>,
    },
    Undo {
        revocation: u64,
        reason: String,
        author: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proposal: Option<u64>,
    },
}

impl Recordable for Entry {
    fn body(&self) -> Body {
        let (wire, terms) = match self {
            Self::Revoke(revocation) => {
                let target = &revocation.target;
                let kind = match target.kind {
                    TargetKind::Digest | TargetKind::Policy => TermKind::Digest,
                    TargetKind::Identity | TargetKind::Key | TargetKind::Issuer => TermKind::Identity,
                    TargetKind::Builder => TermKind::Builder,
                    TargetKind::Package => TermKind::Package,
                };
                let wire = Wire::Revocation {
                    kind: target.kind,
                    value: target.value.clone(),
                    reason: revocation.reason.clone(),
                    author: revocation.author.clone(),
                    since: revocation.since,
                    proposal: revocation.proposal,
                };
                let code = Term::new(TermKind::Code, code_of(target.kind).as_str());
                (wire, vec![Term::new(kind, &target.value), code])
            }
            Self::Undo(undo) => {
                let wire = Wire::Undo {
                    revocation: undo.revocation,
                    reason: undo.reason.clone(),
                    author: undo.author.clone(),
                    proposal: undo.proposal,
                };
                (wire, Vec::new())
            }
        };
        let says = serde_json::to_value(wire).unwrap_or_else(|_| json!({}));
        Body::new(Kind::Revocation, terms, Vec::new(), says)
    }
}

/// Reopens a record of the revocation list.
///
/// # Errors
/// The record is no revocation, or names nothing that can be revoked.
pub fn reopen_revocation(record: Recorded<Opaque>) -> Result<Recorded<Entry>, ReopenError> {
    let body = record.body()?;
    if body.kind != Kind::Revocation {
        return Err(ReopenError::Kind(body.kind));
    }
    let entry = match serde_json::from_value::<Wire>(body.says)? {
        Wire::Revocation { kind, value, reason, author, since, proposal } => {
            let target = Target::parse(kind, &value)
                .map_err(|error| ReopenError::Json(serde::de::Error::custom(error.to_string())))?;
            Entry::Revoke(Revocation { target, reason, author, since, proposal })
        }
        Wire::Undo { revocation, reason, author, proposal } => {
            Entry::Undo(Undo { revocation, reason, author, proposal })
        }
    };
    Ok(record.reopen(entry)?)
}

/// What is revoked, as of a log size: a fold over the records in order.
#[derive(Clone, Debug, Default)]
pub struct Revocations {
    entries: BTreeMap<u64, Recorded<Entry>>,
    active: BTreeMap<u64, Revocation>,
}

impl Revocations {
    /// Takes the next record; the same one again changes nothing.
    pub fn take(&mut self, entry: Recorded<Entry>) {
        match entry.value() {
            Entry::Revoke(revocation) => {
                self.active.insert(entry.index(), revocation.clone());
            }
            Entry::Undo(undo) => {
                self.active.remove(&undo.revocation);
            }
        }
        self.entries.insert(entry.index(), entry);
    }

    /// How many records there were: it only grows, and a gate that has seen more refuses what knows less.
    pub fn epoch(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Proposals that were carried out, by record.
    pub fn proposals(&self) -> impl Iterator<Item = u64> {
        self.entries.values().filter_map(|entry| match entry.value() {
            Entry::Revoke(revocation) => revocation.proposal,
            Entry::Undo(undo) => undo.proposal,
        })
    }

    /// The newest record.
    pub fn newest(&self) -> Option<u64> {
        self.entries.keys().next_back().copied()
    }

    /// The list as it stood at a log size.
    #[must_use]
    pub fn as_of(&self, log_size: u64) -> Self {
        let mut past = Self::default();
        for (_, entry) in self.entries.range(..log_size) {
            past.take(entry.clone());
        }
        past
    }

    /// What is revoked now, by record.
    pub fn active(&self) -> impl Iterator<Item = (u64, &Revocation)> {
        self.active.iter().map(|(index, revocation)| (*index, revocation))
    }

    pub fn revocation(&self, record: u64) -> Option<&Revocation> {
        self.active.get(&record)
    }

    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// Strikes out what is revoked of the evidence about a digest, before policy is asked.
    pub fn strike(
        &self,
        question: &Question,
        policy: &Digest,
        proofs: &[Proof],
        packages: &[String],
    ) -> Struck {
        let mut struck =
            Struck { kept: Vec::with_capacity(proofs.len()), fatal: Vec::new(), lost: Vec::new() };
        for (record, revocation) in self.active() {
            let target = &revocation.target;
            let hit = match target.kind {
                TargetKind::Digest => target.digest() == Some(question.digest),
                TargetKind::Policy => target.digest().as_ref() == Some(policy),
                TargetKind::Package => packages.iter().any(|package| target.names(package)),
                _ => false,
            };
            if hit {
                struck.fatal.push(reason(record, revocation));
            }
        }
        for proof in proofs {
            let by = self.active().find(|(_, revocation)| revokes(revocation, proof.value()));
            match by {
                Some((record, revocation)) => struck.lost.push(reason(record, revocation)),
                None => struck.kept.push(proof.clone()),
            }
        }
        struck.lost.sort_by_key(|reason| reason.record);
        struck.lost.dedup_by_key(|reason| reason.record);
        struck
    }
}

fn revokes(revocation: &Revocation, proof: &Proven<Attestation>) -> bool {
    let target = &revocation.target;
    match (target.kind, proof.signer()) {
        (TargetKind::Identity, Identity::Certificate { subject, .. }) => target.names(subject),
        (TargetKind::Issuer, Identity::Certificate { issuer, .. }) => target.names(issuer),
        (TargetKind::Key, Identity::Key { id }) => {
            // Only a proven time counts: whoever holds the key can claim any.
            let before = revocation.since.zip(proof.proven_at()).is_some_and(|(since, at)| at < since);
            target.digest().as_ref() == Some(id) && !before
        }
        (TargetKind::Builder, _) => {
            proof.claim().provenance().is_some_and(|provenance| target.names(&provenance.builder))
        }
        _ => false,
    }
}

fn reason(record: u64, revocation: &Revocation) -> Reason {
    let target = &revocation.target;
    let why = if revocation.reason.is_empty() { String::new() } else { format!(": {}", revocation.reason) };
    Reason {
        code: code_of(target.kind),
        requirement: "revocation".to_owned(),
        detail: format!("{} {} is revoked by {}{why}", target.kind, target.value, revocation.author),
        record: Some(record),
    }
}

/// The evidence without what is revoked.
#[derive(Clone, Debug)]
pub struct Struck {
    kept: Vec<Proof>,
    /// The digest itself, what it contains, or the policy: nothing else helps.
    fatal: Vec<Reason>,
    /// Evidence that does not count any more; other evidence may do.
    lost: Vec<Reason>,
}

impl Struck {
    /// The proofs that still count.
    pub fn kept(&self) -> &[Proof] {
        &self.kept
    }

    /// The verdict under the revocations, from the one that policy came to on what was kept.
    #[must_use]
    pub fn conclude(self, mut verdict: Verdict) -> Verdict {
        let denied = !self.fatal.is_empty() || (!self.lost.is_empty() && verdict.outcome() != Outcome::Allow);
        if denied {
            let until = verdict.valid_until();
            let before = verdict.reasons().to_vec();
            let reasons = [self.fatal, self.lost, before].concat();
            verdict.conclude(Outcome::Deny, reasons, until);
        }
        verdict
    }
}

/// Package URLs in an SBOM predicate, CycloneDX or SPDX alike: whatever stands under `purl` or a purl reference.
pub(crate) fn purls(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| purls(item, found)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text)
                        if matches!(name.as_str(), "purl" | "referenceLocator")
                            && text.starts_with("pkg:") =>
                    {
                        found.push(text.clone());
                    }
                    other => purls(other, found),
                }
            }
        }
        _ => {}
    }
}

impl Revocations {
    /// The packages that proven SBOM attestations list.
    pub fn packages(&self, proofs: &[Proof]) -> Vec<String> {
        let mut found = Vec::new();
        if self.active.values().any(|revocation| revocation.target.kind == TargetKind::Package) {
            for statement in proofs.iter().filter_map(|proof| proof.value().claim().statement()) {
                purls(&statement.predicate, &mut found);
            }
        }
        found
    }
}

/// The packages that a signed SBOM lists; none where the proof is of something else.
pub fn packages_of(proof: &Proof) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(statement) = proof.value().claim().statement() {
        purls(&statement.predicate, &mut found);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_exact_unless_they_are_patterns() {
        let target = |kind, value: &str| Target::parse(kind, value).unwrap();
        let package = target(TargetKind::Package, "pkg:npm/left-pad");
        for (name, hit) in [
            ("pkg:npm/left-pad", true),
            ("pkg:npm/left-pad@1.3.0", true),
            ("pkg:npm/left-pad@1.3.0?arch=x", true),
            ("pkg:npm/left-pad-2@1.0.0", false),
            ("pkg:npm/%40x/left-pad@1.0.0", false),
        ] {
            assert_eq!(package.names(name), hit, "{name}");
        }
        assert!(target(TargetKind::Package, "pkg:npm/a@1.*").names("pkg:npm/a@1.2.3"));
        assert!(!target(TargetKind::Package, "pkg:npm/a@1.2").names("pkg:npm/a@1.2.3"));
        let range = target(TargetKind::Package, "pkg:npm/a@>=1.2.0,<1.10.0");
        for (name, hit) in [
            ("pkg:npm/a@1.2.0", true),
            ("pkg:npm/a@1.9.9", true),
            ("pkg:npm/a@1.10.0", false),
            ("pkg:npm/a@1.1.9", false),
            ("pkg:npm/ab@1.5.0", false),
            ("pkg:pypi/a@1.5.0", false),
            // Nobody can say where it stands.
            ("pkg:npm/a@next", true),
            ("pkg:npm/a", true),
        ] {
            assert_eq!(range.names(name), hit, "{name}");
        }
        assert_eq!(range.literal(), "pkg:npm/a");
        let identity = target(TargetKind::Identity, "https://github.com/org/**");
        assert!(identity.names("https://github.com/org/app/x.yml"));
        assert!(!identity.names("https://evil.example/https://github.com/org/app"));
        assert_eq!(identity.literal(), "https://github.com/org/");
        assert_eq!(target(TargetKind::Issuer, "regex:https://a|https://b").literal(), "");
    }

    #[test]
    fn what_would_revoke_everything_or_nothing_is_refused() {
        for (kind, value) in [
            (TargetKind::Digest, "nginx"),
            (TargetKind::Key, "sha256:00"),
            (TargetKind::Policy, ""),
            (TargetKind::Identity, ""),
            (TargetKind::Identity, "**"),
            (TargetKind::Builder, "*/**"),
            (TargetKind::Issuer, "regex:("),
            (TargetKind::Issuer, "a\nb"),
            (TargetKind::Package, "left-pad"),
            (TargetKind::Package, "pkg:npm"),
            (TargetKind::Package, "pkg:npm/a@>=x"),
            (TargetKind::Package, "pkg:npm/a@=>1.0.0"),
            (TargetKind::Package, "pkg:generic/a@<1"),
        ] {
            assert!(Target::parse(kind, value).is_err(), "{kind} {value:?}");
        }
        assert!("everything".parse::<TargetKind>().is_err());
        for kind in TargetKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
            assert!(is_revocation(code_of(*kind)));
        }
        assert!(!is_revocation(Code::DigestDenied));
    }

    #[test]
    fn packages_are_found_in_both_formats() {
        let mut found = Vec::new();
        purls(
            &json!({ "components": [{ "purl": "pkg:npm/a@1", "components": [{ "purl": "pkg:npm/b@2" }] }],
                     "packages": [{ "externalRefs": [{ "referenceLocator": "pkg:cargo/c@3" }] }], "purl": 5 }),
            &mut found,
        );
        found.sort();
        assert_eq!(found, ["pkg:cargo/c@3", "pkg:npm/a@1", "pkg:npm/b@2"]);
    }
}
