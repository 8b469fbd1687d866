//! SPDX 2.3 JSON (ISO/IEC 5962): packages and their relationships.

use std::collections::{BTreeMap, BTreeSet};

use linkward_model::{Algorithm, Code, Digest};
use serde_json::Value;

use crate::field::Field;
use crate::sbom::{Component, MAX_COMPONENTS, Relation, Sbom};
use crate::{Claim, Fault};

pub(crate) struct Format;

impl crate::Format for Format {
    fn name(&self) -> &'static str {
        "SPDX"
    }

    fn recognise(&self, document: &Value) -> bool {
        document.get("spdxVersion").is_some()
    }

    fn parse(&self, document: &Value) -> Result<Claim, Fault> {
        read(document).map(Claim::Sbom)
    }
}

/// # Errors
/// Not a valid document; the fault says where.
pub fn read(document: &Value) -> Result<Sbom, Fault> {
    let root = Field::root(document);
    let version = root.required("spdxVersion")?;
    if version.text()? != "SPDX-2.3" {
        let message = format!("`{}` is not SPDX-2.3", version.text()?);
        return Err(Fault::new(Code::UnsupportedVersion, version.place(), message));
    }
    let own = root.required("SPDXID")?;
    if own.text()? != "SPDXRef-DOCUMENT" {
        return Err(own.fault("must be SPDXRef-DOCUMENT"));
    }
    for name in ["name", "dataLicense", "documentNamespace"] {
        root.required(name)?.text()?;
    }
    let info = root.required("creationInfo")?;
    let created = info.required("created")?;
    let time = created.text()?.parse().map_err(|error| created.fault(format!("{error}")))?;
    let packages = root.list("packages")?;
    if packages.len() > MAX_COMPONENTS {
        return Err(Fault::new(Code::TooLarge, "$.packages", format!("more than {MAX_COMPONENTS} packages")));
    }
    let mut ids = BTreeSet::new();
    let mut components =
        packages.iter().map(|field| package(field, &mut ids)).collect::<Result<Vec<_>, _>>()?;
    let (relations, mut described) = relationships(&root)?;
    described.extend(
        root.list("documentDescribes")?
            .iter()
            .map(|field| field.text().map(str::to_owned))
            .collect::<Result<Vec<_>, _>>()?,
    );
    let subject = components
        .iter()
        .position(|component| described.contains(&component.id))
        .filter(|_| described.len() == 1)
        .map(|index| components.remove(index));
    Ok(Sbom {
        spec: "SPDX-2.3".to_owned(),
        serial: root.optional_text("documentNamespace")?.map(str::to_owned),
        created: Some(time),
        subject,
        components,
        relations,
        ..Sbom::default()
    })
}

fn package(field: &Field<'_>, ids: &mut BTreeSet<String>) -> Result<Component, Fault> {
    let id = field.required("SPDXID")?;
    let text = id.text()?;
    if !text.starts_with("SPDXRef-") || !ids.insert(text.to_owned()) {
        return Err(id.fault(format!("`{text}` must start with SPDXRef- and stand once")));
    }
    field.required("downloadLocation")?.text()?;
    let mut purl = None;
    for reference in field.list("externalRefs")? {
        if reference.required("referenceType")?.text()? == "purl" {
            let locator = reference.required("referenceLocator")?;
            purl = Some(locator.text()?.parse().map_err(|error| locator.fault(format!("{error}")))?);
        }
    }
    let mut digests = Vec::new();
    for item in field.list("checksums")? {
        let value = item.required("checksumValue")?;
        let algorithm = match item.required("algorithm")?.text()? {
            "SHA256" => Algorithm::Sha256,
            "SHA384" => Algorithm::Sha384,
            "SHA512" => Algorithm::Sha512,
            _ => continue,
        };
        let hex = value.text()?.to_ascii_lowercase();
        digests.push(Digest::from_hex(algorithm, &hex).map_err(|error| value.fault(error.to_string()))?);
    }
    let stated = |name: &str| -> Result<Option<String>, Fault> {
        Ok(field
            .optional_text(name)?
            .filter(|text| !matches!(*text, "" | "NOASSERTION" | "NONE"))
            .map(str::to_owned))
    };
    let licence = match stated("licenseConcluded")? {
        Some(licence) => Some(licence),
        None => stated("licenseDeclared")?,
    };
    let kind = field.optional_text("primaryPackagePurpose")?.unwrap_or("LIBRARY").to_ascii_lowercase();
    Ok(Component {
        id: text.to_owned(),
        kind,
        name: field.required("name")?.text()?.to_owned(),
        version: stated("versionInfo")?,
        purl,
        digests,
        other_hashes: Vec::new(),
        licences: licence.into_iter().collect(),
        scope: None,
    })
}

/// Dependencies by component, and what the document describes.
fn relationships(root: &Field<'_>) -> Result<(Vec<Relation>, BTreeSet<String>), Fault> {
    let mut below: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut described = BTreeSet::new();
    for item in root.list("relationships")? {
        let from = item.required("spdxElementId")?.text()?.to_owned();
        let to = item.required("relatedSpdxElement")?.text()?.to_owned();
        match item.required("relationshipType")?.text()? {
            "DEPENDS_ON" | "CONTAINS" => {
                below.entry(from).or_default().insert(to);
            }
            "DEPENDENCY_OF"
            | "CONTAINED_BY"
            | "DEV_DEPENDENCY_OF"
            | "BUILD_DEPENDENCY_OF"
            | "RUNTIME_DEPENDENCY_OF" => {
                below.entry(to).or_default().insert(from);
            }
            "DESCRIBES" => {
                described.insert(to);
            }
            "DESCRIBED_BY" => {
                described.insert(from);
            }
            _ => {}
        }
    }
    let relations =
        below.into_iter().map(|(from, to)| Relation { from, to: to.into_iter().collect() }).collect();
    Ok((relations, described))
}
