//! Advisories in one verified file: version order by ecosystem, OSV evaluation, matching. Reads files, fetches nothing.

mod assess;
pub mod delta;
mod ecosystem;
pub mod feed;
mod file;
mod ignore;
mod layout;
mod meta;
mod order;
mod osv;
mod package_range;
mod priority;
mod range;
mod record;
mod report;
mod rows;
mod rustsec;
mod severity;
mod source;
mod write;

pub use assess::{Assessment, Doubt, Finding, Fix, Freshness};
pub use ecosystem::{Query, base, purls, query, scheme};
pub use file::{Database, DatabaseError};
pub use ignore::{Ignore, Ignores};
pub use meta::{Coverage, Meta, Source};
pub use order::{Scheme, Unreadable, Version};
pub use osv::{json, yaml};
pub use package_range::{PackageRange, PackageRangeError};
pub use priority::Priorities;
pub use record::{Advisory, Affected, Event, Range, RangeKind};
pub use report::{Data, Excused, Ignored, Judged, Relation, Report, Statements, Subject, Threshold, Totals};
pub use rustsec::markdown;
pub use severity::Severity;
pub use source::{SourceError, gather};
pub use write::{Batch, Builder, replace};
