//! The decision itself. No clock, no files, no network: the same inputs give the same bytes, years later.

use linkward_ledger::Recorded;
use linkward_model::{Code, Digest, Environment, Identity, Instant, Tenant};
use linkward_prove::{Attestation, Proven};

use crate::facts::Facts;
use crate::policy::{Exception, Mode, Policy};
use crate::requirement::Requirement;
use crate::verdict::{Finding, Outcome, Reason, Verdict};

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Question {
    pub digest: Digest,
    pub name: String,
    pub environment: Environment,
    pub tenant: Tenant,
}

/// What is known about the digest, as of a log size. Claims do not fit in here: only what `prove` made and
/// `record` wrote down.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    pub proofs: &'a [Recorded<Proven<Attestation>>],
    pub refusals: &'a [RefusalFact],
    pub observations: &'a [ObservationFact],
    /// What earlier digests of the same [family](crate::family) carried; asked for where the policy [looks at it](Policy::looks_back).
    pub history: &'a [HistoryFact],
    /// Digest of the trust roots in force.
    pub roots: Digest,
    /// The evidence log and the size that was looked at.
    pub origin: &'a str,
    pub log_size: u64,
}

/// Evidence that failed its proof, as recorded.
#[derive(Clone, Debug)]
pub struct RefusalFact {
    pub index: u64,
    pub code: Code,
}

/// Where the artifact was seen.
#[derive(Clone, Debug)]
pub struct ObservationFact {
    pub index: u64,
    pub name: String,
}

/// Provenance that an earlier digest of the same family carries.
#[derive(Clone, Debug)]
pub struct HistoryFact {
    pub digest: Digest,
    pub record: u64,
    pub signer: Identity,
    pub builder: String,
}

/// A decision before it is a verdict: what policy says of facts, wherever those come from.
#[derive(Clone, Debug)]
pub struct Judgement {
    pub(crate) outcome: Outcome,
    pub(crate) rule: Option<(String, Mode)>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) until: Option<Instant>,
    /// The exceptions that decided.
    pub(crate) exceptions: Vec<String>,
}

impl Judgement {
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    pub fn reasons(&self) -> &[Reason] {
        &self.reasons
    }
}

/// Decides.
pub fn decide(question: &Question, evidence: &Evidence<'_>, policy: &Policy, now: Instant) -> Verdict {
    let judgement = judge(question, &Facts::of(question, evidence), policy, now);
    let mut verdict = Verdict::start(question, evidence, policy.digest(), now);
    if let Some((rule, mode)) = &judgement.rule {
        verdict.set_rule(rule, *mode);
    }
    judgement.findings.into_iter().for_each(|finding| verdict.finding(finding));
    verdict.conclude(judgement.outcome, judgement.reasons, judgement.until);
    verdict
}

/// What the policy says of the facts.
pub(crate) fn judge(question: &Question, facts: &Facts<'_>, policy: &Policy, now: Instant) -> Judgement {
    let short = |outcome, reason| Judgement {
        outcome,
        rule: None,
        findings: Vec::new(),
        reasons: vec![reason],
        until: None,
        exceptions: Vec::new(),
    };
    if let Some((_, reason)) = policy.denied.iter().find(|(digest, _)| *digest == question.digest) {
        let detail = if reason.is_empty() { "the digest is denied".to_owned() } else { reason.clone() };
        return short(Outcome::Deny, Reason::new(Code::DigestDenied, "denied", detail));
    }
    let covers = |scope: &crate::policy::Scope| {
        scope.covers(&question.digest, &question.name, &question.environment, &question.tenant)
    };
    let Some(rule) = policy.rules.iter().find(|rule| covers(&rule.scope)) else {
        let detail = format!("no rule matches `{}` in {}", question.name, question.environment);
        return short(Outcome::Unknown, Reason::new(Code::NoPolicy, "rule", detail));
    };
    let accepted = rule.accepted();
    let excused = |name: &str| -> Option<&Exception> {
        policy.exceptions.iter().find(|exception| {
            now < exception.until && covers(&exception.scope) && exception.without.iter().any(|it| it == name)
        })
    };
    let mut until: Option<Instant> = None;
    let (mut reasons, mut findings, mut exceptions) = (Vec::new(), Vec::new(), Vec::new());
    for requirement in &rule.requirements {
        let mut finding = requirement.check(question, facts, accepted, now);
        if let Requirement::MaxAge { millis } = requirement
            && finding.outcome == Outcome::Allow
        {
            until = earliest(until, Some(now.plus_millis(*millis)));
        }
        if finding.outcome != Outcome::Allow
            && let Some(exception) = excused(requirement.name())
        {
            until = earliest(until, Some(exception.until));
            exceptions.push(exception.name.clone());
            reasons.push(Reason::new(
                Code::ExceptionApplied,
                requirement.name(),
                format!(
                    "exception `{}` of {} until {}: {}",
                    exception.name, exception.owner, exception.until, exception.reason
                ),
            ));
            finding.outcome = Outcome::Allow;
            finding.detail = format!("exception `{}` stands in: {}", exception.name, finding.detail);
        }
        if let Some(code) = finding.code.filter(|_| finding.outcome != Outcome::Allow) {
            reasons.push(Reason {
                code,
                requirement: requirement.name().to_owned(),
                detail: finding.detail.clone(),
                record: finding.records.first().copied(),
            });
        }
        findings.push(finding);
    }
    let mut outcome = findings.iter().map(|finding| finding.outcome).max().unwrap_or(Outcome::Allow);
    refusals(facts.refusals, &mut outcome, &mut reasons);
    Judgement { outcome, rule: Some((rule.name.clone(), rule.mode)), findings, reasons, until, exceptions }
}

/// Evidence that failed its proof counts against what nothing else proves; it cannot undo what is proven, or
/// anybody could deny a good artifact by submitting a broken bundle that names it.
fn refusals(refusals: &[RefusalFact], outcome: &mut Outcome, reasons: &mut Vec<Reason>) {
    for refusal in refusals {
        if refusal.code == Code::DeletedByRetention {
            let detail = format!("what record {} proved counts no more: its document is gone", refusal.index);
            let reason = Reason::new(Code::DeletedByRetention, "evidence", detail);
            reasons.push(Reason { record: Some(refusal.index), ..reason });
            continue;
        }
        reasons.push(Reason {
            code: Code::EvidenceRefused,
            requirement: "evidence".to_owned(),
            detail: format!("evidence in record {} failed its proof: {}", refusal.index, refusal.code),
            record: Some(refusal.index),
        });
        if *outcome == Outcome::Unknown && refusal.code.blame() == linkward_model::Blame::Proof {
            *outcome = Outcome::Deny;
        }
    }
}

fn earliest(one: Option<Instant>, two: Option<Instant>) -> Option<Instant> {
    match (one, two) {
        (Some(one), Some(two)) => Some(one.min(two)),
        (one, two) => one.or(two),
    }
}

impl Reason {
    fn new(code: Code, requirement: &str, detail: String) -> Self {
        Self { code, requirement: requirement.to_owned(), detail, record: None }
    }
}

/// Used by tests and by the gate: whether a finding was met.
impl Finding {
    pub fn is_met(&self) -> bool {
        self.outcome == Outcome::Allow
    }
}
