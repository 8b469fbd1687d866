//! Versions made by a thief do not come from the repository; a tag is what they lack.

use std::collections::BTreeSet;

use super::publishing;
use linkward_evidence::event::{Action, Event, Source};

use crate::rule::{About, Fold, Hit, Rule as Shape, Tier};
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
const MOST: usize = 512;

#[derive(Clone, Default)]
struct Tags {
    names: BTreeSet<Box<str>>,
    versions: Vec<Version>,
    tagged: u32,
    lag: i64,
}

#[derive(Clone)]
struct Version {
    hit: Hit,
    name: Box<str>,
    armed: bool,
    counted: bool,
}

impl Tags {
    fn has(&self, version: &str) -> bool {
        self.names.iter().any(|tag| {
            tag.strip_suffix(version).is_some_and(|before| {
                before.is_empty()
                    || before == "v"
                    || before.ends_with(['@', '/', '-', '_'])
                    || before.ends_with("@v")
            })
        })
    }

    fn waits(&self) -> impl Iterator<Item = &Version> {
        self.versions.iter().filter(|version| version.armed && !self.has(&version.name))
    }
}

impl Fold for Tags {
    fn step(&mut self, event: &Event, estate: &Estate, _: &mut Vec<Hit>) {
        self.lag = estate.lag(Source::Forge) + GRACE;
        if event.action == Action::RefCreated {
            let tag = event.reference.as_deref().and_then(|name| name.strip_prefix("refs/tags/"));
            self.names.extend(tag.map(Box::from));
        } else if let Some(version) = &event.version {
            let package = event.package.as_deref().unwrap_or("a package");
            let declared = estate.package(package).is_some_and(|own| own.tags);
            let hit = Hit::new(event, package)
                .fact("version", version)
                .says("published by", event.actor.as_deref());
            let armed = declared || self.tagged >= LEARNED;
            self.versions.push(Version { hit, name: version.clone(), armed, counted: false });
            if self.versions.len() > MOST {
                self.versions.remove(0);
            }
        }
        let names = Self { names: std::mem::take(&mut self.names), ..Self::default() };
        for version in self.versions.iter_mut().filter(|version| !version.counted && names.has(&version.name))
        {
            version.counted = true;
            self.tagged += 1;
        }
        self.names = names.names;
    }

    fn due(&self, after: Instant) -> Option<Instant> {
        self.waits().map(|version| version.hit.at.plus_millis(self.lag)).filter(|due| *due > after).min()
    }

    fn pending(&self) -> bool {
        !self.versions.is_empty()
    }

    fn settle(&self, watermark: Instant, hits: &mut Vec<Hit>) {
        for version in self.waits() {
            let over = watermark >= version.hit.at.plus_millis(self.lag);
            let state = if over { State::Confirmed } else { State::Provisional };
            hits.push(Hit { state, ..version.hit.clone() });
        }
    }

    fn copy(&self) -> Box<dyn Fold> {
        Box::new(self.clone())
    }
}
