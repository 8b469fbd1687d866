//! A cache that an untrusted job can write, and a release restores, carries code from one to the other: in 2024 and 2025 caches
//! were poisoned this way to reach publishing tokens.

use linkward_model::Code;

use crate::{Look, Report, Rule, Weight};
use linkward_evidence::workflow::Workflow;

pub(crate) const RULE: Rule =
    Rule { code: Code::CacheShared, weight: Weight::Medium, looks: &[Look::Workflow(look)] };

fn look(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    let triggers = workflow.triggers();
    let tagged = workflow.document.pointer("/on/push/tags").is_some();
    let released = triggers.contains(&"release") || tagged;
    let untrusted = triggers
        .iter()
        .any(|trigger| matches!(*trigger, "pull_request_target" | "workflow_run" | "issue_comment"));
    if !released && !untrusted {
        return;
    }
    for step in workflow.steps() {
        let Some(uses) = step.uses else { continue };
        let lower = uses.to_lowercase();
        let cache = lower.starts_with("actions/cache@")
            || lower.starts_with("actions/cache/")
            || lower.starts_with("swatinem/rust-cache@")
            || (lower.starts_with("actions/setup-")
                && step.with.is_some_and(|with| with.contains_key("cache")));
        if cache {
            let what = if untrusted {
                "a job that strangers start can write a cache that others restore"
            } else {
                "what is released may come from a cache that other workflows wrote"
            };
            report.add(step.line, format!("{what} (`{uses}`)"));
        }
    }
}
