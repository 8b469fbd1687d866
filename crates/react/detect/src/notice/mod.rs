//! Notices: findings as people are told them, and how each channel wants to hear it.
//!
//! Pure: a channel is one file that turns a notice into requests; the binary sends them. Every request carries the
//! notice's key where the protocol has a place for it, so that what is sent twice reaches a person once.

mod alertmanager;
mod email;
mod issue;
mod pagerduty;
mod route;
mod slack;
mod webhook;

use linkward_model::{Digest, Instant};
use serde::{Deserialize, Serialize};

pub use alertmanager::alerts as alertmanager_alerts;
pub use email::message as email_message;
pub use issue::Issue;
pub use pagerduty::event as pagerduty_event;
pub use route::{Routed, Routes, Service, SettingFault};
pub use slack::message as slack_message;
pub use webhook::{body as webhook_body, signed as webhook_signed};

use crate::finding::Fact;

/// How loud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Ticket,
    /// Wakes somebody.
    Page,
}

impl Severity {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ticket => "ticket",
            Self::Page => "page",
        }
    }
}

/// Something that a person has to hear of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The same for every telling of it, on every channel.
    pub key: String,
    pub severity: Severity,
    /// The rule of the finding, or what else raised it.
    pub rule: String,
    pub title: String,
    pub subject: String,
    /// Whether it says that something is broken; maintenance never holds such a notice back.
    pub integrity: bool,
    /// What is grouped: a service, or the subject itself.
    pub deployment: String,
    pub cluster: String,
    pub environment: String,
    pub owner: Option<String>,
    pub criticality: Option<String>,
    pub facts: Vec<Fact>,
    /// What to do first.
    pub action: String,
    /// When the first event of it happened, and when it was noticed.
    pub happened: Instant,
    pub noticed: Instant,
    /// When the last of its events was noticed.
    pub last: Instant,
    /// How many findings it stands for.
    pub count: u32,
    /// The newest record of it.
    pub record: u64,
    /// The findings that it stands for, newest last; of very many only the first.
    #[serde(default)]
    pub findings: Vec<String>,
    /// Page of the console.
    pub link: String,
    /// Who took it up, or what it was.
    pub answered: Option<String>,
    pub escalated: bool,
}

/// Findings of one rule about one subject are one matter.
pub fn slot(rule: &str, subject: &str) -> String {
    short(&format!("{rule}\0{subject}"))
}

/// A key of its own for each notice of a slot, the same on every machine.
pub fn key(slot: &str, record: u64) -> String {
    short(&format!("{slot}\0{record}"))
}

fn short(text: &str) -> String {
    Digest::sha256(text.as_bytes()).hex().get(..32).unwrap_or_default().to_owned()
}

/// What a channel is told about a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    Trigger,
    /// It was answered, or is no longer so.
    Resolve,
}

impl Telling {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Resolve => "resolve",
        }
    }

    /// `trigger`, `trigger-page` and `escalate` all tell that it is there.
    pub fn of(what: &str) -> Self {
        if what == "resolve" { Self::Resolve } else { Self::Trigger }
    }
}

/// A request as a channel wants it; the path is below the channel's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    pub method: &'static str,
    pub path: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Ask {
    pub(crate) fn json(path: &str, body: &serde_json::Value) -> Self {
        Self {
            method: "POST",
            path: path.to_owned(),
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        }
    }
}

impl Notice {
    /// One line for people.
    pub fn line(&self) -> String {
        let more = if self.count > 1 { format!(" ({} times)", self.count) } else { String::new() };
        format!("[{}] {}: {}{more}", self.severity.as_str(), self.title, one_line(&self.subject))
    }

    /// Everything for people, as plain text.
    pub fn text(&self) -> String {
        let mut out = format!("{}\n\n", self.line());
        for fact in &self.facts {
            out.push_str(&format!("{}: {}\n", fact.name, one_line(&fact.value)));
        }
        out.push_str(&format!("\nDo first: {}\n", self.action));
        out.push_str(&format!("Happened {}, noticed {}.\n", self.happened, self.noticed));
        if let Some(owner) = &self.owner {
            out.push_str(&format!("Owner: {owner}\n"));
        }
        out.push_str(&format!("Evidence: {}\nRecord: {}\n", self.link, self.record));
        out
    }
}

/// Text from outside in one line: a subject with a line break must not write lines of its own.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect()
}

/// How long to wait before the next attempt: doubles from a second to ten minutes, shifted by the delivery's own
/// number so that a crowd that failed together does not come back together.
pub fn back_off(attempts: u32, number: i64) -> i64 {
    let base = 1000_i64.checked_shl(attempts.min(20)).unwrap_or(i64::MAX).min(600_000);
    let spread = Digest::sha256(&number.to_le_bytes()).as_bytes().first().copied().map_or(0, i64::from);
    base - base / 4 * spread / 255
}

#[cfg(test)]
pub(crate) mod tests {
    use linkward_testkit::noon;

    use super::*;

    pub(crate) fn notice() -> Notice {
        Notice {
            key: key("s", 7),
            severity: Severity::Page,
            rule: "tag-moved".to_owned(),
            title: "An image tag that never moves names other bytes".to_owned(),
            subject: "pkg:oci/prod/app\r\nBcc: all@example.org".to_owned(),
            integrity: true,
            deployment: "payments".to_owned(),
            cluster: "eu-1".to_owned(),
            environment: "production".to_owned(),
            owner: Some("team-payments".to_owned()),
            criticality: Some("high".to_owned()),
            facts: vec![Fact { name: "tag".to_owned(), value: "1.2.3 <b>".to_owned() }],
            action: "Point the tag back.".to_owned(),
            happened: noon(),
            noticed: noon(),
            last: noon(),
            count: 1,
            record: 7,
            findings: vec!["abcdef".to_owned()],
            link: "http://127.0.0.1:7070/findings/abcdef".to_owned(),
            answered: None,
            escalated: false,
        }
    }

    #[test]
    fn keys_are_of_the_slot_and_the_record() {
        assert_eq!(key(&slot("r", "s"), 1), key(&slot("r", "s"), 1));
        assert_ne!(key(&slot("r", "s"), 1), key(&slot("r", "s"), 2));
        assert_ne!(slot("r", "s"), slot("rs", ""), "the parts cannot run into each other");
    }

    #[test]
    fn waiting_grows_and_is_spread_and_bounded() {
        for attempts in 0..40 {
            for number in [1, 2, 77] {
                let wait = back_off(attempts, number);
                assert!((750..=600_000).contains(&wait), "{attempts} {number} {wait}");
            }
        }
        assert!(back_off(3, 1) > back_off(0, 1));
        assert!((1..50).any(|number| back_off(5, number) != back_off(5, 0)), "not all at once");
    }

    #[test]
    fn text_from_outside_writes_no_lines_of_its_own() {
        let text = notice().text();
        assert!(!text.contains("\nBcc:"), "{text}");
        assert!(text.contains("Do first: Point the tag back."));
    }
}
