//! Detection in a home: events are recorded before they are judged, findings and what people say about them after.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use linkward_detect::{Alert, Change, Disposition, Exception, Maintenance, RecordedFinding, rule};
use linkward_evidence::event::{Delivery, Event, FEEDS, feed, read_all};
use linkward_ledger::{Kind, Recordable as _, Term, TermKind};
use linkward_model::{Code, Digest, Instant};
use linkward_record::{Filter, Row};
use serde_json::{Value, json};

use super::Engine;
use crate::detect::{Ask, DetectFile, State};
use crate::records::Note;
use crate::wire::{Failure, VERSION};

/// Findings that a list shows.
const MOST: usize = 1000;
const DAY: i64 = 24 * 60 * 60 * 1000;
/// How long a page waits for a fold that is nearly done; it has 100 ms in all.
const A_MOMENT: Duration = Duration::from_millis(60);

impl Engine {
    pub(super) fn detect(&self, ask: Ask, now: Instant) -> Result<Value> {
        match ask {
            Ask::Take { feed, topic, id, text } => {
                let delivery = Delivery { topic: topic.as_deref(), id: id.as_deref(), received: None };
                self.take_events(feed.as_deref(), text.as_bytes(), &delivery, false, now)
            }
            Ask::List { all } => Ok(json!({ "version": VERSION, "findings": self.findings(all)? })),
            Ask::Show { id } => self.finding(&id),
            Ask::Dispose { id, disposition, reason, days, by } => {
                self.dispose(&id, disposition, &reason, i64::from(days) * DAY, &by, now)
            }
            Ask::Plant { kind, name, note, by } => self.plant_canary(&kind, name.as_deref(), &note, &by, now),
            Ask::Canaries => Ok(json!({ "version": VERSION, "canaries": self.canaries()? })),
            Ask::Events { after } => self.events_after(after),
            Ask::Exported { name, digest, events, from, until } => {
                let says = json!({
                    "what": "events-exported", "name": name, "digest": digest, "events": events, "from": from,
                    "until": until, "format": "Parquet", "grade": "observed",
                });
                let note = Note::exported(says, digest, &name);
                let record = self.store.append(note, Vec::new(), now)?.index();
                Ok(json!({ "version": VERSION, "record": record }))
            }
            Ask::Coverage => {
                let state = self.detection()?;
                Ok(
                    json!({ "version": VERSION, "rules": crate::detect::rule_lines(state.engine.estate(), state.engine.pack(), &state.heard) }),
                )
            }
            Ask::Backtest { estate } => {
                let estate = match estate {
                    Some(estate) => *estate,
                    None => DetectFile::of_home(self.home.path())?.estate,
                };
                self.backtest(estate, now)
            }
            Ask::Answer { id, by } => self.answer_finding(&id, &by, now),
            Ask::Alerts => self.alerts_now(),
            Ask::Maintain { scope, reason, hours, by } => self.maintain(&scope, &reason, hours, &by, now),
        }
    }

    /// A page of recorded events, oldest first. What retention deleted is counted.
    fn events_after(&self, after: Option<u64>) -> Result<Value> {
        /// Bytes and records of a page.
        const ENOUGH: usize = 8 << 20;
        const RECORDS: u64 = 2000;
        let log = self.log_state()?;
        let from = after.map_or(0, |after| after.saturating_add(1));
        let (mut lines, mut gone, mut last) = (String::new(), 0, None);
        for index in from..log.size.min(from.saturating_add(RECORDS)) {
            last = Some(index);
            let body = self.store.body(index)?;
            if body.kind != Kind::Events {
                continue;
            }
            for digest in &body.documents {
                match self.store.blob(digest)? {
                    Some(bytes) => lines.push_str(&String::from_utf8_lossy(&bytes)),
                    None => gone += 1,
                }
            }
            if lines.len() >= ENOUGH {
                break;
            }
        }
        Ok(
            json!({ "version": VERSION, "lines": lines, "deleted": gone, "last": last, "origin": log.origin, "size": log.size }),
        )
    }

    /// Secrets and estate as the file says now; the estate that judges is the one of the start.
    pub(crate) fn webhook_secret(&self, source: &str) -> Result<Option<Vec<u8>>> {
        Ok(DetectFile::of_home(self.home.path())?.secret(source))
    }

