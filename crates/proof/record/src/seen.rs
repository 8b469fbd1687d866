//! The memory of checkpoints that were seen, outside the home: what rolls a whole home back cannot roll this back.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use linkward_ledger::merkle::{Hash, verify_consistency};
use linkward_ledger::{Checkpoint, CheckpointError, LogName, VerifiedCheckpoint};
use linkward_model::Digest;

use crate::{Store, StoreError};

/// What the memory says of a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Never seen before.
    First,
    /// It extends what was seen.
    Extends { from: u64, to: u64 },
}

/// A log that does not extend what was seen of it.
#[derive(Debug, thiserror::Error)]
pub enum RolledBack {
    #[error("the log has {now} records, but {seen} were seen before: it was rolled back")]
    Smaller { seen: u64, now: u64 },
    #[error("the log does not contain the first {seen} records that were seen before: it was forked")]
    Forked { seen: u64 },
    #[error(
        "this place held log {before}, now it holds {now}: the home was replaced; if you did that, remove {memory}"
    )]
    Replaced { before: String, now: String, memory: PathBuf },
    #[error("{path}: memory of checkpoints is unreadable")]
    Memory { path: PathBuf, source: io::Error },
    #[error(
        "{path}: memory of checkpoints is damaged; compare the home with a copy you trust, then remove this file"
    )]
    Damaged { path: PathBuf, source: CheckpointError },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Compares a home with the memory and remembers what it shows now.
///
/// # Errors
/// The home was rolled back, forked or replaced; the memory keeps what it had.
pub fn check(memory: &Path, store: &Store) -> Result<Seen, RolledBack> {
    let checkpoint = store.checkpoint(LogName::Evidence)?;
    let prove = |from| store.consistency(LogName::Evidence, from, checkpoint.size());
    compare(memory, store.root(), &checkpoint, prove)
}

/// As [`check`], for a checkpoint and a source of consistency proofs that came from elsewhere.
///
/// # Errors
/// As [`check`].
pub fn compare(
    memory: &Path,
    home: &Path,
    checkpoint: &VerifiedCheckpoint,
    prove: impl FnOnce(u64) -> Result<Vec<Hash>, StoreError>,
) -> Result<Seen, RolledBack> {
    let unreadable = |path: &Path| {
        let path = path.to_path_buf();
        move |source| RolledBack::Memory { path, source }
    };
    fs::create_dir_all(memory).map_err(unreadable(memory))?;
    let place = memory.join(Digest::sha256(home.as_os_str().as_encoded_bytes()).hex());
    let before = match fs::read_to_string(&place) {
        // Damage is not never seen: whoever can spoil this file must not thereby roll the home back.
        Ok(text) => match Checkpoint::parse(&text) {
            Ok(before) => Some(before),
            Err(source) => return Err(RolledBack::Damaged { path: place, source }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(source) => return Err(RolledBack::Memory { path: place, source }),
    };
    let seen = match before {
        None => Seen::First,
        Some(before) if before.origin != checkpoint.origin() => {
            let now = checkpoint.origin().to_owned();
            return Err(RolledBack::Replaced { before: before.origin, now, memory: place });
        }
        Some(before) if before.size > checkpoint.size() => {
            return Err(RolledBack::Smaller { seen: before.size, now: checkpoint.size() });
        }
        // Every log extends the empty one.
        Some(before) if before.size == 0 => Seen::Extends { from: 0, to: checkpoint.size() },
        Some(before) => {
            let proof = prove(before.size)?;
            verify_consistency(before.size, checkpoint.size(), &before.root, &checkpoint.root(), &proof)
                .map_err(|_| RolledBack::Forked { seen: before.size })?;
            Seen::Extends { from: before.size, to: checkpoint.size() }
        }
    };
    if seen == (Seen::Extends { from: checkpoint.size(), to: checkpoint.size() }) {
        return Ok(seen);
    }
    let text = Checkpoint {
        origin: checkpoint.origin().to_owned(),
        size: checkpoint.size(),
        root: checkpoint.root(),
        extensions: Vec::new(),
    }
    .text();
    let draft = place.with_extension(format!("new-{}", std::process::id()));
    fs::write(&draft, text).and_then(|()| fs::rename(&draft, &place)).map_err(unreadable(&place))?;
    Ok(seen)
}

/// Size of the log that is remembered of a home, if it is this log.
pub fn size(memory: &Path, home: &Path, origin: &str) -> Option<u64> {
    let place = memory.join(Digest::sha256(home.as_os_str().as_encoded_bytes()).hex());
    let before = Checkpoint::parse(&fs::read_to_string(place).ok()?).ok()?;
    (before.origin == origin).then_some(before.size)
}
