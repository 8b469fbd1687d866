//! Identity providers and vendors: Okta's system log, and any audit feed of that shape.

use serde_json::Value;

use super::pick::{first, text, when, whole};
use super::{Action, Delivery, Event, Source};
use crate::Fault;

#[derive(Debug)]
pub(super) struct Feed;

impl super::Feed for Feed {
    fn name(&self) -> &'static str {
        "okta"
    }

    fn recognise(&self, document: &Value) -> bool {
        (document.get("eventType").is_some() && document.get("published").is_some())
            || document.pointer("/data/events/0/eventType").is_some()
    }

    fn read(&self, document: &Value, delivery: &Delivery<'_>) -> Result<Vec<Event>, Fault> {
        match document.pointer("/data/events").and_then(Value::as_array) {
            Some(items) => items.iter().map(|item| entry(item, delivery)).collect(),
            None => Ok(vec![entry(document, delivery)?]),
        }
    }
}

fn entry(document: &Value, delivery: &Delivery<'_>) -> Result<Event, Fault> {
    let kind = text(document, "/eventType").unwrap_or_default();
    let action = match &*kind {
        "user.session.start" | "user.authentication.sso" => Action::SessionStarted,
        _ => Action::VendorCalled,
    };
    let mut event = Event::new(Source::Vendor, action, when(document, &["/published"], delivery)?);
    event.id = text(document, "/uuid").unwrap_or_default();
    event.call = Some(kind);
    event.actor = first(document, &["/actor/alternateId", "/actor/displayName", "/actor/id"]);
    event.network = text(document, "/client/ipAddress");
    event.region = text(document, "/client/geographicalContext/country");
    event.agent = text(document, "/client/userAgent/rawUserAgent");
    event.asn = text(document, "/securityContext/asNumber");
    event.conclusion = text(document, "/outcome/result").map(|result| result.to_lowercase().into());
    event.subject = first(document, &["/target/0/alternateId", "/target/0/displayName"]);
    Ok(whole(event, document))
}
