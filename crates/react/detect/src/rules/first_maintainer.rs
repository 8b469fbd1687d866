//! A maintainer who was talked into handing over, or talked out of a password.

use super::first::FirstSight;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Fold, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "first-maintainer",
    tier: Tier::FirstSight,
    title: "A version was published by somebody who never published it",
    why: "A maintainer who was talked into handing over, or talked out of a password.",
    benign: "The project has a new maintainer.",
    response: "Read what changed; ask the former maintainers.",
    fields: &["package", "actor"],
    actions: &[Action::Published],
    sources: &[Source::Registry],
    covers: &["DS0050", "L4", "F3", "AP2", "AP6", "T1195.001", "M1013"],
    weight: 3000,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn key(&self, event: &Event, _: &Estate) -> Option<Box<str>> {
        event.package.clone()
    }

    fn fold(&self) -> Option<Box<dyn Fold>> {
        Some(FirstSight::boxed("published by", value))
    }
}

fn value(event: &Event) -> Option<Box<str>> {
    event.actor.clone()
}
