//! Samples of the measures over time. Not evidence: what they were counted from is in the log.

use linkward_model::Instant;
use rusqlite::params;

use crate::state::State;

const HOUR: i64 = 60 * 60 * 1000;
const DAY: i64 = 24 * HOUR;
/// How long every sample is kept, then one an hour, then one a day.
const FINE: i64 = 3 * DAY + 6 * HOUR;
const HOURLY: i64 = 35 * DAY;
const DAILY: i64 = 800 * DAY;

pub(crate) const SCHEMA: &str = "
create table if not exists samples (
    name text not null, at integer not null, value real not null, primary key (name, at)) without rowid;
";

impl State {
    /// Stores a value of each name.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn sample<'a>(
        &mut self,
        samples: impl IntoIterator<Item = (&'a str, f64)>,
        now: Instant,
    ) -> rusqlite::Result<()> {
        let transaction = self.transaction()?;
        for (name, value) in samples {
            transaction.execute(
                "insert or replace into samples values (?1, ?2, ?3)",
                params![name, now.millis(), value],
            )?;
        }
        transaction.commit()
    }

    /// The samples of a name since a time, oldest first, at most so many: evenly fewer where there are more.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn series(&self, name: &str, since: Instant, most: usize) -> rusqlite::Result<Vec<(Instant, f64)>> {
        let mut statement = self
            .connection()
            .prepare_cached("select at, value from samples where name = ?1 and at >= ?2 order by at")?;
        let read = |row: &rusqlite::Row<'_>| Ok((Instant::from_millis(row.get(0)?), row.get(1)?));
        let all: Vec<(Instant, f64)> =
            statement.query_map(params![name, since.millis()], read)?.collect::<Result<_, _>>()?;
        let step = all.len().div_ceil(most.max(1)).max(1);
        let last = all.len().saturating_sub(1);
        // The newest always stays: it is what is true now.
        Ok(all
            .into_iter()
            .enumerate()
            .filter(|(place, _)| (last - place).is_multiple_of(step))
            .map(|(_, one)| one)
            .collect())
    }

    /// Forgets what is old: of the last days nothing, of the last weeks all but one an hour, of the last years all but one
    /// a day.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn thin_samples(&mut self, now: Instant) -> rusqlite::Result<()> {
        let transaction = self.transaction()?;
        for (age, bucket) in [(FINE, HOUR), (HOURLY, DAY)] {
            transaction.execute(
                "delete from samples where at < ?1 and exists (
                    select 1 from samples as first where first.name = samples.name
                    and first.at >= samples.at / ?2 * ?2 and first.at < samples.at)",
                params![now.millis() - age, bucket],
            )?;
        }
        transaction.execute("delete from samples where at < ?1", [now.millis() - DAILY])?;
        transaction.commit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use linkward_testkit::{noon, scratch};

    #[test]
    fn old_samples_are_few_and_the_newest_stays() {
        let folder = scratch();
        let mut state = State::open(&folder.path().join("state.db")).unwrap();
        let begin = noon();
        let now = begin.plus_millis(40 * DAY);
        let transaction = state.transaction().unwrap();
        for number in 0..40 * 24 * 12_i64 {
            let at = begin.plus_millis(number * 300_000);
            let row = params!["M1", at.millis(), number as f64];
            transaction.execute("insert into samples values (?1, ?2, ?3)", row).unwrap();
        }
        transaction.commit().unwrap();
        // Thinning what is thin already takes nothing more.
        for _ in 0..2 {
            state.thin_samples(now).unwrap();
        }
        state.sample([("M1", 7.0)], now).unwrap();
        let all = state.series("M1", begin, usize::MAX).unwrap();
        let between = |from: i64, until: i64| {
            let inside = |at: &Instant| now.since(*at) > from && now.since(*at) <= until;
            all.iter().filter(|(at, _)| inside(at)).count()
        };
        assert_eq!(between(0, DAY), 288, "every five minutes");
        assert_eq!(between(10 * DAY, 11 * DAY), 24, "every hour");
        assert_eq!(between(37 * DAY, 39 * DAY), 2, "every day");
        let few = state.series("M1", begin, 50).unwrap();
        assert!(few.len() <= 50 && few.last() == all.last(), "{}", few.len());
        assert_eq!(state.series("M2", begin, 50).unwrap(), []);
    }
}
