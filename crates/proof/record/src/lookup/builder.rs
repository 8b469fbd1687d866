//! Which runs there are: every 64 leaves one, and four of a size become one of the next, up to a million leaves. So the
//! same leaves always give the same runs, whoever makes them.

use std::io;
use std::path::PathBuf;

use linkward_ledger::lookup::{Row, Run};
use linkward_ledger::merkle::Hash;

use super::file;

/// Leaves of the smallest run; at most so many are delivered whole when nothing is under way.
pub(super) const BASE: u64 = 64;
/// Runs of one size that become one.
const FAN: usize = 4;
/// Leaves of the largest run: merging one takes seconds.
const MOST: u64 = BASE << 14;

/// Makes the runs of one log, leaf by leaf.
#[derive(Debug)]
pub(crate) struct Builder {
    folder: PathBuf,
    pub(super) runs: Vec<Run>,
    rows: Vec<Row>,
    at: u64,
}

impl Builder {
    /// Goes on behind these runs, whose files are in the folder, or starts at a leaf.
    pub(crate) fn new(folder: PathBuf, runs: Vec<Run>, at: u64) -> io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        Ok(Self { folder, runs, rows: Vec::new(), at })
    }

    /// The next leaf.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// Takes the keys of the next leaf; the runs that are new now.
    pub(crate) fn push(&mut self, keys: impl IntoIterator<Item = Hash>) -> io::Result<Vec<Run>> {
        let index = self.at;
        self.rows.extend(keys.into_iter().map(|key| Row { key, index }));
        self.at += 1;
        if !self.at.is_multiple_of(BASE) {
            return Ok(Vec::new());
        }
        self.rows.sort_unstable();
        self.rows.dedup();
        let mut made = vec![file::write(&self.folder, self.at - BASE, self.at, &self.rows)?];
        self.rows.clear();
        self.runs.extend(made.first());
        while let Some(merged) = self.merge()? {
            made.push(merged);
        }
        Ok(made)
    }

    fn merge(&mut self) -> io::Result<Option<Run>> {
        let Some(start) = self.runs.len().checked_sub(FAN) else { return Ok(None) };
        let last = self.runs.get(start..).unwrap_or_default();
        let length = |run: &Run| run.until - run.from;
        let (Some(first), Some(newest)) = (last.first(), last.last()) else { return Ok(None) };
        let size = length(newest);
        let whole = size * FAN as u64;
        if whole > MOST || length(first) != size || !first.from.is_multiple_of(whole) {
            return Ok(None);
        }
        let merged = file::merge(&self.folder, last)?;
        self.runs.truncate(start);
        self.runs.push(merged);
        Ok(Some(merged))
    }
}
