//! Look-ups that prove themselves: the runs of each log on disk, what is committed of them, and the answers.

mod builder;
mod file;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use linkward_ledger::lookup::{
    Answer, Commitment, Committed, Covered, Entry, Row, Run, Tail, TailLeaf, TermsOf, key,
};
use linkward_ledger::merkle::{Hash, Nodes as _, inclusion_proof};
use linkward_ledger::{Body, Envelope, Kind, LogName, Recordable, Term};
use linkward_model::Instant;

pub(crate) use self::builder::Builder;
use self::file::RunFile;
use crate::index::Filter;
use crate::store::{Store, StoreError};

/// Logs that can be looked through.
const LOGS: [LogName; 2] = [LogName::Evidence, LogName::Signing];
/// Most leaves that an answer delivers whole; beyond that the index is too far behind.
const MOST_TAIL: u64 = 4096;
/// Most leaves of a log that are indexed between two commitments: who asks meanwhile is not kept waiting.
const STEP: u64 = 1 << 16;
/// Leaves that are read at once.
const CHUNK: u64 = 1024;

/// Why a look-up has no answer.
#[derive(Debug, thiserror::Error)]
pub enum LookupFailure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{path}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{0} leaves are not indexed yet, more than an answer can deliver whole")]
    Behind(u64),
    #[error("the {} log cannot be looked through", .0.as_str())]
    Log(LogName),
    #[error("the index of leaves {from} to {until} is not the one that record {record} commits to")]
    Differs { from: u64, until: u64, record: u64 },
    #[error("record {0} commits to no index that can be read")]
    Commitment(u64),
}

/// What readers see: the newest commitment, with the runs that it names open.
#[derive(Debug, Default)]
struct Published {
    record: Option<u64>,
    committed: Committed,
    files: BTreeMap<LogName, Vec<RunFile>>,
}

/// The look-up index of an open home.
#[derive(Debug, Default)]
pub(crate) struct Lookups {
    published: Mutex<Option<Arc<Published>>>,
    /// One at a time makes runs.
    building: Mutex<()>,
}

/// The record of a commitment.
struct Commit(Committed);

impl Recordable for Commit {
    fn body(&self) -> Body {
        self.0.body()
    }
}

