//! Telling people what the record says: findings, refused deployments and revocations become notices, notices become
//! deliveries, and deliveries are tried until they succeed.
//!
//! Notices are a fold over the log; the place up to which it was folded is written together with what came of it. So
//! a process that is killed anywhere tells nothing twice of its own accord and forgets nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant as Clock};

use anyhow::{Context as _, Result};
use linkward_detect::notice::{Notice, Routes, Severity, Telling, back_off, key, slot};
use linkward_detect::{Fact, Maintenance, Standing, Tier, rule, standing};
use linkward_ledger::{Kind, LogName, Term};
use linkward_model::Instant;
use linkward_record::outbox::{Kept, Parcel, Step};
use linkward_record::state::State;
use linkward_record::{Row, Store};
use serde_json::{Value, json};

use super::Engine;
use super::retention::Document;
use crate::detect::{DetectFile, Line, Refused};
use crate::wire::VERSION;

/// Records folded at once.
const ROUND: usize = 500;
/// How long what was answered as true takes up what follows.
const WINDOW: i64 = 60 * 60 * 1000;
/// Findings that a notice names.
const NAMED: usize = 100;
/// Attempts after which a channel counts as failing.
const FAILING: u32 = 3;
/// Open notices that are told again.
const OPEN: usize = 1000;
const TICK: Duration = Duration::from_millis(200);

/// Where and to whom, once the daemon runs.
#[derive(Debug)]
pub(super) struct Alerting {
    routes: Routes,
    cluster: String,
    names: Vec<String>,
}

/// Opens the outbox of a home; one that is new begins with what comes from now on.
pub(super) fn open(home: &Path, store: &Store, now: Instant) -> Result<State> {
    let path = home.join("state.db");
    let mut state = State::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
    if state.mark("folded")?.is_none() {
        let size = store.checkpoint(LogName::Evidence)?.size();
        let marks = vec![("folded", i64::try_from(size)?)];
        state.apply(&Step { marks, ..Step::default() }, now)?;
    }
    Ok(state)
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// What raises a notice.
struct Cause<'a> {
    rule: &'a str,
    title: &'a str,
    subject: &'a str,
    severity: Severity,
    integrity: bool,
    facts: Vec<Fact>,
    action: String,
    happened: Instant,
    noticed: Instant,
    record: u64,
    environment: &'a str,
    finding: Option<&'a str>,
}

fn fact(name: &str, value: impl ToString) -> Fact {
    Fact { name: name.to_owned(), value: value.to_string() }
}

/// One step of the fold: what is known of slots, and what changes.
struct Folding<'a> {
    state: &'a State,
    alerting: Option<&'a Alerting>,
    base: &'a str,
    now: Instant,
    slots: BTreeMap<String, (Kept, Notice)>,
    parcels: Vec<Parcel>,
    resolved: Vec<(String, String)>,
}

