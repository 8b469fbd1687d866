//! A stolen pipeline credential is used from somewhere else, at another time than the pipeline would.

use super::flight::{Flight, MEMORY};
use linkward_evidence::event::{Action, Event, Source};
use serde::{Deserialize, Serialize};

use crate::rule::{About, Fold, Hit, Rule as Shape, Tier, memory};
use crate::{Estate, State};
use linkward_model::Instant;

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "role-without-run",
    tier: Tier::Invariant,
    title: "A pipeline's cloud role was used while none of its runs was in flight",
    why: "A stolen pipeline credential is used from somewhere else, at another time than the pipeline would.",
    benign: "Somebody assumed the role by hand: give people a role of their own.",
    response: "Revoke the role's sessions; look at everything that it called since; rotate what it could read.",
    fields: &["role", "repository", "run", "started"],
    actions: &[Action::CloudCalled, Action::RunStarted, Action::RunFinished],
    sources: &[Source::Cloud, Source::Ci],
    covers: &["DS0030", "L2", "L7", "F2", "AP1", "AP4", "T1078.004", "M1045"],
    weight: 0,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn unarmed(&self, estate: &Estate) -> Option<&'static str> {
        estate.roles.is_empty().then_some("the estate lists no roles")
    }

    fn key(&self, event: &Event, estate: &Estate) -> Option<Box<str>> {
        match event.action {
            Action::CloudCalled => Some(estate.role(event.role.as_deref()?)?.repository.as_str().into()),
            _ => event.repository.clone(),
        }
    }

    fn fold(&self) -> Option<Box<dyn Fold>> {
        Some(Box::<Calls>::default())
    }
}

/// How far a call may stand from its run: clocks and queues.
const MARGIN: i64 = 120_000;
/// Calls closer than this are one series.
const SERIES: i64 = 10 * 60_000;

/// Calls that stand closer than this are told by the first and the last of them.
const NEAR: i64 = 60_000;

#[derive(Clone, Default, Serialize, Deserialize)]
struct Calls {
    flight: Flight,
    calls: Vec<Hit>,
    /// The last call without a run of those that were let go.
    settled: Option<Instant>,
    lag: i64,
}

impl Calls {
    /// The first of each series of calls that no run was in flight for. Every call is held against the runs: that a run
    /// covers the first of a series says nothing of those that come after it.
    fn waits(&self) -> Vec<&Hit> {
        let mut last = self.settled;
        let mut found = Vec::new();
        for call in self.calls.iter().filter(|call| self.is_alone(call)) {
            if last.is_none_or(|last| call.at.since(last) >= SERIES) {
                found.push(call);
            }
            last = Some(call.at);
        }
        found
    }

    fn is_alone(&self, call: &Hit) -> bool {
        self.flight.at(call.at, MARGIN).next().is_none()
    }
}

impl Fold for Calls {
    fn step(&mut self, event: &Event, estate: &Estate, hits: &mut Vec<Hit>) {
        self.lag = estate.lag(Source::Ci);
        while self.calls.first().is_some_and(|first| event.at().since(first.at) > MEMORY / 2) {
            let old = self.calls.remove(0);
            if self.is_alone(&old) {
                let first = self.settled.is_none_or(|last| old.at.since(last) >= SERIES);
                self.settled = Some(old.at);
                hits.extend(first.then_some(old));
            }
        }
        if event.action != Action::CloudCalled {
            self.flight.step(event);
            return;
        }
        let call = Hit::new(event, event.role.as_deref().unwrap_or(""))
            .says("call", event.call.as_deref())
            .says("from", event.network.as_deref())
            .says("region", event.region.as_deref())
            .says("agent", event.agent.as_deref());
        if let [.., one, two] = self.calls.as_slice()
            && two.at.since(one.at) < NEAR
            && call.at.since(one.at) < NEAR
        {
            self.calls.pop();
        }
        self.calls.push(call);
    }

    fn due(&self, after: Instant) -> Option<Instant> {
        self.waits().iter().map(|call| call.at.plus_millis(self.lag)).filter(|due| *due > after).min()
    }

    fn pending(&self) -> bool {
        !self.calls.is_empty()
    }

    fn settle(&self, watermark: Instant, hits: &mut Vec<Hit>) {
        for call in self.waits() {
            let over = watermark >= call.at.plus_millis(self.lag);
            let state = if over { State::Confirmed } else { State::Provisional };
            hits.push(Hit { state, ..call.clone() });
        }
    }

    memory!();
}
