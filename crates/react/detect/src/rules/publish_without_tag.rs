//! Versions made by a thief do not come from the repository; a tag is what they lack.

use std::collections::VecDeque;

use super::publishing;
use linkward_evidence::event::{Action, Event, Source};
use serde::{Deserialize, Serialize};

use crate::rule::{About, Fold, Hit, Rule as Shape, Tier, memory};
use crate::{Estate, State};
use linkward_model::Instant;

#[derive(Debug)]
pub(crate) struct Rule;

pub(crate) static ABOUT: About = About {
    id: "publish-without-tag",
    tier: Tier::Invariant,
    title: "A version was published that has no tag in its repository",
    why: "Versions made by a thief do not come from the repository; a tag is what they lack.",
    benign: "The tag follows late: the finding is withdrawn when it comes in time.",
    response: "Compare the published files with the repository; take the version down if they differ.",
    fields: &["package", "repository", "version", "ref"],
    actions: &[Action::Published, Action::RefCreated],
    sources: &[Source::Registry, Source::Forge],
    covers: &["DS0050", "L4", "F3", "AP2", "T1195.002", "M1045"],
    weight: 0,
};

impl Shape for Rule {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn key(&self, event: &Event, estate: &Estate) -> Option<Box<str>> {
        publishing::repository(event, estate)
    }

    fn fold(&self) -> Option<Box<dyn Fold>> {
        Some(Box::<Tags>::default())
    }
}

/// How long a tag may follow its version.
const GRACE: i64 = 20 * 60_000;
/// Tagged versions after which a package is known to tag.
const LEARNED: u32 = 5;
/// How long a version is looked at, and how many tags are remembered.
const MEMORY: i64 = 24 * 60 * 60 * 1000;
const MOST: usize = 2048;

#[derive(Clone, Default, Serialize, Deserialize)]
struct Tags {
    names: VecDeque<Box<str>>,
    versions: Vec<Version>,
    tagged: u32,
    lag: i64,
}

#[derive(Clone, Serialize, Deserialize)]
struct Version {
    hit: Hit,
    name: Box<str>,
    armed: bool,
    counted: bool,
}

/// Whether a tag is of a version: `v1.2.0`, `package@1.2.0`, `1.2.0`.
fn names(tag: &str, version: &str) -> bool {
    tag.strip_suffix(version).is_some_and(|before| {
        before.is_empty() || before == "v" || before.ends_with(['@', '/', '-', '_']) || before.ends_with("@v")
    })
}

impl Tags {
    fn waits(&self) -> impl Iterator<Item = &Version> {
        self.versions.iter().filter(|version| version.armed && !version.counted)
    }

    fn verdict(&self, version: &Version, watermark: Instant) -> Option<Hit> {
        let over = watermark >= version.hit.at.plus_millis(self.lag);
        let state = if over { State::Confirmed } else { State::Provisional };
        (version.armed && !version.counted).then(|| Hit { state, ..version.hit.clone() })
    }
}

impl Fold for Tags {
    fn step(&mut self, event: &Event, estate: &Estate, hits: &mut Vec<Hit>) {
        self.lag = estate.lag(Source::Forge) + GRACE;
        while self.versions.first().is_some_and(|first| event.at().since(first.hit.at) > MEMORY) {
            let old = self.versions.remove(0);
            hits.extend(self.verdict(&old, event.at()));
        }
        if event.action == Action::RefCreated {
            let tag = event.reference.as_deref().and_then(|name| name.strip_prefix("refs/tags/"));
            let Some(tag) = tag else { return };
            for version in
                self.versions.iter_mut().filter(|version| !version.counted && names(tag, &version.name))
            {
                version.counted = true;
                self.tagged += 1;
            }
            self.names.push_back(tag.into());
            if self.names.len() > MOST {
                self.names.pop_front();
            }
        } else if let Some(version) = &event.version {
            let package = event.package.as_deref().unwrap_or("a package");
            let declared = estate.package(package).is_some_and(|own| own.tags);
            let hit = Hit::new(event, package)
                .fact("version", version)
                .says("published by", event.actor.as_deref());
            let armed = declared || self.tagged >= LEARNED;
            let counted = self.names.iter().rev().any(|tag| names(tag, version));
            self.tagged += u32::from(counted);
            self.versions.push(Version { hit, name: version.clone(), armed, counted });
        }
    }

    fn due(&self, after: Instant) -> Option<Instant> {
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
