//! CSAF 2.0, profile VEX (OASIS). Products stand in a tree; a relationship makes one product a component of another.

use std::collections::BTreeMap;

use linkward_model::{Algorithm, Code, Digest};
use serde_json::Value;

use super::{Exploitability, MAX_STATEMENTS, Named, Product, Status, Vex};
use crate::field::Field;
use crate::{Claim, Fault};

/// Deepest nesting of branches (CSAF 2.0, 3.1.2).
const MAX_BRANCHES: usize = 30;

const STATUSES: &[(&str, Status)] = &[
    ("known_not_affected", Status::NotAffected),
    ("fixed", Status::Fixed),
    ("first_fixed", Status::Fixed),
    ("under_investigation", Status::UnderInvestigation),
    ("known_affected", Status::Affected),
    ("first_affected", Status::Affected),
    ("last_affected", Status::Affected),
];

pub(crate) struct Format;

impl crate::Format for Format {
    fn name(&self) -> &'static str {
        "CSAF VEX"
    }

    fn recognise(&self, document: &Value) -> bool {
        document.pointer("/document/csaf_version").is_some()
    }

    fn parse(&self, document: &Value) -> Result<Claim, Fault> {
        read(document).map(Claim::Vex)
    }
}

/// # Errors
/// Not a valid VEX document; the fault says where.
pub fn read(document: &Value) -> Result<Vex, Fault> {
    let root = Field::root(document);
    let head = root.required("document")?;
    let version = head.required("csaf_version")?;
    if version.text()? != "2.0" {
        return Err(Fault::new(
            Code::UnsupportedVersion,
            version.place(),
            format!("`{}` is not 2.0", version.text()?),
        ));
    }
    let category = head.required("category")?;
    if category.text()? != "csaf_vex" {
        let message =
            format!("`{}` is not csaf_vex: its products are not stated as VEX asks", category.text()?);
        return Err(Fault::new(Code::UnsupportedFormat, category.place(), message));
    }
    let tracking = head.required("tracking")?;
    let released = tracking.required("current_release_date")?;
    let issued = released.text()?.parse().map_err(|error| released.fault(format!("{error}")))?;
    let mut tree = Tree::default();
    tree.read(&root.required("product_tree")?)?;
    let mut statements = Vec::new();
    for vulnerability in root.required("vulnerabilities")?.items()? {
        tree.vulnerability(&vulnerability, &mut statements)?;
        if statements.len() > MAX_STATEMENTS {
            let message = format!("more than {MAX_STATEMENTS} statements");
            return Err(Fault::new(Code::TooLarge, vulnerability.place(), message));
        }
    }
    Ok(Vex {
        spec: "CSAF 2.0".to_owned(),
        id: tracking.required("id")?.text()?.to_owned(),
        author: Some(head.required("publisher")?.required("name")?.text()?.to_owned()),
        issued: Some(issued),
        statements,
    })
}

#[derive(Default)]
struct Tree {
    products: BTreeMap<String, Product>,
    groups: BTreeMap<String, Vec<String>>,
}

impl Tree {
    fn read(&mut self, tree: &Field<'_>) -> Result<(), Fault> {
        for item in tree.list("full_product_names")? {
            self.product(&item)?;
        }
        self.branches(tree, 0)?;
        for item in tree.list("relationships")? {
            self.relationship(&item)?;
        }
        for item in tree.list("product_groups")? {
            let ids = self.ids(&item, "product_ids")?;
            self.groups.insert(item.required("group_id")?.text()?.to_owned(), ids);
        }
        Ok(())
    }

    fn branches(&mut self, field: &Field<'_>, depth: usize) -> Result<(), Fault> {
        if depth > MAX_BRANCHES {
            return Err(Fault::new(
                Code::TooLarge,
                field.place(),
                format!("branches deeper than {MAX_BRANCHES}"),
            ));
        }
        for branch in field.list("branches")? {
            if let Some(product) = branch.optional("product") {
                self.product(&product)?;
            }
            self.branches(&branch, depth + 1)?;
        }
        Ok(())
    }

    fn insert(&mut self, field: &Field<'_>, product: Product) -> Result<(), Fault> {
        let id = field.required("product_id")?;
        match self.products.insert(id.text()?.to_owned(), product) {
            Some(_) => Err(id.fault(format!("`{}` stands twice", id.text()?))),
            None => Ok(()),
        }
    }

    fn product(&mut self, field: &Field<'_>) -> Result<(), Fault> {
        let itself = named(field)?;
        self.insert(field, Product { itself, components: Vec::new() })
    }

