//! Requests about logins, and the few that change something: forms of the console's own pages.

use std::net::IpAddr;

use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use linkward_console::{Access, LoginPage};
use linkward_model::{Code, Instant};

use super::oidc::escape;
use super::{Refusal, Who, cookie, cookie_name, own_origin};
use crate::engine::Engine;

/// Where the answer of the identity provider arrives.
const BACK: &str = "/login/back";
const BEGIN: &str = "/login/begin";
/// The cookie of a login under way.
const UNDER_WAY: &str = "linkward-login";

/// Answers what is about logins or changes something; nothing for every other request.
pub(crate) fn answer(
    engine: &Engine,
    parts: &Parts,
    body: &[u8],
    who: Option<&Who>,
    peer: Option<IpAddr>,
) -> Option<Response> {
    let request = Request { engine, parts, who, peer, now: Instant::now() };
    let path = parts.uri.path();
    let result = match (&parts.method, path) {
        (&Method::GET | &Method::HEAD, "/login") => Ok(request.login_page(200, None)),
        (&Method::GET, BEGIN) => request.begin(),
        (&Method::GET, BACK) => request.back(),
        (&Method::GET | &Method::HEAD, "/account") => Ok(request.account()),
        (&Method::GET | &Method::HEAD, "/access") => request.access(),
        (&Method::POST, "/login") => request.log_in(body),
        (&Method::POST, _) => request.act(path, body)?,
        _ => return None,
    };
    Some(result.unwrap_or_else(|refusal| refused(engine, parts, who, refusal)))
}

/// Tells why not: people get a page, programs a code; and counts it for the record.
pub(crate) fn refused(engine: &Engine, parts: &Parts, who: Option<&Who>, refusal: Refusal) -> Response {
    let whom = who.map_or("nobody", |who| who.name.as_str());
    // That nobody is logged in is no attempt.
    if refusal.code != Code::LoginNeeded {
        engine.count_refusal("console", refusal.code, &format!("{whom}: {}", refusal.message));
    }
    let accepts = parts.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let status = match refusal.code {
        Code::LoginNeeded | Code::LoginFailed | Code::LoginRejected => StatusCode::UNAUTHORIZED,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::LoginUnreachable => StatusCode::SERVICE_UNAVAILABLE,
        Code::FormForeign | Code::RoleTooLow | Code::LoginWithoutRole => StatusCode::FORBIDDEN,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let person = accepts.contains("text/html");
    let lost = matches!(refusal.code, Code::LoginNeeded | Code::LoginFailed);
    if person && lost && matches!(parts.method, Method::GET | Method::HEAD) && parts.uri.path() != "/login" {
        let next = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        return redirect(&format!("/login?next={}", escape(next)));
    }
    let mut response = if person {
        page(linkward_console::refused_page(status.as_u16(), refusal.code, &refusal.message))
    } else {
        let body = serde_json::json!({ "code": refusal.code, "message": refusal.message }).to_string();
        let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
        (status, headers, body).into_response()
    };
    if status == StatusCode::UNAUTHORIZED {
        set(&mut response, header::WWW_AUTHENTICATE, "Bearer");
    }
    if let Some(seconds) = refusal.later {
        set(&mut response, header::RETRY_AFTER, &seconds.to_string());
    }
    response
}

struct Request<'a> {
    engine: &'a Engine,
    parts: &'a Parts,
    who: Option<&'a Who>,
    peer: Option<IpAddr>,
    now: Instant,
}

