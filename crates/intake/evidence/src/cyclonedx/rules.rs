//! What the schemas of CycloneDX ask for, wherever in the document it stands: one rule a member name.
//!
//! Components stand in a dozen places (nested, in pedigrees, in tools, in formulations); a rule that looked only at the
//! top level would let a malformed one in by any of the others.

use linkward_model::Instant;
use serde_json::Value;

use crate::Fault;
use crate::field::Field;

/// Position of a version in the table of versions.
pub(super) type Version = usize;

pub(super) const V1_2: Version = 2;
const V1_4: Version = 4;
const V1_7: Version = 7;

/// Types of components and the version that brought them.
const KINDS: &[(&str, Version)] = &[
    ("application", 0),
    ("framework", 0),
    ("library", 0),
    ("operating-system", 0),
    ("device", 0),
    ("file", 1),
    ("container", V1_2),
    ("firmware", V1_2),
    ("platform", 5),
    ("device-driver", 5),
    ("machine-learning-model", 5),
    ("data", 5),
    ("cryptographic-asset", 6),
];

/// Hash functions and the length of their values in hexadecimal digits; several where the function has several.
const HASHES: &[(&str, &[usize])] = &[
    ("MD5", &[32]),
    ("SHA-1", &[40]),
    ("SHA-256", &[64]),
    ("SHA-384", &[96]),
    ("SHA-512", &[128]),
    ("SHA3-256", &[64]),
    ("SHA3-384", &[96]),
    ("SHA3-512", &[128]),
    ("BLAKE2b-256", &[64]),
    ("BLAKE2b-384", &[96]),
    ("BLAKE2b-512", &[128]),
    ("BLAKE3", &[32, 40, 64, 96, 128]),
    ("Streebog-256", &[64]),
    ("Streebog-512", &[128]),
];

type Rule = fn(&Field<'_>, Version) -> Result<(), Fault>;

const RULES: &[(&str, Rule)] = &[
    ("component", component),
    ("components", each_component),
    ("ancestors", each_component),
    ("descendants", each_component),
    ("variants", each_component),
    ("services", services),
    ("hashes", hashes),
    ("licenses", licences),
    ("properties", properties),
    ("swid", swid),
    ("patches", patches),
    ("resolves", issues),
    ("timestamp", timestamp),
    ("text", attachment),
    ("citations", citations),
];

const METADATA: &[&str] = &[
    "timestamp",
    "lifecycles",
    "tools",
    "authors",
    "component",
    "manufacture",
    "manufacturer",
    "supplier",
    "licenses",
    "properties",
    "distributionConstraints",
];

/// # Errors
/// The first member that breaks a rule.
pub(super) fn check(document: &Value, version: Version) -> Result<(), Fault> {
    let root = Field::root(document);
    if let Some(metadata) = root.optional("metadata")
        && let Some(unknown) = metadata.object()?.keys().find(|name| !METADATA.contains(&name.as_str()))
    {
        return Err(metadata.fault(format!("`{unknown}` is not a member of metadata")));
    }
    let mut place = String::from("$");
    walk(document, &mut place, version)
}

fn walk(value: &Value, place: &mut String, version: Version) -> Result<(), Fault> {
    let length = place.len();
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                place.push('.');
                place.push_str(name);
                if let Some((_, rule)) = RULES.iter().find(|(known, _)| known == name) {
                    rule(&Field::at(place, value), version)?;
                }
                walk(value, place, version)?;
                place.truncate(length);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                place.push_str(&format!("[{index}]"));
                walk(value, place, version)?;
                place.truncate(length);
            }
        }
        _ => {}
    }
    Ok(())
}

fn one_of(field: &Field<'_>, known: &[&str], what: &str) -> Result<(), Fault> {
    let text = field.text()?;
    if known.contains(&text) {
        return Ok(());
    }
    Err(field.fault(format!("`{text}` is not {what}: there are {}", known.join(", "))))
}

fn each_component(field: &Field<'_>, version: Version) -> Result<(), Fault> {
    field.items()?.iter().try_for_each(|item| component(item, version))
}

fn component(field: &Field<'_>, version: Version) -> Result<(), Fault> {
    field.object()?;
    let kind = field.required("type")?;
    let text = kind.text()?;
    if !KINDS.iter().any(|(known, since)| *known == text && version >= *since) {
        return Err(kind.fault(format!("`{text}` is not a type of component in this version")));
    }
    field.required("name")?.text()?;
    if version < V1_4 {
        field.required("version")?.text()?;
    }
    if let Some(scope) = field.optional("scope") {
        one_of(&scope, &["required", "optional", "excluded"], "a scope")?;
    }
    if let Some(range) = field.optional("versionRange") {
        if version < V1_7 {
            return Err(range.fault("stands in CycloneDX 1.7 and later alone"));
        }
        if field.optional("version").is_some() {
            return Err(range.fault("stands beside `version`; there may be one of them"));
        }
        let external = field.optional("isExternal");
        if !external.is_some_and(|field| {
            matches!(field.value().as_str(), Some("true" | "1")) || *field.value() == true
        }) {
            return Err(range.fault("stands on external components alone; `isExternal` is not true"));
        }
    }
    Ok(())
}

