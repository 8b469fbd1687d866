//! in-toto resource descriptors: something named by URI, name or digests.

use crate::Fault;
use crate::field::Field;

/// Most resources of one list.
const MAX: usize = 100_000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resource {
    pub name: String,
    pub uri: String,
    /// Function and hexadecimal digits as written.
    pub digests: Vec<(String, String)>,
}

pub(super) fn read(field: &Field<'_>) -> Result<Resource, Fault> {
    Ok(Resource {
        name: field.optional_text("name")?.unwrap_or("").to_owned(),
        uri: field.optional_text("uri")?.unwrap_or("").to_owned(),
        digests: field.optional("digest").map_or_else(|| Ok(Vec::new()), |set| digests(&set))?,
    })
}

pub(super) fn digests(set: &Field<'_>) -> Result<Vec<(String, String)>, Fault> {
    set.object()?
        .iter()
        .map(|(name, value)| {
            let hex = value.as_str().ok_or_else(|| set.fault(format!("`{name}` must be a string")))?;
            Ok((name.clone(), hex.to_owned()))
        })
        .collect()
}

pub(super) fn list(field: &Field<'_>, name: &str) -> Result<Vec<Resource>, Fault> {
    let items = field.list(name)?;
    if items.len() > MAX {
        return Err(field.fault(format!("`{name}` has more than {MAX} items")));
    }
    items.iter().map(read).collect()
}
