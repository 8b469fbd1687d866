//! Who replaces the image behind a version tag reaches everybody who deploys by it.

use crate::glob::any;
use linkward_evidence::event::{Action, Event, Source};
use serde::{Deserialize, Serialize};

use crate::Estate;
use crate::rule::{About, Fold, Hit, Rule as Shape, Tier, memory};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "tag-moved",
    tier: Tier::Invariant,
    title: "An image tag that never moves names other bytes",
    why: "Who replaces the image behind a version tag reaches everybody who deploys by it.",
    benign: "The tag is meant to move: leave it out of immutable-tags.",
    response: "Point the tag back to the old digest; make tags immutable in the registry; find who pushed.",
    fields: &["package", "ref", "digest"],
    actions: &[Action::Published],
    sources: &[Source::Registry],
    covers: &["DS0050", "L3", "F4", "AP3", "T1525", "M1045"],
    weight: 0,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn key(&self, event: &Event, estate: &Estate) -> Option<Box<str>> {
        let (package, tag) = (event.package.as_deref()?, event.reference.as_deref()?);
        any(&estate.immutable_tags, tag).then(|| format!("{package}:{tag}").into())
    }

    fn fold(&self) -> Option<Box<dyn Fold>> {
        Some(Box::<Tag>::default())
    }
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Tag {
    digest: Option<Box<str>>,
}

impl Fold for Tag {
    fn step(&mut self, event: &Event, _: &Estate, hits: &mut Vec<Hit>) {
        let Some(digest) = &event.digest else { return };
        let before = self.digest.replace(digest.clone());
        if let Some(before) = before.filter(|before| before != digest) {
            hits.push(
                Hit::new(event, event.package.as_deref().unwrap_or(""))
                    .says("tag", event.reference.as_deref())
                    .fact("before", before)
                    .fact("after", digest)
                    .says("by", event.actor.as_deref()),
            );
        }
    }

    memory!();
}
