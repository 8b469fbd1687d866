//! Advisories in one verified file: version order by ecosystem, OSV evaluation, matching. Reads files, fetches nothing.

mod order;

pub use order::{Scheme, Unreadable, Version};
