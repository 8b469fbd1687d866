//! A file system in memory that models the page cache: what was not synced is lost when the machine stops, and any
//! write can fail, tear, or be the last. For tests of everything that writes.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::Files;

/// What happens at the chosen operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The machine stops before it.
    Stop,
    /// It fails with an I/O error, once.
    Error,
    /// The disk is full, once.
    Full,
    /// Half of the bytes are written, then the machine stops.
    Torn,
}

/// What of the unsynced state survives a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survives {
    Nothing,
    Everything,
    /// File contents, but not new names.
    Contents,
    /// New names, but not file contents.
    Names,
    /// Of each file and name by chance, as a page cache that was written out in any order: the old state, the new
    /// one, or a part of the new content.
    Some(u64),
}

/// Which syncs are silently left out, to show that each one matters.
pub type Lost = fn(&Path) -> bool;

#[derive(Clone, Debug, Default)]
struct Inode {
    current: Vec<u8>,
    durable: Vec<u8>,
    /// A failed sync leaves pages marked clean: the next one writes nothing (fsync and errors on Linux).
    unknown: bool,
}

#[derive(Clone, Default)]
struct State {
    inodes: BTreeMap<u64, Inode>,
    names: BTreeMap<PathBuf, u64>,
    durable: BTreeMap<PathBuf, u64>,
    folders: BTreeSet<PathBuf>,
    next: u64,
    operations: u64,
    fault: Option<(u64, Fault)>,
    stopped: bool,
    lost_files: Option<Lost>,
    lost_folders: Option<Lost>,
}

/// The file system; clones share it.
#[derive(Clone, Default)]
pub struct FaultyFiles {
    state: Arc<Mutex<State>>,
}

impl std::fmt::Debug for FaultyFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FaultyFiles after {} operations", self.operations())
    }
}

impl FaultyFiles {
    /// Lets the operation of this number, counted from 1, go wrong.
    pub fn fail_at(&self, operation: u64, fault: Fault) {
        self.state().fault = Some((operation, fault));
    }

    /// Syncs of files, and of folders, that from now on do nothing.
    pub fn lose_syncs(&self, files: Option<Lost>, folders: Option<Lost>) {
        let mut state = self.state();
        state.lost_files = files;
        state.lost_folders = folders;
    }

