//! When it was signed: log entries, their proofs, and timestamps.

use linkward_evidence::bundle::{Bundle, LogEntry, Version};
use linkward_model::{Code, Instant};

use super::signer::Verifier;
use super::{Fault, Run};
use crate::attestation::{Logged, Stamp};
use crate::roots::LogRoot;
use crate::{timestamp, transparency};

/// Where the entries are, in which logs, and the times that these promise.
pub(super) type Transparency<'a> = (Vec<Logged>, Vec<&'a LogRoot>, Vec<Instant>);

impl<'a> Run<'a> {
    /// Every entry of the bundle must hold; returns where they are and the times that they prove.
    pub(super) fn transparency(&mut self, bundle: &Bundle) -> Result<Transparency<'a>, Fault> {
        if bundle.entries.is_empty() {
            if !self.instance.logs.is_empty() {
                let what = "the trust root names logs, but the bundle holds no log entry".to_owned();
                return Err((Code::BundleNoLogEntry, what));
            }
            for _ in 0..4 {
                self.skipped("the trust root names no log");
            }
            return Ok((Vec::new(), Vec::new(), Vec::new()));
        }
        let instance = self.instance;
        let logs = bundle
            .entries
            .iter()
            .map(|entry| transparency::log(entry, &instance.logs))
            .collect::<Result<Vec<_>, _>>()?;
        self.passed(logs.iter().map(|log| log.host.as_str()).collect::<Vec<_>>().join(", "));
        let mut times = Vec::new();
        for (entry, log) in bundle.entries.iter().zip(&logs) {
            match transparency::promise(entry, log, self.now)? {
                Some(time) => times.push(time),
                None if bundle.version == Version::V0_1 && entry.proof.is_none() => {
                    let what = "the entry has neither a promise nor an inclusion proof".to_owned();
                    return Err((Code::LogProofMissing, what));
                }
                None => {}
            }
        }
        match times.first() {
            Some(time) => self.passed(format!("logged at {time}")),
            None => self.skipped("the log makes no promise; its inclusion proof counts"),
        }
        self.inclusion(bundle, &logs)?;
        let logged = bundle
            .entries
            .iter()
            .zip(&logs)
            .map(|(entry, log)| Logged {
                origin: log.host.clone(),
                index: proven_index(entry),
                key: log.key.id(),
            })
            .collect();
        Ok((logged, logs, times))
    }

    pub(super) fn inclusion(&mut self, bundle: &Bundle, logs: &[&LogRoot]) -> Result<(), Fault> {
        let mut roots = Vec::new();
        for entry in &bundle.entries {
            match &entry.proof {
                Some(proof) => roots.push(Some(transparency::inclusion(entry, proof)?)),
                // v0.1 bundles may rest on the promise alone.
                None if bundle.version == Version::V0_1 && entry.promise.is_some() => roots.push(None),
                None => {
                    let what = "the log entry comes without an inclusion proof".to_owned();
                    return Err((Code::LogProofMissing, what));
                }
            }
        }
        let proven = roots.iter().flatten().count();
        if proven == 0 {
            self.skipped("a v0.1 bundle rests on the log's promise");
            self.skipped("there is no inclusion proof");
            return Ok(());
        }
        let describe = |entry: &LogEntry| {
            entry.proof.as_ref().map(|proof| format!("entry {} of {}", proof.index, proof.size))
        };
        self.passed(bundle.entries.iter().filter_map(describe).collect::<Vec<_>>().join(", "));
        let mut checked = 0usize;
        for ((entry, log), root) in bundle.entries.iter().zip(logs).zip(&roots) {
            let (Some(proof), Some(root)) = (&entry.proof, root) else { continue };
            match &proof.checkpoint {
                Some(note) => {
                    transparency::checkpoint(note, root, proof, log, transparency::origin_rule(entry))?;
                    checked = checked.saturating_add(1);
                }
                None if bundle.version == Version::V0_1 && entry.promise.is_some() => {}
                None => {
                    let what = "the inclusion proof comes without a checkpoint".to_owned();
                    return Err((Code::CheckpointMissing, what));
                }
            }
        }
        if checked == 0 {
            self.skipped("a v0.1 bundle rests on the log's promise");
        } else {
            self.passed("signed by the log, and of the proof's tree");
        }
        Ok(())
    }

    pub(super) fn timestamps(&mut self, bundle: &Bundle, signature: &[u8]) -> Result<Vec<Stamp>, Fault> {
        let stamps = bundle
            .timestamps
            .iter()
            .map(|response| timestamp::check(response, signature, &self.instance.timestamp_authorities))
            .collect::<Result<Vec<_>, _>>()?;
        match stamps.iter().map(|stamp| stamp.time).min() {
            Some(time) => self.passed(format!("{} timestamp(s), the earliest {time}", stamps.len())),
            None => self.skipped("the bundle holds no timestamp"),
        }
        Ok(stamps)
    }

    pub(super) fn times(
        &mut self,
        times: &[Instant],
        logs: &[&LogRoot],
        verifier: &Verifier,
    ) -> Result<(), Fault> {
        // Who holds the key of a log that is no longer trusted can add to it: an entry counts at a proven time only,
        // or, where there is none, as long as its log is trusted.
        let only = [self.now];
        let counts = if times.is_empty() { only.as_slice() } else { times };
        for (time, log) in counts.iter().flat_map(|time| logs.iter().map(move |log| (time, log))) {
            if !log.valid.covers(*time) {
                let what = format!("the trust root does not trust {} at {time}", log.host);
                return Err((Code::LogUnknown, what));
            }
        }
        if let Some(late) = times.iter().find(|time| **time > self.now) {
            return Err((
                Code::LogTimeInFuture,
                format!("the proven time {late} has not come, it is {}", self.now),
            ));
        }
        match (times.iter().min(), verifier) {
            (Some(time), _) => self.passed(format!("signed at {time}")),
            (None, Verifier::Keys(_)) => self.skipped("a managed key does not expire, so no time is needed"),
            (None, Verifier::Certificate { .. }) => {
                let what = "nothing proves when it was signed: no promise of a log, no timestamp".to_owned();
                return Err((Code::BundleNoTime, what));
            }
        }
        Ok(())
    }
}

/// The number of an entry that something signed speaks for: the promise, or else the inclusion proof.
pub(super) fn proven_index(entry: &LogEntry) -> u64 {
    match (&entry.promise, &entry.proof) {
        (None, Some(proof)) => proof.index,
        _ => entry.index,
    }
}

/// Entries and timestamps, each once: thresholds count them.
pub(super) fn repeats(bundle: &Bundle) -> Result<(), Fault> {
    let entries = bundle.entries.iter().map(|entry| (entry.log_id.as_slice(), entry.body.as_slice()));
    let mut entries: Vec<_> = entries.collect();
    let mut stamps: Vec<_> = bundle.timestamps.iter().collect();
    let (all, all_stamps) = (entries.len(), stamps.len());
    entries.sort_unstable();
    entries.dedup();
    stamps.sort_unstable();
    stamps.dedup();
    if entries.len() == all && stamps.len() == all_stamps {
        Ok(())
    } else {
        Err((Code::BundleRepeats, "a log entry or a timestamp stands in the bundle twice".to_owned()))
    }
}
