//! RPM's database of installed packages in its three forms: SQLite, its own (ndb), and hash tables of Berkeley DB. Each holds
//! one header a package, and all share the reader of headers.

mod bdb;
mod header;
mod ndb;
mod sqlite;
#[cfg(test)]
mod tests;

use linkward_evidence::Fault;
use linkward_model::Code;

use crate::Lock;
use crate::installed::{Place, Read};
use crate::number::sized;

pub(crate) const SQLITE: Place = Place {
    kind: "rpmdb.sqlite",
    at: |path| path.ends_with("rpm/rpmdb.sqlite"),
    read: Read::Bytes(|bytes| lock(sqlite::headers(bytes)?)),
};

pub(crate) const NDB: Place = Place {
    kind: "RPM Packages.db",
    at: |path| path.ends_with("rpm/Packages.db"),
    read: Read::Bytes(|bytes| lock(ndb::headers(bytes)?)),
};

pub(crate) const BDB: Place = Place {
    kind: "RPM Packages",
    at: |path| path.ends_with("rpm/Packages"),
    read: Read::Bytes(|bytes| lock(bdb::headers(bytes)?)),
};

/// What SQLite has not written into the database yet may be packages.
pub(crate) const JOURNAL: Place = Place {
    kind: "rpmdb.sqlite-wal",
    at: |path| path.ends_with("rpm/rpmdb.sqlite-wal"),
    read: Read::Bytes(|bytes| {
        let mut lock = Lock::default();
        if !bytes.is_empty() {
            lock.hide("holds changes that are not in the database yet, and is not read".to_owned());
        }
        Ok(lock)
    }),
};

fn lock(headers: Vec<Vec<u8>>) -> Result<Lock, Fault> {
    let mut lock = Lock::default();
    for (index, bytes) in headers.iter().enumerate() {
        header::read(bytes, index + 1, &mut lock)?;
    }
    if lock.packages.is_empty() {
        lock.gaps.push("lists no installed package".to_owned());
    }
    Ok(lock)
}

fn malformed(place: impl Into<String>, message: &str) -> Fault {
    Fault::new(Code::PackagesMalformed, place, message)
}
