//! Packages of the newest SBOM of each project against those of a week before.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use linkward_ledger::{Term, TermKind};
use linkward_model::Instant;
use serde::{Deserialize, Serialize};

use crate::Project;

const DAY: i64 = 24 * 60 * 60 * 1000;
const WEEK: i64 = 7 * DAY;
/// SBOMs of one project that are remembered: one a day of the last week, and one before.
const MOST: usize = 9;

/// SBOMs with their packages, oldest first.
type Known = VecDeque<(Instant, BTreeSet<u64>)>;

/// One project, for the next start.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    name: String,
    known: Known,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Dependencies {
    #[serde(skip)]
    projects: BTreeMap<String, Known>,
    gaps: BTreeSet<String>,
    /// Points of 100 of the newest SBOM of each project.
    #[serde(default)]
    quality: BTreeMap<String, u8>,
}

/// One SBOM's say about itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said {
    pub(super) gaps: bool,
    pub(super) quality: Option<u8>,
}

impl Dependencies {
    pub(super) fn take(&mut self, project: &str, at: Instant, terms: &[Term], said: Said) {
        match said.quality {
            Some(points) => self.quality.insert(project.to_owned(), points),
            None => self.quality.remove(project),
        };
        if said.gaps {
            self.gaps.insert(project.to_owned());
        } else {
            self.gaps.remove(project);
        }
        let purls = terms.iter().filter(|term| term.kind == TermKind::Package).map(|term| {
            let mut hasher = DefaultHasher::new();
            term.value.hash(&mut hasher);
            hasher.finish()
        });
        let known = self.projects.entry(project.to_owned()).or_default();
        // Of one day the newest is enough.
        if known.len() > 1
            && known
                .back()
                .is_some_and(|(last, _)| last.millis().div_euclid(DAY) == at.millis().div_euclid(DAY))
        {
            known.pop_back();
        }
        known.push_back((at, purls.collect()));
        while known.len() > MOST {
            known.pop_front();
        }
    }

    pub(super) fn keep(&self) -> impl Iterator<Item = Kept> {
        self.projects.iter().map(|(name, known)| Kept { name: name.clone(), known: known.clone() })
    }

    pub(super) fn put_back(&mut self, Kept { name, known }: Kept) {
        self.projects.insert(name, known);
    }

    pub(super) fn projects(&self) -> Vec<Project> {
        let newest = |(name, known): (&String, &Known)| {
            Some(Project {
                name: name.clone(),
                at: known.back()?.0,
                gaps: self.gaps.contains(name),
                quality: self.quality.get(name).copied(),
            })
        };
        self.projects.iter().filter_map(newest).collect()
    }

    /// All, and those that the newest of at least a week ago did not have; absent without a week.
    pub(super) fn counted(&self, now: Instant) -> (u64, Option<u64>) {
        let (mut all, mut new) = (0, None);
        for known in self.projects.values() {
            let Some((_, newest)) = known.back() else { continue };
            all += newest.len() as u64;
            if let Some((_, older)) = known.iter().rev().find(|(at, _)| now.since(*at) >= WEEK) {
                *new.get_or_insert(0) += newest.difference(older).count() as u64;
            }
        }
        (all, new)
    }
}

#[cfg(test)]
mod tests {
    use linkward_testkit::noon;

    use super::*;

    #[test]
    fn new_is_what_a_week_ago_was_not_there() {
        let mut dependencies = Dependencies::default();
        let term = |name: &str| Term::new(TermKind::Package, name);
        let (a, b, c) = (term("pkg:npm/a@1"), term("pkg:npm/b@1"), term("pkg:npm/c@1"));
        let at = |days: i64| noon().plus_millis(days * DAY);
        let said = |gaps, quality| Said { gaps, quality };
        dependencies.take("p", at(0), std::slice::from_ref(&a), said(true, None));
        assert_eq!(dependencies.counted(at(1)), (1, None), "no SBOM is a week old");
        for hour in 0..100 {
            let terms = [a.clone(), b.clone()];
            dependencies.take("p", at(3).plus_millis(hour * 60_000), &terms, said(true, Some(40)));
        }
        assert_eq!((dependencies.projects()[0].gaps, dependencies.projects()[0].quality), (true, Some(40)));
        dependencies.take("p", at(8), &[a, b, c], said(false, Some(80)));
        assert_eq!((dependencies.projects()[0].gaps, dependencies.projects()[0].quality), (false, Some(80)));
        assert_eq!(dependencies.counted(at(8)), (3, Some(2)));
        assert_eq!(dependencies.counted(at(11)), (3, Some(1)));
    }
}
