//! Who is there, and what they may: every request to the console passes here before anything else looks at it.
//!
//! What other programs must reach without a login is listed; everything that is not listed needs one.

mod oidc;
mod requests;
mod role;

use std::net::IpAddr;

use aws_lc_rs::{constant_time, hmac, rand};
use axum::http::{HeaderMap, Method, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use linkward_model::{Code, Instant};

pub(crate) use oidc::{Come, Provider, Settings};
pub(crate) use requests::{answer, refused, shown};
pub(crate) use role::Role;

use crate::engine::Engine;

/// Why somebody may not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) message: String,
    /// Seconds to wait.
    pub(crate) later: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), later: None }
    }
}

/// Somebody who is logged in, or a program with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Who {
    pub(crate) name: String,
    pub(crate) role: Role,
    /// `token`, or the issuer of the identity.
    pub(crate) way: String,
    /// The login's cookie, where there is one: forms have to prove that they were made for it.
    cookie: Option<String>,
}

impl Who {
    pub(crate) fn of_cookie(name: String, role: Role, way: String, cookie: &str) -> Self {
        Self { name, role, way, cookie: Some(cookie.to_owned()) }
    }

    pub(crate) fn of_token(name: String, role: Role) -> Self {
        Self { name, role, way: "token".to_owned(), cookie: None }
    }

    /// What forms carry: only who has the cookie, or the page, knows it.
    pub(crate) fn form(&self) -> String {
        let Some(cookie) = &self.cookie else { return String::new() };
        let key = hmac::Key::new(hmac::HMAC_SHA256, cookie.as_bytes());
        URL_SAFE_NO_PAD.encode(hmac::sign(&key, b"linkward form"))
    }

    /// For the record: who did it, and how we know.
    pub(crate) fn recorded(&self) -> String {
        format!("{} ({}, {})", self.name, self.role, self.way)
    }
}

/// Whether two secrets are the same, in a time that does not tell where they differ.
pub(crate) fn same(one: &str, other: &str) -> bool {
    constant_time::verify_slices_are_equal(one.as_bytes(), other.as_bytes()).is_ok()
}

/// 256 bits that nobody can guess.
pub(crate) fn secret() -> String {
    let mut bytes = [0; 32];
    // Without a source of randomness nothing may be opened: an empty secret matches nothing that is kept.
    if rand::fill(&mut bytes).is_err() {
        return String::new();
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Public, or proven in a way of its own: tiles, signing services, webhooks, the login itself.
    Nothing,
    Role(Role),
}

/// Paths that are for everybody: what verifiers, clients and load balancers ask for.
const PUBLIC: &[&str] = &[
    "/healthz",
    "/readyz",
    "/login",
    "/api/v2/trustBundle",
    "/api/v2/configuration",
    "/api/v2/signingCert",
    "/api/v2/log/entries",
    "/api/v2/checkpoint",
    "/api/v1/timestamp",
    "/api/v1/timestamp/certchain",
    "/witness/add-checkpoint",
];
/// Folders that are for everybody.
const PUBLIC_FOLDERS: &[&str] =
    &["/assets/", "/login/", "/tlog/", "/tuf/", "/sigstore/", "/webhooks/", "/api/v2/tile/", "/codes/"];

fn need(engine: &Engine, method: &Method, path: &str) -> Need {
    if PUBLIC.contains(&path) || PUBLIC_FOLDERS.iter().any(|folder| path.starts_with(folder)) {
        return Need::Nothing;
    }
    // Gates elsewhere follow it without a login where the operator says that it may be served.
    if path.starts_with("/gate/") && engine.config().gates.feed {
        return Need::Nothing;
    }
    if path.starts_with("/access") {
        return Need::Role(Role::Admin);
    }
    match *method {
        Method::GET | Method::HEAD => Need::Role(Role::Viewer),
        // Anybody may leave.
        _ if path == "/logout" => Need::Role(Role::Viewer),
        _ => Need::Role(Role::Responder),
    }
}

/// Lets a request pass, with who it is of where somebody has to be there.
pub(crate) fn pass(
    engine: &Engine,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    peer: Option<IpAddr>,
    now: Instant,
) -> Result<Option<Who>, Refusal> {
    let need = need(engine, method, path);
    if !engine.config().login {
        return Ok(None);
    }
    let Need::Role(least) = need else { return Ok(None) };
    let who = present(engine, headers, peer, now)?;
    if who.role < least {
        let message = format!("{} is {}; this takes {least}", who.name, who.role);
        return Err(Refusal::new(Code::RoleTooLow, message));
    }
    Ok(Some(who))
}

/// Whoever a token or a cookie proves to be there.
fn present(engine: &Engine, headers: &HeaderMap, peer: Option<IpAddr>, now: Instant) -> Result<Who, Refusal> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    if let Some(token) = bearer {
        return engine.who_has_token(token, peer, now);
    }
    let cookie = cookie(headers, cookie_name(engine));
    let cookie = cookie.ok_or_else(|| Refusal::new(Code::LoginNeeded, Code::LoginNeeded.summary()))?;
    engine.who_has_cookie(cookie, now)
}

/// With TLS a name that browsers take only from this host, and only with `Secure`.
pub(crate) fn cookie_name(engine: &Engine) -> &'static str {
    if engine.config().console_tls.on { "__Host-linkward" } else { "linkward" }
}

/// The value of a cookie.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';')).find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// Whether a form was sent by a page of this console: browsers say so themselves, and whoever does not say it is no browser.
fn own_origin(headers: &HeaderMap, host: &str) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return false;
    }
    match text("origin") {
        None => true,
        Some(origin) => origin.split_once("://").is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(host)),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn a_cookie_is_taken_by_its_whole_name() {
        let sent = headers(&[("cookie", "xlinkward=a; linkward=b; linkwardx=c")]);
        assert_eq!(cookie(&sent, "linkward"), Some("b"));
        assert_eq!(cookie(&sent, "__Host-linkward"), None);
        assert_eq!(cookie(&headers(&[]), "linkward"), None);
    }

    #[test]
    fn a_form_from_elsewhere_is_seen() {
        let own =
            |pairs: &[(&'static str, &'static str)]| own_origin(&headers(pairs), "console.example:7070");
        assert!(own(&[]));
        assert!(own(&[("origin", "https://console.example:7070"), ("sec-fetch-site", "same-origin")]));
        assert!(!own(&[("origin", "https://evil.example")]));
        assert!(!own(&[("origin", "null")]));
        assert!(!own(&[("sec-fetch-site", "cross-site")]));
        assert!(!own(&[("sec-fetch-site", "same-site")]));
    }

    #[test]
    fn forms_are_of_one_login() {
        let who = |cookie: &str| Who::of_cookie("ann".to_owned(), Role::Viewer, "token".to_owned(), cookie);
        assert_eq!(who("a").form(), who("a").form());
        assert_ne!(who("a").form(), who("b").form());
        assert!(!who("a").form().contains('a') || who("a").form().len() > 40);
        assert!(Who::of_token("ci".to_owned(), Role::Admin).form().is_empty());
        assert_eq!(secret().len(), 43);
        assert_ne!(secret(), secret());
    }
}
