//! Policy to verdict: a pure function of the digest, proven evidence, policy, trust roots and time.

mod decide;
mod policy;
mod read;
mod requirement;
mod revocation;
mod verdict;

pub use decide::{Evidence, ObservationFact, Question, RefusalFact, decide};
pub use linkward_prove::Pattern;
pub use policy::{Exception, Mode, Policy, PolicyFault, Rule, default_policy};
pub use requirement::Requirement;
pub use revocation::{
    Entry, Revocation, Revocations, Struck, Target, TargetError, TargetKind, Undo, code_of, is_revocation,
    reopen_revocation,
};
pub use verdict::{Finding, Outcome, Reason, ReopenError, Verdict, reopen};
