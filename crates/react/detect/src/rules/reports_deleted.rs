//! Who holds a stolen account deletes the issues that would warn others.

use super::first::entity;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Hit, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "reports-deleted",
    tier: Tier::Weight,
    title: "Somebody removes reports",
    why: "Who holds a stolen account deletes the issues that would warn others.",
    benign: "Spam is removed.",
    response: "Read what was removed; ask who reported it.",
    fields: &["actor"],
    actions: &[Action::IssueDeleted],
    sources: &[Source::Forge],
    covers: &["L1", "AP2", "T1070"],
    weight: 2000,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn judge(&self, event: &Event, _: &Estate) -> Option<Hit> {
        // A cleaning bot says so; everybody else is worth a look together with other things.
        (!event.actor.as_deref().is_some_and(|actor| actor.ends_with("[bot]")))
            .then(|| Hit::new(event, &entity(event)).says("by", event.actor.as_deref()))
    }
}
