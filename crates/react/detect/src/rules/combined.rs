//! Weights that only count together. The engine itself adds them up: see `combine`.

use linkward_evidence::event::Source;

use crate::rule::{About, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "combined",
    tier: Tier::FirstSight,
    title: "Several unusual things happened to one subject within a day",
    why: "Each alone is noise; together they are how a takeover looks from outside.",
    benign: "A planned change explains all of them: use maintenance.",
    response: "Read the parts in order of time; treat the subject as taken over until one of them is explained.",
    fields: &["package", "actor", "install_script", "started"],
    actions: &[],
    sources: &[Source::Forge, Source::Registry, Source::Ci, Source::Cloud],
    covers: &["DS0050", "F2", "F3", "F7", "AP2", "AP4", "AP6"],
    weight: 0,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}
