//! What this home remembers of logs that it witnesses: one state a log, durable before anything is cosigned.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use linkward_ledger::key::NoteKey;
use linkward_ledger::note::Note;
use linkward_ledger::witness::{AddCheckpoint, Answer, Witnessed};
use linkward_ledger::{Checkpoint, VerifiedCheckpoint};
use linkward_model::Digest;

use crate::Files;

/// The witness of a home.
#[derive(Debug)]
pub struct Witness {
    folder: PathBuf,
    files: Arc<dyn Files>,
    keys: Vec<NoteKey>,
    states: BTreeMap<String, Mutex<State>>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Unread,
    /// Read from the disk, which may still forget it.
    Read(Option<Vec<u8>>),
    /// This process wrote and synced it.
    Durable(Vec<u8>),
}

/// An answer, and what it rests on.
#[derive(Debug)]
pub struct Heard {
    pub answer: Answer,
    /// Cosignature lines; empty unless the answer is to cosign.
    pub lines: String,
    /// The note that was cosigned before: with the one that is offered now, the evidence of a split view.
    pub before: Option<Vec<u8>>,
}

/// Why no answer can be given.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    #[error("{path}")]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "{0} is damaged: what was cosigned of this log is not known any more; restore it, or remove it once the log's operator showed that nothing forked"
    )]
    Damaged(PathBuf),
    #[error("cannot cosign: {0}")]
    Cosign(String),
}

impl Witness {
    /// A witness of the logs of these keys; a log may have several.
    pub fn new(folder: PathBuf, files: Arc<dyn Files>, keys: Vec<NoteKey>) -> Self {
        let states = keys.iter().map(|key| (key.name().to_owned(), Mutex::default())).collect();
        Self { folder, files, keys, states }
    }

    pub fn keys(&self) -> &[NoteKey] {
        &self.keys
    }

    /// Answers `add-checkpoint`. What is cosigned is durable first; requests about one log wait for each other, or two
    /// at once could roll it back.
    ///
    /// # Errors
    /// The state cannot be read or written, or there is no signature: nothing was cosigned.
    pub fn add(
        &self,
        body: &str,
        cosign: impl FnOnce(&VerifiedCheckpoint) -> Result<String, String>,
    ) -> Result<Heard, WitnessError> {
        let plain = |answer| Heard { answer, lines: String::new(), before: None };
        let Some(asked) = AddCheckpoint::parse(body) else { return Ok(plain(Answer::Malformed)) };
        let Some(origin) = asked.origin() else { return Ok(plain(Answer::Malformed)) };
        let Some(state) = self.states.get(&origin) else { return Ok(plain(Answer::UnknownLog)) };
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Unread) {
            *state = State::Read(self.read(&origin)?);
        }
        let before = match &*state {
            State::Unread | State::Read(None) => None,
            State::Read(Some(note)) | State::Durable(note) => Some(note.clone()),
        };
        let seen = match &before {
            None => None,
            Some(note) => Some(self.parse(note, &origin)?),
        };
        let answer = asked.answer(&self.keys, seen);
        let Answer::Cosign(offered) = &answer else {
            return Ok(Heard { answer, lines: String::new(), before });
        };
        let same = seen == Some(Witnessed { size: offered.size(), root: offered.root() });
        if !(same && matches!(*state, State::Durable(_))) {
            // Until the write has succeeded nobody knows what the disk holds.
            *state = State::Unread;
            self.write(&origin, offered.note())?;
            *state = State::Durable(offered.note().to_vec());
        }
        let lines = cosign(offered).map_err(WitnessError::Cosign)?;
        Ok(Heard { lines, answer, before })
    }

    /// The size that was last cosigned of each log.
    ///
    /// # Errors
    /// A state cannot be read.
    pub fn sizes(&self) -> Result<BTreeMap<String, u64>, WitnessError> {
        let mut sizes = BTreeMap::new();
        for origin in self.states.keys() {
            let size = match self.read(origin)? {
                Some(note) => self.parse(&note, origin)?.size,
                None => 0,
            };
            sizes.insert(origin.clone(), size);
        }
        Ok(sizes)
    }

    fn path(&self, origin: &str) -> PathBuf {
        self.folder.join(Digest::sha256(origin.as_bytes()).hex())
    }

    fn read(&self, origin: &str) -> Result<Option<Vec<u8>>, WitnessError> {
        let path = self.path(origin);
        match self.files.read(&path) {
            Ok(note) => Ok(Some(note)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(WitnessError::Io { path, source }),
        }
    }

    /// Its signature was checked before it was kept, perhaps by a key that the log has no more.
    fn parse(&self, note: &[u8], origin: &str) -> Result<Witnessed, WitnessError> {
        let checkpoint = Note::parse(note).ok().and_then(|note| Checkpoint::parse(note.text()).ok());
        match checkpoint.filter(|checkpoint| checkpoint.origin == origin) {
            Some(checkpoint) => Ok(Witnessed { size: checkpoint.size, root: checkpoint.root }),
            None => Err(WitnessError::Damaged(self.path(origin))),
        }
    }

    fn write(&self, origin: &str, note: &[u8]) -> Result<(), WitnessError> {
        let path = self.path(origin);
        let draft = path.with_extension("new");
        let files = self.files.as_ref();
        files
            .create_dir_all(&self.folder)
            .and_then(|()| files.create(&draft, note))
            .and_then(|()| files.sync(&draft))
            .and_then(|()| files.rename(&draft, &path))
            .and_then(|()| files.sync_dir(&self.folder))
            .map_err(|source| WitnessError::Io { path, source })
    }
}
