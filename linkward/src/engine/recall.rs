//! What detection knows, from the record: folded in the order in which things were recorded, so that it comes to what it
//! would have come to without the restart; from what was kept at the last stop where that may be used.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant as Clock};

use anyhow::{Context as _, Result};
use linkward_detect::{Change, Engine as Detector, Estate, Exception, FindingId, Heard, Maintenance, Pack};
use linkward_evidence::event::{Delivery, Event, feed, read_all};
use linkward_ledger::{Kind, LogName};
use linkward_model::{Code, Instant};
use linkward_record::{Kept, NotKept, Row};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Engine;
use super::retention::Document;
use crate::detect::{DetectFile, Recorded, Replayed, State};
use crate::wire::Failure;

/// The code that folds: what other code kept is not taken up.
pub(super) const FOLDS: &str = env!("LINKWARD_FOLDS");
/// What detection is kept as.
const KEPT: &str = "detect";
/// Records that are read at once.
const ROUND: usize = 500;
/// How long a question waits for a fold that is nearly done.
const PATIENCE: Duration = Duration::from_secs(2);
/// Records after which it is worth keeping again while the daemon runs, and how often that is looked at.
const WORTH: u64 = 20_000;
const LOOK: Duration = Duration::from_secs(60);
/// Records below which a start folds quickly enough without anything kept.
const FEW: u64 = 256;

/// The part of the state that is not the engine's.
#[derive(Debug, Serialize, Deserialize)]
struct Beside {
    exceptions: Vec<Exception>,
    windows: Vec<Maintenance>,
    heard: Heard,
    replayed: Vec<Box<str>>,
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// A state on its way up to the end of the record.
struct Recall {
    state: State,
    /// The next record to fold.
    next: u64,
    /// Findings that changed on the way, in their last state; whether they were recorded is seen at the end.
    changed: BTreeMap<FindingId, Change>,
    /// Segments of events that retention deleted, and the events of the newest one that is there.
    deleted: u64,
    newest: BTreeSet<Box<str>>,
}

impl Recall {
    fn new(state: State, next: u64) -> Self {
        Self { state, next, changed: BTreeMap::new(), deleted: 0, newest: BTreeSet::new() }
    }
}

impl Engine {
    /// The state of detection. A command makes it; a daemon makes it in the background, and who asks meanwhile is told so.
    ///
    /// # Errors
    /// It is still being made.
    pub(super) fn detection(&self) -> Result<MutexGuard<'_, State>> {
        if self.detection.state.get().is_none() && self.addresses.get().is_none() {
            self.make_detection()?;
        }
        self.detection_within(PATIENCE).ok_or_else(|| self.still_folding().into())
    }

    /// The state of detection where it is there soon.
    pub(super) fn detection_within(&self, patience: Duration) -> Option<MutexGuard<'_, State>> {
        let start = Clock::now();
        while self.detection.state.get().is_none() && start.elapsed() < patience {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.detection_now()
    }

