//! Attackers bring runners of their own, or take a name that exists.

use super::first::FirstSight;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Fold, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "first-runner",
    tier: Tier::FirstSight,
    title: "A job ran on a machine that was never seen",
    why: "Attackers bring runners of their own, or take a name that exists.",
    benign: "The pool of runners was changed: use ephemeral runners with one name.",
    response: "Remove the runner; rotate the secrets of the jobs that it ran.",
    fields: &["repository", "runner"],
    actions: &[Action::StepFinished, Action::RunnerRegistered],
    sources: &[Source::Ci, Source::Forge],
    covers: &["L2", "F2", "AP1", "T1195.002"],
    weight: 3000,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn key(&self, event: &Event, _: &Estate) -> Option<Box<str>> {
        event.repository.clone()
    }

    fn fold(&self) -> Option<Box<dyn Fold>> {
        Some(FirstSight::boxed("runner", value))
    }
}

fn value(event: &Event) -> Option<Box<str>> {
    event.runner.clone()
}
