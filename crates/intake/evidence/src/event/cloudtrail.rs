//! AWS CloudTrail. Records of services acting for us carry little identity; they are kept all the same.

use serde_json::Value;

use super::pick::{first, text, when, whole};
use super::{Action, Delivery, Event, Source};
use crate::Fault;

#[derive(Debug)]
pub(super) struct Feed;

impl super::Feed for Feed {
    fn name(&self) -> &'static str {
        "cloudtrail"
    }

    fn recognise(&self, document: &Value) -> bool {
        document.get("Records").is_some_and(Value::is_array)
            || (document.get("eventSource").is_some() && document.get("eventName").is_some())
    }

    fn read(&self, document: &Value, delivery: &Delivery<'_>) -> Result<Vec<Event>, Fault> {
        match document.get("Records").and_then(Value::as_array) {
            Some(records) => records.iter().map(|item| record(item, delivery)).collect(),
            None => Ok(vec![record(document, delivery)?]),
        }
    }
}

fn record(document: &Value, delivery: &Delivery<'_>) -> Result<Event, Fault> {
    let mut event =
        Event::new(Source::Cloud, Action::CloudCalled, when(document, &["/eventTime"], delivery)?);
    event.id = text(document, "/eventID").unwrap_or_default();
    let service = text(document, "/eventSource").unwrap_or_default();
    let service = service.split('.').next().unwrap_or("");
    event.call = Some(format!("{service}:{}", text(document, "/eventName").unwrap_or_default()).into());
    event.role = text(document, "/userIdentity/sessionContext/sessionIssuer/arn");
    event.actor = first(
        document,
        &["/userIdentity/arn", "/userIdentity/userName", "/userIdentity/invokedBy", "/userIdentity/type"],
    );
    // A pipeline's token is exchanged for a role: the subject names the repository, the role is in the request.
    if service == "sts" && event.call.as_deref() == Some("sts:AssumeRoleWithWebIdentity") {
        event.role = text(document, "/requestParameters/roleArn");
        event.actor = first(document, &["/userIdentity/userName", "/userIdentity/principalId"]);
        event.repository = event.actor.as_deref().and_then(subject_repository).map(Into::into);
    }
    event.token = text(document, "/userIdentity/accessKeyId");
    event.network = text(document, "/sourceIPAddress");
    event.region = text(document, "/awsRegion");
    event.agent = text(document, "/userAgent");
    event.conclusion = Some(match text(document, "/errorCode") {
        Some(_) => "failure".into(),
        None => "success".into(),
    });
    Ok(whole(event, document))
}

/// `repo:owner/name:ref:refs/heads/main` as `owner/name`.
fn subject_repository(subject: &str) -> Option<&str> {
    subject.split_once("repo:")?.1.split(':').next()
}
