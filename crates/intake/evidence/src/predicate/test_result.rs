//! Test results v0.1: which configuration was run, and how it came out.

use super::{Predicate, Resource, resource};
use crate::Fault;
use crate::field::Field;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestResult {
    pub outcome: Outcome,
    pub configuration: Vec<Resource>,
    pub failed: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Passed,
    Warned,
    Failed,
}

pub(super) fn read(field: &Field<'_>) -> Result<Predicate, Fault> {
    let result = field.required("result")?;
    let outcome = match result.text()? {
        "PASSED" => Outcome::Passed,
        "WARNED" => Outcome::Warned,
        "FAILED" => Outcome::Failed,
        other => return Err(result.fault(format!("`{other}` is none of PASSED, WARNED, FAILED"))),
    };
    let failed: Vec<String> = field
        .list("failedTests")?
        .iter()
        .map(|item| Ok(item.text()?.to_owned()))
        .collect::<Result<_, Fault>>()?;
    // A result that contradicts itself must not be read as the better half.
    if outcome == Outcome::Passed && !failed.is_empty() {
        return Err(result.fault("is PASSED, but `failedTests` lists some"));
    }
    Ok(Predicate::TestResult(TestResult {
        outcome,
        configuration: resource::list(field, "configuration")?,
        failed,
    }))
}
