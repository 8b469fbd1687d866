//! Policy to verdict: a pure function of the digest, proven evidence, policy, trust roots and time.

mod decide;
mod policy;
mod read;
mod requirement;
mod verdict;

pub use decide::{Evidence, ObservationFact, Question, RefusalFact, decide};
pub use policy::{Exception, Mode, Policy, PolicyFault, Rule, default_policy};
pub use requirement::Requirement;
pub use verdict::{Finding, Outcome, Reason, ReopenError, Verdict, reopen};
