//! Any text as Sigma rules over an event: taken or refused with a reason, and judged without a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use linkward_detect::{Engine, Estate, load_sigma};
use linkward_evidence::event::{Delivery, feed, read_all};

const EVENT: &[u8] = br#"{"Records":[{"eventVersion":"1.08","eventID":"1","eventTime":"2026-01-05T12:00:00Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser","awsRegion":"x","sourceIPAddress":"10.0.0.1","userIdentity":{"type":"IAMUser","userName":"ada"},"eventType":"AwsApiCall","requestParameters":{"a":["b",1]}}]}"#;
const HEAD: &str = "title: t\nid: i\nlogsource: {product: aws, service: cloudtrail}\ndetection:\n";

fuzz_target!(|text: &str| {
    let event = read_all(EVENT, feed("cloudtrail"), &Delivery::default()).expect("an event").pop().expect("one");
    let files = [("whole".to_owned(), text.to_owned()), ("part".to_owned(), format!("{HEAD}{text}"))];
    let (pack, refused) = load_sigma(&files);
    assert!(refused.iter().all(|one| !one.why.is_empty() && !one.place.is_empty()), "{refused:?}");
    let mut engine = Engine::with(Estate::default(), &pack);
    let _ = engine.ingest(event);
});
