//! What is asked of a home: taking events in, listing findings, saying what they were.

use std::path::Path;
use std::sync::{Mutex, OnceLock};

use anyhow::{Context as _, Result, bail};
use linkward_detect::{Disposition, Engine, Exception, Maintenance};
use linkward_model::Exit;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cli::{self, Replay, Said};
use crate::access::Access;
use crate::cli::Format;
use crate::commands::{nearest, print, print_json};
use crate::table::visible;
use crate::wire::Request;

/// What the engine remembers of detection: made from the record at its first use.
#[derive(Debug, Default)]
pub(crate) struct Detection {
    pub(crate) state: OnceLock<Mutex<State>>,
    /// One at a time makes the state.
    pub(crate) making: Mutex<()>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) engine: Engine,
    pub(crate) exceptions: Vec<Exception>,
    pub(crate) windows: Vec<Maintenance>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "detect")]
pub(crate) enum Ask {
    Take { feed: Option<String>, topic: Option<String>, id: Option<String>, text: String },
    List { all: bool },
    Show { id: String },
    Dispose { id: String, disposition: Disposition, reason: String, days: u32, by: String },
    Maintain { scope: String, reason: String, hours: u32, by: String },
}

fn ask(home: Option<&Path>, ask: Ask) -> Result<Value> {
    Access::open(&nearest(home)?)?.ask(Request::Detect { ask })
}

/// Who asks, as the system says.
fn by() -> String {
    std::env::var("USER").unwrap_or_else(|_| "unknown".to_owned())
}

pub(super) fn take(text: &[u8], args: &Replay, home: Option<&Path>, format: Format) -> Result<Exit> {
    // Faults are better told before anything is sent.
    super::offline::read(text, args)?;
    let text = String::from_utf8(text.to_vec()).context("the events are not UTF-8")?;
    let answer = ask(home, Ask::Take { feed: args.feed.clone(), topic: args.topic.clone(), id: None, text })?;
    let number = |name: &str| answer.get(name).and_then(Value::as_u64).unwrap_or(0);
    if format == Format::Json {
        print_json(&answer)?;
    } else {
        print(&format!(
            "{} events recorded (record {}), {} findings changed; see `linkward detect list`\n",
            number("events"),
            number("record"),
            number("changes")
        ))?;
    }
    Ok(if number("alerts") > 0 { Exit::Denied } else { Exit::Allowed })
}

pub(super) fn list(all: bool, home: Option<&Path>, format: Format) -> Result<Exit> {
    let answer = ask(home, Ask::List { all })?;
    let findings = answer.get("findings").and_then(Value::as_array).cloned().unwrap_or_default();
    if format == Format::Json {
        print_json(&answer)?;
    } else {
        for line in &findings {
            print(&summary(line))?;
        }
        print(&format!("{}\n", crate::table::counted(findings.len(), "finding")))?;
    }
    let open = |line: &Value| {
        text(line, "/standing/standing") == "open"
            && text(line, "/finding/alert") != "none"
            && text(line, "/finding/state") != "withdrawn"
    };
    Ok(if findings.iter().any(open) { Exit::Denied } else { Exit::Allowed })
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

fn summary(line: &Value) -> String {
    format!(
        "{} {} {:<6} {:<11} {:<28} {}\n",
        text(line, "/short"),
        text(line, "/finding/at"),
        text(line, "/finding/alert"),
        if text(line, "/standing/standing") == "open" {
            text(line, "/finding/state")
        } else {
            text(line, "/standing/standing")
        },
        text(line, "/finding/rule"),
        visible(text(line, "/finding/subject"))
    )
}

pub(super) fn show(id: &str, home: Option<&Path>, format: Format) -> Result<Exit> {
    let answer = ask(home, Ask::Show { id: id.to_owned() })?;
    if format == Format::Json {
        print_json(&answer)?;
        return Ok(Exit::Allowed);
    }
    print(&summary(&answer))?;
    print(&format!("  {}\n", text(&answer, "/finding/title")))?;
    for fact in answer.pointer("/finding/facts").and_then(Value::as_array).into_iter().flatten() {
        print(&format!("  {}: {}\n", text(fact, "/name"), visible(text(fact, "/value"))))?;
    }
    print(&format!(
        "  why it matters: {}\n  benign if: {}\n  do: {}\n  event: {}\n  records: {}\n",
        text(&answer, "/why"),
        text(&answer, "/benign"),
        text(&answer, "/response"),
        visible(text(&answer, "/finding/event")),
        answer.get("records").map(ToString::to_string).unwrap_or_default()
    ))?;
    Ok(Exit::Allowed)
}

pub(super) fn dispose(args: &cli::Dispose, home: Option<&Path>, format: Format) -> Result<Exit> {
    let disposition = match args.disposition {
        Said::True => Disposition::True,
        Said::Benign => Disposition::Benign,
        Said::Expected => Disposition::Expected,
    };
    if args.reason.trim().is_empty() {
        bail!("a disposition needs a reason; give one with --reason");
    }
    let answer = ask(
        home,
        Ask::Dispose {
            id: args.id.clone(),
            disposition,
            reason: args.reason.clone(),
            days: args.days,
            by: by(),
        },
    )?;
    said(&answer, format)
}

pub(super) fn maintain(args: &cli::Maintenance, home: Option<&Path>, format: Format) -> Result<Exit> {
    let (scope, reason) = (args.scope.clone(), args.reason.clone());
    let answer = ask(home, Ask::Maintain { scope, reason, hours: args.hours, by: by() })?;
    said(&answer, format)
}

fn said(answer: &Value, format: Format) -> Result<Exit> {
    if format == Format::Json {
        print_json(answer)?;
    } else {
        print(&format!("{}\n", text(answer, "/text")))?;
    }
    Ok(Exit::Allowed)
}
