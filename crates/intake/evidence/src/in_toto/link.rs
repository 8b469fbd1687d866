//! Links: what one functionary says of one step.

use std::collections::BTreeMap;

use linkward_model::{Algorithm, Digest};

use super::words;
use crate::Fault;
use crate::field::Field;
use crate::predicate::Predicate;
use crate::statement::Statement;

/// Most artifacts of one side.
const MAX: usize = 1_000_000;

/// Paths and what they held: function and hexadecimal digits as written.
pub type Artifacts = BTreeMap<String, BTreeMap<String, String>>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub name: String,
    pub command: Vec<String>,
    pub materials: Artifacts,
    pub products: Artifacts,
}

impl Link {
    pub(super) fn read(field: &Field<'_>) -> Result<Self, Fault> {
        Ok(Self {
            name: field.required("name")?.text()?.to_owned(),
            command: words(field, "command")?,
            materials: artifacts(field, "materials")?,
            products: artifacts(field, "products")?,
        })
    }

    /// A link as an attestation: products are its subjects (link 0.3), or stand in the predicate (Link/v1).
    pub(super) fn of_statement(statement: &Statement) -> Result<Self, Fault> {
        if statement.predicate_type == "https://in-toto.io/Link/v1" {
            return Self::read(&Field::at("$.payload.predicate", &statement.predicate));
        }
        let Predicate::Link(link) = Predicate::read(statement)? else {
            let what = format!("`{}` is not a link", statement.predicate_type.escape_debug());
            return Err(Fault::field("$.payload.predicateType", what));
        };
        let products = statement.subjects.iter().map(|subject| {
            let digests =
                subject.digests.iter().map(|digest| (digest.algorithm().name().to_owned(), digest.hex()));
            (subject.name.clone(), digests.collect())
        });
        let materials = link.materials.iter().map(|resource| {
            let name = if resource.name.is_empty() { &resource.uri } else { &resource.name };
            (name.clone(), resource.digests.iter().cloned().collect())
        });
        Ok(Self {
            name: link.name.clone(),
            command: link.command.clone(),
            materials: once(materials, "$.payload.predicate.materials")?,
            products: once(products, "$.payload.subject")?,
        })
    }
}

fn artifacts(field: &Field<'_>, name: &str) -> Result<Artifacts, Fault> {
    let Some(set) = field.optional(name) else { return Ok(Artifacts::new()) };
    let members = set.object()?;
    if members.len() > MAX {
        return Err(set.fault(format!("has more than {MAX} items")));
    }
    let mut found = Artifacts::new();
    for (path, digests) in members {
        let digests = Field::at(&format!("{}.{path}", set.place()), digests);
        let mut read = BTreeMap::new();
        for (function, value) in digests.object()? {
            let hex = value.as_str().ok_or_else(|| digests.fault("must map functions to digits"))?;
            read.insert(function.clone(), hex.to_ascii_lowercase());
        }
        found.insert(path.clone(), read);
    }
    Ok(found)
}

/// Of two artifacts of one path, one rule would see one and the next another.
fn once(
    items: impl Iterator<Item = (String, BTreeMap<String, String>)>,
    place: &str,
) -> Result<Artifacts, Fault> {
    let mut found = Artifacts::new();
    for (path, digests) in items {
        if found.contains_key(&path) {
            return Err(Fault::field(place, format!("`{}` stands twice", path.escape_debug())));
        }
        found.insert(path, digests);
    }
    Ok(found)
}

/// Digests by functions that identify content.
pub fn strong(digests: &BTreeMap<String, String>) -> Vec<Digest> {
    let read = |(name, hex): (&String, &String)| Digest::from_hex(Algorithm::from_name(name)?, hex).ok();
    digests.iter().filter_map(read).collect()
}
