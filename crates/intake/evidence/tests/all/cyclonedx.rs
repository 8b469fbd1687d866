//! Every published document of CycloneDX 1.0 to 1.7: the valid ones are read, the invalid ones refused at their place.

use std::path::PathBuf;

use linkward_evidence::{Claim, parse};
use linkward_model::Code;

/// Documents by version, JSON and XML.
pub(crate) fn documents() -> Vec<(String, Vec<u8>)> {
    let Some(vectors) = linkward_testkit::vectors() else { return Vec::new() };
    let mut found: Vec<PathBuf> = Vec::new();
    for folder in std::fs::read_dir(vectors.join("cyclonedx")).unwrap() {
        found.extend(std::fs::read_dir(folder.unwrap().path()).unwrap().map(|entry| entry.unwrap().path()));
    }
    found.retain(|path| path.extension().is_some_and(|it| it == "json" || it == "xml"));
    // What the suite itself skips is in dispute.
    found.retain(|path| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("skip_")));
    found.sort();
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    found.iter().map(|path| (name(path), std::fs::read(path).unwrap())).collect()
}

pub(crate) fn is_valid(name: &str) -> bool {
    name.starts_with("valid-")
}

#[test]
fn every_valid_document_is_read() {
    let documents = documents();
    let mut wrong = Vec::new();
    let mut read = 0;
    for (name, bytes) in documents.iter().filter(|(name, _)| is_valid(name)) {
        match parse(bytes) {
            Ok(Claim::Sbom(_)) => read += 1,
            Ok(_) => wrong.push(format!("{name}: taken for something else")),
            Err(fault) => wrong.push(format!("{name}: {fault}")),
        }
    }
    assert!(wrong.is_empty(), "{read} read, {} not:\n{}", wrong.len(), wrong.join("\n"));
    assert!(documents.is_empty() || read >= 466, "{read}");
}

/// The defect by the document's name, and the place of it.
const DEFECTS: &[(&str, &[&str])] = &[
    ("bomformat", &["$.bomFormat"]),
    ("citations", &["$.citations[0]", "$.citations[2]"]),
    ("component-external-version-and-range", &["$.components[0].versionRange"]),
    ("component-ref", &["$.components[1].bom-ref", "$.components[0].components[0].bom-ref"]),
    ("component-swid", &["$.components[0].swid"]),
    ("component-type", &["$.components[0].type"]),
    ("component-versionRange-non-external-explicit", &["$.components[0].versionRange"]),
    ("component-versionRange-non-external-implicit", &["$.components[0].versionRange"]),
    ("dependency", &["$.dependencies[0]"]),
    ("depgraph", &["line 25, column 13"]),
    ("empty-component", &["$.components[0]"]),
    ("hash-alg", &["$.components[0].hashes[0].alg"]),
    ("hash-md5", &["$.components[0].hashes[0].content"]),
    ("hash-sha1", &["$.components[0].hashes[1].content"]),
    ("hash-sha256", &["$.components[0].hashes[2].content"]),
    ("hash-sha512", &["$.components[0].hashes[3].content"]),
    ("issue-type", &["$.components[0].pedigree.patches[0].resolves[0].type"]),
    ("license-choice", &["$.components[0].licenses[0]", "$.components[0].licenses"]),
    ("license-declared-concluded-mix", &["$.components[0].licenses"]),
    ("license-encoding", &["$.components[0].licenses[0].license.text.encoding"]),
    ("license-id", &["$.components[0].licenses[0].license.id"]),
    ("license-id-count", &["line 21, column 21", "line 24, column 21"]),
    ("license-missing-id-and-name", &["$.components[0].licenses[0].license"]),
    ("license-name-count", &["line 21, column 21", "line 24, column 21"]),
    ("metadata-distribution", &["$.metadata"]),
    ("metadata-license", &["$.metadata.licenses[0].license.id"]),
    ("metadata-timestamp", &["$.metadata.timestamp"]),
    ("missing-component-type", &["$.components[0]"]),
    ("namespace", &["line 2, column 1"]),
    ("patch-type", &["$.components[0].pedigree.patches[0].type"]),
    ("properties", &["$.components[0].licenses[0].license.properties[0]"]),
    ("scope", &["$.components[0].scope"]),
    ("serialnumber", &["$.serialNumber"]),
    ("service-data", &["$.services[0].data[0].flow"]),
];

