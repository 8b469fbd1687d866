//! The outbox: what people have to be told, kept until it was delivered.
//!
//! Notices and the deliveries that they cause are written in one transaction with the place in the log up to which
//! findings were folded: a process that is killed anywhere between tells nothing twice and forgets nothing. Deliveries
//! of one key on one channel go out in the order in which they were written.

use linkward_model::Instant;
use rusqlite::{OptionalExtension as _, params};

use crate::state::State;

/// How long delivered entries are kept for people to look at.
const KEPT: i64 = 7 * 24 * 60 * 60 * 1000;

pub(crate) const SCHEMA: &str = "
create table if not exists marks (name text primary key, value integer not null) without rowid;
create table if not exists notices (
    key text primary key, slot text not null, body text not null, opened integer not null, closed integer
) without rowid;
create index if not exists notices_slot on notices (slot, opened);
create index if not exists notices_open on notices (closed, opened);
create table if not exists deliveries (
    id integer primary key, key text not null, channel text not null, what text not null, body text not null,
    created integer not null, attempts integer not null default 0, next integer not null, done integer, error text,
    unique (key, channel, what));
create index if not exists deliveries_due on deliveries (channel, done, next);
";

/// A notice as it is kept: the body belongs to whoever writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub key: String,
    /// What notices of one matter have in common; the newest of a slot takes up what follows.
    pub slot: String,
    pub body: String,
    pub opened: Instant,
    pub closed: Option<Instant>,
}

/// Something to deliver. The same key, channel and what are one delivery, however often they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parcel {
    pub key: String,
    pub channel: String,
    pub what: String,
    pub body: String,
}

/// A parcel on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub id: i64,
    pub parcel: Parcel,
    pub created: Instant,
    /// Attempts that were begun before.
    pub attempts: u32,
}

/// How a channel stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    pub channel: String,
    pub count: u64,
    pub oldest: Instant,
    pub attempts: u32,
    pub error: Option<String>,
}

/// What one step changes, all of it or nothing.
#[derive(Clone, Debug, Default)]
pub struct Step {
    pub notices: Vec<Kept>,
    pub parcels: Vec<Parcel>,
    /// Key and body of what is over: told to every channel that was told of it.
    pub resolved: Vec<(String, String)>,
    pub marks: Vec<(&'static str, i64)>,
}

impl State {
    /// # Errors
    /// The database cannot be read.
    pub fn mark(&self, name: &str) -> rusqlite::Result<Option<i64>> {
        let mut statement = self.connection().prepare_cached("select value from marks where name = ?1")?;
        statement.query_row([name], |row| row.get(0)).optional()
    }

    /// Applies a step.
    ///
    /// # Errors
    /// The database cannot be written; then nothing of the step is.
    pub fn apply(&mut self, step: &Step, now: Instant) -> rusqlite::Result<()> {
        let transaction = self.transaction()?;
        for kept in &step.notices {
            transaction.execute(
                "insert or replace into notices values (?1, ?2, ?3, ?4, ?5)",
                params![
                    kept.key,
                    kept.slot,
                    kept.body,
                    kept.opened.millis(),
                    kept.closed.map(Instant::millis)
                ],
            )?;
        }
        for parcel in &step.parcels {
            transaction.execute(
                "insert or ignore into deliveries (key, channel, what, body, created, next) values (?1, ?2, ?3, ?4, ?5, ?5)",
                params![parcel.key, parcel.channel, parcel.what, parcel.body, now.millis()],
            )?;
        }
        for (key, body) in &step.resolved {
            transaction.execute(
                "insert or ignore into deliveries (key, channel, what, body, created, next)
                 select distinct key, channel, 'resolve', ?2, ?3, ?3 from deliveries where key = ?1 and what <> 'resolve'",
                params![key, body, now.millis()],
            )?;
        }
        for (name, value) in &step.marks {
            transaction.execute("insert or replace into marks values (?1, ?2)", params![name, value])?;
        }
        transaction.execute("delete from deliveries where done < ?1", [now.millis() - KEPT])?;
        transaction.execute("delete from notices where closed < ?1", [now.millis() - 4 * KEPT])?;
        transaction.commit()
    }

    /// The newest notice of a slot.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn newest_of(&self, slot: &str) -> rusqlite::Result<Option<Kept>> {
        let mut statement = self.connection().prepare_cached(
            "select key, slot, body, opened, closed from notices where slot = ?1 order by opened desc, key limit 1",
        )?;
        statement.query_row([slot], kept).optional()
    }

