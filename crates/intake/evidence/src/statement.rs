//! in-toto Statements v0.1 and v1: which artifacts, and what is said of them.

use linkward_model::{Algorithm, Digest};
use serde_json::Value;

use crate::field::Field;
use crate::{Claim, Fault};

const V0_1: &str = "https://in-toto.io/Statement/v0.1";
const V1: &str = "https://in-toto.io/Statement/v1";
/// Most subjects of one statement.
const MAX_SUBJECTS: usize = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V0_1,
    V1,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub version: Version,
    pub subjects: Vec<Subject>,
    pub predicate_type: String,
    pub predicate: Value,
}

/// An artifact by name and digests; digests of functions that do not identify content are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    pub name: String,
    pub digests: Vec<Digest>,
}

impl Statement {
    /// # Errors
    /// Not JSON, or not a statement.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let document = crate::json(bytes)?;
        Self::read(&Field::root(&document))
    }

    pub(crate) fn read(field: &Field<'_>) -> Result<Self, Fault> {
        let kind = field.required("_type")?;
        let version = match kind.text()? {
            V0_1 => Version::V0_1,
            V1 => Version::V1,
            other => return Err(kind.fault(format!("`{other}` is neither {V1} nor {V0_1}"))),
        };
        let listed = field.required("subject")?;
        let subjects = listed.items()?;
        if subjects.is_empty() || subjects.len() > MAX_SUBJECTS {
            return Err(listed.fault(format!("must have 1 to {MAX_SUBJECTS} items")));
        }
        Ok(Self {
            version,
            subjects: subjects.iter().map(subject).collect::<Result<_, _>>()?,
            predicate_type: field.required("predicateType")?.text()?.to_owned(),
            predicate: field.optional("predicate").map_or(Value::Null, |field| field.value().clone()),
        })
    }
}

fn subject(field: &Field<'_>) -> Result<Subject, Fault> {
    let set = field.required("digest")?;
    let mut digests = Vec::new();
    for (name, value) in set.object()? {
        let hex = value.as_str().ok_or_else(|| set.fault(format!("`{name}` must be a string")))?;
        if let Some(algorithm) = Algorithm::from_name(name) {
            let digest = Digest::from_hex(algorithm, hex).map_err(|error| set.fault(error.to_string()))?;
            digests.push(digest);
        }
    }
    if set.object()?.is_empty() {
        return Err(set.fault("must name at least one digest"));
    }
    Ok(Subject { name: field.optional_text("name")?.unwrap_or("").to_owned(), digests })
}

pub(crate) struct Format;

impl crate::Format for Format {
    fn name(&self) -> &'static str {
        "in-toto statement"
    }

    fn recognise(&self, document: &Value) -> bool {
        document
            .get("_type")
            .and_then(Value::as_str)
            .is_some_and(|kind| kind.contains("in-toto.io/Statement"))
    }

    fn parse(&self, document: &Value) -> Result<Claim, Fault> {
        Statement::read(&Field::root(document)).map(Claim::Statement)
    }
}
