//! Brings bytes in and says where they came from; never parses evidence.

mod git;
mod tree;

pub use git::{GitSource, RedactedUrl, SourceUnknown, Tree, source};
pub use tree::{Artifact, Skipped, Walk, hash_file, walk};