    /// Notices that nobody answered yet, oldest first.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn open_notices(&self, limit: usize) -> rusqlite::Result<Vec<Kept>> {
        let mut statement = self.connection().prepare_cached(
            "select key, slot, body, opened, closed from notices where closed is null order by opened, key limit ?1",
        )?;
        statement.query_map([limit as i64], kept)?.collect()
    }

    /// Deliveries of a channel that are due, none before an earlier one of its key.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn due(&self, channel: &str, now: Instant, limit: usize) -> rusqlite::Result<Vec<Delivery>> {
        let mut statement = self.connection().prepare_cached(
            "select id, key, channel, what, body, created, attempts from deliveries as one
             where channel = ?1 and done is null and next <= ?2 and not exists (
                select 1 from deliveries as other where other.channel = ?1 and other.key = one.key
                and other.done is null and other.id < one.id)
             order by id limit ?3",
        )?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Delivery {
                id: row.get(0)?,
                parcel: Parcel {
                    key: row.get(1)?,
                    channel: row.get(2)?,
                    what: row.get(3)?,
                    body: row.get(4)?,
                },
                created: Instant::from_millis(row.get(5)?),
                attempts: row.get(6)?,
            })
        };
        statement.query_map(params![channel, now.millis(), limit as i64], read)?.collect()
    }

    /// Whether a parcel of this key was delivered on the channel.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn was_delivered(&self, key: &str, channel: &str) -> rusqlite::Result<bool> {
        let mut statement = self.connection().prepare_cached(
            "select exists (select 1 from deliveries where key = ?1 and channel = ?2 and done is not null)",
        )?;
        statement.query_row([key, channel], |row| row.get(0))
    }

    /// Notes that an attempt begins: whoever is killed during it knows later that it may have arrived.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn attempting(&self, id: i64) -> rusqlite::Result<()> {
        self.connection()
            .execute("update deliveries set attempts = attempts + 1 where id = ?1", [id])
            .map(drop)
    }

    /// # Errors
    /// The database cannot be written.
    pub fn delivered(&self, id: i64, now: Instant) -> rusqlite::Result<()> {
        let sql = "update deliveries set done = ?2, error = null where id = ?1";
        self.connection().execute(sql, params![id, now.millis()]).map(drop)
    }

    /// Not delivered: to be tried again at a time.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn postponed(&self, id: i64, next: Instant, error: &str) -> rusqlite::Result<()> {
        let sql = "update deliveries set next = ?2, error = ?3 where id = ?1";
        self.connection().execute(sql, params![id, next.millis(), error]).map(drop)
    }

    /// How each channel with something undelivered stands.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn waiting(&self) -> rusqlite::Result<Vec<Waiting>> {
        let mut statement = self.connection().prepare_cached(
            "select channel, count(*), min(created), max(attempts),
                (select error from deliveries as last where last.channel = one.channel and last.done is null
                 and last.error is not null order by last.id desc limit 1)
             from deliveries as one where done is null group by channel order by channel",
        )?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Waiting {
                channel: row.get(0)?,
                count: row.get::<_, i64>(1)?.max(0) as u64,
                oldest: Instant::from_millis(row.get(2)?),
                attempts: row.get(3)?,
                error: row.get(4)?,
            })
        };
        statement.query_map([], read)?.collect()
    }
}

fn kept(row: &rusqlite::Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept {
        key: row.get(0)?,
        slot: row.get(1)?,
        body: row.get(2)?,
        opened: Instant::from_millis(row.get(3)?),
        closed: row.get::<_, Option<i64>>(4)?.map(Instant::from_millis),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use linkward_testkit::{noon, scratch};

    fn parcel(key: &str, channel: &str, what: &str) -> Parcel {
        let text = |text: &str| text.to_owned();
        Parcel { key: text(key), channel: text(channel), what: text(what), body: text("{}") }
    }

    #[test]
    fn what_was_written_once_is_delivered_once_and_in_order_also_after_a_restart() {
        let folder = scratch();
        let path = folder.path().join("state.db");
        let now = noon();
        let step = Step {
            parcels: vec![
                parcel("a", "ops", "trigger"),
                parcel("a", "ops", "resolve"),
                parcel("b", "ops", "trigger"),
            ],
            marks: vec![("folded", 7)],
            ..Step::default()
        };
        let mut state = State::open(&path).unwrap();
        state.apply(&step, now).unwrap();
        state.apply(&step, now).unwrap();
        drop(state);
        let state = State::open(&path).unwrap();
        assert_eq!(state.mark("folded").unwrap(), Some(7));
        let due = state.due("ops", now, 10).unwrap();
        let whats: Vec<_> =
            due.iter().map(|one| (one.parcel.key.as_str(), one.parcel.what.as_str())).collect();
        assert_eq!(whats, [("a", "trigger"), ("b", "trigger")], "a resolve waits for its trigger");
        state.attempting(due[0].id).unwrap();
        state.postponed(due[0].id, now.plus_millis(1000), "refused").unwrap();
        state.delivered(due[1].id, now).unwrap();
        assert_eq!(state.due("ops", now, 10).unwrap(), []);
        let waiting = state.waiting().unwrap();
        assert_eq!(
            (waiting[0].count, waiting[0].attempts, waiting[0].error.as_deref()),
            (2, 1, Some("refused"))
        );
        let later = now.plus_millis(1000);
        state.delivered(state.due("ops", later, 10).unwrap()[0].id, later).unwrap();
        assert_eq!(state.due("ops", later, 10).unwrap()[0].parcel.what, "resolve");
        assert!(state.was_delivered("a", "ops").unwrap() && !state.was_delivered("a", "other").unwrap());
    }

    #[test]
    fn the_newest_of_a_slot_takes_up_what_follows() {
        let folder = scratch();
        let mut state = State::open(&folder.path().join("state.db")).unwrap();
        let now = noon();
        let one = |key: &str, after: i64, closed: Option<Instant>| Kept {
            key: key.to_owned(),
            slot: "s".to_owned(),
            body: "{}".to_owned(),
            opened: now.plus_millis(after),
            closed,
        };
        let notices = vec![one("a", 0, Some(now)), one("b", 5, None)];
        state.apply(&Step { notices, ..Step::default() }, now).unwrap();
        assert_eq!(state.newest_of("s").unwrap().unwrap().key, "b");
        assert_eq!(state.newest_of("t").unwrap(), None);
        assert_eq!(state.open_notices(9).unwrap().len(), 1);
    }
}
