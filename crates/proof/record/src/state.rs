//! State that is not evidence: hashed tokens, sessions; the outbox beside it in its own file. Backed up, not rebuildable, apart from the index.

use std::path::Path;

use linkward_model::{Digest, Instant};
use rusqlite::{Connection, OptionalExtension as _, params};

const SCHEMA: &str = "
create table if not exists tokens (
    hash blob primary key, name text not null, role text not null, created integer not null, expires integer
) without rowid;
create table if not exists sessions (
    hash blob primary key, subject text not null, expires integer not null) without rowid;
create table if not exists logins (
    hash blob primary key, subject text not null, role text not null, way text not null, token blob,
    created integer not null, expires integer not null
) without rowid;
";
/// Raised when the schema changes; tables are only ever added.
const VERSION: i64 = 4;

/// A whole copy of a database that may be in use.
///
/// # Errors
/// It cannot be read, or the copy exists.
pub fn copy(from: &Path, to: &Path) -> rusqlite::Result<()> {
    let connection = Connection::open(from)?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.execute("vacuum into ?1", [to.to_string_lossy()])?;
    Ok(())
}

/// A token, without what opens anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownToken {
    pub name: String,
    pub role: String,
    pub created: Instant,
    pub expires: Option<Instant>,
}

/// Somebody who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub subject: String,
    pub role: String,
    /// How: `token`, or the issuer of the identity.
    pub way: String,
    pub created: Instant,
    pub expires: Instant,
}

/// Logins that are kept at once; the oldest end first.
const MOST_LOGINS: i64 = 10_000;

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
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        let version: i64 = connection.query_row("pragma user_version", [], |row| row.get(0))?;
        if version > VERSION {
            return Err(rusqlite::Error::InvalidParameterName(format!(
                "state.db is of version {version}; this Linkward knows {VERSION}: update it"
            )));
        }
        if version < VERSION {
            connection.execute_batch(SCHEMA)?;
            connection.execute_batch(crate::outbox::SCHEMA)?;
            connection.execute_batch(crate::samples::SCHEMA)?;
            connection.execute_batch("drop table if exists outbox;")?;
            connection.pragma_update(None, "user_version", VERSION)?;
        }
        Ok(Self { connection })
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn transaction(&mut self) -> rusqlite::Result<rusqlite::Transaction<'_>> {
        self.connection.transaction()
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

    /// A token that has not expired.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn token(&self, token: &str, now: Instant) -> rusqlite::Result<Option<KnownToken>> {
        self.connection
            .query_row(
                "select name, role, created, expires from tokens where hash = ?1 and (expires is null or expires > ?2)",
                params![Digest::sha256(token.as_bytes()).as_bytes(), now.millis()],
                known_token,
            )
            .optional()
    }

    /// Every token, also those that have expired, by name.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn tokens(&self) -> rusqlite::Result<Vec<KnownToken>> {
        let mut statement =
            self.connection.prepare("select name, role, created, expires from tokens order by name")?;
        statement.query_map([], known_token)?.collect()
    }

    /// Forgets a token, and with it every login that it opened; whether there was one.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn remove_token(&mut self, name: &str) -> rusqlite::Result<bool> {
        let change = self.connection.transaction()?;
        change
            .execute("delete from logins where token in (select hash from tokens where name = ?1)", [name])?;
        let removed = change.execute("delete from tokens where name = ?1", [name])?;
        change.commit()?;
        Ok(removed > 0)
    }

    /// Keeps a login by the hash of its cookie. One that a token opened ends with it.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn add_login(&mut self, cookie: &str, token: Option<&str>, login: &Login) -> rusqlite::Result<()> {
        let hash = |secret: &str| Digest::sha256(secret.as_bytes()).as_bytes().to_vec();
        let change = self.connection.transaction()?;
        change.execute("delete from logins where expires <= ?1", [login.created.millis()])?;
        change.execute(
            "delete from logins where hash in (select hash from logins order by created desc limit -1 offset ?1)",
            [MOST_LOGINS - 1],
        )?;
        change.execute(
            "insert into logins values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                hash(cookie),
                login.subject,
                login.role,
                login.way,
                token.map(hash),
                login.created.millis(),
                login.expires.millis()
            ],
        )?;
        change.commit()
    }

    /// Who a cookie belongs to, as long as the login lasts and the token that opened it stands.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn login(&self, cookie: &str, now: Instant) -> rusqlite::Result<Option<Login>> {
        self.connection
            .query_row(
                "select subject, role, way, created, expires from logins where hash = ?1 and expires > ?2 and
                 (token is null or token in (select hash from tokens where expires is null or expires > ?2))",
                params![Digest::sha256(cookie.as_bytes()).as_bytes(), now.millis()],
                known_login,
            )
            .optional()
    }

    /// Every login that lasts, newest first, with a short name of its own that opens nothing.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn logins(&self, now: Instant) -> rusqlite::Result<Vec<(String, Login)>> {
        let mut statement = self.connection.prepare(
            "select subject, role, way, created, expires, lower(hex(substr(hash, 1, 8))) from logins where expires > ?1
             order by created desc",
        )?;
        statement.query_map([now.millis()], |row| Ok((row.get(5)?, known_login(row)?)))?.collect()
    }

    /// Ends a login by its cookie, or all those of a short name; whom they were of.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn end_login(&self, cookie: Option<&str>, short: Option<&str>) -> rusqlite::Result<Option<String>> {
        let hash = cookie.map(|cookie| Digest::sha256(cookie.as_bytes()).as_bytes().to_vec());
        self.connection
            .query_row(
                "delete from logins where hash = ?1 or lower(hex(substr(hash, 1, 8))) = ?2 returning subject",
                params![hash, short],
                |row| row.get(0),
            )
            .optional()
    }
}

