//! Our own shape: what `detect` writes out, what other tools can be mapped to. Fields that are not known stay in `raw`.

use linkward_model::Code;
use serde::Deserialize as _;
use serde_json::Value;

use super::{Delivery, Event};
use crate::Fault;

#[derive(Debug)]
pub(super) struct Feed;

impl super::Feed for Feed {
    fn name(&self) -> &'static str {
        "linkward"
    }

    fn recognise(&self, document: &Value) -> bool {
        let has = |name: &str| document.get(name).is_some_and(Value::is_string);
        has("source") && has("action") && has("time") && document.get("specversion").is_none()
    }

    fn read(&self, document: &Value, _: &Delivery<'_>) -> Result<Vec<Event>, Fault> {
        let mut said = document.clone();
        if let Some(object) = said.as_object_mut() {
            object.entry("id").or_insert_with(|| Value::String(String::new()));
        }
        let mut event = Event::deserialize(&said)
            .map_err(|error| Fault::new(Code::MalformedField, "$", error.to_string()))?;
        let known = |name: &String| {
            matches!(name.as_str(), "id" | "source" | "action" | "time" | "received" | "raw")
                || Event::FIELDS.contains(&name.as_str())
        };
        let strange = document.as_object().is_some_and(|object| !object.keys().all(known));
        if strange && event.raw.is_null() {
            event.raw = document.clone();
        }
        Ok(vec![event])
    }
}
