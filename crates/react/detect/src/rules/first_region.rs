//! Stolen cloud credentials are tried where nobody looks.

use super::first::FirstSight;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Fold, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "first-region",
    tier: Tier::FirstSight,
    title: "A role or person acted in a region where they never did",
    why: "Stolen cloud credentials are tried where nobody looks.",
    benign: "The service was rolled out to a new region.",
    response: "Check the rollout plan; otherwise revoke the sessions.",
    fields: &["role", "region"],
    actions: &[Action::CloudCalled],
    sources: &[Source::Cloud],
    covers: &["DS0030", "L7", "AP1", "AP4", "T1535", "T1078.004"],
    weight: 3000,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn key(&self, event: &Event, _: &Estate) -> Option<Box<str>> {
        event.role.clone().or_else(|| event.actor.clone())
    }

    fn fold(&self) -> Option<Box<dyn Fold>> {
        Some(FirstSight::boxed("region", value))
    }
}

fn value(event: &Event) -> Option<Box<str>> {
    event.region.clone()
}
