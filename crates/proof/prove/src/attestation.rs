//! What a proven bundle attests.

use std::collections::BTreeMap;

use linkward_evidence::predicate::Predicate;
use linkward_evidence::slsa::Provenance;
use linkward_evidence::statement::{Statement, Subject};
use linkward_model::{Digest, Instant};

use crate::extension::FulcioExtension;
use crate::forms::Form;

/// The content of a proven bundle: a plain signature over artifacts, or a statement about them.
#[derive(Clone, Debug)]
pub struct Attestation {
    pub(crate) subjects: Vec<Subject>,
    pub(crate) statement: Option<Statement>,
    pub(crate) predicate: Predicate,
    pub(crate) sbom: Option<SbomSummary>,
    pub(crate) logged: Vec<Logged>,
    pub(crate) stamps: Vec<Stamp>,
    pub(crate) extensions: Vec<(FulcioExtension, String)>,
    /// `None` for a bundle.
    pub(crate) form: Option<Form>,
    /// Documents that were read beside it, by their paths.
    pub(crate) beside: BTreeMap<String, Digest>,
}

/// An entry in a transparency log, proven to be included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Host name of the log.
    pub origin: String,
    pub index: u64,
    /// Id of the log's key: what tells logs apart.
    pub key: Digest,
}

/// A timestamp by a trusted authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub authority: String,
    pub time: Instant,
    /// Id of the key of the authority's root: what tells authorities apart.
    pub key: Digest,
}

/// What an attested SBOM amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SbomSummary {
    pub components: usize,
    /// Every reason why it is incomplete.
    pub gaps: Vec<String>,
}

impl Attestation {
    /// Which form of evidence it came in; `None` is a bundle.
    pub const fn form(&self) -> Option<Form> {
        self.form
    }

    /// Documents that were read beside it, by their paths: the links of a layout.
    pub const fn beside(&self) -> &BTreeMap<String, Digest> {
        &self.beside
    }

    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    pub fn statement(&self) -> Option<&Statement> {
        self.statement.as_ref()
    }

    pub fn provenance(&self) -> Option<&Provenance> {
        match &self.predicate {
            Predicate::Provenance(provenance) => Some(provenance),
            _ => None,
        }
    }

    /// What the statement says, where its type is one that is read.
    pub fn predicate(&self) -> &Predicate {
        &self.predicate
    }

    pub fn sbom(&self) -> Option<&SbomSummary> {
        self.sbom.as_ref()
    }

    pub fn logged(&self) -> &[Logged] {
        &self.logged
    }

    pub fn stamps(&self) -> &[Stamp] {
        &self.stamps
    }

    /// What the authority wrote into the certificate about the build.
    pub fn extensions(&self) -> &[(FulcioExtension, String)] {
        &self.extensions
    }

    pub fn extension(&self, extension: FulcioExtension) -> Option<&str> {
        self.extensions.iter().find(|(known, _)| *known == extension).map(|(_, value)| value.as_str())
    }
}
