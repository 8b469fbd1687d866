//! A step that is skipped or slipped in by the runner leaves the definition as it was.

use std::collections::BTreeSet;

use super::first::entity;
use linkward_evidence::event::{Action, Event, Source};
use serde::{Deserialize, Serialize};

use crate::Estate;
use crate::rule::{About, Fold, Hit, Rule as Shape, Tier, memory};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "steps-altered",
    tier: Tier::FirstSight,
    title: "A run had other steps than ever, and its definition was not changed",
    why: "A step that is skipped or slipped in by the runner leaves the definition as it was.",
    benign: "The steps depend on an input or matrix: they will be learned.",
    response: "Compare the run with its definition at that commit; isolate the runner.",
    fields: &["repository", "workflow", "names"],
    actions: &[Action::StepFinished, Action::WorkflowChanged],
    sources: &[Source::Ci],
    covers: &["L2", "F2", "AP1", "T1195.002", "M1045"],
    weight: 3000,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn key(&self, event: &Event, _: &Estate) -> Option<Box<str>> {
        let (repository, workflow) = (event.repository.as_deref()?, event.workflow.as_deref()?);
        Some(format!("{repository} {workflow}").into())
    }

    fn fold(&self) -> Option<Box<dyn Fold>> {
        Some(Box::<Steps>::default())
    }
}

/// Runs with the same steps after which they are known.
const LEARNED: u32 = 5;

#[derive(Clone, Default, Serialize, Deserialize)]
struct Steps {
    known: BTreeSet<Vec<Box<str>>>,
    same: u32,
}

impl Fold for Steps {
    fn step(&mut self, event: &Event, _: &Estate, hits: &mut Vec<Hit>) {
        if event.action == Action::WorkflowChanged {
            self.same = 0;
            self.known.clear();
            return;
        }
        if event.names.is_empty() {
            return;
        }
        if self.known.contains(&event.names) {
            self.same = self.same.saturating_add(1);
            return;
        }
        if self.same >= LEARNED {
            hits.push(
                Hit::new(event, &entity(event))
                    .says("workflow", event.workflow.as_deref())
                    .fact("steps", event.names.join(", "))
                    .says("run", event.run.as_deref()),
            );
        }
        if self.known.len() < 64 {
            self.known.insert(event.names.clone());
        }
    }

    memory!();
}
