//! `pull_request_target` and `workflow_run` run with the repository's secrets. Checking out what a stranger proposes there
//! hands the secrets to the stranger.

use linkward_model::Code;
use serde_json::Value;

use crate::{Look, Report, Rule, Weight};
use linkward_evidence::workflow::Workflow;

pub(crate) const RULE: Rule =
    Rule { code: Code::UntrustedCheckout, weight: Weight::High, looks: &[Look::Workflow(look)] };

/// Expressions that name what the other side proposes.
const PROPOSED: &[&str] = &[
    "github.event.pull_request.head",
    "github.head_ref",
    "github.event.workflow_run.head",
    "github.event.pull_request.merge_commit_sha",
    "github.event.number",
    "github.event.pull_request.number",
    "github.event.issue.number",
    "refs/pull/",
];

fn look(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    let privileged = ["pull_request_target", "workflow_run", "issue_comment"];
    let Some(trigger) = workflow.triggers().into_iter().find(|trigger| privileged.contains(trigger)) else {
        return;
    };
    for step in workflow.steps() {
        let checkout = step.uses.is_some_and(|uses| uses.to_lowercase().starts_with("actions/checkout@"));
        let named =
            ["ref", "repository"].iter().filter_map(|name| step.with?.get(*name).and_then(Value::as_str));
        let by_hand = step.run.filter(|run| {
            run.contains("gh pr checkout") || (run.contains("git") && run.contains("refs/pull/"))
        });
        let proposed = named
            .chain(by_hand)
            .any(|text| by_hand.is_some() || PROPOSED.iter().any(|proposed| text.contains(proposed)));
        if proposed && (checkout || by_hand.is_some()) {
            report.add(step.line, format!("checks out what a stranger proposes, with this repository's secrets in reach (`{trigger}`)"));
        }
    }
}
