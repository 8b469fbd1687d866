//! Measures M1 to M10, counted from the record and from nothing else: what cannot be traced to a record is not shown.
//!
//! A measure without data is "no data", never 0 and never 100 %.

mod assess;
mod count;
mod export;
mod exposition;
mod measure;

pub use assess::{Answer, Assessment, Item, assess};
pub use count::{Counts, count};
pub use export::{grafana, openslo, prometheus_rules};
pub use exposition::exposition;
pub use measure::{Direction, Measure, State, measures};
