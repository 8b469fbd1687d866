//! PyPI: a project's JSON document. The uploader is not told; attestations and hashes are.

use linkward_model::Code;
use serde_json::Value;

use super::pick::{first, moment, text, whole};
use super::{Action, Delivery, Event, Source};
use crate::Fault;

#[derive(Debug)]
pub(super) struct Feed;

impl super::Feed for Feed {
    fn name(&self) -> &'static str {
        "pypi"
    }

    fn recognise(&self, document: &Value) -> bool {
        document.get("releases").is_some_and(Value::is_object) && document.get("info").is_some()
    }

    fn read(&self, document: &Value, _: &Delivery<'_>) -> Result<Vec<Event>, Fault> {
        let missing = |place: String| Fault::new(Code::MalformedField, place, "is missing");
        let name = text(document, "/info/name").ok_or_else(|| missing("$.info.name".to_owned()))?;
        let releases = document.get("releases").and_then(Value::as_object);
        let mut events = Vec::new();
        for (version, files) in releases.into_iter().flatten() {
            for file in files.as_array().into_iter().flatten() {
                let at =
                    first(file, &["/upload_time_iso_8601", "/upload_time"]).and_then(|text| moment(&text));
                let at =
                    at.ok_or_else(|| missing(format!("$.releases[{version:?}].upload_time_iso_8601")))?;
                let yanked = file.get("yanked").and_then(Value::as_bool).unwrap_or(false);
                let action = if yanked { Action::Unpublished } else { Action::Published };
                let mut event = Event::new(Source::Registry, action, at);
                event.package = Some(format!("pkg:pypi/{}", name.to_lowercase().replace('_', "-")).into());
                event.version = Some(version.as_str().into());
                event.digest = text(file, "/digests/sha256").map(|hex| format!("sha256:{hex}").into());
                event.subject = text(file, "/filename");
                let proven = file.get("provenance").is_some_and(|value| !value.is_null());
                event.assurance = Some(if proven { "provenance".into() } else { "none".into() });
                events.push(whole(event, file));
            }
        }
        if events.is_empty() {
            return Err(missing("$.releases".to_owned()));
        }
        Ok(events)
    }
}
