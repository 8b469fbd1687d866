//! Releases v0.1: the subjects are the artifacts of one release of a package.

use super::Predicate;
use crate::Fault;
use crate::field::Field;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    pub purl: String,
    pub id: Option<String>,
}

pub(super) fn read(field: &Field<'_>) -> Result<Predicate, Fault> {
    let purl = field.required("purl")?;
    let text = purl.text()?;
    if !text.starts_with("pkg:") {
        return Err(purl.fault("is not a package URL"));
    }
    Ok(Predicate::Release(Release {
        purl: text.to_owned(),
        id: field.optional_text("releaseId")?.map(str::to_owned),
    }))
}
