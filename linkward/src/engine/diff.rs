//! Two versions of a policy over what is recorded: who would be decided otherwise.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use linkward_decide::{Policy, Question, Verdict};
use linkward_ledger::Kind;
use linkward_model::{Code, Instant};

use crate::wire::{Changed, Failure, PolicyChange, Side};

use super::{Engine, verdicts};

impl Engine {
    /// Decides every question that was ever answered again, by both policies, on the evidence of now.
    pub(super) fn policy_diff(&self, old: &str, new: &str) -> Result<PolicyChange> {
        let (old, new) = (parse(old, "the old policy")?, parse(new, "the new policy")?);
        let log = self.log_state()?;
        let now = Instant::now();
        let revocations = self.revocations().as_of(log.size);
        let mut change = PolicyChange { version: crate::wire::VERSION, asked: 0, changed: Vec::new() };
        let mut seen: BTreeSet<(String, String, String)> = BTreeSet::new();
        let mut before = Some(log.size);
        loop {
            let filter =
                linkward_record::Filter { kind: Some(Kind::Verdict), term: None, before, limit: 1000 };
            let rows = self.store.rows(&filter)?;
            let Some(last) = rows.last() else { return Ok(change) };
            before = Some(last.index);
            for row in &rows {
                let verdict = linkward_decide::reopen(self.store.read(row.index)?)?;
                let question = verdict.value().question();
                let key =
                    (question.digest.to_string(), question.environment.to_string(), question.name.clone());
                if !seen.insert(key) {
                    continue;
                }
                change.asked += 1;
                let back = if old.looks_back() { &old } else { &new };
                let gathered = self.gather(question, back, &log, &revocations)?;
                let decide = |policy| {
                    verdicts::decide(question, &gathered, policy, &revocations, self.roots.digest(), now)
                };
                change.changed.extend(difference(question, &decide(&old), &decide(&new)));
            }
        }
    }
}

fn parse(text: &str, what: &str) -> Result<Policy> {
    match Policy::parse(text.as_bytes()) {
        Ok(policy) => Ok(policy),
        Err(faults) => {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            bail!(Failure::new(Code::PolicyMalformed, format!("{what}: {}", faults.join("; "))))
        }
    }
}

pub(super) fn difference(question: &Question, old: &Verdict, new: &Verdict) -> Option<Changed> {
    let side = |verdict: &Verdict| Side {
        outcome: verdicts::outcome(verdict),
        mode: verdict.mode().as_str().to_owned(),
        rule: verdict.rule().map(str::to_owned),
        reasons: verdicts::reasons(verdict),
    };
    let passes = |verdict: &Verdict| {
        verdict.outcome() == linkward_decide::Outcome::Allow
            || verdict.mode() != linkward_decide::Mode::Enforce
    };
    let same = old.outcome() == new.outcome() && old.mode() == new.mode();
    (!same).then(|| Changed {
        name: question.name.clone(),
        digest: question.digest,
        environment: question.environment.clone(),
        refused: passes(old) && !passes(new),
        allowed: !passes(old) && passes(new),
        old: side(old),
        new: side(new),
    })
}
