//! Going back: what was decided is recorded before anything changes, and what may go back by itself is bounded.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::Result;
use linkward_deploy::{Basis, Deployment, Event, Hold, RollbackRecord};
use linkward_ledger::{Kind, TermKind};
use linkward_model::{Code, Instant};
use serde_json::{Value, json};

use super::Engine;
use crate::access::Access;
use crate::wire::{Failure, VERSION};

/// Workloads of the ledger that are looked at.
const MAX_WORKLOADS: usize = 100_000;
/// How often what runs is compared with what is revoked.
const ROUND: Duration = Duration::from_secs(2);
/// How long one workload may take to become ready when nobody waits for it.
const WAIT: Duration = Duration::from_secs(300);

impl Engine {
    /// Records that a workload goes back, and that its revision has failed: from here M8 counts.
    pub(super) fn begin_rollback(
        &self,
        workload: String,
        (from, to): (u64, u64),
        automatic: bool,
        (author, reason): (String, String),
        now: Instant,
    ) -> Result<Value> {
        let _one = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        if automatic {
            self.may_roll_back(now)?.map_err(|hold| Failure::new(Code::RollbackHeld, hold.to_string()))?;
        }
        // Decided on a plan that may be minutes old: the target has to be the target still.
        let plan = self.plan(&workload, now)?;
        let holds = plan.current.is_some_and(|current| current.number == from)
            && plan.target.is_some_and(|target| target.number == to);
        anyhow::ensure!(holds, "the plan for {workload} has changed meanwhile; plan again");
        let why = format!("taken back by {author}: {reason}");
        let record =
            RollbackRecord::Rollback { workload: workload.clone(), from, to, automatic, author, reason };
        let index = self.store.append(record, Vec::new(), now)?.index();
        let failed = Deployment {
            workload,
            revision: from,
            at: now,
            source: "rollback".to_owned(),
            happened: Event::Failed { why },
        };
        self.store.append(failed, Vec::new(), now)?;
        Ok(json!({ "version": VERSION, "record": index }))
    }

    pub(super) fn present(&self, author: String, now: Instant) -> Result<Value> {
        let index = self.store.append(RollbackRecord::Presence { author }, Vec::new(), now)?.index();
        let until = now.plus_millis(self.config.automatic.presence_millis);
        let text = format!("somebody is there until {until} (record {index})\n");
        Ok(json!({ "version": VERSION, "record": index, "until": until, "text": text }))
    }

    fn may_roll_back(&self, now: Instant) -> Result<Result<(), Hold>> {
        let times = |automatic, limit| -> Result<Vec<Instant>> {
            let rows = self.rows(Some(Kind::Action), Some(RollbackRecord::term(automatic)), limit)?;
            Ok(rows.into_iter().map(|row| row.times.event).collect())
        };
        let automatic = &self.config.automatic;
        let before = times(true, automatic.most_per_hour.saturating_add(1))?;
        let present = times(false, 1)?.first().copied();
        Ok(automatic.may(&self.config.environment, &before, present, now))
    }

    /// Workloads whose newest revision runs what is revoked.
    pub(super) fn critical(&self, now: Instant) -> Result<Value> {
        let mut found = Vec::new();
        for term in self.store.terms(TermKind::Name, "workload:", MAX_WORKLOADS)? {
            let Some(workload) = term.strip_prefix("workload:") else { continue };
            let plan = self.plan(workload, now)?;
            let Some(current) = plan.current.as_ref().filter(|current| current.ended.is_none()) else {
                continue;
            };
            let namespace = workload.split('/').next().unwrap_or("");
            let decisions = current.images.iter().map(|image| self.gate.decide(image, namespace, now));
            let revoked = decisions.into_iter().find(|decision| decision.basis() == Basis::Revocation);
            if let Some(decision) = revoked {
                found.push(json!({ "workload": workload, "why": decision.message(), "plan": plan }));
            }
        }
        let held = self.may_roll_back(now)?.err().map(|hold| hold.to_string());
        Ok(json!({ "version": VERSION, "workloads": found, "held": held }))
    }

    /// Where the settings say so, what runs what is revoked goes back without being asked for.
    pub(crate) fn roll_back_by_itself(self: &Arc<Self>) -> Result<()> {
        if !self.config.automatic.on || self.config.cluster.is_none() {
            return Ok(());
        }
        let engine = Arc::downgrade(self);
        let work = move || {
            let mut said = String::new();
            loop {
                std::thread::sleep(ROUND);
                let Some(engine) = engine.upgrade() else { return };
                let config = engine.config.clone();
                let passed = crate::rollback::pass(&Access::Direct(engine), &config, WAIT);
                let news = match passed {
                    Ok(None) => String::new(),
                    Ok(Some(passed)) => passed.text(),
                    Err(error) => format!("{error:#}"),
                };
                if news != said && !news.is_empty() {
                    crate::commands::complain(&format!("rollback: {}", news.trim_end()));
                }
                said = news;
            }
        };
        std::thread::Builder::new().name("rollback".to_owned()).spawn(work)?;
        Ok(())
    }
}
