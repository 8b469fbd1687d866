//! Code that runs inside a test or build step can publish by itself; the step that should have done it did not.

use super::publishing::{self, Publishing, Side};
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Fold, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "publish-run-failed",
    tier: Tier::Invariant,
    title: "A version was published by a run that failed or skipped its publishing step",
    why: "Code that runs inside a test or build step can publish by itself; the step that should have done it did not.",
    benign: "The run failed after it had published, for a reason that has nothing to do with the version.",
    response: "Compare the published bytes with a rebuild; look at what the run executed before it failed.",
    fields: &["repository", "run", "conclusion", "step", "commit"],
    actions: &[
        Action::Published,
        Action::RunStarted,
        Action::RunFinished,
        Action::StepFinished,
        Action::Built,
    ],
    sources: &[Source::Registry, Source::Ci],
    covers: &["DS0050", "L2", "F2", "AP2", "T1195.002", "M1045"],
    weight: 0,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn key(&self, event: &Event, estate: &Estate) -> Option<Box<str>> {
        publishing::repository(event, estate)
    }

    fn fold(&self) -> Option<Box<dyn Fold>> {
        Some(Publishing::boxed(Side::Failed))
    }
}
