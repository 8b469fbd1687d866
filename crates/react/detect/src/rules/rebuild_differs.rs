//! A build machine that adds code leaves the source clean; only a second builder shows it.

use super::first::entity;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Hit, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "rebuild-differs",
    tier: Tier::Invariant,
    title: "Two builders made different bytes from the same source",
    why: "A build machine that adds code leaves the source clean; only a second builder shows it.",
    benign: "The build is not reproducible yet: a timestamp, a path, an order. The comparison names the files.",
    response: "Trust neither artifact until the difference is explained; isolate both builders.",
    fields: &["matches", "before", "after"],
    actions: &[Action::Rebuilt],
    sources: &[Source::Linkward],
    covers: &["DS0015", "L2", "L3", "F5", "AP1", "T1195.002", "M1027"],
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
                .says("one builder", event.before.as_deref())
                .says("another builder", event.after.as_deref())
        })
    }
}
