//! `run --layout`: whether a step is one that the layout's owner planned, before it is run.

use std::path::Path;

use anyhow::{Context as _, Result};
use linkward_evidence::in_toto::{Content, Layout, Rule, Signed, Step};
use linkward_evidence::rekor::from_pem;
use linkward_model::{Code, Digest};

use crate::table;
use crate::wire::Failure;

/// A step of a layout that this home may do.
#[derive(Debug)]
pub(crate) struct Planned {
    step: Step,
    /// The name under which the layout knows this home's step key.
    pub(crate) functionary: String,
}

impl Planned {
    /// # Errors
    /// The layout cannot be read, has no such step, another command, or other functionaries.
    pub(crate) fn find(path: &Path, name: &str, command: &[String], key: &str) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let signed = Signed::parse(&bytes)
            .map_err(|fault| Failure::new(fault.code, format!("{}: {fault}", path.display())))?;
        let Content::Layout(layout) = signed.content else {
            let message = format!("{} is a link, not a layout", path.display());
            return Err(Failure::new(Code::StepNotPlanned, message).into());
        };
        let Some(step) = layout.steps.iter().find(|step| step.name == name) else {
            let known: Vec<_> = layout.steps.iter().map(|step| table::visible(&step.name)).collect();
            let message = format!("the layout has no step `{name}`; it has {}", known.join(", "));
            return Err(Failure::new(Code::StepNotPlanned, message).into());
        };
        if !step.command.is_empty() && step.command != command {
            let expected = table::visible(&step.command.join(" "));
            let message = format!("the layout expects `{expected}` for the step `{name}`");
            return Err(Failure::new(Code::StepCommandMismatch, message).into());
        }
        let functionary = functionary(&layout, step, key).ok_or_else(|| {
            let message = format!("this home's step key is none of the functionaries of `{name}`");
            Failure::new(Code::StepNotPlanned, message)
        })?;
        Ok(Self { step: step.clone(), functionary })
    }

    /// Whether the layout lets the step start from these files; what needs the links of other steps is left to `verify`.
    pub(crate) fn takes(&self, materials: &[(String, Digest)]) -> Result<()> {
        if self.step.materials.iter().any(|rule| matches!(rule, Rule::Match(_))) {
            return Ok(());
        }
        let artifacts = materials
            .iter()
            .map(|(name, digest)| (name.clone(), [("sha256".to_owned(), digest.hex())].into()))
            .collect();
        linkward_prove::expected_materials(&self.step, artifacts)
            .map_err(|(code, why)| Failure::new(code, why))?;
        Ok(())
    }
}

fn functionary(layout: &Layout, step: &Step, key: &str) -> Option<String> {
    let own = from_pem(key)?;
    let found = layout.keys.iter().filter(|listed| step.functionaries.contains(&listed.id));
    found
        .into_iter()
        .find(|listed| from_pem(&listed.public).is_some_and(|spki| spki == own))
        .map(|listed| listed.id.clone())
}
