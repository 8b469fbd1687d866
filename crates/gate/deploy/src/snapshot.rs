//! The snapshot of a gate: every verdict that it holds, in one file that is proven to be in the log.
//!
//! A hundred thousand inclusion proofs would take a second to check and a hundred megabytes to carry. So the log holds
//! one record with the digest of the whole, and the file brings that record's proof along. A gate that starts from it
//! verifies one signature, one proof and one hash.

use std::fmt::Write as _;

use linkward_decide::{Mode as PolicyMode, Outcome};
use linkward_ledger::key::NoteKey;
use linkward_ledger::{Body, Kind, Recordable};
use linkward_model::{Code, Digest, Environment, Instant, Tenant};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::break_glass::BreakGlass;
use crate::carried::{Carried, CarriedError};
use crate::gate::{Gate, Mode};
use crate::held::{Held, Stand};
use crate::settings::mode_named;
use crate::strike::Strike;

/// Where in the feed a snapshot stands: a gate goes on from there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Start of the process that speaks; a later one supersedes an earlier one.
    pub session: u64,
    pub sequence: u64,
    /// The newest message up to there.
    pub last: Option<Digest>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    version: u32,
    environment: Environment,
    mode: String,
    made: Instant,
    epoch: u64,
    log_size: u64,
    position: Position,
    stands: Vec<(Digest, Digest, Tenant)>,
    verdicts: usize,
    strikes: usize,
    glasses: Vec<Carried>,
}

/// The record that vouches for a snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotRecord {
    document: Digest,
    environment: Environment,
    epoch: u64,
}

impl SnapshotRecord {
    pub fn new(document: &[u8], environment: &Environment, epoch: u64) -> Self {
        Self { document: Digest::sha256(document), environment: environment.clone(), epoch }
    }
}

impl Recordable for SnapshotRecord {
    fn body(&self) -> Body {
        let says = json!({ "what": "gate-snapshot", "document": self.document, "epoch": self.epoch });
        Body::new(Kind::Action, Vec::new(), Vec::new(), says)
    }

    fn environment(&self) -> Environment {
        self.environment.clone()
    }
}

/// The least that a gate has seen: what knows less of the revocations is refused, whoever signed it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floor {
    pub origin: String,
    pub epoch: u64,
    /// Index of the newest snapshot's record.
    pub record: u64,
}

/// Why a snapshot is not used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("snapshot is malformed: {0}")]
    Malformed(String),
    #[error("snapshot is not proven to be in the log")]
    Carried(#[from] CarriedError),
    #[error("the snapshot's record speaks of another document")]
    Document,
    #[error("snapshot is for environment {found}, this gate is for {expected}")]
    Environment { found: Environment, expected: Environment },
    #[error("snapshot of log {found}, this gate has seen {expected}")]
    Origin { found: String, expected: String },
    #[error("snapshot knows {found} revocation records, this gate has seen {seen}")]
    RolledBack { found: u64, seen: u64 },
}

impl SnapshotError {
    pub const fn code(&self) -> Code {
        match self {
            Self::RolledBack { .. } => Code::SnapshotRolledBack,
            _ => Code::SnapshotInvalid,
        }
    }
}

/// A snapshot that was verified.
#[derive(Debug)]
pub struct Snapshot {
    header: Header,
    held: Vec<(Digest, Held)>,
    strikes: Vec<(Digest, Strike)>,
    glasses: Vec<linkward_ledger::Recorded<linkward_ledger::Opaque>>,
    floor: Floor,
}

