//! Runs on disk: the sorted rows, then the roots of their complete subtrees, height by height. Not durable, since they
//! can be made again from the leaves; never trusted, since every answer leads to a root that the log holds.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use linkward_ledger::lookup::{Piece, Row, Run};
use linkward_ledger::merkle::{Frontier, Hash, Nodes, node_hash};

/// The lowest height that is stored; nodes below are hashed from at most eight rows.
const LOW: u8 = 3;
/// Bytes that are written at once.
const BUFFER: usize = 64 << 10;

pub(super) fn path(folder: &Path, from: u64, until: u64) -> PathBuf {
    folder.join(format!("{from:016x}-{until:016x}.run"))
}

/// Where the nodes of a height start, in a run of so many rows.
fn offset(rows: u64, height: u8) -> u64 {
    let below: u64 = (LOW..height).map(|height| rows >> height).sum();
    rows * Row::SIZE as u64 + below * 32
}

/// Heights that are stored.
fn heights(rows: u64) -> impl Iterator<Item = u8> {
    (LOW..64).take_while(move |height| rows >> height > 0)
}

fn length(rows: u64) -> u64 {
    offset(rows, heights(rows).last().map_or(LOW, |height| height + 1))
}

/// A run that is open for reading.
#[derive(Debug)]
pub(super) struct RunFile {
    pub(super) run: Run,
    file: File,
}

