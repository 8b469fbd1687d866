//! Checkpoints, C2SP tlog-checkpoint v1.0: origin, size and root of a log, as a signed note.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::key::NoteKey;
use crate::merkle::Hash;
use crate::note::{Note, NoteError};

/// What a checkpoint says. Saying is not proving: see [`VerifiedCheckpoint`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    pub origin: String,
    pub size: u64,
    pub root: Hash,
    /// Lines behind the root, kept as they are.
    pub extensions: Vec<String>,
}

/// Why a checkpoint was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error("checkpoint is not a signed note")]
    Note(#[from] NoteError),
    #[error("checkpoint's {0} is missing or malformed")]
    Line(&'static str),
    #[error("checkpoint is of log `{found}`, expected `{expected}`")]
    Origin { found: String, expected: String },
    #[error("checkpoint carries no valid signature of {0}")]
    Signature(String),
}

impl Checkpoint {
    /// Reads the text of a note.
    ///
    /// # Errors
    /// Anything but origin, decimal size and base64 root on the first three lines.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::Line("last line feed"))?.split('\n');
        let origin = lines.next().filter(|line| !line.is_empty()).ok_or(CheckpointError::Line("origin"))?;
        let size = lines.next().ok_or(CheckpointError::Line("size"))?;
        let canonical = size == "0" || !size.starts_with('0');
        let digits = !size.is_empty() && size.bytes().all(|b| b.is_ascii_digit());
        let size = size.parse().ok().filter(|_| canonical && digits).ok_or(CheckpointError::Line("size"))?;
        let root = lines
            .next()
            .and_then(|line| STANDARD.decode(line).ok())
            .and_then(|bytes| Hash::from_slice(&bytes))
            .ok_or(CheckpointError::Line("root hash"))?;
        let extensions: Vec<String> = lines.map(str::to_owned).collect();
        if extensions.iter().any(String::is_empty) {
            return Err(CheckpointError::Line("extension"));
        }
        Ok(Self { origin: origin.to_owned(), size, root, extensions })
    }

    /// The text that is signed.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root.0));
        for line in &self.extensions {
            text.push_str(line);
            text.push('\n');
        }
        text
    }
}

/// A checkpoint whose signature by the log's key was checked. There is no other way to make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    checkpoint: Checkpoint,
    note: Vec<u8>,
}

impl VerifiedCheckpoint {
    /// Checks a signed note against the key of the log; the key's name is the origin.
    ///
    /// # Errors
    /// Malformed, of another log, or not signed by the key.
    pub fn open(note: &[u8], key: &NoteKey) -> Result<Self, CheckpointError> {
        let parsed = Note::parse(note)?;
        let checkpoint = Checkpoint::parse(parsed.text())?;
        if checkpoint.origin != key.name() {
            return Err(CheckpointError::Origin {
                found: checkpoint.origin,
                expected: key.name().to_owned(),
            });
        }
        if !parsed.signed_by(key) {
            return Err(CheckpointError::Signature(key.name().to_owned()));
        }
        Ok(Self { checkpoint, note: note.to_vec() })
    }

    pub fn origin(&self) -> &str {
        &self.checkpoint.origin
    }

    pub const fn size(&self) -> u64 {
        self.checkpoint.size
    }

    pub const fn root(&self) -> Hash {
        self.checkpoint.root
    }

    /// The signed note, as it was opened.
    pub fn note(&self) -> &[u8] {
        &self.note
    }
}
