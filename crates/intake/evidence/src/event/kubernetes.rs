//! Kubernetes audit events (audit.k8s.io/v1).

use serde_json::Value;

use super::pick::{names, text, when, whole};
use super::{Action, Delivery, Event, Source};
use crate::Fault;

#[derive(Debug)]
pub(super) struct Feed;

impl super::Feed for Feed {
    fn name(&self) -> &'static str {
        "kubernetes"
    }

    fn recognise(&self, document: &Value) -> bool {
        document.get("auditID").is_some() || document.get("kind").and_then(Value::as_str) == Some("EventList")
    }

    fn read(&self, document: &Value, delivery: &Delivery<'_>) -> Result<Vec<Event>, Fault> {
        if let Some(items) = document.get("items").and_then(Value::as_array) {
            return items.iter().map(|item| audit(item, delivery)).collect();
        }
        Ok(vec![audit(document, delivery)?])
    }
}

fn audit(document: &Value, delivery: &Delivery<'_>) -> Result<Event, Fault> {
    let at = when(document, &["/stageTimestamp", "/requestReceivedTimestamp"], delivery)?;
    let mut event = Event::new(Source::Kubernetes, Action::ClusterCalled, at);
    // One request is told once a stage: the id alone would drop the later ones.
    event.id = match (text(document, "/auditID"), text(document, "/stage")) {
        (Some(id), Some(stage)) => format!("{id}/{stage}").into(),
        (Some(id), None) => id,
        _ => Box::default(),
    };
    event.actor = text(document, "/impersonatedUser/username").or_else(|| text(document, "/user/username"));
    event.network = text(document, "/sourceIPs/0");
    event.agent = text(document, "/userAgent");
    let verb = text(document, "/verb").unwrap_or_default();
    let resource = text(document, "/objectRef/resource").unwrap_or_default();
    event.call = Some(format!("{resource}:{verb}").into());
    event.subject = match (text(document, "/objectRef/namespace"), text(document, "/objectRef/name")) {
        (Some(namespace), Some(name)) => Some(format!("{namespace}/{name}").into()),
        (one, other) => one.or(other),
    };
    let code = document.pointer("/responseStatus/code").and_then(Value::as_i64);
    event.conclusion = code.map(|code| if code < 400 { "success".into() } else { "failure".into() });
    let containers = document.pointer("/requestObject/spec/containers").and_then(Value::as_array);
    event.names =
        containers.into_iter().flatten().filter_map(|container| text(container, "/image")).collect();
    if event.names.is_empty() {
        event.names = names(document, "/requestObject/status/images");
    }
    Ok(whole(event, document))
}