impl Gate {
    /// The document of a snapshot as of a log size, to be recorded by its digest.
    pub fn document(
        &self,
        log_size: u64,
        position: Position,
        glasses: Vec<Carried>,
        now: Instant,
    ) -> Vec<u8> {
        let verdicts = self.verdicts.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let strikes = self.strikes.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut stands: Vec<std::sync::Arc<Stand>> = Vec::new();
        let mut rows = String::with_capacity(verdicts.len() * 160);
        for (digest, held) in verdicts.iter() {
            let at = stands.iter().position(|known| *known == held.stand).unwrap_or_else(|| {
                stands.push(std::sync::Arc::clone(&held.stand));
                stands.len() - 1
            });
            let _ = writeln!(
                rows,
                "{digest}\t{}\t{}\t{}\t{}\t{}\t{}\t{at}\t{}\t{}",
                held.outcome.as_str(),
                held.mode.as_str(),
                held.code.map_or("-", |code| code.as_str()),
                held.record,
                held.log_size,
                held.valid_until.map_or(-1, Instant::millis),
                line(&held.name),
                line(&held.detail),
            );
        }
        let mut struck = 0;
        for (digest, strike) in strikes.iter() {
            struck += 1;
            let _ = writeln!(rows, "{digest}\t{}\t{}\t{}", strike.code, strike.record, line(&strike.detail));
        }
        let header = Header {
            version: 1,
            environment: self.settings.environment.clone(),
            mode: self.mode().as_str().to_owned(),
            made: now,
            epoch: self.epoch(),
            log_size,
            position,
            stands: stands.iter().map(|stand| (stand.policy, stand.roots, stand.tenant.clone())).collect(),
            verdicts: verdicts.len(),
            strikes: struck,
            glasses,
        };
        let mut out = serde_json::to_vec(&header).unwrap_or_default();
        out.push(b'\n');
        out.extend_from_slice(rows.as_bytes());
        out
    }

    /// Takes over a verified snapshot. What the gate knows from newer records stays.
    pub fn load(&self, snapshot: Snapshot, now: Instant) {
        {
            let mut verdicts = self.verdicts.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            verdicts.reserve(snapshot.held.len());
            let stands: Vec<_> = snapshot
                .header
                .stands
                .iter()
                .map(|(policy, roots, tenant)| self.stand(Stand::new(*policy, *roots, tenant.clone())))
                .collect();
            for (digest, mut held) in snapshot.held {
                // The snapshot's own stands become the gate's: equal ones are shared.
                let shared = stands.iter().find(|stand| ***stand == *held.stand);
                if let Some(shared) = shared {
                    held.stand = std::sync::Arc::clone(shared);
                }
                if verdicts.get(&digest).is_none_or(|known| known.record <= held.record) {
                    verdicts.insert(digest, held);
                }
            }
        }
        {
            let mut strikes = self.strikes.write().unwrap_or_else(std::sync::PoisonError::into_inner);
            for (digest, strike) in snapshot.strikes {
                strikes.insert(digest, strike);
            }
        }
        for record in snapshot.glasses {
            if let Ok(glass) = BreakGlass::reopen(record, &self.settings.glass) {
                self.break_glass(glass, now);
            }
        }
        self.knows(snapshot.header.epoch);
        self.switch(if snapshot.header.mode == Mode::Enforce.as_str() {
            Mode::Enforce
        } else {
            Mode::Observe
        });
        self.heard(snapshot.header.made);
        self.blind(None);
    }
}

/// One field of a row: no separators within.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The file: the carried record on the first line, the document behind it.
pub fn file(record: &Carried, document: &[u8]) -> Vec<u8> {
    let mut out = serde_json::to_vec(record).unwrap_or_default();
    out.push(b'\n');
    out.extend_from_slice(document);
    out
}

