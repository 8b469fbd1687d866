//! `explain`: a verdict replayed from the log alone, as of the log size that it saw.

use anyhow::{Context as _, Result};
use linkward_decide::{Policy, Verdict};
use linkward_ledger::{Body, Kind, Opaque, Recorded, Term};
use linkward_model::{Code, Digest};
use serde_json::Value;

use crate::wire::{EvidenceLine, Explanation, Failure, LogState, Replay, VERSION, code_of};

use super::Engine;
use super::retention::deleted;
use super::verdicts::{decide, outcome, reasons};

impl Engine {
    /// Explains a record by number, or the newest verdict of a digest.
    pub(super) fn explain(&self, id: &str) -> Result<Explanation> {
        let index = self.locate(id)?;
        let record = self.store.read(index)?;
        if record.envelope().kind == Kind::Verdict {
            self.explain_verdict(record)
        } else {
            self.explain_other(&record)
        }
    }

    fn locate(&self, id: &str) -> Result<u64> {
        let size = self.log_state()?.size;
        if let Ok(index) = id.trim_start_matches('#').parse::<u64>() {
            anyhow::ensure!(index < size, "the log has {size} records; record {index} is not among them");
            return Ok(index);
        }
        let digest: Digest =
            id.parse().with_context(|| format!("`{id}` is neither a record's number nor a digest"))?;
        let newest = |kind| self.rows(kind, Some(Term::digest(&digest)), 1);
        let rows = match newest(Some(Kind::Verdict))? {
            rows if rows.is_empty() => newest(None)?,
            rows => rows,
        };
        let row = rows.first().with_context(|| format!("nothing is recorded of {digest}"))?;
        Ok(row.index)
    }

    fn explain_verdict(&self, record: Recorded<Opaque>) -> Result<Explanation> {
        let index = record.index();
        let says = record.body()?.says;
        let verdict = linkward_decide::reopen(record)?;
        let value = verdict.value();
        let replay = match self.replay(value) {
            Ok(again) if value.is_replayed_by(&again) => Replay::Same,
            Ok(again) => Replay::Differs {
                code: Code::ReplayDiffers,
                detail: format!(
                    "replayed as {}, recorded as {}",
                    outcome(&again).as_str(),
                    outcome(value).as_str()
                ),
            },
            Err(error) if code_of(&error) == Some(Code::DeletedByRetention) => {
                Replay::Deleted { code: Code::DeletedByRetention, detail: format!("{error:#}") }
            }
            Err(error) => Replay::Differs { code: Code::ReplayDiffers, detail: format!("{error:#}") },
        };
        let requirements = says.get("requirements").and_then(Value::as_array).cloned().unwrap_or_default();
        let evidence = value.used().iter().map(|used| self.evidence_line(*used)).collect::<Result<_>>()?;
        Ok(Explanation {
            version: VERSION,
            record: index,
            kind: Kind::Verdict.to_string(),
            name: value.question().name.clone(),
            digest: Some(value.question().digest.to_string()),
            outcome: Some(outcome(value)),
            decided: value.decided_at().to_string(),
            policy: Some(value.policy().to_string()),
            log: LogState { origin: verdict.position().origin.clone(), size: value.log_size() },
            replay,
            requirements,
            reasons: reasons(value),
            evidence,
        })
    }

    /// Decides again with the recorded policy and the evidence that was there then.
    fn replay(&self, verdict: &Verdict) -> Result<Verdict> {
        let bytes = self
            .store
            .blob(&verdict.policy())?
            .with_context(|| format!("policy {} is not in the record", verdict.policy()))?;
        let policy = Policy::parse(&bytes)
            .map_err(|faults| anyhow::anyhow!("recorded policy has {} faults", faults.len()))?;
        let log = LogState { size: verdict.log_size(), ..self.log_state()? };
        let revocations = self.revocations_at(log.size);
        let gathered = self.gather(verdict.question(), &policy, &log, &revocations)?;
        if let Some(record) = gathered.gone() {
            let message = format!("the document that record {record} proves is gone");
            return Err(Failure::new(Code::DeletedByRetention, message).into());
        }
        let (question, roots) = (verdict.question(), verdict.roots());
        Ok(decide(question, &gathered, &policy, &revocations, roots, verdict.decided_at()))
    }

    fn explain_other(&self, record: &Recorded<Opaque>) -> Result<Explanation> {
        let body = record.body()?;
        let field = |name: &str| body.says.get(name).and_then(Value::as_str);
        Ok(Explanation {
            version: VERSION,
            record: record.index(),
            kind: body.kind.to_string(),
            name: field("name").unwrap_or("").to_owned(),
            digest: field("digest").map(str::to_owned),
            outcome: None,
            decided: record.envelope().times.event.to_string(),
            policy: None,
            log: LogState { origin: record.position().origin.clone(), size: record.index() + 1 },
            replay: Replay::NotApplicable,
            requirements: Vec::new(),
            reasons: Vec::new(),
            evidence: vec![self.evidence_of(record.index(), &body)?],
        })
    }

    fn evidence_line(&self, index: u64) -> Result<EvidenceLine> {
        self.evidence_of(index, &self.store.body(index)?)
    }

    /// One line of evidence; a document that is gone is named with the record that says so.
    fn evidence_of(&self, index: u64, body: &Body) -> Result<EvidenceLine> {
        let mut line = line(index, body);
        for digest in &body.documents {
            if let Some(tombstone) = self.store.tombstone(digest)? {
                line.summary.push_str(&format!(" ({})", deleted(tombstone)));
            }
        }
        Ok(line)
    }
}

fn line(index: u64, body: &Body) -> EvidenceLine {
    let field = |name: &str| body.says.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let summary = match body.kind {
        Kind::Proof => {
            let signer = body.says.get("signer").map_or_else(String::new, |signer| {
                let part = |name: &str| signer.get(name).and_then(Value::as_str).unwrap_or("");
                match part("type") {
                    "key" => format!("key {}", part("id")),
                    _ => format!("{} (by {})", part("subject"), part("issuer")),
                }
            });
            format!("{} signed by {signer}", field("predicate_type"))
        }
        Kind::Refusal => format!("{}: {}", field("code"), field("message")),
        _ => format!("{} {}", field("what"), field("name")),
    };
    EvidenceLine {
        record: index,
        kind: body.kind.to_string(),
        summary: summary.trim().to_owned(),
        checks: body.says.get("checks").and_then(Value::as_array).cloned().unwrap_or_default(),
        documents: body.documents.clone(),
    }
}
