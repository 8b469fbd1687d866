//! Secrets in build logs are read by everybody who may read the log.

use super::first::entity;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Hit, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "secret-leaked",
    tier: Tier::FirstSight,
    title: "A secret stands in a log or repository",
    why: "Secrets in build logs are read by everybody who may read the log.",
    benign: "The value is a test value that opens nothing.",
    response: "Rotate the secret first, then take the text away.",
    fields: &["conclusion"],
    actions: &[Action::SecretLeaked],
    sources: &[Source::Forge, Source::Ci],
    covers: &["L1", "L2", "AP1", "T1552.001"],
    weight: 3000,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn judge(&self, event: &Event, _: &Estate) -> Option<Hit> {
        (event.conclusion.as_deref() != Some("resolved")).then(|| {
            Hit::new(event, &entity(event))
                .says("kind", event.subject.as_deref())
                .says("run", event.run.as_deref())
        })
    }
}
