//! Login by an identity provider: OpenID Connect Core 1.0, the authorization code flow, with PKCE (RFC 7636), the issuer in
//! the answer (RFC 9207), and a cookie that ties the answer to the browser that asked.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant as Clock};

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use linkward_issue::sigstore::token::{KeySet, Unverified};
use linkward_model::{Code, Instant};
use serde_json::Value;

use super::role::{Role, RoleRule};
use super::{Refusal, secret};
use crate::client::{Client, Url, system_authorities};

/// `[login]` in linkward.toml.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) issuer: Option<String>,
    pub(crate) client_id: String,
    /// File with the client's secret; a public client has none.
    pub(crate) client_secret: Option<PathBuf>,
    /// PEM of the provider's authority; those of this system where absent.
    pub(crate) ca: Option<PathBuf>,
    pub(crate) scopes: Vec<String>,
    pub(crate) roles: Vec<RoleRule>,
}

/// How long a login may take from its begin to its end.
const LONGEST: i64 = 10 * 60 * 1000;
/// Logins under way at once; of more the oldest are forgotten.
const MOST: usize = 1000;
const PATIENCE: Duration = Duration::from_secs(5);
/// How long what the provider says about itself is believed.
const FRESH: Duration = Duration::from_secs(3600);
/// Keys are asked for again at most this often, whoever shows unknown ones.
const AGAIN: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Provider {
    settings: Settings,
    known: Mutex<Option<Known>>,
    pending: Mutex<HashMap<String, Pending>>,
}

#[derive(Clone, Debug)]
struct Known {
    since: Clock,
    authorize: String,
    token: String,
    /// Whether its answers name it.
    names_itself: bool,
    keys: KeySet,
}

#[derive(Clone, Debug)]
struct Pending {
    since: Instant,
    /// What the browser has in its cookie.
    browser: String,
    nonce: String,
    verifier: String,
    back: String,
    next: String,
}

/// Where to send the browser, and the cookie that it has to bring back.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) to: String,
    pub(crate) cookie: String,
}

/// Who came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Come {
    /// The name that people see.
    pub(crate) name: String,
    pub(crate) subject: String,
    pub(crate) issuer: String,
    pub(crate) role: Role,
    pub(crate) next: String,
}

impl Provider {
    pub(crate) fn new(settings: &Settings) -> Option<Self> {
        settings.issuer.as_ref()?;
        Some(Self { settings: settings.clone(), known: Mutex::default(), pending: Mutex::default() })
    }

    fn issuer(&self) -> &str {
        self.settings.issuer.as_deref().unwrap_or("")
    }

