//! What a gate keeps of a recorded verdict: enough to decide by, some two hundred bytes each.

use std::sync::Arc;

use linkward_decide::{Mode as PolicyMode, Outcome, Question, Verdict};
use linkward_ledger::Recorded;
use linkward_model::{Code, Digest, Environment, Instant, Tenant};

/// What a verdict stands on besides evidence; shared by thousands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stand {
    pub(crate) policy: Digest,
    pub(crate) roots: Digest,
    pub(crate) tenant: Tenant,
    pub(crate) short: String,
}

impl Stand {
    pub(crate) fn new(policy: Digest, roots: Digest, tenant: Tenant) -> Self {
        Self { policy, roots, tenant, short: policy.short() }
    }
}

/// A verdict in memory. Made from a recorded verdict, or from a snapshot that is proven to be in the log: nowhere else.
#[derive(Clone, Debug)]
pub struct Held {
    pub(crate) outcome: Outcome,
    pub(crate) mode: PolicyMode,
    pub(crate) code: Option<Code>,
    pub(crate) detail: Arc<str>,
    pub(crate) record: u64,
    /// Size of the log that it saw: which revocations it knew.
    pub(crate) log_size: u64,
    pub(crate) valid_until: Option<Instant>,
    pub(crate) stand: Arc<Stand>,
    pub(crate) name: Arc<str>,
}

impl Held {
    pub(crate) fn of(verdict: &Recorded<Verdict>, stand: Arc<Stand>) -> Self {
        let value = verdict.value();
        // An exception is named wherever it decides: it is the one reason that stands beside an allowed image.
        let allowed = value.outcome() == Outcome::Allow;
        let reason = value.reasons().iter().find(|reason| (reason.code == Code::ExceptionApplied) == allowed);
        Self {
            outcome: value.outcome(),
            mode: value.mode(),
            code: reason.map(|reason| reason.code),
            detail: reason.map_or("", |reason| reason.detail.as_str()).into(),
            record: verdict.index(),
            log_size: value.log_size(),
            valid_until: value.valid_until(),
            stand,
            name: value.question().name.as_str().into(),
        }
    }

    pub fn policy(&self) -> Digest {
        self.stand.policy
    }

    pub fn roots(&self) -> Digest {
        self.stand.roots
    }

    pub fn valid_until(&self) -> Option<Instant> {
        self.valid_until
    }

    /// Size of the log that the verdict saw.
    pub fn log_size(&self) -> u64 {
        self.log_size
    }

    pub(crate) fn question(&self, digest: Digest, environment: &Environment) -> Question {
        Question {
            digest,
            name: self.name.to_string(),
            environment: environment.clone(),
            tenant: self.stand.tenant.clone(),
        }
    }
}
