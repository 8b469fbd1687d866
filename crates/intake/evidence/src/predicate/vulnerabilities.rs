//! Results of vulnerability scans: the in-toto predicate v0.1 and v0.2, and cosign's older one.

use linkward_model::Instant;

use super::Predicate;
use crate::Fault;
use crate::field::Field;

/// Most findings of one scan.
const MAX: usize = 100_000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vulnerabilities {
    pub scanner: String,
    /// A scan says nothing of what became known after it.
    pub finished: Option<Instant>,
    /// `None` where the scanner's own format stands in the predicate, which is not read.
    pub findings: Option<Vec<Finding>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub id: String,
    /// Method and score as written.
    pub severities: Vec<(String, String)>,
}

pub(super) fn read(field: &Field<'_>) -> Result<Predicate, Fault> {
    let scanner = field.required("scanner")?;
    let results = scanner.list("result")?;
    if results.len() > MAX {
        return Err(scanner.fault(format!("`result` has more than {MAX} items")));
    }
    let findings = results.iter().map(finding).collect::<Result<_, _>>()?;
    scan(field, Some(findings))
}

/// cosign keeps the scanner's own report, of whatever format.
pub(super) fn cosign(field: &Field<'_>) -> Result<Predicate, Fault> {
    scan(field, None)
}

fn scan(field: &Field<'_>, findings: Option<Vec<Finding>>) -> Result<Predicate, Fault> {
    let time = field.required("metadata")?.optional("scanFinishedOn");
    let time = time.map(|time| time.text()?.parse().map_err(|error| time.fault(format!("{error}"))));
    Ok(Predicate::Vulnerabilities(Vulnerabilities {
        scanner: field.required("scanner")?.required("uri")?.text()?.to_owned(),
        finished: time.transpose()?,
        findings,
    }))
}

fn finding(field: &Field<'_>) -> Result<Finding, Fault> {
    let severities = field
        .list("severity")?
        .iter()
        .map(|item| {
            let score = item.required("score")?;
            let score = match score.value() {
                serde_json::Value::Number(number) => number.to_string(),
                _ => score.text()?.to_owned(),
            };
            Ok((item.required("method")?.text()?.to_owned(), score))
        })
        .collect::<Result<_, Fault>>()?;
    Ok(Finding { id: field.required("id")?.text()?.to_owned(), severities })
}
