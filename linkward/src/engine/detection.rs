//! Detection in a home: events are recorded before they are judged, findings and what people say about them after.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result, bail};
use linkward_detect::{
    Alert, Change, Disposition, Engine as Detector, Exception, Maintenance, RecordedFinding, rule,
};
use linkward_evidence::event::{Delivery, Event, feed, read_all};
use linkward_ledger::{Kind, Term, TermKind};
use linkward_model::{Digest, Instant};
use linkward_record::{Filter, Row};
use serde_json::{Value, json};

use super::Engine;
use crate::detect::{Ask, DetectFile, State};
use crate::records::Note;
use crate::wire::{Failure, VERSION};

/// Findings that a list shows.
const MOST: usize = 1000;
const DAY: i64 = 24 * 60 * 60 * 1000;

impl Engine {
    pub(super) fn detect(&self, ask: Ask, now: Instant) -> Result<Value> {
        match ask {
            Ask::Take { feed, topic, id, text } => {
                let delivery = Delivery { topic: topic.as_deref(), id: id.as_deref(), received: None };
                self.take_events(feed.as_deref(), text.as_bytes(), &delivery, now)
            }
            Ask::List { all } => Ok(json!({ "version": VERSION, "findings": self.findings(all)? })),
            Ask::Show { id } => self.finding(&id),
            Ask::Dispose { id, disposition, reason, days, by } => {
                self.dispose(&id, disposition, &reason, i64::from(days) * DAY, &by, now)
            }
            Ask::Maintain { scope, reason, hours, by } => self.maintain(&scope, &reason, hours, &by, now),
        }
    }

