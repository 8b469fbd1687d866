//! Between the build and the registry somebody put other bytes in place.

use std::collections::BTreeSet;

use linkward_evidence::event::{Action, Event, Source};
use serde::{Deserialize, Serialize};

use crate::Estate;
use crate::rule::{About, Fold, Hit, Rule as Shape, Tier, memory};
use linkward_model::Instant;

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "digest-differs",
    tier: Tier::Invariant,
    title: "The registry serves other bytes than the pipeline made",
    why: "Between the build and the registry somebody put other bytes in place.",
    benign: "The pipeline built the version twice and published the other build: make the build reproducible.",
    response: "Deny the digest; compare the two artifacts; check who could write to the registry in between.",
    fields: &["package", "version", "digest"],
    actions: &[Action::Built, Action::Published],
    sources: &[Source::Registry, Source::Ci],
    covers: &["DS0050", "L3", "F1", "F4", "AP3", "T1195.002", "M1045"],
    weight: 0,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn key(&self, event: &Event, _: &Estate) -> Option<Box<str>> {
        let (package, version) = (event.package.as_deref()?, event.version.as_deref()?);
        Some(format!("{package}@{version}").into())
    }

    fn fold(&self) -> Option<Box<dyn Fold>> {
        Some(Box::<Bytes>::default())
    }
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Bytes {
    built: BTreeSet<Box<str>>,
    published: Vec<(Hit, Box<str>)>,
}

fn algorithm(digest: &str) -> &str {
    digest.split([':', '-']).next().unwrap_or("")
}

impl Fold for Bytes {
    fn step(&mut self, event: &Event, _: &Estate, _: &mut Vec<Hit>) {
        let Some(digest) = &event.digest else { return };
        if event.action == Action::Built {
            self.built.insert(digest.clone());
        } else {
            let subject = event.package.as_deref().unwrap_or("");
            let hit = Hit::new(event, subject)
                .says("version", event.version.as_deref())
                .fact("registry has", digest);
            self.published.push((hit, digest.clone()));
        }
    }

    fn pending(&self) -> bool {
        true
    }

    fn settle(&self, _: Instant, hits: &mut Vec<Hit>) {
        for (hit, digest) in &self.published {
            // Digests of different functions cannot be compared; that is no finding and no proof.
            let mut like = self.built.iter().filter(|built| algorithm(built) == algorithm(digest)).peekable();
            if let Some(first) = like.peek().map(|built| built.to_string())
                && like.all(|built| built != digest)
            {
                hits.push(hit.clone().fact("pipeline made", first));
            }
        }
    }

    memory!();
}
