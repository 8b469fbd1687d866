//! CycloneDX 1.0 to 1.7, JSON and XML in, 1.6 JSON out (ECMA-424).
//!
//! Both syntaxes become one JSON tree that is read here and held against the schema's rules in `rules`. A document that
//! its schema refuses is refused whole: what a lenient reader skips is where a component hides.

mod rules;
mod write;
pub mod xml;

use std::collections::BTreeSet;

use linkward_model::{Algorithm, Code, Digest};
use serde_json::Value;

use crate::field::Field;
use crate::sbom::{Component, MAX_COMPONENTS, Occurrence, Relation, Sbom, Scope};
use crate::{Claim, Fault};

pub use write::{losses, write};

const VERSIONS: &[&str] = &["1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7"];
/// Members of the document that the specification names, 1.4 to 1.7.
const MEMBERS: &[&str] = &[
    "$schema",
    "bomFormat",
    "specVersion",
    "serialNumber",
    "version",
    "metadata",
    "components",
    "services",
    "externalReferences",
    "dependencies",
    "compositions",
    "vulnerabilities",
    "annotations",
    "formulation",
    "declarations",
    "definitions",
    "citations",
    "properties",
    "signature",
];

pub(crate) struct Format;

impl crate::Format for Format {
    fn name(&self) -> &'static str {
        "CycloneDX"
    }

    fn recognise(&self, document: &Value) -> bool {
        document.get("bomFormat").is_some() || document.get("specVersion").is_some()
    }

    fn parse(&self, document: &Value) -> Result<Claim, Fault> {
        read(document).map(Claim::Sbom)
    }
}

/// # Errors
/// Not a valid document; the fault says where.
pub fn read(document: &Value) -> Result<Sbom, Fault> {
    let root = Field::root(document);
    let format = root.required("bomFormat")?;
    if format.text()? != "CycloneDX" {
        return Err(format.fault("must be `CycloneDX`"));
    }
    let version = root.required("specVersion")?;
    if !VERSIONS.contains(&version.text()?) {
        let message = format!("`{}` is not one of {}", version.text()?, VERSIONS.join(", "));
        return Err(Fault::new(Code::UnsupportedVersion, version.place(), message));
    }
    if let Some(unknown) = root.object()?.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        return Err(root.fault(format!("`{unknown}` is not a member of a CycloneDX document")));
    }
    if let Some(serial) = root.optional("serialNumber") {
        let text = serial.text()?;
        let braced = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
        if !text.strip_prefix("urn:uuid:").or(braced).is_some_and(is_uuid) {
            return Err(serial.fault("must be urn:uuid: and a UUID"));
        }
    }
    let version_index = VERSIONS.iter().position(|known| Ok(*known) == version.text()).unwrap_or_default();
    rules::check(document, version_index)?;
    let metadata = root.optional("metadata");
    let mut reader = Reader { sbom: Sbom::default(), ids: BTreeSet::new() };
    let subject = match metadata.as_ref().and_then(|metadata| metadata.optional("component")) {
        None => None,
        Some(field) => {
            let component = reader.component(&field)?;
            reader.nested(&field, &component.id, 0)?;
            Some(component)
        }
    };
    reader.list(&root, None, 0)?;
    reader.services(&root)?;
    let created = match metadata.as_ref().and_then(|metadata| metadata.optional("timestamp")) {
        None => None,
        Some(field) => Some(rules::instant(&field)?),
    };
    let mut sbom = reader.sbom;
    unread(&root, "", CARRIED, &mut sbom)?;
    if let Some(metadata) = &metadata {
        unread(metadata, "metadata.", &["timestamp", "component", "tools"], &mut sbom)?;
    }
    sbom.spec = format!("CycloneDX {}", version.text()?);
    sbom.serial = root.optional_text("serialNumber")?.map(str::to_owned);
    sbom.created = created;
    sbom.subject = subject;
    sbom.relations = relations(&root)?;
    sbom.gaps.extend(gaps(&root)?);
    for item in root.list("properties")? {
        let name = item.optional_text("name")?.and_then(|name| name.strip_prefix("linkward:"));
        if let (Some(name), Some(value)) = (name, item.optional_text("value")?)
            && name != "gap"
        {
            sbom.notes.insert(name.to_owned(), value.to_owned());
        }
    }
    Ok(sbom)
}

