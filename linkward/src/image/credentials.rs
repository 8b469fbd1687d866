//! Credentials for registries where Docker and Podman keep them. Programs that keep them elsewhere are not run: what a
//! configuration file names would be executed.

use std::path::PathBuf;

use base64::Engine as _;
use linkward_evidence::Fault;
use linkward_model::Code;
use serde_json::Value;

/// What to send to a registry; never shown.
pub(super) struct Credentials(String);

impl Credentials {
    pub(super) fn basic(&self) -> String {
        format!("Basic {}", self.0)
    }
}

/// Where they may lie, the most specific first.
fn files() -> Vec<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from);
    [
        variable("REGISTRY_AUTH_FILE"),
        variable("DOCKER_CONFIG").map(|folder| folder.join("config.json")),
        variable("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")),
        variable("HOME").map(|home| home.join(".docker/config.json")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Those for one registry; `None` where nobody logged in.
pub(super) fn find(registry: &str) -> Result<Option<Credentials>, Fault> {
    for file in files() {
        let Ok(bytes) = std::fs::read(&file) else { continue };
        if let Some(found) = of(&bytes, registry, &file.display().to_string())? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn of(bytes: &[u8], registry: &str, place: &str) -> Result<Option<Credentials>, Fault> {
    let fault = |code, message: String| Fault::new(code, place, message);
    let document: Value = serde_json::from_slice(bytes)
        .map_err(|error| fault(Code::ConfigMalformed, format!("is not valid JSON: {error}")))?;
    let bare = |name: &str| {
        let name = name.split_once("://").map_or(name, |(_, rest)| rest);
        name.split('/').next().unwrap_or(name).to_owned()
    };
    let entries = document.get("auths").and_then(Value::as_object);
    let entry =
        entries.into_iter().flatten().find(|(name, _)| bare(name) == registry).map(|(_, entry)| entry);
    let text = |name: &str| entry.and_then(|entry| entry.get(name)).and_then(Value::as_str);
    if let Some(auth) = text("auth").filter(|auth| !auth.is_empty()) {
        let readable =
            base64::engine::general_purpose::STANDARD.decode(auth).is_ok_and(|pair| pair.contains(&b':'));
        if !readable {
            return Err(fault(
                Code::ConfigMalformed,
                format!("`auth` of {registry} is not base64 of user:password"),
            ));
        }
        return Ok(Some(Credentials(auth.to_owned())));
    }
    if let (Some(user), Some(password)) = (text("username"), text("password")) {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        return Ok(Some(Credentials(pair)));
    }
    let helpers = document.get("credHelpers").and_then(Value::as_object);
    let helper = helpers.into_iter().flatten().find(|(name, _)| bare(name) == registry);
    let store = document.get("credsStore").and_then(Value::as_str).filter(|_| entry.is_some());
    match helper.and_then(|(_, program)| program.as_str()).or(store) {
        Some(program) => {
            let what = format!("credentials of {registry} are kept by `docker-credential-{program}`");
            Err(fault(Code::CredentialsUnsupported, what))
        }
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_found_and_programs_are_refused() {
        let find = |text: &str| of(text.as_bytes(), "registry.example", "config.json");
        let basic = |text: &str| find(text).unwrap().map(|found| found.basic());
        let expected = Some("Basic dXNlcjpwYXNz".to_owned());
        assert_eq!(basic(r#"{"auths":{"https://registry.example/v1/":{"auth":"dXNlcjpwYXNz"}}}"#), expected);
        assert_eq!(
            basic(r#"{"auths":{"registry.example":{"username":"user","password":"pass"}}}"#),
            expected
        );
        assert_eq!(basic(r#"{"auths":{"other.example":{"auth":"dXNlcjpwYXNz"}}}"#), None);
        let code = |text: &str| find(text).map(|_| ()).map_err(|fault| fault.code);
        assert_eq!(code(r#"{"credHelpers":{"registry.example":"x"}}"#), Err(Code::CredentialsUnsupported));
        assert_eq!(
            code(r#"{"auths":{"registry.example":{}},"credsStore":"x"}"#),
            Err(Code::CredentialsUnsupported)
        );
        assert_eq!(code(r#"{"auths":{"registry.example":{"auth":"?"}}}"#), Err(Code::ConfigMalformed));
        assert_eq!(code("{"), Err(Code::ConfigMalformed));
    }
}
