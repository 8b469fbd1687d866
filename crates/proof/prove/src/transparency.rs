//! Log entries: promise, inclusion proof, checkpoint, and whether the entry speaks of this very signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_evidence::bundle::{InclusionProof, LogEntry};
use linkward_ledger::Checkpoint;
use linkward_ledger::merkle::{Hash, leaf_hash, root_from_inclusion};
use linkward_ledger::note::Note;
use linkward_model::{Algorithm, Code, Instant};

use crate::roots::LogRoot;

type Fault = (Code, String);

/// The trusted log that an entry names, if it was in force at any of these times.
pub(crate) fn log<'a>(entry: &LogEntry, logs: &'a [LogRoot]) -> Result<&'a LogRoot, Fault> {
    logs.iter()
        .find(|log| log.id == entry.log_id)
        .ok_or_else(|| (Code::LogUnknown, "the trust root names no log with the entry's id".to_owned()))
}

/// Rekor v1's signed entry timestamp: the log promises to include the entry, and says when it saw it.
pub(crate) fn promise(entry: &LogEntry, log: &LogRoot, now: Instant) -> Result<Option<Instant>, Fault> {
    let Some(promise) = &entry.promise else { return Ok(None) };
    let time = Instant::from_seconds(entry.integrated);
    let id: String = entry.log_id.iter().map(|byte| format!("{byte:02x}")).collect();
    let canonical = format!(
        "{{\"body\":\"{}\",\"integratedTime\":{},\"logID\":\"{id}\",\"logIndex\":{}}}",
        STANDARD.encode(&entry.body),
        entry.integrated,
        entry.index
    );
    if !log.key.signed_with(Algorithm::Sha256, canonical.as_bytes(), promise) {
        return Err((
            Code::LogPromiseInvalid,
            format!("the entry timestamp of {} does not verify", log.host),
        ));
    }
    if time > now {
        return Err((Code::LogTimeInFuture, format!("the log says {time}, it is {now}")));
    }
    if !log.valid.covers(time) {
        return Err((Code::LogUnknown, format!("the trust root does not trust {} at {time}", log.host)));
    }
    Ok(Some(time))
}

/// The entry's hash leads to the root of the proof.
pub(crate) fn inclusion(entry: &LogEntry, proof: &InclusionProof) -> Result<Hash, Fault> {
    let invalid = |why: String| (Code::LogProofInvalid, why);
    // Rekor v1 numbers across its trees; Rekor v2 has one tree a log, so both numbers must be the same.
    if origin_rule(entry) == OriginRule::Host && entry.index != proof.index {
        let what = format!("the entry calls itself {}, its proof is of {}", entry.index, proof.index);
        return Err(invalid(what));
    }
    let hashes: Option<Vec<Hash>> = proof.hashes.iter().map(|hash| Hash::from_slice(hash)).collect();
    let hashes = hashes.ok_or_else(|| invalid("a hash of the proof does not have 32 bytes".to_owned()))?;
    let root = root_from_inclusion(proof.index, proof.size, &leaf_hash(&entry.body), &hashes)
        .map_err(|error| invalid(error.to_string()))?;
    if Hash::from_slice(&proof.root) == Some(root) {
        Ok(root)
    } else {
        Err(invalid("the proof leads to another root than it says".to_owned()))
    }
}

/// The checkpoint is signed by the log and is of the proof's tree.
pub(crate) fn checkpoint(
    note: &str,
    root: &Hash,
    proof: &InclusionProof,
    log: &LogRoot,
    rule: OriginRule,
) -> Result<(), Fault> {
    let malformed = |why: String| (Code::CheckpointMalformed, why);
    let note = Note::parse(note.as_bytes()).map_err(|error| malformed(error.to_string()))?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|error| malformed(error.to_string()))?;
    let hint = log.id.get(..4).unwrap_or_default();
    let signed = note
        .signatures()
        .iter()
        .filter(|signature| signature.hint == hint)
        .filter(|signature| rule.names(log).contains(&signature.name.as_str()))
        .any(|signature| log.key.signed_with(Algorithm::Sha256, note.text().as_bytes(), &signature.bytes));
    if !signed {
        return Err((Code::CheckpointInvalid, format!("no signature on the checkpoint is by {}", log.host)));
    }
    if !rule.allows(&checkpoint.origin, log) {
        let what = format!("the checkpoint is of `{}`, the log is {}", checkpoint.origin, log.host);
        return Err((Code::CheckpointMismatch, what));
    }
    if checkpoint.size != proof.size || checkpoint.root != *root {
        let what = format!("the checkpoint is of {} entries with another root", checkpoint.size);
        return Err((Code::CheckpointMismatch, what));
    }
    Ok(())
}

pub(crate) fn origin_rule(entry: &LogEntry) -> OriginRule {
    // Rekor v2 writes 0.0.2 of hashedrekord and makes no promise; v1's origin has the tree's id behind the host.
    if entry.promise.is_none() && entry.version == "0.0.2" {
        OriginRule::Host
    } else {
        OriginRule::HostAndTree
    }
}

/// How a log spells the origin of its checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OriginRule {
    /// Rekor v2: the log's host name.
    Host,
    /// Rekor v1: the host name, and the number of the tree behind it.
    HostAndTree,
}

impl OriginRule {
    fn names(self, log: &LogRoot) -> [&str; 2] {
        match self {
            Self::Host => [&log.host, &log.host],
            Self::HostAndTree => [&log.host, &log.authority],
        }
    }

    fn allows(self, origin: &str, log: &LogRoot) -> bool {
        let numbered = |rest: &str| {
            let tree = rest.strip_prefix(" - ");
            tree.is_some_and(|tree| !tree.is_empty() && tree.bytes().all(|byte| byte.is_ascii_digit()))
        };
        self.names(log).iter().filter(|name| !name.is_empty()).any(|name| match self {
            Self::Host => origin == *name,
            Self::HostAndTree => origin.strip_prefix(name).is_some_and(numbered),
        })
    }
}
