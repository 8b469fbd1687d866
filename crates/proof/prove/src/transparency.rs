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

/// The checkpoint is signed by the log and is of the proof's tree. `strict` is the rule of Rekor v2, whose origin is
/// the log's host name; Rekor v1 has a suffix there.
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
        .filter(|signature| rule == OriginRule::AnyName || signature.name == log.host)
        .any(|signature| log.key.signed_with(Algorithm::Sha256, note.text().as_bytes(), &signature.bytes));
    if !signed {
        return Err((Code::CheckpointInvalid, format!("no signature on the checkpoint is by {}", log.host)));
    }
    if rule == OriginRule::HostName && checkpoint.origin != log.host {
        let what = format!("the checkpoint is of `{}`, the log is {}", checkpoint.origin, log.host);
        return Err((Code::CheckpointMismatch, what));
    }
    if checkpoint.size != proof.size || checkpoint.root != *root {
        let what = format!("the checkpoint is of {} entries with another root", checkpoint.size);
        return Err((Code::CheckpointMismatch, what));
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OriginRule {
    HostName,
    AnyName,
}