    /// Records events, judges them, records what changed. Durable when it returns.
    pub(crate) fn take_events(
        &self,
        name: Option<&str>,
        text: &[u8],
        delivery: &Delivery<'_>,
        live: bool,
        now: Instant,
    ) -> Result<Value> {
        let known = match name {
            Some(name) => Some(feed(name).with_context(|| format!("`{name}` is no source that is read"))?),
            None => None,
        };
        let delivery = Delivery { received: delivery.received.or(Some(now)), ..*delivery };
        let events =
            read_all(text, known, &delivery).map_err(|fault| Failure::new(fault.code, fault.to_string()))?;
        // A file may hold documents of several sources: each is named by what it looks like.
        let feeds = match name {
            Some(name) => vec![name.to_owned()],
            None => feeds_of(text),
        };
        self.admit_events(events, &feeds, live, now)
    }

    /// Records events that are read already, judges them, records what changed.
    pub(super) fn admit_events(
        &self,
        mut events: Vec<Event>,
        feeds: &[String],
        live: bool,
        now: Instant,
    ) -> Result<Value> {
        let mut lines = Vec::new();
        for event in &events {
            lines.extend(serde_json::to_vec(event)?);
            lines.push(b'\n');
        }
        let document = Digest::sha256(&lines);
        let note = Note::events(document, &events, (&feeds.join(" "), live), &self.config.environment);
        let count = events.len();
        let mut state = match self.detection_or_later()? {
            Ok(state) => state,
            Err(_handing) => {
                // Whoever makes the state takes them up from the record.
                let record = self.store.append(note, vec![lines], now)?.index();
                return Ok(
                    json!({ "version": VERSION, "events": count, "record": record, "code": Code::StillFolding }),
                );
            }
        };
        let record = self.store.append(note, vec![lines], now)?.index();
        let mut changes = Vec::new();
        feeds.iter().for_each(|feed| state.heard.feed(feed));
        // One out of its order has everything behind it judged again: within a delivery that need not be.
        events.sort_by(|one, other| (one.at(), &one.id).cmp(&(other.at(), &other.id)));
        for event in events {
            state.heard.event(&event);
            if !live {
                state.replayed.add(&event.id);
            }
            changes.extend(state.engine.ingest(event));
        }
        let alerts = changes.iter().filter(|change| change.finding.alert != Alert::None).count();
        self.record_changes(&mut state, &changes, now)?;
        Ok(
            json!({ "version": VERSION, "events": count, "record": record, "changes": changes.len(), "alerts": alerts }),
        )
    }

    /// The state of detection; or the right to record without it, for as long as it is being made.
    fn detection_or_later(&self) -> Result<Result<MutexGuard<'_, State>, MutexGuard<'_, ()>>> {
        if self.addresses.get().is_none() {
            return self.detection().map(Ok);
        }
        if let Some(state) = self.detection_now() {
            return Ok(Ok(state));
        }
        let handing = self.detection.handing.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(self.detection_now().ok_or(handing))
    }

    /// Lets time pass: what was waited for and did not come is confirmed, silent sources are found.
    pub(super) fn watch_time(&self, now: Instant) -> Result<()> {
        let Some(mut state) = self.detection_now() else { return Ok(()) };
        let changes = state.engine.advance(now);
        self.record_changes(&mut state, &changes, now)
    }

    pub(super) fn record_changes(&self, state: &mut State, changes: &[Change], now: Instant) -> Result<()> {
        // Only the last state of each finding: what came and went within one delivery was never seen by anybody.
        let mut last: BTreeMap<_, &Change> = BTreeMap::new();
        for change in changes {
            last.insert(change.finding.id, change);
        }
        let estate = state.engine.estate().digest();
        let mut values = Vec::new();
        for change in last.into_values() {
            if change.finding.alert == Alert::None && change.finding.weight == 0 {
                continue;
            }
            let live = !state.replayed.contains(&change.finding.event);
            if !live {
                // What is combined from it names it by its short id.
                state.replayed.add(&change.finding.id.short());
            }
            values.push((
                RecordedFinding::new(change, estate, &self.config.environment, now, live),
                Vec::new(),
            ));
        }
        if !values.is_empty() {
            for appended in self.store.append_many(values, now)? {
                let says = appended.value().body().says;
                let id = text(&says, "/finding/id").to_owned();
                state.recorded.put(&id, appended.index(), says);
            }
        }
        Ok(())
    }

    /// Walks the records of a kind from the newest to the oldest.
    pub(super) fn each(
        &self,
        kind: Kind,
        mut visit: impl FnMut(&Row, &Value, &[Digest]) -> Result<()>,
    ) -> Result<()> {
        let mut before = None;
        loop {
            let rows = self.store.rows(&Filter { kind: Some(kind), term: None, before, limit: 500 })?;
            let Some(last) = rows.last() else { return Ok(()) };
            before = Some(last.index);
            for row in &rows {
                let body = self.store.body(row.index)?;
                visit(row, &body.says, &body.documents)?;
            }
        }
    }

