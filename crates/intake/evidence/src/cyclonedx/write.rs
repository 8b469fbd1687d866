//! Writing CycloneDX 1.6 JSON. Deterministic: equal SBOMs are equal bytes.

use std::collections::{BTreeMap, BTreeSet};

use linkward_model::Algorithm;
use serde_json::{Map, Value, json};

use crate::sbom::{Component, Sbom, Scope};

/// CycloneDX 1.6 JSON with a line feed at the end. Components and relations are sorted; the serial number is made
/// from the content, so that the same tree gives the same bytes on any machine.
pub fn write(sbom: &Sbom) -> Vec<u8> {
    let mut components: Vec<&Component> = sbom.components.iter().collect();
    components.sort_by(|a, b| a.id.cmp(&b.id));
    let nesting = Nesting::new(sbom);
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
        metadata.insert("component".to_owned(), nesting.component(subject, 0));
    }
    let complete = if sbom.gaps.is_empty() { "complete" } else { "incomplete" };
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": metadata,
        "components": components
            .into_iter()
            .filter(|component| !nesting.is_held(component))
            .map(|component| nesting.component(component, 0))
            .collect::<Vec<_>>(),
        "dependencies": relations
            .iter()
            .map(|(from, to)| json!({ "ref": from, "dependsOn": to }))
            .collect::<Vec<_>>(),
        "compositions": [{ "aggregate": complete }],
    });
    let note = |name: &str, value: &str| json!({ "name": format!("linkward:{name}"), "value": value });
    let mut properties: Vec<_> = sbom.notes.iter().map(|(name, value)| note(name, value)).collect();
    properties.extend(sbom.gaps.iter().map(|gap| note("gap", gap)));
    if !properties.is_empty() {
        document["properties"] = properties.into();
    }
    // The namespace of an SPDX document is no serial number here.
    let given = sbom.serial.clone().filter(|serial| serial.starts_with("urn:uuid:"));
    let serial = given.unwrap_or_else(|| crate::sbom::serial(&document));
    document["serialNumber"] = serial.into();
    let mut bytes = serde_json::to_vec_pretty(&document).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Deepest nesting that is written; readers have limits too.
const MAX_NESTING: usize = 16;

/// Which component stands inside which: containment as CycloneDX says it.
pub(crate) struct Nesting<'a> {
    held: BTreeMap<&'a str, Vec<&'a Component>>,
    inside: BTreeSet<&'a str>,
    /// Containments that nesting cannot say: of a second holder, of an unknown component, in a circle, too deep.
    pub(crate) lost: usize,
}

impl<'a> Nesting<'a> {
    pub(crate) fn new(sbom: &'a Sbom) -> Self {
        let known: BTreeMap<&str, &Component> =
            sbom.components.iter().map(|component| (component.id.as_str(), component)).collect();
        let subject = sbom.subject.as_ref().map(|component| component.id.as_str());
        let mut nesting = Self { held: BTreeMap::new(), inside: BTreeSet::new(), lost: 0 };
        let mut holder: BTreeMap<&str, &str> = BTreeMap::new();
        for relation in &sbom.contains {
            for to in &relation.to {
                let from = relation.from.as_str();
                let depth = std::iter::successors(Some(from), |at| holder.get(at).copied())
                    .take(MAX_NESTING)
                    .take_while(|at| *at != to.as_str())
                    .count();
                let circle = std::iter::successors(Some(from), |at| holder.get(at).copied())
                    .take(MAX_NESTING)
                    .any(|at| at == to.as_str());
                let anchored = known.contains_key(from) || subject == Some(from);
                match known.get(to.as_str()) {
                    Some(component)
                        if anchored
                            && !circle
                            && depth < MAX_NESTING
                            && !holder.contains_key(to.as_str()) =>
                    {
                        holder.insert(to, from);
                        nesting.inside.insert(to);
                        nesting.held.entry(from).or_default().push(component);
                    }
                    _ => nesting.lost += 1,
                }
            }
        }
        nesting
    }

    fn is_held(&self, component: &Component) -> bool {
        self.inside.contains(component.id.as_str())
    }

    fn component(&self, of: &Component, depth: usize) -> Value {
        let mut value = component(of);
        let held = self.held.get(of.id.as_str()).map_or(&[][..], Vec::as_slice);
        if !held.is_empty() && depth < 2 * MAX_NESTING {
            value["components"] = held.iter().map(|component| self.component(component, depth + 1)).collect();
        }
        value
    }
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
    if !component.digests.is_empty() || !component.other_hashes.is_empty() {
        let mut digests = component.digests.clone();
        digests.sort();
        digests.dedup();
        let mut hashes: Vec<_> = digests
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
        let others = component.other_hashes.iter().filter(|(name, _)| HASHES.contains(&name.as_str()));
        hashes.extend(others.map(|(name, hex)| json!({ "alg": name, "content": hex })));
        put("hashes", hashes.into());
    }
    if !component.licences.is_empty() {
        let licences: Vec<_> =
            component.licences.iter().map(|text| licence(text, component.licences.len())).collect();
        put("licenses", licences.into());
    }
    if !component.occurrences.is_empty() {
        let mut seen: Vec<_> = component.occurrences.iter().collect();
        seen.sort();
        seen.dedup();
        let seen: Vec<Value> = seen
            .into_iter()
            .map(|at| match &at.context {
                Some(context) => json!({ "location": at.location, "additionalContext": context }),
                None => json!({ "location": at.location }),
            })
            .collect();
        put("evidence", json!({ "occurrences": seen }));
    }
    object.into()
}

/// By id where the SPDX list has it; as an expression where it stands alone, as 1.6 asks; else by name.
fn licence(text: &str, of: usize) -> Value {
    if super::on_the_spdx_list(text) {
        json!({ "license": { "id": text } })
    } else if of == 1 && spdx::Expression::parse(text).is_ok() {
        json!({ "expression": text })
    } else {
        json!({ "license": { "name": text } })
    }
}

/// What this form cannot say of the SBOM: what, and how often.
pub fn losses(sbom: &Sbom) -> BTreeMap<String, usize> {
    let mut lost = BTreeMap::new();
    let mut note = |what: String, times: usize| {
        if times > 0 {
            *lost.entry(what).or_insert(0) += times;
        }
    };
    note("containment that nesting cannot say".to_owned(), Nesting::new(sbom).lost);
    for component in sbom.subject.iter().chain(&sbom.components) {
        for (name, _) in &component.other_hashes {
            if !HASHES.contains(&name.as_str()) {
                note(format!("component.hashes {name}"), 1);
            }
        }
    }
    lost
}

/// Functions that CycloneDX 1.6 names, besides those of digests.
const HASHES: &[&str] = &[
    "MD5",
    "SHA-1",
    "SHA3-256",
    "SHA3-384",
    "SHA3-512",
    "BLAKE2b-256",
    "BLAKE2b-384",
    "BLAKE2b-512",
    "BLAKE3",
];