/// Members of the document that an [`Sbom`] carries.
const CARRIED: &[&str] = &[
    "$schema",
    "bomFormat",
    "specVersion",
    "serialNumber",
    "version",
    "metadata",
    "components",
    "dependencies",
    "compositions",
    "properties",
];
/// Members of a component that an [`Sbom`] carries.
const CARRIED_COMPONENT: &[&str] = &[
    "type",
    "bom-ref",
    "group",
    "name",
    "version",
    "purl",
    "scope",
    "hashes",
    "licenses",
    "components",
    "evidence",
];

/// Counts what is not carried.
fn unread(field: &Field<'_>, prefix: &str, carried: &[&str], sbom: &mut Sbom) -> Result<(), Fault> {
    for name in field.object()?.keys().filter(|name| !carried.contains(&name.as_str())) {
        sbom.pass_over(format!("{prefix}{name}"));
    }
    Ok(())
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

struct Reader {
    sbom: Sbom,
    ids: BTreeSet<String>,
}

impl Reader {
    fn list(&mut self, field: &Field<'_>, holder: Option<&str>, depth: usize) -> Result<(), Fault> {
        let mut held = Vec::new();
        for item in field.list("components")? {
            if self.sbom.components.len() >= MAX_COMPONENTS {
                let message = format!("more than {MAX_COMPONENTS} components");
                return Err(Fault::new(Code::TooLarge, item.place(), message));
            }
            let component = self.component(&item)?;
            let id = component.id.clone();
            self.sbom.components.push(component);
            self.nested(&item, &id, depth)?;
            held.push(id);
        }
        if let Some(holder) = holder.filter(|_| !held.is_empty()) {
            self.sbom.contains.push(Relation { from: holder.to_owned(), to: held });
        }
        Ok(())
    }

    fn nested(&mut self, field: &Field<'_>, id: &str, depth: usize) -> Result<(), Fault> {
        if depth >= 32 {
            return Err(Fault::new(Code::TooLarge, field.place(), "components are nested deeper than 32"));
        }
        self.list(field, Some(id), depth + 1)
    }

    /// Services are not carried, but share the space of references with components.
    fn services(&mut self, root: &Field<'_>) -> Result<(), Fault> {
        root.list("services")?.iter().try_for_each(|item| self.reference(item).map(drop))
    }

    fn reference(&mut self, field: &Field<'_>) -> Result<Option<String>, Fault> {
        let Some(field) = field.optional("bom-ref") else { return Ok(None) };
        let id = field.text()?;
        if id.is_empty() || !self.ids.insert(id.to_owned()) {
            return Err(field.fault(format!("`{id}` is empty or stands twice")));
        }
        Ok(Some(id.to_owned()))
    }

    fn component(&mut self, field: &Field<'_>) -> Result<Component, Fault> {
        let name = field.required("name")?.text()?;
        let name = match field.optional_text("group")?.filter(|group| !group.is_empty()) {
            Some(group) => format!("{group}/{name}"),
            None => name.to_owned(),
        };
        let id = self.reference(field)?.unwrap_or_else(|| field.place().to_owned());
        let purl = match field.optional("purl") {
            None => None,
            Some(field) => match field.text()?.parse() {
                Ok(purl) => Some(purl),
                Err(error) => {
                    // The schema lets any text stand here: the component counts, as one that cannot be looked up.
                    self.sbom.gaps.push(format!("{}: {error}", field.place()));
                    None
                }
            },
        };
        let scope = match field.optional_text("scope")? {
            Some("required") => Some(Scope::Required),
            Some("optional") => Some(Scope::Optional),
            Some("excluded") => Some(Scope::Excluded),
            _ => None,
        };
        let (digests, other_hashes) = digests(field)?;
        unread(field, "component.", CARRIED_COMPONENT, &mut self.sbom)?;
        Ok(Component {
            id,
            kind: field.required("type")?.text()?.to_owned(),
            name,
            version: field.optional_text("version")?.filter(|text| !text.is_empty()).map(str::to_owned),
            purl,
            digests,
            other_hashes,
            licences: licences(field)?,
            scope,
            occurrences: self.occurrences(field)?,
        })
    }

    /// Where the component was seen; other evidence of it is not carried.
    fn occurrences(&mut self, field: &Field<'_>) -> Result<Vec<Occurrence>, Fault> {
        let Some(evidence) = field.optional("evidence") else { return Ok(Vec::new()) };
        unread(&evidence, "component.evidence.", &["occurrences"], &mut self.sbom)?;
        let mut found = Vec::new();
        for item in evidence.list("occurrences")? {
            unread(
                &item,
                "component.evidence.occurrences.",
                &["location", "additionalContext"],
                &mut self.sbom,
            )?;
            found.push(Occurrence {
                location: item.required("location")?.text()?.to_owned(),
                context: item.optional_text("additionalContext")?.map(str::to_owned),
            });
        }
        Ok(found)
    }
}

type Hashes = (Vec<Digest>, Vec<(String, String)>);

fn digests(field: &Field<'_>) -> Result<Hashes, Fault> {
    let (mut found, mut others) = (Vec::new(), Vec::new());
    for item in field.list("hashes")? {
        let content = item.required("content")?;
        let hex = content.text()?.to_ascii_lowercase();
        let name = item.required("alg")?.text()?;
        let algorithm = match name {
            "SHA-256" => Algorithm::Sha256,
            "SHA-384" => Algorithm::Sha384,
            "SHA-512" => Algorithm::Sha512,
            _ => {
                others.push((name.to_owned(), hex));
                continue;
            }
        };
        found.push(Digest::from_hex(algorithm, &hex).map_err(|error| content.fault(error.to_string()))?);
    }
    Ok((found, others))
}

fn licences(field: &Field<'_>) -> Result<Vec<String>, Fault> {
    let mut found = Vec::new();
    for item in field.list("licenses")? {
        let text = match (item.optional("expression"), item.optional("license")) {
            (Some(expression), _) => Some(expression),
            (None, licence) => {
                licence.and_then(|licence| licence.optional("id").or_else(|| licence.optional("name")))
            }
        };
        found.extend(text.map(|field| field.text().map(str::to_owned)).transpose()?);
    }
    Ok(found)
}

fn relations(root: &Field<'_>) -> Result<Vec<Relation>, Fault> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for item in root.list("dependencies")? {
        let from = item.required("ref")?;
        if from.text()?.is_empty() || !seen.insert(from.text()?) {
            return Err(from.fault(format!("`{}` is empty or stands twice", from.text()?)));
        }
        let to = item.list("dependsOn")?;
        let to = to.iter().map(|field| field.text().map(str::to_owned)).collect::<Result<_, _>>()?;
        found.push(Relation { from: from.text()?.to_owned(), to });
    }
    Ok(found)
}

/// Compositions say what is known to be incomplete.
fn gaps(root: &Field<'_>) -> Result<Vec<String>, Fault> {
    let mut found = Vec::new();
    for item in root.list("compositions")? {
        let aggregate = item.required("aggregate")?;
        if aggregate.text()?.starts_with("incomplete") {
            found.push(format!("the author says: {}", aggregate.text()?));
        }
    }
    for item in root.list("properties")? {
        if item.optional_text("name")? == Some("linkward:gap") {
            found.extend(item.optional_text("value")?.map(str::to_owned));
        }
    }
    Ok(found)
}

/// Never inlined: the crate's list is a constant, and each place that it is inlined into would carry the whole of it.
#[inline(never)]
fn on_the_spdx_list(id: &str) -> bool {
    spdx::license_id(id).is_some()
}
