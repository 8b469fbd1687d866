//! SCAI attribute reports v0.2 and v0.3: fine-grained claims, such as hardware attestation or compiler hardening.

use super::{Predicate, Resource, resource};
use crate::Fault;
use crate::field::Field;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scai {
    pub attributes: Vec<Attribute>,
    pub producer: Option<Resource>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub name: String,
    /// What it is said of, where that is not the statement's subject.
    pub target: Option<Resource>,
    pub evidence: Option<Resource>,
}

pub(super) fn read(field: &Field<'_>) -> Result<Predicate, Fault> {
    let listed = field.required("attributes")?;
    let attributes = listed.items()?.iter().map(attribute).collect::<Result<Vec<_>, _>>()?;
    if attributes.is_empty() {
        return Err(listed.fault("must have at least one attribute"));
    }
    Ok(Predicate::Scai(Scai { attributes, producer: optional(field, "producer")? }))
}

fn attribute(field: &Field<'_>) -> Result<Attribute, Fault> {
    Ok(Attribute {
        name: field.required("attribute")?.text()?.to_owned(),
        target: optional(field, "target")?,
        evidence: optional(field, "evidence")?,
    })
}

fn optional(field: &Field<'_>, name: &str) -> Result<Option<Resource>, Fault> {
    field.optional(name).map(|field| resource::read(&field)).transpose()
}
