//! Whoever can show a log differently to different people can hide what it signed for one of them.

use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Hit, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "log-forked",
    tier: Tier::Invariant,
    title: "A log showed our witness two trees of one size",
    why: "Whoever can show a log differently to different people can hide what it signed for one of them.",
    benign: "Nothing does: both checkpoints are signed by the log's own key.",
    response: "Trust nothing new from this log; show both checkpoints, which the event holds, to its operator and to all who follow it.",
    fields: &["conclusion", "subject"],
    actions: &[Action::LogOffered],
    sources: &[Source::Linkward],
    covers: &["L3", "AP3", "I6"],
    weight: 0,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn judge(&self, event: &Event, _: &Estate) -> Option<Hit> {
        let log = event.subject.as_deref()?;
        (event.conclusion.as_deref() == Some("split")).then(|| {
            Hit::new(event, log)
                .says("entries", event.version.as_deref())
                .says("cosigned root", event.before.as_deref())
                .says("offered root", event.after.as_deref())
        })
    }
}
