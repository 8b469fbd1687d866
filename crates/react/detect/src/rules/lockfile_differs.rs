//! A resolver that was talked into another package leaves its trace in the build log alone.

use super::first::entity;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Hit, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "lockfile-differs",
    tier: Tier::Invariant,
    title: "A build used packages that its lockfile does not name",
    why: "A resolver that was talked into another package leaves its trace in the build log alone.",
    benign: "The lockfile was not committed with the change: commit it, and build with locked resolution.",
    response: "Do not release the build; look at the named packages; make the build refuse to resolve anew.",
    fields: &["names", "expected"],
    actions: &[Action::BuildResolved],
    sources: &[Source::Ci],
    covers: &["DS0015", "L2", "L4", "F3", "F5", "AP2", "T1195.001", "M1051"],
    weight: 0,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn judge(&self, event: &Event, _: &Estate) -> Option<Hit> {
        if event.expected.is_empty() {
            return None;
        }
        let strange: Vec<&str> =
            event.names.iter().filter(|name| !event.expected.contains(name)).map(|name| &**name).collect();
        (!strange.is_empty()).then(|| {
            Hit::new(event, &entity(event))
                .fact("not in the lockfile", strange.iter().take(20).copied().collect::<Vec<_>>().join(", "))
                .fact("count", strange.len())
                .says("run", event.run.as_deref())
        })
    }
}