impl Folding<'_> {
    fn newest(&self, slot: &str) -> Result<Option<(Kept, Notice)>> {
        if let Some(known) = self.slots.get(slot) {
            return Ok(Some(known.clone()));
        }
        let Some(kept) = self.state.newest_of(slot)? else { return Ok(None) };
        let notice = serde_json::from_str(&kept.body).context("a notice in state.db")?;
        Ok(Some((kept, notice)))
    }

    fn put(&mut self, mut kept: Kept, notice: Notice) -> Result<()> {
        kept.body = serde_json::to_string(&notice)?;
        self.slots.insert(kept.slot.clone(), (kept, notice));
        Ok(())
    }

    fn raise(&mut self, cause: &Cause<'_>) -> Result<()> {
        let slot = slot(cause.rule, cause.subject);
        if let Some((kept, mut notice)) = self.newest(&slot)? {
            let fresh = kept.closed.is_some_and(|closed| cause.noticed.since(closed) < WINDOW);
            if kept.closed.is_none() || (fresh && notice.answered.is_some()) {
                let louder = cause.severity > notice.severity;
                notice.severity = notice.severity.max(cause.severity);
                notice.count = notice.count.saturating_add(1);
                notice.last = cause.noticed;
                notice.record = cause.record;
                if let Some(id) = cause.finding.filter(|_| notice.findings.len() < NAMED) {
                    notice.findings.push(id.to_owned());
                }
                if louder && kept.closed.is_none() {
                    self.send(&notice, "trigger-page")?;
                }
                return self.put(kept, notice);
            }
        }
        let service = self.alerting.and_then(|alerting| alerting.routes.service(cause.subject));
        let link = cause.finding.map_or_else(
            || format!("{}/log/entry/{}", self.base, cause.record),
            |id| format!("{}/findings/{id}", self.base),
        );
        let notice = Notice {
            key: key(&slot, cause.record),
            severity: cause.severity,
            rule: cause.rule.to_owned(),
            title: cause.title.to_owned(),
            subject: cause.subject.to_owned(),
            integrity: cause.integrity,
            deployment: service.map_or_else(|| cause.subject.to_owned(), |service| service.name.clone()),
            cluster: self.alerting.map(|alerting| alerting.cluster.clone()).unwrap_or_default(),
            environment: cause.environment.to_owned(),
            owner: service.map(|service| service.owner.clone()),
            criticality: service.map(|service| service.criticality.clone()),
            facts: cause.facts.clone(),
            action: cause.action.clone(),
            happened: cause.happened,
            noticed: cause.noticed,
            last: cause.noticed,
            count: 1,
            record: cause.record,
            findings: cause.finding.iter().map(|id| (*id).to_owned()).collect(),
            link,
            answered: None,
            escalated: false,
        };
        self.send(&notice, "trigger")?;
        let kept =
            Kept { key: notice.key.clone(), slot, body: String::new(), opened: cause.noticed, closed: None };
        self.put(kept, notice)
    }

    fn send(&mut self, notice: &Notice, what: &str) -> Result<()> {
        let Some(alerting) = self.alerting else { return Ok(()) };
        let mut channels = alerting.routes.channels(notice);
        if notice.rule == UNDELIVERED {
            channels.clone_from(&alerting.names);
            channels.retain(|name| *name != notice.subject);
        }
        self.send_to(notice, what, channels)
    }

    fn send_to(&mut self, notice: &Notice, what: &str, channels: Vec<String>) -> Result<()> {
        let body = serde_json::to_string(notice)?;
        let parcel =
            |channel| Parcel { key: notice.key.clone(), channel, what: what.to_owned(), body: body.clone() };
        self.parcels.extend(channels.into_iter().map(parcel));
        Ok(())
    }

    /// Nobody has to do anything any more.
    fn close(&mut self, rule: &str, subject: &str, why: &str) -> Result<()> {
        let Some((mut kept, mut notice)) = self.newest(&slot(rule, subject))? else { return Ok(()) };
        if kept.closed.is_some() {
            return Ok(());
        }
        kept.closed = Some(self.now);
        notice.answered = Some(why.to_owned());
        self.resolved.push((notice.key.clone(), serde_json::to_string(&notice)?));
        self.put(kept, notice)
    }

    /// What was missed arrived late.
    fn withdraw(&mut self, rule: &str, subject: &str, id: &str) -> Result<()> {
        let Some((kept, mut notice)) = self.newest(&slot(rule, subject))? else { return Ok(()) };
        let before = notice.findings.len();
        notice.findings.retain(|known| known != id);
        if kept.closed.is_some() || notice.findings.len() == before {
            return Ok(());
        }
        notice.count = notice.count.saturating_sub(1);
        let gone = notice.count == 0;
        self.put(kept, notice)?;
        if gone { self.close(rule, subject, "withdrawn: what was missed arrived late") } else { Ok(()) }
    }

    fn answer(&mut self, rule: &str, subject: &str, why: &str) -> Result<()> {
        let Some((kept, mut notice)) = self.newest(&slot(rule, subject))? else { return Ok(()) };
        notice.answered = Some(why.to_owned());
        self.put(kept, notice)
    }

    fn step(self, marks: Vec<(&'static str, i64)>) -> Step {
        Step {
            notices: self.slots.into_values().map(|(kept, _)| kept).collect(),
            parcels: self.parcels,
            resolved: self.resolved,
            marks,
        }
    }
}

/// The rule of notices about coverage.
const GAP: &str = "coverage-gap";

/// The rule of notices about channels that take nothing.
const UNDELIVERED: &str = "alert-undelivered";

