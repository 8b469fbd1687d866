//! What gates elsewhere are told: signed messages in sequence, a heartbeat, and snapshots to start from.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as Clock};

use anyhow::{Context as _, Result};
use linkward_deploy::{Carried, Head, Item, Position, SnapshotRecord};
use linkward_ledger::key::NoteKey;
use linkward_ledger::{LogName, Recorded};
use linkward_model::{Digest, Instant};
use tokio::sync::watch;

use super::Engine;

/// Messages that are kept for gates that were away for a moment; who missed more takes a snapshot.
const KEPT: usize = 10_000;
/// A heartbeat is signed anew after this, however many gates ask.
const BEAT: Duration = Duration::from_millis(250);
/// A snapshot serves every gate that asks within this time.
const FRESH: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Feed {
    /// Whether any gate has asked: before that nothing needs to be signed.
    followed: AtomicBool,
    state: Mutex<State>,
    snapshot: Mutex<Option<Cached>>,
    /// The newest sequence number, for those who wait for the next.
    pub(crate) changed: watch::Sender<u64>,
}

/// A snapshot file: since when it is kept, and where in the feed it stands.
type Cached = (Clock, Position, Arc<Vec<u8>>);

#[derive(Debug)]
struct State {
    position: Position,
    kept: VecDeque<(u64, Arc<str>)>,
    beat: Option<(Clock, Arc<str>)>,
}

