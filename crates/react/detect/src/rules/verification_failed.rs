//! The gate is the last place where a swapped or unsigned artifact is seen.

use super::first::entity;
use crate::glob::any;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Hit, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "verification-failed",
    tier: Tier::Invariant,
    title: "Something failed its verification on the way to production",
    why: "The gate is the last place where a swapped or unsigned artifact is seen.",
    benign: "The evidence is late: record it, and the next check passes.",
    response: "Keep it out; see why with `linkward explain`; look for the same digest elsewhere.",
    fields: &["conclusion", "environment"],
    actions: &[Action::Verified],
    sources: &[Source::Linkward],
    covers: &["L3", "L6", "F1", "AP1", "AP3", "T1195.002", "M1045"],
    weight: 0,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn judge(&self, event: &Event, estate: &Estate) -> Option<Hit> {
        let environment = event.environment.as_deref()?;
        let failed = event.conclusion.as_deref().is_some_and(|conclusion| conclusion != "success");
        (failed && any(&estate.production, environment)).then(|| {
            Hit::new(event, &entity(event))
                .says("digest", event.digest.as_deref())
                .fact("environment", environment)
                .says("why", event.subject.as_deref())
        })
    }
}
