//! The one thread that writes: it takes everything that is waiting, makes it durable as a group, then answers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use linkward_ledger::merkle::{Hash, inclusion_proof, leaf_hash};
use linkward_ledger::{Body, Envelope, LogName, VerifiedCheckpoint};
use linkward_model::Digest;

use crate::Files;
use crate::blobs::{Packs, Place};
use crate::index::Index;
use crate::log::{AppendError, CheckpointSigner, Log};
use crate::store::{StoreError, fold_forward};
use crate::witnesses::Witnesses;

/// Most leaves of one group.
const GROUP: usize = 1024;
/// How often an idle log looks after cosignatures that it lacks.
const TEND: Duration = Duration::from_millis(500);

/// A leaf that is durable, and its proof.
#[derive(Clone, Debug)]
pub struct Included {
    pub index: u64,
    pub size: u64,
    pub root: Hash,
    pub proof: Vec<Hash>,
    /// The signed note.
    pub checkpoint: Vec<u8>,
}

/// Leaves to append together, in order.
pub(crate) struct Job {
    pub(crate) log: LogName,
    pub(crate) leaves: Vec<Leaf>,
    /// Small blobs that are not stored yet.
    pub(crate) blobs: Vec<(Digest, Vec<u8>)>,
    /// Blobs that the caller has stored as files.
    pub(crate) large: Vec<Digest>,
    pub(crate) reply: SyncSender<Result<Vec<Included>, StoreError>>,
}

pub(crate) struct Leaf {
    pub(crate) bytes: Vec<u8>,
    /// What to fold into the index; absent for logs that only list entries.
    pub(crate) record: Option<(Envelope, Body)>,
}

pub(crate) type Logs = BTreeMap<LogName, Arc<Mutex<Log>>>;

pub(crate) struct Sequencer {
    pub(crate) files: Arc<dyn Files>,
    pub(crate) blobs: PathBuf,
    pub(crate) packs: Packs,
    pub(crate) logs: Logs,
    pub(crate) index: Index,
    pub(crate) signer: Box<dyn CheckpointSigner>,
    pub(crate) witnesses: Option<Witnesses>,
    /// Set once the disk's state is uncertain: nothing is written until the home is opened again.
    pub(crate) poisoned: Option<String>,
}

impl Sequencer {
    /// Runs until every sender is gone.
    pub(crate) fn run(mut self, jobs: &Receiver<Job>) {
        while let Some(first) = self.next(jobs) {
            let mut count = first.leaves.len();
            let mut group = vec![first];
            while count < GROUP
                && let Ok(job) = jobs.try_recv()
            {
                count += job.leaves.len();
                group.push(job);
            }
            self.commit(group);
        }
    }

    /// The next job; while there is none, what lacks witnesses is tended.
    fn next(&mut self, jobs: &Receiver<Job>) -> Option<Job> {
        loop {
            let lacks = |log: &Arc<Mutex<Log>>| {
                let log = log.lock().unwrap_or_else(PoisonError::into_inner);
                log.is_pending() || log.is_lacking()
            };
            if self.witnesses.is_none() || !self.logs.values().any(lacks) {
                return jobs.recv().ok();
            }
            match jobs.recv_timeout(TEND) {
                Ok(job) => return Some(job),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.tend(),
            }
        }
    }

    fn tend(&mut self) {
        if self.poisoned.is_some() {
            return;
        }
        for name in self.logs.keys().copied().collect::<Vec<_>>() {
            // What witnesses still lack to say is shown by how they stand.
            let _ = self.complete(name);
            let (Some(log), Some(witnesses)) = (self.logs.get(&name), &mut self.witnesses) else { continue };
            if !witnesses.watch(name) {
                continue;
            }
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            if log.is_lacking()
                && !log.is_pending()
                && let Err(error) = log.cosign_again(self.files.as_ref(), witnesses)
            {
                self.poisoned = Some(error.to_string());
            }
        }
    }

    /// Publishes what waits for witnesses, and folds it into the index.
    fn complete(&mut self, name: LogName) -> Result<(), StoreError> {
        let log = Arc::clone(self.logs.get(&name).ok_or(StoreError::NoLog(name))?);
        {
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            if !log.is_pending() {
                return Ok(());
            }
            let Some(witnesses) = &mut self.witnesses else { return Ok(()) };
            let result = log.complete(self.files.as_ref(), witnesses);
            self.published(result)?;
        }
        let folded =
            fold_forward(&mut self.index, &self.logs, self.packs.folder(), &self.blobs, self.files.as_ref());
        if let Err(error) = &folded {
            self.poisoned = Some(format!("the index could not be written: {error}"));
        }
        folded
    }

    fn published(&mut self, result: Result<(), AppendError>) -> Result<(), StoreError> {
        result.map_err(|error| match error {
            AppendError::NotDone(error) => StoreError::Log(error),
            AppendError::Unwitnessed(why) => StoreError::Unwitnessed(why),
            AppendError::Uncertain(error) => {
                let why = error.to_string();
                self.poisoned = Some(why.clone());
                StoreError::Poisoned(why)
            }
        })
    }