impl Store {
    /// Indexes the next leaves of the logs, and commits to it; the commitment's record, if there is a new one. To be called
    /// again until there is none.
    ///
    /// # Errors
    /// Leaves or files cannot be read or written. What was committed before stays.
    pub fn commit_lookups(&self, terms_of: &TermsOf<'_>, now: Instant) -> Result<Option<u64>, LookupFailure> {
        let lookups = self.lookups();
        let _one = lookups.building.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.published(terms_of)?;
        let mut logs = Vec::new();
        let mut news = false;
        for log in LOGS {
            let Ok(checkpoint) = self.checkpoint(log) else { continue };
            let folder = self.lookup_folder(log);
            let io = |source| LookupFailure::Io { path: folder.clone(), source };
            let runs = before.committed.of(log).map(|covered| covered.runs.clone()).unwrap_or_default();
            let at = runs.last().map_or(0, |run| run.until);
            // Always from what is committed: a commitment that failed is no reason to go on from its runs.
            let mut builder = Builder::new(folder.clone(), runs, at).map_err(io)?;
            let until = checkpoint.size() - checkpoint.size() % builder::BASE;
            let until = until.min(at + STEP);
            news |= builder.at() < until;
            self.build(log, &mut builder, until, terms_of)?;
            logs.push(Covered { log, runs: builder.runs });
        }
        if !news {
            return Ok(None);
        }
        let committed = Committed { logs };
        let record = self.append(Commit(committed.clone()), Vec::new(), now)?.index();
        self.tidy_lookups(&committed);
        let published = self.open_published(record, committed, None)?;
        *lookups.published.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(published));
        Ok(Some(record))
    }

    /// The leaves that carry a term, newest first, with the proof that none is left out.
    ///
    /// # Errors
    /// The index is behind, damaged, or cannot be read.
    pub fn lookup(
        &self,
        log: LogName,
        term: Term,
        before: Option<u64>,
        limit: usize,
        terms_of: &TermsOf<'_>,
    ) -> Result<Answer, LookupFailure> {
        if !LOGS.contains(&log) {
            return Err(LookupFailure::Log(log));
        }
        let published = self.published(terms_of)?;
        let checkpoint = self.checkpoint(log)?;
        let size = checkpoint.size();
        let until = before.unwrap_or(u64::MAX).min(size);
        let covered = published.committed.of(log).map_or(0, Covered::until);
        let mut answer = Answer::new(log, term, before, &checkpoint);
        let mut found = Vec::new();
        if until > covered {
            if size - covered > MOST_TAIL {
                return Err(LookupFailure::Behind(size - covered));
            }
            let tail = self.tail(log, covered, size)?;
            for (index, leaf) in (covered..until).zip(&tail.leaves) {
                let terms = self.terms_of_tail(log, leaf, terms_of);
                if terms.is_some_and(|terms| terms.contains(&answer.term)) {
                    found.push(index);
                }
            }
            found.reverse();
            answer.tail = Some(tail);
        }
        let io = |source| LookupFailure::Io { path: self.lookup_folder(log), source };
        let wanted = key(&answer.term);
        let none = Vec::new();
        let files = published.files.get(&log).unwrap_or(&none);
        for file in files.iter().rev().filter(|file| file.run.from < until) {
            let Some(rest) = limit.checked_sub(found.len()).filter(|rest| *rest > 0) else { break };
            let first = file.below(&Row { key: wanted, index: 0 }).map_err(io)?;
            let end = file.below(&Row { key: wanted, index: until }).map_err(io)?;
            let rows = file.rows(end.saturating_sub(rest as u64).max(first), end).map_err(io)?;
            found.extend(rows.iter().rev().map(|row| row.index));
        }
        found.truncate(limit);
        answer.from = if found.len() < limit { 0 } else { found.last().copied().unwrap_or(0) };
        for file in files.iter().rev().filter(|file| file.run.from < until && file.run.until > answer.from) {
            let Run { from, until: end, rows, root } = file.run;
            let low = Row { key: wanted, index: answer.from.max(from) };
            let piece = file.piece(&low, &Row { key: wanted, index: until.min(end) }).map_err(io)?;
            if piece.root(rows) != Some(root) {
                let record = published.record.unwrap_or(0);
                return Err(LookupFailure::Differs { from, until: end, record });
            }
            answer.pieces.push(piece);
        }
        answer.commitment = match published.record {
            Some(record) => Some(self.commitment(record)?),
            None => None,
        };
        answer.entries = self.lookup_entries(log, &found, size)?;
        Ok(answer)
    }

    fn lookup_entries(&self, log: LogName, found: &[u64], size: u64) -> Result<Vec<Entry>, StoreError> {
        let files = self.files();
        let guard = self.log(log)?;
        let nodes = guard.nodes(files);
        found
            .iter()
            .map(|index| {
                Ok(Entry {
                    index: *index,
                    leaf: String::from_utf8_lossy(&guard.leaf(*index, files)?).into_owned(),
                    hashes: inclusion_proof(&nodes, *index, size)?,
                })
            })
            .collect()
    }

    fn commitment(&self, record: u64) -> Result<Commitment, StoreError> {
        let proof = self.proof(LogName::Evidence, record)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let leaf = proof.extra.unwrap_or_default();
        let damaged = |source| StoreError::Record { index: record, source };
        let envelope = Envelope::decode(&leaf).map_err(|error| damaged(error.into()))?;
        let body = self.blob(&envelope.blob)?.unwrap_or_default();
        Ok(Commitment {
            checkpoint: text(&proof.checkpoint),
            index: record,
            hashes: proof.hashes,
            leaf: text(&leaf),
            body: text(&body),
        })
    }

    fn tail(&self, log: LogName, covered: u64, size: u64) -> Result<Tail, StoreError> {
        let files = self.files();
        let (peaks, leaves) = {
            let guard = self.log(log)?;
            let nodes = guard.nodes(files);
            let mut peaks = Vec::new();
            let mut at = 0;
            for level in (0..64u8).rev().filter(|level| (covered >> level) & 1 == 1) {
                peaks.push(nodes.node(level, at >> level)?);
                at += 1 << level;
            }
            (peaks, guard.leaves(covered, size, files)?)
        };
        let leaves = leaves.iter().map(|leaf| {
            let text = String::from_utf8_lossy(leaf).into_owned();
            let body = match Envelope::decode(leaf) {
                Ok(envelope) if log == LogName::Evidence => {
                    self.blob(&envelope.blob)?.map(|blob| String::from_utf8_lossy(&blob).into_owned())
                }
                _ => None,
            };
            Ok(TailLeaf { leaf: text, body })
        });
        Ok(Tail { peaks, leaves: leaves.collect::<Result<_, StoreError>>()? })
    }

    fn terms_of_tail(&self, log: LogName, leaf: &TailLeaf, terms_of: &TermsOf<'_>) -> Option<Vec<Term>> {
        if log != LogName::Evidence {
            return terms_of(leaf.leaf.as_bytes());
        }
        Some(Body::decode(leaf.body.as_ref()?.as_bytes()).ok()?.terms)
    }

    /// What is committed, with its runs open; those that are missing are made again and compared.
    fn published(&self, terms_of: &TermsOf<'_>) -> Result<Arc<Published>, LookupFailure> {
        let lookups = self.lookups();
        let mut published = lookups.published.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(published) = &*published {
            return Ok(Arc::clone(published));
        }
        let newest = self.rows(&Filter { kind: Some(Kind::Index), term: None, before: None, limit: 1 })?;
        let found = match newest.first() {
            None => Published::default(),
            Some(row) => {
                let committed = Committed::read(&self.body(row.index)?);
                let committed = committed.ok_or(LookupFailure::Commitment(row.index))?;
                self.open_published(row.index, committed, Some(terms_of))?
            }
        };
        let found = Arc::new(found);
        *published = Some(Arc::clone(&found));
        Ok(found)
    }

    fn open_published(
        &self,
        record: u64,
        committed: Committed,
        restore: Option<&TermsOf<'_>>,
    ) -> Result<Published, LookupFailure> {
        let mut files = BTreeMap::new();
        for Covered { log, runs } in &committed.logs {
            let folder = self.lookup_folder(*log);
            let io = |source| LookupFailure::Io { path: folder.clone(), source };
            let mut open = Vec::with_capacity(runs.len());
            for run in runs {
                let differs = || LookupFailure::Differs { from: run.from, until: run.until, record };
                let file = match (RunFile::open(&folder, *run).map_err(io)?, restore) {
                    (Some(file), _) => Some(file),
                    (None, Some(terms_of)) => {
                        let mut builder = Builder::new(folder.clone(), Vec::new(), run.from).map_err(io)?;
                        self.build(*log, &mut builder, run.until, terms_of)?;
                        if builder.runs != [*run] {
                            return Err(differs());
                        }
                        RunFile::open(&folder, *run).map_err(io)?
                    }
                    (None, None) => None,
                };
                open.push(file.ok_or_else(differs)?);
            }
            files.insert(*log, open);
        }
        Ok(Published { record: Some(record), committed, files })
    }

    fn build(
        &self,
        log: LogName,
        builder: &mut Builder,
        until: u64,
        terms_of: &TermsOf<'_>,
    ) -> Result<(), LookupFailure> {
        let files = self.files();
        while builder.at() < until {
            let at = builder.at();
            let leaves = self.log(log)?.leaves(at, until.min(at + CHUNK), files).map_err(StoreError::from)?;
            for (index, leaf) in (at..).zip(leaves) {
                let keys = self.keys_of(log, index, &leaf, terms_of)?;
                let made = builder.push(keys);
                made.map_err(|source| LookupFailure::Io { path: self.lookup_folder(log), source })?;
            }
        }
        Ok(())
    }

    fn keys_of(
        &self,
        log: LogName,
        index: u64,
        leaf: &[u8],
        terms_of: &TermsOf<'_>,
    ) -> Result<Vec<Hash>, StoreError> {
        if log != LogName::Evidence {
            return Ok(terms_of(leaf).unwrap_or_default().iter().map(key).collect());
        }
        let damaged = |source| StoreError::Record { index, source };
        let envelope = Envelope::decode(leaf).map_err(|error| damaged(error.into()))?;
        let blob = self.blob(&envelope.blob)?;
        let blob =
            blob.ok_or_else(|| StoreError::Blob { path: self.root().join("blobs"), digest: envelope.blob })?;
        let body = Body::decode(&blob).map_err(|error| damaged(error.into()))?;
        Ok(body.terms.iter().map(key).collect())
    }

    fn lookup_folder(&self, log: LogName) -> PathBuf {
        self.root().join("lookup").join(log.as_str())
    }

    /// Removes runs that became part of larger ones; readers keep the files that they have open.
    fn tidy_lookups(&self, committed: &Committed) {
        for Covered { log, runs } in &committed.logs {
            let folder = self.lookup_folder(*log);
            let kept: BTreeSet<PathBuf> =
                runs.iter().map(|run| file::path(&folder, run.from, run.until)).collect();
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                if !kept.contains(&entry.path()) {
                    let _ = std::fs::remove_file(entry.path());
                }
            }
        }
    }
}

