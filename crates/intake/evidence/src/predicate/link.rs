//! in-toto links as predicates: the v1 one of the in-toto specification, and v0.3 of the attestation framework.

use super::{Predicate, Resource, resource};
use crate::Fault;
use crate::field::Field;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub name: String,
    pub command: Vec<String>,
    pub materials: Vec<Resource>,
}

pub(super) fn v0_3(field: &Field<'_>) -> Result<Predicate, Fault> {
    read(field, resource::list(field, "materials")?)
}

/// Materials by path, as links outside attestations have them.
pub(super) fn v1(field: &Field<'_>) -> Result<Predicate, Fault> {
    let set = field.required("materials")?;
    let materials = set
        .object()?
        .keys()
        .filter_map(|path| Some((path, set.optional(path)?)))
        .map(|(path, digests)| {
            Ok(Resource { name: path.clone(), uri: String::new(), digests: resource::digests(&digests)? })
        })
        .collect::<Result<_, Fault>>()?;
    read(field, materials)
}

fn read(field: &Field<'_>, materials: Vec<Resource>) -> Result<Predicate, Fault> {
    Ok(Predicate::Link(Link {
        name: field.required("name")?.text()?.to_owned(),
        command: field
            .list("command")?
            .iter()
            .map(|word| Ok(word.text()?.to_owned()))
            .collect::<Result<_, Fault>>()?,
        materials,
    }))
}
