//! Gate decisions on their way into the log: written at once, synced and sealed in batches.
//!
//! What a crash of the machine may lose is stated: decisions of the last moments that the kernel had not written
//! out. A crash of the process loses none, and a verdict is never here: it was durable before a gate could use it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use linkward_ledger::{Body, Kind, Recordable};
use linkward_model::Digest;
use serde_json::json;

/// A segment is cut off at this size, and a journal that nobody seals stops growing at eight of them.
const SEGMENT: u64 = 4 << 20;

#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    open: Mutex<Open>,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct Open {
    file: File,
    length: u64,
    number: u64,
    unsealed: u64,
}

/// A cut-off piece of the journal, to be sealed and discarded.
#[derive(Debug)]
pub(crate) struct Segment {
    path: PathBuf,
    bytes: Vec<u8>,
    dropped: u64,
}

/// A sealed batch of decisions: a record whose document holds them, one JSON object a line.
#[derive(Clone, Debug)]
pub struct Decisions {
    document: Digest,
    count: u64,
    dropped: u64,
}

impl Decisions {
    pub fn count(&self) -> u64 {
        self.count
    }
}

impl Recordable for Decisions {
    fn body(&self) -> Body {
        let says = json!({ "document": self.document, "decisions": self.count, "dropped": self.dropped });
        Body::new(Kind::Decisions, Vec::new(), vec![self.document], says)
    }
}

impl Journal {
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let number = numbers(folder)?.last().map_or(0, |number| number + 1);
        let open = Open { file: create(folder, number)?, length: 0, number, unsealed: 0 };
        Ok(Self { folder: folder.to_path_buf(), open: Mutex::new(open), dropped: AtomicU64::new(0) })
    }

    /// Adds one line. Returns whether it was kept: a journal that is full drops and counts, it never blocks a gate.
    pub fn push(&self, line: &[u8]) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let full = open.unsealed >= 8 * SEGMENT;
        let mut bytes = line.to_vec();
        bytes.push(b'\n');
        if full || open.file.write_all(&bytes).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        open.length += bytes.len() as u64;
        open.unsealed += bytes.len() as u64;
        true
    }

    /// Decisions that were not kept since the last seal.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Whether there is anything to seal.
    pub fn is_empty(&self) -> bool {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).length == 0 && self.dropped() == 0
    }

    /// Cuts off what was written so far and gives it out, with what an earlier run left.
    pub(crate) fn segments(&self) -> io::Result<Vec<Segment>> {
        let current = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            if open.length > 0 {
                let next = open.number + 1;
                open.file = create(&self.folder, next)?;
                open.number = next;
                open.length = 0;
            }
            open.unsealed = 0;
            open.number
        };
        let mut segments = Vec::new();
        for number in numbers(&self.folder)?.into_iter().filter(|number| *number < current) {
            let path = path(&self.folder, number);
            let bytes = fs::read(&path)?;
            if bytes.is_empty() {
                fs::remove_file(&path)?;
                continue;
            }
            // A torn last line is no decision.
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let bytes = bytes.get(..whole).unwrap_or_default().to_vec();
            segments.push(Segment { path, bytes, dropped: self.dropped.swap(0, Ordering::Relaxed) });
        }
        Ok(segments)
    }
}

impl Segment {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn decisions(&self) -> Decisions {
        Decisions {
            document: Digest::sha256(&self.bytes),
            count: self.bytes.iter().filter(|byte| **byte == b'\n').count() as u64,
            dropped: self.dropped,
        }
    }

    pub(crate) fn discard(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:010}.jsonl"))
}

fn create(folder: &Path, number: u64) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path(folder, number))
}

fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        found.extend(
            name.to_str().and_then(|name| name.strip_suffix(".jsonl")).and_then(|n| n.parse::<u64>().ok()),
        );
    }
    found.sort_unstable();
    Ok(found)
}
