//! SPDX 3.0 as JSON-LD: a graph of elements. Read in the form that the specification publishes, one `@graph` with the
//! names of its context; other shapes of the same triples are refused, not guessed at.

use std::collections::{BTreeMap, BTreeSet};

use linkward_model::{Code, Purl};
use serde_json::Value;

use super::{Edges, HASHES, Hashes, take_subject};
use crate::Fault;
use crate::field::Field;
use crate::sbom::{Component, MAX_COMPONENTS, Sbom};

const CONTEXT: &str = "https://spdx.org/rdf/3.";

/// Elements that say something about others and are read where those are, or carry no component.
const QUIET: &[&str] = &[
    "CreationInfo",
    "SpdxDocument",
    "software_Sbom",
    "Tool",
    "Organization",
    "Person",
    "SoftwareAgent",
    "Agent",
];

pub(crate) fn recognise(document: &Value) -> bool {
    let spdx = |value: &Value| value.as_str().is_some_and(|text| text.starts_with(CONTEXT));
    match document.get("@context") {
        Some(Value::Array(items)) => items.iter().any(spdx),
        Some(value) => spdx(value),
        None => false,
    }
}

/// # Errors
/// Not a valid document; the fault says where.
pub fn read(document: &Value) -> Result<Sbom, Fault> {
    let root = Field::root(document);
    let elements = root.required("@graph")?.items()?;
    if elements.len() > 4 * MAX_COMPONENTS {
        return Err(Fault::new(
            Code::TooLarge,
            "$.@graph",
            format!("more than {} elements", 4 * MAX_COMPONENTS),
        ));
    }
    let mut reader = Reader::default();
    for field in &elements {
        reader.element(field)?;
    }
    // Relations may stand before what they speak of.
    for field in elements.iter().filter(|field| kind(field).is_ok_and(is_relationship)) {
        reader.relationship(field)?;
    }
    if reader.documents != 1 {
        return Err(root
            .fault(format!("holds {} elements of type SpdxDocument; there must be one", reader.documents)));
    }
    let Reader { mut sbom, edges, described, .. } = reader;
    edges.into_sbom(&mut sbom);
    take_subject(&mut sbom, &described);
    Ok(sbom)
}

fn kind<'a>(field: &Field<'a>) -> Result<&'a str, Fault> {
    field.optional("type").map_or_else(|| field.required("@type"), Ok)?.text()
}

fn is_relationship(kind: &str) -> bool {
    matches!(kind, "Relationship" | "LifecycleScopedRelationship")
}

#[derive(Default)]
struct Reader {
    sbom: Sbom,
    edges: Edges,
    described: BTreeSet<String>,
    documents: usize,
    ids: BTreeSet<String>,
    /// Positions of components by id.
    components: BTreeMap<String, usize>,
    licences: BTreeMap<String, String>,
}

impl Reader {
    fn element(&mut self, field: &Field<'_>) -> Result<(), Fault> {
        let kind = kind(field)?;
        if kind == "CreationInfo" {
            return self.creation(field);
        }
        let id = match field.optional("spdxId") {
            Some(id) => id,
            None => field.required("@id")?,
        };
        if !self.ids.insert(id.text()?.to_owned()) {
            return Err(id.fault(format!("`{}` stands twice", id.text()?)));
        }
        match kind {
            "SpdxDocument" => {
                self.documents += 1;
                self.sbom.serial = Some(id.text()?.to_owned());
                self.roots(field)?;
            }
            "software_Sbom" => self.roots(field)?,
            "software_Package" => {
                let component = self.package(field, id.text()?)?;
                self.components.insert(component.id.clone(), self.sbom.components.len());
                self.sbom.components.push(component);
            }
            "simplelicensing_LicenseExpression" => {
                let text = field.required("simplelicensing_licenseExpression")?.text()?;
                self.licences.insert(id.text()?.to_owned(), text.to_owned());
            }
            _ if is_relationship(kind) || QUIET.contains(&kind) => {}
            _ => self.sbom.pass_over(kind),
        }
        Ok(())
    }

