//! Keys that turn up are new owners or thieves.

use super::first::FirstSight;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Fold, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "first-key",
    tier: Tier::FirstSight,
    title: "A repository or package was signed with a key that was never seen there",
    why: "Keys that turn up are new owners or thieves.",
    benign: "Somebody joined or rotated a key.",
    response: "Ask the named person by another way.",
    fields: &["package", "repository", "key"],
    actions: &[Action::CommitSeen, Action::Signed],
    sources: &[Source::Forge, Source::Git, Source::Ci],
    covers: &["DS0021", "L1", "F1", "AP1", "T1553.002"],
    weight: 3000,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn key(&self, event: &Event, _: &Estate) -> Option<Box<str>> {
        event.package.clone().or_else(|| event.repository.clone())
    }

    fn fold(&self) -> Option<Box<dyn Fold>> {
        Some(FirstSight::boxed("key", value))
    }
}

fn value(event: &Event) -> Option<Box<str>> {
    event.key.clone()
}
