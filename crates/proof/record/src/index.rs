//! The index: a pure fold over leaves in order, with the size folded so far in the same transaction.
//!
//! Losing it loses nothing. It is never trusted for what it says, only for where to look.

use std::collections::BTreeMap;
use std::path::Path;

use linkward_ledger::merkle::Hash;
use linkward_ledger::retention::Tombstone;
use linkward_ledger::{Body, Envelope, Kind, LogName, Term, TermKind, Times};
use linkward_model::{Digest, Environment, Instant};
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::blobs::Place;

const SCHEMA: &str = "
create table if not exists meta (name text primary key, value integer not null) without rowid;
create table if not exists records (
    idx integer primary key, kind text not null, env text not null, event integer not null,
    claimed integer, proven integer, blob blob not null, size integer not null);
create index if not exists records_kind on records (kind, idx);
create table if not exists terms (
    kind text not null, value text not null, record text not null, idx integer not null,
    primary key (kind, value, record, idx)) without rowid;
create table if not exists blobs (
    digest blob primary key, pack integer not null, offset integer not null, length integer not null) without rowid;
create table if not exists deleted (digest blob primary key, idx integer not null) without rowid;
create table if not exists entries (
    log text not null, hash blob not null, idx integer not null, primary key (log, hash)) without rowid;
";
/// Raised when the schema changes: an index of another version is made again.
const VERSION: i64 = 1;

/// Which records to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub kind: Option<Kind>,
    pub term: Option<Term>,
    /// Only records below this index.
    pub before: Option<u64>,
    pub limit: usize,
}

/// One record as the index knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub index: u64,
    pub kind: Kind,
    pub environment: Environment,
    pub times: Times,
    pub blob: Digest,
    pub size: u64,
}

#[derive(Debug)]
pub(crate) struct Index {
    connection: Connection,
}