#[test]
fn every_invalid_document_is_refused_at_its_place() {
    let documents = documents();
    let mut wrong = Vec::new();
    let mut refused = 0;
    for (name, bytes) in documents.iter().filter(|(name, _)| !is_valid(name)) {
        let stem = name.trim_start_matches("informal-").trim_start_matches("invalid-");
        let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
        let stem = stem.rsplit_once("-1.").map_or(stem, |(stem, _)| stem);
        let Some((_, places)) = DEFECTS.iter().find(|(known, _)| *known == stem) else {
            panic!("no defect is known by the name of {name}");
        };
        let code = if stem == "namespace" { Code::UnsupportedVersion } else { Code::MalformedField };
        match parse(bytes) {
            Ok(_) => wrong.push(format!("{name}: accepted")),
            Err(fault) if fault.code != code => wrong.push(format!("{name}: {:?} {fault}", fault.code)),
            Err(fault) => {
                // XML names line and column, and the path behind them where there is one.
                let path = fault.place.split_once(" (").map_or(fault.place.as_str(), |(_, path)| path);
                let path = path.trim_end_matches(')');
                let lines = !name.ends_with(".xml") || fault.place.starts_with("line ");
                if !places.contains(&path) || !lines {
                    wrong.push(format!("{name}: {fault}"));
                }
                refused += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(documents.is_empty() || refused >= 308, "{refused}");
}

const COMPONENT: &str = r#"<component type="library"><name>a</name><version>1</version></component>"#;

fn xml(version: &str, before: &str, inside: &str) -> Result<Claim, linkward_evidence::Fault> {
    let text = format!(
        "{before}<bom xmlns=\"http://cyclonedx.org/schema/bom/{version}\" version=\"1\"><components>{inside}</components></bom>"
    );
    parse(text.as_bytes())
}

#[test]
fn document_types_are_refused() {
    assert!(xml("1.6", "", COMPONENT).is_ok());
    let reads_a_file = r#"<!DOCTYPE bom [<!ENTITY secret SYSTEM "file:///dev/null">]>"#;
    let blows_up = r#"<!DOCTYPE bom [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>"#;
    for before in [reads_a_file, blows_up] {
        assert_eq!(xml("1.6", before, COMPONENT).unwrap_err().code, Code::MalformedXml);
    }
}

#[test]
fn a_malformed_component_is_found_wherever_it_hides() {
    let hidden = COMPONENT.replace("library", "foo");
    let wrap = |inside: &str| {
        format!("<component type=\"library\"><name>a</name><version>1</version>{inside}</component>")
    };
    for inside in [
        wrap(&format!("<components>{hidden}</components>")),
        wrap(&format!("<pedigree><ancestors>{hidden}</ancestors></pedigree>")),
        wrap(&format!("<pedigree><variants>{COMPONENT}{hidden}</variants></pedigree>")),
    ] {
        let fault = xml("1.6", "", &inside).unwrap_err();
        assert!(fault.code == Code::MalformedField && fault.message.contains("foo"), "{fault}");
        assert!(xml("1.6", "", &inside.replace("foo", "file")).is_ok());
    }
    let deep =
        (0..200).fold(COMPONENT.to_owned(), |inside, _| wrap(&format!("<components>{inside}</components>")));
    assert_eq!(xml("1.6", "", &deep).unwrap_err().code, Code::TooLarge);
}

#[test]
fn a_type_of_component_has_its_version() {
    let asset = COMPONENT.replace("library", "cryptographic-asset");
    assert!(xml("1.6", "", &asset).is_ok());
    assert!(xml("1.5", "", &asset).is_err());
}

#[test]
fn xml_and_json_say_the_same() {
    let documents = documents();
    let mut compared = 0;
    for (name, bytes) in documents.iter().filter(|(name, _)| is_valid(name) && name.ends_with(".json")) {
        let other = name.replace(".json", ".xml");
        let Some((_, xml)) = documents.iter().find(|(name, _)| *name == other) else { continue };
        if DIFFERENT.iter().any(|stem| name.contains(stem)) {
            continue;
        }
        let (json, xml) = (sbom(bytes), sbom(xml));
        assert_eq!(json.components, xml.components, "{name}");
        assert_eq!(json.contains, xml.contains, "{name}");
        assert_eq!(json.relations, xml.relations, "{name}");
        compared += 1;
    }
    assert!(documents.is_empty() || compared > 120, "{compared}");
}

/// Pairs of published documents that do not say the same in both syntaxes.
const DIFFERENT: &[&str] = &[
    "valid-bom-",
    "component-ref-",
    "dependency-",
    "license-expression-1",
    "license-id-1",
    "license-name-1",
    "compositions-",
    "component-external-with-version.",
    "cryptography-implementation-1.7",
    "license-choice-1.7",
];

fn sbom(bytes: &[u8]) -> linkward_evidence::sbom::Sbom {
    match parse(bytes) {
        Ok(Claim::Sbom(sbom)) => sbom,
        other => panic!("{other:?}"),
    }
}