impl Feed {
    pub(super) fn new(now: Instant) -> Self {
        let session = u64::try_from(now.millis()).unwrap_or(0);
        Self {
            followed: AtomicBool::new(false),
            state: Mutex::new(State {
                position: Position { session, sequence: 0, last: None },
                kept: VecDeque::new(),
                beat: None,
            }),
            snapshot: Mutex::default(),
            changed: watch::Sender::new(0),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn position(&self) -> Position {
        self.state().position
    }
}

impl Engine {
    /// The evidence log's key, by which gates believe this record.
    pub(super) fn log_key(&self) -> Result<NoteKey> {
        let log = self.store.log_id(LogName::Evidence).context("this home has no evidence log")?;
        log.key.parse().context("the evidence log's key in trust.json")
    }

    /// A record with its proof, for gates elsewhere.
    pub(super) fn carry(&self, index: u64) -> Result<Carried> {
        let record = self.store.read(index)?;
        let checkpoint = self.store.checkpoint(LogName::Evidence)?;
        let proof = self.store.inclusion(LogName::Evidence, index, checkpoint.size())?;
        Ok(Carried::new(&record, &proof, &checkpoint))
    }

    fn line(&self, head: &Head, items: String) -> Result<Arc<str>> {
        let key = linkward_deploy::gate_key(&self.log_key()?).context("the evidence log's origin")?;
        let signature = self.signer.call(|signer| Ok(signer.sign_gate(&head.text())?))?;
        Ok(serde_json::to_string(&head.message(&key, &signature, items))?.into())
    }

    fn head(&self, position: Position, items: &str, now: Instant) -> Head {
        Head {
            session: position.session,
            sequence: position.sequence,
            epoch: self.gate.epoch(),
            at: now,
            mode: self.gate.mode(),
            previous: position.last,
            items: Digest::sha256(items.as_bytes()),
        }
    }

    /// Tells every gate; those that are connected know within milliseconds.
    pub(super) fn publish(&self, items: impl FnOnce() -> Result<Vec<Item>>) -> Result<()> {
        if !self.feed.followed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let items = serde_json::to_string(&items()?)?;
        let mut state = self.feed.state();
        let next = Position { sequence: state.position.sequence + 1, ..state.position };
        let head = self.head(next, &items, Instant::now());
        let line = self.line(&head, items)?;
        state.position = Position { last: Some(Digest::sha256(head.text().as_bytes())), ..next };
        state.kept.push_back((next.sequence, line));
        if state.kept.len() > KEPT {
            state.kept.pop_front();
        }
        state.beat = None;
        drop(state);
        self.feed.changed.send_replace(next.sequence);
        Ok(())
    }

    /// Tells every gate of a verdict that was recorded.
    pub(super) fn publish_verdict(&self, index: u64) -> Result<()> {
        self.publish(|| Ok(vec![Item::Verdict { record: self.carry(index)? }]))
    }

    /// The messages behind a position, and a heartbeat: one JSON object a line.
    pub(crate) fn poll(&self, session: u64, after: u64) -> Result<String> {
        self.feed.followed.store(true, Ordering::Relaxed);
        let mut state = self.feed.state();
        let mut out = String::new();
        if session == state.position.session {
            for (_, line) in state.kept.iter().filter(|(sequence, _)| *sequence > after) {
                out.push_str(line);
                out.push('\n');
            }
        }
        let fresh =
            state.beat.as_ref().filter(|(since, _)| since.elapsed() < BEAT).map(|(_, line)| line.clone());
        let beat = match fresh {
            Some(line) => line,
            None => {
                let items = "[]".to_owned();
                let line = self.line(&self.head(state.position, &items, Instant::now()), items)?;
                state.beat = Some((Clock::now(), Arc::clone(&line)));
                line
            }
        };
        out.push_str(&beat);
        out.push('\n');
        Ok(out)
    }

    /// Whether somebody who is at this position would have to wait for news.
    pub(crate) fn has_news(&self, session: u64, after: u64) -> bool {
        let position = self.feed.position();
        position.session != session || position.sequence > after
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.feed.changed.subscribe()
    }

    /// A snapshot of the gate, recorded and proven; the same for all who ask at about the same time.
    pub(crate) fn snapshot(&self) -> Result<Arc<Vec<u8>>> {
        self.feed.followed.store(true, Ordering::Relaxed);
        let mut cached = self.feed.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        // The position first: what is published meanwhile stands in both, and taking it twice changes nothing.
        let position = self.feed.position();
        if let Some((since, at, file)) = &*cached
            && since.elapsed() < FRESH
            && *at == position
        {
            return Ok(Arc::clone(file));
        }
        let now = Instant::now();
        let log_size = self.log_state()?.size;
        let glasses = self.glass_records(now)?.into_iter().map(|index| self.carry(index));
        let document = self.gate.document(log_size, position, glasses.collect::<Result<_>>()?, now);
        let record = SnapshotRecord::new(&document, self.gate.environment(), self.gate.epoch());
        let record: Recorded<SnapshotRecord> = self.store.append(record, Vec::new(), now)?;
        let file = Arc::new(linkward_deploy::snapshot_file(&self.carry(record.index())?, &document));
        *cached = Some((Clock::now(), position, Arc::clone(&file)));
        Ok(file)
    }

    fn snapshot_path(&self) -> std::path::PathBuf {
        self.home.path().join("gate.snapshot")
    }

    /// Keeps a snapshot beside the index, so that the next start need not read every verdict again.
    pub(crate) fn save_snapshot(&self) -> Result<()> {
        let file = self.snapshot()?;
        let path = self.snapshot_path();
        let draft = path.with_extension("new");
        std::fs::write(&draft, file.as_slice())?;
        std::fs::rename(&draft, &path)?;
        Ok(())
    }

    /// Fills the gate from the kept snapshot; the size of the log up to which it holds every verdict.
    pub(super) fn load_snapshot(&self, now: Instant) -> u64 {
        let Ok(bytes) = std::fs::read(self.snapshot_path()) else { return 0 };
        let opened = self.log_key().ok().and_then(|key| {
            linkward_deploy::Snapshot::open(&bytes, &key, self.gate.environment(), None).ok()
        });
        // One that does not verify is no loss: everything is read from the log instead.
        let Some(snapshot) = opened else { return 0 };
        let below = self.log_state().map_or(0, |log| log.size);
        if snapshot.log_size() > below {
            return 0;
        }
        let size = snapshot.log_size();
        self.gate.load(snapshot, now);
        size
    }
}
