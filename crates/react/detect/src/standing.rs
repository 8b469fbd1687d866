//! What people said about findings: dispositions with their exceptions, and maintenance. Neither is ever global or for
//! ever, and maintenance never mutes an invariant.

use linkward_model::Instant;
use serde::{Deserialize, Serialize};

use crate::glob::covers;
use crate::{Finding, Tier};

/// Longest life of an exception: 30 days.
const LONGEST: i64 = 30 * 24 * 60 * 60 * 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disposition {
    /// It was what it said.
    True,
    /// It happened, and does no harm.
    Benign,
    /// It was announced.
    Expected,
}

impl Disposition {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::Benign => "benign",
            Self::Expected => "expected",
        }
    }
}

/// One rule is not to be raised for one subject until a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    pub rule: String,
    pub subject: String,
    pub disposition: Disposition,
    pub reason: String,
    pub by: String,
    pub from: Instant,
    pub until: Instant,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExceptionError {
    #[error("an exception needs a reason; give one with --reason")]
    NoReason,
    #[error("an exception may last 30 days at most; choose an earlier end")]
    TooLong,
    #[error("the exception would end before it begins")]
    Ended,
    #[error("a finding that was true gets no exception; answer it")]
    True,
}

impl Exception {
    /// # Errors
    /// No reason, no end within 30 days, or for a finding that was true.
    pub fn new(
        finding_rule: &str,
        subject: &str,
        disposition: Disposition,
        reason: &str,
        by: &str,
        from: Instant,
        until: Instant,
    ) -> Result<Self, ExceptionError> {
        if disposition == Disposition::True {
            return Err(ExceptionError::True);
        }
        if reason.trim().is_empty() {
            return Err(ExceptionError::NoReason);
        }
        match until.since(from) {
            length if length <= 0 => Err(ExceptionError::Ended),
            length if length > LONGEST => Err(ExceptionError::TooLong),
            _ => Ok(Self {
                rule: finding_rule.to_owned(),
                subject: subject.to_owned(),
                disposition,
                reason: reason.to_owned(),
                by: by.to_owned(),
                from,
                until,
            }),
        }
    }
}

/// Work that was announced: first sights and weights of what it covers are kept quiet, invariants never.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    /// Subjects; `*` allowed.
    pub scope: String,
    pub reason: String,
    pub by: String,
    pub from: Instant,
    pub until: Instant,
}

/// How a finding is to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "standing")]
pub enum Standing {
    Open,
    /// An exception covers it.
    Excepted {
        disposition: Disposition,
        reason: String,
        until: Instant,
    },
    /// Maintenance covers it.
    Muted {
        reason: String,
        until: Instant,
    },
}

/// By the time of the finding, not of the look: what was open stays open when an exception comes later.
pub fn standing(
    rule: &str,
    tier: Tier,
    subject: &str,
    at: Instant,
    exceptions: &[Exception],
    windows: &[Maintenance],
) -> Standing {
    let covering = exceptions.iter().find(|exception| {
        exception.rule == rule && exception.subject == subject && exception.from <= at && at < exception.until
    });
    if let Some(exception) = covering {
        return Standing::Excepted {
            disposition: exception.disposition,
            reason: exception.reason.clone(),
            until: exception.until,
        };
    }
    let window = windows
        .iter()
        .find(|window| covers(&window.scope, subject) && window.from <= at && at < window.until);
    match window {
        Some(window) if tier != Tier::Invariant => {
            Standing::Muted { reason: window.reason.clone(), until: window.until }
        }
        _ => Standing::Open,
    }
}

impl Finding {
    pub fn standing(&self, exceptions: &[Exception], windows: &[Maintenance]) -> Standing {
        standing(self.rule, self.tier, &self.subject, self.at, exceptions, windows)
    }
}

#[cfg(test)]
mod tests {
    use linkward_testkit::noon;

    use super::*;

    const DAY: i64 = 24 * 60 * 60 * 1000;

    fn exception(until: i64, reason: &str, disposition: Disposition) -> Result<Exception, ExceptionError> {
        Exception::new("r", "s", disposition, reason, "me", noon(), noon().plus_millis(until))
    }

    #[test]
    fn exceptions_are_scoped_reasoned_and_end() {
        assert_eq!(exception(31 * DAY, "x", Disposition::Benign), Err(ExceptionError::TooLong));
        assert_eq!(exception(DAY, " ", Disposition::Benign), Err(ExceptionError::NoReason));
        assert_eq!(exception(0, "x", Disposition::Benign), Err(ExceptionError::Ended));
        assert_eq!(exception(DAY, "x", Disposition::True), Err(ExceptionError::True));
        let one = [exception(DAY, "x", Disposition::Expected).unwrap()];
        let at = |rule, subject, after| {
            standing(rule, Tier::Invariant, subject, noon().plus_millis(after), &one, &[])
        };
        assert!(matches!(at("r", "s", 1), Standing::Excepted { .. }));
        for open in [at("other", "s", 1), at("r", "other", 1), at("r", "s", DAY), at("r", "s", -1)] {
            assert_eq!(open, Standing::Open);
        }
    }

    #[test]
    fn maintenance_never_mutes_an_invariant() {
        let window = Maintenance {
            scope: "o/*".to_owned(),
            reason: "x".to_owned(),
            by: "me".to_owned(),
            from: noon(),
            until: noon().plus_millis(DAY),
        };
        let at = |tier, subject| standing("r", tier, subject, noon(), &[], std::slice::from_ref(&window));
        assert!(matches!(at(Tier::FirstSight, "o/n"), Standing::Muted { .. }));
        assert_eq!(at(Tier::Invariant, "o/n"), Standing::Open);
        assert_eq!(at(Tier::FirstSight, "other"), Standing::Open);
    }
}
