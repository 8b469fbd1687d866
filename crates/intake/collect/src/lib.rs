//! Brings bytes in and says where they came from; never parses evidence.

mod git;
mod tree;

pub use git::{
    GitSource, RedactedUrl, Scope, SignersSetting, SourceUnknown, TagBytes, Tree, signers_setting, source,
    tag_bytes,
};
pub use tree::{Artifact, Skipped, Walk, hash_file, walk, walk_whole};
