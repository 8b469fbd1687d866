//! What a fold over the log came to, kept for the next start: lines in a file under a checksum, tied to a place in the
//! log by its root and to the code that folded.
//!
//! Such a file saves time and nothing else. What is missing, damaged, of another log, of a log that went another way, or
//! made by other code is thrown away, and the fold starts anew: its result is the same, later.

use std::io;
use std::path::PathBuf;

use aws_lc_rs::digest::{Context, SHA256};
use linkward_ledger::LogName;
use linkward_ledger::merkle::{Hash, empty_root, range_root};
use serde::{Deserialize, Serialize};

use crate::files::Files;
use crate::{Store, StoreError};

/// Bytes that are written or read at once.
const CHUNK: usize = 1 << 20;
/// Longest line.
const LONGEST: usize = 64 << 20;
/// `sha256 HEX` and its line's end.
const TRAILER: u64 = 7 + 64 + 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    kept: String,
    code: String,
    origin: String,
    size: u64,
    root: Hash,
}

/// Why a kept fold is not used.
#[derive(Debug, thiserror::Error)]
pub enum NotKept {
    #[error("there is none")]
    Missing,
    #[error("it is damaged: {0}")]
    Damaged(&'static str),
    #[error("other code made it")]
    Code,
    #[error("it is of another log, or of one that went another way")]
    Place,
    #[error("it cannot be read")]
    Io(#[from] io::Error),
    #[error("the log cannot be read")]
    Log(#[from] StoreError),
}

/// The lines of a kept fold, checked as a whole before the first is given.
#[derive(Debug)]
pub struct Kept<'a> {
    /// Records that were folded: the next to fold.
    pub size: u64,
    lines: Lines<'a>,
}

impl Kept<'_> {
    /// The next line, without its end.
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub fn line(&mut self) -> Result<Option<String>, NotKept> {
        self.lines.next()
    }
}

impl Store {
    /// Keeps a fold of the first `size` records.
    ///
    /// # Errors
    /// The file cannot be written, or the log has fewer records; what was kept before stays.
    pub fn keep(
        &self,
        name: &str,
        code: &str,
        size: u64,
        lines: impl Iterator<Item = String>,
    ) -> Result<(), StoreError> {
        let (origin, root) = self.place(size)?;
        let (path, draft) = (self.kept_path(name), self.kept_path(&format!("{name}.new")));
        let head = Head { kept: name.to_owned(), code: code.to_owned(), origin, size, root };
        let head = serde_json::to_string(&head).unwrap_or_default();
        let files = self.files();
        let write = || -> io::Result<()> {
            let mut context = Context::new(&SHA256);
            let mut chunk = String::new();
            files.create(&draft, &[])?;
            for line in std::iter::once(head).chain(lines) {
                chunk.push_str(&line);
                chunk.push('\n');
                if chunk.len() >= CHUNK {
                    context.update(chunk.as_bytes());
                    files.append(&draft, chunk.as_bytes())?;
                    chunk.clear();
                }
            }
            context.update(chunk.as_bytes());
            chunk.push_str(&trailer(context));
            files.append(&draft, chunk.as_bytes())?;
            files.sync(&draft)?;
            files.rename(&draft, &path)?;
            files.sync_dir(self.root())
        };
        write().map_err(|source| StoreError::Io { path: path.clone(), source })
    }

    /// Opens what was kept of a fold by the same code, of this log.
    ///
    /// # Errors
    /// It may not be used; the fold has to start anew.
    pub fn kept(&self, name: &str, code: &str) -> Result<Kept<'_>, NotKept> {
        let (path, files) = (self.kept_path(name), self.files());
        let length = files.length(&path)?.ok_or(NotKept::Missing)?;
        let body = length.checked_sub(TRAILER).ok_or(NotKept::Damaged("it is cut short"))?;
        let mut lines = Lines { files, path, at: 0, until: body, buffer: Vec::new(), taken: 0 };
        lines.check(length)?;
        let head = lines.next()?.ok_or(NotKept::Damaged("it is empty"))?;
        let head: Head = serde_json::from_str(&head).map_err(|_| NotKept::Damaged("its first line"))?;
        if head.kept != name {
            return Err(NotKept::Damaged("it is of another fold"));
        }
        if head.code != code {
            return Err(NotKept::Code);
        }
        match self.place(head.size) {
            Ok((origin, root)) if origin == head.origin && root == head.root => {
                Ok(Kept { size: head.size, lines })
            }
            Ok(_) | Err(StoreError::Record { .. }) => Err(NotKept::Place),
            Err(error) => Err(error.into()),
        }
    }

    fn kept_path(&self, name: &str) -> PathBuf {
        self.root().join(format!("{name}.kept"))
    }

    /// The evidence log's origin, and its root when it had so many records.
    fn place(&self, size: u64) -> Result<(String, Hash), StoreError> {
        let log = self.log(LogName::Evidence)?;
        let checkpoint = log.checkpoint();
        if size > checkpoint.size() {
            let source = linkward_ledger::ProofError::Shrinks { from: size, to: checkpoint.size() }.into();
            return Err(StoreError::Record { index: size, source });
        }
        let root = if size == 0 { empty_root() } else { range_root(&log.nodes(self.files()), 0, size)? };
        Ok((checkpoint.origin().to_owned(), root))
    }
}

fn trailer(context: Context) -> String {
    let hex: String = context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256 {hex}\n")
}

#[derive(Debug)]
struct Lines<'a> {
    files: &'a dyn Files,
    path: PathBuf,
    at: u64,
    until: u64,
    buffer: Vec<u8>,
    taken: usize,
}

impl Lines<'_> {
    /// Holds the whole file against its last line.
    fn check(&self, length: u64) -> Result<(), NotKept> {
        let mut context = Context::new(&SHA256);
        let mut at = 0;
        while at < self.until {
            let wanted = usize::try_from(self.until - at).unwrap_or(CHUNK).min(CHUNK);
            let bytes = self.files.read_at(&self.path, at, wanted)?;
            if bytes.len() != wanted {
                return Err(NotKept::Damaged("it is cut short"));
            }
            context.update(&bytes);
            at += wanted as u64;
        }
        let said = self.files.read_at(&self.path, self.until, TRAILER as usize)?;
        if said != trailer(context).as_bytes() || self.files.length(&self.path)? != Some(length) {
            return Err(NotKept::Damaged("its checksum"));
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<String>, NotKept> {
        let mut looked = self.taken;
        loop {
            let rest = self.buffer.get(looked..).unwrap_or_default();
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.get(self.taken..looked + end).unwrap_or_default().to_vec();
                self.taken = looked + end + 1;
                let line = String::from_utf8(line).map_err(|_| NotKept::Damaged("a line"))?;
                return Ok(Some(line));
            }
            if self.at >= self.until {
                return Ok(None);
            }
            self.buffer.drain(..self.taken);
            self.taken = 0;
            looked = self.buffer.len();
            if looked > LONGEST {
                return Err(NotKept::Damaged("a line is too long"));
            }
            let wanted = usize::try_from(self.until - self.at).unwrap_or(CHUNK).min(CHUNK);
            let bytes = self.files.read_at(&self.path, self.at, wanted)?;
            if bytes.is_empty() {
                return Err(NotKept::Damaged("it is cut short"));
            }
            self.at += bytes.len() as u64;
            self.buffer.extend(bytes);
        }
    }
}
