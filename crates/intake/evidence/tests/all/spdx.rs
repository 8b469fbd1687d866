//! SPDX 2.2 and 2.3 as JSON and tag-value, 3.0 as JSON-LD.

use linkward_evidence::sbom::Sbom;
use linkward_evidence::{Claim, Fault, parse};
use linkward_model::Code;
use serde_json::{Value, json};

fn read(text: &str) -> Result<Sbom, Fault> {
    match parse(text.as_bytes())? {
        Claim::Sbom(sbom) => Ok(sbom),
        other => panic!("{other:?}"),
    }
}

const TAGS: &str = "\
# a document by hand
SPDXVersion: SPDX-2.2
DataLicense: CC0-1.0
SPDXID: SPDXRef-DOCUMENT
DocumentName: demo
DocumentNamespace: https://example.org/spdx/demo-1
Creator: Tool: by-hand
Created: 2026-01-01T00:00:00Z
Relationship: SPDXRef-DOCUMENT DESCRIBES SPDXRef-app

PackageName: app
SPDXID: SPDXRef-app
PackageVersion: 1.0
PackageDownloadLocation: NOASSERTION
PackageLicenseConcluded: MIT
PackageComment: <text>over
two lines: with a colon</text>
PrimaryPackagePurpose: APPLICATION

PackageName: left
SPDXID: SPDXRef-left
PackageVersion: 2.0
PackageDownloadLocation: NONE
PackageChecksum: SHA256: ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
PackageChecksum: SHA1: a9993e364706816aba3e25717850c26c9cd0d89d
ExternalRef: PACKAGE-MANAGER purl pkg:npm/left@2.0
PackageLicenseDeclared: LicenseRef-1
Relationship: SPDXRef-app DEPENDS_ON SPDXRef-left

LicenseID: LicenseRef-1
LicenseName: Left's own
ExtractedText: <text>do as you like</text>
";

