//! Write access to a registry is all that it takes to replace what everybody deploys.

use crate::glob::{any, covers};
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Hit, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "registry-write-unauthorised",
    tier: Tier::Invariant,
    title: "Somebody wrote to a part of the registry who may not",
    why: "Write access to a registry is all that it takes to replace what everybody deploys.",
    benign: "The writer is allowed: list it in writers.",
    response: "Undo the write; revoke the credential; check what else it wrote.",
    fields: &["package", "actor"],
    actions: &[Action::Published, Action::Unpublished],
    sources: &[Source::Registry],
    covers: &["DS0050", "L3", "F4", "AP3", "T1525", "M1045"],
    weight: 0,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn unarmed(&self, estate: &Estate) -> Option<&'static str> {
        estate.writers.is_empty().then_some("the estate lists no writers")
    }

    fn judge(&self, event: &Event, estate: &Estate) -> Option<Hit> {
        let package = event.package.as_deref()?;
        let scope = estate.writers.iter().find(|scope| covers(&scope.packages, package))?;
        // A write that names nobody was made by nobody who may.
        let allowed = event.actor.as_deref().is_some_and(|actor| any(&scope.actors, actor));
        (!allowed).then(|| {
            Hit::new(event, package)
                .fact("by", event.actor.as_deref().unwrap_or("not said"))
                .fact("allowed", scope.actors.join(", "))
                .says("version", event.version.as_deref())
        })
    }
}