impl Index {
    pub(crate) fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.pragma_update(None, "cache_size", -8192)?;
        // Entries land all over their table: copying them into it every 4 MiB would be most of the work of a busy log.
        connection.pragma_update(None, "wal_autocheckpoint", 8192)?;
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.execute_batch(SCHEMA)?;
        let mut index = Self { connection };
        match index.meta("version")? {
            Some(VERSION) => {}
            Some(_) => index.clear()?,
            None => index.set("version", VERSION)?,
        }
        Ok(index)
    }

    /// Forgets everything, to be folded again from the first leaf.
    pub(crate) fn clear(&mut self) -> rusqlite::Result<()> {
        self.connection.execute_batch(
            "delete from meta; delete from records; delete from terms; delete from blobs; delete from deleted; delete from entries;",
        )?;
        self.set("version", VERSION)
    }

    fn meta(&self, name: &str) -> rusqlite::Result<Option<i64>> {
        let mut statement = self.connection.prepare_cached("select value from meta where name = ?1")?;
        statement.query_row([name], |row| row.get(0)).optional()
    }

    fn set(&mut self, name: &str, value: i64) -> rusqlite::Result<()> {
        self.connection.execute("insert or replace into meta values (?1, ?2)", params![name, value])?;
        Ok(())
    }

    /// Leaves of a log that were folded.
    pub(crate) fn size(&self, log: LogName) -> rusqlite::Result<u64> {
        Ok(self.meta(log.as_str())?.unwrap_or(0).max(0) as u64)
    }

    /// Pack and offset up to which blobs are known.
    pub(crate) fn scanned(&self) -> rusqlite::Result<(u32, u64)> {
        let pack = self.meta("pack")?.unwrap_or(0);
        let offset = self.meta("offset")?.unwrap_or(0);
        Ok((u32::try_from(pack).unwrap_or(0), offset.max(0) as u64))
    }

    /// Applies one change, or none of it.
    pub(crate) fn transact<T>(
        &mut self,
        change: impl FnOnce(&mut Fold<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let transaction = self.connection.transaction()?;
        let result = change(&mut Fold { transaction: &transaction })?;
        transaction.commit()?;
        Ok(result)
    }

    pub(crate) fn place(&self, digest: &Digest) -> rusqlite::Result<Option<Place>> {
        let mut statement =
            self.connection.prepare_cached("select pack, offset, length from blobs where digest = ?1")?;
        statement
            .query_row([digest.as_bytes()], |row| Ok(place(row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()
    }

    /// Whether a blob is there, and not on its way out.
    pub(crate) fn stored(&self, digest: &Digest) -> rusqlite::Result<bool> {
        Ok(self.place(digest)?.is_some() && self.tombstone(digest)?.is_none())
    }

    /// The tombstone of a document that is gone.
    pub(crate) fn tombstone(&self, digest: &Digest) -> rusqlite::Result<Option<u64>> {
        let mut statement = self.connection.prepare_cached("select idx from deleted where digest = ?1")?;
        let found: Option<i64> = statement.query_row([digest.as_bytes()], |row| row.get(0)).optional()?;
        Ok(found.map(|index| index.max(0) as u64))
    }

    /// How many documents are gone.
    pub(crate) fn deleted(&self) -> rusqlite::Result<u64> {
        self.connection
            .query_row("select count(*) from deleted", [], |row| row.get::<_, i64>(0))
            .map(|count| count.max(0) as u64)
    }

    /// Documents that a tombstone says are gone, and that are still there, in the order of where they lie.
    pub(crate) fn undeleted(&self, limit: usize) -> rusqlite::Result<Vec<(Digest, Place)>> {
        let mut statement = self.connection.prepare_cached(
            "select b.digest, b.pack, b.offset, b.length from deleted d join blobs b on b.digest = d.digest
             order by b.pack, b.offset limit ?1",
        )?;
        let rows = statement.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, place(row.get(1)?, row.get(2)?, row.get(3)?)))
        })?;
        rows.map(|row| {
            let (digest, place) = row?;
            let digest = Digest::from_bytes(linkward_model::Algorithm::Sha256, &digest);
            Ok((digest.ok_or(rusqlite::Error::InvalidQuery)?, place))
        })
        .collect()
    }

    pub(crate) fn entry(&self, log: LogName, hash: &Hash) -> rusqlite::Result<Option<u64>> {
        let mut statement =
            self.connection.prepare_cached("select idx from entries where log = ?1 and hash = ?2")?;
        let found: Option<i64> =
            statement.query_row(params![log.as_str(), hash.0], |row| row.get(0)).optional()?;
        Ok(found.map(|index| index.max(0) as u64))
    }

    pub(crate) fn rows(&self, filter: &Filter) -> rusqlite::Result<Vec<Row>> {
        const COLUMNS: &str = "r.idx, r.kind, r.env, r.event, r.claimed, r.proven, r.blob, r.size";
        let before = filter.before.map_or(i64::MAX, |before| i64::try_from(before).unwrap_or(i64::MAX));
        let limit = i64::try_from(filter.limit).unwrap_or(i64::MAX);
        let kind = filter.kind.map(Kind::as_str);
        match (&filter.term, kind) {
            (Some(term), Some(kind)) => self.select(
                &format!(
                    "select {COLUMNS} from terms t join records r on r.idx = t.idx
                     where t.kind = ?1 and t.value = ?2 and t.record = ?3 and t.idx < ?4 order by t.idx desc limit ?5"
                ),
                params![term.kind.as_str(), term.value, kind, before, limit],
            ),
            (Some(term), None) => self.select(
                &format!(
                    "select {COLUMNS} from terms t join records r on r.idx = t.idx
                     where t.kind = ?1 and t.value = ?2 and t.idx < ?3 order by t.idx desc limit ?4"
                ),
                params![term.kind.as_str(), term.value, before, limit],
            ),
            (None, Some(kind)) => self.select(
                &format!(
                    "select {COLUMNS} from records r where r.kind = ?1 and r.idx < ?2 order by r.idx desc limit ?3"
                ),
                params![kind, before, limit],
            ),
            (None, None) => self.select(
                &format!("select {COLUMNS} from records r where r.idx < ?1 order by r.idx desc limit ?2"),
                params![before, limit],
            ),
        }
    }

    fn select(&self, sql: &str, arguments: impl rusqlite::Params) -> rusqlite::Result<Vec<Row>> {
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.query_map(arguments, read_row)?.collect()
    }

    pub(crate) fn counts(&self) -> rusqlite::Result<BTreeMap<Kind, u64>> {
        let mut statement =
            self.connection.prepare_cached("select kind, count(*) from records group by kind")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
        let mut counts = BTreeMap::new();
        for row in rows {
            let (kind, count) = row?;
            if let Ok(kind) = kind.parse() {
                counts.insert(kind, count.max(0) as u64);
            }
        }
        Ok(counts)
    }

    /// Distinct values of a kind of term that start with a prefix, in order.
    pub(crate) fn terms(&self, kind: TermKind, prefix: &str, limit: usize) -> rusqlite::Result<Vec<String>> {
        let mut statement = self.connection.prepare_cached(
            "select distinct value from terms where kind = ?1 and value >= ?2 and value < ?4 and substr(value, 1, length(?2)) = ?2
             order by value limit ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        // An end as well as a start: without it every later term is looked at.
        let end = format!("{prefix}\u{10ffff}");
        statement.query_map(params![kind.as_str(), prefix, limit, end], |row| row.get(0))?.collect()
    }
}

