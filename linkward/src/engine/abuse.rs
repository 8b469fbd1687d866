//! What the signing services refused: counted by service and code, and recorded by the count. A flood costs a line.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use linkward_issue::sigstore::Refused;
use linkward_issue::sigstore::token::Unverified;
use linkward_model::{Code, Digest, Instant};
use serde::Serialize;

use super::Engine;
use super::limit::Limiter;
use super::sigstore::Denied;
use crate::records::Note;

/// Longest message that is kept of a refusal.
const MAX_MESSAGE: usize = 200;

/// Refusals since the start, by service and code: as many rows as there are services and codes, whoever asks how often.
#[derive(Debug)]
pub(super) struct Abuse {
    refused: Mutex<BTreeMap<(&'static str, Code), Tally>>,
    /// By whom the request says to be: a claim is enough to be counted by.
    failures: Limiter,
}

/// Refusals of one kind.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Tally {
    service: &'static str,
    code: Code,
    count: u64,
    first: Instant,
    last: Instant,
    /// What the last one was told.
    message: String,
    #[serde(skip)]
    recorded: u64,
}

impl Default for Abuse {
    fn default() -> Self {
        Self { refused: Mutex::default(), failures: Limiter::new(5.0, 100.0) }
    }
}

impl Abuse {
    /// Counts a refusal.
    pub(super) fn note(&self, service: &'static str, code: Code, message: &str, now: Instant) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let tally = refused.entry((service, code)).or_insert_with(|| Tally {
            service,
            code,
            count: 0,
            first: now,
            last: now,
            message: String::new(),
            recorded: 0,
        });
        tally.count = tally.count.saturating_add(1);
        tally.last = now;
        tally.message = message.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE).collect();
    }

    /// What was refused since the start.
    pub(super) fn tallies(&self) -> Vec<Tally> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// What no record says yet.
    fn unrecorded(&self) -> Vec<Tally> {
        self.tallies().into_iter().filter(|tally| tally.count > tally.recorded).collect()
    }

    fn recorded(&self, rows: &[Tally]) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            if let Some(tally) = refused.get_mut(&(row.service, row.code)) {
                tally.recorded = row.count;
            }
        }
    }

    /// Lets a refusal pass to whom it is meant for, unless there were too many of them.
    pub(super) fn limited(&self, who: Digest, refused: Refused, now: Instant) -> Denied {
        match self.failures.take(who, now) {
            Ok(()) => Denied::Refused(refused),
            Err(seconds) => Denied::Later(seconds),
        }
    }
}

/// Whom a token says to speak for; nothing of it is proven.
pub(super) fn claimed(token: Option<&str>) -> Digest {
    let unverified = token.and_then(|token| Unverified::parse(token).ok());
    let who = unverified.map_or_else(String::new, |token| format!("{} {}", token.issuer(), token.subject()));
    Digest::sha256(who.as_bytes())
}

impl Engine {
    /// Counts what a signing service refused.
    pub(crate) fn count_refusal(&self, service: &'static str, code: Code, message: &str) {
        self.services.abuse.note(service, code, message, Instant::now());
    }

    /// Records what was refused since the last time, as one record.
    pub(super) fn record_refusals(&self, now: Instant) -> Result<()> {
        let rows = self.services.abuse.unrecorded();
        if rows.is_empty() {
            return Ok(());
        }
        let note = Note::refusals(&serde_json::to_value(&rows)?, &self.environment(None));
        self.store.append(note, Vec::new(), now)?;
        self.services.abuse.recorded(&rows);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_one_row_and_is_recorded_by_its_growth() {
        let abuse = Abuse::default();
        let now = Instant::from_seconds(1_000);
        for _ in 0..100_000 {
            abuse.note("certificate", Code::TokenReplayed, &"x".repeat(1000), now);
        }
        abuse.note("timestamp", Code::TooLarge, "a\nb", now);
        let rows = abuse.unrecorded();
        assert_eq!(rows.len(), 2);
        assert!(rows.iter().any(|row| row.count == 100_000 && row.message.len() == MAX_MESSAGE));
        assert!(rows.iter().any(|row| row.message == "ab"));
        abuse.recorded(&rows);
        assert!(abuse.unrecorded().is_empty());
        abuse.note("timestamp", Code::TooLarge, "", now);
        assert_eq!(abuse.unrecorded().len(), 1);
        assert_eq!(abuse.tallies().len(), 2);
    }

    #[test]
    fn one_who_fails_too_often_is_told_to_wait_and_another_is_not() {
        let abuse = Abuse::default();
        let now = Instant::from_seconds(1_000);
        let refused = || Refused::new(Code::TokenExpired, "late");
        let (a, b) = (claimed(Some("x")), Digest::sha256(b"b"));
        let passed = |who| matches!(abuse.limited(who, refused(), now), Denied::Refused(_));
        assert_eq!((0..150).filter(|_| passed(a)).count(), 100);
        assert!(!passed(a) && passed(b));
    }
}