    /// Another file system, with what this one has in one folder in another one.
    #[must_use]
    pub fn copy(&self, from: &Path, to: &Path) -> Self {
        let mut state = self.state().clone();
        let moved =
            |path: &Path| path.strip_prefix(from).map_or_else(|_| path.to_path_buf(), |rest| to.join(rest));
        let names =
            |names: &BTreeMap<PathBuf, u64>| names.iter().map(|(path, id)| (moved(path), *id)).collect();
        (state.names, state.durable) = (names(&state.names), names(&state.durable));
        state.folders = state.folders.iter().map(|path| moved(path)).collect();
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// What every file holds now.
    pub fn every_file(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let state = self.state();
        let content = |id: &u64| state.inodes.get(id).map(|inode| inode.current.clone()).unwrap_or_default();
        state.names.iter().map(|(path, id)| (path.clone(), content(id))).collect()
    }

    /// Operations that changed something so far.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// The machine stops and starts again.
    pub fn restart(&self, survives: Survives) {
        let mut state = self.state();
        state.stopped = false;
        state.fault = None;
        let changed: BTreeSet<PathBuf> = state
            .names
            .keys()
            .chain(state.durable.keys())
            .filter(|path| state.names.get(*path) != state.durable.get(*path))
            .cloned()
            .collect();
        for (number, path) in changed.into_iter().enumerate() {
            let new = match survives {
                Survives::Nothing | Survives::Contents => false,
                Survives::Everything | Survives::Names => true,
                Survives::Some(seed) => mix(seed ^ number as u64) & 1 == 1,
            };
            let State { names, durable, .. } = &mut *state;
            let (from, to) = if new { (names, durable) } else { (durable, names) };
            match from.get(&path) {
                Some(id) => to.insert(path, *id),
                None => to.remove(&path),
            };
        }
        for (id, inode) in &mut state.inodes {
            match survives {
                Survives::Everything | Survives::Contents => inode.durable.clone_from(&inode.current),
                Survives::Nothing | Survives::Names => {}
                Survives::Some(seed) => match mix(seed ^ (id << 20)) {
                    chance if chance % 3 == 0 => {}
                    chance if chance % 3 == 1 => inode.durable.clone_from(&inode.current),
                    chance => {
                        // Growing files keep what was durable of them.
                        let kept = inode.durable.len().min(inode.current.len());
                        let grown = inode.current.len() - kept;
                        let end = kept + (chance >> 8) as usize % (grown + 1);
                        if inode.durable != inode.current {
                            inode.durable = inode.current.get(..end).unwrap_or_default().to_vec();
                        }
                    }
                },
            }
            inode.current.clone_from(&inode.durable);
            inode.unknown = false;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an operation that changes something, and says whether its bytes are torn.
    fn step(state: &mut State) -> io::Result<bool> {
        if state.stopped {
            return Err(io::Error::other("the machine has stopped"));
        }
        state.operations += 1;
        match state.fault {
            Some((at, fault)) if at == state.operations => match fault {
                Fault::Stop => {
                    state.stopped = true;
                    Err(io::Error::other("the machine has stopped"))
                }
                Fault::Error => Err(io::Error::other("input/output error")),
                Fault::Full => Err(io::ErrorKind::StorageFull.into()),
                Fault::Torn => {
                    state.stopped = true;
                    Ok(true)
                }
            },
            _ => Ok(false),
        }
    }

    fn write(&self, path: &Path, bytes: &[u8], from: fn(&Inode) -> usize) -> io::Result<()> {
        let mut state = self.state();
        let torn = Self::step(&mut state)?;
        let bytes = if torn { bytes.get(..bytes.len() / 2).unwrap_or_default() } else { bytes };
        let id = match state.names.get(path) {
            Some(id) => *id,
            None => {
                state.next += 1;
                let id = state.next;
                state.inodes.insert(id, Inode::default());
                state.names.insert(path.to_path_buf(), id);
                id
            }
        };
        if let Some(inode) = state.inodes.get_mut(&id) {
            let start = from(inode);
            inode.current.truncate(start);
            inode.current.extend_from_slice(bytes);
            inode.unknown = false;
        }
        if torn { Err(io::Error::other("the machine has stopped")) } else { Ok(()) }
    }

    fn bytes(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state();
        let id = state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        state.inodes.get(id).map(|inode| inode.current.clone()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Files for FaultyFiles {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.bytes(path)
    }

    fn read_at(&self, path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let bytes = self.bytes(path)?;
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let end = start.saturating_add(length).min(bytes.len());
        Ok(bytes.get(start..end).unwrap_or_default().to_vec())
    }

    fn length(&self, path: &Path) -> io::Result<Option<u64>> {
        Ok(self.bytes(path).ok().map(|bytes| bytes.len() as u64))
    }

    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.write(path, bytes, |_| 0)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.write(path, bytes, |inode| inode.current.len())
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let id = *state.names.get(path).ok_or(io::ErrorKind::NotFound)?;
        let result = Self::step(&mut state);
        let lost = state.lost_files.is_some_and(|lost| lost(path));
        let Some(inode) = state.inodes.get_mut(&id) else { return Ok(()) };
        match result {
            Ok(_) => {
                if !lost && !inode.unknown {
                    inode.durable = inode.current.clone();
                }
                Ok(())
            }
            Err(error) => {
                inode.unknown = true;
                Err(error)
            }
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        Self::step(&mut state)?;
        if state.lost_folders.is_some_and(|lost| lost(path)) {
            return Ok(());
        }
        let inside = |name: &Path| name.parent() == Some(path);
        let names = state.names.clone();
        state.durable.retain(|name, _| !inside(name));
        state.durable.extend(names.into_iter().filter(|(name, _)| inside(name)));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        Self::step(&mut state)?;
        let id = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_path_buf(), id);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        Self::step(&mut state)?;
        state.names.remove(path);
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let mut names: BTreeSet<String> = BTreeSet::new();
        for name in state.names.keys().chain(&state.folders) {
            if let Ok(rest) = name.strip_prefix(path)
                && let Some(first) = rest.components().next()
            {
                names.insert(first.as_os_str().to_string_lossy().into_owned());
            }
        }
        Ok(names.into_iter().collect())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        if state.stopped {
            return Err(io::Error::other("the machine has stopped"));
        }
        state.folders.insert(path.to_path_buf());
        Ok(())
    }
}

/// A number that looks random but depends on its argument alone (SplitMix64).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
