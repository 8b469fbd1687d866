//! Sources that fall silent. The engine itself finds them: see `silence`.

use linkward_evidence::event::Source;

use crate::rule::{About, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "source-silent",
    tier: Tier::FirstSight,
    title: "A source of events has fallen silent",
    why: "Who breaks in turns the logs off first.",
    benign: "Nothing happened there: weekends of a small team.",
    response: "Check the webhook or export; read the source's own log of changes to it.",
    fields: &[],
    actions: &[],
    sources: &[Source::Forge, Source::Ci, Source::Registry, Source::Cloud],
    covers: &["L2", "L7", "AP4", "T1562.008"],
    weight: 0,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }
}
