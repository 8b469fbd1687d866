//! From records to answers: affected, not affected, unknown, and the difference between the last two.

use std::path::PathBuf;

use linkward_advisory::{
    Assessment, Batch, Builder, Database, Fix, Freshness, Severity, Source, json, replace,
};
use linkward_model::{Code, Digest, Instant};
use linkward_testkit::{noon, scratch};

/// A record of one package with SEMVER or ECOSYSTEM events in short: `i0 f1.2.3`.
pub(crate) fn record(id: &str, ecosystem: &str, name: &str, events: &str) -> String {
    let events: Vec<String> = events
        .split_whitespace()
        .map(|word| {
            let (kind, at) = word.split_at(1);
            let kind = match kind {
                "i" => "introduced",
                "f" => "fixed",
                "l" => "last_affected",
                _ => "limit",
            };
            format!(r#"{{"{kind}":"{at}"}}"#)
        })
        .collect();
    format!(
        r#"{{"id":"{id}","aliases":["CVE-{id}"],"modified":"2025-12-30T00:00:00Z","summary":"bad {name}",
        "severity":[{{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}],
        "affected":[{{"package":{{"ecosystem":"{ecosystem}","name":"{name}"}},
        "ranges":[{{"type":"ECOSYSTEM","events":[{}]}}]}}]}}"#,
        events.join(",")
    )
}

pub(crate) fn batch(records: &[String], as_of: Option<Instant>) -> Batch {
    let advisories = records.iter().map(|text| json(text.as_bytes()).unwrap()).collect();
    let digest = Digest::sha256(records.concat().as_bytes());
    Batch {
        source: Source { name: "test".into(), digest, records: records.len(), as_of, unreadable: 0 },
        advisories,
    }
}

pub(crate) fn bytes(records: &[String]) -> Vec<u8> {
    let mut builder = Builder::default();
    builder.add(batch(records, Some(noon())));
    builder.finish(&[])
}

struct Fixture {
    _folder: tempfile::TempDir,
    database: Database,
}

fn open(bytes: &[u8]) -> Fixture {
    let folder = scratch();
    let path: PathBuf = folder.path().join("advisories.lwa");
    replace(&path, bytes).unwrap();
    Fixture { database: Database::open(&path).unwrap(), _folder: folder }
}

impl Fixture {
    fn assess(&self, purl: &str) -> Assessment {
        let freshness = Freshness { now: noon(), max_age_days: 7 };
        self.database.assess(&purl.parse().unwrap(), freshness).unwrap()
    }

    fn ids(&self, purl: &str) -> Vec<String> {
        match self.assess(purl) {
            Assessment::Affected { findings, .. } => findings.into_iter().map(|finding| finding.id).collect(),
            _ => Vec::new(),
        }
    }

    fn doubts(&self, purl: &str) -> Vec<Code> {
        match self.assess(purl) {
            Assessment::Unknown { doubts } => {
                let mut codes: Vec<Code> = doubts.into_iter().map(|doubt| doubt.code).collect();
                codes.dedup();
                codes
            }
            _ => Vec::new(),
        }
    }
}

#[test]
fn each_component_is_affected_not_affected_or_unknown() {
    let fixture = open(&bytes(&[
        record("A-1", "npm", "left", "i1.0.0 f1.2.0"),
        record("A-2", "npm", "left", "i0 f1.3.0"),
        record("A-3", "Maven", "org.x:y", "i1.0-alpha f1.1"),
        record("A-4", "Packagist", "v/p", "i0 f2.0"),
        record("A-5", "Debian:12", "openssl", "i0 f3.0.11-1~deb12u2"),
        record("A-6", "npm", "range", "i0 fnever"),
        record("A-7", "Strange", "thing", "i0 f1"),
    ]));
    assert_eq!(fixture.ids("pkg:npm/left@1.1.0"), ["A-1", "A-2"]);
    assert_eq!(fixture.ids("pkg:npm/left@1.2.0"), ["A-2"]);
    assert_eq!(fixture.assess("pkg:npm/left@1.3.0"), Assessment::NotAffected);
    assert_eq!(fixture.assess("pkg:npm/right@1.3.0"), Assessment::NotAffected);
    assert_eq!(fixture.ids("pkg:maven/org.x/y@1.0"), ["A-3"]);
    assert_eq!(fixture.ids("pkg:composer/V/p@v1.9"), ["A-4"]);
    assert_eq!(
        fixture.ids("pkg:deb/debian/libssl3@3.0.11-1~deb12u1?distro=debian-12&upstream=openssl"),
        ["A-5"]
    );
    for (purl, code) in [
        ("pkg:npm/left", Code::VersionMissing),
        ("pkg:npm/left@next", Code::VersionUnreadable),
        ("pkg:npm/range@1.0.0", Code::AdvisoryUnordered),
        ("pkg:deb/debian/openssl@3", Code::DistributionUnknown),
        ("pkg:deb/debian/openssl@3?distro=debian-11", Code::AdvisoryNoData),
        ("pkg:gem/rails@7.0.0", Code::AdvisoryNoData),
        ("pkg:generic/thing@1", Code::AdvisoryNoData),
    ] {
        assert_eq!(fixture.doubts(purl), [code], "{purl}");
    }
}

