//! CycloneDX JSON 1.4 to 1.7 in, 1.6 out (ECMA-424). Writing is deterministic: equal SBOMs are equal bytes.

use std::collections::BTreeSet;

use linkward_model::{Algorithm, Code, Digest};
use serde_json::{Map, Value, json};

use crate::field::Field;
use crate::sbom::{Component, MAX_COMPONENTS, Relation, Sbom, Scope};
use crate::{Claim, Fault};

const VERSIONS: &[&str] = &["1.4", "1.5", "1.6", "1.7"];
const KINDS: &[&str] = &[
    "application",
    "framework",
    "library",
    "container",
    "platform",
    "operating-system",
    "device",
    "device-driver",
    "firmware",
    "file",
    "machine-learning-model",
    "data",
    "cryptographic-asset",
];
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
        if !text.strip_prefix("urn:uuid:").is_some_and(is_uuid) {
            return Err(serial.fault("must be urn:uuid: and a UUID"));
        }
    }
    let metadata = root.optional("metadata");
    let mut reader = Reader { components: Vec::new(), ids: BTreeSet::new() };
    let subject = match metadata.as_ref().and_then(|metadata| metadata.optional("component")) {
        None => None,
        Some(field) => {
            let component = reader.component(&field)?;
            reader.nested(&field, 0)?;
            Some(component)
        }
    };
    reader.list(&root, 0)?;
    let created = match metadata.and_then(|metadata| metadata.optional("timestamp")) {
        None => None,
        Some(field) => Some(field.text()?.parse().map_err(|error| field.fault(format!("{error}")))?),
    };
    Ok(Sbom {
        spec: format!("CycloneDX {}", version.text()?),
        serial: root.optional_text("serialNumber")?.map(str::to_owned),
        created,
        subject,
        relations: relations(&root)?,
        gaps: gaps(&root)?,
        components: reader.components,
    })
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

struct Reader {
    components: Vec<Component>,
    ids: BTreeSet<String>,
}

impl Reader {
    fn list(&mut self, field: &Field<'_>, depth: usize) -> Result<(), Fault> {
        for item in field.list("components")? {
            if self.components.len() >= MAX_COMPONENTS {
                return Err(Fault::new(
                    Code::TooLarge,
                    item.place(),
                    format!("more than {MAX_COMPONENTS} components"),
                ));
            }
            let component = self.component(&item)?;
            self.components.push(component);
            self.nested(&item, depth)?;
        }
        Ok(())
    }

    fn nested(&mut self, field: &Field<'_>, depth: usize) -> Result<(), Fault> {
        if depth >= 32 {
            return Err(Fault::new(Code::TooLarge, field.place(), "components are nested deeper than 32"));
        }
        self.list(field, depth + 1)
    }

    fn component(&mut self, field: &Field<'_>) -> Result<Component, Fault> {
        field.object()?;
        let kind = field.required("type")?;
        if !KINDS.contains(&kind.text()?) {
            return Err(kind.fault(format!("`{}` is not a type of component", kind.text()?)));
        }
        let name = field.required("name")?.text()?;
        let name = match field.optional_text("group")?.filter(|group| !group.is_empty()) {
            Some(group) => format!("{group}/{name}"),
            None => name.to_owned(),
        };
        let id = match field.optional("bom-ref") {
            Some(field) => {
                let id = field.text()?;
                if id.is_empty() || !self.ids.insert(id.to_owned()) {
                    return Err(field.fault(format!("`{id}` is empty or stands twice")));
                }
                id.to_owned()
            }
            None => field.place().to_owned(),
        };
        let purl = match field.optional("purl") {
            Some(field) => Some(field.text()?.parse().map_err(|error| field.fault(format!("{error}")))?),
            None => None,
        };
        let scope = match field.optional("scope") {
            None => None,
            Some(field) => Some(match field.text()? {
                "required" => Scope::Required,
                "optional" => Scope::Optional,
                "excluded" => Scope::Excluded,
                other => return Err(field.fault(format!("`{other}` is not required, optional or excluded"))),
            }),
        };
        Ok(Component {
            id,
            kind: kind.text()?.to_owned(),
            name,
            version: field.optional_text("version")?.filter(|text| !text.is_empty()).map(str::to_owned),
            purl,
            digests: digests(field)?,
            licences: licences(field)?,
            scope,
        })
    }
}

fn digests(field: &Field<'_>) -> Result<Vec<Digest>, Fault> {
    let mut found = Vec::new();
    for item in field.list("hashes")? {
        let content = item.required("content")?;
        let hex = content.text()?.to_ascii_lowercase();
        let sound =
            matches!(hex.len(), 32 | 40 | 64 | 96 | 128) && hex.bytes().all(|b| b.is_ascii_hexdigit());
        if !sound {
            return Err(content.fault("is not a hash in hexadecimal digits"));
        }
        let name = item.required("alg")?;
        let algorithm = match name.text()? {
            "SHA-256" => Algorithm::Sha256,
            "SHA-384" => Algorithm::Sha384,
            "SHA-512" => Algorithm::Sha512,
            _ => continue,
        };
        found.push(Digest::from_hex(algorithm, &hex).map_err(|error| content.fault(error.to_string()))?);
    }
    Ok(found)
}

