//! `rebuild.toml` in the home: how each artifact's build is started. Secrets lie in files, never in the settings.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_model::{Code, Instant};
use linkward_prove::Pattern;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::client::Url;
use crate::fetch::Fetcher;
use crate::wire::Failure;

/// Longest answer that is read.
const MAX_ANSWER: u64 = 1 << 20;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    trigger: Vec<Trigger>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trigger {
    /// Pattern of the artifact's name, without its version.
    names: String,
    kind: Kind,
    /// The webhook itself; for github and gitlab the address of their API.
    url: String,
    /// File of the webhook's key, or of the token.
    #[serde(default)]
    secret: Option<PathBuf>,
    /// github: `owner/name`.
    #[serde(default)]
    repository: Option<String>,
    /// github: the workflow's file name or number.
    #[serde(default)]
    workflow: Option<String>,
    /// github: which of `rebuild`, `artifact`, `pins` and `deny` the workflow declares as inputs.
    #[serde(default)]
    inputs: Vec<String>,
    /// gitlab: the project's number or encoded path.
    #[serde(default)]
    project: Option<String>,
    /// Branch or tag that is built.
    #[serde(default = "main", rename = "ref")]
    reference: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Webhook,
    Github,
    Gitlab,
}

fn main() -> String {
    "main".to_owned()
}

/// What a build is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) rebuild: u64,
    pub(crate) item: &'a linkward_deploy::RebuildItem,
    pub(crate) deny: &'a str,
    pub(crate) pins: &'a [String],
    pub(crate) at: Instant,
}

