//! Tokens and logins: who may open the console. Kept hashed in state.db; made, used, taken back on the record.

use std::net::IpAddr;

use anyhow::{Result, bail, ensure};
use linkward_ledger::{Term, TermKind};
use linkward_model::{Code, Digest, Instant};
use linkward_record::state::Login;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Engine;
use super::limit::Limiter;
use crate::login::{Come, Provider, Refusal, Role, Who, secret};
use crate::records::Note;
use crate::wire::{Failure, VERSION};

/// What a token begins with, so that scanners of secrets know it.
const PREFIX: &str = "lwt_";
/// Longest life of a token, in days.
const LONGEST: u32 = 366;

/// What guards the console.
#[derive(Debug)]
pub(super) struct Guard {
    provider: Option<Provider>,
    /// Failures by address: one every six seconds, ten at once.
    failures: Limiter,
    /// Logins by an identity that are begun, by address: many people may share one.
    begins: Limiter,
}

impl Guard {
    pub(super) fn new(config: &crate::config::Config) -> Self {
        Self {
            provider: Provider::new(&config.oidc),
            failures: Limiter::new(1.0 / 6.0, 10.0),
            begins: Limiter::new(1.0, 60.0),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "access")]
pub(crate) enum Ask {
    Add { name: String, role: Role, days: u32, by: String },
    List,
    Remove { name: String, by: String },
}

impl Engine {
    pub(super) fn access(&self, ask: Ask, now: Instant) -> Result<Value> {
        match ask {
            Ask::Add { name, role, days, by } => self.add_token(&name, role, days, &by, now),
            Ask::List => {
                let (tokens, logins) = self.who_may(now).map_err(failure)?;
                Ok(json!({ "version": VERSION, "tokens": tokens, "logins": logins }))
            }
            Ask::Remove { name, by } => {
                self.take_back_token(&name, &by, now).map_err(failure)?;
                Ok(json!({ "version": VERSION, "text": format!("{name} opens nothing any more") }))
            }
        }
    }

