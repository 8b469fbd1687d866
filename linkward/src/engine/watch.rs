//! What the cluster runs, as its API server tells: verdicts are made ahead, and the ledger learns what became of each rollout.
//!
//! One thread a kind: list, page by page, then watch from there. Whatever cannot be understood is seen by listing again; whoever
//! does not answer is asked again after a while that doubles.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{BufRead as _, Read as _};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use anyhow::{Context as _, Result};
use linkward_deploy::{
    Change, ClusterKind, Deployment, Event, Happening, History, Observed, Watched, change,
};
use linkward_model::Instant;

use super::Engine;
use crate::cluster::{Api, Refused};

const FIRST_DELAY: Duration = Duration::from_millis(500);
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// Longest line of a watch: the API server keeps objects below 2 MiB.
const MAX_LINE: u64 = 8 << 20;
/// Most things that are recorded as one group.
const MAX_GROUP: usize = 256;

/// The end of one kind's list or watch.
struct Follow {
    engine: Weak<Engine>,
    api: Api,
    kind: ClusterKind,
    watched: Arc<Mutex<Watched>>,
}

impl Engine {
    /// Follows the cluster of the settings, if there is one, for as long as the process runs.
    pub(crate) fn watch_cluster(self: &Arc<Self>) -> Result<()> {
        let Some(cluster) = &self.config.cluster else { return Ok(()) };
        let api = Api::open(cluster)?;
        let watched = Arc::new(Mutex::new(Watched::new(self.config.soak_seconds.saturating_mul(1000))));
        for kind in ClusterKind::ALL {
            let follow = Follow {
                engine: Arc::downgrade(self),
                api: api.clone(),
                kind: *kind,
                watched: Arc::clone(&watched),
            };
            std::thread::Builder::new()
                .name(format!("watch {}", kind.as_str()))
                .spawn(move || follow.run())?;
        }
        let engine = Arc::downgrade(self);
        let soak = move || {
            loop {
                std::thread::sleep(Duration::from_millis(500));
                let Some(engine) = engine.upgrade() else { return };
                let now = Instant::now();
                let soaked = watched.lock().unwrap_or_else(PoisonError::into_inner).soaked(now);
                engine.take_happenings(soaked, now);
            }
        };
        std::thread::Builder::new().name("soak".to_owned()).spawn(soak)?;
        Ok(())
    }

    fn take_happenings(&self, happenings: Vec<Happening>, now: Instant) {
        if !happenings.is_empty()
            && let Err(error) = self.record_happenings(happenings, now)
        {
            crate::commands::complain(&format!("the deployment ledger: {error:#}"));
        }
    }

    /// Records what happened, as one group, without what the ledger says already.
    fn record_happenings(&self, happenings: Vec<Happening>, now: Instant) -> Result<()> {
        let _one = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let mut histories: BTreeMap<String, History> = BTreeMap::new();
        let mut lines = Vec::new();
        for Happening { workload, event } in happenings {
            let history = match histories.entry(workload.clone()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => place.insert(self.history(&workload)?),
            };
            let Some(revision) = news(history, &event) else { continue };
            let line =
                Deployment { workload, revision, at: now, source: "cluster".to_owned(), happened: event };
            history.take(line.clone());
            lines.push((line, Vec::new()));
        }
        if !lines.is_empty() {
            self.store.append_many(lines, now)?;
        }
        Ok(())
    }
}

/// The revision that an event is about, unless the ledger says it already.
fn news(history: &History, event: &Event) -> Option<u64> {
    let newest = history.revisions.last();
    if let Event::Deployed { images } = event {
        let known = newest.is_some_and(|newest| newest.images == *images && newest.ended.is_none());
        return (!known).then(|| history.number(images));
    }
    let newest = newest?;
    let known = match event {
        Event::Ready => newest.ready.is_some(),
        Event::Soaked => newest.soaked.is_some(),
        Event::Unready { .. } => newest.ready.is_none(),
        Event::Failed { .. } => newest.failed.is_some(),
        Event::Ended { .. } => newest.ended.is_some(),
        Event::Deployed { .. } | Event::Barrier { .. } => false,
    };
    (!known).then_some(newest.number)
}

