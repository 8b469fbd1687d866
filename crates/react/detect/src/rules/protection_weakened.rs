//! Before a branch is rewritten its protection is taken off.

use super::first::entity;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Hit, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "protection-weakened",
    tier: Tier::FirstSight,
    title: "A rule that protects a branch was changed, removed or overridden",
    why: "Before a branch is rewritten its protection is taken off.",
    benign: "An owner changed the rule on purpose.",
    response: "Put the rule back; look at every push since.",
    fields: &["call"],
    actions: &[Action::ProtectionChanged],
    sources: &[Source::Forge],
    covers: &["DS0021", "L1", "L2", "AP1", "T1562.001", "M1013"],
    weight: 3000,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn judge(&self, event: &Event, _: &Estate) -> Option<Hit> {
        // A new rule protects more; what the source does not say may protect less.
        (event.call.as_deref() != Some("created")).then(|| {
            Hit::new(event, &entity(event))
                .says("change", event.call.as_deref())
                .says("rule", event.reference.as_deref())
                .says("by", event.actor.as_deref())
        })
    }
}
