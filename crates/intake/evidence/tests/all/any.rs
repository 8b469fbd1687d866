//! Parsers meet anything: never a panic, and what is damaged is read or refused with a place.

use linkward_evidence::parse;
use linkward_evidence::predicate::Predicate;
use linkward_evidence::statement::Statement;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::documents::cases;

thread_local! {
    static GOOD: Vec<Value> =
        cases("good").iter().map(|(_, bytes)| serde_json::from_slice(bytes).unwrap()).collect();
}

fn strange() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!([])),
        Just(json!({})),
        Just(json!(-1)),
        Just(json!(1e300)),
        Just(json!(u64::MAX)),
        Just(json!([[[]]])),
        "\\PC{0,20}".prop_map(Value::String),
    ]
}

fn places(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(name, value)| {
                let name = name.replace('~', "~0").replace('/', "~1");
                places(value, format!("{at}/{name}"), found);
            });
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| places(value, format!("{at}/{index}"), found));
        }
        _ => {}
    }
    found.push(at);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&bytes);
    }

    /// Any value of a good document replaced by any other.
    #[test]
    fn damaged_documents(
        which in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        other in strange(),
    ) {
        GOOD.with(|good| {
            let mut document = good[which.index(good.len())].clone();
            let mut found = Vec::new();
            places(&document, String::new(), &mut found);
            let place = &found[place.index(found.len())];
            *document.pointer_mut(place).unwrap() = other;
            if let Ok(statement) = Statement::parse(document.to_string().as_bytes()) {
                let _ = Predicate::read(&statement);
            }
            if let Err(fault) = parse(document.to_string().as_bytes()) {
                assert!(fault.place.starts_with('$') || fault.place.starts_with("line"), "{fault:?}");
                assert!(!fault.message.is_empty());
            }
        });
    }
}

/// Documents that are no JSON.
const TEXTS: &[&str] = &[
    r#"<?xml version="1.0"?><bom xmlns="http://cyclonedx.org/schema/bom/1.6" version="1"><components><component type="library" bom-ref="a"><name>a</name><hashes><hash alg="MD5">900150983cd24fb0d6963f7d28e17f72</hash></hashes><licenses><license><id>MIT</id></license></licenses></component></components><dependencies><dependency ref="a"><dependency ref="a"/></dependency></dependencies></bom>"#,
    "SPDXVersion: SPDX-2.3\nDataLicense: CC0-1.0\nSPDXID: SPDXRef-DOCUMENT\nDocumentName: d\nDocumentNamespace: urn:d\nCreated: 2026-01-01T00:00:00Z\nPackageName: a\nSPDXID: SPDXRef-a\nPackageDownloadLocation: NONE\nPackageComment: <text>a\nb</text>\nPackageChecksum: MD5: 900150983cd24fb0d6963f7d28e17f72\nRelationship: SPDXRef-a CONTAINS SPDXRef-a\n",
];

proptest! {
    #[test]
    fn damaged_texts(which in 0..TEXTS.len(), at in any::<prop::sample::Index>(), cut in 0..40_usize, put in "\\PC{0,8}|<[a-z]{1,9}>|</[a-z]{1,9}>|\n[A-Z][a-z]{1,9}:") {
        let mut text: Vec<char> = TEXTS[which].chars().collect();
        let at = at.index(text.len());
        text.splice(at..(at + cut).min(text.len()), put.chars());
        let text: String = text.into_iter().collect();
        if let Err(fault) = parse(text.as_bytes()) {
            prop_assert!(!fault.place.is_empty());
        }
    }
}

#[test]
fn the_undamaged_texts_are_read() {
    for text in TEXTS {
        assert!(parse(text.as_bytes()).is_ok(), "{:?}", parse(text.as_bytes()));
    }
}