impl Engine {
    pub(super) fn outbox(&self) -> MutexGuard<'_, State> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn folding<'a>(&'a self, state: &'a State, base: &'a str, now: Instant) -> Folding<'a> {
        let alerting = self.alerting.get();
        let (slots, parcels, resolved) = (BTreeMap::new(), Vec::new(), Vec::new());
        Folding { state, alerting, base, now, slots, parcels, resolved }
    }

    /// Where links in notices lead.
    fn console_base(&self) -> String {
        match (&self.config.sigstore_url, self.addresses.get()) {
            (Some(url), _) => url.clone(),
            (None, Some((console, _))) => format!("http://{console}"),
            (None, None) => format!("http://{}", self.config.listen.address),
        }
    }

    /// Folds what was recorded since into notices. Returns whether there may be more.
    pub(crate) fn fold_notices(&self, now: Instant) -> Result<bool> {
        let from = u64::try_from(self.outbox().mark("folded")?.unwrap_or(0))?;
        let rows = self.store.rows_from(from, ROUND)?;
        let Some(last) = rows.last() else { return Ok(false) };
        let until = last.index + 1;
        // Before the outbox is locked: who makes the state of detection records findings.
        let (exceptions, windows) = if rows.iter().any(|row| row.kind == Kind::Finding) {
            // A daemon that still makes it goes on with them a moment later.
            if self.addresses.get().is_some() && self.detection_now().is_none() {
                return Ok(false);
            }
            let state = self.detection()?;
            (state.exceptions.clone(), state.windows.clone())
        } else {
            (Vec::new(), Vec::new())
        };
        let stands = |says: &Value| {
            let tier = serde_json::from_value(says["finding"]["tier"].clone()).unwrap_or(Tier::Invariant);
            let at = text(says, "/finding/at").parse().unwrap_or_default();
            let (rule, subject) = (text(says, "/finding/rule"), text(says, "/finding/subject"));
            standing(rule, tier, subject, at, &exceptions, &windows) == Standing::Open
        };
        let base = self.console_base();
        let mut state = self.outbox();
        let mut folding = self.folding(&state, &base, now);
        for row in &rows {
            match row.kind {
                Kind::Finding => finding(&mut folding, row, &self.store.body(row.index)?.says, &stands)?,
                Kind::Action => said(&mut folding, &self.store.body(row.index)?.says)?,
                Kind::Decisions => self.refused(&mut folding, row, &windows)?,
                Kind::Revocation => self.revoked_notice(&mut folding, row)?,
                _ => {}
            }
        }
        let step = folding.step(vec![("folded", i64::try_from(until)?)]);
        state.apply(&step, now)?;
        Ok(true)
    }

    /// Deployments that failed their verification where that is no rehearsal.
    fn refused(&self, folding: &mut Folding<'_>, row: &Row, _: &[Maintenance]) -> Result<()> {
        let environment = self.config.environment.to_string();
        if !DetectFile::of_home(self.home.path())?.estate.production.contains(&environment) {
            return Ok(());
        }
        for document in self.store.body(row.index)?.documents {
            // Decisions that are old enough to be gone wake nobody any more.
            let Document::There(lines) = self.document(&document)? else { continue };
            for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let decision: Value = serde_json::from_slice(line).unwrap_or_default();
                let outcome = text(&decision, "/outcome");
                let (severity, title) = match outcome {
                    "deny" => (Severity::Page, "A deployment failed its verification in production"),
                    "unknown" => {
                        (Severity::Ticket, "A deployment without attestation was asked for in production")
                    }
                    _ => continue,
                };
                let rule = if outcome == "deny" { "deployment-refused" } else { "deployment-unattested" };
                let next = decision["verdict"].as_u64().map_or_else(
                    || format!("linkward code {}", text(&decision, "/code")),
                    |verdict| format!("linkward explain {verdict}"),
                );
                folding.raise(&Cause {
                    rule,
                    title,
                    subject: text(&decision, "/image"),
                    severity,
                    integrity: severity == Severity::Page,
                    facts: vec![
                        fact("code", text(&decision, "/code")),
                        fact("namespace", text(&decision, "/namespace")),
                        fact("enforced", &decision["enforced"]),
                    ],
                    action: format!("See why: `{next}`. Find out who deploys it, and hold the rollout."),
                    happened: text(&decision, "/at").parse().unwrap_or(row.times.event),
                    noticed: row.times.event,
                    record: row.index,
                    environment: &environment,
                    finding: None,
                })?;
            }
        }
        Ok(())
    }

