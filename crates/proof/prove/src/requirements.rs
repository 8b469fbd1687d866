//! What may be asked beyond one whole proof: several logs, several timestamp authorities, what the certificate says.
//!
//! A single log or authority whose key is stolen can vouch for anything; two that must agree cannot both be had as easily.

use std::collections::BTreeSet;
use std::str::FromStr;

use linkward_model::{Check, Code, Digest};

use crate::attestation::Attestation;
use crate::extension::Expected;
use crate::proven::{Proven, Refusal};

/// How many different ones are needed. None asks for no more than the trust root does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct AtLeast(usize);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a number from 1 to {max}", max = AtLeast::MAX)]
pub struct AtLeastError(String);

impl AtLeast {
    /// As many as a bundle may hold.
    pub const MAX: usize = 32;
    pub const NONE: Self = Self(0);

    pub const fn count(self) -> usize {
        self.0
    }

    pub const fn met_by(self, found: usize) -> bool {
        found >= self.0
    }
}

impl FromStr for AtLeast {
    type Err = AtLeastError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(count @ 1..=Self::MAX) => Ok(Self(count)),
            _ => Err(AtLeastError(text.to_owned())),
        }
    }
}

/// All of it must hold.
#[derive(Clone, Debug, Default)]
pub struct Requirements {
    /// Different transparency logs that hold the signature, each with its own key.
    pub logs: AtLeast,
    /// Different timestamp authorities, each with its own root.
    pub timestamps: AtLeast,
    pub extensions: Vec<Expected>,
}

impl Requirements {
    /// Makes the checks one by one and adds them to the proof's.
    ///
    /// # Errors
    /// The first that is not met.
    pub fn check(&self, mut proven: Proven<Attestation>) -> Result<Proven<Attestation>, Box<Refusal>> {
        let outcomes = [self.logs(&proven.claim), self.timestamps(&proven.claim)];
        let extensions = self.extensions.iter().map(|expected| Some(extension(expected, &proven.claim)));
        let outcomes: Vec<_> = outcomes.into_iter().chain(extensions).flatten().collect();
        for (name, outcome) in outcomes {
            match outcome {
                Ok(detail) => proven.checks.push(Check::passed(name, detail)),
                Err((code, message)) => {
                    proven.checks.push(Check::failed(name, code, message.clone()));
                    let subjects = proven.claim.subjects.iter().flat_map(|subject| subject.digests.clone());
                    return Err(Box::new(Refusal {
                        code,
                        message,
                        subjects: subjects.collect(),
                        checks: proven.checks,
                        document: proven.document,
                    }));
                }
            }
        }
        Ok(proven)
    }

    fn logs(&self, claim: &Attestation) -> Option<Outcome> {
        // Two entries in one log, or one log under two names, are one witness.
        let keys: BTreeSet<Digest> = claim.logged.iter().map(|logged| logged.key).collect();
        threshold("log-threshold", self.logs, keys.len(), Code::LogsTooFew, "logs")
    }

    fn timestamps(&self, claim: &Attestation) -> Option<Outcome> {
        let keys: BTreeSet<Digest> = claim.stamps.iter().map(|stamp| stamp.key).collect();
        let what = "timestamp authorities";
        threshold("timestamp-threshold", self.timestamps, keys.len(), Code::TimestampsTooFew, what)
    }
}

type Outcome = (&'static str, Result<String, (Code, String)>);

fn threshold(name: &'static str, need: AtLeast, found: usize, code: Code, what: &str) -> Option<Outcome> {
    if need == AtLeast::NONE {
        return None;
    }
    let detail = format!("{found} different {what}, {} needed", need.count());
    Some((name, if need.met_by(found) { Ok(detail) } else { Err((code, detail)) }))
}

fn extension(expected: &Expected, claim: &Attestation) -> Outcome {
    let (name, value) = (expected.extension, expected.value.as_str());
    let outcome = match claim.extension(name) {
        Some(found) if expected.value.matches(found) => Ok(format!("{name} is {found}")),
        Some(found) => Err((Code::ExtensionMismatch, format!("{name} is {found}, expected {value}"))),
        None => Err((Code::ExtensionMissing, format!("no certificate says {name}, expected {value}"))),
    };
    ("extension", outcome)
}
