//! What a statement says of its subjects, by predicate type: each type is one file and one line in [`READERS`].
//!
//! A type that is not listed is kept as it is: policy can still ask for it by its name.

mod link;
mod publish;
mod release;
mod resource;
mod scai;
mod test_result;
mod verification_summary;
mod vulnerabilities;

use crate::Fault;
use crate::field::Field;
use crate::slsa::Provenance;
use crate::statement::Statement;

pub use link::Link;
pub use publish::Publish;
pub use release::Release;
pub use resource::Resource;
pub use scai::{Attribute, Scai};
pub use test_result::TestResult;
pub use verification_summary::VerificationSummary;
pub use vulnerabilities::{Finding, Vulnerabilities};

/// A predicate as it was read.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// SLSA provenance.
    Provenance(Provenance),
    /// SLSA verification summary.
    VerificationSummary(VerificationSummary),
    /// in-toto link: one step's command, materials and products.
    Link(Link),
    /// Result of a vulnerability scan.
    Vulnerabilities(Vulnerabilities),
    /// Attributes of an artifact or of what made it (SCAI).
    Scai(Scai),
    /// Result of a test run.
    TestResult(TestResult),
    /// Which artifacts make up a release.
    Release(Release),
    /// A registry accepted a package (npm).
    Publish(Publish),
    /// Of another type, an SBOM among them; its value stands in the statement.
    Other,
}

type Reader = fn(&Field<'_>) -> Result<Predicate, Fault>;

/// Predicate types and their readers.
const READERS: &[(&str, Reader)] = &[
    ("https://slsa.dev/provenance/v0.1", |field| crate::slsa::v0_1(field).map(Predicate::Provenance)),
    ("https://slsa.dev/provenance/v0.2", |field| crate::slsa::v0_2(field).map(Predicate::Provenance)),
    ("https://slsa.dev/provenance/v1", |field| crate::slsa::v1(field).map(Predicate::Provenance)),
    ("https://slsa.dev/verification_summary/v0.2", verification_summary::v0_2),
    ("https://slsa.dev/verification_summary/v1", verification_summary::v1),
    ("https://in-toto.io/Link/v1", link::v1),
    ("https://in-toto.io/attestation/link/v0.3", link::v0_3),
    ("https://in-toto.io/attestation/vulns/v0.1", vulnerabilities::read),
    ("https://in-toto.io/attestation/vulns/v0.2", vulnerabilities::read),
    ("https://cosign.sigstore.dev/attestation/vuln/v1", vulnerabilities::cosign),
    ("https://in-toto.io/attestation/scai/attribute-report/v0.2", scai::read),
    ("https://in-toto.io/attestation/scai/v0.3", scai::read),
    ("https://in-toto.io/attestation/test-result/v0.1", test_result::read),
    ("https://in-toto.io/attestation/release/v0.1", release::read),
    ("https://github.com/npm/attestation/tree/main/specs/publish/v0.1", publish::read),
];

impl Predicate {
    /// # Errors
    /// The predicate says that it is of a type that is listed, but does not have its shape.
    pub fn read(statement: &Statement) -> Result<Self, Fault> {
        let reader = READERS.iter().find(|(name, _)| *name == statement.predicate_type);
        reader.map_or(Ok(Self::Other), |(_, read)| read(&Field::root(&statement.predicate)))
    }

    /// Every predicate type that is read.
    pub fn types() -> impl Iterator<Item = &'static str> {
        READERS.iter().map(|(name, _)| *name)
    }
}
