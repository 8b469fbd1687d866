//! The feed from the record to its gates: signed, in sequence, with a heartbeat.
//!
//! A message is a note signed by the evidence log's key under the name `ID.gate.linkward.internal`, and its items, whose
//! digest the note holds. Each names the one before it, so that a gate notices what it has missed; a heartbeat repeats
//! the newest position with the time, so that a gate knows how old its knowledge is. An item is believed by its own proof
//! of inclusion, not because it came this way.

use std::str::FromStr;

use linkward_decide::{Entry, reopen, reopen_revocation};
use linkward_ledger::key::NoteKey;
use linkward_ledger::note::{Note, NoteError, signature_line};
use linkward_model::{Code, Digest, Instant};
use serde::{Deserialize, Serialize};

use crate::break_glass::BreakGlass;
use crate::carried::{Carried, CarriedError};
use crate::gate::{Gate, Mode};
use crate::snapshot::Position;

const HEAD: &str = "linkward.gate/v1";
/// A message of the future is of a clock that cannot be trusted with a lease.
const MAX_AHEAD: i64 = 60_000;

/// The key that signs for gates, by the evidence log's: the same key under another name.
pub fn gate_key(log: &NoteKey) -> Option<NoteKey> {
    NoteKey::new(&log.name().replacen(".evidence.", ".gate.", 1), *log.public()).ok()
}

/// What a gate is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "item", deny_unknown_fields)]
pub enum Item {
    Verdict {
        record: Carried,
    },
    /// A revocation, or one taken back, and the digests that it is about.
    Revocation {
        record: Carried,
        digests: Vec<Digest>,
    },
    BreakGlass {
        record: Carried,
    },
}

/// The signed part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub session: u64,
    pub sequence: u64,
    pub epoch: u64,
    pub at: Instant,
    pub mode: Mode,
    /// The message before this one; for a heartbeat, the newest.
    pub previous: Option<Digest>,
    pub items: Digest,
}

/// A message as it travels.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    pub note: String,
    /// The items as JSON text, so that their digest is of these very bytes.
    pub items: String,
}