    /// A signed artifact that is known to be bad: what passed once no longer may.
    fn revoked_notice(&self, folding: &mut Folding<'_>, row: &Row) -> Result<()> {
        let says = self.store.body(row.index)?.says;
        if text(&says, "/what") != "revocation" {
            return Ok(());
        }
        let value = text(&says, "/value");
        let mut passed = true;
        if let Ok(digest) = value.parse() {
            let verdicts = self.rows(Some(Kind::Verdict), Some(Term::digest(&digest)), 50)?;
            passed = false;
            for verdict in verdicts.iter().filter(|verdict| verdict.index < row.index) {
                passed |= text(&self.store.body(verdict.index)?.says, "/outcome") == "allow";
            }
        }
        let environment = row.environment.to_string();
        folding.raise(&Cause {
            rule: "revoked",
            title: if passed {
                "Something that passed is known to be compromised"
            } else {
                "Something was revoked before it passed"
            },
            subject: value,
            severity: if passed { Severity::Page } else { Severity::Ticket },
            integrity: true,
            facts: vec![
                fact("kind", text(&says, "/kind")),
                fact("reason", text(&says, "/reason")),
                fact("by", text(&says, "/author")),
            ],
            action:
                "Find where it runs (`linkward deploy`), and go back to what is safe (`linkward rollback`)."
                    .to_owned(),
            happened: row.times.event,
            noticed: row.times.event,
            record: row.index,
            environment: &environment,
            finding: None,
        })
    }

    /// Measures of coverage that miss their target are tickets, as long as they do.
    pub(super) fn ticket_gaps(&self, counts: &linkward_measure::Counts, now: Instant) -> Result<()> {
        const COVERAGE: &[&str] = &["M2", "M3", "M9", "M10"];
        let base = self.console_base();
        let mut state = self.outbox();
        let mut folding = self.folding(&state, &base, now);
        for measure in linkward_measure::measures(counts) {
            if !COVERAGE.contains(&measure.code) {
                continue;
            }
            let open =
                folding.newest(&slot(GAP, measure.name))?.is_some_and(|(kept, _)| kept.closed.is_none());
            match (measure.state, open) {
                (linkward_measure::State::Missed, false) => folding.raise(&Cause {
                    rule: GAP,
                    title: "A measure of coverage misses its target",
                    subject: measure.name,
                    severity: Severity::Ticket,
                    integrity: false,
                    facts: vec![fact("measure", measure.code), fact("counted", measure.detail)],
                    action: format!("See {base}/measures#{}; find who is behind.", measure.code),
                    happened: now,
                    noticed: now,
                    record: counts.records,
                    environment: self.config.environment.as_str(),
                    finding: None,
                })?,
                (linkward_measure::State::Met, true) => {
                    folding.close(GAP, measure.name, "the measure meets its target again")?;
                }
                _ => {}
            }
        }
        let step = folding.step(Vec::new());
        if !(step.notices.is_empty() && step.parcels.is_empty() && step.resolved.is_empty()) {
            state.apply(&step, now)?;
        }
        Ok(())
    }

    /// What the boards and the metrics show of alerts.
    pub(super) fn alert_facts(&self, path: &str, facts: &mut linkward_console::HomeFacts) -> Result<()> {
        if !["/board", "/metrics", "/api/v1/board", "/export/"].iter().any(|wanted| path.starts_with(wanted))
        {
            return Ok(());
        }
        let state = self.outbox();
        let open = state.open_notices(OPEN)?;
        facts.alerts = open.iter().filter_map(|kept| serde_json::from_str(&kept.body).ok()).collect();
        facts.undelivered = state.waiting()?.into_iter().map(|one| (one.channel, one.count)).collect();
        facts.services = self
            .alerting
            .get()
            .map(|alerting| {
                alerting.routes.services().iter().filter_map(|one| serde_json::to_value(one).ok()).collect()
            })
            .unwrap_or_default();
        Ok(())
    }

    pub(super) fn alerts_now(&self) -> Result<Value> {
        while self.fold_notices(Instant::now())? {}
        let state = self.outbox();
        let open: Vec<Value> = state
            .open_notices(OPEN)?
            .iter()
            .filter_map(|kept| serde_json::from_str(&kept.body).ok())
            .collect();
        let waiting: Vec<Value> = state
            .waiting()?
            .into_iter()
            .map(|one| {
                json!({ "channel": one.channel, "count": one.count, "oldest": one.oldest, "attempts": one.attempts, "error": one.error })
            })
            .collect();
        Ok(json!({ "version": VERSION, "open": open, "waiting": waiting }))
    }

