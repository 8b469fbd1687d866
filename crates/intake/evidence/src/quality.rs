//! How good an SBOM is, in points of 100, each with its reason: what it says of its components and of itself. The parts are the
//! minimum elements of NTIA (2021) and CISA (2025) that a document can show by itself, weighted by what is asked of them here:
//! identities and versions to match advisories, relations to explain them, digests to prove files, licences to allow them.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::sbom::Sbom;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quality {
    /// Of 100.
    pub score: u8,
    pub parts: Vec<Part>,
}

/// One thing that is asked of an SBOM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    pub name: &'static str,
    /// What it adds, of `points`.
    pub given: u8,
    pub points: u8,
    /// Why it is less; `None` where it is all.
    pub reason: Option<String>,
}

impl Sbom {
    pub fn quality(&self) -> Quality {
        let all = self.components.len();
        let share = |name, points, have: usize, what: &str| {
            let reason = match all {
                0 => Some("no component is named".to_owned()),
                _ if have == all => None,
                _ => Some(format!("{} of {all} components have no {what}", all - have)),
            };
            part(name, points, have, all, reason)
        };
        let count = |has: &dyn Fn(&crate::sbom::Component) -> bool| {
            self.components.iter().filter(|component| has(component)).count()
        };
        let related: BTreeSet<&str> = self
            .relations
            .iter()
            .chain(&self.contains)
            .filter(|relation| !relation.to.is_empty())
            .flat_map(|relation| relation.to.iter().chain([&relation.from]))
            .map(String::as_str)
            .collect();
        let whether = |name, points, holds: bool, reason: String| {
            part(name, points, usize::from(holds), 1, (!holds).then_some(reason))
        };
        let parts = vec![
            share("identity", 25, count(&|c| c.purl.is_some()), "purl"),
            share(
                "version",
                15,
                count(&|c| c.version.as_ref().is_some_and(|text| !text.is_empty())),
                "version",
            ),
            share("relations", 15, count(&|c| related.contains(c.id.as_str())), "relation to another"),
            share("digests", 15, count(&|c| !c.digests.is_empty()), "digest of SHA-256 or better"),
            share("licences", 15, count(&|c| !c.licences.is_empty()), "licence"),
            whether("complete", 5, self.gaps.is_empty(), named(&self.gaps)),
            whether("subject", 5, self.subject.is_some(), "it does not say what it describes".to_owned()),
            whether("time", 5, self.created.is_some(), "it does not say when it was made".to_owned()),
        ];
        let score = parts.iter().map(|part| part.given).sum();
        Quality { score, parts }
    }
}

/// What a document says itself that it lacks.
fn named(gaps: &[String]) -> String {
    match gaps {
        [] => String::new(),
        [one] => format!("it names what is missing: {one}"),
        [first, more @ ..] => format!("it names what is missing: {first}, and {} more", more.len()),
    }
}

/// Rounded down: all points are for all components.
fn part(name: &'static str, points: u8, have: usize, all: usize, reason: Option<String>) -> Part {
    let given = u8::try_from(usize::from(points) * have / all.max(1)).unwrap_or(points);
    Part { name, given, points, reason }
}

impl Quality {
    /// The reasons in a line, the costliest first; empty where nothing is missing.
    pub fn reasons(&self) -> Vec<String> {
        let mut parts: Vec<&Part> = self.parts.iter().filter(|part| part.reason.is_some()).collect();
        parts.sort_by_key(|part| std::cmp::Reverse(part.points - part.given));
        parts.iter().filter_map(|part| part.reason.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use linkward_model::{Digest, Instant};

    use super::*;
    use crate::sbom::{Component, Relation};

    fn whole() -> Sbom {
        let component = |name: &str| Component {
            id: name.to_owned(),
            name: name.to_owned(),
            version: Some("1".to_owned()),
            purl: format!("pkg:npm/{name}@1").parse().ok(),
            digests: vec![Digest::sha256(name.as_bytes())],
            licences: vec!["MIT".to_owned()],
            ..Component::default()
        };
        Sbom {
            components: vec![component("a"), component("b"), component("c"), component("d")],
            relations: vec![Relation {
                from: "a".to_owned(),
                to: ["b", "c", "d"].map(str::to_owned).to_vec(),
            }],
            subject: Some(component("x")),
            created: Some(Instant::from_millis(0)),
            ..Sbom::default()
        }
    }

    #[test]
    fn a_whole_document_has_all_points() {
        let quality = whole().quality();
        assert_eq!((quality.score, quality.reasons()), (100, Vec::new()));
        assert_eq!(quality.parts.iter().map(|part| part.points).sum::<u8>(), 100);
    }

    /// Each thing taken away costs its own part, and names itself.
    #[test]
    fn what_is_missing_costs_points_and_is_named() {
        type Damage = fn(&mut Sbom);
        let one: fn(&mut Sbom, fn(&mut Component)) =
            |sbom, damage| sbom.components.last_mut().into_iter().for_each(damage);
        let cases: [(Damage, u8, &str); 8] = [
            (
                |sbom| sbom.components.iter_mut().for_each(|c| c.purl = None),
                75,
                "4 of 4 components have no purl",
            ),
            (
                |sbom| sbom.components.iter_mut().for_each(|c| c.version = None),
                85,
                "4 of 4 components have no version",
            ),
            (|sbom| sbom.relations.clear(), 85, "4 of 4 components have no relation to another"),
            (
                |sbom| sbom.components.iter_mut().for_each(|c| c.digests.clear()),
                85,
                "4 of 4 components have no digest of SHA-256 or better",
            ),
            (
                |sbom| sbom.components.iter_mut().for_each(|c| c.licences.clear()),
                85,
                "4 of 4 components have no licence",
            ),
            (
                |sbom| sbom.gaps = vec!["a".to_owned(), "b".to_owned()],
                95,
                "it names what is missing: a, and 1 more",
            ),
            (|sbom| sbom.subject = None, 95, "it does not say what it describes"),
            (|sbom| sbom.created = None, 95, "it does not say when it was made"),
        ];
        for (damage, score, reason) in cases {
            let mut sbom = whole();
            damage(&mut sbom);
            let quality = sbom.quality();
            assert_eq!((quality.score, quality.reasons()), (score, vec![reason.to_owned()]));
        }
        let mut sbom = whole();
        one(&mut sbom, |component| component.purl = None);
        // 25 * 3 / 4, rounded down.
        assert_eq!(sbom.quality().score, 93);
        assert_eq!(Sbom::default().quality().score, 5);
    }
}
