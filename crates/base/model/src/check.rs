//! The itemised result of a proof: what was checked, and how it came out.

use serde::{Deserialize, Serialize};

use crate::Code;

/// How far a fact can be trusted. Ordered: more is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// Somebody says so.
    Claimed,
    /// We saw these bytes.
    Observed,
    /// Checked, with the checks itemised.
    Proven,
}

/// How one check came out. `Skipped` is a result that people see, never a silent yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    Passed,
    Failed { code: Code },
    Skipped { why: String },
}

/// One line of an itemised proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was checked, in kebab-case: `certificate-chain`, `log-inclusion`.
    pub name: &'static str,
    #[serde(flatten)]
    pub outcome: Outcome,
    /// A sentence for a person: which key, which time, which log.
    pub detail: String,
}

impl Check {
    pub fn passed(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Passed, detail: detail.into() }
    }

    pub fn failed(name: &'static str, code: Code, detail: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Failed { code }, detail: detail.into() }
    }

    pub fn skipped(name: &'static str, why: impl Into<String>) -> Self {
        Self { name, outcome: Outcome::Skipped { why: why.into() }, detail: String::new() }
    }
}
