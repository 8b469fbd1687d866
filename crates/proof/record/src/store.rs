//! The store of one home: one writer, many readers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard};
use std::thread::JoinHandle;

use linkward_ledger::log_proof::LogProof;
use linkward_ledger::merkle::{Hash, consistency_proof, inclusion_proof};
use linkward_ledger::{
    Body, Envelope, Kind, LogId, LogName, Opaque, Recordable, Recorded, RecordedError, TermKind, Times,
    VerifiedCheckpoint,
};
use linkward_model::{Digest, Instant, Tenant};

use crate::blobs::{self, Packs, Place, Scan};
use crate::index::{Filter, Index, Row};
use crate::journal::Journal;
use crate::log::{CheckpointSigner, Log, LogError};
use crate::lookup::Lookups;
use crate::retention;
use crate::sequencer::{Included, Job, Leaf, Logs, Sequencer};
use crate::witnesses::{Standing, Standings, Witnesses};
use crate::{FORMAT, Files};

/// Jobs that may wait for the sequencer; callers block beyond that.
const QUEUE: usize = 1024;

#[derive(Clone, Debug)]
pub struct Settings {
    pub tenant: Tenant,
    pub logs: Vec<LogId>,
}

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the home is in use by another process")]
    Locked,
    #[error("home is of format `{0}`, this version reads `{expected}`", expected = FORMAT.trim_end())]
    Format(String),
    #[error("{path}")]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("index: {0}")]
    Index(#[from] rusqlite::Error),
    #[error("this home has no {} log", .0.as_str())]
    NoLog(LogName),
    #[error("record names document {0}, which was neither given nor is stored")]
    DocumentMissing(Digest),
    #[error("{path}: blob {digest} is missing or damaged")]
    Blob { path: PathBuf, digest: Digest },
    #[error("document {digest} was deleted by retention, as record {tombstone} says")]
    Deleted { digest: Digest, tombstone: u64 },
    #[error(transparent)]
    Hold(#[from] linkward_ledger::retention::HoldUnreadable),
    #[error("leaf {index} is damaged")]
    Record { index: u64, source: RecordedError },
    #[error("nothing can be written until the home is opened again: {0}")]
    Poisoned(String),
    #[error("the group's write failed: {0}")]
    Group(String),
    #[error("{0}")]
    Unwitnessed(String),
    #[error("the sequencer has stopped")]
    Stopped,
}

impl StoreError {
    /// The same failure for every caller of a group.
    pub(crate) fn again(&self) -> Self {
        match self {
            Self::Poisoned(why) => Self::Poisoned(why.clone()),
            Self::Unwitnessed(why) => Self::Unwitnessed(why.clone()),
            other => Self::Group(other.to_string()),
        }
    }
}

/// A handle to an open home; clones share it. The lock is held until the last one is gone.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    files: Arc<dyn Files>,
    settings: Settings,
    logs: Logs,
    index: Mutex<Index>,
    sender: Mutex<Option<SyncSender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    journal: Journal,
    standings: Option<Standings>,
    lookups: Lookups,
    /// Held shared from when a caller finds a blob stored until its record is; alone while blobs are deleted.
    appending: RwLock<()>,
    _lock: File,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Job({} leaves)", self.leaves.len())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Inner {
    fn stop(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = thread.join();
        }
    }

    fn log(&self, name: LogName) -> Result<MutexGuard<'_, Log>, StoreError> {
        let log = self.logs.get(&name).ok_or(StoreError::NoLog(name))?;
        Ok(log.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Opens a home: takes its lock, checks its format, its logs' edges and checkpoints, and brings the index up to
    /// the logs.
    ///
    /// # Errors
    /// Another writer, an unknown format, damage at the edge of a log.
    pub fn open(
        root: &Path,
        files: Arc<dyn Files>,
        settings: Settings,
        signer: Box<dyn CheckpointSigner>,
    ) -> Result<Self, StoreError> {
        Self::open_witnessed(root, files, settings, signer, None)
    }

    /// As [`Store::open`]; checkpoints are shown to these witnesses before they are published.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_witnessed(
        root: &Path,
        files: Arc<dyn Files>,
        settings: Settings,
        mut signer: Box<dyn CheckpointSigner>,
        witnesses: Option<Witnesses>,
    ) -> Result<Self, StoreError> {
        let io = |path: &Path| {
            let path = path.to_path_buf();
            move |source| StoreError::Io { path, source }
        };
        let lock_path = root.join("lock");
        let lock = File::create(&lock_path).map_err(io(&lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(StoreError::Locked),
            Err(std::fs::TryLockError::Error(source)) => {
                return Err(StoreError::Io { path: lock_path, source });
            }
        }
        let format_path = root.join("format");
        let format = std::fs::read_to_string(&format_path).map_err(io(&format_path))?;
        if format != FORMAT {
            return Err(StoreError::Format(format.trim_end().to_owned()));
        }
        let blobs = root.join("blobs");
        let mut logs = Logs::new();
        for id in &settings.logs {
            let folder = root.join("logs").join(id.name.as_str());
            let hold = witnesses.as_ref().is_some_and(|all| all.required() && all.watch(id.name));
            let log = Log::open(folder, id.clone(), files.as_ref(), signer.as_mut(), hold)?;
            log.sweep(files.as_ref());
            logs.insert(id.name, Arc::new(Mutex::new(log)));
        }
        let packs = Packs::open(&blobs, files.as_ref()).map_err(io(&blobs))?;
        let mut index = open_index(root, &logs, packs.folder(), &blobs, files.as_ref())?;
        let waits = |log: &Arc<Mutex<Log>>| log.lock().unwrap_or_else(PoisonError::into_inner).is_pending();
        // What a tombstone says is gone, a leaf that waits for its witnesses may have brought back.
        if !logs.values().any(waits) {
            retention::sweep(&mut index, &blobs, files.as_ref())?;
        }
        let reader = Index::open(&root.join("index.db"))?;
        let (sender, jobs) = sync_channel(QUEUE);
        let standings = witnesses.as_ref().map(Witnesses::standings);
        let sequencer = Sequencer {
            witnesses,
            files: Arc::clone(&files),
            blobs: blobs.clone(),
            packs,
            logs: logs.clone(),
            index,
            signer,
            poisoned: None,
        };
        let thread = std::thread::Builder::new()
            .name("sequencer".to_owned())
            .spawn(move || sequencer.run(&jobs))
            .map_err(io(root))?;
        let inner = Arc::new(Inner {
            root: root.to_path_buf(),
            files,
            settings,
            logs,
            index: Mutex::new(reader),
            sender: Mutex::new(Some(sender)),
            thread: Mutex::new(Some(thread)),
            journal: Journal::open(&root.join("journal")).map_err(io(root))?,
            standings,
            lookups: Lookups::default(),
            appending: RwLock::new(()),
            _lock: lock,
        });
        let store = Self { inner };
        match store.seal_journal(Instant::now()) {
            // What could not be sealed stays in the journal: a home can be read while its witnesses are away.
            Ok(_) | Err(StoreError::Unwitnessed(_)) => Ok(store),
            Err(error) => Err(error),
        }
    }

    /// Appends a value as a record; returns when it is durable, with the proof that it is in the log.
    ///
    /// # Errors
    /// Nothing was acknowledged; after [`StoreError::Poisoned`] only opening the home again tells what is there.
    pub fn append<T: Recordable>(
        &self,
        value: T,
        documents: Vec<Vec<u8>>,
        now: Instant,
    ) -> Result<Recorded<T>, StoreError> {
        let mut recorded = self.append_many(vec![(value, documents)], now)?;
        recorded.pop().ok_or(StoreError::Stopped)
    }

    /// Appends values in order, as one group.
    ///
    /// # Errors
    /// As [`Store::append`]; either all are durable or none is acknowledged.
    pub fn append_many<T: Recordable>(
        &self,
        values: Vec<(T, Vec<Vec<u8>>)>,
        now: Instant,
    ) -> Result<Vec<Recorded<T>>, StoreError> {
        let _shared = self.inner.appending.read().unwrap_or_else(PoisonError::into_inner);
        self.append_held(values, now)
    }

    /// As [`Store::append_many`], for who holds the lock of appending already.
    pub(crate) fn append_held<T: Recordable>(
        &self,
        values: Vec<(T, Vec<Vec<u8>>)>,
        now: Instant,
    ) -> Result<Vec<Recorded<T>>, StoreError> {
        let mut leaves = Vec::with_capacity(values.len());
        let mut small = Vec::new();
        let mut large = Vec::new();
        let mut kept = Vec::with_capacity(values.len());
        let blobs = self.inner.root.join("blobs");
        for (value, documents) in values {
            let body = value.body();
            let blob = body.encode();
            let times = Times { event: now, claimed: value.claimed(), proven: value.proven() };
            let envelope = Envelope::new(
                body.kind,
                self.inner.settings.tenant.clone(),
                value.environment(),
                times,
                &blob,
            );
            let given: BTreeSet<Digest> = documents.iter().map(|document| Digest::sha256(document)).collect();
            for digest in &body.documents {
                if !given.contains(digest) && !self.inner.index().stored(digest)? {
                    return Err(StoreError::DocumentMissing(*digest));
                }
            }
            for bytes in documents.into_iter().chain([blob.clone()]) {
                let digest = Digest::sha256(&bytes);
                if self.inner.index().stored(&digest)? {
                    continue;
                }
                if bytes.len() <= blobs::SMALL {
                    small.push((digest, bytes));
                } else {
                    blobs::write_large(&blobs, &digest, &bytes, self.inner.files.as_ref()).map_err(
                        |source| StoreError::Io { path: blobs::file_path(&blobs, &digest), source },
                    )?;
                    large.push(digest);
                }
            }
            leaves.push(Leaf { bytes: envelope.encode(), record: Some((envelope, body)) });
            kept.push((value, blob));
        }
        let bytes: Vec<Vec<u8>> = leaves.iter().map(|leaf| leaf.bytes.clone()).collect();
        let included = self.submit(LogName::Evidence, leaves, small, large)?;
        let key = self.inner.log(LogName::Evidence)?.key.clone();
        let mut recorded = Vec::with_capacity(kept.len());
        for (((value, blob), leaf), included) in kept.into_iter().zip(bytes).zip(included) {
            let damaged = |source| StoreError::Record { index: included.index, source };
            let checkpoint = VerifiedCheckpoint::open(&included.checkpoint, &key)
                .map_err(|source| LogError::Checkpoint { path: self.inner.root.clone(), source })?;
            let opaque = Recorded::<Opaque>::prove(&leaf, blob, included.index, &included.proof, &checkpoint)
                .map_err(damaged)?;
            recorded.push(opaque.reopen(value).map_err(damaged)?);
        }
        Ok(recorded)
    }

    /// Appends an entry to a log that lists entries; the same entry again gets its first index and a fresh proof.
    ///
    /// # Errors
    /// As [`Store::append`].
    pub fn append_entry(&self, log: LogName, entry: Vec<u8>) -> Result<Included, StoreError> {
        let leaves = vec![Leaf { bytes: entry, record: None }];
        self.submit(log, leaves, Vec::new(), Vec::new())?.pop().ok_or(StoreError::Stopped)
    }

    /// As [`Store::append_entry`] for several entries, in order and as one group.
    ///
    /// # Errors
    /// As [`Store::append`]; either all are durable or none is acknowledged.
    pub fn append_entries(&self, log: LogName, entries: Vec<Vec<u8>>) -> Result<Vec<Included>, StoreError> {
        let leaves = entries.into_iter().map(|bytes| Leaf { bytes, record: None }).collect();
        self.submit(log, leaves, Vec::new(), Vec::new())
    }

    fn submit(
        &self,
        log: LogName,
        leaves: Vec<Leaf>,
        blobs: Vec<(Digest, Vec<u8>)>,
        large: Vec<Digest>,
    ) -> Result<Vec<Included>, StoreError> {
        let sender = self.inner.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (reply, answer) = sync_channel(1);
        let job = Job { log, leaves, blobs, large, reply };
        sender.ok_or(StoreError::Stopped)?.send(job).map_err(|_| StoreError::Stopped)?;
        answer.recv().map_err(|_| StoreError::Stopped)?
    }

    /// A record of the evidence log, proven to be in it; what it means is for its stage to say.
    ///
    /// # Errors
    /// No such leaf, or leaf, blob or tiles are damaged.
    pub fn read(&self, index: u64) -> Result<Recorded<Opaque>, StoreError> {
        let files = self.inner.files.as_ref();
        let (leaf, proof, checkpoint) = {
            let log = self.inner.log(LogName::Evidence)?;
            let checkpoint = log.checkpoint().clone();
            if index >= checkpoint.size() {
                let source = linkward_ledger::ProofError::Index { index, size: checkpoint.size() }.into();
                return Err(StoreError::Record { index, source });
            }
            let proof = inclusion_proof(&log.nodes(files), index, checkpoint.size())?;
            (log.leaf(index, files)?, proof, checkpoint)
        };
        let damaged = |source| StoreError::Record { index, source };
        let envelope = Envelope::decode(&leaf).map_err(|error| damaged(error.into()))?;
        let blob = self
            .blob(&envelope.blob)?
            .ok_or_else(|| StoreError::Blob { path: self.inner.root.join("blobs"), digest: envelope.blob })?;
        Recorded::<Opaque>::prove(&leaf, blob, index, &proof, &checkpoint).map_err(damaged)
    }

    /// A blob by its digest, checked.
    ///
    /// # Errors
    /// The blob is known but cannot be read whole.
    pub fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let place = {
            let index = self.inner.index();
            if let Some(tombstone) = index.tombstone(digest)? {
                return Err(StoreError::Deleted { digest: *digest, tombstone });
            }
            index.place(digest)?
        };
        let blobs = self.inner.root.join("blobs");
        let Some(place) = place else { return Ok(None) };
        let (path, bytes) = match place {
            Place::File => {
                let path = blobs::file_path(&blobs, digest);
                let bytes = self.inner.files.read(&path);
                (path, bytes)
            }
            Place::Pack { pack, offset, length } => {
                let path = blobs::pack_path(&blobs.join("packs"), pack);
                let bytes = self.inner.files.read_at(&path, offset, length as usize);
                (path, bytes)
            }
        };
        let bytes = match bytes {
            Ok(bytes) if Digest::sha256(&bytes) == *digest => return Ok(Some(bytes)),
            other => other,
        };
        // It may have been deleted since its place was looked up.
        if let Some(tombstone) = self.inner.index().tombstone(digest)? {
            return Err(StoreError::Deleted { digest: *digest, tombstone });
        }
        match bytes {
            Ok(_) => Err(StoreError::Blob { path, digest: *digest }),
            Err(source) => Err(StoreError::Io { path, source }),
        }
    }

    /// The newest checkpoint of a log; the evidence log's where the home has no such log.
    pub fn checkpoint(&self, log: LogName) -> Result<VerifiedCheckpoint, StoreError> {
        Ok(self.inner.log(log)?.checkpoint().clone())
    }

    /// The index for reading, and for forgetting what is gone.
    pub(crate) fn index(&self) -> MutexGuard<'_, Index> {
        self.inner.index()
    }

    /// Keeps every append away until it is dropped.
    pub(crate) fn alone(&self) -> RwLockWriteGuard<'_, ()> {
        self.inner.appending.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lookups(&self) -> &Lookups {
        &self.inner.lookups
    }

    pub(crate) fn files(&self) -> &dyn Files {
        self.inner.files.as_ref()
    }

    pub(crate) fn log(&self, name: LogName) -> Result<MutexGuard<'_, Log>, StoreError> {
        self.inner.log(name)
    }

    pub fn log_id(&self, log: LogName) -> Option<LogId> {
        self.inner.settings.logs.iter().find(|id| id.name == log).cloned()
    }

    pub fn root(&self) -> &Path {
        &self.inner.root
    }

    /// # Errors
    /// Tiles are missing or damaged, or the leaf is beyond the size.
    pub fn inclusion(&self, log: LogName, index: u64, size: u64) -> Result<Vec<Hash>, StoreError> {
        let log = self.inner.log(log)?;
        Ok(inclusion_proof(&log.nodes(self.inner.files.as_ref()), index, size)?)
    }

    /// A proof of one entry under the newest checkpoint, to be handed on with the entry's bytes in it.
    ///
    /// # Errors
    /// As [`Store::inclusion`].
    pub fn proof(&self, name: LogName, index: u64) -> Result<LogProof, StoreError> {
        let files = self.inner.files.as_ref();
        let log = self.inner.log(name)?;
        let checkpoint = log.checkpoint();
        if index >= checkpoint.size() {
            let source = linkward_ledger::ProofError::Index { index, size: checkpoint.size() }.into();
            return Err(StoreError::Record { index, source });
        }
        Ok(LogProof {
            extra: Some(log.leaf(index, files)?),
            index,
            hashes: inclusion_proof(&log.nodes(files), index, checkpoint.size())?,
            checkpoint: checkpoint.note().to_vec(),
        })
    }

    /// # Errors
    /// Tiles are missing or damaged.
    pub fn consistency(&self, log: LogName, from: u64, to: u64) -> Result<Vec<Hash>, StoreError> {
        let log = self.inner.log(log)?;
        if from > to {
            let source = linkward_ledger::ProofError::Shrinks { from, to }.into();
            return Err(StoreError::Record { index: from, source });
        }
        Ok(consistency_proof(&log.nodes(self.inner.files.as_ref()), from, to)?)
    }

    /// # Errors
    /// The index cannot be read.
    pub fn rows(&self, filter: &Filter) -> Result<Vec<Row>, StoreError> {
        Ok(self.inner.index().rows(filter)?)
    }

    /// Records from an index on, oldest first, without a gap: for folds that must miss none. The index may be a moment
    /// behind the log; what it does not have yet is for the next call.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn rows_from(&self, from: u64, most: usize) -> Result<Vec<Row>, StoreError> {
        let size = self.checkpoint(LogName::Evidence)?.size();
        let until = size.min(from.saturating_add(most as u64));
        if from >= until {
            return Ok(Vec::new());
        }
        let limit = usize::try_from(until - from).unwrap_or(most);
        let mut rows = self.rows(&Filter { kind: None, term: None, before: Some(until), limit })?;
        rows.reverse();
        let gapless = rows.iter().zip(from..).take_while(|(row, index)| row.index == *index).count();
        rows.truncate(gapless);
        Ok(rows)
    }

    /// The body of a record, proven to be in the log.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn body(&self, index: u64) -> Result<Body, StoreError> {
        self.read(index)?.body().map_err(|source| StoreError::Record { index, source })
    }

    /// # Errors
    /// The index cannot be read.
    pub fn counts(&self) -> Result<BTreeMap<Kind, u64>, StoreError> {
        Ok(self.inner.index().counts()?)
    }

    /// # Errors
    /// The index cannot be read.
    pub fn terms(&self, kind: TermKind, prefix: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        Ok(self.inner.index().terms(kind, prefix, limit)?)
    }

    /// How the witnesses stand that this home asks; `None` where it asks none.
    pub fn witnesses(&self) -> Option<Vec<Standing>> {
        let standings = self.inner.standings.as_ref()?;
        Some(standings.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    /// The journal of gate decisions.
    pub fn journal(&self) -> &Journal {
        &self.inner.journal
    }

    /// Seals what the journal holds into one record; how many decisions it was.
    ///
    /// # Errors
    /// As [`Store::append`]; what was not sealed stays in the journal.
    pub fn seal_journal(&self, now: Instant) -> Result<u64, StoreError> {
        let io = |source| StoreError::Io { path: self.inner.root.join("journal"), source };
        let mut sealed = 0;
        for segment in self.inner.journal.segments().map_err(io)? {
            let decisions = segment.decisions();
            sealed += decisions.count();
            let documents = vec![segment.bytes().to_vec()];
            self.append(decisions, documents, now)?;
            segment.discard().map_err(io)?;
        }
        Ok(sealed)
    }

    /// Seals the journal, lets the sequencer finish and stops it. Later appends fail.
    pub fn close(&self) {
        // What cannot be sealed now stays in the journal for the next start.
        let _ = self.seal_journal(Instant::now());
        self.inner.stop();
    }
}

/// The index as it stands, folded up to the logs; made again where it does not fit them.
fn open_index(
    root: &Path,
    logs: &Logs,
    packs: &Path,
    blobs: &Path,
    files: &dyn Files,
) -> Result<Index, StoreError> {
    let path = root.join("index.db");
    let opened = Index::open(&path).and_then(|index| {
        let fits = fits(&index, logs)?;
        Ok((index, fits))
    });
    let mut index = match opened {
        Ok((index, true)) => index,
        Ok((mut index, false)) => {
            index.clear()?;
            index
        }
        Err(_) => {
            for name in ["index.db", "index.db-wal", "index.db-shm"] {
                let _ = std::fs::remove_file(root.join(name));
            }
            Index::open(&path)?
        }
    };
    fold_forward(&mut index, logs, packs, blobs, files)?;
    Ok(index)
}

/// Whether an index can be the fold of these logs: no larger, and its last record is theirs.
fn fits(index: &Index, logs: &Logs) -> rusqlite::Result<bool> {
    for (name, log) in logs {
        let log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if index.size(*name)? > log.checkpoint().size() {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(crate) fn fold_forward(
    index: &mut Index,
    logs: &Logs,
    packs: &Path,
    blobs: &Path,
    files: &dyn Files,
) -> Result<(), StoreError> {
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |source| StoreError::Io { path, source }
    };
    let behind = logs.iter().any(|(name, log)| {
        let size = log.lock().unwrap_or_else(PoisonError::into_inner).checkpoint().size();
        index.size(*name).map_or(true, |folded| folded < size)
    });
    if !behind {
        return Ok(());
    }
    let (last_pack, last_offset) = index.scanned()?;
    for pack in blobs::numbers(packs, files).map_err(io(packs))? {
        if pack < last_pack {
            continue;
        }
        let path = blobs::pack_path(packs, pack);
        let mut scan = Scan::new(&path, files, if pack == last_pack { last_offset } else { 0 });
        index.transact(|fold| {
            while let Some(Ok(frame)) = scan.next() {
                let (offset, length) = (frame.offset, frame.length);
                if !frame.erased {
                    fold.blob(&frame.digest, Place::Pack { pack, offset, length })?;
                }
            }
            fold.set("pack", u64::from(pack))?;
            fold.set("offset", scan.offset())
        })?;
    }
    for (name, log) in logs {
        let log = log.lock().unwrap_or_else(PoisonError::into_inner);
        let size = log.checkpoint().size();
        let mut at = index.size(*name)?;
        while at < size {
            let until = size.min(at + 1024);
            let mut leaves = Vec::new();
            for (number, leaf) in (at..).zip(log.leaves(at, until, files)?) {
                leaves.push((number, fold_leaf(*name, number, &leaf, index, packs, blobs, files)?));
            }
            index.transact(|fold| {
                for (number, leaf) in &leaves {
                    match leaf {
                        Folded::Record(envelope, body, large) => {
                            for digest in large {
                                fold.blob(digest, Place::File)?;
                            }
                            fold.record(*number, envelope, body)?;
                        }
                        Folded::Entry(hash) => fold.entry(*name, hash, *number)?,
                    }
                }
                fold.set(name.as_str(), until)
            })?;
            at = until;
        }
    }
    Ok(())
}

enum Folded {
    Record(Envelope, Body, Vec<Digest>),
    Entry(Hash),
}

fn fold_leaf(
    name: LogName,
    number: u64,
    leaf: &[u8],
    index: &Index,
    packs: &Path,
    blobs: &Path,
    files: &dyn Files,
) -> Result<Folded, StoreError> {
    if name != LogName::Evidence {
        return Ok(Folded::Entry(linkward_ledger::merkle::leaf_hash(leaf)));
    }
    let damaged = |source| StoreError::Record { index: number, source };
    let envelope = Envelope::decode(leaf).map_err(|error| damaged(error.into()))?;
    let mut large = Vec::new();
    let blob = match index.place(&envelope.blob)? {
        Some(Place::Pack { pack, offset, length }) => {
            files.read_at(&blobs::pack_path(packs, pack), offset, length as usize)
        }
        _ => {
            large.push(envelope.blob);
            files.read(&blobs::file_path(blobs, &envelope.blob))
        }
    };
    let blob = blob.map_err(|_| StoreError::Blob { path: blobs.to_path_buf(), digest: envelope.blob })?;
    let body = Body::decode(&blob).map_err(|error| damaged(error.into()))?;
    for digest in &body.documents {
        if index.place(digest)?.is_none() {
            large.push(*digest);
        }
    }
    Ok(Folded::Record(envelope, body, large))
}
