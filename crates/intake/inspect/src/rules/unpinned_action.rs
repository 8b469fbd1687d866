//! An action named by tag or branch is whatever its owner, or who took the owner's account, puts there next: in March 2025 the
//! tags of a popular action were moved to a commit that printed the secrets of 23,000 repositories.

use linkward_model::Code;

use crate::{Look, Report, Rule, Weight};
use linkward_evidence::workflow::{Workflow, is_commit};

pub(crate) const RULE: Rule =
    Rule { code: Code::UnpinnedAction, weight: Weight::Medium, looks: &[Look::Workflow(look)] };

fn look(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for step in workflow.steps() {
        let Some(uses) = step.uses else { continue };
        let uses = uses.trim();
        // What lies in the same checkout is as trusted as the workflow itself.
        if uses.starts_with("./") || is_pinned(uses) {
            continue;
        }
        report.add(
            step.line,
            format!("`{uses}` can be moved to other code; pin it to a full commit or digest"),
        );
    }
}

fn is_pinned(uses: &str) -> bool {
    let Some((_, reference)) = uses.rsplit_once('@') else { return false };
    match uses.strip_prefix("docker://") {
        Some(_) => reference.strip_prefix("sha256:").is_some_and(is_commit),
        None => is_commit(reference),
    }
}