fn licences(field: &Field<'_>) -> Result<Vec<String>, Fault> {
    let mut found = Vec::new();
    for item in field.list("licenses")? {
        item.object()?;
        let text = match (item.optional("expression"), item.optional("license")) {
            (Some(expression), None) => expression.text()?,
            (None, Some(licence)) => match licence.optional("id").or_else(|| licence.optional("name")) {
                Some(field) => field.text()?,
                None => return Err(licence.fault("has neither `id` nor `name`")),
            },
            _ => return Err(item.fault("must have either `license` or `expression`")),
        };
        found.push(text.to_owned());
    }
    Ok(found)
}

fn relations(root: &Field<'_>) -> Result<Vec<Relation>, Fault> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for item in root.list("dependencies")? {
        let from = item.required("ref")?;
        if !seen.insert(from.text()?) {
            return Err(from.fault(format!("`{}` stands twice", from.text()?)));
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

/// CycloneDX 1.6 JSON with a line feed at the end. Components and relations are sorted; the serial number is made
/// from the content, so that the same tree gives the same bytes on any machine.
pub fn write(sbom: &Sbom) -> Vec<u8> {
    let mut components: Vec<&Component> = sbom.components.iter().collect();
    components.sort_by(|a, b| a.id.cmp(&b.id));
    let mut relations: Vec<(String, Vec<String>)> = sbom
        .relations
        .iter()
        .map(|relation| {
            let mut to = relation.to.clone();
            to.sort();
            to.dedup();
            (relation.from.clone(), to)
        })
        .collect();
    relations.sort();
    let mut metadata = Map::new();
    if let Some(created) = sbom.created {
        metadata.insert("timestamp".to_owned(), json!(created));
    }
    let tool = json!({ "type": "application", "name": "linkward", "version": env!("CARGO_PKG_VERSION") });
    metadata.insert("tools".to_owned(), json!({ "components": [tool] }));
    if let Some(subject) = &sbom.subject {
        metadata.insert("component".to_owned(), component(subject));
    }
    let complete = if sbom.gaps.is_empty() { "complete" } else { "incomplete" };
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": metadata,
        "components": components.into_iter().map(component).collect::<Vec<_>>(),
        "dependencies": relations
            .iter()
            .map(|(from, to)| json!({ "ref": from, "dependsOn": to }))
            .collect::<Vec<_>>(),
        "compositions": [{ "aggregate": complete }],
    });
    if !sbom.gaps.is_empty() {
        let gaps: Vec<_> =
            sbom.gaps.iter().map(|gap| json!({ "name": "linkward:gap", "value": gap })).collect();
        document["properties"] = gaps.into();
    }
    let serial = sbom.serial.clone().unwrap_or_else(|| serial(&document));
    document["serialNumber"] = serial.into();
    let mut bytes = serde_json::to_vec_pretty(&document).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// A UUID of version 8 (RFC 9562): our own bits, here the content's SHA-256.
fn serial(document: &Value) -> String {
    let hex = Digest::sha256(document.to_string().as_bytes()).hex();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or("0");
    format!("urn:uuid:{}-{}-8{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

fn component(component: &Component) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| {
        object.insert(name.to_owned(), value);
    };
    put("type", json!(component.kind));
    put("bom-ref", json!(component.id));
    put("name", json!(component.name));
    if let Some(version) = &component.version {
        put("version", json!(version));
    }
    if let Some(purl) = &component.purl {
        put("purl", json!(purl));
    }
    if let Some(scope) = component.scope {
        put(
            "scope",
            json!(match scope {
                Scope::Required => "required",
                Scope::Optional => "optional",
                Scope::Excluded => "excluded",
            }),
        );
    }
    if !component.digests.is_empty() {
        let mut digests = component.digests.clone();
        digests.sort();
        digests.dedup();
        let hashes: Vec<_> = digests
            .iter()
            .map(|digest| {
                let name = match digest.algorithm() {
                    Algorithm::Sha256 => "SHA-256",
                    Algorithm::Sha384 => "SHA-384",
                    Algorithm::Sha512 => "SHA-512",
                };
                json!({ "alg": name, "content": digest.hex() })
            })
            .collect();
        put("hashes", hashes.into());
    }
    if !component.licences.is_empty() {
        let licences: Vec<_> =
            component.licences.iter().map(|text| json!({ "license": { "name": text } })).collect();
        put("licenses", licences.into());
    }
    object.into()
}
