//! Firmware that was changed starts before everything that could notice it.

use super::first::entity;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Hit, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "boot-differs",
    tier: Tier::Invariant,
    title: "A device booted something else than its known good measurement",
    why: "Firmware that was changed starts before everything that could notice it.",
    benign: "A firmware update was rolled out and its measurements are not listed yet.",
    response: "Take the device out of service; keep its log; compare with the vendor's reference values.",
    fields: &["matches", "before", "after"],
    actions: &[Action::BootMeasured],
    sources: &[Source::Device],
    covers: &["L8", "F6", "AP5", "T1542.001", "T1195.003"],
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
