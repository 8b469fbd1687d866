//! A job's token can do what its permissions say. Without any, old repositories give it the right to write everything: one
//! poisoned step is then enough to push, to release and to change packages.

use linkward_model::Code;
use serde_json::Value;

use crate::{Look, Report, Rule, Weight, line};
use linkward_evidence::workflow::Workflow;

pub(crate) const RULE: Rule =
    Rule { code: Code::BroadPermissions, weight: Weight::Medium, looks: &[Look::Workflow(look)] };

fn look(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    let whole = workflow.document.get("permissions");
    if all(whole) {
        report.add(line::find(workflow.text, "write-all", 0), "every job may write everything".to_owned());
    }
    for (name, job) in workflow.jobs() {
        let own = job.get("permissions");
        let start = line::find(workflow.text, &format!("{name}:"), 0);
        if all(own) {
            let at = line::find(workflow.text, "write-all", start.saturating_sub(1));
            report.add(at, format!("job `{name}` may write everything"));
        } else if whole.is_none() && own.is_none() {
            report.add(
                start,
                format!(
                    "job `{name}` has whatever permissions the repository gives; name those that it needs"
                ),
            );
        }
    }
}

fn all(permissions: Option<&Value>) -> bool {
    permissions.and_then(Value::as_str) == Some("write-all")
}
