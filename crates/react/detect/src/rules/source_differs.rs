//! A script or archive is changed where it is served, and the repository stays clean.

use super::differs::Differs;
use linkward_evidence::event::{Action, Source};

use crate::rule::{About, Tier};

pub(crate) static RULE: Differs = Differs { about: &ABOUT, before: "should be", after: "is" };

static ABOUT: About = About {
    id: "source-differs",
    tier: Tier::Invariant,
    title: "What is served is not what the repository holds",
    why: "A script or archive is changed where it is served, and the repository stays clean.",
    benign: "The served file is made from the source by a step that is not recorded: record it.",
    response: "Take the served file down; keep it; look at who wrote to the storage, and with which key.",
    fields: &["matches", "before", "after"],
    actions: &[Action::Compared],
    sources: &[Source::Linkward],
    covers: &["DS0050", "L3", "F4", "AP3", "T1195.002", "M1045"],
    weight: 0,
};
