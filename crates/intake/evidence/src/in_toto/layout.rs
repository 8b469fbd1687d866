//! Layouts: steps with their functionaries, thresholds and rules, and inspections.

use std::collections::BTreeSet;

use linkward_model::Instant;

use super::{Rule, words};
use crate::Fault;
use crate::field::Field;
use crate::metadata::{self, ListedKey};

/// Most steps, inspections, and rules of each.
const MAX: usize = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub expires: Instant,
    pub keys: Vec<ListedKey>,
    pub steps: Vec<Step>,
    pub inspections: Vec<Inspection>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub name: String,
    pub threshold: usize,
    /// Ids of the keys whose links count.
    pub functionaries: Vec<String>,
    pub command: Vec<String>,
    pub materials: Vec<Rule>,
    pub products: Vec<Rule>,
}

/// A command that the verifier is meant to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    pub name: String,
    pub run: Vec<String>,
    pub materials: Vec<Rule>,
    pub products: Vec<Rule>,
}

impl Layout {
    pub(super) fn read(field: &Field<'_>) -> Result<Self, Fault> {
        let expires = field.required("expires")?;
        let keys = field.optional("keys").map_or_else(|| Ok(Vec::new()), |keys| metadata::keys(&keys))?;
        let layout = Self {
            expires: expires
                .text()?
                .parse()
                .map_err(|_| expires.fault("must be a time such as 2030-01-31T12:00:00Z"))?,
            keys,
            steps: limited(field, "steps")?.iter().map(step).collect::<Result<_, _>>()?,
            inspections: limited(field, "inspect")?.iter().map(inspection).collect::<Result<_, _>>()?,
        };
        let mut seen = BTreeSet::new();
        let names = layout.steps.iter().map(|step| &step.name);
        // Links are found by name: of two steps with one name, one link would do for both.
        for name in names.chain(layout.inspections.iter().map(|inspection| &inspection.name)) {
            if !seen.insert(name) {
                return Err(field.fault(format!("the name `{}` stands twice", name.escape_debug())));
            }
        }
        Ok(layout)
    }
}

fn limited<'a>(field: &Field<'a>, name: &str) -> Result<Vec<Field<'a>>, Fault> {
    let items = field.list(name)?;
    if items.len() > MAX {
        Err(field.fault(format!("`{name}` has more than {MAX} items")))
    } else {
        Ok(items)
    }
}

fn step(field: &Field<'_>) -> Result<Step, Fault> {
    let threshold = match field.optional("threshold") {
        None => 1,
        Some(given) => {
            let count = usize::try_from(given.index()?).map_err(|_| given.fault("is too large"))?;
            // A threshold of none would be met by nobody's word.
            if count == 0 {
                return Err(given.fault("must be at least 1"));
            }
            count
        }
    };
    let functionaries = words(field, "pubkeys")?;
    if let Some(id) = functionaries.iter().find(|id| !is_key_id(id)) {
        let what = format!("`{}` in pubkeys is not a key id: hexadecimal digits", id.escape_debug());
        return Err(field.fault(what));
    }
    Ok(Step {
        name: name(field)?,
        threshold,
        functionaries,
        command: words(field, "expected_command")?,
        materials: rules(field, "expected_materials")?,
        products: rules(field, "expected_products")?,
    })
}

fn inspection(field: &Field<'_>) -> Result<Inspection, Fault> {
    Ok(Inspection {
        name: name(field)?,
        run: words(field, "run")?,
        materials: rules(field, "expected_materials")?,
        products: rules(field, "expected_products")?,
    })
}

fn rules(field: &Field<'_>, name: &str) -> Result<Vec<Rule>, Fault> {
    limited(field, name)?.iter().map(Rule::read).collect()
}

/// Names and key ids become names of files: they must not lead out of the folder.
fn name(field: &Field<'_>) -> Result<String, Fault> {
    let name = field.required("name")?;
    let text = name.text()?;
    if text.is_empty()
        || text.len() > 200
        || text.starts_with('.')
        || text.chars().any(|c| c.is_control() || matches!(c, '/' | '\\' | ':'))
    {
        return Err(name.fault("must be a plain name, without path separators"));
    }
    Ok(text.to_owned())
}

fn is_key_id(text: &str) -> bool {
    (8..=256).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit())
}
