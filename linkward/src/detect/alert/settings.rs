//! `[[channel]]` of `detect.toml`. Secrets lie in files, never in the settings.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    Alertmanager,
    Pagerduty,
    Slack,
    Webhook,
    Issues,
    Email,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Channel {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Where it is; of e-mail `smtp://HOST:PORT` or `smtps://HOST:PORT`. Slack's may stand in the secret instead.
    #[serde(default)]
    pub(crate) url: Option<String>,
    /// File of the routing key, the signing secret, the token, the password or the whole address.
    #[serde(default)]
    pub(crate) secret: Option<PathBuf>,
    /// Certificates to trust instead of the system's.
    #[serde(default)]
    pub(crate) ca: Option<PathBuf>,
    /// Seconds between signs of life, for whoever has to notice that they stop.
    #[serde(default)]
    pub(crate) heartbeat: Option<u64>,
    /// `owner/name`, of issues.
    #[serde(default)]
    pub(crate) repository: Option<String>,
    #[serde(default)]
    pub(crate) from: Option<String>,
    #[serde(default)]
    pub(crate) to: Vec<String>,
    /// Who logs in to the mail server, where it wants that.
    #[serde(default)]
    pub(crate) user: Option<String>,
}

impl Channel {
    /// The secret's text; an empty file is none.
    pub(crate) fn secret(&self) -> Result<Option<String>> {
        let Some(path) = &self.secret else { return Ok(None) };
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("channel {}: cannot read {}", self.name, path.display()))?;
        let text = text.trim();
        if text.is_empty() {
            bail!("channel {}: {} is empty", self.name, path.display());
        }
        Ok(Some(text.to_owned()))
    }

    pub(crate) fn needed(&self, what: &str, value: Option<String>) -> Result<String> {
        value.with_context(|| format!("channel {}: a channel of its kind needs `{what}`", self.name))
    }

    /// The certificates that its server is believed by.
    pub(crate) fn authorities(&self) -> Result<Option<Vec<u8>>> {
        let read = |path: &Path| {
            std::fs::read(path)
                .with_context(|| format!("channel {}: cannot read {}", self.name, path.display()))
        };
        match &self.ca {
            Some(path) => read(path).map(Some),
            None => Ok(crate::client::system_authorities()),
        }
    }
}
