//! Whoever registers an internal name in public is served to builds that ask both.

use crate::glob::any;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Hit, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "namespace-confused",
    tier: Tier::Invariant,
    title: "A name that is ours alone came from somebody else's registry",
    why: "Whoever registers an internal name in public is served to builds that ask both.",
    benign: "The package was made public on purpose: take its name off the internal list.",
    response: "Block the name at the gateway; rebuild what used it; register the name.",
    fields: &["package", "host"],
    actions: &[Action::Pulled],
    sources: &[Source::Gateway],
    covers: &["L4", "F3", "AP2", "AP6", "T1195.001", "M1051"],
    weight: 0,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn unarmed(&self, estate: &Estate) -> Option<&'static str> {
        estate.internal.is_empty().then_some("the estate lists no internal names")
    }

    fn judge(&self, event: &Event, estate: &Estate) -> Option<Hit> {
        let (package, host) = (event.package.as_deref()?, event.host.as_deref()?);
        (any(&estate.internal, package) && !any(&estate.registries, host)).then(|| {
            Hit::new(event, package).fact("came from", host).says("version", event.version.as_deref())
        })
    }
}