/// The first table in which an index differs from another below a size; `None` where they agree.
pub(crate) fn difference(path: &Path, other: &Path, below: u64) -> rusqlite::Result<Option<&'static str>> {
    let connection = Connection::open(path)?;
    let sound: String = connection.query_row("pragma integrity_check(1)", [], |row| row.get(0))?;
    if sound != "ok" {
        return Ok(Some("pages"));
    }
    connection.execute("attach database ?1 as other", [other.to_string_lossy()])?;
    let below = i64::try_from(below).unwrap_or(i64::MAX);
    for (what, table, limit) in [
        ("records", "records", "idx < ?1"),
        ("terms", "terms", "idx < ?1"),
        ("blobs", "blobs", "digest in (select blob from main.records where idx < ?1)"),
    ] {
        for (one, two) in [("main", "other"), ("other", "main")] {
            let sql = format!(
                "select exists (select * from {one}.{table} where {limit} except select * from {two}.{table})"
            );
            if connection.query_row(&sql, [below], |row| row.get::<_, bool>(0))? {
                return Ok(Some(what));
            }
        }
    }
    Ok(None)
}

fn place(pack: u32, offset: i64, length: u32) -> Place {
    if pack == 0 { Place::File } else { Place::Pack { pack, offset: offset.max(0) as u64, length } }
}

fn read_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let wrong = |column: usize, what: &str| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, what.to_owned().into())
    };
    let kind: String = row.get(1)?;
    let environment: String = row.get(2)?;
    let blob: Vec<u8> = row.get(6)?;
    let time = |millis: Option<i64>| millis.map(Instant::from_millis);
    Ok(Row {
        index: row.get::<_, i64>(0)?.max(0) as u64,
        kind: kind.parse().map_err(|_| wrong(1, "not a kind"))?,
        environment: environment.parse().map_err(|_| wrong(2, "not an environment"))?,
        times: Times {
            event: Instant::from_millis(row.get(3)?),
            claimed: time(row.get(4)?),
            proven: time(row.get(5)?),
        },
        blob: Digest::from_bytes(linkward_model::Algorithm::Sha256, &blob)
            .ok_or_else(|| wrong(6, "not a digest"))?,
        size: row.get::<_, i64>(7)?.max(0) as u64,
    })
}

/// One open transaction.
pub(crate) struct Fold<'a> {
    transaction: &'a rusqlite::Transaction<'a>,
}

impl Fold<'_> {
    pub(crate) fn record(&mut self, index: u64, envelope: &Envelope, body: &Body) -> rusqlite::Result<()> {
        let mut insert =
            self.transaction.prepare_cached("insert into records values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
        let at = i64::try_from(index).unwrap_or(i64::MAX);
        insert.execute(params![
            at,
            envelope.kind.as_str(),
            envelope.environment.as_str(),
            envelope.times.event.millis(),
            envelope.times.claimed.map(Instant::millis),
            envelope.times.proven.map(Instant::millis),
            envelope.blob.as_bytes(),
            i64::try_from(envelope.size).unwrap_or(i64::MAX),
        ])?;
        let mut insert =
            self.transaction.prepare_cached("insert or ignore into terms values (?1, ?2, ?3, ?4)")?;
        for term in &body.terms {
            insert.execute(params![term.kind.as_str(), term.value, envelope.kind.as_str(), at])?;
        }
        if let Some(tombstone) = Tombstone::read(body) {
            let mut insert =
                self.transaction.prepare_cached("insert or replace into deleted values (?1, ?2)")?;
            for gone in &tombstone.blobs {
                insert.execute(params![gone.digest.as_bytes(), at])?;
            }
        }
        // A document that is recorded again is there again.
        let mut delete = self.transaction.prepare_cached("delete from deleted where digest = ?1")?;
        for digest in &body.documents {
            delete.execute([digest.as_bytes()])?;
        }
        Ok(())
    }

    pub(crate) fn blob(&mut self, digest: &Digest, place: Place) -> rusqlite::Result<()> {
        let mut insert =
            self.transaction.prepare_cached("insert or replace into blobs values (?1, ?2, ?3, ?4)")?;
        let (pack, offset, length) = match place {
            Place::Pack { pack, offset, length } => (pack, i64::try_from(offset).unwrap_or(0), length),
            Place::File => (0, 0, 0),
        };
        insert.execute(params![digest.as_bytes(), pack, offset, length])?;
        Ok(())
    }

    /// Forgets where blobs lay that are gone.
    pub(crate) fn forget(&mut self, digest: &Digest) -> rusqlite::Result<()> {
        let mut delete = self.transaction.prepare_cached("delete from blobs where digest = ?1")?;
        delete.execute([digest.as_bytes()])?;
        Ok(())
    }

    pub(crate) fn entry(&mut self, log: LogName, hash: &Hash, index: u64) -> rusqlite::Result<()> {
        let mut insert =
            self.transaction.prepare_cached("insert or ignore into entries values (?1, ?2, ?3)")?;
        insert.execute(params![log.as_str(), hash.0, i64::try_from(index).unwrap_or(i64::MAX)])?;
        Ok(())
    }

    pub(crate) fn set(&mut self, name: &str, value: u64) -> rusqlite::Result<()> {
        let mut insert = self.transaction.prepare_cached("insert or replace into meta values (?1, ?2)")?;
        insert.execute(params![name, i64::try_from(value).unwrap_or(i64::MAX)])?;
        Ok(())
    }
}
