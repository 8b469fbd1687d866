//! A GitHub Actions workflow or action, as far as rules and catalogers need it.

use linkward_model::Code;
use serde_json::{Map, Value};

use crate::{Fault, line, yaml};

/// A workflow, or an action with its own steps.
#[derive(Debug)]
pub struct Workflow<'a> {
    pub text: &'a str,
    pub document: Value,
}

/// One step, with the line that it can be found at.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    pub line: usize,
    pub uses: Option<&'a str>,
    pub run: Option<&'a str>,
    pub with: Option<&'a Map<String, Value>>,
}

/// Workflows, and actions wherever they lie.
pub fn is_workflow(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let yaml = name.ends_with(".yml") || name.ends_with(".yaml");
    yaml && (path.starts_with(".github/workflows/")
        || path.contains("/.github/workflows/")
        || matches!(name, "action.yml" | "action.yaml"))
}

/// Whether a reference is a full commit, which nobody can move.
pub fn is_commit(reference: &str) -> bool {
    matches!(reference.len(), 40 | 64) && reference.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl<'a> Workflow<'a> {
    /// # Errors
    /// Not YAML, or no workflow.
    pub fn read(text: &'a str) -> Result<Self, Fault> {
        let document = yaml::read(text, Code::WorkflowMalformed)?;
        if document.get("jobs").and_then(Value::as_object).is_none() && document.get("runs").is_none() {
            return Err(Fault::new(Code::WorkflowMalformed, "$", "has neither `jobs` nor `runs`"));
        }
        Ok(Self { text, document })
    }

    /// Jobs by name; none in an action.
    pub fn jobs(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.document
            .get("jobs")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, job)| (name.as_str(), job))
    }

    /// What starts it.
    pub fn triggers(&self) -> Vec<&str> {
        match self.document.get("on") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
            Some(Value::Object(all)) => all.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    }

    /// Steps of every job, of an action, and workflows that a job calls as a whole.
    pub fn steps(&self) -> Vec<Step<'_>> {
        let of_action = self.document.get("runs").and_then(|runs| runs.get("steps"));
        let of_jobs = self.jobs().flat_map(|(_, job)| {
            let called = job.get("uses").map(|_| job);
            let steps = job.get("steps").and_then(Value::as_array).into_iter().flatten();
            called.into_iter().chain(steps)
        });
        let all = of_jobs.chain(of_action.and_then(Value::as_array).into_iter().flatten());
        // Mappings keep no order, so that places are looked for from the start; equal texts are taken one after the other.
        let mut seen: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
        all.map(|step| {
            let text = |name: &str| step.get(name).and_then(Value::as_str);
            let (uses, run) = (text("uses"), text("run"));
            let key = uses.or(run).unwrap_or_default();
            let after = seen.get(key).copied().unwrap_or(0);
            let line = line::find(self.text, key, after);
            seen.insert(key, line);
            Step { line, uses, run, with: step.get("with").and_then(Value::as_object) }
        })
        .collect()
    }
}
