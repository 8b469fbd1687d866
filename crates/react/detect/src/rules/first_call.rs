//! An agent that was turned does what it never did: it reads secrets, makes users.

use super::first::FirstSight;
use linkward_evidence::event::{Action, Event, Source};

use crate::rule::{About, Tier};

pub(crate) static RULE: FirstSight = FirstSight {
    about: &ABOUT,
    what: "call",
    key: |event| event.role.clone().or_else(|| event.actor.clone()),
    value,
};

static ABOUT: About = About {
    id: "first-call",
    tier: Tier::FirstSight,
    title: "A role or vendor called a kind of interface that it never called",
    why: "An agent that was turned does what it never did: it reads secrets, makes users.",
    benign: "The service or vendor has a new feature.",
    response: "Ask the vendor; limit the role to what it needs.",
    fields: &["role", "actor", "call"],
    actions: &[Action::CloudCalled, Action::VendorCalled, Action::ClusterCalled],
    sources: &[Source::Cloud, Source::Vendor, Source::Kubernetes],
    covers: &["DS0030", "L7", "F7", "AP4", "T1078.004", "T1199"],
    weight: 2000,
};

fn value(event: &Event) -> Option<Box<str>> {
    let (service, name) = event.call.as_deref()?.split_once([':', '.'])?;
    let name = name.to_lowercase();
    let reads = ["get", "list", "describe", "head", "watch"].iter().any(|verb| name.starts_with(verb));
    Some(format!("{service} {}", if reads { "reading" } else { "writing" }).into())
}
