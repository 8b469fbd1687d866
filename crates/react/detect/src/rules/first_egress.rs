//! What a build steals has to leave it.

use super::first::FirstSight;
use linkward_evidence::event::{Action, Source};

use crate::rule::{About, Tier};

pub(crate) static RULE: FirstSight = FirstSight {
    about: &ABOUT,
    what: "host",
    key: |event| event.repository.clone(),
    value: |event| event.host.clone(),
};

static ABOUT: About = About {
    id: "first-egress",
    tier: Tier::FirstSight,
    title: "A build spoke to a host that it never spoke to",
    why: "What a build steals has to leave it.",
    benign: "A dependency moved its downloads.",
    response: "Look at the process that spoke; block the host; rotate the job's secrets.",
    fields: &["repository", "host"],
    actions: &[Action::Egress],
    sources: &[Source::Ci],
    covers: &["DS0015", "L2", "F2", "AP1", "T1041"],
    weight: 3000,
};