fn known_token(row: &rusqlite::Row<'_>) -> rusqlite::Result<KnownToken> {
    let expires: Option<i64> = row.get(3)?;
    Ok(KnownToken {
        name: row.get(0)?,
        role: row.get(1)?,
        created: Instant::from_millis(row.get(2)?),
        expires: expires.map(Instant::from_millis),
    })
}

fn known_login(row: &rusqlite::Row<'_>) -> rusqlite::Result<Login> {
    Ok(Login {
        subject: row.get(0)?,
        role: row.get(1)?,
        way: row.get(2)?,
        created: Instant::from_millis(row.get(3)?),
        expires: Instant::from_millis(row.get(4)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_database_is_refused() {
        let folder = linkward_testkit::scratch();
        let path = folder.path().join("state.db");
        State::open(&path).unwrap().connection.pragma_update(None, "user_version", 99).unwrap();
        let error = State::open(&path).unwrap_err().to_string();
        assert!(error.contains("version 99"), "{error}");
    }

    #[test]
    fn tokens_are_kept_hashed_and_expire() {
        let folder = linkward_testkit::scratch();
        let path = folder.path().join("state.db");
        let state = State::open(&path).unwrap();
        let now = linkward_testkit::noon();
        state.add_token("secret-token", "ci", "publisher", now, Some(now.plus_millis(1000))).unwrap();
        let role = |at| state.token("secret-token", at).unwrap().map(|token| token.role);
        assert_eq!(role(now).as_deref(), Some("publisher"));
        assert_eq!(role(now.plus_millis(1000)), None);
        assert_eq!(state.token("other", now).unwrap(), None);
        assert_eq!(state.tokens().unwrap().len(), 1);
        drop(state);
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(12).any(|window| window == b"secret-token"));
    }
    #[test]
    fn a_login_lasts_as_long_as_it_says_and_no_longer_than_its_token() {
        let folder = linkward_testkit::scratch();
        let mut state = State::open(&folder.path().join("state.db")).unwrap();
        let now = linkward_testkit::noon();
        state.add_token("token", "ann", "responder", now, Some(now.plus_millis(500))).unwrap();
        let login = |way: &str| Login {
            subject: "ann".to_owned(),
            role: "responder".to_owned(),
            way: way.to_owned(),
            created: now,
            expires: now.plus_millis(1000),
        };
        state.add_login("by token", Some("token"), &login("token")).unwrap();
        state.add_login("by issuer", None, &login("https://issuer.example")).unwrap();
        assert_eq!(state.login("by token", now).unwrap(), Some(login("token")));
        assert_eq!(state.login("by tokens", now).unwrap(), None);
        assert_eq!(state.login("by token", now.plus_millis(500)).unwrap(), None, "its token is over");
        assert!(state.login("by issuer", now.plus_millis(999)).unwrap().is_some());
        assert_eq!(state.login("by issuer", now.plus_millis(1000)).unwrap(), None);
        assert_eq!(state.logins(now).unwrap().len(), 2);
        assert!(state.remove_token("ann").unwrap() && !state.remove_token("ann").unwrap());
        assert_eq!(state.login("by token", now).unwrap(), None, "its token was taken back");
        let short = state.logins(now).unwrap().remove(0).0;
        assert_eq!(state.end_login(None, Some("nothing")).unwrap(), None);
        assert_eq!(state.end_login(None, Some(&short)).unwrap().as_deref(), Some("ann"));
        assert_eq!(state.login("by issuer", now).unwrap(), None);
    }
}
