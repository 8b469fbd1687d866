//! OSV records, JSON or YAML. Only `id` and `modified` are required by the schema.

use linkward_evidence::Fault;
use linkward_model::Code;
use serde_json::Value;

use crate::record::{Advisory, Affected, Event, Range, RangeKind};
use crate::severity;

/// Most that is kept of a text for people.
const MAX_SUMMARY: usize = 240;
const MAX_REFERENCES: usize = 6;

/// # Errors
/// Not JSON, or not an OSV record.
pub fn json(bytes: &[u8]) -> Result<Advisory, Fault> {
    let document: Value = serde_json::from_slice(bytes).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        Fault::new(Code::AdvisoryMalformed, place, error.to_string())
    })?;
    record(&document)
}

/// # Errors
/// Not YAML, or not an OSV record.
pub fn yaml(text: &str) -> Result<Advisory, Fault> {
    record(&linkward_evidence::yaml::read(text, Code::AdvisoryMalformed)?)
}

fn record(document: &Value) -> Result<Advisory, Fault> {
    let time = |name: &str| match document.get(name).and_then(Value::as_str) {
        None => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|error| malformed(name, format!("{error}"))),
    };
    let modified = time("modified")?.ok_or_else(|| malformed("modified", "is missing"))?;
    let mut severity = severity::of(document);
    let mut affected = Vec::new();
    for item in list(document, "affected")? {
        severity = severity.max(severity::of(item));
        let Some(package) = item.get("package") else {
            // Commits alone, of no package: nothing that a component could be compared with.
            continue;
        };
        affected.push(Affected {
            ecosystem: text(package, "ecosystem")?.to_owned(),
            name: text(package, "name")?.to_owned(),
            ranges: list(item, "ranges")?.iter().map(range).collect::<Result<_, _>>()?,
            versions: list(item, "versions")?
                .iter()
                .map(|version| version.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or_else(|| malformed("versions", "must hold strings"))?,
        });
    }
    let aliases =
        ["aliases", "upstream"].iter().map(|name| list(document, name)).collect::<Result<Vec<_>, _>>()?;
    let summary = ["summary", "details"].iter().find_map(|name| document.get(name)?.as_str());
    Ok(Advisory {
        id: text(document, "id")?.to_owned(),
        aliases: aliases.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
        modified: Some(modified),
        published: time("published")?,
        withdrawn: time("withdrawn")?.is_some(),
        summary: shorten(summary.unwrap_or_default()),
        severity,
        references: list(document, "references")?
            .iter()
            .filter_map(|reference| reference.get("url")?.as_str())
            .take(MAX_REFERENCES)
            .map(str::to_owned)
            .collect(),
        affected,
    })
}

fn range(value: &Value) -> Result<Range, Fault> {
    let kind = match text(value, "type")? {
        "SEMVER" => RangeKind::SemVer,
        "ECOSYSTEM" => RangeKind::Ecosystem,
        "GIT" => RangeKind::Git,
        other => return Err(malformed("ranges", format!("type `{other}` is not SEMVER, ECOSYSTEM or GIT"))),
    };
    let mut events = Vec::new();
    for event in list(value, "events")? {
        let members = event.as_object().ok_or_else(|| malformed("events", "must hold objects"))?;
        for (name, at) in members {
            let at = at
                .as_str()
                .ok_or_else(|| malformed("events", format!("`{name}` must be a string")))?
                .to_owned();
            events.push(match name.as_str() {
                "introduced" => Event::Introduced(at),
                "fixed" => Event::Fixed(at),
                "last_affected" => Event::LastAffected(at),
                "limit" => Event::Limit(at),
                other => return Err(malformed("events", format!("`{other}` is not an event"))),
            });
        }
    }
    Ok(Range { kind, events })
}

/// The first line or sentence, whole characters, at most [`MAX_SUMMARY`].
pub(crate) fn shorten(text: &str) -> String {
    let line = text.lines().map(|line| line.trim_start_matches('#').trim()).find(|line| !line.is_empty());
    line.unwrap_or_default().chars().take(MAX_SUMMARY).collect()
}

fn list<'a>(value: &'a Value, name: &str) -> Result<&'a [Value], Fault> {
    match value.get(name) {
        None | Some(Value::Null) => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err(malformed(name, "must be a list")),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str, Fault> {
    let found = value.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    found.ok_or_else(|| malformed(name, "must be a string"))
}

fn malformed(place: &str, message: impl Into<String>) -> Fault {
    Fault::new(Code::AdvisoryMalformed, place, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_schema_requires_is_required() {
        assert!(json(br#"{"id":"A-1","modified":"2026-01-01T00:00:00Z"}"#).is_ok());
        for bad in [
            r#"{"modified":"2026-01-01T00:00:00Z"}"#,
            r#"{"id":"A-1"}"#,
            r#"{"id":"A-1","modified":"yesterday"}"#,
            r#"{"id":"A-1","modified":"2026-01-01T00:00:00Z","affected":{}}"#,
            r#"{"id":"A-1","modified":"2026-01-01T00:00:00Z","affected":[{"package":{"name":"x"}}]}"#,
            r#"{"id":"A-1","modified":"2026-01-01T00:00:00Z","affected":[{"package":{"name":"x","ecosystem":"npm"},"ranges":[{"type":"VIBES","events":[]}]}]}"#,
            r#"{"id":"A-1","modified":"2026-01-01T00:00:00Z","affected":[{"package":{"name":"x","ecosystem":"npm"},"ranges":[{"type":"SEMVER","events":[{"broken":"1"}]}]}]}"#,
            "[",
        ] {
            assert_eq!(
                json(bad.as_bytes()).map_err(|fault| fault.code),
                Err(Code::AdvisoryMalformed),
                "{bad}"
            );
        }
    }
}
