//! With a stolen token a package is published from anywhere; the pipeline knows nothing of it.

use super::publishing::{self, Publishing, Side};
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Fold, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "publish-without-run",
    tier: Tier::Invariant,
    title: "A version was published and no pipeline run can have made it",
    why: "With a stolen token a package is published from anywhere; the pipeline knows nothing of it.",
    benign: "It was published by hand on purpose, or the pipeline's events are missing (see whether its source is silent).",
    response: "Take the version down, or deny its digest at every gate; revoke the publishing token.",
    fields: &["package", "repository", "run", "commit", "digest", "trust", "started"],
    actions: &[
        Action::Published,
        Action::RunStarted,
        Action::RunFinished,
        Action::StepFinished,
        Action::Built,
    ],
    sources: &[Source::Registry, Source::Ci],
    covers: &["DS0050", "L3", "L4", "F3", "AP1", "AP2", "T1195.002", "M1045"],
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
        Some(Publishing::boxed(Side::Missing))
    }
}
