//! The schema's evaluation of ranges, flattened once when the file is made: events become disjoint intervals.

use std::cmp::Ordering;

use crate::order::{Scheme, Unreadable, Version};
use crate::record::{Affected, Event, Range, RangeKind};

/// Versions from `from` on (from the first one where it is `None`) to an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) from: Option<Version>,
    pub(crate) to: End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Everything behind is affected.
    Open,
    /// Fixed in this version, spelled as its source does.
    Before(Version, String),
    /// The last affected version.
    UpTo(Version),
}

impl Interval {
    pub(crate) fn holds(&self, scheme: Scheme, version: &[u8]) -> bool {
        let not_before = match &self.from {
            None => true,
            Some(from) => scheme.compare(version, from.as_bytes()) != Ordering::Less,
        };
        not_before
            && match &self.to {
                End::Open => true,
                End::Before(to, _) => scheme.compare(version, to.as_bytes()) == Ordering::Less,
                End::UpTo(to) => scheme.compare(version, to.as_bytes()) != Ordering::Greater,
            }
    }
}

/// What one advisory says of one package, ready to be compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flat {
    pub(crate) intervals: Vec<Interval>,
    /// Versions outside the intervals that are affected all the same.
    pub(crate) versions: Vec<String>,
    /// Something cannot be evaluated: a version that nothing else holds is unknown, not unaffected.
    pub(crate) open_question: bool,
}

pub(crate) fn flatten(affected: &Affected, scheme: Option<Scheme>) -> Flat {
    let mut flat = Flat::default();
    let mut commits_alone = affected.versions.is_empty();
    for range in affected.ranges.iter().filter(|range| range.kind != RangeKind::Git) {
        commits_alone = false;
        let scheme = match range.kind {
            RangeKind::SemVer => Some(scheme.unwrap_or(Scheme::SemVer)),
            _ => scheme,
        };
        match scheme.map(|scheme| intervals(range, scheme)) {
            Some(Ok(found)) => flat.intervals.extend(found),
            _ => flat.open_question = true,
        }
    }
    // Commits need their repository's history to be ordered. Where versions or other ranges speak too, those decide.
    flat.open_question |= commits_alone && !affected.ranges.is_empty();
    flat.versions = affected
        .versions
        .iter()
        .filter(|text| {
            let held = scheme.and_then(|scheme| {
                let version = scheme.read(text).ok()?;
                Some(flat.intervals.iter().any(|interval| interval.holds(scheme, version.as_bytes())))
            });
            held != Some(true)
        })
        .cloned()
        .collect();
    // Neither versions nor ranges: the package as a whole.
    if affected.ranges.is_empty() && affected.versions.is_empty() {
        flat.intervals.push(Interval { from: None, to: End::Open });
    }
    flat
}

/// The events in order of their versions; those of one version keep the order of the document.
fn intervals(range: &Range, scheme: Scheme) -> Result<Vec<Interval>, Unreadable> {
    let read = |text: &str| if text == "0" { Ok(None) } else { scheme.read(text).map(Some) };
    let mut events = Vec::new();
    let mut limit: Option<(Version, String)> = None;
    let mut unlimited = true;
    for event in &range.events {
        match event {
            Event::Introduced(at) | Event::Fixed(at) | Event::LastAffected(at) => {
                events.push((read(at)?, event))
            }
            Event::Limit(at) if at == "*" => {
                unlimited = true;
                limit = None;
                break;
            }
            Event::Limit(at) => {
                // A version below any one of the limits is within them: the highest decides.
                let version = scheme.read(at)?;
                let higher = limit.as_ref().is_none_or(|(known, _)| {
                    scheme.compare(version.as_bytes(), known.as_bytes()) == Ordering::Greater
                });
                if higher {
                    limit = Some((version, at.clone()));
                }
                unlimited = false;
            }
        }
    }
    events.sort_by(|(a, _), (b, _)| match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Less,
        (Some(_), None) => Ordering::Greater,
        (Some(a), Some(b)) => scheme.compare(a.as_bytes(), b.as_bytes()),
    });
    let mut found = Vec::new();
    let mut open: Option<Option<Version>> = None;
    for (at, event) in events {
        match event {
            Event::Introduced(_) => {
                open.get_or_insert(at);
            }
            Event::Fixed(text) => {
                if let (Some(from), Some(at)) = (open.take(), at) {
                    found.push(Interval { from, to: End::Before(at, text.clone()) });
                }
            }
            Event::LastAffected(_) => {
                if let (Some(from), Some(at)) = (open.take(), at) {
                    found.push(Interval { from, to: End::UpTo(at) });
                }
            }
            Event::Limit(_) => {}
        }
    }
    found.extend(open.map(|from| Interval { from, to: End::Open }));
    if let Some((limit, text)) = limit.filter(|_| !unlimited) {
        found.retain_mut(|interval| clip(interval, scheme, &limit, &text));
    }
    Ok(found)
}

