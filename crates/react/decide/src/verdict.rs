//! The verdict: what was decided, why, and everything that it stands on, so that it can be replayed.

use linkward_ledger::{Body, Kind, Opaque, Recordable, Recorded, RecordedError, Term, TermKind};
use linkward_model::{Code, Digest, Environment, Instant};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::decide::{Evidence, Question};
use crate::family::family;
use crate::policy::Mode;

/// Ordered by how much it forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Allow,
    Unknown,
    Deny,
}

impl Outcome {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Unknown => "unknown",
            Self::Deny => "deny",
        }
    }
}

/// How one requirement came out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    pub requirement: String,
    pub outcome: Outcome,
    pub code: Option<Code>,
    pub detail: String,
    /// Records that it stands on.
    pub records: Vec<u64>,
}

/// Why the verdict is not a plain allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    pub code: Code,
    pub requirement: String,
    pub detail: String,
    pub record: Option<u64>,
}

/// A verdict. Made by [`decide`](crate::decide()), or reopened from the log; there is no other way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    wire: Wire,
}

/// The JSON of a verdict. Private: a verdict is not deserialised, it is reopened from a proven record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    question: Question,
    outcome: Outcome,
    mode: Mode,
    rule: Option<String>,
    policy: Digest,
    roots: Digest,
    decided_at: Instant,
    valid_until: Option<Instant>,
    log_origin: String,
    log_size: u64,
    used: Vec<u64>,
    requirements: Vec<Finding>,
    reasons: Vec<Reason>,
}

/// Why a record was not reopened as a verdict.
#[derive(Debug, thiserror::Error)]
pub enum ReopenError {
    #[error(transparent)]
    Record(#[from] RecordedError),
    #[error("the record is a {0}, not a verdict")]
    Kind(Kind),
    #[error("the record's verdict is malformed")]
    Json(#[from] serde_json::Error),
    #[error("the verdict contradicts itself: it allows, but a requirement is not met")]
    Contradiction,
}

impl Verdict {
    pub(crate) fn start(question: &Question, evidence: &Evidence<'_>, policy: Digest, now: Instant) -> Self {
        Self {
            wire: Wire {
                question: question.clone(),
                outcome: Outcome::Unknown,
                mode: Mode::Enforce,
                rule: None,
                policy,
                roots: evidence.roots,
                decided_at: now,
                valid_until: None,
                log_origin: evidence.origin.to_owned(),
                log_size: evidence.log_size,
                used: Vec::new(),
                requirements: Vec::new(),
                reasons: Vec::new(),
            },
        }
    }

    pub(crate) fn set_rule(&mut self, rule: &str, mode: Mode) {
        self.wire.rule = Some(rule.to_owned());
        self.wire.mode = mode;
    }

    pub(crate) fn finding(&mut self, finding: Finding) {
        self.wire.used.extend(&finding.records);
        self.wire.requirements.push(finding);
    }

    pub(crate) fn conclude(&mut self, outcome: Outcome, reasons: Vec<Reason>, until: Option<Instant>) {
        self.wire.outcome = outcome;
        self.wire.used.extend(reasons.iter().filter_map(|reason| reason.record));
        self.wire.used.sort_unstable();
        self.wire.used.dedup();
        self.wire.reasons = reasons;
        self.wire.valid_until = until;
    }

    pub fn question(&self) -> &Question {
        &self.wire.question
    }

    /// What policy says, whatever its mode.
    pub fn outcome(&self) -> Outcome {
        self.wire.outcome
    }

    pub fn mode(&self) -> Mode {
        self.wire.mode
    }

    pub fn rule(&self) -> Option<&str> {
        self.wire.rule.as_deref()
    }

    pub fn reasons(&self) -> &[Reason] {
        &self.wire.reasons
    }

    pub fn requirements(&self) -> &[Finding] {
        &self.wire.requirements
    }

    /// Records that it stands on, ascending.
    pub fn used(&self) -> &[u64] {
        &self.wire.used
    }

    /// Digest of the policy file.
    pub fn policy(&self) -> Digest {
        self.wire.policy
    }

    /// Digest of the trust roots that were in force.
    pub fn roots(&self) -> Digest {
        self.wire.roots
    }

    pub fn decided_at(&self) -> Instant {
        self.wire.decided_at
    }

    /// From then on it has to be decided again.
    pub fn valid_until(&self) -> Option<Instant> {
        self.wire.valid_until
    }

    /// Size of the evidence log that was looked at.
    pub fn log_size(&self) -> u64 {
        self.wire.log_size
    }

    /// Whether two verdicts differ in nothing but when they were made, and this one still holds then.
    pub fn says_the_same(&self, later: &Self) -> bool {
        let mut same = later.wire.clone();
        same.decided_at = self.wire.decided_at;
        same.log_size = self.wire.log_size;
        same.valid_until = self.wire.valid_until;
        same == self.wire && self.wire.valid_until.is_none_or(|until| later.wire.decided_at < until)
    }

    /// Whether a replay comes to the same decision for the same reasons, whatever words it uses for them.
    pub fn is_replayed_by(&self, again: &Self) -> bool {
        let decision = |wire: &Wire| {
            let reasons: Vec<_> = wire.reasons.iter().map(|reason| (reason.code, reason.record)).collect();
            let found: Vec<_> =
                wire.requirements.iter().map(|finding| (finding.outcome, finding.code)).collect();
            (wire.outcome, wire.mode, wire.rule.clone(), wire.used.clone(), reasons, found)
        };
        self.wire.question == again.wire.question && decision(&self.wire) == decision(&again.wire)
    }
}

impl Recordable for Verdict {
    fn body(&self) -> Body {
        let wire = &self.wire;
        let mut terms =
            vec![Term::digest(&wire.question.digest), Term::new(TermKind::Name, &wire.question.name)];
        // Other releases are found by the name that they share.
        let shared = family(&wire.question.name);
        if shared != wire.question.name {
            terms.push(Term::new(TermKind::Name, shared));
        }
        terms.extend(wire.reasons.iter().map(|reason| Term::new(TermKind::Code, reason.code.as_str())));
        let says = serde_json::to_value(wire).unwrap_or(Value::Null);
        Body::new(Kind::Verdict, terms, Vec::new(), says)
    }

    /// Terms are what a verdict is found by, and say nothing that it does not say itself. Earlier versions wrote fewer: a home of
    /// theirs has to open.
    fn conclusion(mut body: Body) -> Body {
        body.terms.clear();
        body
    }

    fn environment(&self) -> Environment {
        self.wire.question.environment.clone()
    }
}

/// Reopens a recorded verdict. That it is the right one is for replay to show; that it is the recorded one is proven.
///
/// # Errors
/// The record is no verdict, or one that no decision could have made.
pub fn reopen(record: Recorded<Opaque>) -> Result<Recorded<Verdict>, ReopenError> {
    let body = record.body()?;
    if body.kind != Kind::Verdict {
        return Err(ReopenError::Kind(body.kind));
    }
    let wire: Wire = serde_json::from_value(body.says)?;
    let met = wire.requirements.iter().all(|finding| finding.outcome == Outcome::Allow);
    if wire.outcome == Outcome::Allow && (!met || wire.rule.is_none()) {
        return Err(ReopenError::Contradiction);
    }
    Ok(record.reopen(Verdict { wire })?)
}