    fn commit(&mut self, group: Vec<Job>) {
        let mut by_log: BTreeMap<LogName, Vec<Job>> = BTreeMap::new();
        for job in group {
            by_log.entry(job.log).or_default().push(job);
        }
        for (name, jobs) in by_log {
            let result = match &self.poisoned {
                Some(why) => Err(StoreError::Poisoned(why.clone())),
                None => self.commit_log(name, &jobs),
            };
            match result {
                Ok(mut answers) => {
                    for job in jobs.iter().rev() {
                        let at = answers.len().saturating_sub(job.leaves.len());
                        // A caller that is gone has its record all the same.
                        let _ = job.reply.send(Ok(answers.split_off(at)));
                    }
                }
                Err(error) => {
                    for job in &jobs {
                        let _ = job.reply.send(Err(error.again()));
                    }
                }
            }
        }
    }

    fn commit_log(&mut self, name: LogName, jobs: &[Job]) -> Result<Vec<Included>, StoreError> {
        // Nothing follows what waits for its witnesses: what waits is never more than one group.
        self.complete(name)?;
        let log = Arc::clone(self.logs.get(&name).ok_or(StoreError::NoLog(name))?);
        // Data first: a leaf may never name a blob that a crash can take away.
        let mut blobs: Vec<(Digest, Vec<u8>)> =
            jobs.iter().flat_map(|job| job.blobs.iter().cloned()).collect();
        blobs.sort_by_key(|(digest, _)| *digest);
        blobs.dedup_by_key(|(digest, _)| *digest);
        // Nor one that another group stored since its caller looked: what is deleted must be gone from every place.
        let mut known = BTreeSet::new();
        for (digest, _) in &blobs {
            if self.index.stored(digest)? {
                known.insert(*digest);
            }
        }
        blobs.retain(|(digest, _)| !known.contains(digest));
        let io = |source| StoreError::Io { path: self.blobs.clone(), source };
        let places = self.packs.append(&blobs, self.files.as_ref()).map_err(io)?;
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        let first = log.checkpoint().size();
        // Entry logs give a known entry its first index again.
        let mut indexes = Vec::new();
        let mut fresh: Vec<Vec<u8>> = Vec::new();
        let mut hashes: BTreeMap<Hash, u64> = BTreeMap::new();
        for leaf in jobs.iter().flat_map(|job| &job.leaves) {
            if leaf.record.is_none() {
                let hash = leaf_hash(&leaf.bytes);
                let known = match hashes.get(&hash) {
                    Some(index) => Some(*index),
                    None => self.index.entry(name, &hash)?,
                };
                if let Some(known) = known {
                    indexes.push(known);
                    continue;
                }
                hashes.insert(hash, first + fresh.len() as u64);
            }
            indexes.push(first + fresh.len() as u64);
            fresh.push(leaf.bytes.clone());
        }
        if !fresh.is_empty() {
            let witnesses = self.witnesses.as_mut().filter(|witnesses| witnesses.watch(name));
            let result = log.append(&fresh, self.files.as_ref(), self.signer.as_mut(), witnesses);
            self.published(result)?;
        }
        let checkpoint = log.checkpoint().clone();
        self.fold(name, jobs, &indexes, &blobs, &places, &hashes, &checkpoint)?;
        let nodes = log.nodes(self.files.as_ref());
        indexes
            .iter()
            .map(|index| {
                Ok(Included {
                    index: *index,
                    size: checkpoint.size(),
                    root: checkpoint.root(),
                    proof: inclusion_proof(&nodes, *index, checkpoint.size())?,
                    checkpoint: checkpoint.note().to_vec(),
                })
            })
            .collect()
    }

    #[expect(clippy::too_many_arguments, reason = "one fold of one group: a struct would only rename them")]
    fn fold(
        &mut self,
        name: LogName,
        jobs: &[Job],
        indexes: &[u64],
        blobs: &[(Digest, Vec<u8>)],
        places: &[Place],
        hashes: &BTreeMap<Hash, u64>,
        checkpoint: &VerifiedCheckpoint,
    ) -> Result<(), StoreError> {
        let result = self.index.transact(|fold| {
            for ((digest, _), place) in blobs.iter().zip(places) {
                fold.blob(digest, *place)?;
                if let Place::Pack { pack, offset, length } = place {
                    fold.set("pack", u64::from(*pack))?;
                    fold.set("offset", offset + u64::from(*length))?;
                }
            }
            for digest in jobs.iter().flat_map(|job| &job.large) {
                fold.blob(digest, Place::File)?;
            }
            for (leaf, index) in jobs.iter().flat_map(|job| &job.leaves).zip(indexes) {
                if let Some((envelope, body)) = &leaf.record {
                    fold.record(*index, envelope, body)?;
                }
            }
            for (hash, index) in hashes {
                fold.entry(name, hash, *index)?;
            }
            fold.set(name.as_str(), checkpoint.size())
        });
        if let Err(error) = &result {
            // The log is ahead of its index now; opening the home again folds what is missing.
            self.poisoned = Some(format!("the index could not be written: {error}"));
        }
        Ok(result?)
    }
}
