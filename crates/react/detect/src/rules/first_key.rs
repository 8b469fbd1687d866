//! Keys that turn up are new owners or thieves.

use super::first::FirstSight;
use linkward_evidence::event::{Action, Source};

use crate::rule::{About, Tier};

pub(crate) static RULE: FirstSight = FirstSight {
    about: &ABOUT,
    what: "key",
    key: |event| event.package.clone().or_else(|| event.repository.clone()),
    value: |event| event.key.clone(),
};

static ABOUT: About = About {
    id: "first-key",
    tier: Tier::FirstSight,
    title: "A repository or package was signed with a key that was never seen there",
    why: "Keys that turn up are new owners or thieves.",
    benign: "Somebody joined or rotated a key.",
    response: "Ask the named person by another way.",
    fields: &["package", "repository", "key"],
    actions: &[Action::CommitSeen, Action::Signed],
    sources: &[Source::Forge, Source::Git, Source::Ci],
    covers: &["DS0021", "L1", "F1", "AP1", "T1553.002"],
    weight: 3000,
};
