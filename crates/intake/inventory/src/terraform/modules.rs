//! .terraform/modules/modules.json: the modules that `terraform init` took, each in the version that it took.

use linkward_evidence::Fault;
use linkward_model::Code;
use serde_json::Value;

use super::module;
use crate::{Format, Lock};

pub(super) const FORMAT: Format =
    Format { kind: "modules.json", named: |path| path.ends_with(".terraform/modules/modules.json"), read };

fn read(text: &str) -> Result<Lock, Fault> {
    let malformed = |place: String, what: &str| Fault::new(Code::LockfileMalformed, place, what.to_owned());
    let document: Value = serde_json::from_str(text).map_err(|error| {
        malformed(format!("line {}, column {}", error.line(), error.column()), &error.to_string())
    })?;
    let modules = document.get("Modules").and_then(Value::as_array);
    let modules = modules.ok_or_else(|| malformed("$".to_owned(), "has no `Modules`"))?;
    let mut lock = Lock::default();
    for (index, entry) in modules.iter().enumerate() {
        let field = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let place = format!("$.Modules[{index}]");
        if field("Dir").is_none() {
            return Err(malformed(place, "has no `Dir`"));
        }
        // The first is the project itself, without a source.
        let Some(source) = field("Source") else { continue };
        let taken = module(source, field("Version"), &place, &mut lock)?;
        lock.packages.extend(taken);
    }
    if lock.packages.is_empty() {
        lock.gaps.push("lists no module from elsewhere".to_owned());
    }
    Ok(lock)
}
