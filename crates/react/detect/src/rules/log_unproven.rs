//! A log that was forked cannot prove that it extends what was cosigned before.

use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Hit, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "log-unproven",
    tier: Tier::FirstSight,
    title: "A checkpoint came to our witness with a proof that does not hold",
    why: "A log that was forked cannot prove that it extends what was cosigned before.",
    benign: "A broken client, or a stranger who sent a checkpoint of the log with a proof of his own.",
    response: "Compare the log's present checkpoint with what was cosigned: `linkward monitor` tells whether it is still one log.",
    fields: &["conclusion", "subject"],
    actions: &[Action::LogOffered],
    sources: &[Source::Linkward],
    covers: &["L3", "AP3", "I6"],
    weight: 2000,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn judge(&self, event: &Event, _: &Estate) -> Option<Hit> {
        let log = event.subject.as_deref()?;
        (event.conclusion.as_deref() == Some("unproven")).then(|| {
            Hit::new(event, log)
                .says("entries", event.version.as_deref())
                .says("cosigned root", event.before.as_deref())
                .says("offered root", event.after.as_deref())
        })
    }
}
