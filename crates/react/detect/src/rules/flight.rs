//! Runs by the time that they were in flight: the true build window, not office hours.

use std::collections::{BTreeMap, BTreeSet};

use linkward_evidence::event::{Action, Event};
use linkward_model::Instant;
use serde::{Deserialize, Serialize};

/// Runs of one repository beyond which old ones are forgotten, and those beyond which the oldest go in any case.
const MANY: usize = 64;
const MOST: usize = 4096;
/// How long a run is remembered after its end.
pub(super) const MEMORY: i64 = 48 * 60 * 60 * 1000;
/// A run whose end was never told is over after a day.
const LONGEST: i64 = 24 * 60 * 60 * 1000;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Flight {
    runs: BTreeMap<Box<str>, Run>,
    /// How many were left when old ones were last forgotten.
    kept: usize,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) from: Instant,
    pub(super) until: Option<Instant>,
    pub(super) commit: Option<Box<str>>,
    pub(super) conclusion: Option<Box<str>>,
    pub(super) fork: bool,
    pub(super) digests: BTreeSet<Box<str>>,
    /// How the step that publishes came out, where steps are told.
    pub(super) publishing: Option<bool>,
}

impl Flight {
    /// Takes in what an event says about a run; whether it did.
    pub(super) fn step(&mut self, event: &Event) -> bool {
        let Some(id) = &event.run else { return false };
        let at = event.at();
        let fresh = !self.runs.contains_key(id);
        let run = self.runs.entry(id.clone()).or_insert_with(|| Run {
            from: event.started.unwrap_or(at),
            until: None,
            commit: None,
            conclusion: None,
            fork: false,
            digests: BTreeSet::new(),
            publishing: None,
        });
        run.from = run.from.min(event.started.unwrap_or(at));
        run.fork |= event.trust.as_deref() == Some("fork");
        if event.commit.is_some() {
            run.commit.clone_from(&event.commit);
        }
        match event.action {
            Action::RunFinished => {
                run.until = Some(at);
                run.conclusion.clone_from(&event.conclusion);
            }
            Action::StepFinished if event.step.as_deref().is_some_and(publishes) => {
                let well = event.conclusion.as_deref() == Some("success");
                run.publishing = Some(run.publishing.unwrap_or(false) || well);
            }
            Action::Built => run.digests.extend(event.digest.clone()),
            _ => {}
        }
        if fresh && self.runs.len() > MANY && self.runs.len() >= 2 * self.kept {
            self.runs.retain(|_, run| at.since(run.until.unwrap_or(run.from.plus_millis(LONGEST))) < MEMORY);
            self.kept = self.runs.len().max(MANY / 2);
        }
        if self.runs.len() > MOST
            && let Some(oldest) = self.runs.iter().min_by_key(|(_, run)| run.from).map(|(id, _)| id.clone())
        {
            self.runs.remove(&oldest);
        }
        true
    }

    /// Runs that were under way at a time, give or take a margin.
    pub(super) fn at(&self, at: Instant, margin: i64) -> impl Iterator<Item = (&str, &Run)> {
        let under_way = move |run: &Run| {
            let until = run.until.unwrap_or(run.from.plus_millis(LONGEST));
            run.from.plus_millis(-margin) <= at && at <= until.plus_millis(margin)
        };
        self.runs.iter().filter(move |(_, run)| under_way(run)).map(|(id, run)| (&**id, run))
    }
}

/// Whether a step's name says that it publishes.
fn publishes(step: &str) -> bool {
    let step = step.to_lowercase();
    ["publish", "release", "deploy", "upload"].iter().any(|word| step.contains(word))
}
