//! Reading the whole record again: every tile, entry and blob, in constant memory; and making the index anew.

mod deletions;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use linkward_ledger::key::NoteKey;
use linkward_ledger::lookup::{Committed, TermsOf, key};
use linkward_ledger::merkle::{Hash, leaf_hash};
use linkward_ledger::tile::{Tile, WIDTH, entries_path, width_at};
use linkward_ledger::{Body, Envelope, Kind, LogId, LogName, VerifiedCheckpoint};
use linkward_model::{Code, Digest};
use rusqlite::{Connection, OptionalExtension as _, params};

use self::deletions::{Deletions, Document};
use crate::blobs::{self, Scan};
use crate::index::Index;
use crate::log::{Log, Sink, Tree, split_entries};
use crate::lookup::Check;
use crate::sequencer::Logs;
use crate::store::{StoreError, fold_forward};
use crate::{FORMAT, Files, RealFiles};

/// The first thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {what}")]
pub struct Damage {
    pub file: PathBuf,
    pub what: String,
    pub code: Code,
}

/// What was found whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    pub records: u64,
    pub entries: u64,
    pub blobs: u64,
    /// Documents that were deleted by retention, as tombstones say.
    pub deleted: u64,
    /// Those of them that are still there: the next start of the home removes them.
    pub undeleted: u64,
}

impl fmt::Display for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records, {} log entries, {} blobs", self.records, self.entries, self.blobs)?;
        if self.deleted > 0 {
            write!(f, ", {} documents deleted by retention", self.deleted)?;
        }
        if self.undeleted > 0 {
            write!(f, " ({} of them still there until the home is opened again)", self.undeleted)?;
        }
        Ok(())
    }
}

/// How far a run has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    pub log: LogName,
    pub done: u64,
    pub of: u64,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} log, {} of {}", self.log.as_str(), self.done, self.of)
    }
}

/// Reads logs and blobs from the first byte to the last and names the first thing that is wrong.
///
/// Memory does not grow with the record: where blobs lie is kept in a temporary database on disk.
///
/// # Errors
/// The first damage.
pub fn verify(root: &Path, logs: &[LogId], progress: &mut dyn FnMut(Progress)) -> Result<Verified, Damage> {
    verify_with(root, logs, &|_| None, progress)
}

/// As [`verify`], with what terms an entry of the signing log carries: its look-up index is checked too.
///
/// # Errors
/// The first damage.
pub fn verify_with(
    root: &Path,
    logs: &[LogId],
    terms_of: &TermsOf<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Verified, Damage> {
    let files = RealFiles;
    let format = root.join("format");
    match std::fs::read_to_string(&format) {
        Ok(text) if text == FORMAT => {}
        Ok(text) => {
            return Err(damage(
                &format,
                format!("is `{}`, expected `{}`", text.trim_end(), FORMAT.trim_end()),
            ));
        }
        Err(error) => return Err(unreadable(&format, &error)),
    }
    let blobs = root.join("blobs");
    let mut deletions =
        Deletions::new().map_err(|error| damage(&blobs, format!("temporary database: {error}")))?;
    let mut places = Places::scan(&blobs, &files, &deletions)?;
    let mut verified = Verified { records: 0, entries: 0, blobs: 0, deleted: 0, undeleted: 0 };
    let scratch = Scratch::new("lookup").map_err(|error| unreadable(root, &error))?;
    let mut lookups = Lookups { check: Check::new(&scratch.0), terms_of };
    // The evidence log last: its records commit to the index of the others.
    let (evidence, others): (Vec<_>, Vec<_>) = logs.iter().partition(|id| id.name == LogName::Evidence);
    for id in others.into_iter().chain(evidence) {
        let folder = root.join("logs").join(id.name.as_str());
        let size = check_log(&folder, id, &files, progress, &mut |index, leaf, file| {
            let body = match id.name {
                LogName::Evidence => {
                    let (envelope, body) = check_record(index, leaf, file, &mut places, &deletions)?;
                    let mut again =
                        |blob: &Digest| places.require(blob, "a record whose document is deleted");
                    deletions.fold(index, &envelope, &body, file, &mut again)?;
                    Some(body)
                }
                _ => None,
            };
            lookups.check(id.name, index, leaf, body.as_ref(), file)
        })?;
        match id.name {
            LogName::Evidence => verified.records = size,
            _ => verified.entries += size,
        }
    }
    (verified.deleted, verified.undeleted) =
        deletions.end(&blobs, &mut |digest| matches!(places.look(digest, ""), Ok(Looked::Found(_))))?;
    verified.blobs = places.count;
    check_index(root, logs, &files)?;
    Ok(verified)
}

fn damage(file: &Path, what: impl Into<String>) -> Damage {
    Damage { file: file.to_path_buf(), what: what.into(), code: Code::RecordDamaged }
}

fn unreadable(file: &Path, error: &io::Error) -> Damage {
    let what =
        if error.kind() == io::ErrorKind::NotFound { "is missing".to_owned() } else { error.to_string() };
    damage(file, what)
}

/// Compares the tiles that a replayed tree would write with those on disk.
struct Compare<'a> {
    folder: &'a Path,
    files: &'a dyn Files,
}