    /// The newest record of a finding, by its whole id.
    pub(super) fn recorded_finding(&self, id: &str) -> Result<Option<(u64, Value)>> {
        let rows = self.rows(Some(Kind::Finding), Some(Term::new(TermKind::Name, id)), 1)?;
        let Some(row) = rows.first() else { return Ok(None) };
        Ok(Some((row.index, self.store.body(row.index)?.says)))
    }

    fn findings(&self, all: bool) -> Result<Vec<Value>> {
        let state = self.detection()?;
        let mut lines: Vec<(String, u64, Value)> = Vec::new();
        for (record, says) in state.recorded.all() {
            let line = line(&state, record, says);
            let quiet = line["standing"]["standing"] != "open" || line["finding"]["state"] == "withdrawn";
            if all || !quiet {
                lines.push((line["finding"]["at"].as_str().unwrap_or("").to_owned(), record, line));
                if lines.len() >= MOST {
                    break;
                }
            }
        }
        lines.sort_by(|one, other| (&other.0, other.1).cmp(&(&one.0, one.1)));
        Ok(lines.into_iter().map(|(_, _, line)| line).collect())
    }

    /// What the pages about detection show; a home whose findings cannot be read shows none and says so in the log.
    pub(super) fn detection_facts(&self, path: &str, facts: &mut linkward_console::HomeFacts) {
        let wanted =
            ["/findings", "/coverage", "/api/v1/findings", "/board", "/export/findings", "/export/coverage"];
        if !wanted.iter().any(|wanted| path.starts_with(wanted)) {
            return;
        }
        if self.detection_within(A_MOMENT).is_none() {
            let waits = self.still_folding();
            facts.waiting = Some((Code::StillFolding, waits.message));
            return;
        }
        let findings = match path.strip_prefix("/findings/") {
            Some(id) => self
                .known_finding(id)
                .and_then(|(record, says)| Ok(vec![line(&*self.detection()?, record, &says)])),
            None => self.findings(true),
        };
        match findings {
            Ok(findings) => facts.findings = findings,
            // What is not there is a page of its own.
            Err(_) if path.starts_with("/findings/") => {}
            Err(error) => crate::commands::complain(&format!("findings: {error:#}")),
        }
        if let Ok(state) = self.detection() {
            facts.rules = crate::detect::rule_lines(state.engine.estate(), state.engine.pack(), &state.heard);
        }
    }

    pub(super) fn answer_finding(&self, id: &str, by: &str, now: Instant) -> Result<Value> {
        let (_, says) = self.known_finding(id)?;
        let text = |pointer: &str| says.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned();
        let (rule, subject, whole) = (text("/finding/rule"), text("/finding/subject"), text("/finding/id"));
        let record =
            json!({ "what": "answered", "finding": whole, "rule": rule, "subject": subject, "by": by });
        let terms = vec![Term::new(TermKind::Name, &whole), Term::new(TermKind::Name, &subject)];
        self.store.append(Note::said(record, terms, &self.config.environment), Vec::new(), now)?;
        Ok(
            json!({ "version": VERSION, "text": format!("{rule} at {subject} is yours; say what it was when you know") }),
        )
    }

    fn known_finding(&self, id: &str) -> Result<(u64, Value)> {
        let well_formed = id.len() >= 6 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut found: Vec<(u64, Value)> = Vec::new();
        if well_formed {
            for known in self.store.terms(TermKind::Name, &format!("sha256:{id}"), 2)? {
                found.extend(self.recorded_finding(&known)?);
            }
        }
        match (found.pop(), found.is_empty()) {
            (Some(found), true) => Ok(found),
            (Some(_), false) => bail!("several findings begin with `{id}`; give more digits"),
            (None, _) => bail!("no finding begins with `{id}`; see `linkward detect list --all`"),
        }
    }

    fn finding(&self, id: &str) -> Result<Value> {
        let (record, says) = self.known_finding(id)?;
        let state = self.detection()?;
        let mut line = line(&state, record, &says);
        let about =
            says.pointer("/finding/rule").and_then(Value::as_str).and_then(rule).map(|rule| rule.about());
        if let (Some(about), Some(object)) = (about, line.as_object_mut()) {
            object.insert("why".to_owned(), about.why.into());
            object.insert("benign".to_owned(), about.benign.into());
            object.insert("response".to_owned(), about.response.into());
            object.insert("covers".to_owned(), json!(about.covers));
            let term =
                Term::new(TermKind::Name, says.pointer("/finding/id").and_then(Value::as_str).unwrap_or(""));
            let records: Vec<u64> = self.rows(None, Some(term), 100)?.iter().map(|row| row.index).collect();
            object.insert("records".to_owned(), json!(records));
        }
        Ok(line)
    }

