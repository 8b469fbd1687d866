//! State that is not evidence: hashed tokens, sessions, the outbox. Backed up, not rebuildable, apart from the index.

use std::path::Path;

use linkward_model::{Digest, Instant};
use rusqlite::{Connection, OptionalExtension as _, params};

const SCHEMA: &str = "
create table if not exists tokens (
    hash blob primary key, name text not null, role text not null, created integer not null, expires integer
) without rowid;
create table if not exists sessions (
    hash blob primary key, subject text not null, expires integer not null) without rowid;
create table if not exists outbox (
    id integer primary key, channel text not null, body text not null, created integer not null,
    attempts integer not null default 0, done integer);
";

/// The state database of a home.
#[derive(Debug)]
pub struct State {
    connection: Connection,
}

impl State {
    /// # Errors
    /// The database cannot be opened, or is of a newer version.
    pub fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.execute_batch(SCHEMA)?;
        connection.pragma_update(None, "user_version", 1)?;
        Ok(Self { connection })
    }

    /// Keeps a token by its hash alone.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn add_token(
        &self,
        token: &str,
        name: &str,
        role: &str,
        now: Instant,
        expires: Option<Instant>,
    ) -> rusqlite::Result<()> {
        self.connection.execute(
            "insert or replace into tokens values (?1, ?2, ?3, ?4, ?5)",
            params![
                Digest::sha256(token.as_bytes()).as_bytes(),
                name,
                role,
                now.millis(),
                expires.map(Instant::millis)
            ],
        )?;
        Ok(())
    }

    /// The role of a token that has not expired.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn role(&self, token: &str, now: Instant) -> rusqlite::Result<Option<String>> {
        self.connection
            .query_row(
                "select role from tokens where hash = ?1 and (expires is null or expires > ?2)",
                params![Digest::sha256(token.as_bytes()).as_bytes(), now.millis()],
                |row| row.get(0),
            )
            .optional()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_kept_hashed_and_expire() {
        let folder = linkward_testkit::scratch();
        let path = folder.path().join("state.db");
        let state = State::open(&path).unwrap();
        let now = linkward_testkit::noon();
        state.add_token("secret-token", "ci", "publisher", now, Some(now.plus_millis(1000))).unwrap();
        assert_eq!(state.role("secret-token", now).unwrap().as_deref(), Some("publisher"));
        assert_eq!(state.role("secret-token", now.plus_millis(1000)).unwrap(), None);
        assert_eq!(state.role("other", now).unwrap(), None);
        drop(state);
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(12).any(|window| window == b"secret-token"));
    }
}