impl Compare<'_> {
    fn same(&self, path: &str, expected: &[u8], partial_of: &str) -> Result<(), Damage> {
        let path = self.folder.join(path);
        let found = self.files.read(&path).map_err(|error| unreadable(&path, &error))?;
        if found != expected {
            return Err(damage(&path, difference(&found, expected)));
        }
        // Narrower files of the same tile are leftovers of earlier checkpoints: each must be a beginning of it.
        let partials = self.folder.join(partial_of);
        for name in self.files.list(&partials).map_err(|error| unreadable(&partials, &error))? {
            let old = partials.join(&name);
            if old == path {
                continue;
            }
            let bytes = self.files.read(&old).map_err(|error| unreadable(&old, &error))?;
            let width: usize = name.parse().map_err(|_| damage(&old, "is no tile"))?;
            // Entries are counted, since their lengths differ.
            let entries = partial_of.starts_with("tile/entries/");
            let have = if entries { split_entries(expected).flatten().count() } else { expected.len() / 32 };
            if width > have {
                // No checkpoint vouches for it: a writer was stopped on the way, maybe in the middle of this very file. The
                // next one removes it, or writes it anew before it has anything signed.
                continue;
            }
            let beginning = if entries {
                let end: usize =
                    split_entries(expected).take(width).flatten().map(|entry| entry.len() + 2).sum();
                expected.get(..end)
            } else {
                expected.get(..width * 32)
            };
            if beginning != Some(bytes.as_slice()) {
                return Err(damage(&old, "is not a beginning of the tile"));
            }
        }
        Ok(())
    }
}

impl Sink for Compare<'_> {
    type Error = Damage;

    fn tile(&mut self, tile: Tile, hashes: &[Hash]) -> Result<(), Damage> {
        let expected: Vec<u8> = hashes.iter().flat_map(|hash| hash.0).collect();
        let full = Tile { width: WIDTH as u16, ..tile }.path();
        self.same(&tile.path(), &expected, &format!("{full}.p"))
    }

    fn entries(&mut self, index: u64, width: u16, bundle: &[u8]) -> Result<(), Damage> {
        let full = entries_path(index, WIDTH as u16);
        self.same(&entries_path(index, width), bundle, &format!("{full}.p"))
    }
}

fn difference(found: &[u8], expected: &[u8]) -> String {
    let at = found.iter().zip(expected).position(|(a, b)| a != b);
    match at {
        Some(at) => format!("differs from what the log's entries lead to, from byte {at} on"),
        None => format!("has {} bytes, expected {}", found.len(), expected.len()),
    }
}

/// What is asked of every entry of a log: its index, its bytes, the file that it is in.
type Each<'a> = dyn FnMut(u64, &[u8], &Path) -> Result<(), Damage> + 'a;

fn check_log(
    folder: &Path,
    id: &LogId,
    files: &dyn Files,
    progress: &mut dyn FnMut(Progress),
    each: &mut Each<'_>,
) -> Result<u64, Damage> {
    let path = folder.join("checkpoint");
    let note = files.read(&path).map_err(|error| unreadable(&path, &error))?;
    let key: NoteKey =
        id.key.parse().map_err(|error| damage(&path, format!("the log's key is malformed: {error}")))?;
    let checkpoint =
        VerifiedCheckpoint::open(&note, &key).map_err(|error| damage(&path, error.to_string()))?;
    let size = checkpoint.size();
    let mut tree = Tree::default();
    let mut compare = Compare { folder, files };
    for bundle in 0..size.div_ceil(WIDTH) {
        progress(Progress { log: id.name, done: bundle * WIDTH, of: size });
        let width = width_at(0, bundle, size);
        let path = folder.join(entries_path(bundle, width));
        let bytes = files.read(&path).map_err(|error| unreadable(&path, &error))?;
        let mut count = 0u64;
        for entry in split_entries(&bytes) {
            let entry = entry.ok_or_else(|| damage(&path, "ends within an entry"))?;
            let index = bundle * WIDTH + count;
            count += 1;
            if count > u64::from(width) {
                return Err(damage(&path, format!("has more than {width} entries")));
            }
            // The leaf hash is compared before the leaf is believed: this names the file that is wrong.
            check_leaf(folder, index, size, entry, &path, files)?;
            each(index, entry, &path)?;
            tree.push(entry, &mut compare)?;
        }
        if count != u64::from(width) {
            return Err(damage(&path, format!("has {count} entries, expected {width}")));
        }
    }
    tree.flush(&mut compare)?;
    if tree.root() != checkpoint.root() {
        return Err(damage(
            &path,
            format!("says root {}, the entries lead to {}", checkpoint.root(), tree.root()),
        ));
    }
    Ok(size)
}

