//! Planted names, tokens and hosts are found by whoever searches where they should not.

use super::first::entity;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Hit, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "canary-touched",
    tier: Tier::Invariant,
    title: "Something was touched that nobody has a reason to touch",
    why: "Planted names, tokens and hosts are found by whoever searches where they should not.",
    benign: "Somebody who knows the canary tested it: use maintenance and say so.",
    response: "Treat the credential and machine that touched it as taken over.",
    fields: &["package", "token", "host", "subject", "network"],
    actions: Action::NAMED,
    sources: &[Source::Forge, Source::Registry, Source::Gateway, Source::Cloud],
    covers: &["L1", "L2", "L4", "AP1", "AP6", "T1552", "T1588"],
    weight: 0,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn judge(&self, event: &Event, estate: &Estate) -> Option<Hit> {
        let touched = [&event.package, &event.token, &event.host, &event.subject];
        let named = touched.into_iter().flatten().find(|name| estate.is_canary(name));
        if named.is_none() && event.action != Action::CanaryTouched {
            return None;
        }
        // A sensor that plants its own canaries says where it was touched from; without that it is a self-test.
        if named.is_none() && event.network.is_none() {
            return None;
        }
        Some(
            Hit::new(event, &entity(event))
                .says("canary", named.map(|name| &**name))
                .says("by", event.actor.as_deref())
                .says("from", event.network.as_deref()),
        )
    }
}
