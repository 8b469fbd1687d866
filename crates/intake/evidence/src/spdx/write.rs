//! Writing SPDX 2.3 JSON. Deterministic: equal SBOMs are equal bytes.

use std::collections::{BTreeMap, BTreeSet};

use linkward_model::{Algorithm, Digest, Instant};
use serde_json::{Map, Value, json};

use super::{HASHES, PURPOSES};
use crate::sbom::{Component, Sbom};

/// SPDX 2.3 JSON with a line feed at the end. `now` is the time of creation where the SBOM does not say one, as SPDX
/// cannot do without.
pub fn write(sbom: &Sbom, now: Instant) -> Vec<u8> {
    let mut names = Names::default();
    let all: Vec<&Component> = sbom.subject.iter().chain(&sbom.components).collect();
    let ids: BTreeMap<&str, String> =
        all.iter().map(|component| (component.id.as_str(), names.unique(component))).collect();
    let mut extracted = Extracted::default();
    let mut packages: Vec<Value> =
        all.iter().map(|component| package(component, &ids, &mut extracted)).collect();
    packages.sort_by(|a, b| a["SPDXID"].as_str().cmp(&b["SPDXID"].as_str()));
    let relation = |from: &str, kind: &str, to: &str| json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to });
    let mut relations = BTreeSet::new();
    for (list, kind) in [(&sbom.relations, "DEPENDS_ON"), (&sbom.contains, "CONTAINS")] {
        for edge in list {
            for to in &edge.to {
                if let (Some(from), Some(to)) = (ids.get(edge.from.as_str()), ids.get(to.as_str())) {
                    relations.insert((from.as_str(), kind, to.as_str()));
                }
            }
        }
    }
    let mut relationships: Vec<Value> =
        relations.into_iter().map(|(from, kind, to)| relation(from, kind, to)).collect();
    if let Some(subject) = sbom.subject.as_ref().and_then(|subject| ids.get(subject.id.as_str())) {
        relationships.insert(0, relation("SPDXRef-DOCUMENT", "DESCRIBES", subject));
    }
    let created = sbom.created.unwrap_or(now);
    let tool = format!("Tool: linkward-{}", env!("CARGO_PKG_VERSION"));
    let name = sbom.subject.as_ref().map_or("sbom", |subject| subject.name.as_str());
    let mut document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "creationInfo": { "created": created, "creators": [&tool] },
        "packages": packages,
        "relationships": relationships,
    });
    if !extracted.licences.is_empty() {
        document["hasExtractedLicensingInfos"] = extracted.into_value();
    }
    if !sbom.gaps.is_empty() {
        let note = |gap: &String| json!({ "annotationType": "OTHER", "annotator": &tool, "annotationDate": created, "comment": format!("linkward:gap {gap}") });
        document["annotations"] = sbom.gaps.iter().map(note).collect();
    }
    let given = sbom.serial.clone().filter(|serial| !serial.contains('#') && serial.contains(':'));
    let serial = given.unwrap_or_else(|| crate::sbom::serial(&document));
    document["documentNamespace"] = serial.into();
    let mut bytes = serde_json::to_vec_pretty(&document).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// What this form cannot say of the SBOM: what, and how often.
pub fn losses(sbom: &Sbom) -> BTreeMap<String, usize> {
    let mut lost = BTreeMap::new();
    let mut note = |what: String| *lost.entry(what).or_insert(0) += 1;
    let all: Vec<&Component> = sbom.subject.iter().chain(&sbom.components).collect();
    let known: BTreeSet<&str> = all.iter().map(|component| component.id.as_str()).collect();
    for component in all {
        if let Some(scope) = component.scope {
            note(format!("component.scope {scope:?}").to_ascii_lowercase());
        }
        if !PURPOSES.iter().any(|(_, kind)| *kind == component.kind) {
            note(format!("component.type {} (written as OTHER)", component.kind));
        }
        for (name, _) in &component.other_hashes {
            if !HASHES.iter().any(|(_, _, spelling, _)| spelling == name) {
                note(format!("component.hashes {name}"));
            }
        }
        if !component.occurrences.is_empty() {
            note("component.evidence.occurrences".to_owned());
        }
        if component.licences.len() > 1 {
            note("component.licenses as a list (written as one expression with AND)".to_owned());
        }
    }
    sbom.notes.keys().for_each(|name| note(format!("properties linkward:{name}")));
    for edge in sbom.relations.iter().chain(&sbom.contains) {
        let ends = edge.to.iter().map(String::as_str);
        let missing = ends.filter(|to| !known.contains(to) || !known.contains(edge.from.as_str())).count();
        (0..missing).for_each(|_| note("relations of what is no component".to_owned()));
    }
    lost
}

