//! A script or archive is changed where it is served, and the repository stays clean.

use super::first::entity;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Hit, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "source-differs",
    tier: Tier::Invariant,
    title: "What is served is not what the repository holds",
    why: "A script or archive is changed where it is served, and the repository stays clean.",
    benign: "The served file is made from the source by a step that is not recorded: record it.",
    response: "Take the served file down; keep it; look at who wrote to the storage, and with which key.",
    fields: &["matches", "before", "after"],
    actions: &[Action::Compared],
    sources: &[Source::Linkward],
    covers: &["DS0050", "L3", "F4", "AP3", "T1195.002", "M1045"],
    weight: 0,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn judge(&self, event: &Event, _: &Estate) -> Option<Hit> {
        let differs = match event.matches {
            Some(matches) => !matches,
            None => event.before.is_some() && event.after.is_some() && event.before != event.after,
        };
        differs.then(|| {
            Hit::new(event, &entity(event))
                .says("of", event.subject.as_deref())
                .says("should be", event.before.as_deref())
                .says("is", event.after.as_deref())
        })
    }
}
