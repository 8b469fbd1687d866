//! Detection: events in, findings out. A finding is a function of the set of events, of the estate and of how far time
//! has moved: late, repeated and shuffled events give the same findings, byte for byte.
//!
//! Each rule is one file under `rules` and one line in [`RULES`]. Three tiers: invariants that prove themselves and may
//! page; first sights, which are tickets; and weights, which count only together. Statistics alone drown people.

mod cases;
mod combine;
mod engine;
mod estate;
mod finding;
mod glob;
mod incident;
mod kept;
pub mod notice;
mod parquet;
mod record;
mod rule;
mod rules;
mod sight;
mod sigma;
mod silence;
mod standing;
mod timeline;

pub use cases::{Case, CaseFault, CaseFile, CaseResult};
pub use engine::{Change, Engine, Load};
pub use estate::{Estate, OwnPackage, OwnRole, WriteScope};
pub use finding::{Alert, Fact, Finding, FindingId, State};
pub use incident::{Alarm, Confidence, INCIDENTS, Incident, Outcome, World};
pub use parquet::Parquet;
pub use record::RecordedFinding;
pub use rule::{About, Fold, Hit, Rule, Tier};
pub use rules::{RULES, cases_of, rule};
pub use sight::{Heard, Sight, sight};
pub use sigma::{Pack, Refused, load as load_sigma};
pub use standing::{Disposition, Exception, ExceptionError, Maintenance, Standing, standing};