    /// Begins a login that ends at `back`, and then leads to `next`.
    ///
    /// # Errors
    /// The provider cannot be asked.
    pub(crate) fn begin(&self, back: &str, next: &str, now: Instant) -> Result<Begun, Refusal> {
        let known = self.known(false)?;
        let (state, cookie, nonce, verifier) = (secret(), secret(), secret(), secret());
        let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
        let scopes = self.settings.scopes.join(" ");
        let query = form(&[
            ("response_type", "code"),
            ("client_id", &self.settings.client_id),
            ("redirect_uri", back),
            ("scope", &scopes),
            ("state", &state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let joint = if known.authorize.contains('?') { '&' } else { '?' };
        let to = format!("{}{joint}{query}", known.authorize);
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.retain(|_, one| now.since(one.since) < LONGEST);
        if pending.len() >= MOST
            && let Some(oldest) =
                pending.iter().min_by_key(|(_, one)| one.since).map(|(state, _)| state.clone())
        {
            pending.remove(&oldest);
        }
        let one = Pending {
            since: now,
            browser: cookie.clone(),
            nonce,
            verifier,
            back: back.to_owned(),
            next: next.to_owned(),
        };
        pending.insert(state, one);
        Ok(Begun { to, cookie })
    }

    /// Takes the provider's answer: who came back, in which role.
    ///
    /// # Errors
    /// The answer is not to a question of this browser, or does not prove who is there.
    pub(crate) fn finish(
        &self,
        answer: impl Fn(&str) -> Option<String>,
        cookie: Option<&str>,
        now: Instant,
    ) -> Result<Come, Refusal> {
        let rejected = |why: &str| Refusal::new(Code::LoginRejected, why.to_owned());
        let state = answer("state").ok_or_else(|| rejected("the answer has no `state`"))?;
        // Taken out whatever follows: a code is tried once.
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner).remove(&state);
        let pending = pending
            .filter(|one| now.since(one.since) < LONGEST)
            .ok_or_else(|| rejected("no login of that `state` is under way here"))?;
        if !cookie.is_some_and(|cookie| super::same(cookie, &pending.browser)) {
            return Err(rejected("the login was begun in another browser"));
        }
        let known = self.known(false)?;
        match answer("iss") {
            Some(issuer) if issuer != self.issuer() => {
                return Err(rejected("the answer is of another issuer than was asked"));
            }
            None if known.names_itself => return Err(rejected("the answer does not name its issuer")),
            _ => {}
        }
        if let Some(error) = answer("error") {
            let why = answer("error_description").unwrap_or_default();
            let shown: String =
                format!("{error}: {why}").chars().filter(|c| !c.is_control()).take(200).collect();
            return Err(rejected(&format!("the provider says {shown}")));
        }
        let code = answer("code").ok_or_else(|| rejected("the answer has no `code`"))?;
        let token = self.exchange(&known, &code, &pending)?;
        self.prove(&token, &pending, now)
    }

    fn exchange(&self, known: &Known, code: &str, pending: &Pending) -> Result<String, Refusal> {
        let unreachable = |error: anyhow::Error| {
            Refusal::new(Code::LoginUnreachable, format!("the token endpoint: {error:#}"))
        };
        let mut headers = vec![
            ("Content-Type", "application/x-www-form-urlencoded".to_owned()),
            ("Accept", "application/json".to_owned()),
        ];
        let id = &self.settings.client_id;
        let mut body = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", pending.back.as_str()),
            ("code_verifier", pending.verifier.as_str()),
        ];
        if let Some(path) = &self.settings.client_secret {
            let secret = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))
                .map_err(unreachable)?;
            // RFC 6749 section 2.3.1: both are encoded as in a form before they are joined.
            let pair = format!("{}:{}", escape(id), escape(secret.trim_end()));
            headers.push(("Authorization", format!("Basic {}", STANDARD.encode(pair))));
        } else {
            body.push(("client_id", id));
        }
        let client = self.client(&known.token).map_err(unreachable)?;
        let (status, reply) =
            client.send("POST", "", &headers, form(&body).as_bytes(), PATIENCE).map_err(unreachable)?;
        let reply: Value = serde_json::from_slice(&reply).unwrap_or_default();
        let text = |name: &str| reply.get(name).and_then(Value::as_str);
        if status != 200 {
            let why: String =
                text("error").unwrap_or("no reason").chars().filter(|c| !c.is_control()).take(100).collect();
            let message = format!("the token endpoint answered {status}: {why}");
            return Err(Refusal::new(Code::LoginRejected, message));
        }
        text("id_token")
            .map(str::to_owned)
            .ok_or_else(|| Refusal::new(Code::LoginRejected, "the token endpoint gave no `id_token`"))
    }

    /// OpenID Connect Core section 3.1.3.7.
    fn prove(&self, token: &str, pending: &Pending, now: Instant) -> Result<Come, Refusal> {
        let rejected = |why: String| Refusal::new(Code::LoginRejected, why);
        let unverified = Unverified::parse(token).map_err(|refused| rejected(refused.message))?;
        if unverified.issuer() != self.issuer() {
            return Err(rejected(format!("the identity is issued by `{}`", unverified.issuer())));
        }
        let audience = &self.settings.client_id;
        let verify = |known: &Known| unverified.verify(&known.keys, audience, now);
        let proven = match verify(&self.known(false)?) {
            // Keys are rotated: asked for again, once.
            Err(refused) if matches!(refused.code, Code::TokenSignature | Code::TokenAlgorithm) => {
                verify(&self.known(true)?)
            }
            result => result,
        };
        let proven = proven.map_err(|refused| rejected(refused.message))?;
        if proven.text("nonce") != Some(pending.nonce.as_str()) {
            return Err(rejected("the identity was issued for another login".to_owned()));
        }
        let several = proven.claims.get("aud").and_then(Value::as_array).is_some_and(|many| many.len() > 1);
        if proven.text("azp").map_or(several, |party| party != audience) {
            return Err(rejected("the identity was issued to another client".to_owned()));
        }
        let subject = proven.text("sub").filter(|subject| !subject.is_empty() && subject.len() <= 255);
        let subject = subject.ok_or_else(|| rejected("the identity has no subject".to_owned()))?;
        let verified = proven.claims.get("email_verified") == Some(&Value::Bool(true));
        let named = proven
            .text("email")
            .filter(|_| verified)
            .or_else(|| proven.text("preferred_username"))
            .unwrap_or(subject);
        let name: String = named.chars().filter(|c| !c.is_control()).take(120).collect();
        let role = RoleRule::highest(&self.settings.roles, &proven.claims).ok_or_else(|| {
            Refusal::new(Code::LoginWithoutRole, format!("{name} of {} has no role here", self.issuer()))
        })?;
        Ok(Come {
            name,
            subject: subject.to_owned(),
            issuer: self.issuer().to_owned(),
            role,
            next: pending.next.clone(),
        })
    }

    fn known(&self, anew: bool) -> Result<Known, Refusal> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let bound = if anew { AGAIN } else { FRESH };
        if let Some(known) = known.as_ref().filter(|known| known.since.elapsed() < bound) {
            return Ok(known.clone());
        }
        let fresh = self
            .discover()
            .map_err(|error| Refusal::new(Code::LoginUnreachable, format!("{}: {error:#}", self.issuer())))?;
        Ok(known.insert(fresh).clone())
    }

    /// OpenID Connect Discovery 1.0, and the keys.
    fn discover(&self) -> Result<Known> {
        let place = format!("{}/.well-known/openid-configuration", self.issuer().trim_end_matches('/'));
        let read = |url: &str, what: &str| -> Result<Vec<u8>> {
            self.client(url)?.get("", PATIENCE).with_context(|| what.to_owned())
        };
        let document: Value =
            serde_json::from_slice(&read(&place, "its configuration")?).context("its configuration")?;
        let text = |name: &str| {
            let found = document.get(name).and_then(Value::as_str).map(str::to_owned);
            found.with_context(|| format!("its configuration has no `{name}`"))
        };
        ensure!(text("issuer")? == self.issuer(), "it calls itself `{}`", text("issuer")?);
        let methods = document.get("code_challenge_methods_supported").and_then(Value::as_array);
        ensure!(
            methods.is_none_or(|methods| methods.iter().any(|method| method == "S256")),
            "it does not take PKCE with S256"
        );
        let authorize = text("authorization_endpoint")?;
        // The browser goes there: no other scheme, and nothing that could end a header.
        Url::with_query(&authorize).context("its authorization endpoint")?;
        ensure!(
            !authorize.chars().any(|c| c.is_control() || c == ' '),
            "its authorization endpoint is no URL"
        );
        let keys = KeySet::parse(&read(&text("jwks_uri")?, "its keys")?)
            .map_err(|refused| anyhow::anyhow!("its keys: {}", refused.message))?;
        let names = document.get("authorization_response_iss_parameter_supported");
        Ok(Known {
            since: Clock::now(),
            authorize,
            token: text("token_endpoint")?,
            names_itself: names == Some(&Value::Bool(true)),
            keys,
        })
    }

    fn client(&self, url: &str) -> Result<Client> {
        let authority = match &self.settings.ca {
            Some(path) => {
                Some(std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?)
            }
            None => system_authorities(),
        };
        Client::new(Url::with_query(url)?, authority.as_deref())
    }
}

/// `application/x-www-form-urlencoded`.
fn form(pairs: &[(&str, &str)]) -> String {
    let one = |(name, value): &(&str, &str)| format!("{name}={}", escape(value));
    pairs.iter().map(one).collect::<Vec<_>>().join("&")
}

pub(super) fn escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests;