/// Why a message was not obeyed.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    #[error("message is malformed: {0}")]
    Malformed(&'static str),
    #[error("message is not a signed note")]
    Note(#[from] NoteError),
    #[error("message is not signed by {0}")]
    Signature(String),
    #[error("message goes back in time, or comes from the future")]
    Time,
    #[error("messages are missing between {have} and {got}")]
    Gap { have: u64, got: u64 },
    #[error("the record was started again")]
    Restarted,
    #[error("an item is not proven to be in the log")]
    Carried(#[from] CarriedError),
    #[error("an item is not what it is called")]
    Item,
}

impl FeedError {
    /// Whether the gate has only missed something, and can catch up with a snapshot.
    pub const fn is_gap(&self) -> bool {
        matches!(self, Self::Gap { .. } | Self::Restarted)
    }

    pub const fn code(&self) -> Code {
        if self.is_gap() { Code::FeedStale } else { Code::FeedInvalid }
    }
}

impl Head {
    /// The text that is signed.
    pub fn text(&self) -> String {
        let previous = self.previous.map_or_else(|| "none".to_owned(), |digest| digest.to_string());
        format!(
            "{HEAD}\nsession {}\nsequence {}\nepoch {}\nat {}\nmode {}\nprevious {previous}\nitems {}\n",
            self.session,
            self.sequence,
            self.epoch,
            self.at,
            self.mode.as_str(),
            self.items
        )
    }

    fn parse(text: &str) -> Result<Self, FeedError> {
        let mut lines = text.split('\n');
        if lines.next() != Some(HEAD) {
            return Err(FeedError::Malformed("head"));
        }
        let mut line = |name: &'static str| {
            let value = lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
            value.ok_or(FeedError::Malformed(name))
        };
        fn read<T: FromStr>(value: &str, name: &'static str) -> Result<T, FeedError> {
            value.parse().map_err(|_| FeedError::Malformed(name))
        }
        let head = Self {
            session: read(line("session")?, "session")?,
            sequence: read(line("sequence")?, "sequence")?,
            epoch: read(line("epoch")?, "epoch")?,
            at: read(line("at")?, "at")?,
            mode: match line("mode")? {
                "enforce" => Mode::Enforce,
                "observe" => Mode::Observe,
                _ => return Err(FeedError::Malformed("mode")),
            },
            previous: match line("previous")? {
                "none" => None,
                digest => Some(read(digest, "previous")?),
            },
            items: read(line("items")?, "items")?,
        };
        if head.text() == text { Ok(head) } else { Err(FeedError::Malformed("spelling")) }
    }

    /// The message, from the signature over [`Head::text`].
    pub fn message(&self, key: &NoteKey, signature: &[u8], items: String) -> Message {
        let text = self.text();
        Message { note: format!("{text}\n{}", signature_line(key, signature)), items }
    }
}

/// The end of a feed at a gate.
#[derive(Debug)]
pub struct Tail {
    log: NoteKey,
    key: NoteKey,
    position: Position,
    at: Instant,
}

impl Tail {
    /// A tail that goes on from a snapshot; `None` where the key is not that of an evidence log.
    pub fn new(log: &NoteKey, position: Position) -> Option<Self> {
        Some(Self { key: gate_key(log)?, log: log.clone(), position, at: Instant::from_millis(i64::MIN) })
    }

    pub fn position(&self) -> Position {
        self.position
    }

    /// Obeys the next message. Nothing of a message counts unless all of it is proven.
    ///
    /// # Errors
    /// Forged, out of sequence, or out of time; a gap means that a new snapshot is needed.
    pub fn take(&mut self, message: &Message, gate: &Gate, now: Instant) -> Result<(), FeedError> {
        let note = Note::parse(message.note.as_bytes())?;
        if !note.signed_by(&self.key) {
            return Err(FeedError::Signature(self.key.name().to_owned()));
        }
        let head = Head::parse(note.text())?;
        if head.items != Digest::sha256(message.items.as_bytes()) {
            return Err(FeedError::Malformed("items"));
        }
        if head.session != self.position.session {
            // An old session played back is no restart.
            return Err(if head.session > self.position.session {
                FeedError::Restarted
            } else {
                FeedError::Time
            });
        }
        let items: Vec<Item> =
            serde_json::from_str(&message.items).map_err(|_| FeedError::Malformed("items"))?;
        if items.is_empty() {
            return self.heartbeat(&head, gate, now);
        }
        if head.sequence <= self.position.sequence {
            // Seen already: a poll that was repeated.
            return Ok(());
        }
        if head.sequence != self.position.sequence + 1 || head.previous != self.position.last {
            return Err(FeedError::Gap { have: self.position.sequence, got: head.sequence });
        }
        self.obey(&items, gate, now)?;
        self.position.sequence = head.sequence;
        self.position.last = Some(Digest::sha256(note.text().as_bytes()));
        gate.knows(head.epoch);
        gate.switch(head.mode);
        Ok(())
    }

    fn heartbeat(&mut self, head: &Head, gate: &Gate, now: Instant) -> Result<(), FeedError> {
        if head.at < self.at || head.at.since(now) > MAX_AHEAD {
            return Err(FeedError::Time);
        }
        if head.sequence != self.position.sequence || head.previous != self.position.last {
            return Err(FeedError::Gap { have: self.position.sequence, got: head.sequence });
        }
        self.at = head.at;
        gate.knows(head.epoch);
        gate.switch(head.mode);
        gate.heard(head.at.min(now));
        Ok(())
    }

    fn obey(&self, items: &[Item], gate: &Gate, now: Instant) -> Result<(), FeedError> {
        enum Proven<'a> {
            Verdict(linkward_ledger::Recorded<linkward_decide::Verdict>),
            Revocation(linkward_ledger::Recorded<Entry>, &'a [Digest]),
            Glass(BreakGlass),
        }
        let mut proven = Vec::with_capacity(items.len());
        for item in items {
            proven.push(match item {
                Item::Verdict { record } => {
                    let record = record.prove(&self.log)?.0;
                    Proven::Verdict(reopen(record).map_err(|_| FeedError::Item)?)
                }
                Item::Revocation { record, digests } => {
                    let record = record.prove(&self.log)?.0;
                    Proven::Revocation(reopen_revocation(record).map_err(|_| FeedError::Item)?, digests)
                }
                Item::BreakGlass { record } => {
                    let record = record.prove(&self.log)?.0;
                    // A gate that does not know these people does not let them pass, and goes on.
                    match BreakGlass::reopen(record, &gate.settings().glass) {
                        Ok(glass) => Proven::Glass(glass),
                        Err(_) => continue,
                    }
                }
            });
        }
        for item in proven {
            match item {
                Proven::Verdict(verdict) => gate.insert(&verdict),
                Proven::Revocation(entry, digests) => gate.revoke(&entry, digests),
                Proven::Glass(glass) => gate.break_glass(glass, now),
            }
        }
        Ok(())
    }
}
