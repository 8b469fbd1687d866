//! Measures M1 to M10, counted from the record and from nothing else: what cannot be traced to a record is not shown.
//!
//! A measure without data is "no data", never 0 and never 100 %.

mod assess;
mod budget;
mod count;
mod export;
mod exposition;
mod history;
mod measure;
mod tally;

pub use assess::{Answer, Assessment, Item, assess};
pub use budget::{Budget, Burn, PERIOD, budgets};
pub use count::{Counts, Durations, Project, Refused, count, is_registry, is_runner};
pub use export::{grafana, openslo, prometheus_rules};
pub use exposition::exposition;
pub use history::{Sample, samples};
pub use measure::{Direction, Measure, State, measures};
pub use tally::Tally;
