//! VEX: three formats, one claim; a statement applies per component and product, never by its CVE alone.

use linkward_evidence::vex::{Status, Thing, Vex, cyclonedx};
use linkward_evidence::{Claim, parse};
use linkward_model::{Code, Digest, Purl};
use serde_json::{Value, json};

fn vex(document: &Value) -> Vex {
    match parse(document.to_string().as_bytes()) {
        Ok(Claim::Vex(vex)) => vex,
        other => panic!("{other:?}"),
    }
}

fn refused(document: &Value) -> (Code, String) {
    let fault = parse(document.to_string().as_bytes()).unwrap_err();
    (fault.code, fault.place)
}

fn purl(text: &str) -> Purl {
    text.parse().unwrap()
}

const APP: &str = "pkg:oci/app@sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const LEFT: &str = "pkg:npm/left@2.0";

/// `left` in `app` is not affected by CVE-2026-1.
fn openvex() -> Value {
    json!({
        "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://example.org/vex/1", "author": "maker",
        "timestamp": "2026-01-01T00:00:00Z", "version": 1,
        "statements": [{
            "vulnerability": { "name": "CVE-2026-1", "aliases": ["GHSA-aaaa"] },
            "products": [{ "@id": APP, "subcomponents": [{ "@id": LEFT }] }],
            "status": "not_affected", "justification": "vulnerable_code_not_present"
        }]
    })
}

fn csaf() -> Value {
    json!({
        "document": { "category": "csaf_vex", "csaf_version": "2.0", "title": "t",
            "publisher": { "name": "maker", "category": "vendor", "namespace": "https://example.org" },
            "tracking": { "id": "X-1", "current_release_date": "2026-01-01T00:00:00Z" } },
        "product_tree": {
            "branches": [{ "category": "vendor", "name": "v", "branches": [{ "category": "product_version", "name": "2.0",
                "product": { "product_id": "left", "name": "left", "product_identification_helper": { "purl": LEFT } } }] }],
            "full_product_names": [{ "product_id": "app", "name": "app", "product_identification_helper": { "purl": APP } }],
            "relationships": [{ "category": "default_component_of", "product_reference": "left",
                "relates_to_product_reference": "app", "full_product_name": { "product_id": "left-in-app", "name": "x" } }],
            "product_groups": [{ "group_id": "g", "product_ids": ["left-in-app"] }]
        },
        "vulnerabilities": [{ "cve": "CVE-2026-1", "ids": [{ "system_name": "g", "text": "GHSA-aaaa" }],
            "product_status": { "known_not_affected": ["left-in-app"] },
            "flags": [{ "label": "vulnerable_code_not_present", "group_ids": ["g"] }] }]
    })
}

fn cyclonedx_document() -> Value {
    json!({
        "bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": { "timestamp": "2026-01-01T00:00:00Z",
            "component": { "type": "container", "name": "app", "bom-ref": "app", "purl": APP } },
        "components": [{ "type": "library", "name": "left", "version": "2.0", "bom-ref": "left", "purl": LEFT },
                       { "type": "library", "name": "right", "version": "1.0", "bom-ref": "right", "purl": "pkg:npm/right@1.0" }],
        "vulnerabilities": [{ "id": "CVE-2026-1", "references": [{ "id": "GHSA-aaaa", "source": { "name": "g" } }],
            "analysis": { "state": "not_affected", "justification": "code_not_present" }, "affects": [{ "ref": "left" }] }]
    })
}

