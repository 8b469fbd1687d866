//! Deleting documents whose time has come: the tombstone is durable before the first byte goes.
//!
//! Whoever stops in between leaves a document that is said to be gone and is still there; the next start removes it. The
//! other order would leave a hole that looks like damage.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use linkward_ledger::retention::{Gone, HoldChange, Holds, Rules, Tombstone};
use linkward_ledger::{Body, Envelope, Kind, LogName};
use linkward_model::{Algorithm, Digest, Instant};
use rusqlite::{Connection, params};

use crate::Files;
use crate::blobs::{self, Place, Scan};
use crate::index::{Filter, Index};
use crate::store::{Store, StoreError};

/// Documents that one tombstone names, and that go before others may append again.
const BATCH: usize = 256;
/// Leaves that are read at once.
const CHUNK: u64 = 1024;

/// A document whose time has come, with the first record that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    pub digest: Digest,
    pub size: u64,
    pub record: u64,
    pub kind: Kind,
    /// When the newest record that names it came.
    pub event: Instant,
    /// The hold that keeps it all the same.
    pub hold: Option<u64>,
}

/// What would go: a count, and the first of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Size of the log that it was made from.
    pub size: u64,
    pub due: u64,
    pub bytes: u64,
    pub held: u64,
    pub first: Vec<Due>,
}

/// What went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deleted {
    pub blobs: u64,
    pub bytes: u64,
    /// Records of the tombstones.
    pub tombstones: Vec<u64>,
}

/// Every document with how long it is kept, in a database that SQLite keeps on disk and removes by itself: memory does not
/// grow with the record.
struct Documents<'a> {
    store: &'a Store,
    rules: &'a Rules,
    holds: Holds,
    /// Records that were looked at.
    at: u64,
    database: Connection,
}

impl<'a> Documents<'a> {
    fn new(store: &'a Store, rules: &'a Rules) -> Result<Self, StoreError> {
        let database = Connection::open("")?;
        database.execute_batch(
            "pragma cache_size = -4096; pragma synchronous = off;
             create table documents (
                 digest blob primary key, record integer, kind text, event integer, until integer, hold integer)
             without rowid;",
        )?;
        Ok(Self { store, rules, holds: store.holds()?, at: 0, database })
    }

    /// Looks at the records that came since; `false` where one of them changed what is held.
    fn advance(&mut self) -> Result<bool, StoreError> {
        let fresh = self.at == 0;
        let size = self.store.checkpoint(LogName::Evidence)?.size();
        while self.at < size {
            let until = size.min(self.at + CHUNK);
            let files = self.store.files();
            let leaves = self.store.log(LogName::Evidence)?.leaves(self.at, until, files)?;
            self.database.execute_batch("begin")?;
            for (index, leaf) in (self.at..).zip(leaves) {
                let damaged = |source| StoreError::Record { index, source };
                let envelope = Envelope::decode(&leaf).map_err(|error| damaged(error.into()))?;
                let lost =
                    || StoreError::Blob { path: self.store.root().join("blobs"), digest: envelope.blob };
                let blob = self.store.blob(&envelope.blob)?.ok_or_else(lost)?;
                let body = Body::decode(&blob).map_err(|error| damaged(error.into()))?;
                if Holds::default().fold(index, &body)? && !fresh {
                    return Ok(false);
                }
                self.take(index, &envelope, &body)?;
            }
            self.database.execute_batch("commit")?;
            self.at = until;
        }
        Ok(true)
    }

    fn take(&self, index: u64, envelope: &Envelope, body: &Body) -> Result<(), StoreError> {
        if let Some(tombstone) = Tombstone::read(body) {
            let mut gone = self.database.prepare_cached("delete from documents where digest = ?1")?;
            for blob in tombstone.blobs {
                gone.execute([blob.digest.as_bytes()])?;
            }
        }
        // A record's own bytes are kept whatever else names them.
        self.keep(&envelope.blob, index, envelope, i64::MAX, None)?;
        let until = self.rules.until(envelope.kind, envelope.times.event).map_or(i64::MAX, Instant::millis);
        let hold = self.holds.holding(index, body);
        body.documents.iter().try_for_each(|digest| self.keep(digest, index, envelope, until, hold))
    }

