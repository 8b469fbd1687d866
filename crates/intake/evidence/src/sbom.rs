//! What both SBOM formats say: components, how they depend on each other, and what is missing.

use std::collections::BTreeMap;

use linkward_model::{Digest, Instant, Purl};
use serde_json::Value;

/// Most components of one document.
pub const MAX_COMPONENTS: usize = 1_000_000;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sbom {
    /// Format and version as the document says: `CycloneDX 1.6`, `SPDX-2.3`.
    pub spec: String,
    pub serial: Option<String>,
    pub created: Option<Instant>,
    /// What the document describes.
    pub subject: Option<Component>,
    pub components: Vec<Component>,
    /// What depends on what.
    pub relations: Vec<Relation>,
    /// What holds what: an archive its files, an image its layers.
    pub contains: Vec<Relation>,
    /// What the author of the document knows to be missing, for a person.
    pub gaps: Vec<String>,
    /// Further facts of what is described, such as the image that an image was built on, by a name of ours.
    pub notes: BTreeMap<String, String>,
    /// What the document says and this type does not carry: where, and how often.
    pub unread: BTreeMap<String, usize>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Component {
    /// Unique in the document.
    pub id: String,
    pub kind: String,
    pub name: String,
    pub version: Option<String>,
    pub purl: Option<Purl>,
    pub digests: Vec<Digest>,
    /// Hashes that are no evidence here, such as SHA-1 and MD5: function, as CycloneDX spells it, and hexadecimal digits.
    pub other_hashes: Vec<(String, String)>,
    pub licences: Vec<String>,
    pub scope: Option<Scope>,
    /// Where it was seen.
    pub occurrences: Vec<Occurrence>,
}

/// A file that says that a component is there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Occurrence {
    /// Within what is described.
    pub location: String,
    /// For a person and for scripts: the layer and the digest of the file, as `layer DIGEST file DIGEST`.
    pub context: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Required,
    Optional,
    Excluded,
}

/// One component and what it depends on, by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    pub from: String,
    pub to: Vec<String>,
}

impl Sbom {
    /// Notes something that the document says and this type does not carry.
    pub(crate) fn pass_over(&mut self, what: impl Into<String>) {
        *self.unread.entry(what.into()).or_default() += 1;
    }

    /// Every reason why this SBOM is incomplete; none means complete.
    pub fn shortcomings(&self) -> Vec<String> {
        let mut found = self.gaps.clone();
        let mut count = |what: &str, missing: usize| {
            if missing > 0 {
                found.push(format!("{missing} of {} components have no {what}", self.components.len()));
            }
        };
        count("version", self.components.iter().filter(|c| c.version.is_none()).count());
        count("purl", self.components.iter().filter(|c| c.purl.is_none()).count());
        if self.subject.is_none() {
            found.push("the document does not say what it describes".to_owned());
        }
        if self.relations.is_empty() && self.contains.is_empty() && self.components.len() > 1 {
            found.push("no dependency relations are given".to_owned());
        }
        found
    }
}

/// A UUID of version 8 (RFC 9562): our own bits, here the content's SHA-256.
pub(crate) fn serial(document: &Value) -> String {
    let hex = Digest::sha256(document.to_string().as_bytes()).hex();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or("0");
    format!("urn:uuid:{}-{}-8{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}
