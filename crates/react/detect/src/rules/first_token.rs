//! Stolen or freshly made tokens look like their owner in every other way.

use super::first::FirstSight;
use linkward_evidence::event::{Action, Source};

use crate::rule::{About, Tier};

pub(crate) static RULE: FirstSight = FirstSight {
    about: &ABOUT,
    what: "token",
    key: |event| event.actor.clone(),
    value: |event| event.token.clone(),
};

static ABOUT: About = About {
    id: "first-token",
    tier: Tier::FirstSight,
    title: "Somebody acted with a token that was never seen of them",
    why: "Stolen or freshly made tokens look like their owner in every other way.",
    benign: "The owner made a new token.",
    response: "Ask the owner; revoke the token.",
    fields: &["actor", "token"],
    actions: &[Action::Published, Action::RefUpdated, Action::CloudCalled, Action::MemberChanged],
    sources: &[Source::Forge, Source::Registry, Source::Cloud],
    covers: &["DS0050", "L1", "L4", "AP1", "T1528", "T1078"],
    weight: 3000,
};
