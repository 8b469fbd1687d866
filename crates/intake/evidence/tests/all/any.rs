//! Parsers meet anything: never a panic, and what is damaged is read or refused with a place.

use linkward_evidence::parse;
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
            map.iter().for_each(|(name, value)| places(value, format!("{at}/{name}"), found))
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
            if let Err(fault) = parse(document.to_string().as_bytes()) {
                assert!(fault.place.starts_with('$') || fault.place.starts_with("line"), "{fault:?}");
                assert!(!fault.message.is_empty());
            }
        });
    }
}