/// Tells a changed entry from a changed tile: the level-0 tile holds the entry's hash.
fn check_leaf(
    folder: &Path,
    index: u64,
    size: u64,
    entry: &[u8],
    bundle: &Path,
    files: &dyn Files,
) -> Result<(), Damage> {
    let tile = Tile { level: 0, index: index / WIDTH, width: width_at(0, index / WIDTH, size) };
    let path = folder.join(tile.path());
    let stored = files.read_at(&path, (index % WIDTH) * 32, 32).map_err(|error| unreadable(&path, &error))?;
    if Hash::from_slice(&stored) == Some(leaf_hash(entry)) {
        return Ok(());
    }
    // Which of the two is wrong cannot be told from one place; an entry that still parses is likelier whole.
    let wrong = if stored.len() < 32 || Envelope::decode(entry).is_ok() { &path } else { bundle };
    Err(damage(wrong, format!("entry {index} and its hash in the tile differ")))
}

/// A folder for the time of a check.
struct Scratch(PathBuf);

impl Scratch {
    fn new(what: &str) -> io::Result<Self> {
        static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = format!("linkward-verify-{what}-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder)?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The look-up index, made again leaf by leaf.
struct Lookups<'a> {
    check: Check,
    terms_of: &'a TermsOf<'a>,
}

impl Lookups<'_> {
    fn check(
        &mut self,
        log: LogName,
        index: u64,
        leaf: &[u8],
        body: Option<&Body>,
        file: &Path,
    ) -> Result<(), Damage> {
        if let Some(body) = body.filter(|body| body.kind == Kind::Index) {
            let committed = Committed::read(body).ok_or_else(|| {
                damage(file, format!("record {index} commits to no index that can be read"))
            })?;
            if let Some((log, run)) = self.check.wrong(&committed) {
                let what = format!(
                    "record {index} commits to another look-up index of the {} log's entries {} to {} than they lead to",
                    log.as_str(),
                    run.from,
                    run.until
                );
                return Err(damage(file, what));
            }
        }
        let keys = match (log, body) {
            (LogName::Certificates, _) => return Ok(()),
            (_, Some(body)) => body.terms.iter().map(key).collect(),
            (_, None) => (self.terms_of)(leaf).unwrap_or_default().iter().map(key).collect(),
        };
        self.check.push(log, keys).map_err(|error| unreadable(file, &error))
    }
}

fn check_record(
    index: u64,
    leaf: &[u8],
    file: &Path,
    places: &mut Places,
    deletions: &Deletions,
) -> Result<(Envelope, Body), Damage> {
    let envelope = Envelope::decode(leaf)
        .map_err(|error| damage(file, format!("entry {index} is no record: {error}")))?;
    let blob = places.require(&envelope.blob, &format!("record {index}"))?;
    let body = Body::decode(&blob)
        .map_err(|error| damage(file, format!("record {index} has a body that is malformed: {error}")))?;
    if body.kind != envelope.kind {
        return Err(damage(file, format!("record {index} is a {}, its body a {}", envelope.kind, body.kind)));
    }
    for digest in &body.documents {
        let document = match places.look(digest, &format!("a document of record {index}"))? {
            Looked::Found(_) => Document::There,
            Looked::Missing(damage) => Document::Missing(damage),
        };
        deletions
            .named(index, &envelope, digest, &document)
            .map_err(|error| damage(file, format!("temporary database: {error}")))?;
    }
    Ok((envelope, body))
}

/// What is where a blob should be.
enum Looked {
    Found(Vec<u8>),
    Missing(Damage),
}

/// Where every blob lies, in a database that SQLite keeps on disk and removes by itself.
struct Places {
    blobs: PathBuf,
    database: Connection,
    /// Where each pack stops being readable before its end, for the message about what is missing.
    broken: Vec<(PathBuf, u64)>,
    count: u64,
}

impl Places {
    fn scan(blobs: &Path, files: &dyn Files, deletions: &Deletions) -> Result<Self, Damage> {
        let sql = |error: rusqlite::Error| damage(blobs, format!("temporary database: {error}"));
        let database = Connection::open("").map_err(sql)?;
        database
            .execute_batch(
                "pragma cache_size = -4096; pragma synchronous = off;
                 create table blobs (digest blob primary key, pack integer, offset integer, length integer) without rowid;
                 begin;",
            )
            .map_err(sql)?;
        let mut places = Self { blobs: blobs.to_path_buf(), database, broken: Vec::new(), count: 0 };
        let folder = blobs.join("packs");
        for pack in blobs::numbers(&folder, files).map_err(|error| unreadable(&folder, &error))? {
            let path = blobs::pack_path(&folder, pack);
            let mut scan = Scan::new(&path, files, 0);
            for frame in scan.by_ref() {
                let frame = frame.map_err(|error| unreadable(&path, &error))?;
                if frame.erased {
                    deletions.erased(&frame.digest, &path).map_err(sql)?;
                    continue;
                }
                places
                    .database
                    .prepare_cached("insert or ignore into blobs values (?1, ?2, ?3, ?4)")
                    .and_then(|mut insert| {
                        insert.execute(params![
                            frame.digest.as_bytes(),
                            pack,
                            i64::try_from(frame.offset).unwrap_or(i64::MAX),
                            frame.length
                        ])
                    })
                    .map_err(sql)?;
                places.count += 1;
            }
            let length = files.length(&path).map_err(|error| unreadable(&path, &error))?.unwrap_or(0);
            let end = scan.offset();
            if end < length {
                places.broken.push((path, end));
            }
        }
        places.database.execute_batch("commit;").map_err(sql)?;
        places.large(files)?;
        Ok(places)
    }

