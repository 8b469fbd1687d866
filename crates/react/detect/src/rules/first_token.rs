//! Stolen or freshly made tokens look like their owner in every other way.

use super::first::FirstSight;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Fold, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "first-token",
    tier: Tier::FirstSight,
    title: "Somebody acted with a token that was never seen of them",
    why: "Stolen or freshly made tokens look like their owner in every other way.",
    benign: "The owner made a new token.",
    response: "Ask the owner; revoke the token.",
    fields: &["actor", "token"],
    actions: &[Action::Published, Action::RefUpdated, Action::CloudCalled, Action::MemberChanged],
    sources: &[Source::Forge, Source::Registry, Source::Cloud],
    covers: &["DS0050", "L1", "L4", "AP1", "T1528", "T1078"],
    weight: 3000,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn key(&self, event: &Event, _: &Estate) -> Option<Box<str>> {
        event.actor.clone()
    }

    fn fold(&self) -> Option<Box<dyn Fold>> {
        Some(FirstSight::boxed("token", value))
    }
}

fn value(event: &Event) -> Option<Box<str>> {
    event.token.clone()
}
