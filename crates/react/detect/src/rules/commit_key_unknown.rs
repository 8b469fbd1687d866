//! Whoever stole an account signs with a key of their own.

use super::first::entity;
use crate::glob::any;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Hit, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "commit-key-unknown",
    tier: Tier::Invariant,
    title: "A commit on a protected branch is signed by a key that nobody listed, or its signature is bad",
    why: "Whoever stole an account signs with a key of their own.",
    benign: "The key belongs to somebody who may commit: add it to signers.",
    response: "Ask the named author whether the commit is theirs; revert it; revoke the account's sessions and keys.",
    fields: &["signature", "key", "ref"],
    actions: &[Action::CommitSeen],
    sources: &[Source::Forge, Source::Git],
    covers: &["DS0021", "L1", "F1", "AP1", "T1195.001", "M1013"],
    weight: 0,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn unarmed(&self, estate: &Estate) -> Option<&'static str> {
        estate.signers.is_empty().then_some("the estate lists no signers")
    }

    fn judge(&self, event: &Event, estate: &Estate) -> Option<Hit> {
        let reference = event.reference.as_deref().unwrap_or("");
        let branch = reference.strip_prefix("refs/heads/").unwrap_or(reference);
        if !reference.is_empty() && !estate.is_protected(branch) {
            return None;
        }
        let strange = match event.signature.as_deref()? {
            "bad" => true,
            "good" | "unknown" if !estate.signers.is_empty() => {
                !event.key.as_deref().is_some_and(|key| any(&estate.signers, key))
            }
            _ => false,
        };
        strange.then(|| {
            Hit::new(event, &entity(event))
                .says("commit", event.commit.as_deref())
                .says("key", event.key.as_deref())
                .says("signature", event.signature.as_deref())
        })
    }
}
