//! A line to one channel: opened from its settings, told one thing at a time.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_detect::notice::{
    Ask, Issue, Notice, Telling, alertmanager_alerts, email_message, pagerduty_event, slack_message,
    webhook_body, webhook_signed,
};
use linkward_model::Instant;
use serde_json::json;

use super::settings::{Channel, Kind};
use super::smtp::Mail;
use crate::client::{Client, Url};

const PATIENCE: Duration = Duration::from_secs(10);

/// The other side answered, and does not take it.
#[derive(Debug, thiserror::Error)]
#[error("answered with status {0}")]
pub(crate) struct Refused(u16);

#[derive(Debug)]
enum Wire {
    Alertmanager(Client),
    Pagerduty(Client, String),
    Slack(Client),
    Webhook(Client, Vec<u8>),
    Issues(Client, String, String),
    Email(Mail, String, Vec<String>),
}

#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    wire: Wire,
    pub(crate) heartbeat: Option<Duration>,
}

impl Line {
    /// # Errors
    /// A setting is missing or cannot be read.
    pub(crate) fn open(channel: &Channel) -> Result<Self> {
        let secret = channel.secret()?;
        let client = |address: Option<String>| -> Result<Client> {
            let address = channel.needed("url", address)?;
            let url = Url::parse(&address).with_context(|| format!("channel {}", channel.name))?;
            Client::new(url, channel.authorities()?.as_deref())
        };
        let wire = match channel.kind {
            Kind::Alertmanager => Wire::Alertmanager(client(channel.url.clone())?),
            Kind::Pagerduty => {
                Wire::Pagerduty(client(channel.url.clone())?, channel.needed("secret", secret)?)
            }
            // The address is the secret there: whoever knows it may write.
            Kind::Slack => Wire::Slack(client(channel.url.clone().or(secret))?),
            Kind::Webhook => {
                let secret = channel.needed("secret", secret)?;
                let key = match secret.strip_prefix("whsec_") {
                    Some(text) => STANDARD.decode(text).with_context(|| {
                        format!("channel {}: what follows whsec_ must be base64", channel.name)
                    })?,
                    None => secret.into_bytes(),
                };
                Wire::Webhook(client(channel.url.clone())?, key)
            }
            Kind::Issues => {
                let repository = channel.needed("repository", channel.repository.clone())?;
                let well_formed = repository.split('/').count() == 2
                    && repository.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.".contains(&b));
                if !well_formed {
                    bail!("channel {}: `{repository}` must be OWNER/NAME", channel.name);
                }
                Wire::Issues(client(channel.url.clone())?, repository, channel.needed("secret", secret)?)
            }
            Kind::Email => {
                let from = channel.needed("from", channel.from.clone())?;
                if channel.to.is_empty() {
                    bail!("channel {}: a channel of its kind needs `to`", channel.name);
                }
                Wire::Email(Mail::new(channel, secret)?, from, channel.to.clone())
            }
        };
        if channel.heartbeat.is_some() && !matches!(channel.kind, Kind::Alertmanager | Kind::Webhook) {
            bail!("channel {}: signs of life go to an alertmanager or a webhook", channel.name);
        }
        let heartbeat = channel.heartbeat.map(|seconds| Duration::from_secs(seconds.max(1)));
        Ok(Self { name: channel.name.clone(), wire, heartbeat })
    }

    /// Whether what is open has to be told again and again.
    pub(crate) fn renews(&self) -> bool {
        matches!(self.wire, Wire::Alertmanager(_))
    }

    /// Tells one thing. When it returns, the other side has it.
    ///
    /// # Errors
    /// Unreachable, or refused.
    pub(crate) fn tell(&self, notice: &Notice, telling: Telling, again: bool, now: Instant) -> Result<()> {
        match &self.wire {
            Wire::Alertmanager(client) => {
                send(client, &alertmanager_alerts(&[(notice, telling)], now)).map(drop)
            }
            Wire::Pagerduty(client, key) => send(client, &pagerduty_event(notice, telling, key)).map(drop),
            Wire::Slack(client) => send(client, &slack_message(notice, telling, again)).map(drop),
            Wire::Webhook(client, key) => {
                send(client, &signed(webhook_body(notice, telling, now), key, now)?).map(drop)
            }
            Wire::Issues(client, repository, token) => {
                let issue = Issue { notice, repository, token };
                let known = Issue::number(&send(client, &issue.find())?);
                match (telling, known) {
                    (Telling::Trigger, None) => send(client, &issue.open()).map(drop),
                    (Telling::Resolve, Some(number)) => send(client, &issue.close(number)).map(drop),
                    (Telling::Trigger, Some(_)) | (Telling::Resolve, None) => Ok(()),
                }
            }
            Wire::Email(mail, from, to) => {
                mail.send(from, to, &email_message(notice, telling, from, to, now))
            }
        }
    }

