//! Code that runs when a package is merely installed is how most malicious packages begin: nobody has to call anything.

use linkward_model::Code;
use serde_json::Value;

use crate::{Look, Report, Rule, Weight, line};

pub(crate) const RULE: Rule =
    Rule { code: Code::InstallScript, weight: Weight::Low, looks: &[Look::Manifest(look)] };

fn look(manifest: &Value, text: &str, report: &mut Report<'_>) {
    // npm builds such a package although its manifest names no script.
    if manifest.get("gypfile").and_then(Value::as_bool) == Some(true) {
        report.add(
            line::find(text, "\"gypfile\"", 0),
            "is compiled when it is installed (`gypfile`)".to_owned(),
        );
    }
    for name in ["preinstall", "install", "postinstall"] {
        let command = manifest.get("scripts").and_then(|scripts| scripts.get(name)).and_then(Value::as_str);
        if let Some(command) = command {
            let shown: String = command.chars().take(80).collect();
            let at = line::find(text, &format!("\"{name}\""), 0);
            report.add(at, format!("runs `{shown}` when it is installed (`{name}`)"));
        }
    }
}
