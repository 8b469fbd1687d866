//! Logging in, who one is, and who may: the pages about access.

use linkward_model::Code;
use maud::{Markup, html};
use serde_json::Value;

use crate::layout::{moment, page, visible};
use crate::request::{Response, Who};

/// What the login page shows.
#[derive(Clone, Debug)]
pub struct LoginPage {
    pub status: u16,
    /// Whether a login is needed here at all.
    pub on: bool,
    /// Issuer, and where a login by it begins.
    pub begin: Option<(String, String)>,
    /// Where it leads to.
    pub next: String,
    pub refusal: Option<(Code, String)>,
}

/// Tokens and logins, for an admin.
#[derive(Clone, Debug)]
pub struct Access {
    pub tokens: Vec<Value>,
    pub logins: Vec<Value>,
    pub who: Who,
}

/// What every form of somebody who is logged in carries.
pub(crate) fn proof(who: &Who) -> Markup {
    html! { input type="hidden" name="proof" value=(who.proof); }
}

fn refusal(code: Code, message: &str) -> Markup {
    html! { p role="alert" {
        span.badge.bad { span aria-hidden="true" { "\u{2717}" } " refused" } " " (visible(message)) ". " (code.fix()) " "
        a href={ "/codes/" (code) } { (code) }
    } }
}

/// The page that asks who is there.
pub fn login_page(login: &LoginPage) -> Response {
    let content = html! {
        @if let Some((code, message)) = &login.refusal { (refusal(*code, message)) }
        @if !login.on {
            p.lead { "Login is off: whoever reaches this address reads every page, and nobody can do anything here." }
            p { "Turn it on with " code { "login = \"on\"" } " in [console] of linkward.toml, and make a token with " code { "linkward token add NAME" } "." }
        } @else {
            p.lead { "Pages are shown to those who are logged in." }
            @if let Some((issuer, begin)) = &login.begin {
                p { a.button href=(begin) { "Log in by " (visible(issuer)) } }
            }
            form.act action="/login" method="post" {
                input type="hidden" name="next" value=(login.next);
                label { "Token " input name="token" type="password" required autocomplete="off" spellcheck="false"; }
                button type="submit" { "Log in" }
            }
            p { "Tokens are made with " code { "linkward token add NAME --role viewer" } " by whoever runs this home." }
        }
    };
    Response::page(login.status, page("Log in", "", &content))
}

/// Why something was not done.
pub fn refused_page(status: u16, code: Code, message: &str) -> Response {
    let content = html! {
        (refusal(code, message))
        p { (code.summary()) }
        p { a href="/login" { "Log in" } ", or go back to " a href="/" { "the chain" } "." }
    };
    Response::page(status, page("Refused", "", &content))
}

/// Who one is here.
pub fn account_page(on: bool, who: Option<&Who>) -> Response {
    let content = html! {
        @match who {
            Some(who) => {
                p.lead { "You are " strong { (visible(&who.name)) } ", " (who.role) ", by " (visible(&who.way)) "." }
                dl {
                    dt { "viewer" } dd { "reads every page" }
                    dt { "responder" } dd { "also takes findings up, says what they were, announces work" }
                    dt { "admin" } dd { "also takes tokens back and ends logins" }
                }
                @if who.responds {
                    h2 { "Announce work" }
                    p { "Keeps first sights and weights of a scope quiet, never invariants." }
                    form.act action="/maintenance" method="post" {
                        (proof(who))
                        label { "Scope " input name="scope" required placeholder="acme/*"; }
                        label { "because " input name="reason" required maxlength="500"; }
                        label { "for " input name="hours" type="number" min="1" max="72" value="2"; " hours" }
                        button type="submit" { "Announce" }
                    }
                }
                @if who.admin { p { a href="/access" { "Tokens and logins" } } }
                @if !who.proof.is_empty() {
                    form.act action="/logout" method="post" { (proof(who)) button type="submit" { "Log out" } }
                }
            }
            None if on => { p.lead { "You are not logged in. " a href="/login" { "Log in" } "." } }
            None => {
                p.lead { "Login is off: whoever reaches this address reads every page, and nobody can do anything here." }
                p { "Turn it on with " code { "login = \"on\"" } " in [console] of linkward.toml." }
            }
        }
    };
    Response::page(200, page("Account", "/account", &content))
}

/// Tokens and logins, with what takes them back.
pub fn access_page(access: &Access) -> Response {
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    let take_back = |to: &str, field: &str, value: &str, word: &str| {
        html! { form.act action=(to) method="post" {
            (proof(&access.who))
            input type="hidden" name=(field) value=(value);
            button type="submit" { (word) }
        } }
    };
    let content = html! {
        p.lead { "What opens this console. Only hashes are kept; a token is shown once, when it is made." }
        div.scroll tabindex="0" role="region" aria-label="Tokens" { table {
            caption { "Tokens" }
            thead { tr { th scope="col" { "Name" } th scope="col" { "Role" } th scope="col" { "Made" } th scope="col" { "Until" } th scope="col" { "Take back" } } }
            tbody { @for token in &access.tokens { tr {
                td { (visible(&text(token, "name"))) } td { (text(token, "role")) } td { (moment(&text(token, "created"))) }
                td { (moment(&text(token, "expires"))) @if token["over"] == true { " over" } }
                td { (take_back("/access/tokens", "name", &text(token, "name"), "Take back")) }
            } } }
        } }
        div.scroll tabindex="0" role="region" aria-label="Logins" { table {
            caption { "Logins" }
            thead { tr { th scope="col" { "Who" } th scope="col" { "Role" } th scope="col" { "By" } th scope="col" { "Since" } th scope="col" { "Until" } th scope="col" { "End" } } }
            tbody { @for login in &access.logins { tr {
                td { (visible(&text(login, "who"))) } td { (text(login, "role")) } td { (visible(&text(login, "way"))) }
                td { (moment(&text(login, "created"))) } td { (moment(&text(login, "expires"))) }
                td { (take_back("/access/logins", "login", &text(login, "login"), "End")) }
            } } }
        } }
    };
    Response::page(200, page("Access", "/account", &content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_is_escaped_and_forms_carry_their_proof() {
        let who = Who {
            name: "<b>ann</b>".to_owned(),
            role: "admin".to_owned(),
            way: "token".to_owned(),
            responds: true,
            admin: true,
            proof: "p\"roof".to_owned(),
        };
        let shown = |response: Response| String::from_utf8(response.body).unwrap();
        let account = shown(account_page(true, Some(&who)));
        assert!(account.contains("&lt;b&gt;ann") && !account.contains("<b>ann"));
        assert_eq!(account.matches("method=\"post\"").count(), account.matches("name=\"proof\"").count());
        let login = LoginPage {
            status: 200,
            on: true,
            begin: None,
            next: "/\"><script>".to_owned(),
            refusal: Some((Code::LoginFailed, "<i>".to_owned())),
        };
        let login = shown(login_page(&login));
        assert!(!login.contains("<i>") && !login.contains("\"><script>"));
        let tokens = vec![serde_json::json!({ "name": "<u>", "role": "viewer" })];
        let access = shown(access_page(&Access { tokens, logins: Vec::new(), who }));
        assert!(access.contains("&lt;u&gt;") && access.contains("p&quot;roof"));
    }
}
