//! Attackers bring runners of their own, or take a name that exists.

use super::first::FirstSight;
use linkward_evidence::event::{Action, Source};

use crate::rule::{About, Tier};

pub(crate) static RULE: FirstSight = FirstSight {
    about: &ABOUT,
    what: "runner",
    key: |event| event.repository.clone(),
    value: |event| event.runner.clone(),
};

static ABOUT: About = About {
    id: "first-runner",
    tier: Tier::FirstSight,
    title: "A job ran on a machine that was never seen",
    why: "Attackers bring runners of their own, or take a name that exists.",
    benign: "The pool of runners was changed: use ephemeral runners with one name.",
    response: "Remove the runner; rotate the secrets of the jobs that it ran.",
    fields: &["repository", "runner"],
    actions: &[Action::StepFinished, Action::RunnerRegistered],
    sources: &[Source::Ci, Source::Forge],
    covers: &["L2", "F2", "AP1", "T1195.002"],
    weight: 3000,
};