    fn add_token(&self, name: &str, role: Role, days: u32, by: &str, now: Instant) -> Result<Value> {
        let well_formed = !name.is_empty()
            && name.len() <= 64
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte));
        ensure!(well_formed, "`{name}` is no name: 1 to 64 letters, digits, and - _ . @");
        ensure!((1..=LONGEST).contains(&days), "a token lasts 1 to {LONGEST} days; {days} is outside");
        let token = secret();
        ensure!(!token.is_empty(), "this machine gives no random numbers");
        let token = format!("{PREFIX}{token}");
        let expires = now.plus_millis(i64::from(days) * 24 * 60 * 60 * 1000);
        let state = self.outbox();
        if state.tokens()?.iter().any(|known| known.name == name) {
            bail!("there is a token `{name}`; take it back first, or choose another name");
        }
        let says = json!({ "what": "token-made", "name": name, "role": role, "expires": expires, "by": by });
        self.said_of(name, says, now)?;
        state.add_token(&token, name, role.as_str(), now, Some(expires))?;
        Ok(json!({ "version": VERSION, "name": name, "role": role, "expires": expires, "token": token }))
    }

    /// Takes a token back, and ends what it opened.
    pub(crate) fn take_back_token(&self, name: &str, by: &str, now: Instant) -> Result<(), Refusal> {
        let removed = self.outbox().remove_token(name).map_err(|error| unavailable(&error))?;
        if !removed {
            return Err(Refusal::new(Code::MalformedField, format!("there is no token `{name}`")));
        }
        let says = json!({ "what": "token-taken-back", "name": name, "by": by });
        self.said_of(name, says, now).map_err(|error| unavailable(&error))
    }

    /// Tokens and logins, as pages and commands show them.
    pub(crate) fn who_may(&self, now: Instant) -> Result<(Vec<Value>, Vec<Value>), Refusal> {
        let state = self.outbox();
        let tokens = state.tokens().map_err(|error| unavailable(&error))?;
        let logins = state.logins(now).map_err(|error| unavailable(&error))?;
        let tokens = tokens.into_iter().map(|token| {
            let over = token.expires.is_some_and(|expires| expires <= now);
            json!({ "name": token.name, "role": token.role, "created": token.created, "expires": token.expires, "over": over })
        });
        let logins = logins.into_iter().map(|(short, login)| {
            json!({ "login": short, "who": login.subject, "role": login.role, "way": login.way, "created": login.created,
                "expires": login.expires })
        });
        Ok((tokens.collect(), logins.collect()))
    }

    /// Whoever fails too often from one address waits.
    pub(crate) fn failed(&self, peer: Option<IpAddr>, now: Instant) -> Result<(), Refusal> {
        slow_down(&self.guard.failures, peer, now)
    }

    pub(crate) fn begins(&self, peer: Option<IpAddr>, now: Instant) -> Result<(), Refusal> {
        slow_down(&self.guard.begins, peer, now)
    }

    pub(crate) fn provider(&self) -> Result<&Provider, Refusal> {
        let missing = || Refusal::new(Code::LoginUnreachable, "no issuer is set in [login] of linkward.toml");
        self.guard.provider.as_ref().ok_or_else(missing)
    }

    pub(crate) fn who_has_token(
        &self,
        token: &str,
        peer: Option<IpAddr>,
        now: Instant,
    ) -> Result<Who, Refusal> {
        let known = if token.starts_with(PREFIX) {
            self.outbox().token(token, now).map_err(|error| unavailable(&error))?
        } else {
            None
        };
        let Some(known) = known else {
            // Only failures count: whoever has a token asks as often as is needed.
            self.failed(peer, now)?;
            return Err(Refusal::new(Code::LoginFailed, Code::LoginFailed.summary()));
        };
        Ok(Who::of_token(known.name, role(&known.role)?))
    }

    pub(crate) fn who_has_cookie(&self, cookie: &str, now: Instant) -> Result<Who, Refusal> {
        let login = self.outbox().login(cookie, now).map_err(|error| unavailable(&error))?;
        let login = login.ok_or_else(|| Refusal::new(Code::LoginFailed, Code::LoginFailed.summary()))?;
        Ok(Who::of_cookie(login.subject, role(&login.role)?, login.way, cookie))
    }

    pub(crate) fn log_in_by_token(
        &self,
        token: &str,
        peer: Option<IpAddr>,
        now: Instant,
    ) -> Result<String, Refusal> {
        let who = self.who_has_token(token, peer, now)?;
        self.log_in(&who.name, who.role, "token", Some(token), peer, now)
    }

    pub(crate) fn log_in_by_identity(
        &self,
        come: &Come,
        peer: Option<IpAddr>,
        now: Instant,
    ) -> Result<String, Refusal> {
        self.log_in(&come.name, come.role, &come.issuer, None, peer, now)
    }

    fn log_in(
        &self,
        name: &str,
        role: Role,
        way: &str,
        token: Option<&str>,
        peer: Option<IpAddr>,
        now: Instant,
    ) -> Result<String, Refusal> {
        let cookie = secret();
        if cookie.is_empty() {
            return Err(unavailable(&"this machine gives no random numbers"));
        }
        let says = json!({ "what": "logged-in", "who": name, "role": role, "way": way, "from": peer });
        self.said_of(name, says, now).map_err(|error| unavailable(&error))?;
        let login = Login {
            subject: name.to_owned(),
            role: role.as_str().to_owned(),
            way: way.to_owned(),
            created: now,
            expires: now.plus_millis(self.config.login_hours * 3_600_000),
        };
        self.outbox().add_login(&cookie, token, &login).map_err(|error| unavailable(&error))?;
        Ok(cookie)
    }

    pub(crate) fn log_out(&self, cookie: &str, who: &Who, now: Instant) -> Result<(), Refusal> {
        self.outbox().end_login(Some(cookie), None).map_err(|error| unavailable(&error))?;
        let says = json!({ "what": "logged-out", "who": who.name, "by": who.recorded() });
        self.said_of(&who.name, says, now).map_err(|error| unavailable(&error))
    }

    /// An admin ends somebody's login.
    pub(crate) fn end_login(&self, short: &str, who: &Who, now: Instant) -> Result<(), Refusal> {
        let ended = self.outbox().end_login(None, Some(short)).map_err(|error| unavailable(&error))?;
        let ended =
            ended.ok_or_else(|| Refusal::new(Code::MalformedField, "there is no such login any more"))?;
        let says = json!({ "what": "login-ended", "who": ended, "by": who.recorded() });
        self.said_of(&ended, says, now).map_err(|error| unavailable(&error))
    }

    fn said_of(&self, name: &str, says: Value, now: Instant) -> Result<()> {
        let terms = vec![Term::new(TermKind::Name, name)];
        self.store.append(Note::said(says, terms, &self.config.environment), Vec::new(), now)?;
        Ok(())
    }

    pub(crate) fn answer_as(&self, id: &str, who: &Who, now: Instant) -> Result<(), Refusal> {
        self.answer_finding(id, &who.recorded(), now).map(drop).map_err(|error| wrong(&error))
    }

    pub(crate) fn dispose_as(
        &self,
        id: &str,
        disposition: &str,
        reason: &str,
        days: &str,
        who: &Who,
        now: Instant,
    ) -> Result<(), Refusal> {
        let disposition = serde_json::from_value(json!(disposition))
            .map_err(|_| Refusal::new(Code::MalformedField, "say true, benign or expected"))?;
        let days: i64 = if days.is_empty() { 7 } else { number(days, "days")? };
        let length = days.saturating_mul(24 * 60 * 60 * 1000);
        self.dispose(id, disposition, reason, length, &who.recorded(), now)
            .map(drop)
            .map_err(|error| wrong(&error))
    }

    pub(crate) fn maintain_as(
        &self,
        scope: &str,
        reason: &str,
        hours: &str,
        who: &Who,
        now: Instant,
    ) -> Result<(), Refusal> {
        if scope.trim().is_empty() {
            return Err(Refusal::new(Code::MalformedField, "say what the work is about"));
        }
        let hours = u32::try_from(number(hours, "hours")?).unwrap_or(u32::MAX);
        self.maintain(scope, reason, hours, &who.recorded(), now).map(drop).map_err(|error| wrong(&error))
    }
}