    /// The longest of the times for which any record keeps it, and any hold.
    fn keep(
        &self,
        digest: &Digest,
        index: u64,
        envelope: &Envelope,
        until: i64,
        hold: Option<u64>,
    ) -> Result<(), StoreError> {
        let mut keep = self.database.prepare_cached(
            "insert into documents values (?1, ?2, ?3, ?4, ?5, ?6) on conflict (digest) do update set
             event = max(event, ?4), until = max(until, ?5), hold = coalesce(hold, ?6)",
        )?;
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let event = envelope.times.event.millis();
        keep.execute(params![
            digest.as_bytes(),
            number(index),
            envelope.kind.as_str(),
            event,
            until,
            hold.map(number)
        ])?;
        Ok(())
    }

    /// The next documents whose time has come; held ones where those are asked for.
    fn due(
        &self,
        held: bool,
        now: Instant,
        limit: usize,
        visit: &mut dyn FnMut(Due),
    ) -> Result<(), StoreError> {
        let mut select = self.database.prepare_cached(
            "select digest, record, kind, event, hold from documents
             where until <= ?1 and (hold is not null) = ?2 order by record, digest limit ?3",
        )?;
        let mut rows = select.query(params![now.millis(), held, i64::try_from(limit).unwrap_or(i64::MAX)])?;
        while let Some(row) = rows.next()? {
            let digest = Digest::from_bytes(Algorithm::Sha256, &row.get::<_, Vec<u8>>(0)?)
                .ok_or(rusqlite::Error::InvalidQuery)?;
            let kind = row.get::<_, String>(2)?;
            visit(Due {
                digest,
                size: self.size(&digest)?,
                record: row.get::<_, i64>(1)?.max(0) as u64,
                kind: kind.parse().map_err(|_| rusqlite::Error::InvalidQuery)?,
                event: Instant::from_millis(row.get(3)?),
                hold: row.get::<_, Option<i64>>(4)?.map(|hold| hold.max(0) as u64),
            });
        }
        Ok(())
    }

    /// A document that is not there is damage: no tombstone may cover it up.
    fn size(&self, digest: &Digest) -> Result<u64, StoreError> {
        let folder = self.store.root().join("blobs");
        let place = self.store.index().place(digest)?;
        let (path, size) = match place {
            Some(Place::Pack { pack, length, .. }) => {
                (blobs::pack_path(&folder.join("packs"), pack), Some(u64::from(length)))
            }
            Some(Place::File) => {
                let path = blobs::file_path(&folder, digest);
                let length = self.store.files().length(&path);
                let length = length.map_err(|source| StoreError::Io { path: path.clone(), source })?;
                (path, length)
            }
            None => (folder, None),
        };
        size.ok_or(StoreError::Blob { path, digest: *digest })
    }
}