/// SPDX ids: letters, digits, `.` and `-` alone, each once.
#[derive(Default)]
struct Names {
    taken: BTreeSet<String>,
}

impl Names {
    fn unique(&mut self, component: &Component) -> String {
        let text = component.id.strip_prefix("SPDXRef-").unwrap_or(&component.id);
        let plain: String = text
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
            .take(128)
            .collect();
        let mut id = format!("SPDXRef-{plain}");
        if plain.is_empty() || plain != text || self.taken.contains(&id) {
            // The spelling lost something: the digest of the whole keeps different ids apart.
            let hex = Digest::sha256(component.id.as_bytes()).hex();
            id = format!("{id}-{}", hex.get(..12).unwrap_or(&hex));
        }
        self.taken.insert(id.clone());
        id
    }
}

/// Licences that are not on the SPDX list, by the reference that the document gives them.
#[derive(Default)]
struct Extracted {
    licences: Vec<String>,
}

impl Extracted {
    fn expression(&mut self, licences: &[String]) -> String {
        let parts: Vec<String> = licences
            .iter()
            .map(|text| match spdx::Expression::parse(text) {
                Ok(_) if licences.len() > 1 && text.contains(' ') => format!("({text})"),
                Ok(_) => text.clone(),
                Err(_) => self.reference(text),
            })
            .collect();
        if parts.is_empty() { "NOASSERTION".to_owned() } else { parts.join(" AND ") }
    }

    fn reference(&mut self, name: &str) -> String {
        let index = self.licences.iter().position(|known| known == name).unwrap_or_else(|| {
            self.licences.push(name.to_owned());
            self.licences.len() - 1
        });
        format!("LicenseRef-{}", index + 1)
    }

    fn into_value(self) -> Value {
        let entry = |(index, name)| json!({ "licenseId": format!("LicenseRef-{}", index + 1), "name": name, "extractedText": "NOASSERTION" });
        self.licences.into_iter().enumerate().map(entry).collect()
    }
}

fn package(component: &Component, ids: &BTreeMap<&str, String>, extracted: &mut Extracted) -> Value {
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| {
        object.insert(name.to_owned(), value);
    };
    put("SPDXID", json!(ids.get(component.id.as_str())));
    put("name", json!(component.name));
    put("downloadLocation", json!("NOASSERTION"));
    put("filesAnalyzed", json!(false));
    put("licenseConcluded", json!("NOASSERTION"));
    put("licenseDeclared", json!(extracted.expression(&component.licences)));
    let purpose = PURPOSES.iter().find(|(_, kind)| *kind == component.kind);
    put("primaryPackagePurpose", json!(purpose.map_or("OTHER", |(name, _)| name)));
    if let Some(version) = &component.version {
        put("versionInfo", json!(version));
    }
    if let Some(purl) = &component.purl {
        let reference = json!({ "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl });
        put("externalRefs", json!([reference]));
    }
    let mut checksums: BTreeSet<(&str, String)> = BTreeSet::new();
    for digest in &component.digests {
        let name = match digest.algorithm() {
            Algorithm::Sha256 => "SHA256",
            Algorithm::Sha384 => "SHA384",
            Algorithm::Sha512 => "SHA512",
        };
        checksums.insert((name, digest.hex()));
    }
    for (name, hex) in &component.other_hashes {
        let known = HASHES.iter().find(|(_, _, spelling, _)| spelling == name);
        checksums.extend(known.map(|(name, ..)| (*name, hex.clone())));
    }
    if !checksums.is_empty() {
        let list =
            checksums.into_iter().map(|(name, hex)| json!({ "algorithm": name, "checksumValue": hex }));
        put("checksums", list.collect());
    }
    object.into()
}
