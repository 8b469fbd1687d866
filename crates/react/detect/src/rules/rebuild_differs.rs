//! A build machine that adds code leaves the source clean; only a second builder shows it.

use super::differs::Differs;
use linkward_evidence::event::{Action, Source};

use crate::rule::{About, Tier};

pub(crate) static RULE: Differs = Differs { about: &ABOUT, before: "one builder", after: "another builder" };

static ABOUT: About = About {
    id: "rebuild-differs",
    tier: Tier::Invariant,
    title: "Two builders made different bytes from the same source",
    why: "A build machine that adds code leaves the source clean; only a second builder shows it.",
    benign: "The build is not reproducible yet: a timestamp, a path, an order. The comparison names the files.",
    response: "Trust neither artifact until the difference is explained; isolate both builders.",
    fields: &["matches", "before", "after"],
    actions: &[Action::Rebuilt],
    sources: &[Source::Linkward],
    covers: &["DS0015", "L2", "L3", "F5", "AP1", "T1195.002", "M1027"],
    weight: 0,
};
