//! Every case of the package-url test suite.

use std::path::PathBuf;

use linkward_model::{Parts, Purl, PurlError};
use serde_json::Value;

#[test]
fn every_published_case() {
    let Some(vectors) = linkward_testkit::vectors() else { return };
    let mut files: Vec<PathBuf> = vec![vectors.join("purl/spec/specification-test.json")];
    files.extend(std::fs::read_dir(vectors.join("purl/types")).unwrap().map(|entry| entry.unwrap().path()));
    files.sort();
    let (mut cases, mut refused, mut wrong) = (0, 0, Vec::new());
    for file in files {
        let document: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        for case in document["tests"].as_array().unwrap() {
            cases += 1;
            refused += usize::from(case["expected_failure"] == true);
            if let Err(why) = run(case) {
                wrong.push(format!(
                    "{}: {}: {why}",
                    file.file_name().unwrap().display(),
                    case["description"]
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {cases} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases >= 580 && refused >= 54, "{cases} cases, {refused} to be refused");
}

fn run(case: &Value) -> Result<(), String> {
    let (input, expected) = (&case["input"], &case["expected_output"]);
    let found: Result<Purl, PurlError> = match case["test_type"].as_str() {
        Some("parse") => Purl::parse_strict(input.as_str().unwrap()),
        Some("validate" | "roundtrip") => input.as_str().unwrap().parse(),
        Some("build") => build(input),
        other => return Err(format!("no such test type: {other:?}")),
    };
    match found {
        Ok(purl) if case["expected_failure"] == true => Err(format!("accepted as {purl}")),
        Err(error) if case["expected_failure"] == false => Err(format!("{input}: {error}")),
        Err(_) => Ok(()),
        Ok(purl) if expected.is_string() => {
            let again = purl.to_string().parse::<Purl>().map_err(|error| error.to_string())?;
            if again != purl {
                return Err(format!("{purl} does not come back as itself"));
            }
            compare(&Value::from(purl.to_string()), expected)
        }
        Ok(purl) => compare(&parts(&purl), &without_nulls(expected)),
    }
}

fn compare(found: &Value, expected: &Value) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{found}, expected {expected}")) }
}

fn build(input: &Value) -> Result<Purl, PurlError> {
    let text = |name: &str| input[name].as_str();
    let qualifiers: Vec<(&str, &str)> = input["qualifiers"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.as_str(), value.as_str().unwrap()))
        .collect();
    Purl::from_parts(&Parts {
        kind: text("type").unwrap_or(""),
        namespace: text("namespace"),
        name: text("name").unwrap_or(""),
        version: text("version"),
        qualifiers: &qualifiers,
        subpath: text("subpath"),
    })
}

fn parts(purl: &Purl) -> Value {
    let qualifiers = (!purl.qualifiers().is_empty()).then(|| purl.qualifiers());
    without_nulls(&serde_json::json!({
        "type": purl.kind(), "namespace": purl.namespace(), "name": purl.name(), "version": purl.version(),
        "qualifiers": qualifiers, "subpath": purl.subpath(),
    }))
}

fn without_nulls(value: &Value) -> Value {
    let members = value.as_object().into_iter().flatten();
    members.filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), value.clone())).collect()
}
