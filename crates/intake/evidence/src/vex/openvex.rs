//! OpenVEX 0.0.1 and 0.2.0 (openvex.dev).

use linkward_model::{Algorithm, Code, Digest, Instant, Purl};
use serde_json::Value;

use super::{Exploitability, MAX_STATEMENTS, Named, Product, Status, Vex};
use crate::field::Field;
use crate::{Claim, Fault};

const CONTEXT: &str = "https://openvex.dev/ns";
const VERSIONS: &[&str] = &["", "v0.0.1", "v0.2.0"];
const JUSTIFICATIONS: &[&str] = &[
    "component_not_present",
    "vulnerable_code_not_present",
    "vulnerable_code_not_in_execute_path",
    "vulnerable_code_cannot_be_controlled_by_adversary",
    "inline_mitigations_already_exist",
];

pub(crate) struct Format;

impl crate::Format for Format {
    fn name(&self) -> &'static str {
        "OpenVEX"
    }

    fn recognise(&self, document: &Value) -> bool {
        document.get("@context").and_then(Value::as_str).is_some_and(|text| text.starts_with(CONTEXT))
    }

    fn parse(&self, document: &Value) -> Result<Claim, Fault> {
        read(document).map(Claim::Vex)
    }
}

/// # Errors
/// Not a valid document; the fault says where.
pub fn read(document: &Value) -> Result<Vex, Fault> {
    let root = Field::root(document);
    let context = root.required("@context")?;
    let version = context.text()?.strip_prefix(CONTEXT).map(|rest| rest.trim_start_matches('/'));
    if !version.is_some_and(|version| VERSIONS.contains(&version)) {
        let message = format!("`{}` is not a version that is read", context.text()?);
        return Err(Fault::new(Code::UnsupportedVersion, context.place(), message));
    }
    let statements = root.required("statements")?.items()?;
    if statements.len() > MAX_STATEMENTS {
        return Err(Fault::new(
            Code::TooLarge,
            "$.statements",
            format!("more than {MAX_STATEMENTS} statements"),
        ));
    }
    let issued = time(&root, "timestamp")?;
    if issued.is_none() {
        return Err(root.fault("has no `timestamp`"));
    }
    Ok(Vex {
        spec: format!("OpenVEX {}", version.filter(|version| !version.is_empty()).unwrap_or("v0.0.1")),
        id: root.required("@id")?.text()?.to_owned(),
        author: Some(root.required("author")?.text()?.to_owned()),
        issued: time(&root, "last_updated")?.or(issued),
        statements: statements.iter().map(statement).collect::<Result<_, _>>()?,
    })
}

fn time(field: &Field<'_>, name: &str) -> Result<Option<Instant>, Fault> {
    let Some(field) = field.optional(name) else { return Ok(None) };
    field.text()?.parse().map(Some).map_err(|error| field.fault(format!("{error}")))
}

fn statement(field: &Field<'_>) -> Result<Exploitability, Fault> {
    let vulnerability = field.required("vulnerability")?;
    let mut vulnerabilities = Vec::new();
    if vulnerability.value().is_string() {
        vulnerabilities.push(vulnerability.text()?.to_owned());
    } else {
        vulnerabilities.push(vulnerability.required("name")?.text()?.to_owned());
        for alias in vulnerability.list("aliases")? {
            vulnerabilities.push(alias.text()?.to_owned());
        }
    }
    let status = field.required("status")?;
    let status = match status.text()? {
        "not_affected" => Status::NotAffected,
        "affected" => Status::Affected,
        "fixed" => Status::Fixed,
        "under_investigation" => Status::UnderInvestigation,
        other => return Err(status.fault(format!("`{other}` is not a status of OpenVEX"))),
    };
    let products = field.required("products")?.items()?;
    if products.is_empty() {
        return Err(
            field.fault("names no product: a statement about a vulnerability alone applies to nothing")
        );
    }
    let justification = field.optional("justification");
    if let Some(field) = &justification
        && !JUSTIFICATIONS.contains(&field.text()?)
    {
        return Err(field.fault(format!("`{}` is not a justification of OpenVEX", field.text()?)));
    }
    let impact = field.optional_text("impact_statement")?.map(str::to_owned);
    if status == Status::NotAffected && justification.is_none() && impact.is_none() {
        return Err(field.fault("says not_affected with neither `justification` nor `impact_statement`"));
    }
    let action = field.optional_text("action_statement")?.map(str::to_owned);
    Ok(Exploitability {
        vulnerabilities,
        products: products.iter().map(product).collect::<Result<_, _>>()?,
        status,
        justification: justification.map(|field| field.text().map(str::to_owned)).transpose()?,
        impact,
        action,
        at: time(field, "last_updated")?.or(time(field, "timestamp")?),
    })
}

fn product(field: &Field<'_>) -> Result<Product, Fault> {
    let components = field.list("subcomponents")?;
    Ok(Product { itself: named(field)?, components: components.iter().map(named).collect::<Result<_, _>>()? })
}

/// By `@id` (or the text itself, in 0.0.1), identifiers and hashes.
fn named(field: &Field<'_>) -> Result<Named, Fault> {
    let mut found = Named::default();
    let id = if field.value().is_string() { Some(field.clone()) } else { field.optional("@id") };
    let identifier = field.optional("identifiers").and_then(|identifiers| identifiers.optional("purl"));
    for field in identifier.into_iter().chain(id) {
        let text = field.text()?;
        if text.starts_with("pkg:") {
            let purl: Purl = text.parse().map_err(|error| field.fault(format!("{error}")))?;
            found.purl = found.purl.or(Some(purl));
        }
    }
    if let Some(hashes) = field.optional("hashes") {
        for name in hashes.object()?.keys() {
            let algorithm = match name.as_str() {
                "sha-256" => Algorithm::Sha256,
                "sha-384" => Algorithm::Sha384,
                "sha-512" => Algorithm::Sha512,
                _ => continue,
            };
            let value = hashes.required(name)?;
            let hex = value.text()?.to_ascii_lowercase();
            found
                .digests
                .push(Digest::from_hex(algorithm, &hex).map_err(|error| value.fault(error.to_string()))?);
        }
    }
    Ok(found)
}
