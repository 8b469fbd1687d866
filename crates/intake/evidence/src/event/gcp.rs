//! Google Cloud's audit logs, as Cloud Logging exports them: one entry, or the list of an export.

use serde_json::Value;

use super::pick::{first, text, when, whole};
use super::{Action, Delivery, Event, Source};
use crate::Fault;

#[derive(Debug)]
pub(super) struct Feed;

impl super::Feed for Feed {
    fn name(&self) -> &'static str {
        "gcp-audit"
    }

    fn recognise(&self, document: &Value) -> bool {
        document.pointer("/protoPayload/methodName").is_some()
            || document.pointer("/entries/0/protoPayload/methodName").is_some()
    }

    fn read(&self, document: &Value, delivery: &Delivery<'_>) -> Result<Vec<Event>, Fault> {
        match document.get("entries").and_then(Value::as_array) {
            Some(entries) => entries.iter().map(|item| entry(item, delivery)).collect(),
            None => Ok(vec![entry(document, delivery)?]),
        }
    }
}

fn entry(document: &Value, delivery: &Delivery<'_>) -> Result<Event, Fault> {
    let at = when(document, &["/timestamp", "/receiveTimestamp"], delivery)?;
    let mut event = Event::new(Source::Cloud, Action::CloudCalled, at);
    event.id = text(document, "/insertId").unwrap_or_default();
    let service = text(document, "/protoPayload/serviceName").unwrap_or_default();
    let service = service.split('.').next().unwrap_or("");
    let method = text(document, "/protoPayload/methodName").unwrap_or_default();
    // Some services name their methods in full, others by the last words alone.
    let method = method.rsplit('.').next().unwrap_or("");
    event.call = Some(format!("{service}:{method}").into());
    let who = "/protoPayload/authenticationInfo";
    event.actor = first(document, &[&format!("{who}/principalEmail"), &format!("{who}/principalSubject")]);
    // A pipeline comes by federation: the subject is its identity, the delegation names the account that it became.
    let account = |name: &str| name.ends_with(".gserviceaccount.com");
    let delegated = first(
        document,
        &[&format!("{who}/serviceAccountDelegationInfo/0/firstPartyPrincipal/principalEmail")],
    );
    event.role = event.actor.clone().filter(|name| account(name)).or(delegated.filter(|name| account(name)));
    event.token = text(document, &format!("{who}/serviceAccountKeyName"));
    event.network = text(document, "/protoPayload/requestMetadata/callerIp");
    event.agent = text(document, "/protoPayload/requestMetadata/callerSuppliedUserAgent");
    event.region = first(
        document,
        &[
            "/resource/labels/location",
            "/resource/labels/zone",
            "/protoPayload/resourceLocation/currentLocations/0",
        ],
    );
    event.subject = text(document, "/protoPayload/resourceName");
    // A status without a code is success: protobuf leaves zero out.
    let code = document.pointer("/protoPayload/status/code").and_then(Value::as_i64).unwrap_or(0);
    event.conclusion = Some(if code == 0 { "success".into() } else { "failure".into() });
    Ok(whole(event, document))
}
