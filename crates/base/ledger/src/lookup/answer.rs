//! An answer and its verification, by those who have nothing but the logs' keys.

use std::collections::BTreeSet;

use linkward_model::Digest;
use serde::{Deserialize, Serialize};

use super::{Committed, Piece, Row, Run, key};
use crate::key::NoteKey;
use crate::merkle::{Frontier, Hash, ProofError, leaf_hash, verify_inclusion};
use crate::{Body, CheckpointError, Envelope, Kind, LogName, Term, VerifiedCheckpoint};

/// Version of the document.
const VERSION: &str = "linkward.lookup/v1";

/// One page: the leaves from `from` to `before` that carry a term, with what proves that none is left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    pub version: String,
    pub log: LogName,
    pub term: Term,
    /// Only leaves below this index are spoken of; absent: all that the checkpoint has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// Only leaves from this index on are spoken of; 0 where nothing older is left to ask for.
    pub from: u64,
    /// The signed note of the log.
    pub checkpoint: String,
    /// Absent while nothing is covered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment: Option<Commitment>,
    /// A piece of each run that has leaves which are spoken of, the newest run first.
    pub pieces: Vec<Piece>,
    /// The leaves that no run covers; absent where none of them is spoken of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail: Option<Tail>,
    /// Newest first.
    pub entries: Vec<Entry>,
}

/// The record that commits to the runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commitment {
    /// The signed note of the evidence log.
    pub checkpoint: String,
    pub index: u64,
    pub hashes: Vec<Hash>,
    pub leaf: String,
    pub body: String,
}

/// The end of the log, whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tail {
    /// Roots of the complete subtrees of what is covered, largest first.
    pub peaks: Vec<Hash>,
    pub leaves: Vec<TailLeaf>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TailLeaf {
    pub leaf: String,
    /// The body of a record; absent in a log whose leaves say everything themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// A leaf that carries the term.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub index: u64,
    pub leaf: String,
    pub hashes: Vec<Hash>,
}

/// Why an answer proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    #[error("version `{0}` is not read here")]
    Version(String),
    #[error("no key was given for log `{0}`")]
    Key(String),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("the commitment to the index does not hold: {0}")]
    Commitment(&'static str),
    #[error("the commitment to the index is not in the log: {0}")]
    NotLogged(#[source] ProofError),
    #[error(
        "the index of leaves {from} to {until} is not the one that was committed: rows are missing, added or changed"
    )]
    Piece { from: u64, until: u64 },
    #[error("rows of leaves {from} to {until} that belong here may be left out")]
    Gap { from: u64, until: u64 },
    #[error("the leaves from {0} on are not the end of the log")]
    Tail(u64),
    #[error("leaf {0} cannot be read: whether it carries the term is unknown")]
    Unreadable(u64),
    #[error("entry {index} is not in the log: {source}")]
    Entry { index: u64, source: ProofError },
    #[error("the entries are not those that the index names")]
    Entries,
}

/// What an answer proved: the entries are all leaves from `from` to `until` that carry the term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complete {
    pub checkpoint: VerifiedCheckpoint,
    pub from: u64,
    pub until: u64,
    /// Newest first.
    pub indexes: Vec<u64>,
}

impl Complete {
    /// Whether nothing older is left to ask for.
    pub const fn is_last(&self) -> bool {
        self.from == 0
    }
}

/// What terms a leaf of a log of entries carries; `None` where it cannot be read.
pub type TermsOf<'a> = dyn Fn(&[u8]) -> Option<Vec<Term>> + 'a;

impl Answer {
    /// # Errors
    /// Not JSON of this shape.
    pub fn parse(text: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(text)
    }

    pub fn new(log: LogName, term: Term, before: Option<u64>, checkpoint: &VerifiedCheckpoint) -> Self {
        Self {
            version: VERSION.to_owned(),
            log,
            term,
            before,
            from: 0,
            checkpoint: String::from_utf8_lossy(checkpoint.note()).into_owned(),
            commitment: None,
            pieces: Vec::new(),
            tail: None,
            entries: Vec::new(),
        }
    }

    /// Checks the answer with the keys of the logs that it rests on.
    ///
    /// # Errors
    /// Anything is left out, added or changed, or cannot be checked.
    pub fn verify(&self, keys: &[NoteKey], terms_of: &TermsOf<'_>) -> Result<Complete, LookupError> {
        if self.version != VERSION {
            return Err(LookupError::Version(self.version.clone()));
        }
        let checkpoint = open(&self.checkpoint, keys)?;
        let until = self.before.unwrap_or(u64::MAX).min(checkpoint.size());
        let runs = match &self.commitment {
            None => Vec::new(),
            Some(commitment) => commitment.verify(self.log, &checkpoint, keys)?,
        };
        let covered = runs.last().map_or(0, |run| run.until);
        if covered > checkpoint.size() {
            return Err(LookupError::Commitment("it covers more leaves than the log has"));
        }
        let mut found = BTreeSet::new();
        if until > covered {
            let tail = self.tail.as_ref().ok_or(LookupError::Tail(covered))?;
            self.look_through(tail, covered, until, &checkpoint, terms_of, &mut found)?;
        }
        self.follow(&runs, until, &mut found)?;
        self.check_entries(&found, &checkpoint)?;
        let indexes: Vec<u64> = found.into_iter().rev().collect();
        Ok(Complete { checkpoint, from: self.from, until, indexes })
    }

