//! Every value of a good bundle, changed one at a time: refused, or without any bearing on what was proven.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_model::Digest;
use linkward_prove::{Artifact, Attestation, Proven, Signer, TrustRoots, bundle};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::instance::*;

fn verify(document: &[u8], roots: &TrustRoots) -> Option<Proven<Attestation>> {
    let digests = [Digest::sha256(ARTIFACT)];
    bundle(document, roots, Signer::LeftToPolicy { keyring: &[] }, Artifact::Digests(&digests), NOW).ok()
}

fn conclusion(proven: &Proven<Attestation>) -> String {
    let claim = proven.claim();
    format!(
        "{} {:?} {:?} {:?} {:?}",
        proven.signer(),
        proven.proven_at(),
        claim.subjects(),
        claim.statement(),
        claim.logged()
    )
}

/// Without its promise an entry of Rekor v1 is proven in its tree only: it has another number there, and no other
/// change may show.
fn same(place: &str, good: &str, found: &str) -> bool {
    let without = place.contains("inclusionPromise");
    found == good || (without && found == good.replace("index: 1001", "index: 1"))
}

/// Pointers to every value below.
fn pointers(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(name, value)| pointers(value, format!("{at}/{name}"), found))
        }
        Value::Array(list) => {
            list.iter()
                .enumerate()
                .for_each(|(index, value)| pointers(value, format!("{at}/{index}"), found));
        }
        _ => {}
    }
    if !at.is_empty() {
        found.push(at);
    }
}

/// Other values in its place: another bit in bytes at several places, another number, nothing, another type.
fn changes(value: &Value) -> Vec<Value> {
    let mut changed = vec![Value::Null, json!([]), json!({}), json!(true), json!(-1), json!("")];
    if let Value::String(text) = value {
        if let Ok(number) = text.parse::<i64>() {
            changed.extend([json!((number + 1).to_string()), json!((number ^ 1 << 40).to_string())]);
        }
        let bytes = STANDARD.decode(text).unwrap_or_default();
        for place in [0, bytes.len() / 3, bytes.len() / 2, bytes.len().saturating_sub(1)] {
            let mut bytes = bytes.clone();
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1;
                changed.push(json!(b64(&bytes)));
            }
        }
        if !bytes.is_empty() {
            changed.push(json!(b64(&bytes[1..])));
            changed.push(json!(b64(&[&bytes[..], &[0]].concat())));
        }
        changed.push(json!(format!("{text} ")));
        changed.push(json!(text.to_uppercase()));
    }
    changed.retain(|other| other != value);
    changed
}

#[test]
fn no_value_can_be_changed_without_notice() {
    let own = Instance::new();
    let leaf = own.leaf();
    let mut tried = 0;
    for log in [Log::V1(SIGNED), Log::V2] {
        for make in [Instance::message, Instance::statement] {
            let mut document = make(&own, &By::Leaf(&leaf), log);
            own.stamp(&mut document, SIGNED);
            let good = conclusion(&verify(document.to_string().as_bytes(), &own.roots()).unwrap());
            let mut places = Vec::new();
            pointers(&document, String::new(), &mut places);
            for place in places {
                for change in changes(document.pointer(&place).unwrap()) {
                    let mut other = document.clone();
                    *other.pointer_mut(&place).unwrap() = change.clone();
                    tried += 1;
                    if let Some(proven) = verify(other.to_string().as_bytes(), &own.roots()) {
                        assert!(same(&place, &good, &conclusion(&proven)), "{place} as {change}");
                    }
                }
                let mut without = document.clone();
                let (parent, name) = place.rsplit_once('/').unwrap();
                if let Some(Value::Object(map)) = without.pointer_mut(parent) {
                    map.remove(name);
                    if let Some(proven) = verify(without.to_string().as_bytes(), &own.roots()) {
                        // Either proof of the time may go; the time that is left is the same here.
                        assert!(same(&place, &good, &conclusion(&proven)), "without {place}");
                    }
                }
            }
        }
    }
    assert!(tried > 1000, "{tried}");
}

/// What signs is looked at byte by byte, each at another bit: certificate, signature, entry, promise, checkpoint, timestamp.
#[test]
fn no_byte_of_what_was_signed_can_be_changed() {
    let own = Instance::new();
    let mut document = own.message(&By::Leaf(&own.leaf()), Log::V1(SIGNED));
    own.stamp(&mut document, SIGNED);
    let material = "/verificationMaterial";
    for place in [
        format!("{material}/certificate/rawBytes"),
        format!("{material}/tlogEntries/0/canonicalizedBody"),
        format!("{material}/tlogEntries/0/inclusionPromise/signedEntryTimestamp"),
        format!("{material}/tlogEntries/0/inclusionProof/rootHash"),
        format!("{material}/tlogEntries/0/inclusionProof/hashes/0"),
        "/messageSignature/signature".to_owned(),
        "/messageSignature/messageDigest/digest".to_owned(),
    ] {
        let bytes = unb64(document.pointer(&place).unwrap());
        for bit in (0..bytes.len() * 8).step_by(7) {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            let mut changed = document.clone();
            *changed.pointer_mut(&place).unwrap() = json!(b64(&other));
            assert!(verify(changed.to_string().as_bytes(), &own.roots()).is_none(), "{place} bit {bit}");
        }
    }
}

thread_local! {
    /// A good bundle, its roots, what it proves.
    static GOOD: (Value, TrustRoots, String) = {
        let own = Instance::new();
        let document = own.statement(&By::Leaf(&own.leaf()), Log::V1(SIGNED));
        let roots = own.roots();
        let good = conclusion(&verify(document.to_string().as_bytes(), &roots).unwrap());
        (document, roots, good)
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes of a bundle changed anywhere: never a panic, never another conclusion.
    #[test]
    fn damaged_documents(places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        GOOD.with(|(document, roots, good)| {
            let mut document = document.to_string().into_bytes();
            for (place, byte) in &places {
                let place = place.index(document.len());
                document[place] = *byte;
            }
            if let Some(proven) = verify(&document, roots) {
                assert_eq!(&conclusion(&proven), good);
            }
        });
    }

    /// Certificates, timestamps, keys and roots are read from strangers: any bytes, never a panic.
    #[test]
    fn strange_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        GOOD.with(|(document, roots, _)| {
            let mut document = document.clone();
            document["verificationMaterial"] = json!({
                "certificate": { "rawBytes": b64(&bytes) },
                "timestampVerificationData": { "rfc3161Timestamps": [{ "signedTimestamp": b64(&bytes) }] },
            });
            assert!(verify(document.to_string().as_bytes(), roots).is_none());
        });
        let _ = linkward_prove::PublicKey::from_spki(&bytes);
        let _ = TrustRoots::parse(&bytes);
    }
}
