//! From proven evidence to recorded verdicts. A verdict that says nothing new is not recorded twice.

use anyhow::Result;
use linkward_decide::{
    Evidence, HistoryFact, ObservationFact, Policy, Question, RefusalFact, Revocations, TargetKind, Verdict,
    family,
};
use linkward_ledger::{Kind, Recorded, Term, TermKind};
use linkward_model::{Code, Digest, Environment, Instant};
use serde_json::Value;

use crate::wire::{Checked, LogState, Outcome, Reason, VERSION};

use super::Engine;

/// More evidence than this about one digest is not looked at, and the verdict says so.
const MAX_EVIDENCE: usize = 512;

/// Verdicts of one name, and proofs of one of its digests, that are looked back at.
const MAX_EARLIER: usize = 64;

/// A proof whose documents retention deleted: it counts no more, and whoever decides is told.
const fn gone(index: u64) -> RefusalFact {
    RefusalFact { index, code: Code::DeletedByRetention }
}

/// What was gathered about a digest, as of a log size.
pub(super) struct Gathered {
    proofs: Vec<Recorded<linkward_prove::Proven<linkward_prove::Attestation>>>,
    refusals: Vec<RefusalFact>,
    observations: Vec<ObservationFact>,
    /// What recorded SBOMs of the digest list; gathered where a package is revoked.
    packages: Vec<String>,
    history: Vec<HistoryFact>,
    log: LogState,
}

impl Gathered {
    /// The first proof whose documents are gone.
    pub(super) fn gone(&self) -> Option<u64> {
        let gone = |refusal: &&RefusalFact| refusal.code == Code::DeletedByRetention;
        self.refusals.iter().find(gone).map(|refusal| refusal.index)
    }
}

impl Engine {
    /// Decides about a digest and records the verdict.
    pub(super) fn check(
        &self,
        digest: &Digest,
        name: Option<String>,
        environment: Option<Environment>,
    ) -> Result<Checked> {
        let name = match name {
            Some(name) => name,
            None => self.name_of(digest)?,
        };
        let question = Question {
            digest: *digest,
            name,
            environment: self.environment(environment),
            tenant: self.config.tenant.clone(),
        };
        let verdict = self.judge(question, Instant::now())?;
        Ok(checked(&verdict))
    }

    /// The name that a digest was last seen under; its short form where it was never seen.
    pub(super) fn name_of(&self, digest: &Digest) -> Result<String> {
        for row in self.rows(Some(Kind::Observation), Some(Term::digest(digest)), 1)? {
            if let Some(name) = self.store.body(row.index)?.says.get("name").and_then(Value::as_str) {
                return Ok(name.to_owned());
            }
        }
        Ok(digest.short())
    }

    pub(super) fn judge(&self, question: Question, now: Instant) -> Result<Recorded<Verdict>> {
        let policy = self.policy()?;
        let log = self.log_state()?;
        let revocations = self.revocations_at(log.size);
        let gathered = self.gather(&question, &policy.policy, &log, &revocations)?;
        let verdict = decide(&question, &gathered, &policy.policy, &revocations, self.roots.digest(), now);
        self.try_beside(&question, &log, &revocations, &verdict, now)?;
        if let Some(known) = self.same(&verdict)? {
            self.gate.insert(&known);
            return Ok(known);
        }
        let recorded = self.store.append(verdict, Vec::new(), now)?;
        self.gate.insert(&recorded);
        if recorded.value().question().environment == *self.gate.environment() {
            self.publish_verdict(recorded.index())?;
        }
        Ok(recorded)
    }

    /// Everything recorded about a digest below a log size, oldest first.
    pub(super) fn gather(
        &self,
        question: &Question,
        policy: &Policy,
        log: &LogState,
        revocations: &Revocations,
    ) -> Result<Gathered> {
        let digest = &question.digest;
        let rows = |kind| -> Result<Vec<u64>> {
            let found = self.store.rows(&linkward_record::Filter {
                kind: Some(kind),
                term: Some(Term::digest(digest)),
                before: Some(log.size),
                limit: MAX_EVIDENCE,
            })?;
            let mut found: Vec<u64> = found.into_iter().map(|row| row.index).collect();
            found.reverse();
            Ok(found)
        };
        let (mut proofs, mut refusals) = (Vec::new(), Vec::new());
        for index in rows(Kind::Proof)? {
            match self.proof_there(index)? {
                Some(proof) => proofs.push(proof),
                None => refusals.push(gone(index)),
            }
        }
        for index in rows(Kind::Refusal)? {
            let body = self.store.body(index)?;
            let field = |name: &str| body.says.get(name).and_then(Value::as_str);
            let document: Option<Digest> = field("document").and_then(|text| text.parse().ok());
            // The same document was proven since: somebody is trusted now who was not, or a link came that was missing.
            let since = |proof: &Recorded<linkward_prove::Proven<linkward_prove::Attestation>>| {
                proof.index() > index && Some(proof.value().document()) == document
            };
            if proofs.iter().any(since) {
                continue;
            }
            let code = field("code").and_then(|code| code.parse().ok());
            refusals.push(RefusalFact { index, code: code.unwrap_or(Code::EvidenceRefused) });
        }
        let mut observations = Vec::new();
        for index in rows(Kind::Observation)? {
            let body = self.store.body(index)?;
            let name = body.says.get("name").and_then(Value::as_str).unwrap_or("");
            observations.push(ObservationFact { index, name: name.to_owned() });
        }
        let mut packages = revocations.packages(&proofs);
        if revocations.active().any(|(_, known)| known.target.kind() == TargetKind::Package) {
            for index in rows(Kind::Sbom)? {
                let terms = self.store.body(index)?.terms.into_iter();
                packages.extend(terms.filter(|term| term.kind == TermKind::Package).map(|term| term.value));
            }
        }
        let history =
            if policy.looks_back() { self.earlier(question, log, &mut refusals)? } else { Vec::new() };
        Ok(Gathered { proofs, refusals, observations, packages, history, log: log.clone() })
    }

