//! GitHub webhooks. A push to a tag that existed is how a release is replaced under everybody who pinned it.

use serde_json::Value;

use super::pick::{first, flag, is_zero, text, time, when, whole};
use super::{Action, Delivery, Event, Source};
use crate::Fault;

#[derive(Debug)]
pub(super) struct Feed;

/// Where the time of an event stands, the most telling first.
const TIMES: &[&str] = &[
    "/head_commit/timestamp",
    "/workflow_job/completed_at",
    "/workflow_job/started_at",
    "/workflow_job/created_at",
    "/workflow_run/updated_at",
    "/registry_package/package_version/created_at",
    "/package/package_version/created_at",
    "/registry_package/created_at",
    "/package/created_at",
    "/release/published_at",
    "/release/created_at",
    "/deployment_status/created_at",
    "/deployment/created_at",
    "/check_run/completed_at",
    "/check_run/started_at",
    "/check_suite/updated_at",
    "/rule/updated_at",
    "/alert/updated_at",
    "/alert/created_at",
    "/key/created_at",
    "/comment/updated_at",
    "/review/submitted_at",
    "/issue/updated_at",
    "/pull_request/updated_at",
    "/sender/updated_at",
    "/repository/updated_at",
    "/repository/pushed_at",
    "/hook/created_at",
];

impl super::Feed for Feed {
    fn name(&self) -> &'static str {
        "github"
    }

    fn recognise(&self, document: &Value) -> bool {
        document.get("sender").is_some()
            || document.get("zen").is_some()
            || (document.get("event").is_some() && document.get("payload").is_some())
    }

    fn read(&self, document: &Value, delivery: &Delivery<'_>) -> Result<Vec<Event>, Fault> {
        // A recorded delivery: name, id and payload together.
        if let (Some(topic), Some(payload)) =
            (document.get("event").and_then(Value::as_str), document.get("payload"))
        {
            let id = document.get("delivery").and_then(Value::as_str).or(delivery.id);
            let received = time(document, "/received").or(delivery.received);
            return self.read(payload, &Delivery { topic: Some(topic), id, received });
        }
        let topic = delivery.topic.map_or_else(|| guess(document), str::to_owned);
        let kind = text(document, "/action").unwrap_or_default();
        let event =
            Event::new(Source::Forge, action(&topic, &kind, document), when(document, TIMES, delivery)?);
        let mut event = whole(describe(event, document), document);
        match topic.as_str() {
            "push" => push(&mut event, document),
            "create" | "delete" => branch_or_tag(&mut event, document),
            "workflow_run" => run(&mut event, document),
            "workflow_job" => job(&mut event, document),
            "registry_package" | "package" => package(&mut event, document, &topic),
            "repository" if &*kind == "publicized" => event.subject = Some("public".into()),
            "deploy_key" => event.key = first(document, &["/key/key", "/key/title"]),
            "branch_protection_rule" => event.reference = text(document, "/rule/name"),
            _ => {}
        }
        if event.action == Action::ProtectionChanged {
            event.call = Some(kind.clone()).filter(|kind| !kind.is_empty());
        }
        if topic == "public" {
            event.subject = Some("public".into());
        }
        let workflows = if topic == "push" { workflows(&event, document) } else { Vec::new() };
        Ok([vec![event], workflows].concat())
    }
}

/// Pipelines that a push defines anew: steps may differ from then on.
fn workflows(push: &Event, document: &Value) -> Vec<Event> {
    let commits = document.get("commits").and_then(Value::as_array);
    let mut paths: Vec<Box<str>> = Vec::new();
    for commit in commits.into_iter().flatten() {
        for list in ["/added", "/modified", "/removed"] {
            paths.extend(
                super::pick::names(commit, list)
                    .into_iter()
                    .filter(|path| path.starts_with(".github/workflows/")),
            );
        }
    }
    paths.sort();
    paths.dedup();
    let changed = |path| Event {
        action: Action::WorkflowChanged,
        workflow: Some(path),
        raw: Value::Null,
        ..push.clone()
    };
    paths.into_iter().map(changed).collect()
}

fn action(topic: &str, kind: &str, document: &Value) -> Action {
    match (topic, kind) {
        ("push", _) if flag(document, "/created") == Some(true) => Action::RefCreated,
        ("push", _) if flag(document, "/deleted") == Some(true) => Action::RefDeleted,
        ("push", _) => Action::RefUpdated,
        // A push says the same with the commits beside it; a second event would count it twice.
        ("workflow_run", "completed") => Action::RunFinished,
        ("workflow_run", "requested" | "in_progress") => Action::RunStarted,
        ("workflow_job", "completed") => Action::StepFinished,
        ("registry_package" | "package", "published" | "updated") => Action::Published,
        ("branch_protection_rule" | "branch_protection_configuration" | "repository_ruleset", _) => {
            Action::ProtectionChanged
        }
        ("member" | "membership" | "team_add" | "deploy_key", _) => Action::MemberChanged,
        ("public", _) | ("repository", "publicized") => Action::VisibilityChanged,
        ("secret_scanning_alert", "created") => Action::SecretLeaked,
        ("issues", "deleted") | ("discussion", "deleted") => Action::IssueDeleted,
        (topic, "") => Action::Other(format!("github.{topic}").into()),
        (topic, kind) => Action::Other(format!("github.{topic}.{kind}").into()),
    }
}

