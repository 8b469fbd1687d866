//! A stolen credential is used from where the thief is.

use super::first::FirstSight;
use linkward_evidence::event::{Action, Event, Source};

use crate::rule::{About, Tier};

pub(crate) static RULE: FirstSight =
    FirstSight { about: &ABOUT, what: "network", key: |event| event.actor.clone(), value };

static ABOUT: About = About {
    id: "first-network",
    tier: Tier::FirstSight,
    title: "Somebody acted from a network that was never seen of them",
    why: "A stolen credential is used from where the thief is.",
    benign: "The owner travels or changed provider.",
    response: "Ask the owner; end the session.",
    fields: &["actor", "asn", "network"],
    actions: &[
        Action::Published,
        Action::RefUpdated,
        Action::CloudCalled,
        Action::SessionStarted,
        Action::VendorCalled,
    ],
    sources: &[Source::Forge, Source::Cloud, Source::Vendor],
    covers: &["DS0030", "L7", "AP1", "AP4", "T1078"],
    weight: 2000,
};

fn value(event: &Event) -> Option<Box<str>> {
    // Addresses change by the hour; systems and neighbourhoods do not.
    event.asn.clone().or_else(|| {
        let mut parts = event.network.as_deref()?.split('.');
        Some(format!("{}.{}", parts.next()?, parts.next()?).into())
    })
}
