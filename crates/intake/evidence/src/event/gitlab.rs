//! GitLab: system and project hooks, pipelines, and audit events.

use serde_json::Value;

use super::pick::{first, is_zero, names, text, time, when, whole};
use super::{Action, Delivery, Event, Source};
use crate::Fault;

#[derive(Debug)]
pub(super) struct Feed;

const TIMES: &[&str] = &[
    "/object_attributes/finished_at",
    "/object_attributes/updated_at",
    "/object_attributes/created_at",
    "/build_finished_at",
    "/build_started_at",
    "/created_at",
    "/updated_at",
];

impl super::Feed for Feed {
    fn name(&self) -> &'static str {
        "gitlab"
    }

    fn recognise(&self, document: &Value) -> bool {
        let has = |name: &str| document.get(name).is_some();
        (has("object_kind") && (has("project") || has("project_id")))
            || (has("entity_type") && has("author_id"))
            || (has("event_name") && has("project_id"))
    }

    fn read(&self, document: &Value, delivery: &Delivery<'_>) -> Result<Vec<Event>, Fault> {
        let kind = first(document, &["/object_kind", "/event_name", "/event_type"]).unwrap_or_default();
        let last = document.pointer("/commits").and_then(Value::as_array).and_then(|commits| commits.last());
        let committed = last.and_then(|commit| time(commit, "/timestamp"));
        let at = match committed {
            Some(at) => at,
            None => when(document, TIMES, delivery)?,
        };
        let source = if matches!(&*kind, "pipeline" | "build") { Source::Ci } else { Source::Forge };
        let mut event = Event::new(source, action(&kind, document), at);
        event.actor =
            first(document, &["/user_username", "/user/username", "/author_name", "/details/author_name"]);
        event.repository =
            first(document, &["/project/path_with_namespace", "/entity_path", "/project_name"]);
        event.network = first(document, &["/ip_address", "/details/ip_address"]);
        match &*kind {
            "push" | "tag_push" => {
                event.reference = text(document, "/ref");
                event.before = text(document, "/before").filter(|id| !is_zero(Some(id)));
                event.after = text(document, "/after").filter(|id| !is_zero(Some(id)));
                event.commit = event.after.clone();
                let branch = event.reference.as_deref().and_then(|name| name.strip_prefix("refs/heads/"));
                if branch.is_some() && branch == text(document, "/project/default_branch").as_deref() {
                    event.protected = Some(true);
                }
            }
            "pipeline" => {
                event.run = text(document, "/object_attributes/id");
                event.commit = text(document, "/object_attributes/sha");
                event.conclusion = text(document, "/object_attributes/status").map(conclusion);
                event.started = time(document, "/object_attributes/created_at").or_else(|| {
                    text(document, "/object_attributes/created_at").and_then(|t| super::pick::moment(&t))
                });
                event.names = names(document, "/object_attributes/stages");
                let fork = text(document, "/object_attributes/source").as_deref()
                    == Some("external_pull_request_event");
                event.trust = Some(if fork { "fork".into() } else { "branch".into() });
            }
            "build" => {
                event.run = text(document, "/pipeline_id");
                event.commit = text(document, "/sha");
                event.step = text(document, "/build_name");
                event.conclusion = text(document, "/build_status").map(conclusion);
                event.runner = text(document, "/runner/description");
            }
            "protected_branch_created" => event.call = Some("created".into()),
            _ => event.subject = first(document, &["/target_details", "/details/target_details"]),
        }
        Ok(vec![whole(event, document)])
    }
}

fn action(kind: &str, document: &Value) -> Action {
    let gone = is_zero(text(document, "/after").as_deref());
    let fresh = is_zero(text(document, "/before").as_deref());
    let status = first(document, &["/object_attributes/status", "/build_status"]).unwrap_or_default();
    let ended = matches!(&*status, "success" | "failed" | "canceled" | "skipped");
    match kind {
        "push" | "tag_push" if gone => Action::RefDeleted,
        "push" | "tag_push" if fresh => Action::RefCreated,
        "push" | "tag_push" => Action::RefUpdated,
        "pipeline" if ended => Action::RunFinished,
        "pipeline" if matches!(&*status, "running" | "pending" | "created") => Action::RunStarted,
        "build" if ended => Action::StepFinished,
        "protected_branch_created" | "protected_branch_removed" | "protected_branch_updated" => {
            Action::ProtectionChanged
        }
        "user_add_to_team" | "user_update_for_team" | "member_created" | "member_updated" => {
            Action::MemberChanged
        }
        "project_visibility_level_updated" => Action::VisibilityChanged,
        "ci_runner_registered" | "runner_registered" => Action::RunnerRegistered,
        other => Action::Other(format!("gitlab.{other}").into()),
    }
}

/// GitLab's words for how a pipeline ended, in ours.
fn conclusion(status: Box<str>) -> Box<str> {
    match &*status {
        "failed" => "failure".into(),
        "canceled" => "cancelled".into(),
        _ => status,
    }
}
