//! A pull request from a fork fills the cache; the release build takes it out again and runs it.

use super::first::entity;
use linkward_evidence::event::{Action, Event, Source};
use serde::{Deserialize, Serialize};

use crate::Estate;
use crate::rule::{About, Fold, Hit, Rule as Shape, Tier, memory};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "cache-crossed",
    tier: Tier::Invariant,
    title: "A run restored a cache entry that a less trusted run had saved",
    why: "A pull request from a fork fills the cache; the release build takes it out again and runs it.",
    benign: "The entry holds nothing that is executed: give untrusted runs a cache of their own all the same.",
    response: "Stop the run; delete the entry; rebuild what was made with it from scratch.",
    fields: &["repository", "cache", "trust"],
    actions: &[Action::CacheSaved, Action::CacheRestored],
    sources: &[Source::Ci],
    covers: &["L2", "F2", "AP2", "T1195.002", "M1045"],
    weight: 0,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn key(&self, event: &Event, _: &Estate) -> Option<Box<str>> {
        let (repository, cache) = (event.repository.as_deref()?, event.cache.as_deref()?);
        Some(format!("{repository} {cache}").into())
    }

    fn fold(&self) -> Option<Box<dyn Fold>> {
        Some(Box::<Entry>::default())
    }
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Entry {
    saved: Option<(u8, Box<str>)>,
}

fn rank(trust: &str) -> Option<u8> {
    match trust {
        "fork" => Some(0),
        "branch" => Some(1),
        "protected" => Some(2),
        _ => None,
    }
}

impl Fold for Entry {
    fn step(&mut self, event: &Event, _: &Estate, hits: &mut Vec<Hit>) {
        let Some((trust, rank)) = event.trust.as_deref().and_then(|trust| Some((trust, rank(trust)?))) else {
            return;
        };
        if event.action == Action::CacheSaved {
            self.saved = Some((rank, trust.into()));
        } else if let Some((_, by)) = self.saved.as_ref().filter(|(saved, _)| *saved < rank) {
            hits.push(
                Hit::new(event, &entity(event))
                    .says("cache", event.cache.as_deref())
                    .fact("saved by", by)
                    .fact("restored by", trust),
            );
        }
    }

    memory!();
}
