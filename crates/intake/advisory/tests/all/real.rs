//! Real advisories: what they list is found, what they fixed is not.

use std::collections::BTreeMap;
use std::path::Path;

use linkward_advisory::{
    Assessment, Batch, Builder, Database, Event, Freshness, Query, RangeKind, gather, replace,
};
use linkward_testkit::{noon, scratch};

fn read(folder: &Path) -> Batch {
    gather(folder, "source", Some(noon()), |name, fault| panic!("{name}: {fault}")).unwrap()
}

fn database(folder: &Path, batch: Batch) -> Database {
    let mut builder = Builder::default();
    builder.add(batch);
    let path = folder.join("a.lwa");
    replace(&path, &builder.finish(&[])).unwrap();
    Database::open(&path).unwrap()
}

fn ids(database: &Database, query: &Query) -> Vec<String> {
    match database.assess_query(query, Freshness { now: noon(), max_age_days: 1 }).unwrap() {
        Assessment::Affected { findings, .. } => findings.into_iter().map(|finding| finding.id).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn what_pypa_lists_is_affected_in_every_record_and_no_fixed_version_is() {
    let Some(vectors) = linkward_testkit::vectors() else { return };
    let batch = read(&vectors.join("osv/pypa"));
    assert_eq!((batch.source.records, batch.source.unreadable), (2661, 0));
    let advisories = batch.advisories.clone();
    let folder = scratch();
    let database = database(folder.path(), batch);
    // What is asked: a package's version, the advisory, and whether it has to be among the answers.
    let mut cases: BTreeMap<(String, String), Vec<(&str, bool)>> = BTreeMap::new();
    for advisory in advisories.iter().filter(|advisory| !advisory.withdrawn) {
        for affected in &advisory.affected {
            let name = affected.name.to_lowercase().replace(['_', '.'], "-");
            // The first and last ones and some between: all of them take minutes in an unoptimised build.
            let step = affected.versions.len().div_ceil(6).max(1);
            for version in affected.versions.iter().step_by(step).chain(affected.versions.last()) {
                cases.entry((name.clone(), version.clone())).or_default().push((&advisory.id, true));
            }
            // A version that one range fixes may still lie in another, or be listed.
            let ranges: Vec<_> =
                affected.ranges.iter().filter(|range| range.kind != RangeKind::Git).collect();
            let [range] = ranges.as_slice() else { continue };
            if let [Event::Introduced(_), Event::Fixed(at)] = range.events.as_slice()
                && !affected.versions.contains(at)
                && advisory.affected.len() == 1
            {
                cases.entry((name, at.clone())).or_default().push((&advisory.id, false));
            }
        }
    }
    let (mut listed, mut fixed) = (0, 0);
    for ((name, version), expected) in cases {
        let query = Query { ecosystem: "PyPI".into(), name, version: Some(version) };
        let found = ids(&database, &query);
        for (id, affected) in expected {
            *(if affected { &mut listed } else { &mut fixed }) += 1;
            assert_eq!(found.iter().any(|other| other == id), affected, "{id} {query:?}");
        }
    }
    assert!(listed > 12_000 && fixed > 1_300, "{listed} {fixed}");
}

#[test]
fn every_rustsec_advisory_is_read_and_no_patched_version_is_affected() {
    let Some(vectors) = linkward_testkit::vectors() else { return };
    let folder = vectors.join("osv/rustsec");
    let batch = read(&folder);
    assert_eq!((batch.source.records, batch.source.unreadable), (1205, 0));
    assert_eq!(batch.advisories.iter().filter(|advisory| advisory.withdrawn).count(), 13);
    let advisories = batch.advisories.clone();
    let scratch = scratch();
    let database = database(scratch.path(), batch);
    let mut fixed = 0;
    for advisory in advisories.iter().filter(|advisory| !advisory.withdrawn) {
        let package = &advisory.affected[0];
        for event in package.ranges.iter().flat_map(|range| &range.events) {
            let (Event::Introduced(at) | Event::Fixed(at)) = event else { continue };
            let version = if at == "0" { "0.0.0" } else { at };
            let query = Query {
                ecosystem: "crates.io".into(),
                name: package.name.clone(),
                version: Some(version.to_owned()),
            };
            let expected = matches!(event, Event::Introduced(_));
            fixed += usize::from(!expected);
            assert_eq!(ids(&database, &query).contains(&advisory.id), expected, "{} {event:?}", advisory.id);
        }
    }
    assert!(fixed > 700, "{fixed}");
}
