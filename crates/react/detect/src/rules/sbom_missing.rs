//! What is in no inventory cannot be found when one of its parts turns bad.

use super::first::entity;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Hit, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "sbom-missing",
    tier: Tier::FirstSight,
    title: "A build came without an SBOM",
    why: "What is in no inventory cannot be found when one of its parts turns bad.",
    benign: "The build makes nothing that is shipped.",
    response: "Add SBOM generation to the pipeline; until then keep the artifact out of production.",
    fields: &["sbom"],
    actions: &[Action::Built],
    sources: &[Source::Ci],
    covers: &["L2", "F8", "M1051"],
    weight: 0,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn judge(&self, event: &Event, _: &Estate) -> Option<Hit> {
        (event.sbom == Some(false)).then(|| {
            Hit::new(event, &entity(event))
                .says("digest", event.digest.as_deref())
                .says("run", event.run.as_deref())
        })
    }
}
