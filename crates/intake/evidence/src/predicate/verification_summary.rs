//! SLSA verification summaries v0.2 and v1: a verifier says which levels an artifact reached under a policy.

use linkward_model::Instant;

use super::{Predicate, Resource, resource};
use crate::Fault;
use crate::field::Field;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerificationSummary {
    /// URI of who verified. Worth as much as the signer is trusted to speak for it.
    pub verifier: String,
    pub verified_at: Option<Instant>,
    /// Where the artifact is meant to be used from: a summary for one place is none for another.
    pub resource_uri: String,
    pub policy: Resource,
    pub passed: bool,
    /// `SLSA_BUILD_LEVEL_2` and the like.
    pub levels: Vec<String>,
}

pub(super) fn v1(field: &Field<'_>) -> Result<Predicate, Fault> {
    read(field, levels(field, "verifiedLevels")?)
}

pub(super) fn v0_2(field: &Field<'_>) -> Result<Predicate, Fault> {
    read(field, field.optional_text("policyLevel")?.into_iter().map(str::to_owned).collect())
}

fn read(field: &Field<'_>, levels: Vec<String>) -> Result<Predicate, Fault> {
    let time = field.optional("timeVerified");
    let time = time.map(|time| time.text()?.parse().map_err(|error| time.fault(format!("{error}"))));
    let result = field.required("verificationResult")?;
    Ok(Predicate::VerificationSummary(VerificationSummary {
        verifier: field.required("verifier")?.required("id")?.text()?.to_owned(),
        verified_at: time.transpose()?,
        resource_uri: field.required("resourceUri")?.text()?.to_owned(),
        policy: resource::read(&field.required("policy")?)?,
        passed: match result.text()? {
            "PASSED" => true,
            "FAILED" => false,
            other => return Err(result.fault(format!("`{other}` is neither PASSED nor FAILED"))),
        },
        levels,
    }))
}

fn levels(field: &Field<'_>, name: &str) -> Result<Vec<String>, Fault> {
    field.required(name)?.items()?.iter().map(|item| Ok(item.text()?.to_owned())).collect()
}
