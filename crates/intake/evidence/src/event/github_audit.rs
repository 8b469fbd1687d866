//! GitHub's audit log. It sees what webhooks do not: tokens, policy overrides, who removed what.

use linkward_model::Code;
use serde_json::Value;

use super::pick::{first, text, time, whole};
use super::{Action, Delivery, Event, Source};
use crate::Fault;

#[derive(Debug)]
pub(super) struct Feed;

impl super::Feed for Feed {
    fn name(&self) -> &'static str {
        "github-audit"
    }

    fn recognise(&self, document: &Value) -> bool {
        document.get("@timestamp").is_some() && document.get("action").is_some()
    }

    fn read(&self, document: &Value, delivery: &Delivery<'_>) -> Result<Vec<Event>, Fault> {
        let at =
            time(document, "/@timestamp").or_else(|| time(document, "/created_at")).or(delivery.received);
        let at = at.ok_or_else(|| Fault::new(Code::MalformedField, "$.@timestamp", "is missing"))?;
        let name = text(document, "/action")
            .ok_or_else(|| Fault::new(Code::MalformedField, "$.action", "is missing"))?;
        let mut event = Event::new(Source::Forge, action(&name), at);
        if let Some(id) = text(document, "/_document_id") {
            event.id = id;
        }
        event.actor = text(document, "/actor");
        event.token = text(document, "/hashed_token");
        event.network = text(document, "/actor_ip");
        event.region = text(document, "/actor_location/country_code");
        event.agent = text(document, "/user_agent");
        event.repository = first(document, &["/repo", "/repository"]);
        event.actor_kind = match text(document, "/programmatic_access_type") {
            Some(_) => Some("token".into()),
            None => text(document, "/actor_is_bot").map(|_| "bot".into()),
        };
        event.runner = text(document, "/runner_name");
        event.reference = first(document, &["/branch", "/ref"]);
        event.subject = first(document, &["/user", "/name", "/hook_id"]);
        if event.action == Action::ProtectionChanged {
            let change = name.rsplit('.').next().unwrap_or("");
            event.call = Some(if change == "create" { "created".into() } else { change.into() });
        }
        if &*name == "repo.access" {
            event.subject = text(document, "/visibility");
        }
        Ok(vec![whole(event, document)])
    }
}

fn action(name: &str) -> Action {
    match name {
        "repo.access" => Action::VisibilityChanged,
        "issue.destroy" | "issue_comment.destroy" | "discussion.destroy" => Action::IssueDeleted,
        "org.add_member" | "org.update_member" | "repo.add_member" | "repo.update_member"
        | "team.add_member" => Action::MemberChanged,
        name if name.starts_with("protected_branch.") || name.starts_with("repository_ruleset.") => {
            Action::ProtectionChanged
        }
        name if name.ends_with("register_self_hosted_runner") => Action::RunnerRegistered,
        "git.push" => Action::Other("github.git.push".into()),
        other => Action::Other(format!("github.{other}").into()),
    }
}