impl Snapshot {
    /// Verifies a file against the log's key, the gate's environment and what it has seen before.
    ///
    /// # Errors
    /// Forged, of another log or environment, malformed, or older than the floor.
    pub fn open(
        file: &[u8],
        log: &NoteKey,
        environment: &Environment,
        floor: Option<&Floor>,
    ) -> Result<Self, SnapshotError> {
        let bad = |what: &str| SnapshotError::Malformed(what.to_owned());
        let split = file.iter().position(|byte| *byte == b'\n').ok_or_else(|| bad("no first line"))?;
        let (first, rest) = file.split_at(split);
        let document = rest.get(1..).unwrap_or_default();
        let carried: Carried =
            serde_json::from_slice(first).map_err(|error| SnapshotError::Malformed(error.to_string()))?;
        let (record, checkpoint) = carried.prove(log)?;
        let body = record.body().map_err(CarriedError::from)?;
        let field = |name: &str| body.says.get(name).and_then(Value::as_str).unwrap_or("");
        if body.kind != Kind::Action
            || field("what") != "gate-snapshot"
            || field("document") != Digest::sha256(document).to_string()
        {
            return Err(SnapshotError::Document);
        }
        let text = std::str::from_utf8(document).map_err(|_| bad("not UTF-8"))?;
        let (header, rows) = text.split_once('\n').ok_or_else(|| bad("no header"))?;
        let header: Header =
            serde_json::from_str(header).map_err(|error| SnapshotError::Malformed(error.to_string()))?;
        if header.version != 1 {
            return Err(bad("version is not 1"));
        }
        if header.environment != *environment {
            return Err(SnapshotError::Environment {
                found: header.environment,
                expected: environment.clone(),
            });
        }
        let origin = checkpoint.origin().to_owned();
        if let Some(floor) = floor {
            if floor.origin != origin {
                return Err(SnapshotError::Origin { found: origin, expected: floor.origin.clone() });
            }
            if header.epoch < floor.epoch {
                return Err(SnapshotError::RolledBack { found: header.epoch, seen: floor.epoch });
            }
        }
        let mut glasses = Vec::new();
        for glass in &header.glasses {
            glasses.push(glass.prove(log)?.0);
        }
        let stands: Vec<_> = header
            .stands
            .iter()
            .map(|(policy, roots, tenant)| std::sync::Arc::new(Stand::new(*policy, *roots, tenant.clone())))
            .collect();
        let (mut held, mut strikes) = (Vec::with_capacity(header.verdicts.min(1 << 22)), Vec::new());
        for (number, row) in rows.lines().enumerate() {
            let wrong = || SnapshotError::Malformed(format!("row {number}"));
            if number < header.verdicts {
                held.push(verdict_row(row, &stands).ok_or_else(wrong)?);
            } else {
                strikes.push(strike_row(row).ok_or_else(wrong)?);
            }
        }
        if held.len() != header.verdicts || strikes.len() != header.strikes {
            return Err(bad("rows are missing"));
        }
        let floor = Floor { origin, epoch: header.epoch, record: record.index() };
        Ok(Self { header, held, strikes, glasses, floor })
    }

    /// What a gate that took this snapshot has seen.
    pub fn floor(&self) -> &Floor {
        &self.floor
    }

    pub fn position(&self) -> Position {
        self.header.position
    }

    /// Size of the log up to which it holds every verdict.
    pub fn log_size(&self) -> u64 {
        self.header.log_size
    }

    pub fn len(&self) -> usize {
        self.held.len()
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

fn verdict_row(row: &str, stands: &[std::sync::Arc<Stand>]) -> Option<(Digest, Held)> {
    let mut fields = row.split('\t');
    let digest: Digest = fields.next()?.parse().ok()?;
    let outcome = match fields.next()? {
        "allow" => Outcome::Allow,
        "unknown" => Outcome::Unknown,
        "deny" => Outcome::Deny,
        _ => return None,
    };
    let mode: PolicyMode = mode_named(fields.next()?)?;
    let code: Option<Code> = match fields.next()? {
        "-" => None,
        code => Some(code.parse().ok()?),
    };
    let record = fields.next()?.parse().ok()?;
    let log_size = fields.next()?.parse().ok()?;
    let until: i64 = fields.next()?.parse().ok()?;
    let stand = stands.get(fields.next()?.parse::<usize>().ok()?)?;
    let (name, detail) = (fields.next()?.into(), fields.next()?.into());
    // A row is whole, and a yes has no reason to be a no: an exception is the one that it may name.
    let yes = code.is_none_or(|code| code == Code::ExceptionApplied);
    if fields.next().is_some() || (outcome == Outcome::Allow) != yes {
        return None;
    }
    let valid_until = (until >= 0).then(|| Instant::from_millis(until));
    let stand = std::sync::Arc::clone(stand);
    Some((digest, Held { outcome, mode, code, detail, record, log_size, valid_until, stand, name }))
}

fn strike_row(row: &str) -> Option<(Digest, Strike)> {
    let mut fields = row.split('\t');
    let digest = fields.next()?.parse().ok()?;
    let code = fields.next()?.parse().ok()?;
    let record = fields.next()?.parse().ok()?;
    let detail = fields.next()?.into();
    fields.next().is_none().then_some((digest, Strike { code, detail, record }))
}
