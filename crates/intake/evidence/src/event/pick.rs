//! Reaching into a source's document: absent, null and of another type are all "not said".

use linkward_model::{Code, Instant};
use serde_json::Value;

use super::{Delivery, Event};
use crate::Fault;

/// A string or number below a JSON pointer.
pub(super) fn text(document: &Value, pointer: &str) -> Option<Box<str>> {
    match document.pointer(pointer)? {
        Value::String(text) if !text.is_empty() => Some(text.as_str().into()),
        Value::Number(number) => Some(number.to_string().into()),
        _ => None,
    }
}

/// The first of several pointers that says something.
pub(super) fn first(document: &Value, pointers: &[&str]) -> Option<Box<str>> {
    pointers.iter().find_map(|pointer| text(document, pointer))
}

pub(super) fn flag(document: &Value, pointer: &str) -> Option<bool> {
    document.pointer(pointer)?.as_bool()
}

/// RFC 3339, or seconds or milliseconds since 1970.
pub(super) fn time(document: &Value, pointer: &str) -> Option<Instant> {
    match document.pointer(pointer)? {
        Value::String(text) => moment(text),
        Value::Number(number) => number.as_i64().map(epoch),
        _ => None,
    }
}

/// A time as sources spell it: RFC 3339, also with a space, with `UTC`, or without any zone.
pub(super) fn moment(text: &str) -> Option<Instant> {
    let tidy = text.trim().trim_end_matches(" UTC").replacen(' ', "T", 1);
    text.parse().ok().or_else(|| tidy.parse().ok()).or_else(|| format!("{tidy}Z").parse().ok())
}

fn epoch(number: i64) -> Instant {
    // Seconds stay below this until the year 5138.
    if number.abs() < 100_000_000_000 { Instant::from_seconds(number) } else { Instant::from_millis(number) }
}

/// The first time that is said, or else when it came; without either it cannot be placed.
pub(super) fn when(document: &Value, pointers: &[&str], delivery: &Delivery<'_>) -> Result<Instant, Fault> {
    pointers.iter().find_map(|pointer| time(document, pointer)).or(delivery.received).ok_or_else(|| {
        Fault::new(
            Code::MalformedField,
            "$",
            "says nowhere when it happened, and no time of arrival was given",
        )
    })
}

/// Every string of a list.
pub(super) fn names(document: &Value, pointer: &str) -> Vec<Box<str>> {
    let items = document.pointer(pointer).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect()
}

/// Keeps what the source said.
pub(super) fn whole(mut event: Event, document: &Value) -> Event {
    event.raw = document.clone();
    event
}

/// A git id that names nothing: what a ref was before it existed, or is once it is gone.
pub(super) fn is_zero(id: Option<&str>) -> bool {
    id.is_some_and(|id| !id.is_empty() && id.bytes().all(|byte| byte == b'0'))
}
