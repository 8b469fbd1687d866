//! A gate's decision about one image. It can only be built from a recorded verdict, from a recorded revocation, from a
//! named unknown, or from a verified break-glass.

use std::sync::Arc;

use linkward_decide::{Mode, Outcome, Verdict, is_revocation};
use linkward_ledger::Recorded;
use linkward_model::{Code, Digest, Instant};
use serde_json::json;

use crate::break_glass::BreakGlass;
use crate::held::{Held, Stand};
use crate::strike::Strike;

/// Why there is no verdict to decide by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Nothing was decided about this digest yet.
    NoVerdict,
    /// Its evidence is being verified.
    Pending,
    /// The image is named by a tag alone.
    NotDigest,
    /// The digest is outside the grammar.
    Malformed(String),
    /// The reference is outside the grammar.
    Reference(String),
    /// The verdict's validity is over.
    Expired,
    /// The gate is cut off from the record for longer than its lease.
    Stale,
    /// Nobody said where this kind of object holds its images.
    Kind,
    /// The gate has no verdicts at all.
    NoSnapshot(String),
    /// The gate's snapshot is forged, or older than what it has seen.
    BadSnapshot(Code, String),
    /// A node resolved the name to another digest than it holds.
    Resolved(Digest),
}

impl Unknown {
    pub const fn code(&self) -> Code {
        match self {
            Self::NoVerdict | Self::Expired => Code::NoEvidence,
            Self::Pending => Code::VerificationPending,
            Self::NotDigest => Code::NotDigest,
            Self::Malformed(_) => Code::DigestMalformed,
            Self::Reference(_) => Code::ImageMalformed,
            Self::Stale => Code::FeedStale,
            Self::Kind => Code::KindUnknown,
            Self::NoSnapshot(_) => Code::SnapshotMissing,
            Self::BadSnapshot(code, _) => *code,
            Self::Resolved(_) => Code::ImageDigestMismatch,
        }
    }
}

/// What a decision stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    Verdict,
    Revocation,
    Unknown,
    BreakGlass,
}

impl Basis {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Verdict => "verdict",
            Self::Revocation => "revocation",
            Self::Unknown => "unknown",
            Self::BreakGlass => "break-glass",
        }
    }
}

/// What the gate says about one image.
#[derive(Clone, Debug)]
pub struct Decision {
    image: String,
    namespace: String,
    outcome: Outcome,
    basis: Basis,
    /// How the policy's rule wants it obeyed.
    mode: Mode,
    code: Option<Code>,
    detail: Arc<str>,
    verdict: Option<u64>,
    stand: Option<Arc<Stand>>,
    /// The break-glass that covers the image, needed or not.
    glass: Option<u64>,
    at: Instant,
}

impl Decision {
    /// From a verdict that is in the log; one whose time is over is unknown.
    pub fn from_verdict(image: &str, namespace: &str, verdict: &Recorded<Verdict>, now: Instant) -> Self {
        let value = verdict.value();
        let held = Held::of(
            verdict,
            Arc::new(Stand::new(value.policy(), value.roots(), value.question().tenant.clone())),
        );
        Self::from_held(image, namespace, &held, now)
    }

    pub(crate) fn from_held(image: &str, namespace: &str, held: &Held, now: Instant) -> Self {
        if held.valid_until.is_some_and(|until| now >= until) {
            return Self::from_unknown(image, namespace, &Unknown::Expired, now);
        }
        let revoked = held.code.is_some_and(is_revocation);
        Self {
            image: image.to_owned(),
            namespace: namespace.to_owned(),
            outcome: held.outcome,
            basis: if revoked { Basis::Revocation } else { Basis::Verdict },
            mode: held.mode,
            code: held.code,
            detail: Arc::clone(&held.detail),
            verdict: Some(held.record),
            stand: Some(Arc::clone(&held.stand)),
            glass: None,
            at: now,
        }
    }

    /// From a revocation that the newest verdict did not know.
    pub(crate) fn from_strike(image: &str, namespace: &str, strike: &Strike, now: Instant) -> Self {
        Self {
            image: image.to_owned(),
            namespace: namespace.to_owned(),
            outcome: Outcome::Deny,
            basis: Basis::Revocation,
            mode: Mode::Enforce,
            code: Some(strike.code),
            detail: Arc::clone(&strike.detail),
            verdict: Some(strike.record),
            stand: None,
            glass: None,
            at: now,
        }
    }

    pub fn from_unknown(image: &str, namespace: &str, unknown: &Unknown, now: Instant) -> Self {
        let detail = match unknown {
            Unknown::Malformed(why) | Unknown::Reference(why) | Unknown::NoSnapshot(why) => why.clone(),
            Unknown::BadSnapshot(_, why) => why.clone(),
            Unknown::Resolved(digest) => format!("the node resolved it to {digest}"),
            other => other.code().summary().to_owned(),
        };
        Self {
            image: image.to_owned(),
            namespace: namespace.to_owned(),
            outcome: Outcome::Unknown,
            basis: Basis::Unknown,
            mode: Mode::Enforce,
            code: Some(unknown.code()),
            detail: detail.into(),
            verdict: None,
            stand: None,
            glass: None,
            at: now,
        }
    }

    /// A break-glass lets pass, and is always written down.
    pub fn from_break_glass(image: &str, namespace: &str, glass: &BreakGlass, now: Instant) -> Self {
        Self {
            image: image.to_owned(),
            namespace: namespace.to_owned(),
            outcome: Outcome::Allow,
            basis: Basis::BreakGlass,
            mode: Mode::Enforce,
            code: Some(Code::BreakGlassApplied),
            detail: format!("{} until {}: {}", glass.people().join(" and "), glass.until(), glass.reason())
                .into(),
            verdict: None,
            stand: None,
            glass: Some(glass.record()),
            at: now,
        }
    }

    /// Notes that a break-glass covers the image though nothing had to be broken.
    pub(crate) fn beside(mut self, glass: &BreakGlass) -> Self {
        self.glass = Some(glass.record());
        self
    }

    pub fn image(&self) -> &str {
        &self.image
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// How the rule that decided wants to be obeyed.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    pub fn code(&self) -> Option<Code> {
        self.code
    }

    pub fn verdict(&self) -> Option<u64> {
        self.verdict
    }

    pub fn policy(&self) -> Option<&str> {
        self.stand.as_ref().map(|stand| stand.short.as_str())
    }

    /// A sentence for the person whose deployment it is.
    pub fn message(&self) -> String {
        let code = self.code.map_or("allowed", |code| code.as_str());
        let mut text = format!("{}: {code}: {}", self.image, self.detail);
        if let Some(verdict) = self.verdict {
            text.push_str(&format!("; see `linkward explain {verdict}`"));
        }
        if let Some(code) = self.code {
            text.push_str(&format!("; {}", code.fix()));
        }
        text
    }

    /// One line for the journal. Who asked is left out: it is personal, and the API server's audit log has it.
    pub fn encode(&self, gate: &str) -> Vec<u8> {
        json!({
            "at": self.at, "gate": gate, "namespace": self.namespace, "image": self.image,
            "outcome": self.outcome, "enforced": self.mode == Mode::Enforce, "code": self.code,
            "verdict": self.verdict, "basis": self.basis.as_str(), "break_glass": self.glass,
        })
        .to_string()
        .into_bytes()
    }
}
