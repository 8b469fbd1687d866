//! The payload is put into a fresh package, and a known one is made to depend on it.

use super::first::entity;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Hit, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "dependency-young",
    tier: Tier::FirstSight,
    title: "A version depends on a package that is hours old",
    why: "The payload is put into a fresh package, and a known one is made to depend on it.",
    benign: "The project split a part off: both have the same owners.",
    response: "Hold the version back until the dependency is older; read the dependency.",
    fields: &["started"],
    actions: &[Action::DependencyAdded],
    sources: &[Source::Registry],
    covers: &["L4", "F3", "AP2", "T1195.001", "M1051"],
    weight: 4000,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn judge(&self, event: &Event, _: &Estate) -> Option<Hit> {
        let age = event.at().since(event.started?);
        (age < YOUNG).then(|| {
            Hit::new(event, &entity(event))
                .says("version", event.version.as_deref())
                .says("dependency", event.names.first().map(|name| &**name))
                .fact("age", format!("{} min", age / 60_000))
        })
    }
}

/// Three days: most takeovers are noticed within them.
const YOUNG: i64 = 3 * 24 * 60 * 60 * 1000;
