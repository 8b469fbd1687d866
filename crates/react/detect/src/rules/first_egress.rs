//! What a build steals has to leave it.

use super::first::FirstSight;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Fold, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "first-egress",
    tier: Tier::FirstSight,
    title: "A build spoke to a host that it never spoke to",
    why: "What a build steals has to leave it.",
    benign: "A dependency moved its downloads.",
    response: "Look at the process that spoke; block the host; rotate the job's secrets.",
    fields: &["repository", "host"],
    actions: &[Action::Egress],
    sources: &[Source::Ci],
    covers: &["DS0015", "L2", "F2", "AP1", "T1041"],
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
        Some(FirstSight::boxed("host", value))
    }
}

fn value(event: &Event) -> Option<Box<str>> {
    event.host.clone()
}
