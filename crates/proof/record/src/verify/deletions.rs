//! Whether every document that is missing has a tombstone, and every tombstone a reason: the rules that it names had run
//! out for each record of the document, and no hold kept it.

use std::path::{Path, PathBuf};

use linkward_ledger::retention::{Holds, Tombstone};
use linkward_ledger::{Body, Envelope, Kind};
use linkward_model::{Code, Digest, Instant};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Damage, damage};

/// What was named, missed and marked as gone, in a database that SQLite keeps on disk and removes by itself.
pub(super) struct Deletions {
    database: Connection,
    holds: Holds,
}

/// Whether a document is there.
pub(super) enum Document {
    There,
    /// What is wrong, unless a later record says that it was deleted.
    Missing(Damage),
}

/// A record that names a document.
struct Named {
    record: u64,
    kind: Kind,
    event: Instant,
    /// Of its body.
    blob: Digest,
}

fn number(index: u64) -> i64 {
    i64::try_from(index).unwrap_or(i64::MAX)
}

impl Deletions {
    pub(super) fn new() -> rusqlite::Result<Self> {
        let database = Connection::open("")?;
        database.execute_batch(
            "pragma cache_size = -4096; pragma synchronous = off;
             create table named (
                 digest blob, record integer, kind text, event integer, body blob,
 primary key (digest, record)) without rowid;
             create table missing (digest blob primary key, record integer, file text, what text) without rowid;
             create table gone (digest blob primary key, record integer, back integer) without rowid;
             create table erased (digest blob primary key, file text) without rowid;
             begin;",
        )?;
        Ok(Self { database, holds: Holds::default() })
    }

    /// A pack has the place of a blob, but no more the blob.
    pub(super) fn erased(&self, digest: &Digest, pack: &Path) -> rusqlite::Result<()> {
        let mut insert = self.database.prepare_cached("insert or ignore into erased values (?1, ?2)")?;
        insert.execute(params![digest.as_bytes(), pack.to_string_lossy()])?;
        Ok(())
    }

    /// A record names a document.
    pub(super) fn named(
        &self,
        index: u64,
        envelope: &Envelope,
        digest: &Digest,
        document: &Document,
    ) -> rusqlite::Result<()> {
        let event = envelope.times.event.millis();
        self.database.prepare_cached("insert or ignore into named values (?1, ?2, ?3, ?4, ?5)")?.execute(
            params![
                digest.as_bytes(),
                number(index),
                envelope.kind.as_str(),
                event,
                envelope.blob.as_bytes()
            ],
        )?;
        let mut back = self.database.prepare_cached("update gone set back = 1 where digest = ?1")?;
        back.execute([digest.as_bytes()])?;
        if let Document::Missing(Damage { file, what, .. }) = document {
            let mut insert =
                self.database.prepare_cached("insert or ignore into missing values (?1, ?2, ?3, ?4)")?;
            insert.execute(params![digest.as_bytes(), number(index), file.to_string_lossy(), what])?;
        }
        Ok(())
    }

    /// Folds a record that deletes or holds; `again` reads the body of an earlier one.
    pub(super) fn fold(
        &mut self,
        index: u64,
        envelope: &Envelope,
        body: &Body,
        file: &Path,
        again: &mut dyn FnMut(&Digest) -> Result<Vec<u8>, Damage>,
    ) -> Result<(), Damage> {
        self.holds.fold(index, body).map_err(|error| unfounded(file, error.to_string()))?;
        if body.kind != Kind::Tombstone {
            return Ok(());
        }
        let tombstone = Tombstone::read(body)
            .ok_or_else(|| damage(file, format!("record {index} is a tombstone that cannot be read")))?;
        for gone in &tombstone.blobs {
            let records = self.records(&gone.digest).map_err(|error| damage(file, error.to_string()))?;
            if records.is_empty() {
                let what = format!("record {index} deletes {}, which no record names", gone.digest);
                return Err(unfounded(file, what));
            }
            for Named { record, kind, event, blob } in records {
                let until = tombstone.rules.until(kind, event);
                let what = format!("record {index} deletes {}, a document of record {record}", gone.digest);
                if until.is_none_or(|until| until > envelope.times.event) {
                    return Err(unfounded(file, format!("{what}, before its time")));
                }
                if self.holds.is_empty() {
                    continue;
                }
                let body = Body::decode(&again(&blob)?);
                let body = body.map_err(|error| damage(file, format!("record {record}: {error}")))?;
                if let Some(hold) = self.holds.holding(record, &body) {
                    return Err(unfounded(file, format!("{what}, in spite of the hold of record {hold}")));
                }
            }
            self.gone(index, &gone.digest).map_err(|error| damage(file, error.to_string()))?;
        }
        Ok(())
    }

