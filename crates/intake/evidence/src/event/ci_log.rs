//! Logs of pipelines, scanned for secrets and for the packages that a build used. The log itself is not kept, and never a
//! secret: of one that is found its kind, its line and a hash of it are told.

use linkward_model::{Code, Digest};
use serde_json::Value;

use super::pick::{names, text, when};
use super::{Action, Delivery, Event, Source};
use crate::Fault;

#[derive(Debug)]
pub(super) struct Feed;

/// Secrets of one log that are told; more say nothing more.
const MOST: usize = 100;

/// Kind, prefix, least length of what follows, and its alphabet beyond letters and digits.
const TOKENS: &[(&str, &str, usize, &str)] = &[
    ("GitHub token", "ghp_", 36, ""),
    ("GitHub token", "gho_", 36, ""),
    ("GitHub token", "ghu_", 36, ""),
    ("GitHub token", "ghs_", 36, ""),
    ("GitHub token", "github_pat_", 60, "_"),
    ("GitLab token", "glpat-", 20, "-_"),
    ("npm token", "npm_", 36, ""),
    ("PyPI token", "pypi-AgE", 50, "-_"),
    ("crates.io token", "cio", 32, ""),
    ("Docker token", "dckr_pat_", 27, "-_"),
    ("AWS access key", "AKIA", 16, ""),
    ("AWS session key", "ASIA", 16, ""),
    ("Google API key", "AIza", 35, "-_"),
    ("Slack token", "xoxb-", 20, "-"),
    ("Slack token", "xoxp-", 20, "-"),
    ("Stripe key", "sk_live_", 20, ""),
    ("Vault token", "hvs.", 24, "-_"),
    ("Linkward canary", "lwc_", 40, ""),
];

impl super::Feed for Feed {
    fn name(&self) -> &'static str {
        "ci-log"
    }

    fn recognise(&self, document: &Value) -> bool {
        document.get("log").is_some_and(Value::is_string)
    }

    fn read(&self, document: &Value, delivery: &Delivery<'_>) -> Result<Vec<Event>, Fault> {
        let log = document.get("log").and_then(Value::as_str);
        let log = log.ok_or_else(|| Fault::new(Code::MalformedField, "$.log", "is missing"))?;
        let mut base = Event::new(Source::Ci, Action::BuildResolved, when(document, &["/time"], delivery)?);
        base.run = text(document, "/run");
        base.repository = text(document, "/repository");
        base.step = text(document, "/step");
        base.commit = text(document, "/commit");
        base.expected = names(document, "/expected");
        let mut events = Vec::new();
        let mut told = std::collections::BTreeSet::new();
        let mut packages = std::collections::BTreeSet::new();
        for (number, line) in log.lines().enumerate() {
            for (kind, secret) in secrets(line) {
                let hash = Digest::sha256(secret.as_bytes()).hex();
                if told.len() < MOST && told.insert(hash.clone()) {
                    let mut event =
                        Event { action: Action::SecretLeaked, expected: Vec::new(), ..base.clone() };
                    event.subject = Some(format!("{kind} at line {}", number + 1).into());
                    event.token = Some(format!("sha256:{hash}").into());
                    events.push(event);
                }
            }
            packages.extend(resolved(line));
        }
        base.names = packages.into_iter().collect();
        events.push(base);
        Ok(events)
    }
}

fn secrets(line: &str) -> Vec<(&'static str, &str)> {
    let mut found = Vec::new();
    if line.contains("-----BEGIN") && line.contains("PRIVATE KEY-----") {
        found.push(("private key", line.trim()));
    }
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    for word in line.split(|c| !inside(c)) {
        for (kind, prefix, least, alphabet) in TOKENS {
            let Some(rest) = word.strip_prefix(prefix) else { continue };
            let fits = |c: char| c.is_ascii_alphanumeric() || alphabet.contains(c);
            let upper = !kind.starts_with("AWS")
                || rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
            // An id of exactly sixteen characters; of the others at least so many.
            let long = if kind.starts_with("AWS") { rest.len() == *least } else { rest.len() >= *least };
            if long && upper && rest.chars().all(fits) && varied(rest) {
                found.push((*kind, word));
                break;
            }
        }
        if is_jwt(word) {
            found.push(("signed token", word));
        }
    }
    found
}

