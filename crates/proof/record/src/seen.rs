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
    /// It has another name and key, and everything that was seen: a restored home.
    Renamed { from: u64, to: u64 },
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
        "this place held log {before} with {seen} records that were seen, now it holds {now} without all of them: the home was replaced, or restored from an older backup; if you did that and accept the loss, remove {memory}"
    )]
    Replaced { before: String, seen: u64, now: String, memory: PathBuf },
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
        // A restored home goes on as another log. It may, if nothing that was seen is missing from it.
        Some(before) if before.origin != checkpoint.origin() => {
            let (size, now) = (before.size, checkpoint.size());
            let continues = size <= now
                && (size == 0
                    || prove(size).is_ok_and(|proof| {
                        verify_consistency(size, now, &before.root, &checkpoint.root(), &proof).is_ok()
                    }));
            if !continues {
                let now = checkpoint.origin().to_owned();
                return Err(RolledBack::Replaced { before: before.origin, seen: size, now, memory: place });
            }
            Seen::Renamed { from: size, to: now }
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

/// What is remembered of the log of a home.
pub fn last(memory: &Path, home: &Path) -> Option<Checkpoint> {
    let place = memory.join(Digest::sha256(home.as_os_str().as_encoded_bytes()).hex());
    Checkpoint::parse(&fs::read_to_string(place).ok()?).ok()
}

/// Forgets what was seen of a home.
///
/// # Errors
/// The memory cannot be changed.
pub fn forget(memory: &Path, home: &Path) -> io::Result<()> {
    match fs::remove_file(memory.join(Digest::sha256(home.as_os_str().as_encoded_bytes()).hex())) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