    fn look_through(
        &self,
        tail: &Tail,
        covered: u64,
        until: u64,
        checkpoint: &VerifiedCheckpoint,
        terms_of: &TermsOf<'_>,
        found: &mut BTreeSet<u64>,
    ) -> Result<(), LookupError> {
        let edge = Frontier::from_peaks(covered, tail.peaks.clone());
        let mut edge = edge.ok_or(LookupError::Tail(covered))?;
        for (index, leaf) in (covered..).zip(&tail.leaves) {
            edge.push(leaf_hash(leaf.leaf.as_bytes()));
            if !(self.from..until).contains(&index) {
                continue;
            }
            let terms = leaf.terms(self.log, terms_of).ok_or(LookupError::Unreadable(index))?;
            if terms.contains(&self.term) {
                found.insert(index);
            }
        }
        if edge.size() == checkpoint.size() && edge.root() == checkpoint.root() {
            Ok(())
        } else {
            Err(LookupError::Tail(covered))
        }
    }

    /// Follows the runs from the newest on.
    fn follow(&self, runs: &[Run], until: u64, found: &mut BTreeSet<u64>) -> Result<(), LookupError> {
        let key = key(&self.term);
        let spoken_of = |run: &&Run| run.from < until && run.until > self.from;
        let mut pieces = self.pieces.iter();
        for run in runs.iter().rev().filter(spoken_of) {
            let (from, end) = (run.from, run.until);
            let piece = pieces.next().ok_or(LookupError::Gap { from, until: end })?;
            let ascending = piece.rows.is_sorted_by(|one, other| one < other);
            if !ascending || piece.root(run.rows) != Some(run.root) {
                return Err(LookupError::Piece { from, until: end });
            }
            // The neighbours on both sides lie outside what is asked for, or the run ends there.
            let low = Row { key, index: self.from.max(from) };
            let high = Row { key, index: until.min(end) };
            let begins = piece.start == 0 || piece.rows.first().is_some_and(|row| *row < low);
            let count = piece.start.saturating_add(piece.rows.len() as u64);
            let ends = count == run.rows || piece.rows.last().is_some_and(|row| *row >= high);
            if !(begins && ends) {
                return Err(LookupError::Gap { from, until: end });
            }
            found.extend(piece.rows.iter().filter(|row| (low..high).contains(row)).map(|row| row.index));
        }
        if pieces.next().is_some() { Err(LookupError::Entries) } else { Ok(()) }
    }

    fn check_entries(
        &self,
        found: &BTreeSet<u64>,
        checkpoint: &VerifiedCheckpoint,
    ) -> Result<(), LookupError> {
        if !found.iter().rev().eq(self.entries.iter().map(|entry| &entry.index)) {
            return Err(LookupError::Entries);
        }
        for entry in &self.entries {
            let leaf = leaf_hash(entry.leaf.as_bytes());
            verify_inclusion(entry.index, checkpoint.size(), &leaf, &entry.hashes, &checkpoint.root())
                .map_err(|source| LookupError::Entry { index: entry.index, source })?;
        }
        Ok(())
    }
}

fn open(note: &str, keys: &[NoteKey]) -> Result<VerifiedCheckpoint, LookupError> {
    let origin = note.lines().next().unwrap_or("");
    let key = keys.iter().find(|key| key.name() == origin);
    let key = key.ok_or_else(|| LookupError::Key(origin.chars().take(200).collect()))?;
    Ok(VerifiedCheckpoint::open(note.as_bytes(), key)?)
}

impl Commitment {
    /// The runs of a log that are committed to.
    fn verify(
        &self,
        log: LogName,
        target: &VerifiedCheckpoint,
        keys: &[NoteKey],
    ) -> Result<Vec<Run>, LookupError> {
        let checkpoint = open(&self.checkpoint, keys)?;
        // Who speaks for the log speaks for its index: a stranger's record must not.
        let home = |origin: &str| origin.split_once('.').map(|(home, _)| home.to_owned());
        if home(checkpoint.origin()) != home(target.origin()) {
            return Err(LookupError::Commitment("it is of another home"));
        }
        let leaf = leaf_hash(self.leaf.as_bytes());
        verify_inclusion(self.index, checkpoint.size(), &leaf, &self.hashes, &checkpoint.root())
            .map_err(LookupError::NotLogged)?;
        let envelope = Envelope::decode(self.leaf.as_bytes());
        let envelope = envelope.map_err(|_| LookupError::Commitment("its leaf is no record"))?;
        if envelope.kind != Kind::Index || Digest::sha256(self.body.as_bytes()) != envelope.blob {
            return Err(LookupError::Commitment("its body is not the one of its leaf"));
        }
        let committed = Body::decode(self.body.as_bytes()).ok().and_then(|body| Committed::read(&body));
        let committed = committed.ok_or(LookupError::Commitment("it names no runs without gaps"))?;
        Ok(committed.of(log).map(|covered| covered.runs.clone()).unwrap_or_default())
    }
}

impl TailLeaf {
    fn terms(&self, log: LogName, terms_of: &TermsOf<'_>) -> Option<Vec<Term>> {
        if log != LogName::Evidence {
            return terms_of(self.leaf.as_bytes());
        }
        let envelope = Envelope::decode(self.leaf.as_bytes()).ok()?;
        let body = self.body.as_ref()?;
        if Digest::sha256(body.as_bytes()) != envelope.blob {
            return None;
        }
        Some(Body::decode(body.as_bytes()).ok()?.terms)
    }
}
