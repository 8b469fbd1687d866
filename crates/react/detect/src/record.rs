//! A finding as a record of the log.

use linkward_ledger::{Body, Kind, Recordable, Term, TermKind};
use linkward_model::{Digest, Environment, Instant};
use serde_json::json;

use crate::rules::rule;
use crate::{Change, Finding};

/// A finding in one of its states, on its way into the log; each change of state is a record of its own.
#[derive(Clone, Debug)]
pub struct RecordedFinding {
    finding: Finding,
    /// The estate that it was made with.
    estate: Digest,
    environment: Environment,
    /// When it was noticed: the end of the time to detect.
    noticed: Instant,
    /// Whether its event was heard as it happened, not read from a file later.
    live: bool,
}

impl RecordedFinding {
    pub fn new(
        change: &Change,
        estate: Digest,
        environment: &Environment,
        noticed: Instant,
        live: bool,
    ) -> Self {
        Self { finding: change.finding.clone(), estate, environment: environment.clone(), noticed, live }
    }
}

impl Recordable for RecordedFinding {
    fn body(&self) -> Body {
        let finding = &self.finding;
        let mut terms = vec![
            Term::new(TermKind::Name, &finding.subject),
            Term::new(TermKind::Name, finding.id.digest().to_string()),
            Term::new(TermKind::Code, finding.rule),
        ];
        if finding.subject.starts_with("pkg:") {
            terms.push(Term::new(TermKind::Package, &finding.subject));
        }
        let about = rule(finding.rule).map(|rule| rule.about());
        let says = json!({
            "what": "finding", "finding": finding, "estate": self.estate, "noticed": self.noticed, "live": self.live,
            "covers": about.map(|about| about.covers), "grade": "observed",
        });
        Body::new(Kind::Finding, terms, Vec::new(), says)
    }

    fn environment(&self) -> Environment {
        self.environment.clone()
    }

    fn claimed(&self) -> Option<Instant> {
        Some(self.finding.at)
    }
}
