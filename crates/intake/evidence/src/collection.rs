//! Documents that hold several attestations: what npm and GitHub answer for a package or artifact, PEP 740 provenance
//! objects, and files of one bundle a line. Each part is a document of its own, and is proven and recorded as such.

use serde_json::Value;

use crate::Fault;
use crate::field::Field;
use linkward_model::Code;

/// Most documents of one collection.
const MAX: usize = 1000;

/// The parts, each as JSON text; `None` where this is no collection.
///
/// # Errors
/// It is a collection, but a part is missing or there are too many.
pub fn split(bytes: &[u8]) -> Result<Option<Vec<String>>, Fault> {
    if let Some(lines) = lines(bytes)? {
        return Ok(Some(lines));
    }
    let Ok(document) = crate::json(bytes) else { return Ok(None) };
    let root = Field::root(&document);
    let parts = if root.optional("attestation_bundles").is_some() {
        let mut parts = Vec::new();
        for publisher in root.list("attestation_bundles")? {
            parts.extend(publisher.required("attestations")?.items()?);
        }
        parts
    } else if root.optional("attestations").is_some() {
        root.list("attestations")?.iter().map(|item| item.required("bundle")).collect::<Result<_, _>>()?
    } else {
        return Ok(None);
    };
    bounded(parts.len(), root.place())?;
    Ok(Some(parts.iter().map(|part| part.value().to_string()).collect()))
}

/// Two or more lines, each a JSON object.
fn lines(bytes: &[u8]) -> Result<Option<Vec<String>>, Fault> {
    let Ok(text) = std::str::from_utf8(bytes) else { return Ok(None) };
    let found: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let object = |line: &&str| line.starts_with('{') && line.trim_end().ends_with('}');
    if found.len() < 2 || !found.iter().all(object) {
        return Ok(None);
    }
    bounded(found.len(), "line 1")?;
    if found.iter().any(|line| !matches!(crate::json(line.as_bytes()), Ok(Value::Object(_)))) {
        return Ok(None);
    }
    Ok(Some(found.into_iter().map(str::to_owned).collect()))
}

fn bounded(count: usize, place: &str) -> Result<(), Fault> {
    match count {
        0 => Err(Fault::new(Code::NoSignature, place, "holds no attestation")),
        1..=MAX => Ok(()),
        _ => Err(Fault::new(Code::TooLarge, place, format!("holds more than {MAX} attestations"))),
    }
}
