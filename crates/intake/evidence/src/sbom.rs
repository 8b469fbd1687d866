//! What both SBOM formats say: components, how they depend on each other, and what is missing.

use linkward_model::{Digest, Instant, Purl};

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
    pub relations: Vec<Relation>,
    /// What the author of the document knows to be missing, for a person.
    pub gaps: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Component {
    /// Unique in the document.
    pub id: String,
    pub kind: String,
    pub name: String,
    pub version: Option<String>,
    pub purl: Option<Purl>,
    pub digests: Vec<Digest>,
    pub licences: Vec<String>,
    pub scope: Option<Scope>,
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
        if self.relations.is_empty() && self.components.len() > 1 {
            found.push("no dependency relations are given".to_owned());
        }
        found
    }
}
