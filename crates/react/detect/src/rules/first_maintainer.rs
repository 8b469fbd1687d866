//! A maintainer who was talked into handing over, or talked out of a password.

use super::first::FirstSight;
use linkward_evidence::event::{Action, Source};

use crate::rule::{About, Tier};

pub(crate) static RULE: FirstSight = FirstSight {
    about: &ABOUT,
    what: "published by",
    key: |event| event.package.clone(),
    value: |event| event.actor.clone(),
};

static ABOUT: About = About {
    id: "first-maintainer",
    tier: Tier::FirstSight,
    title: "A version was published by somebody who never published it",
    why: "A maintainer who was talked into handing over, or talked out of a password.",
    benign: "The project has a new maintainer.",
    response: "Read what changed; ask the former maintainers.",
    fields: &["package", "actor"],
    actions: &[Action::Published],
    sources: &[Source::Registry],
    covers: &["DS0050", "L4", "F3", "AP2", "AP6", "T1195.001", "M1013"],
    weight: 3000,
};