    /// The state of detection, made from the record at its first use.
    fn detection(&self) -> Result<MutexGuard<'_, State>> {
        let cell = &self.detection.state;
        if cell.get().is_none() {
            let _one = self.detection.making.lock().unwrap_or_else(PoisonError::into_inner);
            if cell.get().is_none() {
                let state = self.recall(Instant::now())?;
                let _ = cell.set(Mutex::new(state));
            }
        }
        let state = cell.get().context("detection could not be started")?;
        Ok(state.lock().unwrap_or_else(PoisonError::into_inner))
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
        now: Instant,
    ) -> Result<Value> {
        let known = match name {
            Some(name) => Some(feed(name).with_context(|| format!("`{name}` is no source that is read"))?),
            None => None,
        };
        let delivery = Delivery { received: delivery.received.or(Some(now)), ..*delivery };
        let events =
            read_all(text, known, &delivery).map_err(|fault| Failure::new(fault.code, fault.to_string()))?;
        let mut state = self.detection()?;
        let mut lines = Vec::new();
        for event in &events {
            lines.extend(serde_json::to_vec(event)?);
            lines.push(b'\n');
        }
        let document = Digest::sha256(&lines);
        let note = Note::events(document, &events, &self.config.environment);
        let record = self.store.append(note, vec![lines], now)?.index();
        let mut changes = Vec::new();
        let count = events.len();
        for event in events {
            changes.extend(state.engine.ingest(event));
        }
        let alerts = changes.iter().filter(|change| change.finding.alert != Alert::None).count();
        self.record_changes(&state, &changes, now)?;
        Ok(
            json!({ "version": VERSION, "events": count, "record": record, "changes": changes.len(), "alerts": alerts }),
        )
    }

    /// Lets time pass: what was waited for and did not come is confirmed, silent sources are found.
    pub(super) fn watch_time(&self, now: Instant) -> Result<()> {
        // A home that never took an event has nothing to wait for.
        if self.detection.state.get().is_none() && self.rows(Some(Kind::Events), None, 1)?.is_empty() {
            return Ok(());
        }
        let mut state = self.detection()?;
        let changes = state.engine.advance(now);
        self.record_changes(&state, &changes, now)
    }

    fn record_changes(&self, state: &State, changes: &[Change], now: Instant) -> Result<()> {
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
            values.push((RecordedFinding::new(change, estate, &self.config.environment, now), Vec::new()));
        }
        if !values.is_empty() {
            self.store.append_many(values, now)?;
        }
        Ok(())
    }

    /// Folds the recorded events again, and records findings that a crash kept from being recorded.
    fn recall(&self, now: Instant) -> Result<State> {
        let file = DetectFile::of_home(self.home.path())?;
        let mut engine = Detector::new(file.estate);
        let mut events: Vec<Event> = Vec::new();
        self.each(Kind::Events, |_, _, documents| {
            for document in documents {
                let text = self.store.blob(document)?.unwrap_or_default();
                events.extend(read_all(&text, feed("linkward"), &Delivery::default()).unwrap_or_default());
            }
            Ok(())
        })?;
        events.sort_by(|one, other| (one.at(), &one.id).cmp(&(other.at(), &other.id)));
        for event in events {
            engine.ingest(event);
        }
        engine.advance(now);
        let (mut exceptions, mut windows) = (Vec::new(), Vec::new());
        self.each(Kind::Action, |_, says, _| {
            match says.get("what").and_then(Value::as_str) {
                Some("exception") => {
                    exceptions.extend(serde_json::from_value(says["exception"].clone()).ok())
                }
                Some("maintenance") => {
                    windows.extend(serde_json::from_value(says["maintenance"].clone()).ok())
                }
                _ => {}
            }
            Ok(())
        })?;
        let state = State { engine, exceptions, windows };
        let known = self.newest()?;
        let missing: Vec<Change> = state
            .engine
            .findings()
            .into_iter()
            .filter(|finding| {
                let recorded = known.get(&finding.id.digest().to_string());
                let same = recorded.and_then(|(_, says)| says.pointer("/finding/state")?.as_str());
                same != Some(finding.state.as_str())
            })
            .map(|finding| Change { finding: finding.clone(), before: None })
            .collect();
        self.record_changes(&state, &missing, now)?;
        Ok(state)
    }

    /// Walks the records of a kind from the newest to the oldest.
    fn each(&self, kind: Kind, mut visit: impl FnMut(&Row, &Value, &[Digest]) -> Result<()>) -> Result<()> {
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

    /// The newest record of each finding.
    fn newest(&self) -> Result<BTreeMap<String, (u64, Value)>> {
        let mut newest = BTreeMap::new();
        self.each(Kind::Finding, |row, says, _| {
            if let Some(id) = says.pointer("/finding/id").and_then(Value::as_str) {
                newest.entry(id.to_owned()).or_insert_with(|| (row.index, says.clone()));
            }
            Ok(())
        })?;
        Ok(newest)
    }

    fn findings(&self, all: bool) -> Result<Vec<Value>> {
        let state = self.detection()?;
        let mut lines: Vec<(String, u64, Value)> = Vec::new();
        for (_, (record, says)) in self.newest()? {
            let line = line(&state, record, &says);
            let quiet = line["standing"]["standing"] != "open" || line["finding"]["state"] == "withdrawn";
            if all || !quiet {
                lines.push((line["finding"]["at"].as_str().unwrap_or("").to_owned(), record, line));
            }
        }
        lines.sort_by(|one, other| (&other.0, other.1).cmp(&(&one.0, one.1)));
        Ok(lines.into_iter().take(MOST).map(|(_, _, line)| line).collect())
    }

    /// What the pages about detection show; a home whose findings cannot be read shows none and says so in the log.
    pub(super) fn detection_facts(&self, path: &str, facts: &mut linkward_console::HomeFacts) {
        let wanted = ["/findings", "/coverage", "/api/v1/findings"];
        if !wanted.iter().any(|wanted| path.starts_with(wanted)) {
            return;
        }
        match self.findings(true) {
            Ok(findings) => facts.findings = findings,
            Err(error) => crate::commands::complain(&format!("findings: {error:#}")),
        }
        if let Ok(state) = self.detection() {
            facts.sources =
                state.engine.heard().into_keys().map(|source| source.as_str().to_owned()).collect();
            facts.rules = crate::detect::rule_lines(state.engine.estate());
        }
    }

    fn known_finding(&self, id: &str) -> Result<(u64, Value)> {
        let well_formed = id.len() >= 6 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let mut found: Vec<(u64, Value)> = self
            .newest()?
            .into_iter()
            .filter(|(known, _)| well_formed && known.trim_start_matches("sha256:").starts_with(id))
            .map(|(_, found)| found)
            .collect();
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

    fn dispose(
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

    fn maintain(&self, scope: &str, reason: &str, hours: u32, by: &str, now: Instant) -> Result<Value> {
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