/// The event's name from its shape, for payloads that were kept without their headers.
fn guess(document: &Value) -> String {
    let has = |name: &str| document.get(name).is_some();
    let name = if has("ref") && has("before") && has("after") {
        "push"
    } else if has("workflow_job") {
        "workflow_job"
    } else if has("workflow_run") {
        "workflow_run"
    } else if has("registry_package") {
        "registry_package"
    } else {
        "unknown"
    };
    name.to_owned()
}

fn describe(mut event: Event, document: &Value) -> Event {
    event.actor = first(document, &["/sender/login", "/pusher/name"]);
    event.actor_kind = text(document, "/sender/type").map(|kind| match &*kind {
        "User" => "human".into(),
        "Bot" => "bot".into(),
        other => other.to_lowercase().into(),
    });
    event.repository = text(document, "/repository/full_name");
    event
}

fn push(event: &mut Event, document: &Value) {
    event.reference = text(document, "/ref");
    event.before = text(document, "/before").filter(|id| !is_zero(Some(id)));
    event.after = text(document, "/after").filter(|id| !is_zero(Some(id)));
    event.commit = event.after.clone();
    event.forced = flag(document, "/forced");
    let branch = event.reference.as_deref().and_then(|name| name.strip_prefix("refs/heads/"));
    let default = first(document, &["/repository/default_branch", "/repository/master_branch"]);
    if branch.is_some() && branch == default.as_deref() {
        event.protected = Some(true);
    }
    // The bot account pushes for whoever's token it was; the pusher is the nearer name.
    event.actor = first(document, &["/pusher/name", "/sender/login"]);
}

fn branch_or_tag(event: &mut Event, document: &Value) {
    let folder = if text(document, "/ref_type").as_deref() == Some("tag") { "tags" } else { "heads" };
    event.reference = text(document, "/ref").map(|name| format!("refs/{folder}/{name}").into());
}

fn run(event: &mut Event, document: &Value) {
    event.run = text(document, "/workflow_run/id");
    event.commit = text(document, "/workflow_run/head_sha");
    event.workflow = first(document, &["/workflow_run/path", "/workflow_run/name"]);
    event.conclusion = text(document, "/workflow_run/conclusion");
    event.started = time(document, "/workflow_run/run_started_at");
    event.reference =
        text(document, "/workflow_run/head_branch").map(|name| format!("refs/heads/{name}").into());
    event.actor = first(document, &["/workflow_run/triggering_actor/login", "/sender/login"]);
    let fork = text(document, "/workflow_run/head_repository/full_name");
    let trigger = text(document, "/workflow_run/event");
    event.trust = Some(match trigger.as_deref() {
        _ if fork.is_some() && fork != event.repository => "fork".into(),
        Some("pull_request" | "pull_request_target") => "fork".into(),
        _ => "branch".into(),
    });
}

fn job(event: &mut Event, document: &Value) {
    event.run = text(document, "/workflow_job/run_id");
    event.commit = text(document, "/workflow_job/head_sha");
    event.step = text(document, "/workflow_job/name");
    event.conclusion = text(document, "/workflow_job/conclusion");
    event.started = time(document, "/workflow_job/started_at");
    event.runner = text(document, "/workflow_job/runner_name");
    event.workflow = text(document, "/workflow_job/workflow_name");
    let steps = document.pointer("/workflow_job/steps").and_then(Value::as_array);
    event.names = steps.into_iter().flatten().filter_map(|step| text(step, "/name")).collect();
}

fn package(event: &mut Event, document: &Value, topic: &str) {
    let at = |rest: &str| format!("/{topic}{rest}");
    let name = text(document, &at("/name"));
    let kind = first(document, &[&at("/package_type"), &at("/ecosystem")]).map(|kind| kind.to_lowercase());
    event.package = name.zip(kind).map(|(name, kind)| {
        let kind = if kind == "container" || kind == "docker" { "oci" } else { kind.as_str() };
        format!("pkg:{kind}/{name}").into()
    });
    event.version = text(document, &at("/package_version/version"));
    event.digest = event.version.clone().filter(|version| version.starts_with("sha256:"));
    event.commit = text(document, &at("/package_version/target_oid"));
    event.actor = first(document, &[&at("/package_version/author/login"), "/sender/login"]);
}
