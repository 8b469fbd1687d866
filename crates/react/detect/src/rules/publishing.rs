//! Published versions against the runs that should have made them; two rules look at it from two sides.

use linkward_evidence::event::{Action, Event, Source};
use linkward_model::Instant;
use serde::{Deserialize, Serialize};

use super::flight::{Flight, MEMORY, Run};
use crate::rule::{Fold, Hit, memory};
use crate::{Estate, State};

/// How long after its run's end a version may still appear.
const AFTER: i64 = 10 * 60_000;
/// Matched versions after which a package is known to be published by a pipeline.
const LEARNED: u32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Side {
    /// No run at all.
    Missing,
    /// A run, but one that failed.
    Failed,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Publishing {
    side: Side,
    flight: Flight,
    matched: u32,
    lag: i64,
    versions: Vec<Version>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Version {
    hit: Hit,
    commit: Option<Box<str>>,
    digest: Option<Box<str>>,
    armed: bool,
    counted: bool,
}

impl Publishing {
    pub(super) fn boxed(side: Side) -> Box<dyn Fold> {
        Box::new(Self { side, flight: Flight::default(), matched: 0, lag: 0, versions: Vec::new() })
    }

    fn run<'a>(&'a self, version: &'a Version) -> impl Iterator<Item = (&'a str, &'a Run)> {
        let fits = |run: &Run| {
            let made = version.digest.as_ref().is_some_and(|digest| run.digests.contains(digest));
            let same = version.commit.is_none() || version.commit == run.commit;
            !run.fork && (made || same)
        };
        self.flight.at(version.hit.at, AFTER).filter(move |(_, run)| fits(run))
    }

    fn waits(&self) -> impl Iterator<Item = &Version> {
        self.versions.iter().filter(|version| version.armed && self.run(version).next().is_none())
    }

    fn verdict(&self, version: &Version, watermark: Instant) -> Option<Hit> {
        match self.side {
            Side::Missing => {
                let over = watermark >= version.hit.at.plus_millis(self.lag);
                let state = if over { State::Confirmed } else { State::Provisional };
                let absent = version.armed && self.run(version).next().is_none();
                absent.then(|| Hit { state, ..version.hit.clone() })
            }
            Side::Failed => {
                let mut runs = self.run(version).peekable();
                let (id, run) = *runs.peek()?;
                if !runs.all(|(_, run)| is_bad(run)) {
                    return None;
                }
                let publishing =
                    if run.publishing == Some(false) { "did not succeed" } else { "not told apart" };
                let hit = version.hit.clone().fact("run", id);
                Some(hit.says("run ended as", run.conclusion.as_deref()).fact("publishing step", publishing))
            }
        }
    }
}

fn is_bad(run: &Run) -> bool {
    run.conclusion.as_deref().is_some_and(|conclusion| conclusion != "success")
        || (run.conclusion.is_some() && run.publishing == Some(false))
}

impl Fold for Publishing {
    fn step(&mut self, event: &Event, estate: &Estate, hits: &mut Vec<Hit>) {
        self.lag = estate.lag(Source::Ci);
        // Half the memory of runs: what is judged for good is judged while its runs are still known.
        while self.versions.first().is_some_and(|first| event.at().since(first.hit.at) > MEMORY / 2) {
            let old = self.versions.remove(0);
            hits.extend(self.verdict(&old, event.at()));
        }
        if event.action == Action::Published {
            let package = event.package.as_deref().unwrap_or("a package");
            let declared = estate.package(package).is_some_and(|own| own.ci);
            let hit = Hit::new(event, package)
                .says("version", event.version.as_deref())
                .says("repository", event.repository.as_deref())
                .says("commit", event.commit.as_deref())
                .says("digest", event.digest.as_deref())
                .says("published by", event.actor.as_deref());
            let armed = declared || self.matched >= LEARNED;
            let version = Version {
                hit,
                commit: event.commit.clone(),
                digest: event.digest.clone(),
                armed,
                counted: false,
            };
            self.versions.push(version);
        } else if !self.flight.step(event) {
            return;
        }
        let fresh: Vec<usize> = self
            .versions
            .iter()
            .enumerate()
            .filter(|(_, version)| !version.counted && self.run(version).next().is_some())
            .map(|(index, _)| index)
            .collect();
        for index in fresh {
            if let Some(version) = self.versions.get_mut(index) {
                version.counted = true;
                self.matched += 1;
            }
        }
    }

    fn due(&self, after: Instant) -> Option<Instant> {
        if self.side == Side::Failed {
            return None;
        }
        self.waits().map(|version| version.hit.at.plus_millis(self.lag)).filter(|due| *due > after).min()
    }

    fn pending(&self) -> bool {
        !self.versions.is_empty()
    }

    fn settle(&self, watermark: Instant, hits: &mut Vec<Hit>) {
        hits.extend(self.versions.iter().filter_map(|version| self.verdict(version, watermark)));
    }

    memory!();
}

/// The repository whose runs publish the package of an event.
pub(super) fn repository(event: &Event, estate: &Estate) -> Option<Box<str>> {
    if event.action == Action::Published
        && let Some(own) = event.package.as_deref().and_then(|package| estate.package(package))
    {
        return Some(own.repository.as_str().into());
    }
    event.repository.clone()
}
