//! What the console is asked, and what it answers.

use std::collections::BTreeMap;

use linkward_measure::{Budget, Counts};
use maud::Markup;
use serde::Serialize;

/// A GET request: path and raw query.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub path: &'a str,
    pub query: &'a str,
}

/// Who is logged in, as pages show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    pub name: String,
    pub role: String,
    /// `token`, or the issuer of the identity.
    pub way: String,
    /// Whether forms that answer findings are shown.
    pub responds: bool,
    pub admin: bool,
    /// What every form carries, so that no other site can send it.
    pub proof: String,
}

/// What only the binary knows: the gate's memory.
#[derive(Clone, Debug, Default)]
pub struct HomeFacts {
    pub environment: String,
    /// `observe` or `enforce`.
    pub mode: String,
    /// Image, where it was seen, how often.
    pub seen: Vec<(String, String, u64)>,
    /// What enforcing would refuse.
    pub would_break: Vec<String>,
    pub decisions_dropped: u64,
    /// What the page needs is still being taken up from the record: why there is no answer yet.
    pub waiting: Option<(linkward_model::Code, String)>,
    /// Who asks; nobody where there is no login.
    pub who: Option<Who>,
    /// The time of the question.
    pub now: linkward_model::Instant,
    /// Findings in their newest state with how they stand, newest first; filled for the pages that show them.
    pub findings: Vec<serde_json::Value>,
    /// Every rule, with what keeps it from seeing.
    pub rules: Vec<serde_json::Value>,
    /// What the record holds; filled for the pages that show it.
    pub counts: Counts,
    /// Whether the counts are of the whole record; after a start the background still counts.
    pub counted: bool,
    pub budgets: Vec<Budget>,
    /// Stored values of each measure, oldest first.
    pub history: BTreeMap<&'static str, Vec<(linkward_model::Instant, f64)>>,
    /// What people were told and have not answered, oldest first.
    pub alerts: Vec<serde_json::Value>,
    /// Channels with what could not be delivered.
    pub undelivered: Vec<(String, u64)>,
    /// Services with owners, criticality and customers.
    pub services: Vec<serde_json::Value>,
}

/// An answer, ready to be sent.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: u16,
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, &'static str)>,
    pub body: Vec<u8>,
}

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

impl Response {
    fn new(status: u16, content_type: &'static str, cache: &'static str, body: Vec<u8>) -> Self {
        let headers = vec![
            ("content-security-policy", POLICY),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cache-control", cache),
        ];
        Self { status, content_type, headers, body }
    }

    pub(crate) fn page(status: u16, page: Markup) -> Self {
        Self::new(status, "text/html; charset=utf-8", "no-store", page.into_string().into_bytes())
    }

    pub(crate) fn css(text: &str) -> Self {
        let cache = "public, max-age=31536000, immutable";
        Self::new(200, "text/css; charset=utf-8", cache, text.as_bytes().to_vec())
    }

    pub(crate) fn script(text: &str) -> Self {
        let cache = "public, max-age=31536000, immutable";
        Self::new(200, "text/javascript; charset=utf-8", cache, text.as_bytes().to_vec())
    }

    /// A file to keep, never to show.
    pub(crate) fn csv(text: String) -> Self {
        let mut response =
            Self::new(200, "text/csv; charset=utf-8; header=present", "no-store", text.into_bytes());
        response.headers.push(("content-disposition", "attachment"));
        response
    }

    pub(crate) fn text(text: String) -> Self {
        Self::new(200, "text/plain; version=0.0.4; charset=utf-8", "no-store", text.into_bytes())
    }

    pub(crate) fn json<T: Serialize>(value: &T) -> Self {
        let body = serde_json::to_vec_pretty(value).unwrap_or_default();
        Self::new(200, "application/json", "no-store", body)
    }
}

impl Request<'_> {
    /// A parameter of the query, decoded; a broken escape is kept as it is.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=')?;
            (key == name).then(|| decode(value))
        })
    }
}

fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let ahead = bytes.clone();
        let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
        match byte {
            b'+' => out.push(b' '),
            b'%' => match (digit(), digit()) {
                (Some(high), Some(low)) => out.push((high * 16 + low) as u8),
                _ => {
                    out.push(b'%');
                    bytes = ahead;
                }
            },
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
