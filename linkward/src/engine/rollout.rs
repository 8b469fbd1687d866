//! A changed policy comes into force whole: everything that the gate holds is decided again first, then all verdicts are
//! exchanged at once. A policy on trial decides beside the one in force: what it would decide otherwise is shown, and
//! nothing obeys it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use anyhow::{Context as _, Result};
use linkward_decide::{Policy, Question, Revocations, Verdict};
use linkward_deploy::Item;
use linkward_ledger::Kind;
use linkward_model::{Code, Digest, Environment, Instant};
use serde_json::{Value, json};

use crate::home::Home;
use crate::records::Note;
use crate::wire::{Changed, Failure, LogState, PolicyChange, PolicyRollout, PolicyTrial, VERSION};

use super::verdicts::{self, Gathered};
use super::{Engine, diff};

/// Verdicts that are made and recorded together.
const GROUP: usize = 512;
/// Changed decisions that the record and the answers name; all are counted.
const NAMED: usize = 1000;
/// Roll-outs that are shown.
const SHOWN: usize = 20;

/// A policy that was read whole.
#[derive(Debug)]
pub(super) struct InForce {
    pub(super) policy: Policy,
    pub(super) digest: Digest,
}

/// What decides now, and what is tried beside it.
#[derive(Debug)]
pub(super) struct Policies {
    in_force: RwLock<Arc<InForce>>,
    /// Held while a policy comes into force: one at a time.
    rolling: Mutex<()>,
    trial: Mutex<Option<Trial>>,
}

/// A policy on trial, and what it would decide otherwise.
#[derive(Debug)]
struct Trial {
    policy: Arc<InForce>,
    /// The policy that it was compared with.
    beside: Digest,
    asked: BTreeMap<(Digest, String), bool>,
    changed: BTreeMap<(Digest, String), Changed>,
}

impl Policies {
    pub(super) fn new(policy: InForce) -> Self {
        Self { in_force: RwLock::new(Arc::new(policy)), rolling: Mutex::default(), trial: Mutex::default() }
    }

    fn now(&self) -> Arc<InForce> {
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, next: Arc<InForce>) {
        *self.in_force.write().unwrap_or_else(PoisonError::into_inner) = next;
    }
}

impl InForce {
    pub(super) fn read(home: &Home) -> Result<Self> {
        Self::read_file(&home.policy_path())
    }

    fn read_file(path: &std::path::Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&bytes, &path.display().to_string())
    }

    fn parse(bytes: &[u8], name: &str) -> Result<Self> {
        let policy = Policy::parse(bytes).map_err(|faults| {
            let lines: Vec<_> = faults.iter().map(|fault| format!("  {fault}")).collect();
            let count = crate::table::counted(faults.len(), "fault");
            Failure::new(Code::PolicyMalformed, format!("{name} has {count}\n{}", lines.join("\n")))
        })?;
        Ok(Self { digest: Digest::sha256(bytes), policy })
    }
}

impl Engine {
    /// The policy in force. The file is read again: a change comes into force before anything is decided by it.
    pub(super) fn policy(&self) -> Result<Arc<InForce>> {
        let current = self.policies.now();
        let path = self.home.policy_path();
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if Digest::sha256(&bytes) == current.digest {
            return Ok(current);
        }
        let _one = self.policies.rolling.lock().unwrap_or_else(PoisonError::into_inner);
        let next = Arc::new(InForce::read(&self.home)?);
        let current = self.policies.now();
        if next.digest == current.digest {
            return Ok(current);
        }
        self.roll_out(&current, &next, Instant::now())?;
        Ok(next)
    }

    /// At a start: verdicts of an earlier policy stay in force, with it, until all of them are made again.
    pub(super) fn settle_policy(&self, now: Instant) -> Result<()> {
        let file = self.policies.now().digest;
        let former = self.gate.outdated(1, |_, held| held.policy() == file);
        let former = former.first().and_then(|question| self.gate.decided(&question.digest));
        if let Some((former, ..)) = former
            && let Some(bytes) = self.store.blob(&former)?
            && let Ok(policy) = InForce::parse(&bytes, "the recorded policy")
        {
            self.policies.set(Arc::new(policy));
            return Ok(());
        }
        self.record_policy(&file, now)
    }

    fn record_policy(&self, digest: &Digest, now: Instant) -> Result<()> {
        let newest = self.rows(Some(Kind::Policy), None, 1)?;
        if let Some(row) = newest.first()
            && self.store.body(row.index)?.documents.contains(digest)
        {
            return Ok(());
        }
        let bytes = std::fs::read(self.home.policy_path())?;
        let document = Digest::sha256(&bytes);
        let note = Note::policy(document, &self.home.policy_owner(), &Environment::default());
        self.store.append(note, vec![bytes], now)?;
        Ok(())
    }

