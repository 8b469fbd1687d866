//! Any receiver: the notice as JSON, signed as Standard Webhooks are, with an id that stays the same on every attempt.

use linkward_model::Instant;
use serde_json::json;

use super::{Ask, Notice, Telling};

pub fn body(notice: &Notice, telling: Telling, now: Instant) -> Ask {
    let value = json!({
        "type": format!("linkward.alert.{}", telling.as_str()), "timestamp": now, "data": notice,
    });
    let mut ask = Ask::json("", &value);
    ask.headers.push(("webhook-id", format!("{}-{}", notice.key, telling.as_str())));
    ask
}

/// The content that is signed: id, seconds and body, so that neither can be used with another.
pub fn signed(id: &str, seconds: i64, body: &[u8]) -> Vec<u8> {
    let mut content = format!("{id}.{seconds}.").into_bytes();
    content.extend_from_slice(body);
    content
}

#[cfg(test)]
mod tests {
    use linkward_testkit::noon;

    use super::super::tests::notice;
    use super::*;

    #[test]
    fn the_id_is_of_the_matter_not_of_the_attempt() {
        let id = |telling, at| {
            let ask = body(&notice(), telling, at);
            ask.headers.into_iter().find(|(name, _)| *name == "webhook-id").unwrap().1
        };
        let later = noon().plus_millis(5000);
        assert_eq!(id(Telling::Trigger, noon()), id(Telling::Trigger, later));
        assert_ne!(id(Telling::Trigger, noon()), id(Telling::Resolve, noon()));
        assert_eq!(signed("a", 5, b"{}"), b"a.5.{}");
    }
}
