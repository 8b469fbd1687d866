//! CycloneDX VEX: vulnerabilities with an analysis, in the SBOM itself or beside it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Exploitability, MAX_STATEMENTS, Named, Product, Status, Vex};
use crate::Fault;
use crate::field::Field;
use crate::sbom::Component;

/// The statements of a CycloneDX document; `None` where it makes none.
///
/// # Errors
/// Not a valid document; the fault says where.
pub fn read(document: &Value) -> Result<Option<Vex>, Fault> {
    let sbom = crate::cyclonedx::read(document)?;
    let root = Field::root(document);
    let all = sbom.subject.iter().chain(&sbom.components);
    let components: BTreeMap<&str, &Component> =
        all.map(|component| (component.id.as_str(), component)).collect();
    let mut statements = Vec::new();
    for item in root.list("vulnerabilities")?.iter().take(MAX_STATEMENTS) {
        statements.extend(statement(item, sbom.subject.as_ref(), &components)?);
    }
    if statements.is_empty() {
        return Ok(None);
    }
    Ok(Some(Vex {
        spec: sbom.spec.clone(),
        id: sbom.serial.clone().unwrap_or_default(),
        author: None,
        issued: sbom.created,
        statements,
    }))
}

fn statement(
    field: &Field<'_>,
    subject: Option<&Component>,
    components: &BTreeMap<&str, &Component>,
) -> Result<Option<Exploitability>, Fault> {
    let Some(analysis) = field.optional("analysis") else { return Ok(None) };
    let state = analysis.required("state")?;
    let status = match state.text()? {
        "not_affected" | "false_positive" => Status::NotAffected,
        "resolved" | "resolved_with_pedigree" => Status::Fixed,
        "in_triage" => Status::UnderInvestigation,
        "exploitable" => Status::Affected,
        other => return Err(state.fault(format!("`{other}` is not a state of an analysis"))),
    };
    let mut products = Vec::new();
    for target in field.list("affects")? {
        let reference = target.required("ref")?.text()?;
        // A BOM-Link into another document names nothing that is known here.
        let Some(component) = components.get(reference) else { continue };
        let mut named = named(component);
        let versions = target.list("versions")?;
        if !versions.is_empty() {
            let exact = versions.iter().filter_map(|version| version.optional("version"));
            named.versions =
                Some(exact.map(|field| field.text().map(str::to_owned)).collect::<Result<_, _>>()?);
            // The listed versions stand for the one of the component.
            named.purl = named.purl.map(|purl| purl.without_version());
        }
        products.push(match subject {
            Some(subject) if subject.id != component.id => {
                Product { itself: self::named(subject), components: vec![named] }
            }
            _ => Product { itself: named, components: Vec::new() },
        });
    }
    let mut vulnerabilities = vec![field.required("id")?.text()?.to_owned()];
    for reference in field.list("references")? {
        vulnerabilities.push(reference.required("id")?.text()?.to_owned());
    }
    Ok(Some(Exploitability {
        vulnerabilities,
        products,
        status,
        justification: analysis.optional_text("justification")?.map(str::to_owned),
        impact: analysis.optional_text("detail")?.map(str::to_owned),
        action: None,
        at: time(&analysis, "lastUpdated")?.or(time(&analysis, "firstIssued")?),
    }))
}

fn time(field: &Field<'_>, name: &str) -> Result<Option<linkward_model::Instant>, Fault> {
    let Some(field) = field.optional(name) else { return Ok(None) };
    field.text()?.parse().map(Some).map_err(|error| field.fault(format!("{error}")))
}

fn named(component: &Component) -> Named {
    Named { purl: component.purl.clone(), digests: component.digests.clone(), versions: None }
}