    /// Decides everything that the gate holds by the next policy, records it, and only then lets the gate answer by it.
    fn roll_out(&self, current: &InForce, next: &Arc<InForce>, now: Instant) -> Result<()> {
        self.record_policy(&next.digest, now)?;
        let questions = self.gate.outdated(usize::MAX, |_, held| held.policy() == next.digest);
        let log = self.log_state()?;
        let revocations = self.revocations_at(log.size);
        let mut change = PolicyChange { version: VERSION, asked: questions.len(), changed: Vec::new() };
        let mut counts = Counts::default();
        let mut ready = Vec::with_capacity(questions.len());
        let mut records = Vec::new();
        for group in questions.chunks(GROUP) {
            let mut fresh = Vec::new();
            for question in group {
                let back = if next.policy.looks_back() { &next.policy } else { &current.policy };
                let gathered = self.gather(question, back, &log, &revocations)?;
                let decided = Decided { question, gathered: &gathered, revocations: &revocations, now };
                let (old, new) = (self.by(&decided, &current.policy), self.by(&decided, &next.policy));
                if let Some(changed) = diff::difference(question, &old, &new) {
                    counts.add(&changed);
                    if change.changed.len() < NAMED {
                        change.changed.push(changed);
                    }
                }
                match self.same(&new)? {
                    Some(known) => ready.push(self.gate.ready(&known)),
                    None => fresh.push((new, Vec::new())),
                }
            }
            for recorded in self.store.append_many(fresh, now)? {
                ready.push(self.gate.ready(&recorded));
                if recorded.value().question().environment == *self.gate.environment() {
                    records.push(recorded.index());
                }
            }
        }
        self.gate.exchange(ready);
        self.policies.set(Arc::clone(next));
        self.tell_gates(&records)?;
        self.record_rollout(current, next, &change, counts, now)
    }

    fn by(&self, decided: &Decided<'_>, policy: &Policy) -> Verdict {
        let Decided { question, gathered, revocations, now } = *decided;
        verdicts::decide(question, gathered, policy, revocations, self.roots.digest(), now)
    }

    /// Gates elsewhere take each message whole.
    fn tell_gates(&self, records: &[u64]) -> Result<()> {
        for group in records.chunks(GROUP) {
            self.publish(|| {
                group.iter().map(|index| Ok(Item::Verdict { record: self.carry(*index)? })).collect()
            })?;
        }
        Ok(())
    }

    fn record_rollout(
        &self,
        current: &InForce,
        next: &InForce,
        change: &PolicyChange,
        counts: Counts,
        now: Instant,
    ) -> Result<()> {
        if change.asked == 0 {
            return Ok(());
        }
        let Counts { changed, refused, allowed } = counts;
        let says = json!({
            "what": "policy-rollout", "policy": next.digest, "former": current.digest, "asked": change.asked,
            "changed": changed, "newly_refused": refused, "newly_allowed": allowed, "first": change.changed,
            "grade": "observed",
        });
        self.store.append(Note::rollout(says, &[next.digest, current.digest]), Vec::new(), now)?;
        crate::commands::complain(&format!(
            "policy.yaml is in force: {changed} of {} decided otherwise, {refused} newly refused, {allowed} newly \
             allowed (linkward policy rollouts)",
            crate::table::counted(change.asked, "verdict")
        ));
        Ok(())
    }

    /// The newest roll-outs, newest first.
    pub(super) fn rollouts(&self) -> Result<Vec<PolicyRollout>> {
        let name = linkward_ledger::Term::new(linkward_ledger::TermKind::Name, "policy-rollout");
        let mut found = Vec::new();
        for row in self.rows(Some(Kind::Observation), Some(name), SHOWN)? {
            let says = self.store.body(row.index)?.says;
            let count = |name: &str| says.get(name).and_then(Value::as_u64).unwrap_or(0);
            let digest =
                |name: &str| says.get(name).and_then(Value::as_str).and_then(|text| text.parse().ok());
            let first = says.get("first").cloned().unwrap_or(Value::Null);
            let (Some(policy), Some(former)) = (digest("policy"), digest("former")) else { continue };
            found.push(PolicyRollout {
                version: VERSION,
                record: row.index,
                at: self.store.read(row.index)?.envelope().times.event,
                policy,
                former,
                asked: count("asked"),
                changed: count("changed"),
                newly_refused: count("newly_refused"),
                newly_allowed: count("newly_allowed"),
                first: serde_json::from_value(first).context("a recorded roll-out")?,
            });
        }
        Ok(found)
    }

