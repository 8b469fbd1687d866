//! OCI registries: distribution notifications and Harbor's webhooks. Unordered, and delivered at least once.

use linkward_model::Code;
use serde_json::Value;

use super::pick::{first, text, time, when, whole};
use super::{Action, Delivery, Event, Source};
use crate::Fault;

#[derive(Debug)]
pub(super) struct Feed;

impl super::Feed for Feed {
    fn name(&self) -> &'static str {
        "oci"
    }

    fn recognise(&self, document: &Value) -> bool {
        document.get("events").is_some_and(Value::is_array)
            || document.pointer("/event_data/resources").is_some()
    }

    fn read(&self, document: &Value, delivery: &Delivery<'_>) -> Result<Vec<Event>, Fault> {
        if document.get("event_data").is_some() {
            return harbor(document, delivery);
        }
        let items = document.get("events").and_then(Value::as_array);
        let items = items.ok_or_else(|| Fault::new(Code::MalformedField, "$.events", "is missing"))?;
        items.iter().map(|item| notification(item, delivery)).collect()
    }
}

fn notification(item: &Value, delivery: &Delivery<'_>) -> Result<Event, Fault> {
    let kind = text(item, "/action").unwrap_or_default();
    let mut event = Event::new(Source::Registry, action(&kind), when(item, &["/timestamp"], delivery)?);
    event.id = text(item, "/id").unwrap_or_default();
    event.repository = text(item, "/target/repository");
    event.package = event.repository.as_deref().map(image);
    event.reference = text(item, "/target/tag");
    event.version = event.reference.clone();
    event.digest = text(item, "/target/digest");
    event.actor = text(item, "/actor/name");
    event.agent = text(item, "/request/useragent");
    event.network = text(item, "/request/addr").map(|address| match address.rsplit_once(':') {
        Some((host, _)) => host.into(),
        None => address,
    });
    Ok(whole(event, item))
}

fn harbor(document: &Value, delivery: &Delivery<'_>) -> Result<Vec<Event>, Fault> {
    let kind = text(document, "/type").unwrap_or_default();
    let at = match time(document, "/occur_at") {
        Some(at) => at,
        None => when(document, &["/event_data/repository/date_created"], delivery)?,
    };
    let resources = document.pointer("/event_data/resources").and_then(Value::as_array);
    let event = |resource: Option<&Value>| {
        let mut event = Event::new(Source::Registry, action(&kind), at);
        event.repository = text(document, "/event_data/repository/repo_full_name");
        event.package = event.repository.as_deref().map(image);
        event.actor = first(document, &["/operator"]);
        if let Some(resource) = resource {
            event.reference = text(resource, "/tag");
            event.version = event.reference.clone();
            event.digest = text(resource, "/digest");
        }
        whole(event, document)
    };
    let mut events: Vec<Event> = resources.into_iter().flatten().map(|item| event(Some(item))).collect();
    if events.is_empty() {
        events.push(event(None));
    }
    Ok(events)
}

fn action(kind: &str) -> Action {
    match kind {
        "push" | "PUSH_ARTIFACT" => Action::Published,
        "pull" | "PULL_ARTIFACT" => Action::Pulled,
        "delete" | "DELETE_ARTIFACT" => Action::Unpublished,
        other => Action::Other(format!("oci.{}", other.to_lowercase()).into()),
    }
}

fn image(repository: &str) -> Box<str> {
    format!("pkg:oci/{repository}").into()
}
