//! A step that ran, told to whoever listens: a span over OTLP/HTTP (JSON), and CDEvents as CloudEvents.
//!
//! What is told is what is recorded, secrets masked. That nobody listens is said and changes nothing: the record does
//! not depend on it.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use linkward_model::Digest;
use serde_json::{Value, json};

use crate::client::{Client, Url};
use crate::config::Telemetry;

const PATIENCE: Duration = Duration::from_secs(5);
/// The versions of CDEvents that are written.
const CDEVENTS: &str = "0.4.1";
const FINISHED: &str = "dev.cdevents.taskrun.finished.0.2.0";

/// A step as `linkward_issue::step::Step` writes it.
pub(crate) fn tell(settings: &Telemetry, step: &Value, parent: Option<&str>) {
    let told = [
        (&settings.otlp, "/v1/traces", "application/json", span(step, parent)),
        (&settings.cdevents, "", "application/cloudevents+json", finished(step)),
    ];
    for (url, path, media, body) in told {
        let Some(url) = url else { continue };
        let sent =
            body.context("the step's record lacks a field").and_then(|body| send(url, path, media, &body));
        if let Err(error) = sent {
            crate::commands::complain(&format!("telemetry: {url}: {error:#}"));
        }
    }
}

fn send(url: &str, path: &str, media: &str, body: &Value) -> Result<()> {
    let authorities = crate::client::system_authorities();
    let client = Client::new(Url::parse(url)?, authorities.as_deref())?;
    let headers = [("Content-Type", media.to_owned())];
    let (status, _) = client.send("POST", path, &headers, body.to_string().as_bytes(), PATIENCE)?;
    if (200..300).contains(&status) { Ok(()) } else { bail!("answered with status {status}") }
}

fn text<'a>(step: &'a Value, name: &str) -> Option<&'a str> {
    step.get(name)?.as_str()
}

/// Milliseconds since 1970 of a time in the record.
fn millis(step: &Value, name: &str) -> Option<i64> {
    text(step, name)?.parse::<linkward_model::Instant>().ok().map(linkward_model::Instant::millis)
}

fn command(step: &Value) -> String {
    let words = step.get("command").and_then(Value::as_array);
    words.into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
}

/// Trace and span of a W3C traceparent, where it is one.
fn parent(text: &str) -> Option<(&str, &str)> {
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, _] = parts.as_slice() else { return None };
    let hex = |text: &str, length: usize| {
        text.len() == length
            && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
            && text.bytes().any(|b| b != b'0')
    };
    (*version != "ff" && hex(trace, 32) && hex(span, 16)).then_some((*trace, *span))
}

fn span(step: &Value, above: Option<&str>) -> Option<Value> {
    let id = Digest::sha256(step.to_string().as_bytes()).hex();
    let above = above.and_then(parent);
    let trace = above.map_or_else(|| id.get(..32), |(trace, _)| Some(trace))?;
    let exit = step.get("exit_code")?.as_i64()?;
    let attribute = |key: &str, value: Value| json!({ "key": key, "value": value });
    let string = |key: &str, value: &str| attribute(key, json!({ "stringValue": value }));
    let mut attributes = vec![
        string("process.command_line", &command(step)),
        attribute("process.exit.code", json!({ "intValue": exit.to_string() })),
        string("linkward.step.invocation", text(step, "invocation")?),
    ];
    let products = step.get("products").and_then(Value::as_array).into_iter().flatten();
    for product in products.take(64) {
        let name = product.get(0).and_then(Value::as_str).unwrap_or("");
        let digest = product.get(1).and_then(Value::as_str).unwrap_or("");
        attributes.push(string(&format!("linkward.product.{name}"), digest));
    }
    let mut span = json!({
        "traceId": trace,
        "spanId": id.get(32..48)?,
        "name": format!("step {}", text(step, "name")?),
        "kind": 1,
        "startTimeUnixNano": format!("{}000000", millis(step, "started")?),
        "endTimeUnixNano": format!("{}000000", millis(step, "finished")?),
        "attributes": attributes,
        "status": { "code": if exit == 0 { 1 } else { 2 } },
    });
    if let Some((_, parent)) = above {
        span["parentSpanId"] = json!(parent);
    }
    Some(json!({ "resourceSpans": [{
        "resource": { "attributes": [string("service.name", "linkward")] },
        "scopeSpans": [{
            "scope": { "name": "linkward.run", "version": env!("CARGO_PKG_VERSION") },
            "spans": [span],
        }],
    }] }))
}

fn finished(step: &Value) -> Option<Value> {
    let id = Digest::sha256(step.to_string().as_bytes()).hex();
    let source = format!("/linkward/{}", text(step, "directory")?);
    let (time, invocation) = (text(step, "finished")?, text(step, "invocation")?);
    let outcome = if step.get("exit_code")?.as_i64()? == 0 { "success" } else { "failure" };
    Some(json!({
        "specversion": "1.0", "id": id, "source": source, "type": FINISHED, "subject": invocation, "time": time,
        "datacontenttype": "application/json",
        "data": {
            "context": { "version": CDEVENTS, "id": id, "source": source, "type": FINISHED, "timestamp": time },
            "subject": {
                "id": invocation, "source": source, "type": "taskRun",
                "content": { "taskName": text(step, "name")?, "outcome": outcome },
            },
            "customData": { "products": step.get("products") },
            "customDataContentType": "application/json",
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step() -> Value {
        json!({
            "name": "build", "command": ["make", "-j"], "directory": ".", "exit_code": 0, "invocation": "1-2",
            "started": "2026-01-02T03:04:05.006Z", "finished": "2026-01-02T03:04:06Z",
            "products": [["app", "sha256:00"]],
        })
    }

    #[test]
    fn a_step_is_a_span_below_the_one_that_called_it() {
        let above = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let told = span(&step(), Some(above)).unwrap();
        let span_of = |told: &Value| told["resourceSpans"][0]["scopeSpans"][0]["spans"][0].clone();
        let one = span_of(&told);
        assert_eq!(one["traceId"], "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(one["parentSpanId"], "b7ad6b7169203331");
        assert_eq!(one["startTimeUnixNano"], "1767323045006000000");
        for bad in [
            "",
            "00-x-y-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            let told = span_of(&span(&step(), Some(bad)).unwrap());
            assert!(told.get("parentSpanId").is_none(), "{bad}");
            assert_eq!(told["traceId"].as_str().unwrap().len(), 32);
        }
        let mut failed = step();
        failed["exit_code"] = json!(7);
        assert_eq!(span_of(&span(&failed, None).unwrap())["status"]["code"], 2);
        assert_eq!(finished(&failed).unwrap()["data"]["subject"]["content"]["outcome"], "failure");
        assert!(span(&json!({}), None).is_none() && finished(&json!({})).is_none());
    }
}