    fn creation(&mut self, field: &Field<'_>) -> Result<(), Fault> {
        let version = field.required("specVersion")?;
        if !version.text()?.starts_with("3.0") {
            let message = format!("`{}` is not SPDX 3.0", version.text()?);
            return Err(Fault::new(Code::UnsupportedVersion, version.place(), message));
        }
        let created = field.required("created")?;
        let time = created.text()?.parse().map_err(|error| created.fault(format!("{error}")))?;
        self.sbom.created = self.sbom.created.or(Some(time));
        self.sbom.spec = format!("SPDX-{}", version.text()?);
        Ok(())
    }

    /// A document's root may be an SBOM, whose roots are what is described.
    fn roots(&mut self, field: &Field<'_>) -> Result<(), Fault> {
        for root in field.list("rootElement")? {
            self.described.insert(root.text()?.to_owned());
        }
        if kind(field)? == "software_Sbom" {
            let own = field.optional_text("spdxId")?.unwrap_or_default();
            self.described.remove(own);
        }
        Ok(())
    }

    fn package(&mut self, field: &Field<'_>, id: &str) -> Result<Component, Fault> {
        let mut purls: Vec<Field<'_>> = field.optional("software_packageUrl").into_iter().collect();
        for item in field.list("externalIdentifier")? {
            match item.required("externalIdentifierType")?.text()? {
                "packageUrl" => purls.push(item.required("identifier")?),
                other => self.sbom.pass_over(format!("externalIdentifier.{other}")),
            }
        }
        let mut purl: Option<Purl> = None;
        for found in purls {
            match found.text()?.parse() {
                Ok(parsed) => purl = purl.or(Some(parsed)),
                Err(error) => self.sbom.gaps.push(format!("{}: {error}", found.place())),
            }
        }
        let mut hashes = Hashes::default();
        for item in field.list("verifiedUsing")? {
            if kind(&item)? != "Hash" {
                self.sbom.pass_over(format!("verifiedUsing.{}", kind(&item)?));
                continue;
            }
            let name = item.required("algorithm")?;
            match HASHES.iter().find(|(_, known, ..)| Ok(*known) == name.text()) {
                Some((_, _, spelling, length)) => {
                    hashes.add(spelling, *length, &item.required("hashValue")?)?
                }
                None => self.sbom.pass_over(format!("verifiedUsing.{}", name.text()?)),
            }
        }
        let kind = match field.optional_text("software_primaryPurpose")? {
            Some("operatingSystem") => "operating-system",
            Some("model") => "machine-learning-model",
            Some("deviceDriver") => "device-driver",
            Some(
                known @ ("application" | "framework" | "library" | "container" | "device" | "firmware"
                | "file" | "platform" | "data"),
            ) => known,
            Some(other) => {
                self.sbom.pass_over(format!("software_primaryPurpose {other}"));
                "library"
            }
            None => "library",
        };
        Ok(Component {
            id: id.to_owned(),
            kind: kind.to_owned(),
            name: field.required("name")?.text()?.to_owned(),
            version: field
                .optional_text("software_packageVersion")?
                .filter(|text| !text.is_empty())
                .map(str::to_owned),
            purl,
            digests: hashes.digests,
            other_hashes: hashes.others,
            licences: Vec::new(),
            scope: None,
            occurrences: Vec::new(),
        })
    }

    fn relationship(&mut self, field: &Field<'_>) -> Result<(), Fault> {
        let from = field.required("from")?.text()?;
        let kind = field.required("relationshipType")?;
        for to in field.required("to")?.items()? {
            let to = to.text()?;
            match kind.text()? {
                "dependsOn" => self.edges.depends(from, to),
                "contains" => self.edges.contains(from, to),
                "describes" => {
                    self.described.insert(to.to_owned());
                }
                "hasConcludedLicense" | "hasDeclaredLicense" => self.licence(from, to, kind.text()?),
                other => self.sbom.pass_over(format!("relationship {other}")),
            }
        }
        Ok(())
    }

    /// What was concluded counts before what was declared.
    fn licence(&mut self, from: &str, to: &str, kind: &str) {
        let known = self.components.get(from).and_then(|index| self.sbom.components.get_mut(*index));
        match (known, self.licences.get(to)) {
            (Some(component), Some(text))
                if component.licences.is_empty() || kind == "hasConcludedLicense" =>
            {
                component.licences = vec![text.clone()];
            }
            _ => self.sbom.pass_over(kind),
        }
    }
}