    /// Blobs that are files of their own: each must have the content that its name says.
    fn large(&mut self, files: &dyn Files) -> Result<(), Damage> {
        let folder = self.blobs.join("sha256");
        for fan in files.list(&folder).map_err(|error| unreadable(&folder, &error))? {
            let fan = folder.join(fan);
            for name in files.list(&fan).map_err(|error| unreadable(&fan, &error))? {
                let path = fan.join(&name);
                if name.ends_with(".new") {
                    continue;
                }
                let blob = files.read(&path).map_err(|error| unreadable(&path, &error))?;
                if Digest::sha256(&blob).hex() != name {
                    return Err(damage(&path, "its content does not have the digest that is its name"));
                }
                self.count += 1;
            }
        }
        Ok(())
    }

    fn require(&mut self, digest: &Digest, whose: &str) -> Result<Vec<u8>, Damage> {
        match self.look(digest, whose)? {
            Looked::Found(bytes) => Ok(bytes),
            Looked::Missing(damage) => Err(damage),
        }
    }

    /// # Errors
    /// The blob is there and damaged.
    fn look(&mut self, digest: &Digest, whose: &str) -> Result<Looked, Damage> {
        let sql = |error: rusqlite::Error| damage(&self.blobs, format!("temporary database: {error}"));
        let found: Option<(u32, i64, u32)> = self
            .database
            .prepare_cached("select pack, offset, length from blobs where digest = ?1")
            .and_then(|mut select| {
                select
                    .query_row([digest.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                    .optional()
            })
            .map_err(sql)?;
        let path = match found {
            Some((pack, _, _)) => blobs::pack_path(&self.blobs.join("packs"), pack),
            None => blobs::file_path(&self.blobs, digest),
        };
        let bytes = match found {
            Some((_, offset, length)) => RealFiles.read_at(&path, offset.max(0) as u64, length as usize),
            None => RealFiles.read(&path),
        };
        match bytes {
            Ok(bytes) if Digest::sha256(&bytes) == *digest => Ok(Looked::Found(bytes)),
            Ok(_) => Err(damage(&path, format!("the blob of {whose} is damaged"))),
            Err(_) => Ok(Looked::Missing(match self.broken.first() {
                Some((pack, offset)) => {
                    damage(pack, format!("is damaged at byte {offset}; the blob {digest} of {whose} is lost"))
                }
                None => {
                    let packs = self.blobs.join("packs");
                    let own_file = path.parent().is_some_and(Path::is_dir);
                    let place = if found.is_none() && !own_file { packs } else { path };
                    damage(&place, format!("the blob {digest} of {whose} is missing"))
                }
            })),
        }
    }
}

/// The index is folded again from the log into a temporary file and compared with the one in use, row by row. It may
/// be behind the log, as while a daemon is writing, never different.
fn check_index(root: &Path, logs: &[LogId], files: &dyn Files) -> Result<(), Damage> {
    let path = root.join("index.db");
    let stale = |what: String| Damage { file: path.clone(), what, code: Code::IndexStale };
    let sql = |error: rusqlite::Error| stale(error.to_string());
    if !path.exists() {
        return Err(stale("is missing".to_owned()));
    }
    let folded = Index::open(&path).and_then(|index| index.size(LogName::Evidence)).map_err(sql)?;
    let scratch = std::env::temp_dir().join(format!("linkward-verify-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&scratch);
    std::fs::create_dir(&scratch).map_err(|error| stale(format!("no room to compare it: {error}")))?;
    let again = scratch.join("index.db");
    let result = fold_again(root, logs, &again, files)
        .map_err(|error| stale(error.to_string()))
        .and_then(|()| crate::index::difference(&path, &again, folded).map_err(sql));
    let _ = std::fs::remove_dir_all(&scratch);
    match result? {
        None => Ok(()),
        Some(table) => Err(stale(format!("its {table} are not those of the log"))),
    }
}

fn fold_again(root: &Path, ids: &[LogId], to: &Path, files: &dyn Files) -> Result<(), StoreError> {
    let mut logs = Logs::new();
    for id in ids {
        let log = Log::open(root.join("logs").join(id.name.as_str()), id.clone(), files, &mut Refuse, false)?;
        logs.insert(id.name, Arc::new(Mutex::new(log)));
    }
    let mut index = Index::open(to)?;
    let blobs = root.join("blobs");
    fold_forward(&mut index, &logs, &blobs.join("packs"), &blobs, files)
}

/// Why an index could not be made again.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    #[error("{path}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{0} is not empty; name a new folder")]
    NotEmpty(PathBuf),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an index that was made again holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    pub records: u64,
    /// Documents that are not there, because retention deleted them.
    pub deleted: u64,
}

/// Copies logs and blobs into another folder and makes the index there from them alone.
///
/// # Errors
/// The folder is in use, or logs or blobs are damaged.
pub fn rebuild(from: &Path, to: &Path) -> Result<Rebuilt, RebuildError> {
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |source| RebuildError::Io { path, source }
    };
    std::fs::create_dir_all(to).map_err(io(to))?;
    if std::fs::read_dir(to).map_err(io(to))?.next().is_some() {
        return Err(RebuildError::NotEmpty(to.to_path_buf()));
    }
    for name in ["logs", "blobs"] {
        copy(&from.join(name), &to.join(name))?;
    }
    let trust = from.join("trust.json");
    let ids = read_logs(&trust).map_err(io(&trust))?;
    let files = RealFiles;
    let mut logs = Logs::new();
    for id in ids {
        let folder = to.join("logs").join(id.name.as_str());
        let name = id.name;
        let log = Log::open(folder, id, &files, &mut Refuse, false).map_err(StoreError::from)?;
        logs.insert(name, Arc::new(Mutex::new(log)));
    }
    let mut index = Index::open(&to.join("index.db")).map_err(StoreError::from)?;
    let blobs = to.join("blobs");
    fold_forward(&mut index, &logs, &blobs.join("packs"), &blobs, &files)?;
    Ok(Rebuilt {
        records: index.size(LogName::Evidence).map_err(StoreError::from)?,
        deleted: index.deleted().map_err(StoreError::from)?,
    })
}

/// Rebuilding signs nothing: a log without a checkpoint stays one.
struct Refuse;

impl crate::CheckpointSigner for Refuse {
    fn sign(&mut self, log: &LogId, _text: &str) -> Result<Vec<u8>, crate::SignError> {
        Err(crate::SignError::new(format!("log {} has no checkpoint", log.origin)))
    }
}

fn read_logs(trust: &Path) -> io::Result<Vec<LogId>> {
    #[derive(serde::Deserialize)]
    struct Trust {
        logs: Vec<LogId>,
    }
    let trust: Trust = serde_json::from_slice(&std::fs::read(trust)?)?;
    Ok(trust.logs)
}

fn copy(from: &Path, to: &Path) -> Result<(), RebuildError> {
    let io = |path: &Path| {
        let path = path.to_path_buf();
        move |source| RebuildError::Io { path, source }
    };
    std::fs::create_dir_all(to).map_err(io(to))?;
    for entry in std::fs::read_dir(from).map_err(io(from))? {
        let entry = entry.map_err(io(from))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(io(&source))?.is_dir() {
            copy(&source, &target)?;
        } else {
            std::fs::copy(&source, &target).map_err(io(&source))?;
        }
    }
    Ok(())
}