    fn records(&self, digest: &Digest) -> rusqlite::Result<Vec<Named>> {
        let mut select =
            self.database.prepare_cached("select record, kind, event, body from named where digest = ?1")?;
        let rows = select.query_map([digest.as_bytes()], |row| {
            let kind: String = row.get(1)?;
            let wrong = || rusqlite::Error::InvalidQuery;
            Ok(Named {
                record: row.get::<_, i64>(0)?.max(0) as u64,
                kind: kind.parse().map_err(|_| wrong())?,
                event: Instant::from_millis(row.get(2)?),
                blob: sha256(&row.get::<_, Vec<u8>>(3)?).ok_or_else(wrong)?,
            })
        })?;
        rows.collect()
    }

    fn gone(&self, index: u64, digest: &Digest) -> rusqlite::Result<()> {
        let mut missing = self.database.prepare_cached("delete from missing where digest = ?1")?;
        missing.execute([digest.as_bytes()])?;
        let mut gone = self.database.prepare_cached("insert or replace into gone values (?1, ?2, 0)")?;
        gone.execute(params![digest.as_bytes(), number(index)])?;
        Ok(())
    }

    /// How many documents are gone, and how many of them are still there.
    ///
    /// # Errors
    /// The first document that is missing, or erased, and that no record deletes.
    pub(super) fn end(
        self,
        blobs: &Path,
        there: &mut dyn FnMut(&Digest) -> bool,
    ) -> Result<(u64, u64), Damage> {
        let sql = |error: rusqlite::Error| damage(blobs, format!("temporary database: {error}"));
        let missing: Option<(String, String)> = self
            .database
            .query_row("select file, what from missing order by record limit 1", [], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()
            .map_err(sql)?;
        if let Some((file, what)) = missing {
            return Err(damage(&PathBuf::from(file), what));
        }
        let erased: Option<(Vec<u8>, String)> = self
            .database
            .query_row(
                "select digest, file from erased where digest not in (select digest from gone) limit 1",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .map_err(sql)?;
        if let Some((digest, file)) = erased {
            let digest = sha256(&digest).map_or_else(String::new, |digest| digest.to_string());
            return Err(damage(
                &PathBuf::from(file),
                format!("the blob {digest} was erased, but no record deletes it"),
            ));
        }
        let (mut gone, mut left) = (0, 0);
        let mut select = self.database.prepare("select digest from gone where back = 0").map_err(sql)?;
        let mut rows = select.query([]).map_err(sql)?;
        while let Some(row) = rows.next().map_err(sql)? {
            gone += 1;
            let digest = sha256(&row.get::<_, Vec<u8>>(0).map_err(sql)?);
            left += u64::from(digest.is_some_and(|digest| there(&digest)));
        }
        Ok((gone, left))
    }
}

fn sha256(bytes: &[u8]) -> Option<Digest> {
    Digest::from_bytes(linkward_model::Algorithm::Sha256, bytes)
}

fn unfounded(file: &Path, what: impl Into<String>) -> Damage {
    Damage { code: Code::DeletionUnfounded, ..damage(file, what) }
}
