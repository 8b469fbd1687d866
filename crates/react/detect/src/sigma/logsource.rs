//! Which of our events a rule's `logsource` means.

use std::borrow::Cow;

use linkward_evidence::event::{Event, Source};
use serde_json::Value;

/// What a source's own documents look like: a cloud's trail is not another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feed {
    CloudTrail,
    Gcp,
    Azure,
    GithubAudit,
    Gitlab,
    Kubernetes,
    Okta,
    /// Any source, in the words of Linkward's own events.
    Linkward,
    /// A correlation: whatever its rules look at.
    Any,
}

/// What a rule may say of its logsource.
const KNOWN: &[(&str, Option<&str>, Feed)] = &[
    ("aws", Some("cloudtrail"), Feed::CloudTrail),
    ("gcp", Some("gcp.audit"), Feed::Gcp),
    ("gcp", Some("google_cloud.audit"), Feed::Gcp),
    ("azure", Some("activitylogs"), Feed::Azure),
    ("azure", Some("auditlogs"), Feed::Azure),
    ("github", Some("audit"), Feed::GithubAudit),
    ("gitlab", Some("audit"), Feed::Gitlab),
    ("kubernetes", Some("audit"), Feed::Kubernetes),
    ("kubernetes", None, Feed::Kubernetes),
    ("okta", Some("okta"), Feed::Okta),
    ("okta", None, Feed::Okta),
    ("linkward", None, Feed::Linkward),
];

impl Feed {
    /// The feed of a product and service, lower case.
    pub(crate) fn of(product: &str, service: Option<&str>) -> Option<Self> {
        KNOWN.iter().find(|(known, by, _)| *known == product && *by == service).map(|(.., feed)| *feed)
    }

    /// What there is, for people.
    pub(crate) fn known() -> String {
        let mut names: Vec<String> = KNOWN
            .iter()
            .map(|(product, service, _)| match service {
                Some(service) => format!("{product}/{service}"),
                None => (*product).to_owned(),
            })
            .collect();
        names.sort();
        names.join(", ")
    }

    /// Our names of the feeds that bring its documents; every feed where there are none.
    pub(crate) const fn feeds(self) -> &'static [&'static str] {
        match self {
            Self::CloudTrail => &["cloudtrail"],
            Self::Gcp => &["gcp-audit"],
            Self::Azure => &["azure-audit"],
            Self::GithubAudit => &["github-audit"],
            Self::Gitlab => &["gitlab"],
            Self::Kubernetes => &["kubernetes"],
            Self::Okta => &["okta"],
            Self::Linkward | Self::Any => &[],
        }
    }

    pub(crate) const fn source(self) -> Option<Source> {
        match self {
            Self::CloudTrail | Self::Gcp | Self::Azure => Some(Source::Cloud),
            Self::GithubAudit | Self::Gitlab => Some(Source::Forge),
            Self::Kubernetes => Some(Source::Kubernetes),
            Self::Okta => Some(Source::Vendor),
            Self::Linkward | Self::Any => None,
        }
    }

    /// What rules of this feed look at: what the source said, or what Linkward made of it.
    pub(crate) fn document(self, event: &Event) -> Cow<'_, Value> {
        match self {
            Self::Linkward => {
                Cow::Owned(serde_json::to_value(event.clone().without_raw()).unwrap_or_default())
            }
            _ => Cow::Borrowed(&event.raw),
        }
    }

    /// Whether the event's document is of this feed's shape.
    pub(crate) fn fits(self, event: &Event) -> bool {
        let has = |names: &[&str]| names.iter().all(|name| event.raw.get(*name).is_some());
        match self {
            Self::CloudTrail => has(&["eventSource", "eventName"]),
            Self::Gcp => has(&["protoPayload"]),
            Self::Azure => has(&["operationName"]) && !has(&["protoPayload"]),
            Self::GithubAudit => has(&["action"]) && (has(&["@timestamp"]) || has(&["created_at", "actor"])),
            Self::Gitlab => has(&["author_id"]) || has(&["object_kind"]),
            Self::Kubernetes => has(&["verb"]) && event.raw.get("auditID").is_some_and(Value::is_string),
            Self::Okta => has(&["eventType"]),
            Self::Linkward => true,
            Self::Any => false,
        }
    }
}
