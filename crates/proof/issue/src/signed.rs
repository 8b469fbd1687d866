//! What the signer remembers of the checkpoints that it signed: kept beside its keys, and no secret.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use linkward_ledger::LogName;

/// How long a signer may take to finish after the process that asked it was killed.
const SETTLES: Duration = Duration::from_secs(20);

/// Where the signer remembers the last checkpoint of a log.
pub(crate) fn memory(keys: &Path, log: LogName) -> PathBuf {
    keys.join(format!("{}.signed", log.as_str()))
}

/// The text of the checkpoint that was last signed for a log; `None` where none was.
///
/// A log that stopped between signing and publishing asks for it: the signer will sign no other text of that size.
///
/// # Errors
/// The memory is there and cannot be read.
pub fn last_signed(keys: &Path, log: LogName) -> io::Result<Option<String>> {
    match std::fs::read_to_string(memory(keys, log)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Waits until no signer of these keys has a checkpoint left to sign, and keeps others out while the lock is held.
///
/// A signer outlives the process that was killed by as long as its last answer takes. Whoever reads its memory before
/// that takes what it is about to sign for unsigned. `None` where there is no folder of keys: a copy that is only read.
///
/// # Errors
/// The lock cannot be made, or another signer runs on.
pub fn settled(keys: &Path) -> io::Result<Option<File>> {
    if !keys.try_exists()? {
        return Ok(None);
    }
    let lock = File::options().create(true).append(true).open(keys.join("signer.lock"))?;
    let until = Instant::now() + SETTLES;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(Some(lock)),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(TryLockError::WouldBlock) => {
                let what = format!("another signer still uses the keys in {}", keys.display());
                return Err(io::Error::new(io::ErrorKind::WouldBlock, what));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// What remembering needs of a disk; a port, so that a test sees the order.
pub(crate) trait Disk {
    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Makes a file's content, or a folder's names, durable.
    fn sync(&self, path: &Path) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
}

pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        std::fs::write(path, bytes)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        std::fs::File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }
}

/// Remembers what is signed, durably, before the signature leaves this process: a memory that a power cut takes away
/// would let another checkpoint of the same size be signed.
pub(crate) fn remember(disk: &dyn Disk, memory: &Path, text: &str) -> io::Result<()> {
    let draft = memory.with_extension("new");
    disk.create(&draft, text.as_bytes())?;
    disk.sync(&draft)?;
    disk.rename(&draft, memory)?;
    disk.sync(memory.parent().unwrap_or(Path::new(".")))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use super::*;

    /// A page cache: content is durable once synced, names once their folder was.
    #[derive(Default)]
    struct Cache(Mutex<Inner>);

    #[derive(Default)]
    struct Inner {
        /// By name: the content, and whether it was synced.
        live: BTreeMap<PathBuf, (Vec<u8>, bool)>,
        durable: BTreeMap<PathBuf, Vec<u8>>,
        steps: usize,
        /// The step at which the power goes.
        cut: usize,
    }

    impl Cache {
        fn cut_at(cut: usize, before: &str) -> Self {
            let (path, bytes) = (PathBuf::from("keys/evidence.signed"), before.as_bytes().to_vec());
            let live = BTreeMap::from([(path.clone(), (bytes.clone(), true))]);
            Self(Mutex::new(Inner { live, durable: BTreeMap::from([(path, bytes)]), steps: 0, cut }))
        }

        fn step(&self, change: impl FnOnce(&mut Inner)) -> io::Result<()> {
            let mut inner = self.0.lock().unwrap();
            inner.steps += 1;
            if inner.steps > inner.cut {
                return Err(io::Error::other("no power"));
            }
            change(&mut inner);
            Ok(())
        }
    }

    impl Disk for Cache {
        fn create(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
            self.step(|inner| drop(inner.live.insert(path.to_owned(), (bytes.to_vec(), false))))
        }

        fn sync(&self, path: &Path) -> io::Result<()> {
            self.step(|inner| match inner.live.get_mut(path) {
                Some(file) => file.1 = true,
                // A folder: its names are durable now, with what of their content was synced.
                None => {
                    let whole = |(path, (bytes, synced)): (&PathBuf, &(Vec<u8>, bool))| {
                        (path.clone(), if *synced { bytes.clone() } else { Vec::new() })
                    };
                    inner.durable = inner.live.iter().map(whole).collect();
                }
            })
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.step(|inner| {
                let file = inner.live.remove(from).unwrap();
                // A journal may write the name before the content: the worst case is taken for the usual one.
                let seen = if file.1 { inner.durable.get(to).cloned() } else { Some(Vec::new()) };
                inner.durable.extend(seen.map(|bytes| (to.to_owned(), bytes)));
                inner.live.insert(to.to_owned(), file);
            })
        }
    }

    #[test]
    fn a_signer_that_is_not_done_is_waited_for() {
        let folder = linkward_testkit::scratch();
        let keys = folder.path();
        let held = settled(keys).unwrap();
        assert!(held.is_some());
        let memory = memory(keys, LogName::Evidence);
        let late = std::thread::spawn({
            let memory = memory.clone();
            move || {
                std::thread::sleep(Duration::from_millis(50));
                remember(&RealDisk, &memory, "late").unwrap();
                drop(held);
            }
        });
        drop(settled(keys).unwrap());
        assert_eq!(last_signed(keys, LogName::Evidence).unwrap().as_deref(), Some("late"));
        late.join().unwrap();
    }

    #[test]
    fn where_no_keys_are_nobody_signs() {
        let folder = linkward_testkit::scratch();
        assert!(settled(&folder.path().join("keys")).unwrap().is_none());
        assert!(!folder.path().join("keys").exists());
    }

    #[test]
    fn what_was_signed_outlives_a_power_cut() {
        let memory = Path::new("keys/evidence.signed");
        let mut told = 0;
        for cut in 0..=8 {
            let disk = Cache::cut_at(cut, "before");
            let done = remember(&disk, memory, "after").is_ok();
            let kept = disk.0.lock().unwrap().durable.get(memory).cloned().unwrap();
            let kept = String::from_utf8(kept).unwrap();
            // The signature leaves only if it is remembered; until then the old memory stays whole.
            assert!(if done { kept == "after" } else { kept == "before" }, "cut after {cut}: {kept:?}");
            told += usize::from(done);
        }
        assert!(told > 0 && told < 9, "both ends are reached");
    }
}
