//! Stolen code is signed with whatever key the thief has; the signature itself is valid.

use std::collections::BTreeSet;

use crate::glob::any;
use linkward_evidence::event::{Action, Event, Source};
use serde::{Deserialize, Serialize};

use super::by_package::ByPackage;
use crate::Estate;
use crate::rule::{About, Fold, Hit, Tier, memory};

pub(crate) static RULE: ByPackage<Signers> = ByPackage::new(&ABOUT);

static ABOUT: About = About {
    id: "signer-changed",
    tier: Tier::Invariant,
    title: "An artifact is signed by another signer than ever before, and nobody listed it",
    why: "Stolen code is signed with whatever key the thief has; the signature itself is valid.",
    benign: "The key was rotated: enrol the new one before it is used, or list it in signers.",
    response: "Hold the artifact back; ask the owner of the package about the key; revoke it if it is not theirs.",
    fields: &["package", "key"],
    actions: &[Action::Signed, Action::KeyEnrolled],
    sources: &[Source::Ci, Source::Linkward],
    covers: &["L3", "F1", "AP1", "T1553.002", "M1045"],
    weight: 0,
};

/// Signatures after which the signers of a package are known.
const LEARNED: u32 = 3;

#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Signers {
    known: BTreeSet<Box<str>>,
    count: u32,
}

impl Fold for Signers {
    fn step(&mut self, event: &Event, estate: &Estate, hits: &mut Vec<Hit>) {
        let Some(key) = &event.key else { return };
        let listed = any(&estate.signers, key) || self.known.contains(key);
        if event.action == Action::KeyEnrolled || listed || self.count < LEARNED {
            self.known.insert(key.clone());
        } else {
            let known: Vec<&str> = self.known.iter().take(5).map(|key| &**key).collect();
            hits.push(
                Hit::new(event, event.package.as_deref().unwrap_or(""))
                    .fact("signed by", key)
                    .fact("signed before by", known.join(", "))
                    .says("digest", event.digest.as_deref()),
            );
        }
        if event.action == Action::Signed {
            self.count = self.count.saturating_add(1);
        }
    }

    memory!();
}
