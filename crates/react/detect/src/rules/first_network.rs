//! A stolen credential is used from where the thief is.

use super::first::FirstSight;
use linkward_evidence::event::{Action, Event, Source};

use crate::Estate;
use crate::rule::{About, Fold, Rule as Shape, Tier};

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
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

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn key(&self, event: &Event, _: &Estate) -> Option<Box<str>> {
        event.actor.clone()
    }

    fn fold(&self) -> Option<Box<dyn Fold>> {
        Some(FirstSight::boxed("network", value))
    }
}

fn value(event: &Event) -> Option<Box<str>> {
    // Addresses change by the hour; systems and neighbourhoods do not.
    event.asn.clone().or_else(|| {
        let mut parts = event.network.as_deref()?.split('.');
        Some(format!("{}.{}", parts.next()?, parts.next()?).into())
    })
}
