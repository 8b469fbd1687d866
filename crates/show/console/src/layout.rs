//! The frame of every page, and its style.

use std::sync::OnceLock;

use linkward_model::{Code, Digest};
use maud::{DOCTYPE, Markup, html};

use crate::request::Response;

pub(crate) const CSS: &str = include_str!("console.css");

/// The shield of the page's head, so that no browser asks for another.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Cpath \
    d='M16 2 28 7v8c0 8-5 12.5-12 15C9 27.5 4 23 4 15V7z' fill='%230b57a4'/%3E%3C/svg%3E";

/// The style sheet's address, with its digest, so that it can be cached for ever.
pub(crate) fn css_path() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let digest = Digest::sha256(CSS.as_bytes()).hex();
        format!("/assets/{}.css", digest.get(..16).unwrap_or("console"))
    })
}

pub(crate) const SCRIPT: &str = include_str!("live.js");

/// The script's address, with its digest too.
pub(crate) fn script_path() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| {
        let digest = Digest::sha256(SCRIPT.as_bytes()).hex();
        format!("/assets/{}.js", digest.get(..16).unwrap_or("console"))
    })
}

/// Says whether the page keeps itself current, and loads what does it.
pub(crate) fn live() -> Markup {
    html! {
        p.live role="status" data-live="" { "As of its loading." }
        script src=(script_path()) defer {}
    }
}

const PAGES: &[(&str, &str)] = &[
    ("/", "Chain"),
    ("/board/on-call", "Boards"),
    ("/findings", "Findings"),
    ("/measures", "Measures"),
    ("/log", "Log"),
    ("/gate", "Gate"),
    ("/codes", "Codes"),
    ("/account", "Account"),
];

pub(crate) fn page(title: &str, current: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " - Linkward" }
                link rel="icon" type="image/svg+xml" href=(ICON);
                link rel="stylesheet" href=(css_path());
            }
            body {
                a.skip href="#main" { "Skip to content" }
                header.top {
                    a.brand href="/" {
                        svg viewBox="0 0 32 32" width="26" height="26" aria-hidden="true" {
                            path d="M16 2 28 7v8c0 8-5 12.5-12 15C9 27.500 4 23 4 15V7z" fill="none" stroke="currentColor" stroke-width="2.200" {}
                            path d="M12.500 18.500a3.500 3.500 0 0 1 0-5l2-2a3.500 3.500 0 0 1 5 5M19.500 13.500a3.500 3.500 0 0 1 0 5l-2 2a3.500 3.500 0 0 1-5-5" fill="none" stroke="currentColor" stroke-width="2.200" stroke-linecap="round" {}
                        }
                        span { "Linkward" }
                    }
                    nav aria-label="Pages" {
                        @for (path, name) in PAGES {
                            @if *path == current { a href=(path) aria-current="page" { (name) } }
                            @else { a href=(path) { (name) } }
                        }
                    }
                    form.search action="/search" method="get" role="search" {
                        label.sr for="q" { "Search by digest, package, identity or name" }
                        input #q name="q" type="search" placeholder="digest, package, identity";
                        button type="submit" { "Search" }
                    }
                }
                main #main tabindex="-1" { h1 { (title) } (content) }
                footer { "Every fact here links to its record. " a href="/log/verify" { "Verify the log" } }
            }
        }
    }
}

pub(crate) fn message(title: &str, text: &str, command: &str) -> Markup {
    page(
        title,
        "",
        &html! { p.lead { (text) } p { "Try " code { (command) } ", or go back to " a href="/" { "the chain" } "." } },
    )
}

/// There is no answer yet: never a page of zeros. It loads itself again.
pub(crate) fn waiting(path: &str, code: Code, why: &str) -> Response {
    let mut response = if path.starts_with("/api/") || path.starts_with("/export/") {
        Response::json(&serde_json::json!({ "version": 1, "code": code, "message": why }))
    } else {
        let content = html! {
            p.lead { span.badge.open { span aria-hidden="true" { "?" } " not yet" } " " (code.summary()) }
            p role="status" { (why) }
            p { (code.fix()) " " a href={ "/codes/" (code) } { (code) } }
        };
        Response::page(503, page("Not yet", "", &content))
    };
    response.status = 503;
    response.headers.extend([("retry-after", "1"), ("refresh", "1")]);
    response
}

/// A state as a word and a shape, never as a colour alone.
pub(crate) fn badge(state: &str) -> Markup {
    let (mark, class) = match state {
        "allow" | "passed" | "met" | "proven" => ("\u{2713}", "good"),
        "deny" | "failed" | "refused" | "page" => ("\u{2717}", "bad"),
        "unknown" | "missing" | "unproven" | "ticket" => ("?", "open"),
        _ => ("\u{2013}", "quiet"),
    };
    html! { span class={ "badge " (class) } { span aria-hidden="true" { (mark) } " " (state) } }
}

/// How a requirement came out, in its own words.
pub(crate) fn requirement(outcome: &str) -> Markup {
    badge(match outcome {
        "allow" => "met",
        "deny" => "refused",
        "unknown" => "missing",
        other => other,
    })
}

/// A digest, short on the page and whole on hovering and copying.
pub(crate) fn digest(text: &str) -> Markup {
    let short = text.parse::<Digest>().map_or_else(|_| text.to_owned(), |digest| digest.short());
    html! { code.digest title=(text) { (short) } }
}

/// A number of things, in the singular where it is one.
pub(crate) fn counted(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// A time to the second, that is never broken over lines; whole on hovering.
pub(crate) fn moment(text: &str) -> Markup {
    let short = text.get(..19).map_or_else(|| text.to_owned(), |text| text.replacen('T', " ", 1));
    html! { time.word datetime=(text) title=(text) { (short) } }
}

/// A name from outside with its digests shortened; whole on hovering.
pub(crate) fn subject(text: &str) -> Markup {
    let short = match text.split_once("sha256:") {
        Some((before, hex)) if hex.len() >= 64 && hex.is_char_boundary(64) => {
            let (digest, rest) = hex.split_at(64);
            format!("{before}sha256:{}\u{2026}{rest}", digest.get(..12).unwrap_or(digest))
        }
        _ => text.to_owned(),
    };
    html! { span title=(visible(text)) { (visible(&short)) } }
}

/// Text from outside: what could reorder or hide text is shown by its number.
pub(crate) fn visible(text: &str) -> String {
    text.chars()
        .map(|c| {
            let hidden = (c.is_control() && c != '\n')
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
            if hidden { format!("\u{2039}U+{:04X}\u{203a}", u32::from(c)) } else { c.to_string() }
        })
        .collect()
}
