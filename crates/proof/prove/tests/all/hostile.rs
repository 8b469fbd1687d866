//! Bundles as an attacker would send them: each is right in all things but one, and one check alone stands in its way.
//! The mutator starts from them too: were that check gone, it would find an acceptance at once
//! (`cargo xtask fuzz --switched-off`).

use linkward_ledger::merkle::Hash;
use linkward_model::{Digest, Instant};
use rcgen::{ExtendedKeyUsagePurpose, KeyPair, SanType, date_time_ymd};
use serde_json::{Value, json};

use crate::instance::*;

/// One such bundle.
pub(crate) struct Hostile {
    /// The check that refuses it.
    pub(crate) check: &'static str,
    pub(crate) bundle: Value,
    /// The good bundle that a mutation may lead back to, where what is wrong can be put right with parts of others.
    pub(crate) good: Option<Value>,
}

const ENTRY: &str = "/verificationMaterial/tlogEntries/0";

/// Bundles against this instance, whose certificates carry timestamps of its certificate log.
pub(crate) fn bundles(own: &Instance) -> Vec<Hostile> {
    let mut found = entries(own);
    found.extend(stamps(own));
    found.extend(certificates(own));
    found.extend(contents(own));
    found
}

/// The trust root that they are sent to: one of its logs is trusted no longer.
pub(crate) fn root(own: &Instance) -> Value {
    let mut root = own.root();
    root["ctlogs"] = json!([own.certificate_log()]);
    let mut retired = root["tlogs"][1].clone();
    retired["publicKey"]["rawBytes"] = json!(b64(&spki(&own.retired)));
    retired["publicKey"]["validFor"]["end"] = json!("2025-12-01T00:00:00Z");
    retired["logId"]["keyId"] = json!(b64(&own.retired_id()));
    root["tlogs"].as_array_mut().unwrap().push(retired);
    root
}

/// A statement that no good bundle of the corpus makes.
fn payload(name: &str, artifact: &[u8]) -> Vec<u8> {
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": "app", "digest": { "sha256": Digest::sha256(artifact).hex() } }],
        "predicateType": "https://example.com/predicate/v1",
        "predicate": { "hostile": name },
    })
    .to_string()
    .into_bytes()
}

fn unstamped(own: &Instance, name: &str, leaf: &Leaf, log: Log) -> Value {
    own.envelope(&By::Leaf(leaf), log, &payload(name, ARTIFACT))
}

fn stamped(own: &Instance, name: &str, leaf: &Leaf, log: Log) -> Value {
    let mut document = unstamped(own, name, leaf, log);
    own.stamp(&mut document, SIGNED);
    document
}

fn changed(check: &'static str, mut bundle: Value, change: impl FnOnce(&mut Value)) -> Hostile {
    change(&mut bundle);
    alone(check, bundle)
}

fn repairable(check: &'static str, good: Value, change: impl FnOnce(&mut Value)) -> Hostile {
    Hostile { good: Some(good.clone()), ..changed(check, good, change) }
}

fn alone(check: &'static str, bundle: Value) -> Hostile {
    Hostile { check, bundle, good: None }
}

/// Lies about the log.
fn entries(own: &Instance) -> Vec<Hostile> {
    let leaf = own.leaf_with_timestamp(signing(), &own.certificate_key);
    let v1 = |name| stamped(own, name, &leaf, Log::V1(SIGNED));
    let v2 = |name| stamped(own, name, &leaf, Log::V2);
    let another = v2("another entry");
    let other_proof = another.pointer(ENTRY).unwrap()["inclusionProof"].clone();
    let signed = |name: &'static str, origin: &'static str, key: &KeyPair| {
        changed("checkpoint", v2(name), |document| {
            let entry = document.pointer_mut(ENTRY).unwrap();
            let root = Hash::from_slice(&unb64(&entry["inclusionProof"]["rootHash"])).unwrap();
            let id = unb64(&entry["logId"]["keyId"]);
            entry["inclusionProof"]["checkpoint"]["envelope"] =
                json!(note(origin, &root, V2_HOST, &id[..4], key));
        })
    };
    vec![
        repairable("log-promise", v1("earlier than promised"), |document| {
            let earlier = SIGNED.seconds() - 3600;
            document.pointer_mut(ENTRY).unwrap()["integratedTime"] = json!(earlier.to_string());
        }),
        changed("log-inclusion", v2("not in the log"), |document| {
            document.pointer_mut(ENTRY).unwrap()["inclusionProof"] = other_proof.clone();
        }),
        changed("log-inclusion", v1("without a proof"), |document| {
            document.pointer_mut(ENTRY).unwrap().as_object_mut().unwrap().remove("inclusionProof");
        }),
        signed("a checkpoint by somebody", V2_HOST, &KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap()),
        signed("a checkpoint of another log", "other.example", &own.v2),
        changed("checkpoint", v2("a checkpoint of another tree"), |document| {
            document.pointer_mut(ENTRY).unwrap()["inclusionProof"]["checkpoint"] =
                other_proof["checkpoint"].clone();
        }),
        repairable("log-entry", v2("one entry twice"), |document| {
            let list = &mut document["verificationMaterial"]["tlogEntries"];
            let first = list[0].clone();
            list.as_array_mut().unwrap().push(first);
        }),
        changed("signing-time", v2("a log that is trusted no longer"), |document| {
            let body = unb64(&document.pointer(ENTRY).unwrap()["canonicalizedBody"]);
            *document.pointer_mut(ENTRY).unwrap() =
                own.retired_entry(&serde_json::from_slice(&body).unwrap());
        }),
    ]
}

