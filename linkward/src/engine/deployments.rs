//! The deployment ledger of this home, and rollback plans from it.

use std::sync::PoisonError;

use anyhow::Result;
use linkward_deploy::{Decision, Deployment, Event, History, Plan, Rollout};
use linkward_ledger::Kind;
use linkward_model::Instant;
use serde_json::{Value, json};

use crate::wire::{Deploy, VERSION};

use super::Engine;

/// Lines of one workload that are looked at.
const MAX_LINES: usize = 4096;
/// Rollouts that wait for the ledger; beyond that the webhook drops and the next review brings them again.
const MAX_WAITING: usize = 4096;

impl Engine {
    pub(super) fn deployment(&self, ask: Deploy) -> Result<Value> {
        let now = Instant::now();
        match ask {
            Deploy::Record { workload, revision, happened } => {
                check_workload(&workload)?;
                let _one = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
                let history = self.history(&workload)?;
                let revision = match (revision, &happened) {
                    (Some(revision), _) => revision,
                    (None, Event::Deployed { images }) => history.number(images),
                    (None, _) => match history.revisions.last() {
                        Some(newest) => newest.number,
                        None => anyhow::bail!("nothing is recorded of {workload}; record its images first"),
                    },
                };
                let known = history.revisions.iter().any(|known| known.number == revision);
                anyhow::ensure!(
                    known || matches!(happened, Event::Deployed { .. }),
                    "{workload} has no revision {revision}; record its images first"
                );
                let line = Deployment { workload, revision, at: now, source: "command".to_owned(), happened };
                let text = format!("recorded: {} revision {revision}", line.workload);
                let index = self.store.append(line, Vec::new(), now)?.index();
                Ok(json!({ "version": VERSION, "record": index, "revision": revision,
                           "text": format!("{text} (record {index})\n") }))
            }
            Deploy::List { workload } => {
                let history = self.history(&workload)?;
                let mut text = String::new();
                for revision in history.revisions.iter().rev() {
                    let why = |what: &str, why: &Option<String>| {
                        why.as_ref().map_or_else(String::new, |why| format!(", {what}: {why}"))
                    };
                    text.push_str(&format!(
                        "{:>5}  {}  {}{}{}  {}\n",
                        revision.number,
                        revision.deployed,
                        match (revision.soaked, revision.ready) {
                            (Some(_), _) => "soaked",
                            (None, Some(_)) => "ready",
                            (None, None) => "not ready",
                        },
                        why("failed", &revision.failed),
                        why("ended", &revision.ended_by),
                        revision.images.join(" ")
                    ));
                }
                if history.revisions.is_empty() {
                    text = format!("nothing is recorded of {workload}\n");
                }
                Ok(
                    json!({ "version": VERSION, "workload": workload, "revisions": history.revisions, "text": text }),
                )
            }
            Deploy::Plan { workload } => {
                check_workload(&workload)?;
                let plan = self.plan(&workload, now)?;
                let text = explain(&workload, &plan);
                Ok(json!({ "version": VERSION, "workload": workload, "plan": plan, "text": text }))
            }
            Deploy::Begin { workload, from, to, automatic, author, reason } => {
                check_workload(&workload)?;
                self.begin_rollback(workload, (from, to), automatic, (author, reason), now)
            }
            Deploy::Present { author } => self.present(author, now),
            Deploy::Critical => self.critical(now),
        }
    }

    pub(super) fn history(&self, workload: &str) -> Result<History> {
        let mut lines = Vec::new();
        for row in self.rows(Some(Kind::Action), Some(Deployment::term(workload)), MAX_LINES)? {
            lines.extend(Deployment::read(&self.store.body(row.index)?));
        }
        lines.reverse();
        Ok(History::of(lines))
    }

    pub(crate) fn plan(&self, workload: &str, now: Instant) -> Result<Plan> {
        let namespace = workload.split('/').next().unwrap_or("");
        let decide = |image: &str| self.gate.decide(image, namespace, now);
        Ok(self.history(workload)?.plan(self.config.soak_seconds.saturating_mul(1000), now, decide))
    }

    /// The images of the last known good revision, in one text.
    pub(super) fn last_known_good(&self, workload: &str, now: Instant) -> Result<Option<String>> {
        let plan = self.plan(workload, now)?;
        // A revision in force that is good itself is the answer before anything older.
        Ok(plan.target.map(|target| format!("revision {}: {}", target.number, target.images.join(" "))))
    }

    /// Notes a rollout that the webhook let pass; it is recorded off the request path.
    pub(super) fn note_rollout(&self, rollout: Rollout) {
        let mut waiting = self.rollouts.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < MAX_WAITING && !waiting.contains(&rollout) {
            waiting.push_back(rollout);
        }
    }

    pub(super) fn record_rollouts(&self, now: Instant) -> Result<()> {
        loop {
            let next = self.rollouts.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(Rollout { workload, images }) = next else { return Ok(()) };
            let _one = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            let history = self.history(&workload)?;
            if history.revisions.last().is_some_and(|newest| newest.images == images) {
                continue;
            }
            let revision = history.number(&images);
            let happened = Event::Deployed { images };
            let line = Deployment { workload, revision, at: now, source: "webhook".to_owned(), happened };
            self.store.append(line, Vec::new(), now)?;
        }
    }

    /// The decision about an image, for controllers that roll out step by step.
    pub(crate) fn decide_image(&self, image: &str, namespace: &str, now: Instant) -> Decision {
        let decision = self.gate.decide(image, namespace, now);
        self.store.journal().push(&decision.encode("canary"));
        decision
    }

    /// Records what a controller says of a workload's newest revision.
    pub(crate) fn record_event(&self, workload: &str, happened: Event) -> Result<bool> {
        let now = Instant::now();
        let Some(newest) = self.history(workload)?.revisions.last().map(|newest| newest.number) else {
            return Ok(false);
        };
        let line = Deployment {
            workload: workload.to_owned(),
            revision: newest,
            at: now,
            source: "controller".to_owned(),
            happened,
        };
        self.store.append(line, Vec::new(), now)?;
        Ok(true)
    }
}

fn check_workload(workload: &str) -> Result<()> {
    let parts: Vec<&str> = workload.split('/').collect();
    let fits = |part: &&str| {
        !part.is_empty()
            && part.len() <= 253
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
    };
    anyhow::ensure!(
        parts.len() == 3 && parts.iter().all(fits),
        "`{workload}` is not a workload; write it as NAMESPACE/KIND/NAME, such as shop/Deployment/cart"
    );
    Ok(())
}

fn explain(workload: &str, plan: &Plan) -> String {
    let mut text = String::new();
    match &plan.current {
        Some(current) => {
            text.push_str(&format!(
                "{workload} is at revision {}: {}\n",
                current.number,
                current.images.join(" ")
            ));
        }
        None => {
            return format!(
                "nothing is recorded of {workload}; `linkward deploy record` or the webhook tells of it\n"
            );
        }
    }
    for candidate in &plan.passed_over {
        text.push_str(&format!("  not revision {}: {}\n", candidate.revision, candidate.against.join("; ")));
    }
    match &plan.target {
        None => text.push_str("no earlier revision is safe to go back to\n"),
        Some(target) => {
            text.push_str(&format!("go back to revision {}, allowed today:\n", target.number));
            for image in &target.images {
                text.push_str(&format!("  {image}\n"));
            }
        }
    }
    text
}