impl Follow {
    fn run(&self) {
        let mut version: Option<String> = None;
        let mut delay = FIRST_DELAY;
        let mut said = String::new();
        loop {
            let Some(engine) = self.engine.upgrade() else { return };
            let result = match &version {
                None => self.list(&engine).map(Some),
                Some(version) => self.watch(&engine, version),
            };
            drop(engine);
            let trouble = result.as_ref().err().map(|error| format!("{error:#}")).unwrap_or_default();
            if trouble != said {
                let kind = self.kind.as_str();
                crate::commands::complain(&if trouble.is_empty() {
                    format!("cluster: {kind}s are seen again")
                } else {
                    format!("cluster: {kind}s are not seen: {trouble}")
                });
                said = trouble;
            }
            match result {
                Ok(next) => (version, delay) = (next, FIRST_DELAY),
                Err(error) => {
                    if error.downcast_ref::<Refused>().is_some_and(|refused| refused.status == 410) {
                        version = None;
                    }
                    // Not all kinds at the same moment.
                    let spread = delay / 8 * (self.kind as u32 % 8);
                    std::thread::sleep(delay + spread);
                    delay = (delay * 2).min(LONGEST_DELAY);
                }
            }
        }
    }

    fn watched(&self) -> std::sync::MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lists everything; the version from which to watch.
    fn list(&self, engine: &Engine) -> Result<String> {
        let list = self.watched().begin();
        let mut next: Option<String> = None;
        loop {
            let page = self.api.list(self.kind, next.as_deref())?;
            let now = Instant::now();
            let news = page.items.iter().flat_map(|seen| self.present(engine, seen, now)).collect();
            engine.take_happenings(news, now);
            next = page.next;
            if next.is_none() {
                let gone = self.watched().end(self.kind, list);
                engine.take_happenings(gone, Instant::now());
                return Ok(page.version);
            }
        }
    }

    /// Watches until the API server ends it: from where to go on, or nothing where everything has to be listed again.
    fn watch(&self, engine: &Engine, version: &str) -> Result<Option<String>> {
        let mut lines = self.api.watch(self.kind, version)?;
        let mut version = version.to_owned();
        let mut line = Vec::new();
        let mut news = Vec::new();
        loop {
            // What came together is recorded together.
            if !lines.buffer().contains(&b'\n') || news.len() >= MAX_GROUP {
                engine.take_happenings(std::mem::take(&mut news), Instant::now());
            }
            line.clear();
            let read = lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line);
            match read {
                // A connection that breaks loses nothing: the next watch goes on from here.
                Ok(0) | Err(_) => return Ok(Some(version)),
                Ok(_) => {}
            }
            if !line.ends_with(b"\n") {
                anyhow::ensure!(
                    (line.len() as u64) < MAX_LINE,
                    "a line of the watch is larger than {MAX_LINE} bytes"
                );
                return Ok(Some(version));
            }
            let said = change(self.kind, &line).context("watch");
            if said.is_err() {
                engine.take_happenings(std::mem::take(&mut news), Instant::now());
            }
            match said? {
                Change::Present(seen) => {
                    news.extend(self.present(engine, &seen, Instant::now()));
                    version = seen.version;
                }
                Change::Gone(seen) => {
                    news.extend(self.watched().gone(&seen));
                    version = seen.version;
                }
                Change::Bookmark(at) => version = at,
                Change::Expired => {
                    engine.take_happenings(news, Instant::now());
                    return Ok(None);
                }
            }
        }
    }

    fn present(&self, engine: &Engine, seen: &Observed, now: Instant) -> Vec<Happening> {
        for image in seen.images.iter().chain(&seen.running) {
            engine.gate.prepare(image, now);
        }
        // What a controller made is answered for by the workload that it is of.
        if !seen.owned {
            let workload = format!("{}/{}", self.kind.as_str(), seen.name);
            for image in &seen.images {
                engine.gate.notice(image, &seen.namespace, &workload, now);
            }
        }
        self.watched().present(seen, now)
    }
}