    /// Provenance of the other releases that were known before this one was first decided about: what came after it says
    /// nothing against it.
    fn earlier(
        &self,
        question: &Question,
        log: &LogState,
        refusals: &mut Vec<RefusalFact>,
    ) -> Result<Vec<HistoryFact>> {
        let rows = |kind, term, before, limit| {
            let filter =
                linkward_record::Filter { kind: Some(kind), term: Some(term), before: Some(before), limit };
            self.store.rows(&filter)
        };
        let own = rows(Kind::Verdict, Term::digest(&question.digest), log.size, MAX_EVIDENCE)?;
        let first = own.last().map_or(log.size, |row| row.index);
        let shared = family(&question.name);
        let mut digests = std::collections::BTreeSet::new();
        for name in std::collections::BTreeSet::from([shared, &question.name]) {
            let term = Term::new(TermKind::Name, name);
            for row in rows(Kind::Verdict, term, first, MAX_EARLIER)? {
                let verdict = linkward_decide::reopen(self.store.read(row.index)?)?;
                let asked = verdict.value().question();
                if family(&asked.name) == shared && asked.digest != question.digest {
                    digests.insert(asked.digest);
                }
            }
        }
        let mut found = Vec::new();
        for digest in digests {
            for row in rows(Kind::Proof, Term::digest(&digest), log.size, MAX_EARLIER)? {
                let Some(proof) = self.proof_there(row.index)? else {
                    refusals.push(gone(row.index));
                    continue;
                };
                if let Some(provenance) = proof.value().claim().provenance() {
                    found.push(HistoryFact {
                        digest,
                        record: row.index,
                        signer: proof.value().signer().clone(),
                        builder: provenance.builder.clone(),
                    });
                }
            }
        }
        Ok(found)
    }

    /// The newest recorded verdict on the same question, if it says the same and still holds.
    pub(super) fn same(&self, verdict: &Verdict) -> Result<Option<Recorded<Verdict>>> {
        let digest = verdict.question().digest;
        for row in self.rows(Some(Kind::Verdict), Some(Term::digest(&digest)), 8)? {
            let known = linkward_decide::reopen(self.store.read(row.index)?)?;
            let asked = known.value().question();
            if asked.name != verdict.question().name || asked.environment != verdict.question().environment {
                continue;
            }
            // One that did not know of a revocation says something else, even in the same words.
            let struck = self.gate.struck(&digest).is_some_and(|record| known.value().log_size() <= record);
            return Ok((!struck && known.value().says_the_same(verdict)).then_some(known));
        }
        Ok(None)
    }

    /// Gives the gate the newest verdict of every digest, so that it answers from its first request on.
    pub(super) fn fill_gate(&self, from: u64) -> Result<()> {
        let mut before = None;
        let mut seen = std::collections::BTreeSet::new();
        loop {
            let rows = self.store.rows(&linkward_record::Filter {
                kind: Some(Kind::Verdict),
                term: None,
                before,
                limit: 1000,
            })?;
            let Some(last) = rows.last() else { return Ok(()) };
            before = Some(last.index);
            for row in &rows {
                // The kept snapshot holds everything below.
                if row.index < from {
                    return Ok(());
                }
                let verdict = linkward_decide::reopen(self.store.read(row.index)?)?;
                let question = verdict.value().question();
                if seen.insert((question.digest, question.environment.clone())) {
                    self.gate.insert(&verdict);
                }
            }
        }
    }
}

/// Decides on what was gathered.
pub(super) fn decide(
    question: &Question,
    gathered: &Gathered,
    policy: &Policy,
    revocations: &Revocations,
    roots: Digest,
    now: Instant,
) -> Verdict {
    let struck = revocations.strike(question, &policy.digest(), &gathered.proofs, &gathered.packages);
    let evidence = Evidence {
        proofs: struck.kept(),
        refusals: &gathered.refusals,
        observations: &gathered.observations,
        history: &gathered.history,
        roots,
        origin: &gathered.log.origin,
        log_size: gathered.log.size,
    };
    let verdict = linkward_decide::decide(question, &evidence, policy, now);
    struck.conclude(verdict)
}

pub(super) fn checked(verdict: &Recorded<Verdict>) -> Checked {
    let value = verdict.value();
    Checked {
        version: VERSION,
        name: value.question().name.clone(),
        digest: value.question().digest,
        environment: value.question().environment.clone(),
        outcome: outcome(value),
        rule: value.rule().map(str::to_owned),
        record: verdict.index(),
        reasons: reasons(value),
    }
}

pub(super) fn outcome(verdict: &Verdict) -> Outcome {
    match verdict.outcome() {
        linkward_decide::Outcome::Allow => Outcome::Allow,
        linkward_decide::Outcome::Deny => Outcome::Deny,
        linkward_decide::Outcome::Unknown => Outcome::Unknown,
    }
}

pub(super) fn reasons(verdict: &Verdict) -> Vec<Reason> {
    verdict
        .reasons()
        .iter()
        .map(|reason| Reason { code: reason.code, detail: reason.detail.clone(), next: next(reason.code) })
        .collect()
}

/// The next command for a reason; the code's own advice where there is none.
pub(super) fn next(code: Code) -> String {
    match code {
        Code::NoProvenance | Code::NoSignature | Code::NoSbom | Code::NotLogged | Code::NoEvidence => {
            "linkward run -- CMD (the command that builds it), or linkward evidence add FILE".to_owned()
        }
        other => other.fix().to_owned(),
    }
}
