//! What is asked of a home: taking events in, listing findings, saying what they were.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, OnceLock};

use anyhow::{Context as _, Result, bail};
use linkward_detect::{Disposition, Engine, Exception, Heard, Maintenance};
use linkward_evidence::event::Event;
use linkward_model::{Digest, Exit, Instant};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cli::{self, Replay, Said};
use crate::access::Access;
use crate::cli::Format;
use crate::commands::{nearest, print, print_json};
use crate::table::visible;
use crate::wire::Request;

/// What the engine remembers of detection, made from the record.
#[derive(Debug, Default)]
pub(crate) struct Detection {
    pub(crate) state: OnceLock<Mutex<State>>,
    /// One at a time makes the state.
    pub(crate) making: Mutex<()>,
    /// Held while events are recorded that nobody judges yet, and while the state that knows them all is put in place.
    pub(crate) handing: Mutex<()>,
    /// Records that were taken up on the way to the state.
    pub(crate) folded: AtomicU64,
    /// Planted credentials, or what looks like them, that were shown before the state could tell.
    pub(crate) shown: Mutex<Vec<Event>>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) engine: Engine,
    pub(crate) exceptions: Vec<Exception>,
    pub(crate) windows: Vec<Maintenance>,
    pub(crate) replayed: Replayed,
    pub(crate) heard: Heard,
    pub(crate) recorded: Recorded,
}

/// Events that were read from files: how late they are says nothing of how fast we are. Of very many the newest.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    known: HashSet<Box<str>>,
    order: VecDeque<Box<str>>,
}

impl Replayed {
    const MOST: usize = 200_000;

    pub(crate) fn add(&mut self, event: &str) {
        if self.known.insert(event.into()) {
            self.order.push_back(event.into());
        }
        if self.order.len() > Self::MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// Oldest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Box<str>> {
        self.order.iter()
    }

    pub(crate) fn contains(&self, event: &str) -> bool {
        self.known.contains(event)
    }
}

/// The newest record of each of the newest findings; older ones are found in the record.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    by_id: HashMap<String, (u64, Value)>,
    by_record: BTreeMap<u64, String>,
}

impl Recorded {
    const MOST: usize = 10_000;

    pub(crate) fn put(&mut self, id: &str, record: u64, says: Value) {
        if let Some((before, _)) = self.by_id.insert(id.to_owned(), (record, says)) {
            self.by_record.remove(&before);
        }
        self.by_record.insert(record, id.to_owned());
        if self.by_record.len() > Self::MOST
            && let Some((_, oldest)) = self.by_record.pop_first()
        {
            self.by_id.remove(&oldest);
        }
    }

    pub(crate) fn full(&self) -> bool {
        self.by_record.len() >= Self::MOST
    }

    pub(crate) fn of(&self, id: &str) -> Option<&(u64, Value)> {
        self.by_id.get(id)
    }

