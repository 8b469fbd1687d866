//! Runs and steps of any other pipeline, and of our own recorder: Jenkins notifications and step records.

use serde_json::Value;

use super::pick::{first, names, text, time, when, whole};
use super::{Action, Delivery, Event, Source};
use crate::Fault;

#[derive(Debug)]
pub(super) struct Feed;

impl super::Feed for Feed {
    fn name(&self) -> &'static str {
        "ci"
    }

    fn recognise(&self, document: &Value) -> bool {
        document.pointer("/build/phase").is_some()
            || (document.get("step").is_some() && document.get("exit_code").is_some())
    }

    fn read(&self, document: &Value, delivery: &Delivery<'_>) -> Result<Vec<Event>, Fault> {
        if document.pointer("/build/phase").is_some() {
            return Ok(vec![jenkins(document, delivery)?]);
        }
        let mut event = Event::new(
            Source::Ci,
            Action::StepFinished,
            when(document, &["/finished", "/started"], delivery)?,
        );
        event.step = text(document, "/step");
        event.run = first(document, &["/invocation", "/run"]);
        event.repository = first(document, &["/project", "/source/remote"]);
        event.commit = first(document, &["/source/revision", "/revision"]);
        event.started = time(document, "/started");
        let code = document.get("exit_code").and_then(Value::as_i64);
        event.conclusion = code.map(|code| if code == 0 { "success".into() } else { "failure".into() });
        let mut events = vec![whole(event.clone(), document)];
        for product in document.get("products").and_then(Value::as_array).into_iter().flatten() {
            let mut built = Event { action: Action::Built, ..event.clone() };
            built.digest = text(product, "/digest");
            built.subject = text(product, "/name");
            events.push(built);
        }
        Ok(events)
    }
}

/// The notification plugin's shape.
fn jenkins(document: &Value, delivery: &Delivery<'_>) -> Result<Event, Fault> {
    let phase = text(document, "/build/phase").unwrap_or_default();
    let action = match &*phase {
        "STARTED" | "QUEUED" => Action::RunStarted,
        "COMPLETED" | "FINALIZED" => Action::RunFinished,
        other => Action::Other(format!("jenkins.{}", other.to_lowercase()).into()),
    };
    let mut event = Event::new(Source::Ci, action, when(document, &["/build/timestamp"], delivery)?);
    event.run = first(document, &["/build/full_url", "/build/number"]);
    event.workflow = text(document, "/name");
    event.repository = text(document, "/build/scm/url");
    event.commit = text(document, "/build/scm/commit");
    event.reference = text(document, "/build/scm/branch");
    event.conclusion = text(document, "/build/status").map(|status| match &*status {
        "ABORTED" => "cancelled".into(),
        "UNSTABLE" => "failure".into(),
        other => other.to_lowercase().into(),
    });
    event.names = names(document, "/build/stages");
    Ok(whole(event, document))
}