    /// The policy on trial, read again where its file or the policy in force has changed.
    pub(super) fn trial(&self, now: Instant) -> Result<Option<PolicyTrial>> {
        let in_force = self.policy()?;
        let mut held = self.policies.trial.lock().unwrap_or_else(PoisonError::into_inner);
        self.look_at_trial(&mut held, &in_force, now)?;
        let Some(trial) = held.as_ref() else { return Ok(None) };
        let refused = trial.changed.values().filter(|changed| changed.refused).count();
        Ok(Some(PolicyTrial {
            version: VERSION,
            policy: trial.policy.digest,
            beside: trial.beside,
            asked: trial.asked.len(),
            newly_refused: refused,
            changed: trial.changed.values().take(NAMED).cloned().collect(),
            more: trial.changed.len().saturating_sub(NAMED),
        }))
    }

    /// Begins, begins again or ends a trial, as its file says. Everything that the gate holds is asked first.
    fn look_at_trial(&self, held: &mut Option<Trial>, in_force: &InForce, now: Instant) -> Result<()> {
        let path = self.home.trial_path();
        if !path.is_file() {
            if let Some(over) = held.take() {
                self.record_trial("policy-trial-ended", &over, Vec::new(), now)?;
            }
            return Ok(());
        }
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let digest = Digest::sha256(&bytes);
        if held.as_ref().is_some_and(|known| known.policy.digest == digest && known.beside == in_force.digest)
        {
            return Ok(());
        }
        let policy = Arc::new(InForce::parse(&bytes, &path.display().to_string())?);
        let (asked, changed) = (BTreeMap::new(), BTreeMap::new());
        let mut trial = Trial { policy, beside: in_force.digest, asked, changed };
        let log = self.log_state()?;
        let revocations = self.revocations_at(log.size);
        for question in self.gate.outdated(usize::MAX, |_, _| false) {
            let back = if trial.policy.policy.looks_back() { &trial.policy.policy } else { &in_force.policy };
            let gathered = self.gather(&question, back, &log, &revocations)?;
            let decided =
                Decided { question: &question, gathered: &gathered, revocations: &revocations, now };
            let verdict = self.by(&decided, &in_force.policy);
            trial.ask(&question, &verdict, &self.by(&decided, &trial.policy.policy));
        }
        self.record_trial("policy-trial", &trial, vec![bytes], now)?;
        *held = Some(trial);
        Ok(())
    }

    fn record_trial(&self, what: &str, trial: &Trial, documents: Vec<Vec<u8>>, now: Instant) -> Result<()> {
        let refused = trial.changed.values().filter(|changed| changed.refused).count();
        let says = json!({
            "what": what, "policy": trial.policy.digest, "beside": trial.beside, "asked": trial.asked.len(),
            "changed": trial.changed.len(), "newly_refused": refused, "grade": "observed",
        });
        let digests: Vec<Digest> = documents.iter().map(|bytes| Digest::sha256(bytes)).collect();
        self.store.append(Note::trial(says, trial.policy.digest, digests), documents, now)?;
        Ok(())
    }

    /// Asks the policy on trial too, once one is. A fault of its file is for who looks at the trial: it never stands in
    /// the way of a decision.
    pub(super) fn try_beside(
        &self,
        question: &Question,
        log: &LogState,
        revocations: &Revocations,
        verdict: &Verdict,
        now: Instant,
    ) -> Result<()> {
        let mut held = self.policies.trial.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(trial) = held.as_mut() else { return Ok(()) };
        let policy = Arc::clone(&trial.policy);
        let gathered: Gathered = self.gather(question, &policy.policy, log, revocations)?;
        let decided = Decided { question, gathered: &gathered, revocations, now };
        trial.ask(question, verdict, &self.by(&decided, &policy.policy));
        Ok(())
    }

    /// Keeps the trial current while the process runs.
    pub(super) fn keep_trial(&self, now: Instant) -> Result<()> {
        let in_force = self.policy()?;
        let mut held = self.policies.trial.lock().unwrap_or_else(PoisonError::into_inner);
        self.look_at_trial(&mut held, &in_force, now)
    }
}

/// What is needed to decide a question by one policy or another.
#[derive(Clone, Copy)]
struct Decided<'a> {
    question: &'a Question,
    gathered: &'a Gathered,
    revocations: &'a Revocations,
    now: Instant,
}

impl Trial {
    fn ask(&mut self, question: &Question, old: &Verdict, new: &Verdict) {
        let key = (question.digest, format!("{} {}", question.environment, question.name));
        let changed = diff::difference(question, old, new);
        self.asked.insert(key.clone(), changed.is_some());
        match changed {
            Some(changed) => self.changed.insert(key, changed),
            None => self.changed.remove(&key),
        };
    }
}

#[derive(Clone, Copy, Default)]
struct Counts {
    changed: usize,
    refused: usize,
    allowed: usize,
}

impl Counts {
    fn add(&mut self, changed: &Changed) {
        self.changed += 1;
        self.refused += usize::from(changed.refused);
        self.allowed += usize::from(changed.allowed);
    }
}