    /// A component of a product: `product_reference` as `default_component_of` what it relates to.
    fn relationship(&mut self, field: &Field<'_>) -> Result<(), Fault> {
        let part = self.known(&field.required("product_reference")?)?.clone();
        let whole = self.known(&field.required("relates_to_product_reference")?)?.clone();
        let product = match field.required("category")?.text()? {
            "default_component_of" | "optional_component_of" | "external_component_of" | "installed_on" => {
                Product { itself: whole.itself, components: vec![part.itself] }
            }
            // `installed_with` says nothing of what holds what: such a product has no name of its own.
            _ => Product::default(),
        };
        self.insert(&field.required("full_product_name")?, product)
    }

    fn known(&self, field: &Field<'_>) -> Result<&Product, Fault> {
        let id = field.text()?;
        self.products.get(id).ok_or_else(|| field.fault(format!("`{id}` is no product of the tree")))
    }

    fn ids(&self, field: &Field<'_>, name: &str) -> Result<Vec<String>, Fault> {
        let mut found = Vec::new();
        for item in field.list(name)? {
            self.known(&item)?;
            found.push(item.text()?.to_owned());
        }
        Ok(found)
    }

    /// The products of a flag or threat: by id and by group.
    fn meant(&self, field: &Field<'_>) -> Result<Vec<String>, Fault> {
        let mut found = self.ids(field, "product_ids")?;
        for group in field.list("group_ids")? {
            let ids = self.groups.get(group.text()?);
            found.extend(
                ids.ok_or_else(|| group.fault(format!("`{}` is no group", group.value())))?.iter().cloned(),
            );
        }
        Ok(found)
    }

    fn vulnerability(&self, field: &Field<'_>, statements: &mut Vec<Exploitability>) -> Result<(), Fault> {
        let mut names: Vec<String> = field.optional_text("cve")?.map(str::to_owned).into_iter().collect();
        for id in field.list("ids")? {
            names.push(id.required("text")?.text()?.to_owned());
        }
        if names.is_empty() {
            return Err(field.fault("has neither `cve` nor `ids`"));
        }
        let mut justifications: BTreeMap<String, String> = BTreeMap::new();
        for flag in field.list("flags")? {
            let label = flag.required("label")?.text()?;
            self.meant(&flag)?.into_iter().for_each(|id| drop(justifications.insert(id, label.to_owned())));
        }
        let mut impacts: BTreeMap<String, String> = BTreeMap::new();
        for threat in field.list("threats")? {
            if threat.required("category")?.text()? == "impact" {
                let details = threat.required("details")?.text()?;
                self.meant(&threat)?.into_iter().for_each(|id| drop(impacts.insert(id, details.to_owned())));
            }
        }
        let list = field.required("product_status")?;
        let mut seen: BTreeMap<String, Status> = BTreeMap::new();
        for (name, status) in STATUSES {
            for id in self.ids(&list, name)? {
                let place = list.required(name)?;
                // Mandatory test 6.1.6: one product in two contradicting groups.
                if seen.insert(id.clone(), *status).is_some_and(|before| before != *status) {
                    return Err(place.fault(format!("`{id}` has another status too")));
                }
                let (justification, impact) = (justifications.get(&id).cloned(), impacts.get(&id).cloned());
                if *status == Status::NotAffected && justification.is_none() && impact.is_none() {
                    return Err(place.fault(format!("`{id}` is not affected with neither flag nor impact")));
                }
                statements.push(Exploitability {
                    vulnerabilities: names.clone(),
                    products: self.products.get(&id).cloned().into_iter().collect(),
                    status: *status,
                    justification,
                    impact,
                    action: None,
                    at: None,
                });
            }
        }
        Ok(())
    }
}

fn named(field: &Field<'_>) -> Result<Named, Fault> {
    let mut found = Named::default();
    let Some(helper) = field.optional("product_identification_helper") else { return Ok(found) };
    if let Some(purl) = helper.optional("purl") {
        found.purl = Some(purl.text()?.parse().map_err(|error| purl.fault(format!("{error}")))?);
    }
    for hashes in helper.list("hashes")? {
        for item in hashes.list("file_hashes")? {
            let algorithm = match item.required("algorithm")?.text()? {
                "sha256" => Algorithm::Sha256,
                "sha384" => Algorithm::Sha384,
                "sha512" => Algorithm::Sha512,
                _ => continue,
            };
            let value = item.required("value")?;
            let hex = value.text()?.to_ascii_lowercase();
            found
                .digests
                .push(Digest::from_hex(algorithm, &hex).map_err(|error| value.fault(error.to_string()))?);
        }
    }
    Ok(found)
}
