//! A runner of one's own keeps what a job leaves behind, and stands in one's own network. Where strangers can start jobs on
//! it by proposing a change, it is theirs.

use linkward_model::Code;
use serde_json::Value;

use crate::{Look, Report, Rule, Weight, line};
use linkward_evidence::workflow::Workflow;

pub(crate) const RULE: Rule =
    Rule { code: Code::SelfHostedExposed, weight: Weight::High, looks: &[Look::Workflow(look)] };

fn look(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    let open = ["pull_request", "pull_request_target", "issue_comment", "issues", "discussion", "fork"];
    let Some(trigger) = workflow.triggers().into_iter().find(|trigger| open.contains(trigger)) else {
        return;
    };
    for (name, job) in workflow.jobs() {
        let own = |value: &Value| value.as_str() == Some("self-hosted");
        let runs_on = job.get("runs-on");
        let labels = runs_on.and_then(|runs| runs.get("labels")).or(runs_on);
        let hosted = labels
            .is_some_and(|labels| own(labels) || labels.as_array().is_some_and(|all| all.iter().any(own)));
        if hosted {
            let start = line::find(workflow.text, &format!("{name}:"), 0);
            let at = line::find(workflow.text, "self-hosted", start.saturating_sub(1));
            report.add(
                at,
                format!("job `{name}` runs on a machine of one's own, and strangers start it (`{trigger}`)"),
            );
        }
    }
}