#[test]
fn old_or_undated_data_proves_nothing_but_still_convicts() {
    for as_of in [Some(noon().plus_millis(-8 * 86_400_000)), None] {
        let mut builder = Builder::default();
        builder.add(batch(&[record("A-1", "npm", "left", "i0 f1.2.0")], as_of));
        let fixture = open(&builder.finish(&[]));
        assert_eq!(fixture.doubts("pkg:npm/right@1.0.0"), [Code::AdvisoryStale], "{as_of:?}");
        assert_eq!(fixture.ids("pkg:npm/left@1.0.0"), ["A-1"]);
    }
}

#[test]
fn malicious_records_do_not_cover_an_ecosystem_and_block_whatever_the_version() {
    let record = record("MAL-2026-1", "npm", "evil", "i0");
    let fixture = open(&bytes(&[record]));
    assert_eq!(fixture.doubts("pkg:npm/left@1.0.0"), [Code::AdvisoryNoData]);
    for purl in ["pkg:npm/evil@1.0.0", "pkg:npm/evil", "pkg:npm/evil@not-a-version"] {
        let Assessment::Affected { findings, fix, .. } = fixture.assess(purl) else { panic!("{purl}") };
        assert_eq!((findings[0].severity, fix), (Severity::Malicious, Fix::Remove), "{purl}");
        assert_eq!(findings[0].code, Code::MaliciousPackage);
    }
}

#[test]
fn advice_is_the_smallest_version_that_clears_everything() {
    let fixture = open(&bytes(&[
        record("A-1", "npm", "left", "i1.0.0 f1.2.0"),
        record("A-2", "npm", "left", "i0 f1.3.0 i2.0.0 f2.5.0"),
        record("A-3", "npm", "left", "i1.3.0 f1.4.1"),
        record("B-1", "npm", "stuck", "i0 l3.0.0"),
    ]));
    let advice = |purl: &str| match fixture.assess(purl) {
        Assessment::Affected { fix, .. } => fix,
        other => panic!("{other:?}"),
    };
    // 1.2.0 and 1.3.0 each clear one and run into another.
    assert_eq!(advice("pkg:npm/left@1.1.0"), Fix::Update { version: "1.4.1".into() });
    assert_eq!(advice("pkg:npm/left@2.0.1"), Fix::Update { version: "2.5.0".into() });
    assert_eq!(advice("pkg:npm/stuck@1.0.0"), Fix::NoneKnown);
}

#[test]
fn withdrawn_records_are_counted_and_do_not_speak() {
    let withdrawn = record("A-1", "npm", "left", "i0")
        .replace("\"summary\"", "\"withdrawn\":\"2025-12-30T00:00:00Z\",\"summary\"");
    let fixture = open(&bytes(&[withdrawn, record("A-2", "npm", "other", "i0 f1")]));
    assert_eq!(fixture.assess("pkg:npm/left@1.0.0"), Assessment::NotAffected);
    assert_eq!(fixture.database.meta().withdrawn, 1);
}

#[test]
fn what_is_not_covered_is_not_vouched_for() {
    let mut builder = Builder::default();
    builder.add(batch(
        &[record("A-1", "npm", "left", "i0 f1"), record("A-2", "PyPI", "x", "i0 f1")],
        Some(noon()),
    ));
    let fixture = open(&builder.finish(&["PyPI".to_owned()]));
    assert_eq!(fixture.doubts("pkg:npm/right@1.0.0"), [Code::AdvisoryNoData]);
    assert_eq!(fixture.ids("pkg:npm/left@0.5.0"), ["A-1"]);
    assert_eq!(fixture.assess("pkg:pypi/y@1"), Assessment::NotAffected);
}

#[test]
fn the_order_of_records_and_sources_leaves_no_trace() {
    let mut records: Vec<String> =
        (0..200).map(|n| record(&format!("A-{n}"), "npm", &format!("p{}", n % 50), "i0 f1.0.0")).collect();
    let first = bytes(&records);
    records.reverse();
    let mut builder = Builder::default();
    builder.add(Batch { source: batch(&[], Some(noon())).source, advisories: Vec::new() });
    let again = {
        let mut other = batch(&records, Some(noon()));
        records.reverse();
        other.source = batch(&records, Some(noon())).source;
        let mut builder = Builder::default();
        builder.add(other);
        builder.finish(&[])
    };
    assert_eq!(first, again);
    assert_ne!(first, builder.finish(&[]));
}

#[test]
fn an_advisory_is_found_by_id_and_alias_in_any_case() {
    let fixture = open(&bytes(&[record("GHSA-abcd", "npm", "left", "i0 f1")]));
    for id in ["GHSA-abcd", "ghsa-ABCD", "cve-ghsa-abcd"] {
        assert_eq!(fixture.database.find(id).unwrap().len(), 1, "{id}");
    }
    assert!(fixture.database.find("GHSA-other").unwrap().is_empty());
}

#[test]
fn the_newest_of_two_records_of_one_id_counts() {
    let old = record("A-1", "npm", "left", "i0").replace("2025-12-30", "2025-01-01");
    let new = record("A-1", "npm", "left", "i0 f1.0.0");
    for records in [[old.clone(), new.clone()], [new, old]] {
        let fixture = open(&bytes(&records));
        assert_eq!(fixture.assess("pkg:npm/left@1.0.0"), Assessment::NotAffected);
    }
}
