//! A copy of logs and blobs as they are at one checkpoint each, made while they grow; and the way back: the same tree
//! under a new name and key, because a log that lost entries must never go on as the one that had them.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use linkward_ledger::key::NoteKey;
use linkward_ledger::tile::{WIDTH, entries_path, tiles_of, width_at};
use linkward_ledger::{LogId, LogName, VerifiedCheckpoint};

use crate::blobs;
use crate::log::{self, CheckpointSigner, Log, LogError};
use crate::store::{Store, StoreError};
use crate::{Files, RealFiles};

impl Store {
    /// Copies logs and blobs into an empty folder; durable when it returns. What is appended meanwhile is not in it.
    ///
    /// # Errors
    /// Something cannot be read or written.
    pub fn backup(&self, to: &Path) -> Result<Vec<(LogName, VerifiedCheckpoint)>, StoreError> {
        let files = self.files();
        // Checkpoints first: whatever their leaves name was durable before them.
        let mut checkpoints = Vec::new();
        for name in [LogName::Evidence, LogName::Signing, LogName::Certificates] {
            if self.log_id(name).is_some() {
                checkpoints.push((name, self.checkpoint(name)?));
            }
        }
        for (name, checkpoint) in &checkpoints {
            let from = self.root().join("logs").join(name.as_str());
            copy_log(&from, &to.join("logs").join(name.as_str()), checkpoint, files)?;
        }
        let (from, to) = (self.root().join("blobs"), to.join("blobs"));
        copy_blobs(&from, &to, files).map_err(|source| StoreError::Io { path: to, source })?;
        Ok(checkpoints)
    }
}

fn copy_log(
    from: &Path,
    to: &Path,
    checkpoint: &VerifiedCheckpoint,
    files: &dyn Files,
) -> Result<(), LogError> {
    let size = checkpoint.size();
    for tile in tiles_of(size) {
        let hashes = log::read_tile(from, tile, files)?;
        let bytes: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
        put(&to.join(tile.path()), &bytes)?;
    }
    for bundle in 0..size.div_ceil(WIDTH) {
        let width = width_at(0, bundle, size);
        let (path, bytes) = log::read_bundle(from, bundle, size, files)?;
        let whole = |entry: Option<&[u8]>| entry.map_or(0, |entry| entry.len() + 2);
        let length: usize = log::split_entries(&bytes).take(usize::from(width)).map(whole).sum();
        let cut = bytes.get(..length).filter(|cut| log::split_entries(cut).count() == usize::from(width));
        let cut =
            cut.ok_or_else(|| LogError::Damaged { path, what: format!("has not {width} whole entries") })?;
        put(&to.join(entries_path(bundle, width)), cut)?;
    }
    put(&to.join("checkpoint"), checkpoint.note())
}

fn put(path: &Path, bytes: &[u8]) -> Result<(), LogError> {
    let write = || {
        let files = RealFiles;
        let folder = path.parent().unwrap_or(Path::new("."));
        files.create_dir_all(folder)?;
        files.create(path, bytes)?;
        files.sync(path)?;
        files.sync_dir(folder)
    };
    write().map_err(|source| LogError::Io { path: path.to_path_buf(), source })
}

fn copy_blobs(from: &Path, to: &Path, files: &dyn Files) -> io::Result<()> {
    let real = RealFiles;
    let (packs, target) = (from.join("packs"), to.join("packs"));
    real.create_dir_all(&target)?;
    for number in blobs::numbers(&packs, files)? {
        let path = blobs::pack_path(&packs, number);
        // A pack may be growing: what comes later is of no leaf in this copy.
        let length = files.length(&path)?.unwrap_or(0);
        let copy = blobs::pack_path(&target, number);
        let mut source = std::fs::File::open(&path)?.take(length);
        io::copy(&mut source, &mut std::fs::File::create(&copy)?)?;
        real.sync(&copy)?;
    }
    real.sync_dir(&target)?;
    let large = from.join("sha256");
    for fan in files.list(&large)? {
        let folder = to.join("sha256").join(&fan);
        real.create_dir_all(&folder)?;
        for name in files.list(&large.join(&fan))?.iter().filter(|name| !name.ends_with(".new")) {
            let copy = folder.join(name);
            std::fs::copy(large.join(&fan).join(name), &copy)?;
            real.sync(&copy)?;
        }
        real.sync_dir(&folder)?;
    }
    Ok(())
}

/// Lets the tree in a folder go on as another log: same leaves, same root, new origin and key. Gives the checkpoint
/// that it had as the old one.
///
/// # Errors
/// The old checkpoint is not by the old key or not of these tiles, or the new one cannot be signed or written.
pub fn rename_log(
    folder: &Path,
    old: &LogId,
    new: &LogId,
    signer: &mut dyn CheckpointSigner,
) -> Result<VerifiedCheckpoint, LogError> {
    let files = RealFiles;
    let path: PathBuf = folder.join("checkpoint");
    let note = files.read(&path).map_err(|source| LogError::Io { path: path.clone(), source })?;
    let key: NoteKey = old.key.parse()?;
    let before = VerifiedCheckpoint::open(&note, &key)
        .map_err(|source| LogError::Checkpoint { path: path.clone(), source })?;
    Log::rename(folder, new, &before, &files, signer)?;
    Ok(before)
}
