//! Rules over content: one rule a file, one line in [`RULES`], one code with its page. Reads bytes that it is given and runs nothing.
//!
//! What is inspected cannot switch a rule off: no comment, no file in the tree is an instruction.

pub mod build_log;
pub mod capability;
mod kind;
pub mod name;
pub mod package;
pub mod registry;
mod rules;

use linkward_evidence::workflow::is_workflow;
use linkward_evidence::{Fault, hcl};
use linkward_model::Code;
use serde::Serialize;

pub(crate) use kind::Kind;
pub(crate) use linkward_evidence::line;
pub use linkward_evidence::workflow::Workflow;

/// Largest file that is inspected.
pub const MAX_FILE: usize = 16 << 20;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    Low,
    Medium,
    High,
}

impl Weight {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// One place that a rule points at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    pub path: String,
    pub line: usize,
    pub code: Code,
    pub weight: Weight,
    pub message: String,
}

/// What a rule looks at.
pub(crate) enum Look {
    Workflow(fn(&Workflow<'_>, &mut Report<'_>)),
    Manifest(fn(&serde_json::Value, &str, &mut Report<'_>)),
    Terraform(fn(&hcl::Block, &mut Report<'_>)),
    Text(fn(&str, &mut Report<'_>)),
    /// Text of files of these kinds.
    Of(&'static [Kind], fn(&str, &mut Report<'_>)),
}

pub(crate) struct Rule {
    pub(crate) code: Code,
    pub(crate) weight: Weight,
    pub(crate) looks: &'static [Look],
}

/// Every rule.
const RULES: &[Rule] = &[
    rules::unpinned_action::RULE,
    rules::untrusted_checkout::RULE,
    rules::script_injection::RULE,
    rules::broad_permissions::RULE,
    rules::piped_shell::RULE,
    rules::install_script::RULE,
    rules::hidden_unicode::RULE,
    rules::encoded_payload::RULE,
    rules::secret_exposed::RULE,
    rules::secret_logged::RULE,
    rules::unpinned_image::RULE,
    rules::unpinned_include::RULE,
    rules::self_hosted::RULE,
    rules::cache_shared::RULE,
    rules::privileged_workload::RULE,
    rules::open_port::RULE,
    rules::public_bucket::RULE,
];

/// Where a rule puts what it finds.
pub(crate) struct Report<'a> {
    path: &'a str,
    rule: &'a Rule,
    found: &'a mut Vec<Finding>,
}

impl Report<'_> {
    pub(crate) fn add(&mut self, line: usize, message: String) {
        let (code, weight) = (self.rule.code, self.rule.weight);
        self.found.push(Finding { path: self.path.to_owned(), line, code, weight, message });
    }
}

/// The codes of all rules.
pub fn codes() -> impl Iterator<Item = Code> {
    RULES.iter().map(|rule| rule.code)
}

/// Whether a file is read at all: workflows, actions, manifests of packages, and the text beside them.
pub fn is_inspected(path: &str) -> bool {
    is_workflow(path)
        || is_manifest(path)
        || is_text(path)
        || kind::by_name(path).is_some()
        || kind::may_hold_secrets(path)
}

fn is_manifest(path: &str) -> bool {
    path.rsplit('/').next() == Some("package.json")
}

fn is_text(path: &str) -> bool {
    const ENDS: &[&str] = &[
        "c", "cc", "cpp", "cs", "go", "h", "java", "js", "json", "jsx", "kt", "lua", "md", "mjs", "php",
        "pl", "ps1", "py", "rb", "rs", "sh", "sql", "swift", "tf", "toml", "ts", "tsx", "yaml", "yml",
    ];
    path.rsplit_once('.').is_some_and(|(_, end)| ENDS.contains(&end))
}

/// Inspects one file. The findings come in order of their lines.
///
/// # Errors
/// The file is of a kind that rules read, but cannot be read: nothing is said about it, which is not the same as clean.
pub fn inspect(path: &str, bytes: &[u8]) -> Result<Vec<Finding>, Fault> {
    if bytes.len() > MAX_FILE {
        return Err(Fault::new(Code::TooLarge, path, format!("is larger than {MAX_FILE} bytes")));
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Fault::new(Code::UnsupportedFormat, path, "is not UTF-8 text"))?;
    let at = |fault: Fault| Fault { place: format!("{path}, {}", fault.place), ..fault };
    let workflow = if is_workflow(path) { Some(Workflow::read(text).map_err(at)?) } else { None };
    let manifest = if is_manifest(path) {
        let read = serde_json::from_str::<serde_json::Value>(text);
        Some(read.map_err(|error| Fault::new(Code::MalformedJson, path, error.to_string()))?)
    } else {
        None
    };
    let mut found = Vec::new();
    let kind = if workflow.is_some() { Some(Kind::Workflow) } else { kind::of(path, text) };
    let terraform = match kind {
        Some(Kind::Terraform) => Some(hcl::read(text, Code::HclMalformed).map_err(at)?),
        _ => None,
    };
    for rule in RULES {
        let mut report = Report { path, rule, found: &mut found };
        for look in rule.looks {
            match (look, &workflow, &manifest) {
                (Look::Workflow(look), Some(workflow), _) => look(workflow, &mut report),
                (Look::Manifest(look), _, Some(manifest)) => look(manifest, text, &mut report),
                (Look::Terraform(look), ..) => {
                    terraform.iter().for_each(|root| look(root, &mut report));
                }
                (Look::Text(look), ..) => look(text, &mut report),
                (Look::Of(kinds, look), ..) if kind.is_some_and(|kind| kinds.contains(&kind)) => {
                    look(text, &mut report);
                }
                _ => {}
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests;
