//! CloudEvents 1.0, and CDEvents inside them or bare. An event of ours travels as `dev.linkward.event.v1`.

use linkward_model::Code;
use serde_json::Value;

use super::pick::{first, text, when, whole};
use super::{Action, Delivery, Event, Source};
use crate::Fault;

/// The type of a CloudEvent whose data is an event in our own shape.
const NATIVE: &str = "dev.linkward.event.v1";

#[derive(Debug)]
pub(super) struct Feed;

impl super::Feed for Feed {
    fn name(&self) -> &'static str {
        "cloudevents"
    }

    fn recognise(&self, document: &Value) -> bool {
        document.get("specversion").is_some() || document.pointer("/context/type").is_some()
    }

    fn read(&self, document: &Value, delivery: &Delivery<'_>) -> Result<Vec<Event>, Fault> {
        let kind = first(document, &["/type", "/context/type"])
            .ok_or_else(|| Fault::new(Code::MalformedField, "$.type", "is missing"))?;
        if &*kind == NATIVE {
            let data = document.get("data").unwrap_or(&Value::Null);
            return super::native::Feed.read(data, delivery);
        }
        if kind.starts_with("dev.cdevents.") {
            let inner = document.get("data").filter(|data| data.get("context").is_some()).unwrap_or(document);
            return Ok(vec![cdevent(inner, document, &kind, delivery)?]);
        }
        let mut event =
            Event::new(Source::Vendor, Action::Other(kind), when(document, &["/time"], delivery)?);
        event.id = text(document, "/id").unwrap_or_default();
        event.subject = text(document, "/subject");
        event.actor = text(document, "/source");
        Ok(vec![whole(event, document)])
    }
}

fn cdevent(inner: &Value, outer: &Value, kind: &str, delivery: &Delivery<'_>) -> Result<Event, Fault> {
    // dev.cdevents.SUBJECT.PREDICATE.VERSION
    let mut words = kind.split('.').skip(2);
    let (subject, predicate) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let (source, action) = match (subject, predicate) {
        ("pipelinerun", "started") => (Source::Ci, Action::RunStarted),
        ("pipelinerun", "finished") => (Source::Ci, Action::RunFinished),
        ("taskrun" | "build", "finished") => (Source::Ci, Action::StepFinished),
        ("artifact", "packaged") => (Source::Ci, Action::Built),
        ("artifact", "signed") => (Source::Ci, Action::Signed),
        ("artifact", "published") => (Source::Registry, Action::Published),
        ("artifact", "downloaded") => (Source::Registry, Action::Pulled),
        ("artifact", "deleted") => (Source::Registry, Action::Unpublished),
        ("branch", "created") => (Source::Forge, Action::RefCreated),
        ("branch", "deleted") => (Source::Forge, Action::RefDeleted),
        _ => (Source::Vendor, Action::Other(kind.into())),
    };
    let at = when(inner, &["/context/timestamp"], delivery).or_else(|_| when(outer, &["/time"], delivery))?;
    let mut event = Event::new(source, action, at);
    event.id = text(inner, "/context/id").unwrap_or_default();
    event.actor = text(inner, "/context/source");
    event.subject = text(inner, "/subject/id");
    event.conclusion = text(inner, "/subject/content/outcome");
    event.run = event.subject.clone().filter(|_| source == Source::Ci);
    event.commit = text(inner, "/subject/content/change/id");
    event.repository = first(inner, &["/subject/content/repository/id", "/subject/content/change/source"]);
    if subject == "artifact" {
        let purl = event.subject.as_deref().unwrap_or("");
        let (package, version) = match purl.rsplit_once('@') {
            Some((package, version)) => (package, version.split('?').next()),
            None => (purl, None),
        };
        event.package = Some(package.into());
        event.version = version.map(Into::into);
        event.digest = event.version.clone().filter(|version| version.starts_with("sha256:"));
        event.key = text(inner, "/subject/content/signature").filter(|_| predicate == "signed");
    }
    Ok(whole(event, outer))
}