fn slow_down(limiter: &Limiter, peer: Option<IpAddr>, now: Instant) -> Result<(), Refusal> {
    let from = peer.map_or_else(String::new, |peer| peer.to_string());
    limiter.take(Digest::sha256(from.as_bytes()), now).map_err(|seconds| {
        let message = format!("too many attempts from this address; try again in {seconds} s");
        Refusal { later: Some(seconds), ..Refusal::new(Code::RateLimited, message) }
    })
}

fn role(text: &str) -> Result<Role, Refusal> {
    text.parse().map_err(|message: String| Refusal::new(Code::LoginFailed, message))
}

fn number(text: &str, what: &str) -> Result<i64, Refusal> {
    text.trim()
        .parse()
        .map_err(|_| Refusal::new(Code::MalformedField, format!("`{text}` is no number of {what}")))
}

fn wrong(error: &anyhow::Error) -> Refusal {
    let code = crate::wire::code_of(error).unwrap_or(Code::MalformedField);
    Refusal::new(code, format!("{error:#}"))
}

fn unavailable(error: &impl std::fmt::Display) -> Refusal {
    Refusal::new(Code::LoginUnreachable, format!("state.db or the record cannot be used: {error}"))
}

fn failure(refusal: Refusal) -> Failure {
    Failure::new(refusal.code, refusal.message)
}
