//! A worm publishes everything that its victim may publish.

use std::collections::{BTreeSet, VecDeque};

use linkward_evidence::event::{Action, Event, Source};
use serde::{Deserialize, Serialize};

use crate::Estate;
use crate::rule::{About, Fold, Hit, Rule as Shape, Tier, memory};
use linkward_model::Instant;

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "release-burst",
    tier: Tier::Weight,
    title: "One identity published many packages within minutes",
    why: "A worm publishes everything that its victim may publish.",
    benign: "A monorepo releases its packages together: the habit is learned.",
    response: "Stop publication for the identity; look at the first of the packages.",
    fields: &["actor", "package"],
    actions: &[Action::Published],
    sources: &[Source::Registry],
    covers: &["DS0050", "L4", "F3", "AP2", "T1195.001"],
    weight: 3000,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn key(&self, event: &Event, _: &Estate) -> Option<Box<str>> {
        event.actor.clone()
    }

    fn fold(&self) -> Option<Box<dyn Fold>> {
        Some(Box::<Burst>::default())
    }
}

const WINDOW: i64 = 10 * 60_000;
const FLOOR: usize = 3;

#[derive(Clone, Default, Serialize, Deserialize)]
struct Burst {
    recent: VecDeque<(Instant, Box<str>)>,
    /// Most in one burst before this one.
    most: usize,
    now: usize,
    reached: Option<Instant>,
}

impl Fold for Burst {
    fn step(&mut self, event: &Event, _: &Estate, hits: &mut Vec<Hit>) {
        let Some(package) = &event.package else { return };
        let at = event.at();
        while self.recent.front().is_some_and(|(then, _)| at.since(*then) > WINDOW) {
            self.recent.pop_front();
        }
        // Once the window is empty the burst before it has become the habit.
        if self.recent.is_empty() {
            self.reached = None;
            self.most = self.most.max(std::mem::take(&mut self.now));
        }
        self.recent.push_back((at, package.clone()));
        let distinct = self.recent.iter().map(|(_, package)| package).collect::<BTreeSet<_>>().len();
        if self.reached.is_none() && distinct > FLOOR.max(2 * self.most) {
            self.reached = Some(at);
            hits.push(
                Hit::new(event, package)
                    .says("by", event.actor.as_deref())
                    .fact("packages in ten minutes", distinct)
                    .fact("most before", self.most),
            );
        }
        self.now = self.now.max(distinct);
    }

    memory!();
}
