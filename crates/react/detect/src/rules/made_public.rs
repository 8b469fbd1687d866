//! Worms publish what they stole in repositories that they make public.

use super::first::entity;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Hit, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "made-public",
    tier: Tier::FirstSight,
    title: "Something private became public",
    why: "Worms publish what they stole in repositories that they make public.",
    benign: "The owner opened the project on purpose.",
    response: "Make it private again; rotate every secret that its history holds.",
    fields: &["subject"],
    actions: &[Action::VisibilityChanged],
    sources: &[Source::Forge],
    covers: &["L1", "AP1", "T1567.001"],
    weight: 3000,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn judge(&self, event: &Event, _: &Estate) -> Option<Hit> {
        (event.subject.as_deref() == Some("public"))
            .then(|| Hit::new(event, &entity(event)).says("by", event.actor.as_deref()))
    }
}