fn services(field: &Field<'_>, _: Version) -> Result<(), Fault> {
    for item in field.items()? {
        item.required("name")?.text()?;
        for data in item.list("data")? {
            // XML puts flow and classification one level deeper from 1.5 on.
            let inner = data.optional("classification").filter(|inner| inner.value().is_object());
            let data = inner.unwrap_or(data);
            let flow = data.required("flow")?;
            one_of(&flow, &["inbound", "outbound", "bi-directional", "unknown"], "a flow")?;
            data.required("classification")?.text()?;
        }
    }
    Ok(())
}

fn hashes(field: &Field<'_>, _: Version) -> Result<(), Fault> {
    for item in field.items()? {
        let (name, content) = (item.required("alg")?, item.required("content")?);
        let Some((_, lengths)) = HASHES.iter().find(|(known, _)| Ok(*known) == name.text()) else {
            return Err(name.fault(format!("`{}` is not a hash function", name.text()?)));
        };
        let hex = content.text()?;
        if !lengths.contains(&hex.len()) || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(content.fault(format!("is not a value of {} in hexadecimal digits", name.text()?)));
        }
    }
    Ok(())
}

fn licences(field: &Field<'_>, version: Version) -> Result<(), Fault> {
    let items = field.items()?;
    let mut expressions = 0;
    for item in &items {
        item.object()?;
        match (item.optional("expression"), item.optional("license")) {
            (Some(expression), None) => {
                expression.text()?;
                expressions += 1;
            }
            (None, Some(licence)) => one_licence(&licence)?,
            _ => return Err(item.fault("must have either `license` or `expression`")),
        }
    }
    if version < V1_7 && expressions > 0 && items.len() > 1 {
        return Err(field.fault("an expression stands alone before CycloneDX 1.7"));
    }
    Ok(())
}

fn one_licence(licence: &Field<'_>) -> Result<(), Fault> {
    match (licence.optional("id"), licence.optional("name")) {
        (Some(_), Some(name)) => Err(name.fault("stands beside `id`; there may be one of them")),
        (None, None) => Err(licence.fault("has neither `id` nor `name`")),
        (None, Some(name)) => name.text().map(drop),
        (Some(id), None) if super::on_the_spdx_list(id.text()?) => Ok(()),
        (Some(id), None) => Err(id.fault(format!("`{}` is not on the SPDX list of licences", id.text()?))),
    }
}

fn properties(field: &Field<'_>, _: Version) -> Result<(), Fault> {
    for item in field.items()? {
        item.required("name")?.text()?;
        if let Some(unknown) = item.object()?.keys().find(|name| !matches!(name.as_str(), "name" | "value")) {
            return Err(item.fault(format!("`{unknown}` is not a member of a property")));
        }
    }
    Ok(())
}

fn swid(field: &Field<'_>, _: Version) -> Result<(), Fault> {
    field.required("tagId")?.text()?;
    field.required("name")?.text().map(drop)
}

fn patches(field: &Field<'_>, _: Version) -> Result<(), Fault> {
    for item in field.items()? {
        let kind = item.required("type")?;
        one_of(&kind, &["unofficial", "monkey", "backport", "cherry-pick"], "a type of patch")?;
    }
    Ok(())
}

fn issues(field: &Field<'_>, _: Version) -> Result<(), Fault> {
    for item in field.items()? {
        one_of(&item.required("type")?, &["defect", "enhancement", "security"], "a type of issue")?;
    }
    Ok(())
}

/// RFC 3339; a time of day without a zone, which XML Schema allows, is read as UTC.
fn timestamp(field: &Field<'_>, _: Version) -> Result<(), Fault> {
    instant(field).map(drop)
}

pub(super) fn instant(field: &Field<'_>) -> Result<Instant, Fault> {
    let text = field.text()?;
    let parsed = text.parse::<Instant>().or_else(|error| format!("{text}Z").parse().map_err(|_| error));
    parsed.map_err(|error| field.fault(format!("{error}")))
}

/// A text in an encoding; plain text where it is a string.
fn attachment(field: &Field<'_>, _: Version) -> Result<(), Fault> {
    match field.optional("encoding") {
        Some(encoding) => one_of(&encoding, &["base64"], "an encoding"),
        None => Ok(()),
    }
}

fn citations(field: &Field<'_>, _: Version) -> Result<(), Fault> {
    for item in field.items()? {
        let has = |name: &str| item.optional(name).is_some();
        if has("pointers") == has("expressions") {
            return Err(item.fault("must have either `pointers` or `expressions`"));
        }
        if !has("attributedTo") && !has("process") {
            return Err(item.fault("has neither `attributedTo` nor `process`"));
        }
        item.required("timestamp")?;
    }
    Ok(())
}
