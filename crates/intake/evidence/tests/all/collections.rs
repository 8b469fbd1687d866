//! Documents of several attestations are split into documents of one.

use linkward_evidence::collection::split;
use linkward_model::Code;
use serde_json::{Value, json};

fn parts(document: &str) -> Option<Vec<Value>> {
    let parts = split(document.as_bytes()).unwrap()?;
    Some(parts.iter().map(|part| serde_json::from_str(part).unwrap()).collect())
}

#[test]
fn what_registries_and_hosts_answer() {
    let (one, two) = (json!({ "mediaType": "a" }), json!({ "mediaType": "b" }));
    let listed = json!({ "attestations": [
        { "predicateType": "p", "bundle": one, "repository_id": 1 },
        { "predicateType": "q", "bundle": two },
    ] });
    assert_eq!(parts(&listed.to_string()), Some(vec![one.clone(), two.clone()]));
    let provenance = json!({ "version": 1, "attestation_bundles": [
        { "publisher": { "kind": "GitHub" }, "attestations": [one] },
        { "publisher": { "kind": "GitLab" }, "attestations": [two] },
    ] });
    assert_eq!(parts(&provenance.to_string()), Some(vec![one.clone(), two.clone()]));
    assert_eq!(parts(&format!("{one}\n\n{two}\n")), Some(vec![one.clone(), two]));
    // One document, over several lines or on one, is no collection.
    assert_eq!(parts(&one.to_string()), None);
    assert_eq!(parts(&serde_json::to_string_pretty(&one).unwrap()), None);
    assert_eq!(parts("{}\n{\n"), None);
    assert_eq!(parts("no JSON"), None);
}

#[test]
fn collections_without_a_part_or_with_too_many() {
    let code = |document: &Value| split(document.to_string().as_bytes()).unwrap_err().code;
    assert_eq!(code(&json!({ "attestations": [] })), Code::NoSignature);
    assert_eq!(code(&json!({ "attestations": [{}] })), Code::MalformedField);
    assert_eq!(code(&json!({ "attestation_bundles": [{}] })), Code::MalformedField);
    assert_eq!(code(&json!({ "attestations": {} })), Code::MalformedField);
    let many = vec![json!({ "bundle": {} }); 1001];
    assert_eq!(code(&json!({ "attestations": many })), Code::TooLarge);
    let lines = "{}\n".repeat(1001);
    assert_eq!(split(lines.as_bytes()).unwrap_err().code, Code::TooLarge);
}