fn all() -> [(&'static str, Vex); 3] {
    let cyclonedx = cyclonedx::read(&cyclonedx_document()).unwrap().unwrap();
    [("OpenVEX", vex(&openvex())), ("CSAF", vex(&csaf())), ("CycloneDX", cyclonedx)]
}

fn status(vex: &Vex, vulnerability: &str, product: &str, component: &str) -> Option<Status> {
    let (product, component) = (purl(product), purl(component));
    let thing = |purl| Thing { purl: Some(purl), digests: &[] };
    vex.about(vulnerability, &thing(&product), &thing(&component)).map(|statement| statement.status)
}

#[test]
fn a_statement_applies_to_its_component_in_its_product() {
    for (format, vex) in all() {
        assert_eq!(status(&vex, "CVE-2026-1", APP, LEFT), Some(Status::NotAffected), "{format}");
        assert_eq!(status(&vex, "ghsa-AAAA", APP, LEFT), Some(Status::NotAffected), "{format}");
        assert!(vex.statements[0].justification.is_some(), "{format}");
    }
}

#[test]
fn and_to_nothing_else() {
    let other_app = APP.replace("/app@", "/shop@");
    for (format, vex) in all() {
        for (why, vulnerability, product, component) in [
            ("another vulnerability", "CVE-2026-2", APP, LEFT),
            ("part of the name", "CVE-2026-11", APP, LEFT),
            ("another component", "CVE-2026-1", APP, "pkg:npm/right@1.0"),
            ("another version of it", "CVE-2026-1", APP, "pkg:npm/left@2.1"),
            ("a namesake elsewhere", "CVE-2026-1", APP, "pkg:pypi/left@2.0"),
            ("another product", "CVE-2026-1", other_app.as_str(), LEFT),
            ("the product by tag alone", "CVE-2026-1", "pkg:oci/app", LEFT),
            ("the product as component", "CVE-2026-1", LEFT, APP),
        ] {
            assert_eq!(status(&vex, vulnerability, product, component), None, "{format}: {why}");
        }
    }
}

#[test]
fn digests_that_differ_are_another_thing() {
    let mut document = openvex();
    let hex = Digest::sha256(b"app").hex();
    document["statements"][0]["products"] = json!([{ "@id": APP, "hashes": { "sha-256": hex } }]);
    let vex = vex(&document);
    let (purl, same, other) = (purl(APP), [Digest::sha256(b"app")], [Digest::sha256(b"evil")]);
    let about = |digests| {
        let product = Thing { purl: Some(&purl), digests };
        vex.about("CVE-2026-1", &product, &Thing::default()).is_some()
    };
    assert!(about(&same) && about(&[]));
    assert!(!about(&other));
}

#[test]
fn the_newest_statement_counts_and_of_one_time_the_graver() {
    let mut document = openvex();
    let mut later = document["statements"][0].clone();
    later["status"] = json!("affected");
    later["timestamp"] = json!("2026-02-01T00:00:00Z");
    document["statements"].as_array_mut().unwrap().insert(0, later);
    assert_eq!(status(&vex(&document), "CVE-2026-1", APP, LEFT), Some(Status::Affected));
    document["statements"][0]["timestamp"] = json!("2025-02-01T00:00:00Z");
    assert_eq!(status(&vex(&document), "CVE-2026-1", APP, LEFT), Some(Status::NotAffected));
    document["statements"][0]["timestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(status(&vex(&document), "CVE-2026-1", APP, LEFT), Some(Status::Affected));
}

#[test]
fn versions_limit_what_cyclonedx_means() {
    let mut document = cyclonedx_document();
    document["vulnerabilities"][0]["affects"][0]["versions"] =
        json!([{ "version": "1.9", "status": "affected" }]);
    let vex = cyclonedx::read(&document).unwrap().unwrap();
    assert_eq!(status(&vex, "CVE-2026-1", APP, "pkg:npm/left@1.9"), Some(Status::NotAffected));
    assert_eq!(status(&vex, "CVE-2026-1", APP, LEFT), None);
    document["vulnerabilities"][0]["affects"][0]["versions"] = json!([{ "range": "vers:npm/<9" }]);
    let vex = cyclonedx::read(&document).unwrap().unwrap();
    assert_eq!(status(&vex, "CVE-2026-1", APP, LEFT), None);
}

#[test]
fn what_is_not_valid_is_refused_at_its_place() {
    for (pointer, value, place) in [
        ("/@context", json!("https://openvex.dev/ns/v9"), "$.@context"),
        ("/timestamp", Value::Null, "$"),
        ("/author", Value::Null, "$"),
        ("/statements/0/products", json!([]), "$.statements[0]"),
        ("/statements/0/products", Value::Null, "$.statements[0]"),
        ("/statements/0/status", json!("fine"), "$.statements[0].status"),
        ("/statements/0/justification", Value::Null, "$.statements[0]"),
        ("/statements/0/justification", json!("because"), "$.statements[0].justification"),
        ("/statements/0/vulnerability/name", Value::Null, "$.statements[0].vulnerability"),
    ] {
        let mut document = openvex();
        *document.pointer_mut(pointer).unwrap() = value;
        assert_eq!(refused(&document).1, place, "{pointer}");
    }
    for (pointer, value, place) in [
        ("/document/csaf_version", json!("9"), "$.document.csaf_version"),
        ("/document/category", json!("csaf_base"), "$.document.category"),
        ("/vulnerabilities/0/flags", json!([]), "$.vulnerabilities[0].product_status.known_not_affected"),
        (
            "/vulnerabilities/0/product_status/known_not_affected/0",
            json!("ghost"),
            "$.vulnerabilities[0].product_status.known_not_affected[0]",
        ),
        (
            "/vulnerabilities/0/product_status",
            json!({ "known_affected": ["app"], "fixed": ["app"] }),
            "$.vulnerabilities[0].product_status.known_affected",
        ),
        (
            "/product_tree/relationships/0/product_reference",
            json!("ghost"),
            "$.product_tree.relationships[0].product_reference",
        ),
        (
            "/product_tree/full_product_names/0/product_id",
            json!("left"),
            "$.product_tree.branches[0].branches[0].product.product_id",
        ),
    ] {
        let mut document = csaf();
        *document.pointer_mut(pointer).unwrap() = value;
        assert_eq!(refused(&document).1, place, "{pointer}");
    }
}

#[test]
fn published_cyclonedx_vulnerabilities_are_read() {
    let mut read = 0;
    for (name, bytes) in crate::cyclonedx::documents() {
        if crate::cyclonedx::is_valid(&name) && name.ends_with(".json") {
            let document: Value = serde_json::from_slice(&bytes).unwrap();
            read += usize::from(cyclonedx::read(&document).unwrap().is_some());
        }
    }
    assert!(linkward_testkit::vectors().is_none() || read >= 4, "{read}");
}
