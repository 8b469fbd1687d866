//! Stolen cloud credentials are tried where nobody looks.

use super::first::FirstSight;
use linkward_evidence::event::{Action, Source};

use crate::rule::{About, Tier};

pub(crate) static RULE: FirstSight = FirstSight {
    about: &ABOUT,
    what: "region",
    key: |event| event.role.clone().or_else(|| event.actor.clone()),
    value: |event| event.region.clone(),
};

static ABOUT: About = About {
    id: "first-region",
    tier: Tier::FirstSight,
    title: "A role or person acted in a region where they never did",
    why: "Stolen cloud credentials are tried where nobody looks.",
    benign: "The service was rolled out to a new region.",
    response: "Check the rollout plan; otherwise revoke the sessions.",
    fields: &["role", "region"],
    actions: &[Action::CloudCalled],
    sources: &[Source::Cloud],
    covers: &["DS0030", "L7", "AP1", "AP4", "T1535", "T1078.004"],
    weight: 3000,
};
