//! A commit that lives only in a fork's network can be named by a tag without ever having been reviewed.

use super::first::entity;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Hit, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "commit-orphaned",
    tier: Tier::Invariant,
    title: "A tag, run or version names a commit that no branch reaches",
    why: "A commit that lives only in a fork's network can be named by a tag without ever having been reviewed.",
    benign: "A branch was removed after its tag was made: check that the commit was reviewed.",
    response: "Stop using the ref; compare the commit with the last good one; look for the fork that it came from.",
    fields: &["reachable"],
    actions: &[Action::RefUpdated, Action::RefCreated, Action::RunStarted, Action::Published],
    sources: &[Source::Git],
    covers: &["DS0021", "L1", "F4", "AP3", "T1195.002", "M1013"],
    weight: 0,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn judge(&self, event: &Event, _: &Estate) -> Option<Hit> {
        (event.reachable == Some(false)).then(|| {
            Hit::new(event, &entity(event))
                .says("ref", event.reference.as_deref())
                .says("commit", event.commit.as_deref().or(event.after.as_deref()))
        })
    }
}
