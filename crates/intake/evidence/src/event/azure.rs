//! Azure's activity log and Entra's audit and sign-in logs, in the shape in which they are exported.

use serde_json::Value;

use super::pick::{first, text, when, whole};
use super::{Action, Delivery, Event, Source};
use crate::Fault;

#[derive(Debug)]
pub(super) struct Feed;

impl super::Feed for Feed {
    fn name(&self) -> &'static str {
        "azure-audit"
    }

    fn recognise(&self, document: &Value) -> bool {
        let one = |item: &Value| {
            item.get("operationName").is_some()
                && (item.get("category").is_some() || item.get("resourceId").is_some())
        };
        one(document) || document.pointer("/records/0").is_some_and(one)
    }

    fn read(&self, document: &Value, delivery: &Delivery<'_>) -> Result<Vec<Event>, Fault> {
        match document.get("records").and_then(Value::as_array) {
            Some(records) => records.iter().map(|item| record(item, delivery)).collect(),
            None => Ok(vec![record(document, delivery)?]),
        }
    }
}

fn record(document: &Value, delivery: &Delivery<'_>) -> Result<Event, Fault> {
    let category = text(document, "/category").unwrap_or_default();
    let (source, action) = match &*category {
        "SignInLogs" | "NonInteractiveUserSignInLogs" => (Source::Vendor, Action::SessionStarted),
        _ => (Source::Cloud, Action::CloudCalled),
    };
    let at = when(document, &["/time", "/eventTimestamp", "/properties/createdDateTime"], delivery)?;
    let mut event = Event::new(source, action, at);
    event.id = first(document, &["/eventDataId", "/properties/id", "/correlationId"]).unwrap_or_default();
    if !event.id.is_empty() {
        // One operation is told at its start and at its end, under one id.
        let state = first(document, &["/resultType", "/properties/statusCode"]).unwrap_or_default();
        event.id = format!("{}/{state}", event.id).into();
    }
    let operation = first(document, &["/operationName/value", "/operationName"]).unwrap_or_default();
    event.call = Some(operation.to_lowercase().into());
    event.actor = first(
        document,
        &[
            "/caller",
            "/properties/userPrincipalName",
            "/properties/servicePrincipalName",
            "/properties/initiatedBy/user/userPrincipalName",
            "/properties/initiatedBy/app/displayName",
            "/identity/claims/name",
            "/identity/claims/appid",
        ],
    );
    event.role =
        first(document, &["/identity/claims/appid", "/properties/servicePrincipalId", "/properties/appId"]);
    event.token = first(document, &["/identity/claims/uti", "/properties/uniqueTokenIdentifier"]);
    event.network =
        first(document, &["/callerIpAddress", "/httpRequest/clientIpAddress", "/properties/ipAddress"]);
    event.region = first(document, &["/properties/location/countryOrRegion", "/location"]);
    event.agent = text(document, "/properties/userAgent");
    event.subject = first(document, &["/resourceId", "/properties/targetResources/0/displayName"]);
    let result = first(document, &["/resultType", "/properties/status/errorCode", "/status/value"]);
    event.conclusion = result.map(|result| match &*result.to_lowercase() {
        "success" | "succeeded" | "0" | "start" | "started" | "accept" | "accepted" => "success".into(),
        _ => "failure".into(),
    });
    Ok(whole(event, document))
}