/// Checks, leaf by leaf, that every commitment is to the index of the leaves before it.
#[derive(Debug)]
pub(crate) struct Check {
    folder: PathBuf,
    builders: BTreeMap<LogName, Builder>,
    made: BTreeMap<LogName, BTreeSet<(u64, u64, Hash)>>,
}

impl Check {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), builders: BTreeMap::new(), made: BTreeMap::new() }
    }

    /// The next leaf of a log.
    pub(crate) fn push(&mut self, log: LogName, keys: Vec<Hash>) -> io::Result<()> {
        let builder = match self.builders.entry(log) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(Builder::new(self.folder.join(log.as_str()), Vec::new(), 0)?)
            }
        };
        let made = builder.push(keys)?;
        let merged = made.len() > 1;
        for run in made {
            self.made.entry(log).or_default().insert((run.from, run.until, run.root));
        }
        if merged {
            // Only what is to be merged is needed on.
            let folder = self.folder.join(log.as_str());
            let kept: BTreeSet<PathBuf> =
                builder.runs.iter().map(|run| file::path(&folder, run.from, run.until)).collect();
            for entry in std::fs::read_dir(&folder)?.flatten() {
                if !kept.contains(&entry.path()) {
                    std::fs::remove_file(entry.path())?;
                }
            }
        }
        Ok(())
    }

    /// The first run of a commitment that is not the one of the leaves.
    pub(crate) fn wrong(&self, committed: &Committed) -> Option<(LogName, Run)> {
        committed.logs.iter().find_map(|covered| {
            let made = self.made.get(&covered.log);
            let right = |run: &Run| made.is_some_and(|made| made.contains(&(run.from, run.until, run.root)));
            covered.runs.iter().find(|run| !right(run)).map(|run| (covered.log, *run))
        })
    }
}