impl Request<'_> {
    fn query(&self, name: &str) -> Option<String> {
        let request = linkward_console::Request { path: "", query: self.parts.uri.query().unwrap_or("") };
        request.parameter(name)
    }

    fn host(&self) -> &str {
        let named = self.parts.headers.get(header::HOST).and_then(|value| value.to_str().ok());
        named.or(self.parts.uri.authority().map(|authority| authority.as_str())).unwrap_or("localhost")
    }

    fn base(&self) -> String {
        let scheme = if self.engine.config().console_tls.on { "https" } else { "http" };
        format!("{scheme}://{}", self.host())
    }

    /// A place of this console to go on to; never one of somebody else.
    fn next(given: Option<String>) -> String {
        let own = |next: &String| {
            next.starts_with('/')
                && !next.starts_with("//")
                && !next.contains('\\')
                && !next.chars().any(char::is_control)
        };
        given.filter(own).unwrap_or_else(|| "/".to_owned())
    }

    fn login_page(&self, status: u16, refusal: Option<&Refusal>) -> Response {
        let next = Self::next(self.query("next"));
        page(linkward_console::login_page(&LoginPage {
            status,
            on: self.engine.config().login,
            begin: self
                .engine
                .config()
                .oidc
                .issuer
                .as_ref()
                .map(|issuer| (issuer.clone(), format!("{BEGIN}?next={}", escape(&next)))),
            next,
            refusal: refusal.map(|refusal| (refusal.code, refusal.message.clone())),
        }))
    }

    /// A token that was typed in becomes a login.
    fn log_in(&self, body: &[u8]) -> Result<Response, Refusal> {
        if !own_origin(&self.parts.headers, self.host()) {
            return Err(Refusal::new(Code::FormForeign, Code::FormForeign.summary()));
        }
        let next = Self::next(form_field(body, "next"));
        let token = form_field(body, "token").unwrap_or_default();
        let cookie = self.engine.log_in_by_token(token.trim(), self.peer, self.now)?;
        Ok(self.logged_in(&cookie, &next))
    }

    fn logged_in(&self, cookie: &str, next: &str) -> Response {
        let mut response = redirect(next);
        let lasts = self.engine.config().login_hours * 3600;
        self.put_cookie(&mut response, cookie_name(self.engine), cookie, lasts);
        self.put_cookie(&mut response, UNDER_WAY, "", 0);
        response
    }

    fn put_cookie(&self, response: &mut Response, name: &str, value: &str, seconds: i64) {
        let secure = if self.engine.config().console_tls.on { "; Secure" } else { "" };
        // Lax: the answer of an identity provider comes from another site; forms carry a proof of their own.
        let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        if let Ok(value) = HeaderValue::try_from(text) {
            response.headers_mut().append(header::SET_COOKIE, value);
        }
    }

    fn begin(&self) -> Result<Response, Refusal> {
        self.engine.begins(self.peer, self.now)?;
        let provider = self.engine.provider()?;
        let back = format!("{}{BACK}", self.base());
        let begun = provider.begin(&back, &Self::next(self.query("next")), self.now)?;
        let mut response = redirect(&begun.to);
        self.put_cookie(&mut response, UNDER_WAY, &begun.cookie, 600);
        Ok(response)
    }

    fn back(&self) -> Result<Response, Refusal> {
        let provider = self.engine.provider()?;
        let under_way = cookie(&self.parts.headers, UNDER_WAY);
        let come = match provider.finish(|name| self.query(name), under_way, self.now) {
            Ok(come) => come,
            Err(refusal) => {
                self.engine.failed(self.peer, self.now)?;
                return Err(refusal);
            }
        };
        let cookie = self.engine.log_in_by_identity(&come, self.peer, self.now)?;
        Ok(self.logged_in(&cookie, &come.next))
    }

    fn account(&self) -> Response {
        page(linkward_console::account_page(self.engine.config().login, self.who.map(shown).as_ref()))
    }

    fn access(&self) -> Result<Response, Refusal> {
        // Without login there is nobody who could be an admin.
        let who = self.who.ok_or_else(|| Refusal::new(Code::LoginNeeded, Code::LoginNeeded.summary()))?;
        let (tokens, logins) = self.engine.who_may(self.now)?;
        Ok(page(linkward_console::access_page(&Access { tokens, logins, who: shown(who) })))
    }

    /// A form that changes something; nothing where no such form exists.
    fn act(&self, path: &str, body: &[u8]) -> Option<Result<Response, Refusal>> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let known = matches!(
            parts.as_slice(),
            ["logout"]
                | ["findings", _, "answer" | "dispose"]
                | ["maintenance"]
                | ["access", "tokens" | "logins"]
        );
        known.then(|| self.act_known(&parts, body))
    }

    fn act_known(&self, parts: &[&str], body: &[u8]) -> Result<Response, Refusal> {
        let who = self.who.ok_or_else(|| {
            let message = "what is done here is done by somebody: set [console] login = \"on\", and log in";
            Refusal::new(Code::LoginNeeded, message)
        })?;
        let foreign = || Refusal::new(Code::FormForeign, Code::FormForeign.summary());
        // A program with a token sends no cookie that another site could make it send.
        if who.cookie.is_some() {
            let proof = form_field(body, "proof").unwrap_or_default();
            if !own_origin(&self.parts.headers, self.host()) || !super::same(&proof, &who.form()) {
                return Err(foreign());
            }
        }
        let field = |name: &str| form_field(body, name).unwrap_or_default();
        let next = match parts {
            ["logout"] => {
                if let Some(cookie) = &who.cookie {
                    self.engine.log_out(cookie, who, self.now)?;
                }
                let mut response = redirect("/login");
                self.put_cookie(&mut response, cookie_name(self.engine), "", 0);
                return Ok(response);
            }
            ["findings", id, "answer"] => {
                self.engine.answer_as(id, who, self.now)?;
                format!("/findings/{id}")
            }
            ["findings", id, "dispose"] => {
                self.engine.dispose_as(
                    id,
                    &field("disposition"),
                    &field("reason"),
                    &field("days"),
                    who,
                    self.now,
                )?;
                format!("/findings/{id}")
            }
            ["maintenance"] => {
                self.engine.maintain_as(&field("scope"), &field("reason"), &field("hours"), who, self.now)?;
                "/findings".to_owned()
            }
            ["access", "tokens"] => {
                self.engine.take_back_token(&field("name"), &who.recorded(), self.now)?;
                "/access".to_owned()
            }
            _ => {
                self.engine.end_login(&field("login"), who, self.now)?;
                "/access".to_owned()
            }
        };
        Ok(redirect(&next))
    }
}

/// Who is there, as pages show it.
pub(crate) fn shown(who: &Who) -> linkward_console::Who {
    linkward_console::Who {
        name: who.name.clone(),
        role: who.role.as_str().to_owned(),
        way: who.way.clone(),
        responds: who.role >= super::Role::Responder && who.cookie.is_some(),
        admin: who.role >= super::Role::Admin,
        proof: who.form(),
    }
}

/// A field of an `application/x-www-form-urlencoded` body.
fn form_field(body: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    linkward_console::Request { path: "", query: text }.parameter(name)
}

fn redirect(to: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    set(&mut response, header::LOCATION, to);
    set(&mut response, header::CACHE_CONTROL, "no-store");
    set(&mut response, HeaderName::from_static("referrer-policy"), "no-referrer");
    response
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
}

fn page(answer: linkward_console::Response) -> Response {
    crate::serve::sent(answer)
}
