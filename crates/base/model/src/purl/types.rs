//! What the purl types ask for beyond the general grammar: letter case, and parts that must or must not be there.

use std::collections::BTreeMap;

use super::PurlError;

/// Types whose namespace and name are the same in any letter case.
const LOWER: &[&str] = &[
    "alpm",
    "apk",
    "bitbucket",
    "bitnami",
    "brew",
    "composer",
    "deb",
    "git",
    "github",
    "hex",
    "oci",
    "opam",
    "otp",
    "pub",
    "vcpkg",
    "vscode-extension",
];
/// Types whose namespace alone is the same in any letter case.
const LOWER_NAMESPACE: &[&str] = &["qpkg", "rpm"];
const NEEDS_NAMESPACE: &[&str] = &["swift", "vscode-extension"];
const NO_NAMESPACE: &[&str] = &["otp", "vcpkg"];

/// Whether the name may hold slashes: a git namespace is the host, all that follows is the repository.
pub(super) fn name_is_path(kind: &str) -> bool {
    kind.eq_ignore_ascii_case("git")
}

type Qualifiers = BTreeMap<String, String>;

/// Brings the parts into their type's canonical spelling.
///
/// # Errors
/// The type has a rule against one of them.
pub(super) fn apply(
    kind: &str,
    namespace: &mut Option<String>,
    name: &mut String,
    version: &mut Option<String>,
    qualifiers: &Qualifiers,
) -> Result<(), PurlError> {
    let refuse = |rule: &'static str| Err(PurlError::Rule { kind: kind.to_owned(), rule });
    if NEEDS_NAMESPACE.contains(&kind) && namespace.is_none() {
        return refuse("needs a namespace");
    }
    if NO_NAMESPACE.contains(&kind) && namespace.is_some() {
        return refuse("has no namespace");
    }
    let lower_name = LOWER.contains(&kind);
    if lower_name || LOWER_NAMESPACE.contains(&kind) {
        *namespace = namespace.take().map(|text| text.to_lowercase());
    }
    if lower_name {
        *name = name.to_lowercase();
    }
    match kind {
        // PEP 503: case and the choice of separator do not tell projects apart.
        "pypi" => *name = name.to_lowercase().replace(['_', '.'], "-"),
        "huggingface" => *version = version.take().map(|text| text.to_lowercase()),
        // Databricks keeps model names without regard to case, Azure ML does not.
        "mlflow" if qualifiers.get("repository_url").is_some_and(|url| url.contains("databricks")) => {
            *name = name.to_lowercase();
        }
        "cpan" => {
            *namespace = namespace.take().map(|text| text.to_uppercase());
            if name.contains("::") {
                return refuse("names a distribution, not a module");
            }
        }
        "julia" if !qualifiers.contains_key("uuid") => return refuse("needs a `uuid` qualifier"),
        "chrome-extension" => {
            if name.len() != 32 || !name.bytes().all(|b| matches!(b, b'a'..=b'p')) {
                return refuse("has a name of 32 letters from a to p");
            }
            let numbers = |text: &str| {
                text.split('.').count() <= 4 && text.split('.').all(|part| part.parse::<u16>().is_ok())
            };
            if version.as_deref().is_some_and(|text| !numbers(text)) {
                return refuse("has a version of one to four numbers");
            }
        }
        _ => {}
    }
    Ok(())
}