/// Placeholders repeat themselves; secrets do not.
fn varied(text: &str) -> bool {
    let different: std::collections::BTreeSet<char> = text.chars().collect();
    different.len() >= 8
}

fn is_jwt(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    word.len() >= 100
        && parts.len() == 3
        && word.starts_with("eyJ")
        && parts.iter().all(|part| part.len() >= 20)
}

/// Packages that a line of cargo, pip, Go or npm says that it takes.
fn resolved(line: &str) -> Vec<Box<str>> {
    let line = line.trim();
    let mut words = line.split_whitespace();
    let (first, second, third) =
        (words.next().unwrap_or(""), words.next().unwrap_or(""), words.next().unwrap_or(""));
    let version = |text: &str| {
        text.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    match first {
        // A crate of the workspace stands with its folder behind it.
        "Compiling" | "Downloaded" if version(third) && !line.ends_with(')') => {
            vec![format!("pkg:cargo/{second}@{}", third.trim_start_matches('v')).into()]
        }
        "Successfully" if second == "installed" => line
            .split_whitespace()
            .skip(2)
            .filter_map(|word| word.rsplit_once('-'))
            .map(|(name, version)| {
                format!("pkg:pypi/{}@{version}", name.to_lowercase().replace('_', "-")).into()
            })
            .collect(),
        "go:" if second == "downloading" && line.split_whitespace().count() == 4 => {
            let version = line.split_whitespace().nth(3).unwrap_or("");
            vec![format!("pkg:golang/{third}@{version}").into()]
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use linkward_testkit::noon;
    use serde_json::json;

    use super::super::Feed as _;
    use super::*;

    fn read(log: &str) -> Vec<Event> {
        let delivery = Delivery { received: Some(noon()), ..Delivery::default() };
        Feed.read(&json!({ "log": log, "run": "7", "repository": "acme/app" }), &delivery).unwrap()
    }

    #[test]
    fn secrets_are_told_and_never_repeated() {
        let token = format!("ghp_{}", "aB3dE5gH7jK9mN1pQ3sT5vW7xY9zA2cD4eF6");
        let key = "AKIA2E0A8F3B24JXQZ7W";
        let events = read(&format!(
            "x\ntoken={token}\nagain {token}\nexport AWS={key}\n-----BEGIN RSA PRIVATE KEY-----"
        ));
        let leaked: Vec<&Event> =
            events.iter().filter(|event| event.action == Action::SecretLeaked).collect();
        let kinds: Vec<&str> = leaked.iter().map(|event| event.subject.as_deref().unwrap()).collect();
        assert_eq!(kinds, ["GitHub token at line 2", "AWS access key at line 4", "private key at line 5"]);
        let text = serde_json::to_string(&events).unwrap();
        assert!(!text.contains(&token) && !text.contains(key), "{text}");
    }

    #[test]
    fn what_looks_like_a_secret_and_is_none() {
        let placeholder = format!("ghp_{}", "x".repeat(36));
        for line in [
            "token=***",
            placeholder.as_str(),
            "AKIAEXAMPLE",
            "akia2e0a8f3b24jxqz7w",
            "ghp_short",
            "git@github.com:acme/app.git",
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "eyJ.a.b",
        ] {
            assert_eq!(read(line).len(), 1, "{line}");
        }
    }

    #[test]
    fn packages_that_a_build_took() {
        let log = "   Compiling serde v1.0.219\n   Compiling app v0.1.0 (/src/app)\n  Downloaded itoa v1.0.1\n\
                   Successfully installed My_Lib-2.0 six-1.17.0\ngo: downloading golang.org/x/text v0.3.0";
        let events = read(log);
        let names: Vec<&str> = events[0].names.iter().map(|name| &**name).collect();
        let expected = [
            "pkg:cargo/itoa@1.0.1",
            "pkg:cargo/serde@1.0.219",
            "pkg:golang/golang.org/x/text@v0.3.0",
            "pkg:pypi/my-lib@2.0",
            "pkg:pypi/six@1.17.0",
        ];
        assert_eq!(names, expected);
        assert_eq!(read("").len(), 1, "an empty log is an event too");
    }
}