    /// Newest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u64, &Value)> {
        self.by_record.iter().rev().filter_map(|(record, id)| Some((*record, &self.by_id.get(id)?.1)))
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "detect")]
pub(crate) enum Ask {
    Take {
        feed: Option<String>,
        topic: Option<String>,
        id: Option<String>,
        text: String,
    },
    List {
        all: bool,
    },
    Show {
        id: String,
    },
    Dispose {
        id: String,
        disposition: Disposition,
        reason: String,
        days: u32,
        by: String,
    },
    Coverage,
    /// Recorded events behind a record, as lines.
    Events {
        after: Option<u64>,
    },
    /// A file of events was written.
    Exported {
        name: String,
        digest: Digest,
        events: u64,
        from: Option<Instant>,
        until: Option<Instant>,
    },
    Plant {
        kind: String,
        name: Option<String>,
        note: String,
        by: String,
    },
    Canaries,
    Answer {
        id: String,
        by: String,
    },
    /// Judge the recorded past again, with an estate of one's own.
    Backtest {
        estate: Option<Box<linkward_detect::Estate>>,
    },
    Alerts,
    Maintain {
        scope: String,
        reason: String,
        hours: u32,
        by: String,
    },
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

pub(super) fn coverage(home: Option<&Path>) -> Result<Vec<Value>> {
    let answer = ask(home, Ask::Coverage)?;
    Ok(answer.get("rules").and_then(Value::as_array).cloned().unwrap_or_default())
}

pub(super) fn answer(id: &str, home: Option<&Path>, format: Format) -> Result<Exit> {
    said(&ask(home, Ask::Answer { id: id.to_owned(), by: by() })?, format)
}

pub(super) fn canary(command: &cli::CanaryCommand, home: Option<&Path>, format: Format) -> Result<Exit> {
    match command {
        cli::CanaryCommand::Plant { kind, name, note } => {
            let (kind, name, note) = (kind.as_str().to_owned(), name.clone(), note.clone());
            said(&ask(home, Ask::Plant { kind, name, note, by: by() })?, format)
        }
        cli::CanaryCommand::List => {
            let answer = ask(home, Ask::Canaries)?;
            let planted = answer.get("canaries").and_then(Value::as_array).cloned().unwrap_or_default();
            if format == Format::Json {
                print_json(&answer)?;
            } else {
                for one in &planted {
                    print(&format!(
                        "{:<10} {} {} ({})\n",
                        text(one, "/kind"),
                        text(one, "/at"),
                        visible(text(one, "/value")),
                        visible(text(one, "/note"))
                    ))?;
                }
                print(&format!("{}\n", crate::table::counted(planted.len(), "planted thing")))?;
            }
            Ok(Exit::Allowed)
        }
    }
}

pub(super) fn backtest(estate: Option<&Path>, home: Option<&Path>, format: Format) -> Result<Exit> {
    let estate = estate.map(super::DetectFile::read).transpose()?.map(|file| Box::new(file.estate));
    let answer = ask(home, Ask::Backtest { estate })?;
    let rules = answer.get("rules").and_then(Value::as_array).cloned().unwrap_or_default();
    if format == Format::Json {
        print_json(&answer)?;
    } else {
        const COLUMNS: [&str; 7] = ["found", "new", "gone", "true", "benign", "expected", "unsaid"];
        let row = |name: &str, cells: &[String], last: &str| {
            let cells: String = cells.iter().map(|cell| format!(" {cell:>8}")).collect();
            print(&format!("{name:<28}{cells}  {last}\n"))
        };
        row("rule", &COLUMNS.map(str::to_owned), "precision")?;
        for rule in &rules {
            let precision = rule["precision"]
                .as_f64()
                .map_or_else(|| "not said".to_owned(), |share| format!("{:.0} %", share * 100.0));
            let cells = COLUMNS.map(|name| rule[name].as_u64().unwrap_or(0).to_string());
            row(text(rule, "/rule"), &cells, &precision)?;
        }
        print(&format!("{} events were judged again; nothing was recorded\n", answer["events"]))?;
    }
    // Without an event nothing was tested.
    Ok(if answer["events"].as_u64().unwrap_or(0) == 0 { Exit::Unknown } else { Exit::Allowed })
}

pub(super) fn alerts(home: Option<&Path>, format: Format) -> Result<Exit> {
    let answer = ask(home, Ask::Alerts)?;
    let list = |name: &str| answer.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let (open, waiting) = (list("open"), list("waiting"));
    if format == Format::Json {
        print_json(&answer)?;
    } else {
        for notice in &open {
            let finding = notice.pointer("/findings/0").and_then(Value::as_str).unwrap_or("-");
            print(&format!(
                "{:<16} {} {:<6} {:<28} {}\n{:<17}{}; do first: {}\n",
                finding,
                text(notice, "/noticed"),
                text(notice, "/severity"),
                text(notice, "/rule"),
                visible(text(notice, "/subject")),
                "",
                notice["answered"].as_str().map_or("nobody answered".to_owned(), visible),
                text(notice, "/action")
            ))?;
        }
        for channel in &waiting {
            print(&format!(
                "channel {}: {} undelivered since {}, {} attempts: {}\n",
                visible(text(channel, "/channel")),
                channel["count"],
                text(channel, "/oldest"),
                channel["attempts"],
                visible(text(channel, "/error"))
            ))?;
        }
        print(&format!("{}\n", crate::table::counted(open.len(), "open alert")))?;
    }
    Ok(if open.is_empty() && waiting.is_empty() { Exit::Allowed } else { Exit::Denied })
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
