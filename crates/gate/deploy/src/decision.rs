//! A gate's decision about one image. It can only be built from a recorded verdict, from a named unknown, or from a
//! verified break-glass.

use linkward_decide::{Mode, Outcome, Verdict};
use linkward_ledger::Recorded;
use linkward_model::{Code, Instant};
use serde_json::json;

/// Why there is no verdict to decide by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// Nothing was decided about this digest yet.
    NoVerdict,
    /// The image is named by a tag alone.
    NotDigest,
    /// The reference is outside the grammar.
    Malformed(String),
    /// The verdict's validity is over.
    Expired,
}

impl Unknown {
    pub const fn code(&self) -> Code {
        match self {
            Self::NoVerdict | Self::Expired => Code::NoEvidence,
            Self::NotDigest => Code::NotDigest,
            Self::Malformed(_) => Code::DigestMalformed,
        }
    }
}

/// A signed, scoped, expiring permission to pass. Nothing issues one yet, so nothing outside this crate can hold one.
#[derive(Clone, Debug)]
pub struct BreakGlass {
    _private: (),
}

/// What the gate says about one image.
#[derive(Clone, Debug)]
pub struct Decision {
    image: String,
    namespace: String,
    outcome: Outcome,
    /// Whether policy wants it obeyed.
    enforced: bool,
    code: Option<Code>,
    detail: String,
    verdict: Option<u64>,
    policy: Option<String>,
    at: Instant,
}

impl Decision {
    /// From a verdict that is in the log; one whose time is over is unknown.
    pub fn from_verdict(image: &str, namespace: &str, verdict: &Recorded<Verdict>, now: Instant) -> Self {
        let value = verdict.value();
        if value.valid_until().is_some_and(|until| now >= until) {
            return Self::from_unknown(image, namespace, &Unknown::Expired, now);
        }
        let reason = value.reasons().iter().find(|reason| reason.code != Code::ExceptionApplied);
        Self {
            image: image.to_owned(),
            namespace: namespace.to_owned(),
            outcome: value.outcome(),
            enforced: value.mode() == Mode::Enforce,
            code: reason.map(|reason| reason.code).filter(|_| value.outcome() != Outcome::Allow),
            detail: reason.map_or_else(String::new, |reason| reason.detail.clone()),
            verdict: Some(verdict.index()),
            policy: Some(value.policy().short()),
            at: now,
        }
    }

    pub fn from_unknown(image: &str, namespace: &str, unknown: &Unknown, now: Instant) -> Self {
        let detail = match unknown {
            Unknown::Malformed(why) => why.clone(),
            other => other.code().summary().to_owned(),
        };
        Self {
            image: image.to_owned(),
            namespace: namespace.to_owned(),
            outcome: Outcome::Unknown,
            enforced: true,
            code: Some(unknown.code()),
            detail,
            verdict: None,
            policy: None,
            at: now,
        }
    }

    /// A break-glass lets pass, and is always written down.
    pub fn from_break_glass(image: &str, namespace: &str, _glass: &BreakGlass, now: Instant) -> Self {
        Self {
            image: image.to_owned(),
            namespace: namespace.to_owned(),
            outcome: Outcome::Allow,
            enforced: true,
            code: None,
            detail: "break-glass".to_owned(),
            verdict: None,
            policy: None,
            at: now,
        }
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

    pub fn is_enforced(&self) -> bool {
        self.enforced
    }

    pub fn code(&self) -> Option<Code> {
        self.code
    }

    pub fn verdict(&self) -> Option<u64> {
        self.verdict
    }

    pub fn policy(&self) -> Option<&str> {
        self.policy.as_deref()
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
    pub fn encode(&self) -> Vec<u8> {
        json!({
            "at": self.at, "gate": "admission", "namespace": self.namespace, "image": self.image,
            "outcome": self.outcome, "enforced": self.enforced, "code": self.code, "verdict": self.verdict,
        })
        .to_string()
        .into_bytes()
    }
}