    /// Tells everything that is open once more.
    ///
    /// # Errors
    /// As for telling.
    pub(crate) fn renew(&self, open: &[Notice], now: Instant) -> Result<()> {
        if let Wire::Alertmanager(client) = &self.wire {
            let all: Vec<_> = open.iter().map(|notice| (notice, Telling::Trigger)).collect();
            if !all.is_empty() {
                send(client, &alertmanager_alerts(&all, now))?;
            }
        }
        Ok(())
    }

    /// A sign of life.
    ///
    /// # Errors
    /// As for telling.
    pub(crate) fn beat(&self, now: Instant) -> Result<()> {
        let Some(pause) = self.heartbeat else { return Ok(()) };
        let hold = i64::try_from(pause.as_millis()).unwrap_or(60_000).saturating_mul(3);
        match &self.wire {
            Wire::Alertmanager(client) => {
                let body = json!([{
                    "labels": { "alertname": "LinkwardHeartbeat", "severity": "none" },
                    "annotations": { "summary": "Linkward is alive. Be alarmed when this stops." },
                    "endsAt": now.plus_millis(hold),
                }]);
                let ask = Ask {
                    method: "POST",
                    path: "/api/v2/alerts".to_owned(),
                    headers: vec![("content-type", "application/json".to_owned())],
                    body: body.to_string().into_bytes(),
                };
                send(client, &ask).map(drop)
            }
            Wire::Webhook(client, key) => {
                let ask = Ask {
                    method: "POST",
                    path: String::new(),
                    headers: vec![
                        ("content-type", "application/json".to_owned()),
                        ("webhook-id", format!("heartbeat-{}", now.millis())),
                    ],
                    body: json!({ "type": "linkward.heartbeat", "timestamp": now }).to_string().into_bytes(),
                };
                send(client, &signed(ask, key, now)?).map(drop)
            }
            _ => Ok(()),
        }
    }
}

fn send(client: &Client, ask: &Ask) -> Result<Vec<u8>> {
    let (status, body) = client.send(ask.method, &ask.path, &ask.headers, &ask.body, PATIENCE)?;
    if (200..300).contains(&status) { Ok(body) } else { Err(Refused(status).into()) }
}

/// Standard Webhooks: an HMAC over id, seconds and body.
fn signed(mut ask: Ask, key: &[u8], now: Instant) -> Result<Ask> {
    let id = ask
        .headers
        .iter()
        .find(|(name, _)| *name == "webhook-id")
        .context("a webhook needs an id")?
        .1
        .clone();
    let content = webhook_signed(&id, now.seconds(), &ask.body);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &content);
    ask.headers.push(("webhook-timestamp", now.seconds().to_string()));
    ask.headers.push(("webhook-signature", format!("v1,{}", STANDARD.encode(tag.as_ref()))));
    Ok(ask)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the Standard Webhooks specification's reference implementations.
    #[test]
    fn signatures_are_those_of_the_standard() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let ask = Ask {
            method: "POST",
            path: String::new(),
            headers: vec![("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek".to_owned())],
            body: br#"{"test": 2432232314}"#.to_vec(),
        };
        let ask = signed(ask, &key, Instant::from_millis(1_614_265_330_000)).unwrap();
        let signature = &ask.headers.iter().find(|(name, _)| *name == "webhook-signature").unwrap().1;
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    fn open(text: &str) -> Result<Line> {
        Line::open(&toml::from_str(text).unwrap())
    }

    #[test]
    fn what_a_channel_lacks_is_said() {
        for (text, says) in [
            ("name = \"a\"\nkind = \"alertmanager\"", "`url`"),
            ("name = \"a\"\nkind = \"pagerduty\"\nurl = \"http://127.0.0.1:1\"", "`secret`"),
            (
                "name = \"a\"\nkind = \"webhook\"\nurl = \"http://10.0.0.1:1\"\nsecret = \"/dev/null\"",
                "is empty",
            ),
            ("name = \"a\"\nkind = \"alertmanager\"\nurl = \"http://10.0.0.1\"", "use https"),
            ("name = \"a\"\nkind = \"email\"\nurl = \"smtp://127.0.0.1:25\"\nfrom = \"a@b\"", "`to`"),
            ("name = \"a\"\nkind = \"slack\"\nurl = \"http://127.0.0.1:1\"\nheartbeat = 5", "signs of life"),
        ] {
            let error = format!("{:#}", open(text).unwrap_err());
            assert!(error.contains(says), "{text}: {error}");
        }
        assert!(
            open("name = \"a\"\nkind = \"alertmanager\"\nurl = \"http://127.0.0.1:9093\"").unwrap().renews()
        );
    }
}