/// Where to, with which headers, and what.
type Call = (Url, Vec<(&'static str, String)>, Value);

/// The triggers of a home, in their order: the first that fits counts.
#[derive(Debug)]
pub(crate) struct Triggers {
    folder: PathBuf,
    triggers: Vec<(Pattern, Url, Trigger)>,
}

impl Triggers {
    /// # Errors
    /// The file cannot be read, or a trigger lacks something.
    pub(crate) fn of_home(home: &Path) -> Result<Self> {
        let path = home.join("rebuild.toml");
        let fault =
            |why: String| Failure::new(Code::RebuildSettingsMalformed, format!("{}: {why}", path.display()));
        let file: File = match std::fs::read_to_string(&path) {
            Ok(text) => toml::from_str(&text).map_err(|error| fault(error.to_string()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => File::default(),
            Err(error) => return Err(fault(error.to_string()).into()),
        };
        let mut triggers = Vec::new();
        for trigger in file.trigger {
            let named = |why: String| fault(format!("trigger `{}`: {why}", trigger.names));
            let pattern = Pattern::parse(&trigger.names).map_err(|error| named(error.to_string()))?;
            let url = Url::parse(&trigger.url).map_err(|error| named(error.to_string()))?;
            trigger.check().map_err(|error| named(error.to_string()))?;
            triggers.push((pattern, url, trigger));
        }
        Ok(Self { folder: home.to_owned(), triggers })
    }

    /// What starts the build of an artifact, in words.
    pub(crate) fn of(&self, name: &str) -> Option<String> {
        let (_, url, trigger) = self.triggers.iter().find(|(pattern, ..)| pattern.matches(name))?;
        Some(match trigger.kind {
            Kind::Webhook => format!("webhook at {}", url.host()),
            Kind::Github => format!(
                "workflow {} of {}",
                trigger.workflow.as_deref().unwrap_or_default(),
                trigger.repository.as_deref().unwrap_or_default()
            ),
            Kind::Gitlab => format!("pipeline of project {}", trigger.project.as_deref().unwrap_or_default()),
        })
    }

    /// Starts a build.
    ///
    /// # Errors
    /// No trigger fits, it cannot be reached, or it says no.
    pub(crate) fn start(&self, asked: Asked<'_>) -> Result<String> {
        let name = &asked.item.name;
        let Some((_, url, trigger)) = self.triggers.iter().find(|(pattern, ..)| pattern.matches(name)) else {
            let why = format!("no trigger in rebuild.toml fits {name}");
            return Err(Failure::new(Code::RebuildNoTrigger, why).into());
        };
        let secret = trigger.secret(&self.folder)?;
        let (url, mut headers, body) = trigger.request(url, asked, secret.as_deref())?;
        headers.push(("Content-Type", "application/json".to_owned()));
        let answer = Fetcher::new()?.send("POST", &url, &headers, body.to_string().as_bytes());
        let failed = |why: String| Failure::new(Code::RebuildTriggerFailed, format!("{name}: {why}"));
        let answer = answer.map_err(|error| failed(format!("{error:#}")))?;
        let status = answer.status;
        if !(200..300).contains(&status) {
            return Err(failed(format!("{} answered with status {status}", url.host())).into());
        }
        let told: Value = answer
            .bytes(MAX_ANSWER)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or(Value::Null);
        let place = ["web_url", "html_url"].iter().find_map(|field| told.get(*field)?.as_str());
        Ok(place.map_or_else(|| format!("{} took it ({status})", url.host()), str::to_owned))
    }
}

impl Trigger {
    fn check(&self) -> Result<()> {
        let needs = |what: &str, there: bool| -> Result<()> {
            if there { Ok(()) } else { bail!("its kind needs `{what}`") }
        };
        match self.kind {
            Kind::Webhook => Ok(()),
            Kind::Github => {
                needs(
                    "repository",
                    self.repository.as_ref().is_some_and(|name| name.split('/').count() == 2),
                )?;
                needs("workflow", self.workflow.is_some())?;
                needs("secret", self.secret.is_some())?;
                let known = ["rebuild", "artifact", "pins", "deny"];
                match self.inputs.iter().find(|input| !known.contains(&input.as_str())) {
                    Some(other) => bail!("`{other}` is no input; there are {}", known.join(", ")),
                    None => Ok(()),
                }
            }
            Kind::Gitlab => {
                needs("project", self.project.is_some())?;
                needs("secret", self.secret.is_some())
            }
        }
    }

    fn secret(&self, folder: &Path) -> Result<Option<String>> {
        let Some(path) = &self.secret else { return Ok(None) };
        let path = folder.join(path);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        match text.trim() {
            "" => bail!("{} is empty", path.display()),
            text => Ok(Some(text.to_owned())),
        }
    }

    fn request(&self, url: &Url, asked: Asked<'_>, secret: Option<&str>) -> Result<Call> {
        let Asked { rebuild, item, deny, pins, at } = asked;
        let pinned = pins.join(",");
        Ok(match self.kind {
            Kind::Webhook => {
                let body = json!({
                    "type": "linkward.rebuild", "timestamp": at, "rebuild": rebuild, "artifact": item.name,
                    "digests": item.digests, "source": item.source, "revision": item.revision,
                    "builder": item.builder, "ref": self.reference, "deny": deny, "pins": pins,
                });
                let id = format!("rebuild-{rebuild}-{}", item.name);
                let mut headers = vec![("webhook-id", id.clone())];
                if let Some(secret) = secret {
                    // Standard Webhooks: an HMAC over id, seconds and body.
                    let signed = format!("{id}.{}.{body}", at.seconds());
                    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
                    let tag = hmac::sign(&key, signed.as_bytes());
                    headers.push(("webhook-timestamp", at.seconds().to_string()));
                    headers.push(("webhook-signature", format!("v1,{}", STANDARD.encode(tag.as_ref()))));
                }
                (url.clone(), headers, body)
            }
            Kind::Github => {
                let all = [
                    ("rebuild", rebuild.to_string()),
                    ("artifact", item.name.clone()),
                    ("pins", pinned),
                    ("deny", deny.to_owned()),
                ];
                let inputs: Map<String, Value> = all
                    .into_iter()
                    .filter(|(name, _)| self.inputs.iter().any(|declared| declared == name))
                    .map(|(name, value)| (name.to_owned(), value.into()))
                    .collect();
                let path = format!(
                    "repos/{}/actions/workflows/{}/dispatches",
                    self.repository.as_deref().unwrap_or_default(),
                    self.workflow.as_deref().unwrap_or_default()
                );
                let headers = vec![
                    ("Authorization", format!("Bearer {}", secret.unwrap_or_default())),
                    ("Accept", "application/vnd.github+json".to_owned()),
                    ("X-GitHub-Api-Version", "2022-11-28".to_owned()),
                ];
                (below(url, &path)?, headers, json!({ "ref": self.reference, "inputs": inputs }))
            }
            Kind::Gitlab => {
                let path = format!(
                    "api/v4/projects/{}/trigger/pipeline",
                    self.project.as_deref().unwrap_or_default()
                );
                let variables = json!({
                    "LINKWARD_REBUILD": rebuild.to_string(), "LINKWARD_ARTIFACT": item.name,
                    "LINKWARD_PINS": pinned, "LINKWARD_DENY": deny,
                });
                let body = json!({ "token": secret.unwrap_or_default(), "ref": self.reference, "variables": variables });
                (below(url, &path)?, Vec::new(), body)
            }
        })
    }
}

fn below(url: &Url, path: &str) -> Result<Url> {
    let base = format!("{}/", url.path().trim_end_matches('/'));
    url.join(&format!("{base}{path}"))
}
