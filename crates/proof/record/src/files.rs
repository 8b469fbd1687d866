//! The port to the file system. Everything durable goes through it, so that tests can lose, tear and refuse writes.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// What the record needs of a file system.
///
/// Contract: `create` and `append` promise nothing until `sync` of the file and `sync_dir` of its folder have
/// returned; `rename` replaces atomically and is durable after `sync_dir`; `create_dir_all` is durable when it
/// returns. A failed `sync` leaves the file's content unknown.
pub trait Files: Send + Sync + Debug {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>>;
    /// Bytes in the file; `None` where there is none.
    fn length(&self, path: &Path) -> io::Result<Option<u64>>;
    /// Writes a whole file, replacing what was there.
    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// As `create`; long runs of zeros need not take room.
    fn create_sparse(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.create(path, bytes)
    }
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    fn sync(&self, path: &Path) -> io::Result<()>;
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Syncs files, then folders; every one of them is durable when this returns.
    fn sync_all(&self, files: &[PathBuf], folders: &[PathBuf]) -> io::Result<()> {
        files.iter().try_for_each(|path| self.sync(path))?;
        folders.iter().try_for_each(|path| self.sync_dir(path))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Names in a folder, sorted; none where there is no folder.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
}

/// What file systems keep together: zeros of this size are left out of a sparse file.
const BLOCK: usize = 4096;
/// Most syncs that wait side by side.
const SYNCS: usize = 8;

/// The file system of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealFiles;

impl Files for RealFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::with_capacity(length.min(1 << 20));
        file.take(length as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        match fs::metadata(path) {
            Ok(meta) => Ok(Some(meta.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        fs::write(path, bytes)
    }

    fn create_sparse(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create(path)?;
        for block in bytes.chunks(BLOCK) {
            if block.iter().all(|byte| *byte == 0) {
                file.seek_relative(block.len() as i64)?;
            } else {
                file.write_all(block)?;
            }
        }
        file.set_len(bytes.len() as u64)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        OpenOptions::new().append(true).create(true).open(path)?.write_all(bytes)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        OpenOptions::new().append(true).open(path)?.sync_all()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    /// Together: a journalling file system commits syncs that wait side by side as one, instead of one after another.
    fn sync_all(&self, files: &[PathBuf], folders: &[PathBuf]) -> io::Result<()> {
        let all: Vec<&PathBuf> = files.iter().chain(folders).collect();
        let share = all.len().div_ceil(SYNCS).max(1);
        let sync = |paths: &[&PathBuf]| paths.iter().try_for_each(|path| File::open(path)?.sync_all());
        std::thread::scope(|scope| {
            let mut shares = all.chunks(share);
            let mine = shares.next().unwrap_or_default();
            let others: Vec<_> = shares.map(|paths| scope.spawn(move || sync(paths))).collect();
            let own = sync(mine);
            others
                .into_iter()
                .map(|thread| thread.join().unwrap_or_else(|_| Err(io::Error::other("a sync panicked"))))
                .fold(own, io::Result::and)
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            result => result?,
        };
        let mut names = entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.create_dir_all(parent)?;
            match fs::create_dir(path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => self.sync_dir(parent)?,
            }
        }
        Ok(())
    }
}
