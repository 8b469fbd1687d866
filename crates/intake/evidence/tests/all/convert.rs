//! Conversion keeps components, digests, purls, licences and relations, and says what it does not keep.

use std::collections::BTreeSet;

use linkward_evidence::convert::{Target, convert};
use linkward_evidence::sbom::{Component, Relation, Sbom, Scope};
use linkward_evidence::{Claim, parse};
use linkward_testkit::noon;

use crate::cyclonedx::{documents, is_valid};

fn sbom(bytes: &[u8]) -> Sbom {
    match parse(bytes) {
        Ok(Claim::Sbom(sbom)) => sbom,
        other => panic!("{other:?}\n{}", String::from_utf8_lossy(bytes)),
    }
}

/// What must survive, without the ids, which each format spells in its own way.
fn essence(sbom: &Sbom) -> (BTreeSet<String>, BTreeSet<String>) {
    let all: Vec<&Component> = sbom.subject.iter().chain(&sbom.components).collect();
    let text = |component: &Component| {
        let mut digests: Vec<String> = component.digests.iter().map(ToString::to_string).collect();
        digests.extend(component.other_hashes.iter().map(|(name, hex)| format!("{name}:{hex}")));
        digests.sort();
        digests.dedup();
        let purl = component.purl.as_ref().map(ToString::to_string);
        format!(
            "{} {:?} {purl:?} {digests:?} {}",
            component.name,
            component.version,
            licence(&component.licences)
        )
    };
    let name =
        |id: &String| all.iter().find(|component| component.id == *id).map(|component| text(component));
    let edges = |kind: &str, list: &[Relation]| -> Vec<String> {
        let pairs = list.iter().flat_map(|edge| edge.to.iter().map(move |to| (&edge.from, to)));
        pairs.filter_map(|(from, to)| Some(format!("{} {kind} {}", name(from)?, name(to)?))).collect()
    };
    let mut relations: BTreeSet<String> = edges("depends", &sbom.relations).into_iter().collect();
    relations.extend(edges("contains", &sbom.contains));
    (all.iter().map(|component| text(component)).collect(), relations)
}

/// A list as the one expression that SPDX makes of it.
fn licence(licences: &[String]) -> String {
    licences.join(" AND ").replace(['(', ')'], "")
}

#[test]
fn published_documents_survive_the_way_there_and_back() {
    let documents = documents();
    for (name, bytes) in documents.iter().filter(|(name, _)| is_valid(name)) {
        let before = sbom(bytes);
        let there = convert(&before, Target::Spdx, noon());
        let between = sbom(&there.bytes);
        let custom = before.components.iter().chain(&before.subject).any(|component| {
            // A name among several licences becomes a reference inside an expression.
            component.licences.len() > 1
        });
        if !custom {
            assert_eq!(essence(&between), essence(&before), "{name}");
            let back = convert(&between, Target::CycloneDx, noon());
            assert_eq!(essence(&sbom(&back.bytes)), essence(&before), "{name}");
        } else {
            assert!(
                there.lost.keys().any(|what| what.contains("licenses as a list")),
                "{name}: {:?}",
                there.lost
            );
        }
        assert_eq!(between.components.len(), before.components.len(), "{name}");
    }
}

fn component(id: &str) -> Component {
    Component { id: id.to_owned(), kind: "library".to_owned(), name: id.to_owned(), ..Component::default() }
}

#[test]
fn what_is_not_kept_is_said() {
    let mut scoped = component("scoped");
    scoped.scope = Some(Scope::Optional);
    let mut asset = component("asset");
    asset.kind = "cryptographic-asset".to_owned();
    let document = Sbom { components: vec![scoped, asset], ..Sbom::default() };
    let lost = convert(&document, Target::Spdx, noon()).lost;
    let says = |what: &str| lost.keys().any(|key| key.contains(what));
    assert!(says("scope optional") && says("cryptographic-asset"), "{lost:?}");
    assert!(convert(&document, Target::CycloneDx, noon()).lost.is_empty());

    let source = br#"{"bomFormat":"CycloneDX","specVersion":"1.6","services":[{"name":"s"}],
        "components":[{"type":"library","name":"a","description":"x"},{"type":"library","name":"b","description":"y"}]}"#;
    let lost = convert(&sbom(source), Target::Spdx, noon()).lost;
    assert_eq!(lost.get("component.description"), Some(&2));
    assert_eq!(lost.get("services"), Some(&1));
}

#[test]
fn ids_that_spdx_cannot_spell_stay_apart() {
    let components = vec![component("a/b"), component("a:b"), component("a-b"), component("")];
    let relations = vec![Relation { from: "a/b".to_owned(), to: vec!["a:b".to_owned(), "a-b".to_owned()] }];
    let document = Sbom { components, relations, ..Sbom::default() };
    let again = sbom(&convert(&document, Target::Spdx, noon()).bytes);
    assert_eq!(essence(&again), essence(&document));
    assert_eq!(again.components.iter().map(|c| &c.id).collect::<BTreeSet<_>>().len(), 4);
}

#[test]
fn circles_of_containment_do_not_hang_the_writer() {
    let edge = |from: &str, to: &str| Relation { from: from.to_owned(), to: vec![to.to_owned()] };
    let components = vec![component("a"), component("b"), component("c")];
    let contains = vec![edge("a", "b"), edge("b", "a"), edge("c", "c"), edge("c", "b"), edge("nobody", "a")];
    let document = Sbom { components, contains, ..Sbom::default() };
    let converted = convert(&document, Target::CycloneDx, noon());
    assert_eq!(converted.lost.get("containment that nesting cannot say"), Some(&4), "{:?}", converted.lost);
    let again = sbom(&converted.bytes);
    assert_eq!(again.components.len(), 3);
    assert_eq!(again.contains, [edge("a", "b")]);
}

#[test]
fn gaps_stay_gaps() {
    let document = Sbom {
        gaps: vec!["go.sum was not read".to_owned()],
        components: vec![component("a")],
        ..Sbom::default()
    };
    for target in [Target::Spdx, Target::CycloneDx] {
        let again = sbom(&convert(&document, target, noon()).bytes);
        assert!(again.gaps.contains(&"go.sum was not read".to_owned()), "{:?}", again.gaps);
    }
}
