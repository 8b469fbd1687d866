//! Revocation: recorded, obeyed by this gate and told to all others, then every verdict that it touches made again.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use linkward_decide::{Entry, Revocation, Revocations, Target, TargetKind, Undo};
use linkward_deploy::{GlassRequest, ImageRef, Item, Permit, Proposed, Signed};
use linkward_ledger::{Kind, Recorded, Term, TermKind};
use linkward_model::{Code, Digest, Instant};
use serde_json::{Value, json};
use std::sync::{Arc, PoisonError};

use crate::wire::{Failure, Revoke, VERSION};

use super::Engine;

/// Names under a pattern that are looked at.
const MAX_NAMES: usize = 100_000;
/// Verdicts made again before the answer; the rest follows, struck meanwhile.
const AT_ONCE: usize = 64;

impl Engine {
    pub(super) fn revocations(&self) -> Arc<Revocations> {
        Arc::clone(&self.revocations.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The list as it stood at a log size; the current one is shared where nothing came since.
    pub(super) fn revocations_at(&self, log_size: u64) -> Arc<Revocations> {
        let current = self.revocations();
        if current.newest().is_none_or(|newest| newest < log_size) {
            return current;
        }
        Arc::new(current.as_of(log_size))
    }

    fn take_revocation(&self, entry: &Recorded<Entry>) {
        let mut current = self.revocations.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = Revocations::clone(&current);
        next.take(entry.clone());
        self.gate.knows(next.epoch());
        *current = Arc::new(next);
    }

    /// Reads the list from the log, and strikes what it names.
    pub(super) fn restore_revocations(&self) -> Result<()> {
        let mut rows = self.rows(Some(Kind::Revocation), None, usize::MAX >> 1)?;
        rows.reverse();
        let mut entries = Vec::new();
        for row in rows {
            let entry = linkward_decide::reopen_revocation(self.store.read(row.index)?)?;
            self.take_revocation(&entry);
            entries.push(entry);
        }
        let active = self.revocations();
        for entry in &entries {
            if let (Entry::Revoke(revocation), Some(_)) = (entry.value(), active.revocation(entry.index())) {
                self.gate.revoke(entry, &self.touched(&revocation.target)?);
                if revocation.target.kind() == TargetKind::Package {
                    let held = self.gate.outdated(usize::MAX, |_, held| held.log_size() > entry.index());
                    self.sweep.lock().unwrap_or_else(PoisonError::into_inner).extend(held);
                }
            }
        }
        Ok(())
    }

    pub(super) fn revoke(&self, ask: Revoke) -> Result<Value> {
        match ask {
            Revoke::List => self.revoked(),
            Revoke::Propose { note } => self.propose(&note, None),
            Revoke::Confirm { proposal, signature } => {
                let says = self.store.body(proposal)?.says;
                let note = says.get("note").and_then(Value::as_str).unwrap_or("");
                anyhow::ensure!(
                    says.get("what").and_then(Value::as_str) == Some("revocation-proposal"),
                    "record {proposal} is no proposal; see `linkward revoke list`"
                );
                anyhow::ensure!(
                    !self.confirmed().contains(&proposal),
                    "record {proposal} was confirmed already"
                );
                let both = format!("{note}{signature}");
                let people = |note: &str| {
                    Signed::open(note, &self.config.revoke, Instant::now())
                        .map(|signed| signed.people().to_vec())
                        .map_err(|error| Failure::new(Code::RevocationUnsigned, error.to_string()))
                };
                if people(&both)? == people(note)? {
                    let message = "it is signed by nobody further who is listed in `keys` of [revoke]";
                    return Err(Failure::new(Code::RevocationPending, message).into());
                }
                self.propose(&both, Some(proposal))
            }
            Revoke::Add { .. } | Revoke::Undo { .. } if self.config.revoke.people > 1 => {
                let message = format!("it takes {} people", self.config.revoke.people);
                Err(Failure::new(Code::RevocationUnsigned, message).into())
            }
            other => self.carry_out(other, None),
        }
    }

    /// Records a signed proposal, and carries it out once enough people have signed.
    fn propose(&self, note: &str, proposal: Option<u64>) -> Result<Value> {
        let now = Instant::now();
        let signed = Signed::open(note, &self.config.revoke, now)
            .map_err(|error| Failure::new(Code::RevocationUnsigned, error.to_string()))?;
        let people = signed.people().to_vec();
        let linkward_deploy::Proposal { what, reason, .. } = signed.proposal().clone();
        if let Proposed::Revoke { kind, value, .. } = &what {
            Target::parse(kind.parse::<TargetKind>()?, value)?;
        }
        if !signed.is_enough() {
            let index = self.store.append(signed, Vec::new(), now)?.index();
            let code = Code::RevocationPending;
            let text = format!(
                "{code}: signed by {} of {} people (record {index}); nothing is refused by it yet\n  next: linkward revoke confirm {index} --author NAME --key FILE\n",
                people.len(),
                self.config.revoke.people
            );
            return Ok(json!({ "version": VERSION, "pending": true, "code": code, "record": index,
                              "people": people, "text": text }));
        }
        let author = people.join(" and ");
        let ask = match what {
            Proposed::Revoke { kind, value, since } => Revoke::Add { kind, value, reason, author, since },
            Proposed::Undo { revocation } => Revoke::Undo { revocation, reason, author },
        };
        self.carry_out(ask, proposal)
    }

    /// Proposals that were carried out.
    fn confirmed(&self) -> BTreeSet<u64> {
        self.revocations().proposals().collect()
    }

    fn carry_out(&self, ask: Revoke, proposal: Option<u64>) -> Result<Value> {
        match ask {
            Revoke::List | Revoke::Propose { .. } | Revoke::Confirm { .. } => self.revoked(),
            Revoke::Add { kind, value, reason, author, since } => {
                let target = Target::parse(kind.parse::<TargetKind>()?, &value)?;
                anyhow::ensure!(
                    since.is_none() || target.kind() == TargetKind::Key,
                    "only a key has a time of compromise"
                );
                let active = self.revocations();
                let known = active.active().find(|(_, known)| {
                    known.target.kind() == target.kind()
                        && known.target.value() == value
                        && known.since == since
                });
                if let Some((record, _)) = known {
                    anyhow::bail!("{} {value} is revoked already, by record {record}", target.kind());
                }
                let revocation = Revocation { target, reason, author, since, proposal };
                self.record_revocation(Entry::Revoke(revocation.clone()), &revocation.target)
            }
            Revoke::Undo { revocation, reason, author } => {
                let target = self
                    .revocations()
                    .revocation(revocation)
                    .map(|known| known.target.clone())
                    .with_context(|| {
                        format!("record {revocation} is no revocation in force; see `linkward revoke list`")
                    })?;
                self.record_revocation(Entry::Undo(Undo { revocation, reason, author, proposal }), &target)
            }
        }
    }

    fn record_revocation(&self, entry: Entry, target: &Target) -> Result<Value> {
        let now = Instant::now();
        let entry = self.store.append(entry, Vec::new(), now)?;
        self.take_revocation(&entry);
        let digests = self.touched(target)?;
        self.gate.revoke(&entry, &digests);
        let index = entry.index();
        self.publish(|| Ok(vec![Item::Revocation { record: self.carry(index)?, digests: digests.clone() }]))?;
        for digest in digests.iter().take(AT_ONCE) {
            if let Some(question) = self.gate.question(digest) {
                self.judge(question, now)?;
            }
        }
        // The rest follows in the background; what is struck stays refused meanwhile.
        let rest: Vec<_> = if target.kind() == TargetKind::Package {
            // An attested SBOM is not found by its packages: everything that is held is asked again.
            self.gate.outdated(usize::MAX, |_, _| false)
        } else {
            digests.iter().skip(AT_ONCE).filter_map(|digest| self.gate.question(digest)).collect()
        };
        self.sweep.lock().unwrap_or_else(PoisonError::into_inner).extend(rest);
        let workloads = self.affected_workloads(&digests, now)?;
        let undone = matches!(entry.value(), Entry::Undo(_));
        let mut text = if undone {
            format!("taken back: {} {} (record {index})\n", target.kind(), target.value())
        } else {
            format!("revoked: {} {} (record {index})\n", target.kind(), target.value())
        };
        text.push_str(&format!(
            "  {} touched, {}\n",
            crate::table::counted(digests.len(), "digest"),
            if workloads.is_empty() {
                "in no workload that this gate has seen".to_owned()
            } else {
                format!("in {}", crate::table::counted(workloads.len(), "workload"))
            }
        ));
        for workload in &workloads {
            let field = |name: &str| workload.get(name).and_then(Value::as_str).unwrap_or("");
            text.push_str(&format!("  {} runs {}\n", field("workload"), field("image")));
            let good = field("last_known_good");
            text.push_str(&if good.is_empty() {
                "    no last known good revision: `linkward rollback` says why\n".to_owned()
            } else {
                format!("    last known good: {good}\n")
            });
        }
        Ok(json!({
            "version": VERSION, "record": index, "undo": undone, "kind": target.kind(), "value": target.value(),
            "epoch": self.gate.epoch(), "digests": digests, "workloads": workloads, "text": text,
        }))
    }

    fn revoked(&self) -> Result<Value> {
        let active = self.revocations();
        let rows: Vec<Value> = active
            .active()
            .map(|(record, known)| {
                json!({
                    "record": record, "kind": known.target.kind(), "value": known.target.value(),
                    "reason": known.reason, "author": known.author, "since": known.since,
                })
            })
            .collect();
        let mut text = String::new();
        for (record, known) in active.active() {
            text.push_str(&format!(
                "{record:>6}  {:<9} {}  by {}: {}\n",
                known.target.kind().as_str(),
                crate::table::visible(known.target.value()),
                crate::table::visible(&known.author),
                crate::table::visible(&known.reason)
            ));
        }
        if rows.is_empty() {
            text = "nothing is revoked\n".to_owned();
        }
        let pending = self.pending(Instant::now())?;
        for (record, signed) in &pending {
            let proposed = signed.proposal().text();
            let lines: Vec<&str> = proposed.lines().skip(1).collect();
            text.push_str(&format!("{record:>6}  pending: {}\n", crate::table::visible(&lines.join(", "))));
        }
        let pending: Vec<u64> = pending.iter().map(|(record, _)| *record).collect();
        Ok(
            json!({ "version": VERSION, "epoch": active.epoch(), "revocations": rows, "pending_records": pending, "text": text }),
        )
    }

    /// Proposals that wait and can still be confirmed.
    fn pending(&self, now: Instant) -> Result<Vec<(u64, Signed)>> {
        let confirmed = self.confirmed();
        let mut found = Vec::new();
        for row in self.rows(Some(Kind::Action), Some(Signed::term()), 1000)? {
            let says = self.store.body(row.index)?.says;
            let note = says.get("note").and_then(Value::as_str).unwrap_or("");
            if let Ok(signed) = Signed::open(note, &self.config.revoke, now)
                && !confirmed.contains(&row.index)
            {
                found.push((row.index, signed));
            }
        }
        Ok(found)
    }

    /// Every digest whose evidence, content or policy a target names.
    pub(super) fn touched(&self, target: &Target) -> Result<Vec<Digest>> {
        let mut found = BTreeSet::new();
        match target.kind() {
            TargetKind::Digest => found.extend(target.digest()),
            TargetKind::Policy => {
                found.extend(target.digest().into_iter().flat_map(|policy| self.gate.under_policy(&policy)));
            }
            TargetKind::Key => self.subjects(TermKind::Identity, target.value(), target, &mut found)?,
            TargetKind::Identity | TargetKind::Issuer => {
                for name in self.store.terms(TermKind::Identity, target.literal(), MAX_NAMES)? {
                    if target.names(&name) {
                        self.subjects(TermKind::Identity, &name, target, &mut found)?;
                    }
                }
            }
            TargetKind::Builder => {
                for name in self.store.terms(TermKind::Builder, target.literal(), MAX_NAMES)? {
                    if target.names(&name) {
                        self.subjects(TermKind::Builder, &name, target, &mut found)?;
                    }
                }
            }
            TargetKind::Package => {
                for name in self.store.terms(TermKind::Package, target.literal(), MAX_NAMES)? {
                    if !target.names(&name) {
                        continue;
                    }
                    for row in
                        self.rows(Some(Kind::Sbom), Some(Term::new(TermKind::Package, &name)), MAX_NAMES)?
                    {
                        let body = self.store.body(row.index)?;
                        let digests = body.terms.iter().filter(|term| term.kind == TermKind::Digest);
                        found.extend(digests.filter_map(|term| term.value.parse::<Digest>().ok()));
                    }
                }
            }
        }
        Ok(found.into_iter().collect())
    }

    /// Subjects of the proofs under a term, where their signer or builder is what the target names.
    fn subjects(
        &self,
        kind: TermKind,
        name: &str,
        target: &Target,
        found: &mut BTreeSet<Digest>,
    ) -> Result<()> {
        for row in self.rows(Some(Kind::Proof), Some(Term::new(kind, name)), MAX_NAMES)? {
            let says = self.store.body(row.index)?.says;
            let field = |place: &str| says.pointer(place).and_then(Value::as_str).unwrap_or("");
            let hit = match target.kind() {
                TargetKind::Identity => target.names(field("/signer/subject")),
                TargetKind::Issuer => target.names(field("/signer/issuer")),
                TargetKind::Key => target.names(field("/signer/id")),
                TargetKind::Builder => target.names(field("/builder")),
                _ => false,
            };
            let subjects =
                says.get("subjects").and_then(Value::as_array).into_iter().flatten().filter(|_| hit);
            let digests = subjects.filter_map(|subject| subject.get("digests")?.as_array()).flatten();
            found.extend(digests.filter_map(|digest| digest.as_str()?.parse::<Digest>().ok()));
        }
        Ok(())
    }

    /// Workloads that the gate has seen with one of these digests, and where each can go back to.
    fn affected_workloads(&self, digests: &[Digest], now: Instant) -> Result<Vec<Value>> {
        let wanted: BTreeSet<&Digest> = digests.iter().collect();
        let mut found = Vec::new();
        for (image, seen) in self.gate.seen() {
            let digest = ImageRef::parse(&image).ok().and_then(|parsed| parsed.digest);
            if !digest.is_some_and(|digest| wanted.contains(&digest)) {
                continue;
            }
            let workload = format!("{}/{}", seen.namespace, seen.workload);
            let good = self.last_known_good(&workload, now)?;
            found.push(json!({ "workload": workload, "image": image, "last_known_good": good }));
        }
        Ok(found)
    }

    /// Verifies a break-glass, records it, obeys it and tells every gate.
    pub(super) fn break_glass(&self, note: &str, now: Instant) -> Result<Value> {
        let permit = Permit::open(note.as_bytes(), &self.gate.settings().glass, now)
            .map_err(|error| Failure::new(Code::BreakGlassInvalid, error.to_string()))?;
        let GlassRequest { digest, namespace, until, reason } = permit.request().clone();
        let people = permit.people().join(" and ");
        let recorded = self.store.append(permit, Vec::new(), now)?;
        let index = recorded.index();
        self.gate.break_glass(linkward_deploy::BreakGlass::new(recorded), now);
        self.publish(|| Ok(vec![Item::BreakGlass { record: self.carry(index)? }]))?;
        let text = format!(
            "glass broken by {people}: {digest} may run in {namespace} until {until} (record {index})\n  reason: {reason}\n"
        );
        Ok(json!({ "version": VERSION, "record": index, "digest": digest, "namespace": namespace,
                   "until": until, "people": people, "text": text }))
    }

    /// Records of break-glasses that are not over.
    pub(super) fn glass_records(&self, now: Instant) -> Result<Vec<u64>> {
        let term = Term::new(TermKind::Code, Code::BreakGlassApplied.as_str());
        let mut found = Vec::new();
        for row in self.rows(Some(Kind::Action), Some(term), 1000)? {
            // None runs longer than a day: older records need not be read.
            if now.since(row.times.event) > 25 * 3_600_000 {
                break;
            }
            let says = self.store.body(row.index)?.says;
            let until =
                says.get("until").and_then(Value::as_str).and_then(|text| text.parse::<Instant>().ok());
            if says.get("what").and_then(Value::as_str) == Some("break-glass")
                && until.is_some_and(|until| now < until)
            {
                found.push(row.index);
            }
        }
        Ok(found)
    }

    pub(super) fn restore_glasses(&self, now: Instant) -> Result<()> {
        for index in self.glass_records(now)? {
            let record = self.store.read(index)?;
            // Whoever may not break the glass any more has not broken it.
            if let Ok(glass) = linkward_deploy::BreakGlass::reopen(record, &self.gate.settings().glass) {
                self.gate.break_glass(glass, now);
            }
        }
        Ok(())
    }
}
