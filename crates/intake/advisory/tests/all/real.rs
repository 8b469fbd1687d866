//! Real advisories: what they list is found, what they fixed is not.

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

fn hit_by(database: &Database, query: &Query, id: &str) -> bool {
    match database.assess_query(query, Freshness { now: noon(), max_age_days: 1 }).unwrap() {
        Assessment::Affected { findings, .. } => findings.iter().any(|finding| finding.id == id),
        _ => false,
    }
}

#[test]
fn every_version_that_pypa_lists_is_affected_and_no_fixed_one() {
    let Some(vectors) = linkward_testkit::vectors() else { return };
    let batch = read(&vectors.join("osv/pypa"));
    assert_eq!((batch.source.records, batch.source.unreadable), (2661, 0));
    let advisories = batch.advisories.clone();
    let folder = scratch();
    let database = database(folder.path(), batch);
    let (mut listed, mut fixed) = (0, 0);
    for advisory in advisories.iter().filter(|advisory| !advisory.withdrawn) {
        for affected in &advisory.affected {
            let query = |version: &str| Query {
                ecosystem: affected.ecosystem.clone(),
                name: affected.name.to_lowercase().replace(['_', '.'], "-"),
                version: Some(version.to_owned()),
            };
            for version in &affected.versions {
                listed += 1;
                assert!(hit_by(&database, &query(version), &advisory.id), "{} {version}", advisory.id);
            }
            // A version that one range fixes may still lie in another, or be listed.
            let ranges: Vec<_> =
                affected.ranges.iter().filter(|range| range.kind != RangeKind::Git).collect();
            let [range] = ranges.as_slice() else { continue };
            if let [Event::Introduced(_), Event::Fixed(at)] = range.events.as_slice()
                && !affected.versions.contains(at)
                && advisory.affected.len() == 1
            {
                fixed += 1;
                assert!(!hit_by(&database, &query(at), &advisory.id), "{} {at} is fixed", advisory.id);
            }
        }
    }
    assert!(listed > 60_000 && fixed > 1_500, "{listed} {fixed}");
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
            assert_eq!(hit_by(&database, &query, &advisory.id), expected, "{} {event:?}", advisory.id);
        }
    }
    assert!(fixed > 700, "{fixed}");
}