    /// The state of detection where it is there.
    pub(super) fn detection_now(&self) -> Option<MutexGuard<'_, State>> {
        let state = self.detection.state.get()?;
        Some(state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Why there is no answer yet.
    pub(super) fn still_folding(&self) -> Failure {
        let (folded, size) = (self.detection.folded.load(Ordering::Relaxed), self.log_size());
        Failure::new(
            Code::StillFolding,
            format!("{folded} of {size} records were taken up since the start; ask again in a moment"),
        )
    }

    /// Makes the state, and puts it in place once it holds everything that was recorded meanwhile.
    fn make_detection(&self) -> Result<()> {
        let _one = self.detection.making.lock().unwrap_or_else(PoisonError::into_inner);
        if self.detection.state.get().is_some() {
            return Ok(());
        }
        let mut recall = self.begin_recall()?;
        self.go_on(&mut recall)?;
        // From here on nobody records events that the fold would miss.
        let handing = self.detection.handing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        self.go_on(&mut recall)?;
        let state = self.end_recall(recall, now)?;
        let _ = self.detection.state.set(Mutex::new(state));
        drop(handing);
        let shown = std::mem::take(&mut *self.detection.shown.lock().unwrap_or_else(PoisonError::into_inner));
        for event in shown {
            let planted = self.detection()?.engine.is_canary(event.token.as_deref().unwrap_or(""));
            if planted {
                self.admit_events(vec![event], &["linkward".to_owned()], true, now)?;
            }
        }
        Ok(())
    }

    /// From what was kept, or from nothing.
    fn begin_recall(&self) -> Result<Recall> {
        let file = DetectFile::of_home(self.home.path())?;
        let (pack, estate) = (file.pack()?, file.estate);
        let kept =
            self.store.kept(KEPT, FOLDS).and_then(|kept| Ok((kept.size, reopen(&estate, &pack, kept)?)));
        let why = match kept {
            Ok((next, Some(state))) => {
                return Ok(Recall::new(state, next));
            }
            Ok((_, None)) => "it was made with another detect.toml".to_owned(),
            Err(NotKept::Missing) => String::new(),
            Err(error) => error.to_string(),
        };
        if !why.is_empty() {
            crate::commands::complain(&format!(
                "{KEPT}.kept is thrown away, and the record folded anew: {why}"
            ));
        }
        Ok(Recall::new(fresh(estate, &pack), 0))
    }

    /// Folds what was recorded since.
    fn go_on(&self, recall: &mut Recall) -> Result<()> {
        loop {
            let rows = self.store.rows_from(recall.next, ROUND)?;
            if rows.is_empty() && recall.next >= self.log_size() {
                return Ok(());
            }
            if rows.is_empty() {
                // The index is a moment behind the log.
                std::thread::sleep(Duration::from_millis(1));
            }
            for row in &rows {
                self.recall_one(recall, row).with_context(|| format!("record {}", row.index))?;
                recall.next = row.index + 1;
            }
            self.detection.folded.store(recall.next, Ordering::Relaxed);
        }
    }

    fn recall_one(&self, recall: &mut Recall, row: &Row) -> Result<()> {
        let state = &mut recall.state;
        match row.kind {
            Kind::Events => {
                let body = self.store.body(row.index)?;
                // As far as time had come when they came.
                let mut changes = state.engine.reach(row.times.event);
                for digest in &body.documents {
                    match self.document(digest)? {
                        Document::There(lines) => {
                            let events = read_all(&lines, feed("linkward"), &Delivery::default());
                            let events = events.unwrap_or_default();
                            recall.newest = events.iter().map(|event| event.id.clone()).collect();
                            changes.extend(recall_events(state, &body.says, events));
                        }
                        Document::Deleted { .. } => recall.deleted += 1,
                        Document::Unknown => {}
                    }
                }
                recall.changed.extend(changes.into_iter().map(|change| (change.finding.id, change)));
            }
            Kind::Action => {
                let says = self.store.body(row.index)?.says;
                match text(&says, "/what") {
                    "exception" => {
                        state.exceptions.extend(serde_json::from_value(says["exception"].clone()).ok());
                    }
                    "canary" => state.engine.watch_canary(text(&says, "/value")),
                    "maintenance" => {
                        state.windows.extend(serde_json::from_value(says["maintenance"].clone()).ok());
                    }
                    _ => {}
                }
            }
            Kind::Finding => {
                let says = self.store.body(row.index)?.says;
                if says.get("live").and_then(Value::as_bool) == Some(false) {
                    state.replayed.add(text(&says, "/finding/event"));
                }
                let id = text(&says, "/finding/id").to_owned();
                state.recorded.put(&id, row.index, says);
            }
            _ => {}
        }
        Ok(())
    }

    /// The whole record folded with an estate of one's own; nothing is kept of it.
    pub(super) fn folded_with(&self, estate: Estate) -> Result<State> {
        let pack = DetectFile::of_home(self.home.path())?.pack()?;
        let mut recall = Recall::new(fresh(estate, &pack), 0);
        self.go_on(&mut recall)?;
        Ok(recall.state)
    }

    /// Lets time reach now, and records findings that a crash kept from being recorded.
    fn end_recall(&self, recall: Recall, now: Instant) -> Result<State> {
        let Recall { mut state, mut changed, deleted, newest, .. } = recall;
        let last = state.engine.advance(now);
        changed.extend(last.into_iter().map(|change| (change.finding.id, change)));
        let mut missing = Vec::new();
        for change in changed.into_values() {
            let id = change.finding.id.digest().to_string();
            let known = match state.recorded.of(&id) {
                Some((_, says)) => Some(text(says, "/finding/state").to_owned()),
                // Older than those that are remembered, or never recorded.
                None if state.recorded.full() => {
                    self.recorded_finding(&id)?.map(|(_, says)| text(&says, "/finding/state").to_owned())
                }
                None => None,
            };
            let withdrawn = change.finding.state == linkward_detect::State::Withdrawn;
            if known.as_deref() != Some(change.finding.state.as_str()) && !(known.is_none() && withdrawn) {
                missing.push(change);
            }
        }
        if deleted > 0 {
            // What was usual in them looks new now: only what a crash kept from being recorded is recorded.
            missing.retain(|change| newest.contains(change.finding.event.as_str()));
            crate::commands::complain(&format!(
                "{}: {deleted} segments of events; detection learns what is usual from the others",
                Code::DeletedByRetention
            ));
        }
        self.record_changes(&mut state, &missing, now)?;
        Ok(state)
    }

    /// Makes the state in the background, and keeps it and the counts now and then for the next start.
    pub(crate) fn keep_detecting(self: &Arc<Self>) -> Result<()> {
        let engine = Arc::downgrade(self);
        let work = move || {
            let mut complained = None;
            let mut kept = None;
            loop {
                let Some(engine) = engine.upgrade() else { return };
                let outcome = engine.make_detection();
                let trouble = outcome.err().map(|error| format!("detection: {error:#}"));
                if trouble != complained {
                    trouble.iter().for_each(|trouble| crate::commands::complain(trouble));
                    complained = trouble;
                }
                let size = engine.log_size();
                let grown =
                    size.saturating_sub(kept.unwrap_or(engine.detection.folded.load(Ordering::Relaxed)));
                if complained.is_none() && grown >= WORTH {
                    kept = Some(size);
                    engine.leave_folds();
                }
                let pause = if complained.is_none() { LOOK } else { Duration::from_secs(5) };
                drop(engine);
                std::thread::sleep(pause);
            }
        };
        std::thread::Builder::new().name("recall".to_owned()).spawn(work)?;
        Ok(())
    }

    /// Keeps what was folded; what cannot be kept only costs the next start some time.
    pub(crate) fn leave_folds(&self) {
        if self.log_size() < FEW {
            return;
        }
        for (name, outcome) in [("detection", self.leave_detection()), ("counts", self.leave_counts())] {
            if let Err(error) = outcome {
                crate::commands::complain(&format!("{name} are not kept for the next start: {error:#}"));
            }
        }
    }

    fn leave_detection(&self) -> Result<()> {
        let Some(state) = self.detection_now() else { return Ok(()) };
        // Who records events or what people say about findings holds the state: up to here it knows everything.
        let size = self.store.checkpoint(LogName::Evidence)?.size();
        let beside = Beside {
            exceptions: state.exceptions.clone(),
            windows: state.windows.clone(),
            heard: state.heard.clone(),
            replayed: state.replayed.all().cloned().collect(),
        };
        let recorded = state.recorded.all().collect::<Vec<_>>().into_iter().rev();
        let lines = std::iter::once(serde_json::to_string(&beside)?)
            .chain(recorded.map(|one| serde_json::to_string(&one).unwrap_or_default()))
            .chain(std::iter::once(String::new()))
            .chain(state.engine.keep());
        Ok(self.store.keep(KEPT, FOLDS, size, lines)?)
    }
}

fn recall_events(state: &mut State, says: &Value, events: Vec<Event>) -> Vec<Change> {
    text(says, "/feed").split(' ').filter(|feed| !feed.is_empty()).for_each(|feed| state.heard.feed(feed));
    let replayed = says.get("live").and_then(Value::as_bool) == Some(false);
    let mut changes = Vec::new();
    for event in events {
        state.heard.event(&event);
        if replayed {
            state.replayed.add(&event.id);
        }
        changes.extend(state.engine.ingest(event));
    }
    changes
}

/// A state that knows nothing yet.
fn fresh(estate: Estate, pack: &Pack) -> State {
    State {
        engine: Detector::with(estate, pack),
        exceptions: Vec::new(),
        windows: Vec::new(),
        replayed: Replayed::default(),
        heard: Heard::default(),
        recorded: Recorded::default(),
    }
}

/// The state that was kept; nothing where it was made with another estate.
fn reopen(estate: &Estate, pack: &Pack, mut kept: Kept<'_>) -> Result<Option<State>, NotKept> {
    let first = kept.line()?.unwrap_or_default();
    let beside: Beside = serde_json::from_str(&first).map_err(|_| NotKept::Damaged("its first part"))?;
    let mut recorded = Recorded::default();
    while let Some(line) = kept.line()?.filter(|line| !line.is_empty()) {
        let (record, says): (u64, Value) =
            serde_json::from_str(&line).map_err(|_| NotKept::Damaged("a finding"))?;
        let id = text(&says, "/finding/id").to_owned();
        recorded.put(&id, record, says);
    }
    let Some(engine) = Detector::reopen(estate, pack, || kept.line())? else { return Ok(None) };
    let mut replayed = Replayed::default();
    beside.replayed.iter().for_each(|event| replayed.add(event));
    let Beside { exceptions, windows, heard, .. } = beside;
    Ok(Some(State { engine, exceptions, windows, replayed, heard, recorded }))
}
