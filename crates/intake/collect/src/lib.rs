//! Brings bytes in and says where they came from; never parses evidence.

mod git;
mod tree;

pub use git::{
    CommitBytes, GitSource, RedactedUrl, Reference, Scope, SignersSetting, SourceUnknown, TagBytes, Tree,
    Watched, signers_setting, source, tag_bytes,
};
pub use tree::{Artifact, Skipped, Walk, each_file, hash_file, walk, walk_whole};
