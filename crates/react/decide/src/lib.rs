//! Policy to verdict: a pure function of the digest, proven evidence, policy, trust roots and time.

mod case;
mod coverage;
mod decide;
mod facts;
mod family;
mod import;
mod policy;
mod read;
mod rego;
mod requirement;
mod revocation;
mod template;
mod verdict;

pub use case::{Case, Tried};
pub use coverage::Coverage;
pub use decide::{Evidence, HistoryFact, Judgement, ObservationFact, Question, RefusalFact, decide};
pub use family::family;
pub use import::{Imported, import};
pub use linkward_prove::Pattern;
pub use policy::{Exception, Mode, Policy, PolicyFault, Rule, default_policy};
pub use rego::Rego;
pub use requirement::Requirement;
pub use revocation::{
    Entry, Revocation, Revocations, Struck, Target, TargetError, TargetKind, Undo, code_of, is_revocation,
    packages_of, reopen_revocation,
};
pub use template::{TEMPLATES, Template};
pub use verdict::{Finding, Outcome, Reason, ReopenError, Verdict, reopen};