/// Lies about the time.
fn stamps(own: &Instance) -> Vec<Hostile> {
    let leaf = own.leaf_with_timestamp(signing(), &own.certificate_key);
    let bare = |name| unstamped(own, name, &leaf, Log::V2);
    let earlier = Instant::from_seconds(SIGNED.seconds() - 7200);
    let with = |name, stamp: &dyn Fn(&mut Value)| {
        let mut document = bare(name);
        stamp(&mut document);
        document
    };
    let mut borrowed = bare("a timestamp of something else");
    let stamps = "timestampVerificationData";
    borrowed["verificationMaterial"][stamps] =
        with("elsewhere", &|document| own.stamp(document, earlier))["verificationMaterial"][stamps].clone();
    let mut long = signing();
    long.not_after = date_time_ymd(2027, 1, 1);
    let long = own.leaf_with_timestamp(long, &own.certificate_key);
    let mut future = unstamped(own, "signed tomorrow", &long, Log::V2);
    own.stamp(&mut future, Instant::from_seconds(NOW.seconds() + 86_400));
    vec![
        alone("timestamp", borrowed),
        changed(
            "timestamp",
            with("a time changed afterwards", &|document| own.stamp(document, SIGNED)),
            |document| {
                let place =
                    "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp";
                let token = document.pointer_mut(place).unwrap();
                let mut bytes = unb64(token);
                let at = bytes.windows(8).position(|window| window == b"20260101").unwrap();
                // An hour after the one that was signed.
                bytes[at + 9] += 1;
                *token = json!(b64(&bytes));
            },
        ),
        alone(
            "timestamp",
            with("a timestamp by somebody", &|document| {
                own.stamp_by(document, &KeyPair::generate().unwrap(), SIGNED);
            }),
        ),
        alone(
            "timestamp",
            with("a timestamp naming another", &|document| own.stamp_naming_another(document, SIGNED)),
        ),
        alone("signing-time", future),
    ]
}

/// Lies about the signer.
fn certificates(own: &Instance) -> Vec<Hostile> {
    let made = |check, name, leaf: &Leaf| alone(check, stamped(own, name, leaf, Log::V2));
    let with = |check, name, change: &dyn Fn(&mut rcgen::CertificateParams)| {
        let mut params = signing();
        change(&mut params);
        made(check, name, &own.leaf_with_timestamp(params, &own.certificate_key))
    };
    vec![
        made("certificate-chain", "an authority of the same name", &own.leaf_by_stranger(signing())),
        with("certificate-chain", "a certificate of last year", &|leaf| {
            leaf.not_before = date_time_ymd(2025, 1, 1);
            leaf.not_after = date_time_ymd(2025, 1, 2);
        }),
        with("certificate-usage", "a server's certificate", &|leaf| {
            leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        }),
        with("certificate-usage", "an authority signs", &|leaf| {
            leaf.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        }),
        made(
            "sct",
            "a certificate that no log saw",
            &own.leaf_with_timestamp(signing(), &KeyPair::generate().unwrap()),
        ),
        with("identity", "somebody else", &|leaf| {
            leaf.subject_alt_names =
                vec![SanType::URI("https://ci.example/evil/build.yml".try_into().unwrap())];
        }),
    ]
}

/// Lies about what was signed.
fn contents(own: &Instance) -> Vec<Hostile> {
    let leaf = own.leaf_with_timestamp(signing(), &own.certificate_key);
    let sibling = own.leaf_with_timestamp(signing(), &own.certificate_key);
    let pae = |payload: &[u8]| linkward_evidence::dsse::pae("application/vnd.in-toto+json", payload);
    let relogged = |name, by: &Leaf, digest: &dyn Fn(&[u8]) -> Digest| {
        changed("log-entry-matches", stamped(own, name, &leaf, Log::V2), |document| {
            let payload = unb64(&document["dsseEnvelope"]["payload"]);
            let signature = unb64(&document["dsseEnvelope"]["signatures"][0]["sig"]);
            *document.pointer_mut(ENTRY).unwrap() =
                own.v2_entry(&v2_body(&By::Leaf(by), &digest(&payload), &signature));
        })
    };
    let mut about_another =
        own.envelope(&By::Leaf(&leaf), Log::V2, &payload("of something else", b"another"));
    own.stamp(&mut about_another, SIGNED);
    vec![
        changed("signature", stamped(own, "what was signed", &leaf, Log::V2), |document| {
            let other = payload("what was not signed", ARTIFACT);
            let signature = unb64(&document["dsseEnvelope"]["signatures"][0]["sig"]);
            document["dsseEnvelope"]["payload"] = json!(b64(&other));
            *document.pointer_mut(ENTRY).unwrap() =
                own.v2_entry(&v2_body(&By::Leaf(&leaf), &Digest::sha256(&pae(&other)), &signature));
        }),
        changed("log-entry-matches", stamped(own, "the other signature", &leaf, Log::V2), |document| {
            let again = stamped(own, "the other signature", &leaf, Log::V2);
            *document.pointer_mut(ENTRY).unwrap() = again.pointer(ENTRY).unwrap().clone();
        }),
        relogged("logged for another certificate", &sibling, &|payload| Digest::sha256(&pae(payload))),
        relogged("logged for another content", &leaf, &|_| Digest::sha256(b"another content")),
        alone("subject", about_another),
    ]
}