/// Ends an interval at the limit; false where it begins behind it.
fn clip(interval: &mut Interval, scheme: Scheme, limit: &Version, text: &str) -> bool {
    let behind = |version: &Version| scheme.compare(version.as_bytes(), limit.as_bytes()) != Ordering::Less;
    if interval.from.as_ref().is_some_and(behind) {
        return false;
    }
    let cut = match &interval.to {
        End::Open => true,
        End::Before(to, _) | End::UpTo(to) => behind(to),
    };
    if cut {
        interval.to = End::Before(limit.clone(), text.to_owned());
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(events: &[Event], versions: &[&str]) -> Flat {
        let ranges = vec![Range { kind: RangeKind::SemVer, events: events.to_vec() }];
        let versions = versions.iter().map(|text| (*text).to_owned()).collect();
        flatten(
            &Affected { ecosystem: "npm".into(), name: "x".into(), ranges, versions },
            Some(Scheme::SemVer),
        )
    }

    fn affected(flat: &Flat, text: &str) -> bool {
        let version = Scheme::SemVer.read(text).unwrap();
        flat.versions.iter().any(|other| other == text)
            || flat.intervals.iter().any(|interval| interval.holds(Scheme::SemVer, version.as_bytes()))
    }

    fn events(text: &str) -> Vec<Event> {
        text.split(' ')
            .filter_map(|word| {
                let (kind, at) = word.split_at(1);
                let at = at.to_owned();
                Some(match kind {
                    "i" => Event::Introduced(at),
                    "f" => Event::Fixed(at),
                    "l" => Event::LastAffected(at),
                    "m" => Event::Limit(at),
                    _ => return None,
                })
            })
            .collect()
    }

    #[test]
    fn the_schemas_algorithm() {
        for (given, yes, no) in [
            ("i0 f1.0.0", &["0.0.1", "1.0.0-rc.1"][..], &["1.0.0", "2.0.0"][..]),
            ("f1.0.0 i0", &["0.9.0"], &["1.0.0"]),
            ("i1.0.0 f1.5.0 i2.0.0 f2.2.0", &["1.0.0", "2.1.9"], &["0.9.0", "1.5.0", "1.9.9", "2.2.0"]),
            ("i0 l1.2.0", &["0.1.0", "1.2.0"], &["1.2.1"]),
            ("i0 l1.2.0 i2.0.0", &["1.2.0", "2.0.0", "9.0.0"], &["1.3.0"]),
            ("i0 m2.0.0", &["1.9.9"], &["2.0.0"]),
            ("i0 f5.0.0 m2.0.0 m3.0.0", &["2.9.0"], &["3.0.0", "4.0.0"]),
            ("i0 m2.0.0 m*", &["9.0.0"], &[]),
            ("i1.0.0 i1.2.0 f1.3.0", &["1.0.0", "1.2.5"], &["1.3.0"]),
            ("i3.0.0 m2.0.0", &[], &["1.0.0", "3.0.0"]),
            ("i1.0.0 f1.0.0", &[], &["0.9.0", "1.0.0", "1.1.0"]),
        ] {
            let flat = flat(&events(given), &[]);
            yes.iter().for_each(|text| assert!(affected(&flat, text), "{given}: {text} is affected"));
            no.iter().for_each(|text| assert!(!affected(&flat, text), "{given}: {text} is not"));
        }
    }

    #[test]
    fn listed_versions_count_beside_the_ranges_and_are_kept_only_where_they_add() {
        let found = flat(&events("i1.0.0 f2.0.0"), &["0.5.0", "1.1.0"]);
        assert_eq!(found.versions, ["0.5.0"]);
        assert!(affected(&found, "0.5.0") && affected(&found, "1.1.0") && !affected(&found, "0.6.0"));
    }

    #[test]
    fn what_cannot_be_evaluated_stays_an_open_question() {
        assert!(flat(&events("i0 fnever"), &[]).open_question);
        let commits = Range { kind: RangeKind::Git, events: events("i0 fabc") };
        let mut package = Affected {
            ecosystem: "npm".into(),
            name: "x".into(),
            ranges: vec![commits],
            versions: Vec::new(),
        };
        assert!(flatten(&package, Some(Scheme::SemVer)).open_question, "commits alone");
        package.versions.push("1.0.0".into());
        assert!(!flatten(&package, Some(Scheme::SemVer)).open_question, "the versions speak");
        let ranges = vec![Range { kind: RangeKind::Ecosystem, events: events("i0 f1") }];
        let strange =
            Affected { ecosystem: "Strange".into(), name: "x".into(), ranges, versions: Vec::new() };
        assert!(flatten(&strange, None).open_question, "no rules for this ecosystem");
        let whole = Affected { ecosystem: "npm".into(), name: "x".into(), ..Affected::default() };
        assert!(affected(&flatten(&whole, Some(Scheme::SemVer)), "1.0.0"), "neither versions nor ranges");
    }
}