impl RunFile {
    /// `None` where the file is missing or has another length.
    pub(super) fn open(folder: &Path, run: Run) -> io::Result<Option<Self>> {
        match File::open(path(folder, run.from, run.until)) {
            Ok(file) if file.metadata()?.len() == length(run.rows) => Ok(Some(Self { run, file })),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn row(&self, at: u64) -> io::Result<Row> {
        let mut bytes = [0; Row::SIZE];
        self.file.read_exact_at(&mut bytes, at * Row::SIZE as u64)?;
        Row::decode(&bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// How many rows are smaller than this one.
    pub(super) fn below(&self, row: &Row) -> io::Result<u64> {
        let (mut low, mut high) = (0, self.run.rows);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.row(middle)? < *row { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    pub(super) fn rows(&self, from: u64, until: u64) -> io::Result<Vec<Row>> {
        let count = usize::try_from(until.saturating_sub(from)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; count.saturating_mul(Row::SIZE)];
        self.file.read_exact_at(&mut bytes, from * Row::SIZE as u64)?;
        Ok(bytes.chunks_exact(Row::SIZE).filter_map(Row::decode).collect())
    }

    /// The rows from one to another and their neighbours, with the hashes that lead to the root.
    pub(super) fn piece(&self, low: &Row, high: &Row) -> io::Result<Piece> {
        let start = self.below(low)?.saturating_sub(1);
        let end = self.below(high)?.saturating_add(1).min(self.run.rows);
        Piece::prove(self, self.run.rows, start, self.rows(start, end)?)
    }

    fn all(&self) -> io::Result<Rows> {
        let file = self.file.try_clone()?;
        // A clone shares its position: each reader starts a stream of its own.
        Ok(Rows { file, at: 0, of: self.run.rows, buffer: Vec::new(), next: 0 })
    }
}

impl Nodes for RunFile {
    type Error = io::Error;

    fn node(&self, level: u8, index: u64) -> io::Result<Hash> {
        if level >= LOW {
            let mut hash = [0; 32];
            self.file.read_exact_at(&mut hash, offset(self.run.rows, level) + index * 32)?;
            return Ok(Hash(hash));
        }
        let rows = self.rows(index << level, (index + 1) << level)?;
        let hashes: Vec<Hash> = rows.iter().map(Row::hash).collect();
        linkward_ledger::tile::subtree(&hashes, level, 0).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// The rows of a run in order, read in large pieces.
struct Rows {
    file: File,
    at: u64,
    of: u64,
    buffer: Vec<Row>,
    next: usize,
}

impl Rows {
    fn peek(&mut self) -> io::Result<Option<Row>> {
        if self.next == self.buffer.len() {
            let count = (self.of - self.at).min((BUFFER / Row::SIZE) as u64);
            let mut bytes = vec![0; count as usize * Row::SIZE];
            self.file.read_exact_at(&mut bytes, self.at * Row::SIZE as u64)?;
            self.buffer = bytes.chunks_exact(Row::SIZE).filter_map(Row::decode).collect();
            self.next = 0;
            self.at += count;
        }
        Ok(self.buffer.get(self.next).copied())
    }
}

/// Merges runs of neighbouring leaves into one.
pub(super) fn merge(folder: &Path, runs: &[Run]) -> io::Result<Run> {
    let mut sources = Vec::with_capacity(runs.len());
    for run in runs {
        let file = RunFile::open(folder, *run)?.ok_or(io::ErrorKind::NotFound)?;
        sources.push(file.all()?);
    }
    let (from, until) = (runs.first().map_or(0, |run| run.from), runs.last().map_or(0, |run| run.until));
    let count = runs.iter().map(|run| run.rows).sum();
    let mut writer = Writer::create(folder, from, until, count)?;
    for _ in 0..count {
        let mut least: Option<(Row, usize)> = None;
        for (number, source) in sources.iter_mut().enumerate() {
            if let Some(row) = source.peek()?
                && least.is_none_or(|(other, _)| row < other)
            {
                least = Some((row, number));
            }
        }
        let (row, number) = least.ok_or(io::ErrorKind::UnexpectedEof)?;
        if let Some(source) = sources.get_mut(number) {
            source.next += 1;
        }
        writer.push(row)?;
    }
    writer.finish()
}

/// Writes sorted rows as a run.
pub(super) fn write(folder: &Path, from: u64, until: u64, rows: &[Row]) -> io::Result<Run> {
    let mut writer = Writer::create(folder, from, until, rows.len() as u64)?;
    for row in rows {
        writer.push(*row)?;
    }
    writer.finish()
}

struct Writer {
    folder: PathBuf,
    run: Run,
    file: File,
    rows: Section,
    levels: Vec<Level>,
    group: Vec<Hash>,
    edge: Frontier,
}

/// A part of the file that is written from its start.
struct Section {
    at: u64,
    buffer: Vec<u8>,
}

struct Level {
    section: Section,
    left: Option<Hash>,
}

impl Section {
    fn push(&mut self, bytes: &[u8], file: &File) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < BUFFER { Ok(()) } else { self.flush(file) }
    }

    fn flush(&mut self, file: &File) -> io::Result<()> {
        file.write_all_at(&self.buffer, self.at)?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

impl Writer {
    fn create(folder: &Path, from: u64, until: u64, rows: u64) -> io::Result<Self> {
        let file = File::create(path(folder, from, until).with_extension("new"))?;
        let section = |at| Section { at, buffer: Vec::new() };
        let level = |height| Level { section: section(offset(rows, height)), left: None };
        Ok(Self {
            folder: folder.to_path_buf(),
            run: Run { from, until, rows, root: linkward_ledger::merkle::empty_root() },
            file,
            rows: section(0),
            levels: heights(rows).map(level).collect(),
            group: Vec::with_capacity(1 << LOW),
            edge: Frontier::new(),
        })
    }

    fn push(&mut self, row: Row) -> io::Result<()> {
        self.rows.push(&row.encode(), &self.file)?;
        let hash = row.hash();
        self.edge.push(hash);
        self.group.push(hash);
        if self.group.len() < 1 << LOW {
            return Ok(());
        }
        let mut node = linkward_ledger::tile::subtree(&self.group, LOW, 0);
        self.group.clear();
        for level in &mut self.levels {
            let Some(hash) = node else { break };
            level.section.push(&hash.0, &self.file)?;
            node = match level.left.take() {
                Some(left) => Some(node_hash(&left, &hash)),
                None => {
                    level.left = Some(hash);
                    None
                }
            };
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<Run> {
        self.rows.flush(&self.file)?;
        for level in &mut self.levels {
            level.section.flush(&self.file)?;
        }
        self.run.root = self.edge.root();
        let path = path(&self.folder, self.run.from, self.run.until);
        std::fs::rename(path.with_extension("new"), path)?;
        Ok(self.run)
    }
}