impl Store {
    /// The holds in force.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn holds(&self) -> Result<Holds, StoreError> {
        let filter = Filter {
            kind: Some(Kind::Action),
            term: Some(HoldChange::term()),
            before: None,
            limit: usize::MAX,
        };
        let mut holds = Holds::default();
        for row in self.rows(&filter)?.iter().rev() {
            holds.fold(row.index, &self.body(row.index)?)?;
        }
        Ok(holds)
    }

    /// The tombstone of a document that is gone.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn tombstone(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        Ok(self.index().tombstone(digest)?)
    }

    /// How many documents are gone.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn deleted(&self) -> Result<u64, StoreError> {
        Ok(self.index().deleted()?)
    }

    /// What [`Store::delete`] would delete now; the first of them, and of what holds keep.
    ///
    /// # Errors
    /// A record, a hold or a document that is due cannot be read.
    pub fn plan_deletion(&self, rules: &Rules, now: Instant, most: usize) -> Result<Plan, StoreError> {
        let mut documents = Documents::new(self, rules)?;
        documents.advance()?;
        let mut plan = Plan { size: documents.at, ..Plan::default() };
        for held in [false, true] {
            documents.due(held, now, usize::MAX, &mut |due| {
                if held {
                    plan.held += 1;
                } else {
                    plan.due += 1;
                    plan.bytes += due.size;
                }
                if plan.first.len() < most {
                    plan.first.push(due);
                }
            })?;
        }
        Ok(plan)
    }

    /// Deletes the documents whose time has come by these rules, unless a hold keeps them. Each group of them is named by
    /// a tombstone that is durable before they go.
    ///
    /// # Errors
    /// As [`Store::plan_deletion`] and [`Store::append`]; what was deleted until then has its tombstone.
    pub fn delete(&self, rules: &Rules, now: Instant) -> Result<Deleted, StoreError> {
        let mut deleted = Deleted::default();
        let mut documents = Documents::new(self, rules)?;
        documents.advance()?;
        loop {
            // Nobody may find a document stored, and name it, while it goes.
            let alone = self.alone();
            if !documents.advance()? {
                drop(alone);
                documents = Documents::new(self, rules)?;
                documents.advance()?;
                continue;
            }
            let mut due = Vec::new();
            documents.due(false, now, BATCH, &mut |next| due.push(next))?;
            if due.is_empty() {
                break;
            }
            deleted.blobs += due.len() as u64;
            deleted.bytes += due.iter().map(|due| due.size).sum::<u64>();
            let gone = due.iter().map(|due| Gone { digest: due.digest, size: due.size }).collect();
            let tombstone = Tombstone::new(rules.clone(), gone);
            let recorded = self.append_held(vec![(tombstone, Vec::new())], now)?;
            deleted.tombstones.extend(recorded.iter().map(linkward_ledger::Recorded::index));
            sweep(&mut self.index(), &self.root().join("blobs"), self.files())?;
        }
        if deleted.blobs > 0 {
            let _alone = self.alone();
            self.erase_copies()?;
        }
        Ok(deleted)
    }

    /// A write that failed may have left a document in a pack that the index does not know.
    fn erase_copies(&self) -> Result<(), StoreError> {
        let folder = self.root().join("blobs").join("packs");
        let files = self.files();
        let io = |path: &Path| {
            let path = path.to_path_buf();
            move |source| StoreError::Io { path, source }
        };
        for pack in blobs::numbers(&folder, files).map_err(io(&folder))? {
            let path = blobs::pack_path(&folder, pack);
            let mut gone = BTreeSet::new();
            for frame in Scan::new(&path, files, 0) {
                let frame = frame.map_err(io(&path))?;
                if !frame.erased && self.index().tombstone(&frame.digest)?.is_some() {
                    gone.insert(frame.digest);
                }
            }
            if !gone.is_empty() {
                blobs::erase(&path, &gone, files).map_err(io(&path))?;
            }
        }
        Ok(())
    }
}

/// Removes what tombstones say is gone.
pub(crate) fn sweep(index: &mut Index, blobs: &Path, files: &dyn Files) -> Result<(), StoreError> {
    let packs = blobs.join("packs");
    loop {
        let left = index.undeleted(BATCH)?;
        if left.is_empty() {
            return Ok(());
        }
        let mut by_pack: BTreeMap<u32, BTreeSet<Digest>> = BTreeMap::new();
        for (digest, place) in &left {
            match place {
                Place::Pack { pack, .. } => {
                    by_pack.entry(*pack).or_default().insert(*digest);
                }
                Place::File => blobs::remove_large(blobs, digest, files)
                    .map_err(|source| StoreError::Io { path: blobs::file_path(blobs, digest), source })?,
            }
        }
        for (pack, gone) in by_pack {
            let path = blobs::pack_path(&packs, pack);
            blobs::erase(&path, &gone, files).map_err(|source| StoreError::Io { path, source })?;
        }
        index.transact(|fold| left.iter().try_for_each(|(digest, _)| fold.forget(digest)))?;
    }
}