fn json_twin(version: &str) -> Value {
    json!({
        "spdxVersion": version, "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": "demo",
        "documentNamespace": "https://example.org/spdx/demo-1",
        "creationInfo": { "created": "2026-01-01T00:00:00Z", "creators": ["Tool: by-hand"] },
        "packages": [
            { "name": "app", "SPDXID": "SPDXRef-app", "versionInfo": "1.0", "downloadLocation": "NOASSERTION",
              "licenseConcluded": "MIT", "primaryPackagePurpose": "APPLICATION", "comment": "x" },
            { "name": "left", "SPDXID": "SPDXRef-left", "versionInfo": "2.0", "downloadLocation": "NONE",
              "licenseDeclared": "LicenseRef-1",
              "checksums": [
                { "algorithm": "SHA256", "checksumValue": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
                { "algorithm": "SHA1", "checksumValue": "a9993e364706816aba3e25717850c26c9cd0d89d" } ],
              "externalRefs": [{ "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": "pkg:npm/left@2.0" }] }
        ],
        "hasExtractedLicensingInfos": [{ "licenseId": "LicenseRef-1", "name": "Left's own", "extractedText": "do as you like" }],
        "relationships": [
            { "spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-app" },
            { "spdxElementId": "SPDXRef-app", "relationshipType": "DEPENDS_ON", "relatedSpdxElement": "SPDXRef-left" }
        ]
    })
}

#[test]
fn tag_value_and_json_say_the_same() {
    let tags = read(TAGS).unwrap();
    let json = read(&json_twin("SPDX-2.2").to_string()).unwrap();
    assert_eq!(tags.subject.as_ref().map(|subject| subject.name.as_str()), Some("app"));
    assert_eq!(tags.components.len(), 1);
    assert_eq!(tags.components[0].licences, ["Left's own"]);
    assert_eq!(tags.components[0].other_hashes.len(), 1);
    assert_eq!(tags.relations.len(), 1);
    assert_eq!(tags, json);
    assert_eq!(read(&json_twin("SPDX-2.3").to_string()).unwrap().spec, "SPDX-2.3");
}

#[test]
fn faults_of_tag_value_name_their_line() {
    for (good, bad, line) in [
        ("SPDXVersion: SPDX-2.2", "SPDXVersion: SPDX-9", "line 2"),
        ("SPDXID: SPDXRef-left", "SPDXID: SPDXRef-app", "line 20"),
        ("SHA256: ba78", "SHA256: zz78", "line 20"),
        ("SHA256: ba78", "FOO: ba78", "line 20"),
        ("DEPENDS_ON ", "", "line 28"),
        ("</text>\nPrimary", "\nPrimary", "line 16"),
        ("PackageVersion: 2.0", "PackageVersion: 2.0\nPackageVersion: 3.0", "line 23"),
        ("ExternalRef: PACKAGE-MANAGER purl", "ExternalRef: purl", "line 26"),
        ("PackageDownloadLocation: NONE\n", "", "line 20"),
        ("Created: 2026-01-01T00:00:00Z", "Created: yesterday", "line 8"),
    ] {
        assert!(TAGS.contains(good), "{good}");
        let fault = read(&TAGS.replacen(good, bad, 1)).unwrap_err();
        assert!(fault.place.starts_with(line), "{bad}: {fault}");
    }
}

#[test]
fn what_is_not_valid_is_refused() {
    let cases: &[(&str, Value, Code)] = &[
        ("/spdxVersion", json!("SPDX-2.1"), Code::UnsupportedVersion),
        ("/SPDXID", json!("SPDXRef-other"), Code::MalformedField),
        ("/documentNamespace", json!("https://example.org/a#b"), Code::MalformedField),
        ("/creationInfo/created", json!("soon"), Code::MalformedField),
        ("/packages/1/SPDXID", json!("SPDXRef-app"), Code::MalformedField),
        ("/packages/1/SPDXID", json!("left"), Code::MalformedField),
        ("/packages/1/name", Value::Null, Code::MalformedField),
        ("/packages/1/checksums/0/checksumValue", json!("ba78"), Code::MalformedField),
        ("/packages/1/checksums/0/algorithm", json!("SHA-256"), Code::MalformedField),
        ("/relationships/0/relationshipType", Value::Null, Code::MalformedField),
    ];
    for (pointer, value, code) in cases {
        let mut document = json_twin("SPDX-2.3");
        *document.pointer_mut(pointer).unwrap() = value.clone();
        assert_eq!(read(&document.to_string()).unwrap_err().code, *code, "{pointer}");
    }
}

#[test]
fn relations_to_nothing_are_gaps() {
    let mut document = json_twin("SPDX-2.3");
    document["relationships"][1]["relatedSpdxElement"] = json!("SPDXRef-ghost");
    let gaps = read(&document.to_string()).unwrap().gaps;
    assert!(gaps.iter().any(|gap| gap.contains("SPDXRef-ghost")), "{gaps:?}");
}

fn graph() -> Value {
    json!({
        "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld",
        "@graph": [
            { "type": "CreationInfo", "@id": "_:c", "specVersion": "3.0.1", "created": "2026-01-01T00:00:00Z" },
            { "type": "SpdxDocument", "spdxId": "urn:d", "creationInfo": "_:c", "rootElement": ["urn:s"] },
            { "type": "software_Sbom", "spdxId": "urn:s", "creationInfo": "_:c", "rootElement": ["urn:app"] },
            { "type": "Relationship", "spdxId": "urn:r1", "from": "urn:app", "to": ["urn:left"], "relationshipType": "dependsOn" },
            { "type": "Relationship", "spdxId": "urn:r2", "from": "urn:left", "to": ["urn:mit"], "relationshipType": "hasDeclaredLicense" },
            { "type": "software_Package", "spdxId": "urn:app", "name": "app", "software_primaryPurpose": "application" },
            { "type": "software_Package", "spdxId": "urn:left", "name": "left", "software_packageVersion": "2.0",
              "software_packageUrl": "pkg:npm/left@2.0",
              "verifiedUsing": [{ "type": "Hash", "algorithm": "sha256",
                "hashValue": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" }] },
            { "type": "simplelicensing_LicenseExpression", "spdxId": "urn:mit", "simplelicensing_licenseExpression": "MIT" },
            { "type": "security_Vulnerability", "spdxId": "urn:v", "name": "CVE-2026-1" }
        ]
    })
}

#[test]
fn a_graph_of_version_3_is_read() {
    let sbom = read(&graph().to_string()).unwrap();
    assert_eq!(sbom.spec, "SPDX-3.0.1");
    assert_eq!(sbom.subject.as_ref().map(|subject| subject.kind.as_str()), Some("application"));
    let left = &sbom.components[0];
    assert_eq!((left.version.as_deref(), left.licences.as_slice()), (Some("2.0"), &["MIT".to_owned()][..]));
    assert_eq!((left.digests.len(), sbom.relations.len()), (1, 1));
    assert_eq!(sbom.unread.get("security_Vulnerability"), Some(&1));
}

#[test]
fn a_graph_that_is_not_valid_is_refused() {
    for (pointer, value, place) in [
        ("/@graph/0/specVersion", json!("3.1"), "$.@graph[0].specVersion"),
        ("/@graph/1/type", json!("Other"), "$"),
        ("/@graph/6/spdxId", json!("urn:app"), "$.@graph[6].spdxId"),
        ("/@graph/6/name", Value::Null, "$.@graph[6]"),
        ("/@graph/6/verifiedUsing/0/hashValue", json!("ba78"), "$.@graph[6].verifiedUsing[0].hashValue"),
        ("/@graph/3/to", json!("urn:left"), "$.@graph[3].to"),
    ] {
        let mut document = graph();
        *document.pointer_mut(pointer).unwrap() = value;
        assert_eq!(read(&document.to_string()).unwrap_err().place, place, "{pointer}");
    }
}