    pub(super) fn dispose(
        &self,
        id: &str,
        disposition: Disposition,
        reason: &str,
        length: i64,
        by: &str,
        now: Instant,
    ) -> Result<Value> {
        let (_, says) = self.known_finding(id)?;
        let text = |pointer: &str| says.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned();
        let (rule, subject, whole) = (text("/finding/rule"), text("/finding/subject"), text("/finding/id"));
        let at: Instant = text("/finding/at").parse().unwrap_or(now);
        let mut state = self.detection()?;
        let mut record = json!({
            "what": "disposition", "finding": whole, "disposition": disposition, "reason": reason, "by": by,
        });
        let exception = match disposition {
            Disposition::True => None,
            _ => {
                let checked =
                    Exception::new(&rule, &subject, disposition, reason, by, now, now.plus_millis(length))?;
                // The finding itself is covered too, however old it is; others from now on.
                Some(Exception { from: at.min(now), ..checked })
            }
        };
        let terms = vec![Term::new(TermKind::Name, &whole), Term::new(TermKind::Name, &subject)];
        record["rule"] = rule.clone().into();
        record["subject"] = subject.clone().into();
        self.store.append(Note::said(record, terms.clone(), &self.config.environment), Vec::new(), now)?;
        if let Some(exception) = exception {
            let says = json!({ "what": "exception", "exception": exception });
            self.store.append(Note::said(says, terms, &self.config.environment), Vec::new(), now)?;
            let text = format!("{rule} is quiet for {subject} until {}", exception.until);
            state.exceptions.push(exception);
            return Ok(json!({ "version": VERSION, "text": text }));
        }
        Ok(json!({ "version": VERSION, "text": format!("{rule} at {subject} was true; answer it") }))
    }

    pub(super) fn maintain(
        &self,
        scope: &str,
        reason: &str,
        hours: u32,
        by: &str,
        now: Instant,
    ) -> Result<Value> {
        if reason.trim().is_empty() {
            bail!("maintenance needs a reason; give one with --reason");
        }
        if !(1..=72).contains(&hours) {
            bail!("maintenance lasts 1 to 72 hours; {hours} is outside");
        }
        let until = now.plus_millis(i64::from(hours) * 60 * 60 * 1000);
        let window = Maintenance {
            scope: scope.to_owned(),
            reason: reason.to_owned(),
            by: by.to_owned(),
            from: now,
            until,
        };
        let mut state = self.detection()?;
        let says = json!({ "what": "maintenance", "maintenance": window });
        let terms = vec![Term::new(TermKind::Name, scope)];
        self.store.append(Note::said(says, terms, &self.config.environment), Vec::new(), now)?;
        state.windows.push(window);
        Ok(
            json!({ "version": VERSION, "text": format!("first sights of {scope} are quiet until {until}; invariants are not") }),
        )
    }
}

/// Which sources the documents of a text look like.
fn feeds_of(text: &[u8]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut look = |document: &Value| {
        let items = document.as_array().map_or(std::slice::from_ref(document), Vec::as_slice);
        for item in items {
            let name = FEEDS.iter().find(|feed| feed.recognise(item)).map(|feed| feed.name());
            if let Some(name) = name.filter(|name| !found.iter().any(|known| known == name)) {
                found.push(name.to_owned());
            }
        }
    };
    match serde_json::from_slice(text) {
        Ok(document) => look(&document),
        Err(_) => {
            for line in text.split(|byte| *byte == b'\n') {
                serde_json::from_slice(line).iter().for_each(&mut look);
            }
        }
    }
    found
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

fn line(state: &State, record: u64, says: &Value) -> Value {
    let finding = says.get("finding").cloned().unwrap_or_default();
    let text = |name: &str| finding.get(name).and_then(Value::as_str).unwrap_or("");
    let tier = serde_json::from_value(finding["tier"].clone()).unwrap_or(linkward_detect::Tier::Invariant);
    let at = text("at").parse().unwrap_or_default();
    let standing =
        linkward_detect::standing(text("rule"), tier, text("subject"), at, &state.exceptions, &state.windows);
    let short = text("id").trim_start_matches("sha256:").get(..16).unwrap_or("").to_owned();
    json!({ "short": short, "record": record, "standing": standing, "noticed": says["noticed"], "finding": finding })
}