    /// Starts the fold and a thread for each channel.
    ///
    /// # Errors
    /// A fault of `detect.toml`: a daemon that could not tell anybody must not look as if it could.
    pub(crate) fn keep_telling(self: &Arc<Self>) -> Result<()> {
        let file = DetectFile::of_home(self.home.path())?;
        let (routes, lines) = file.alerting()?;
        let names = lines.iter().map(|line| line.name.clone()).collect();
        let _ = self.alerting.set(Alerting { routes, cluster: file.cluster, names });
        for line in lines {
            let engine = Arc::downgrade(self);
            std::thread::Builder::new().name("channel".to_owned()).spawn(move || deliver(&engine, &line))?;
        }
        let engine = Arc::downgrade(self);
        std::thread::Builder::new().name("alerts".to_owned()).spawn(move || fold(&engine))?;
        Ok(())
    }

    /// Pages that nobody answered go further; channels that take nothing are told of by the others.
    fn chase(&self, now: Instant) -> Result<()> {
        let Some(alerting) = self.alerting.get() else { return Ok(()) };
        let base = self.console_base();
        let mut state = self.outbox();
        let open = state.open_notices(OPEN)?;
        let waiting = state.waiting()?;
        let mut folding = self.folding(&state, &base, now);
        for kept in open {
            let Ok(mut notice) = serde_json::from_str::<Notice>(&kept.body) else { continue };
            if notice.rule == UNDELIVERED {
                let still =
                    waiting.iter().any(|one| one.channel == notice.subject && one.attempts >= FAILING);
                if !still {
                    folding.close(UNDELIVERED, &notice.subject, "the channel takes what it is told again")?;
                }
                continue;
            }
            if notice.escalated || notice.answered.is_some() {
                continue;
            }
            let channels = alerting.routes.escalation(&notice, now.since(notice.noticed) / 60_000);
            if !channels.is_empty() {
                notice.escalated = true;
                folding.send_to(&notice, "escalate", channels)?;
                folding.put(kept, notice)?;
            }
        }
        for one in waiting.iter().filter(|one| one.attempts >= FAILING) {
            let known = folding.newest(&slot(UNDELIVERED, &one.channel))?;
            if known.is_some_and(|(kept, _)| kept.closed.is_none()) {
                continue;
            }
            let size = self.store.checkpoint(LogName::Evidence)?.size();
            folding.raise(&Cause {
                rule: UNDELIVERED,
                title: "Alerts cannot be delivered on a channel",
                subject: &one.channel,
                severity: Severity::Page,
                integrity: true,
                facts: vec![
                    fact("waiting", one.count),
                    fact("since", one.oldest),
                    fact("says", one.error.as_deref().unwrap_or("nothing")),
                ],
                action: "Look at `linkward detect alerts`; mend the channel, or route around it.".to_owned(),
                happened: one.oldest,
                noticed: now,
                // A channel that fails again is another matter than before.
                record: size ^ u64::try_from(now.millis()).unwrap_or(0),
                environment: self.config.environment.as_str(),
                finding: None,
            })?;
            crate::commands::complain(&format!(
                "alerts cannot be delivered on `{}`: {}",
                one.channel,
                one.error.as_deref().unwrap_or("no answer")
            ));
        }
        let step = folding.step(Vec::new());
        if !(step.notices.is_empty() && step.parcels.is_empty() && step.resolved.is_empty()) {
            state.apply(&step, now)?;
        }
        Ok(())
    }

    /// Everything open that this channel was told.
    fn told(&self, channel: &str) -> Result<Vec<Notice>> {
        let state = self.outbox();
        let mut told = Vec::new();
        for kept in state.open_notices(OPEN)? {
            if state.was_delivered(&kept.key, channel)? {
                told.extend(serde_json::from_str::<Notice>(&kept.body).ok());
            }
        }
        Ok(told)
    }
}

