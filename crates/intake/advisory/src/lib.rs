//! Advisories in one verified file: version order by ecosystem, OSV evaluation, matching. Reads files, fetches nothing.

mod assess;
mod ecosystem;
mod file;
mod ignore;
mod layout;
mod meta;
mod order;
mod osv;
mod range;
mod record;
mod report;
mod rows;
mod rustsec;
mod severity;
mod source;
mod write;
mod zip;

pub use assess::{Assessment, Doubt, Finding, Fix, Freshness};
pub use ecosystem::{Query, base, purls, query, scheme};
pub use file::{Database, DatabaseError};
pub use ignore::{Ignore, Ignores};
pub use meta::{Coverage, Meta, Source};
pub use order::{Scheme, Unreadable, Version};
pub use osv::{json, yaml};
pub use record::{Advisory, Affected, Event, Range, RangeKind};
pub use report::{Data, Ignored, Judged, Relation, Report, Subject, Threshold, Totals};
pub use rustsec::markdown;
pub use severity::Severity;
pub use source::{SourceError, gather};
pub use write::{Batch, Builder, replace};
