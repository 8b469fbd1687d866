//! What a proven bundle attests.

use linkward_evidence::slsa::Provenance;
use linkward_evidence::statement::{Statement, Subject};

/// The content of a proven bundle: a plain signature over artifacts, or a statement about them.
#[derive(Clone, Debug)]
pub struct Attestation {
    pub(crate) subjects: Vec<Subject>,
    pub(crate) statement: Option<Statement>,
    pub(crate) provenance: Option<Provenance>,
    pub(crate) sbom: Option<SbomSummary>,
    pub(crate) logged: Vec<Logged>,
    pub(crate) extensions: Vec<(String, String)>,
}

/// An entry in a transparency log, proven to be included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Host name of the log.
    pub origin: String,
    pub index: u64,
}

/// What an attested SBOM amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SbomSummary {
    pub components: usize,
    /// Every reason why it is incomplete.
    pub gaps: Vec<String>,
}

impl Attestation {
    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    pub fn statement(&self) -> Option<&Statement> {
        self.statement.as_ref()
    }

    pub fn provenance(&self) -> Option<&Provenance> {
        self.provenance.as_ref()
    }

    pub fn sbom(&self) -> Option<&SbomSummary> {
        self.sbom.as_ref()
    }

    pub fn logged(&self) -> &[Logged] {
        &self.logged
    }

    /// Fulcio's extensions by name: `source-repository-uri`, `runner-environment`.
    pub fn extensions(&self) -> &[(String, String)] {
        &self.extensions
    }
}
