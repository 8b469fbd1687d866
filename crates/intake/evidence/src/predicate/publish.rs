//! npm's publish attestation v0.1: the registry says that it accepted this version. It says nothing of who built it.

use super::Predicate;
use crate::Fault;
use crate::field::Field;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    pub name: String,
    pub version: String,
    pub registry: String,
}

pub(super) fn read(field: &Field<'_>) -> Result<Predicate, Fault> {
    let text = |name: &str| Ok::<_, Fault>(field.required(name)?.text()?.to_owned());
    Ok(Predicate::Publish(Publish {
        name: text("name")?,
        version: text("version")?,
        registry: text("registry")?,
    }))
}
