//! One line of a watch.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::kind::ClusterKind;
use super::object::{ClusterError, Observed, observed};

/// What a line of a watch says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is there, as this.
    Present(Observed),
    /// It was removed.
    Gone(Observed),
    /// Nothing changed up to this version.
    Bookmark(String),
    /// The version is too old: everything has to be listed again.
    Expired,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct Bookmark {
    metadata: BookmarkMeta,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BookmarkMeta {
    resource_version: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    code: Option<u16>,
    reason: Option<String>,
    message: Option<String>,
}

/// Reads a line of a watch.
///
/// # Errors
/// Malformed, or the API server says that something is wrong.
pub fn change(kind: ClusterKind, line: &[u8]) -> Result<Change, ClusterError> {
    let malformed = |error| ClusterError::Malformed("watch event", error);
    let line: Line<'_> = serde_json::from_slice(line).map_err(malformed)?;
    match line.kind {
        "ADDED" | "MODIFIED" => Ok(Change::Present(observed(kind, line.object.get())?)),
        "DELETED" => Ok(Change::Gone(observed(kind, line.object.get())?)),
        "BOOKMARK" => {
            let bookmark: Bookmark = serde_json::from_str(line.object.get()).map_err(malformed)?;
            let version = bookmark.metadata.resource_version;
            Ok(Change::Bookmark(version.ok_or(ClusterError::Missing("bookmark", "resourceVersion"))?))
        }
        "ERROR" => {
            let refusal: Refusal = serde_json::from_str(line.object.get()).map_err(malformed)?;
            let code = refusal.code.unwrap_or(0);
            let reason = refusal.reason.unwrap_or_default();
            if code == 410 || matches!(reason.as_str(), "Expired" | "Gone") {
                return Ok(Change::Expired);
            }
            Err(ClusterError::Status { code, reason, message: refusal.message.unwrap_or_default() })
        }
        // A type that is not known may be anything: what follows is seen by listing again.
        _ => Ok(Change::Expired),
    }
}