fn finding(
    folding: &mut Folding<'_>,
    row: &Row,
    says: &Value,
    stands: &impl Fn(&Value) -> bool,
) -> Result<()> {
    let name = text(says, "/finding/rule");
    let subject = text(says, "/finding/subject");
    let id = text(says, "/finding/id").trim_start_matches("sha256:").get(..16).unwrap_or("").to_owned();
    let severity = match text(says, "/finding/alert") {
        "page" => Severity::Page,
        "ticket" => Severity::Ticket,
        _ => return Ok(()),
    };
    match text(says, "/finding/state") {
        "withdrawn" => return folding.withdraw(name, subject, &id),
        // What may still arrive wakes nobody.
        "confirmed" => {}
        _ => return Ok(()),
    }
    if !stands(says) {
        return Ok(());
    }
    let about = rule(name).map(|rule| rule.about());
    let environment = row.environment.to_string();
    let facts = serde_json::from_value(says["finding"]["facts"].clone()).unwrap_or_default();
    folding.raise(&Cause {
        rule: name,
        title: text(says, "/finding/title"),
        subject,
        severity,
        integrity: text(says, "/finding/tier") == Tier::Invariant.as_str(),
        facts,
        action: about.map_or("", |about| about.response).to_owned(),
        happened: text(says, "/finding/at").parse().unwrap_or(row.times.event),
        noticed: text(says, "/noticed").parse().unwrap_or(row.times.event),
        record: row.index,
        environment: &environment,
        finding: Some(&id),
    })
}

fn said(folding: &mut Folding<'_>, says: &Value) -> Result<()> {
    let (rule, subject, by) = (text(says, "/rule"), text(says, "/subject"), text(says, "/by"));
    match text(says, "/what") {
        "disposition" => {
            let why = format!("{by}: {}: {}", text(says, "/disposition"), text(says, "/reason"));
            folding.close(rule, subject, &why)
        }
        "answered" => folding.answer(rule, subject, &format!("taken up by {by}")),
        _ => Ok(()),
    }
}

/// Folds as the log grows, chases as time passes, until the engine is gone.
fn fold(engine: &Weak<Engine>) {
    let mut complained = None;
    let mut chased: Option<Clock> = None;
    loop {
        std::thread::sleep(TICK);
        let Some(engine) = engine.upgrade() else { return };
        let now = Instant::now();
        let mut outcome = engine.fold_notices(now).map(drop);
        outcome = outcome.and(engine.count_on(super::measuring::ROUND).map(drop));
        if chased.is_none_or(|then| then.elapsed() > Duration::from_secs(2)) {
            chased = Some(Clock::now());
            outcome = outcome.and(engine.chase(now)).and(engine.sample(now));
        }
        let trouble = outcome.err().map(|error| format!("alerts: {error:#}"));
        if trouble != complained {
            trouble.iter().for_each(|trouble| crate::commands::complain(trouble));
            complained = trouble;
        }
    }
}

/// Delivers what is due on one channel, renews what is open, and gives signs of life.
fn deliver(engine: &Weak<Engine>, line: &Line) {
    const RENEW: Duration = Duration::from_secs(60);
    let mut renewed = Clock::now().checked_sub(RENEW).unwrap_or_else(Clock::now);
    let mut beaten: Option<Clock> = None;
    loop {
        std::thread::sleep(TICK);
        let Some(engine) = engine.upgrade() else { return };
        let now = Instant::now();
        // A state that cannot be read is complained of by the fold.
        let due = engine.outbox().due(&line.name, now, 50).unwrap_or_default();
        for delivery in due {
            if engine.outbox().attempting(delivery.id).is_err() {
                break;
            }
            let told = match serde_json::from_str::<Notice>(&delivery.parcel.body) {
                Ok(notice) => {
                    let telling = Telling::of(&delivery.parcel.what);
                    line.tell(&notice, telling, delivery.attempts > 0, Instant::now())
                }
                Err(error) => Err(error.into()),
            };
            let (state, now) = (engine.outbox(), Instant::now());
            let noted = match &told {
                Ok(()) => state.delivered(delivery.id, now),
                Err(error) => {
                    let next = now.plus_millis(back_off(delivery.attempts, delivery.id));
                    state.postponed(delivery.id, next, &format!("{error:#}"))
                }
            };
            // Who cannot be reached is not tried for each of many; one that is refused holds up no other.
            let unreachable = told.is_err_and(|error| error.downcast_ref::<Refused>().is_none());
            if noted.is_err() || unreachable {
                break;
            }
        }
        if line.renews() && renewed.elapsed() >= RENEW {
            renewed = Clock::now();
            let _ = engine.told(&line.name).and_then(|open| line.renew(&open, Instant::now()));
        }
        if let Some(pause) = line.heartbeat
            && beaten.is_none_or(|then| then.elapsed() >= pause)
        {
            beaten = Some(Clock::now());
            // Whoever listens notices its absence; that is what it is for.
            let _ = line.beat(Instant::now());
        }
    }
}
