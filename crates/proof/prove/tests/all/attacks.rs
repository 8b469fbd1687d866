//! Bundles that are right in all things but one, from an instance of our own.

use linkward_model::{Algorithm, Code, Digest, Instant};
use linkward_prove::{Artifact, Attestation, Pattern, Proven, Refusal, Signer, TrustRoots, bundle};
use rcgen::{BasicConstraints, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use serde_json::{Value, json};

use crate::instance::*;

type Outcome = Result<Proven<Attestation>, Box<Refusal>>;

fn verify(document: &Value, roots: &TrustRoots, artifact: Artifact<'_>) -> Outcome {
    let signer = Signer::LeftToPolicy { keyring: &[] };
    bundle(document.to_string().as_bytes(), roots, signer, artifact, NOW)
}

fn by_key(document: &Value, roots: &TrustRoots, key: &KeyPair) -> Outcome {
    let key = public(key);
    bundle(document.to_string().as_bytes(), roots, Signer::Key(&key), Artifact::Bytes(ARTIFACT), NOW)
}

fn code(outcome: Outcome) -> Option<Code> {
    outcome.err().map(|refusal| refusal.code)
}

/// What the other tests change one thing of.
#[test]
fn every_good_form_is_accepted() {
    let own = Instance::new();
    let leaf = own.leaf();
    let key = KeyPair::generate().unwrap();
    for log in [Log::V1(SIGNED), Log::V2] {
        for make in [Instance::message, Instance::statement] {
            let mut document = make(&own, &By::Leaf(&leaf), log);
            if log == Log::V2 {
                own.stamp(&mut document, SIGNED);
            }
            for artifact in [Artifact::Bytes(ARTIFACT), Artifact::Digests(&[Digest::sha256(ARTIFACT)])] {
                let proven = verify(&document, &own.roots(), artifact).unwrap();
                assert_eq!(proven.proven_at(), Some(SIGNED));
            }
            by_key(&make(&own, &By::Key(&key), log), &own.roots(), &key).unwrap();
        }
    }
}

#[test]
fn a_digest_that_was_not_signed_is_not_proven() {
    let own = Instance::new();
    let document = own.message(&By::Leaf(&own.leaf()), Log::V1(SIGNED));
    let other = Digest::of(Algorithm::Sha512, b"something else entirely");
    let digests = [Digest::sha256(ARTIFACT), other];
    let proven = verify(&document, &own.roots(), Artifact::Digests(&digests)).unwrap();
    let named: Vec<_> = proven.claim().subjects().iter().flat_map(|subject| &subject.digests).collect();
    assert_eq!(named, [&Digest::sha256(ARTIFACT)]);
}

#[test]
fn a_log_counts_only_while_it_is_trusted() {
    let own = Instance::new();
    let mut document = own.message(&By::Leaf(&own.leaf()), Log::V2);
    own.stamp(&mut document, SIGNED);
    let mut root = own.root();
    root["tlogs"][1]["publicKey"]["validFor"]["end"] = json!("2025-12-01T00:00:00Z");
    assert_eq!(code(verify(&document, &parsed(&root), Artifact::Bytes(ARTIFACT))), Some(Code::LogUnknown));
    let key = KeyPair::generate().unwrap();
    let document = own.message(&By::Key(&key), Log::V2);
    assert_eq!(code(by_key(&document, &parsed(&root), &key)), Some(Code::LogUnknown));
}

#[test]
fn the_index_that_is_reported_is_the_one_that_was_proven() {
    let own = Instance::new();
    let mut document = own.message(&By::Leaf(&own.leaf()), Log::V2);
    own.stamp(&mut document, SIGNED);
    document["verificationMaterial"]["tlogEntries"][0]["logIndex"] = json!("999999");
    assert_eq!(code(verify(&document, &own.roots(), Artifact::Bytes(ARTIFACT))), Some(Code::LogProofInvalid));
}

fn with_leaf(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Option<Code> {
    let own = Instance::new();
    let mut params = signing();
    change(&mut params);
    let leaf = own.leaf_of(&params);
    let document = own.message(&By::Leaf(&leaf), Log::V1(SIGNED));
    code(verify(&document, &own.roots(), Artifact::Bytes(ARTIFACT)))
}

#[test]
fn leaves_that_are_not_for_signing() {
    assert_eq!(with_leaf(|_| ()), None);
    let usage = Some(Code::CertificateUsage);
    assert_eq!(with_leaf(|leaf| leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]), usage);
    assert_eq!(with_leaf(|leaf| leaf.extended_key_usages.clear()), usage);
    assert_eq!(with_leaf(|leaf| leaf.key_usages = vec![KeyUsagePurpose::KeyEncipherment]), usage);
    assert_eq!(with_leaf(|leaf| leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)), usage);
    let poison = |leaf: &mut rcgen::CertificateParams| {
        let mut poison =
            CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 4, 3], vec![0x05, 0x00]);
        poison.set_criticality(true);
        leaf.custom_extensions.push(poison);
    };
    assert_eq!(with_leaf(poison), usage);
}

fn below(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Option<Code> {
    let own = Instance::new();
    let mut between = authority("between");
    between.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    change(&mut between);
    let leaf = own.leaf_below(&between, &signing());
    let document = own.message(&By::Leaf(&leaf), Log::V1(SIGNED));
    code(verify(&document, &own.roots(), Artifact::Bytes(ARTIFACT)))
}

#[test]
fn intermediates_that_may_not_issue_signing_certificates() {
    assert_eq!(below(|_| ()), None);
    let untrusted = Some(Code::CertificateUntrusted);
    assert_eq!(
        below(|between| between.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
        untrusted
    );
    assert_eq!(below(|between| between.key_usages = vec![KeyUsagePurpose::DigitalSignature]), untrusted);
    assert_eq!(below(|between| between.is_ca = IsCa::ExplicitNoCa), untrusted);
    let unknown = |between: &mut rcgen::CertificateParams| {
        let mut unknown = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![0x05, 0x00]);
        unknown.set_criticality(true);
        between.custom_extensions.push(unknown);
    };
    assert_eq!(below(unknown), untrusted);
}

/// The signing authority's own path length: an intermediate below one that allows none.
#[test]
fn a_path_is_not_longer_than_its_authority_allows() {
    let own = Instance::new();
    let mut between = authority("between");
    between.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let holder = own.leaf_below(&between, &{
        let mut second = authority("second");
        second.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        second
    });
    let second = {
        let mut second = authority("second");
        second.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        second
    };
    let key = KeyPair::generate().unwrap();
    let issuer = rcgen::Issuer::from_params(&second, &holder.key);
    let der = signing().signed_by(&key, &issuer).unwrap().der().to_vec();
    let leaf = Leaf { der, key, chain: vec![holder.der.clone(), holder.chain[0].clone()] };
    let document = own.message(&By::Leaf(&leaf), Log::V1(SIGNED));
    let found = code(verify(&document, &own.roots(), Artifact::Bytes(ARTIFACT)));
    assert_eq!(found, Some(Code::CertificateUntrusted));
}

#[test]
fn promises_at_the_wrong_time() {
    let own = Instance::new();
    let at = |leaf: &Leaf, time| {
        let document = own.message(&By::Leaf(leaf), Log::V1(time));
        code(verify(&document, &own.roots(), Artifact::Bytes(ARTIFACT)))
    };
    let days = |days: i64| Instant::from_seconds(SIGNED.seconds() + days * 86_400);
    assert_eq!(at(&own.leaf(), SIGNED), None);
    assert_eq!(at(&own.leaf(), days(5)), Some(Code::CertificateExpired));
    assert_eq!(at(&own.leaf(), days(-5)), Some(Code::CertificateExpired));
    assert_eq!(at(&own.leaf(), days(3_650)), Some(Code::LogTimeInFuture));
    let mut later = signing();
    later.not_before = rcgen::date_time_ymd(2030, 1, 1);
    later.not_after = rcgen::date_time_ymd(2030, 1, 2);
    assert_eq!(at(&own.leaf_of(&later), SIGNED), Some(Code::CertificateExpired));
}

/// The same key signs the same artifact twice, and the log lists the other signature.
#[test]
fn entries_of_another_signature() {
    let own = Instance::new();
    let leaf = own.leaf();
    for log in [Log::V1(SIGNED), Log::V2] {
        for make in [Instance::message, Instance::statement] {
            let one = make(&own, &By::Leaf(&leaf), log);
            let mut two = make(&own, &By::Leaf(&leaf), log);
            two["verificationMaterial"] = one["verificationMaterial"].clone();
            own.stamp(&mut two, SIGNED);
            let found = code(verify(&two, &own.roots(), Artifact::Bytes(ARTIFACT)));
            assert_eq!(found, Some(Code::LogEntryMismatch));
        }
    }
}

#[test]
fn a_timestamp_over_another_signature() {
    let own = Instance::new();
    let leaf = own.leaf();
    let mut one = own.message(&By::Leaf(&leaf), Log::V2);
    let mut two = own.message(&By::Leaf(&leaf), Log::V2);
    own.stamp(&mut one, SIGNED);
    own.stamp(&mut two, SIGNED);
    assert_eq!(code(verify(&two, &own.roots(), Artifact::Bytes(ARTIFACT))), None);
    let stamps = "timestampVerificationData";
    two["verificationMaterial"][stamps] = one["verificationMaterial"][stamps].clone();
    assert_eq!(code(verify(&two, &own.roots(), Artifact::Bytes(ARTIFACT))), Some(Code::TimestampMismatch));
}

#[test]
fn timestamps_by_others_than_the_authority_that_is_named() {
    let own = Instance::new();
    let leaf = own.leaf();
    let stamped = |stamp: &dyn Fn(&mut Value)| {
        let mut document = own.message(&By::Leaf(&leaf), Log::V2);
        stamp(&mut document);
        code(verify(&document, &own.roots(), Artifact::Bytes(ARTIFACT)))
    };
    assert_eq!(stamped(&|document| own.stamp(document, SIGNED)), None);
    assert_eq!(stamped(&|document| own.stamp_by_sibling(document, SIGNED)), Some(Code::TimestampUntrusted));
    assert_eq!(stamped(&|document| own.stamp_naming_another(document, SIGNED)), Some(Code::TimestampInvalid));
    let late = Instant::from_seconds(SIGNED.seconds() + 5 * 86_400);
    assert_eq!(stamped(&|document| own.stamp(document, late)), Some(Code::CertificateExpired));
    let both = |document: &mut Value| {
        own.stamp(document, SIGNED);
        own.stamp(document, late);
    };
    assert_eq!(stamped(&both), Some(Code::CertificateExpired));
    let twice = |document: &mut Value| {
        own.stamp(document, SIGNED);
        let list = &mut document["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"];
        let first = list[0].clone();
        list.as_array_mut().unwrap().push(first);
    };
    assert_eq!(stamped(&twice), Some(Code::BundleRepeats));
}

/// Two readers of one bundle could each see another signature.
#[test]
fn a_bundle_that_says_two_things_is_refused() {
    let own = Instance::new();
    let leaf = own.leaf();
    let message = own.message(&By::Leaf(&leaf), Log::V1(SIGNED));
    let statement = own.statement(&By::Leaf(&leaf), Log::V1(SIGNED));
    let mut both = statement.clone();
    both["messageSignature"] = message["messageSignature"].clone();
    assert_eq!(code(verify(&both, &own.roots(), Artifact::Bytes(ARTIFACT))), Some(Code::MalformedField));
    let mut both = statement;
    both["verificationMaterial"]["publicKey"] = json!({ "hint": "a key" });
    assert_eq!(code(verify(&both, &own.roots(), Artifact::Bytes(ARTIFACT))), Some(Code::MalformedField));
}

/// Instances stand side by side: what one lacks, another does not supply.
#[test]
fn instances_are_not_mixed() {
    let (one, two) = (Instance::new(), Instance::new());
    let mut lax = two.root();
    lax["certificateAuthorities"] = json!([]);
    let roots = TrustRoots::join(&[&one_without_logs(&one), &parsed(&lax)]);
    // A certificate of the first instance, logged by the second alone.
    let document = two.message(&By::Leaf(&one.leaf()), Log::V1(SIGNED));
    assert!(verify(&document, &roots, Artifact::Bytes(ARTIFACT)).is_err());
}

fn one_without_logs(one: &Instance) -> TrustRoots {
    let mut root = one.root();
    root["tlogs"] = json!([]);
    parsed(&root)
}

#[test]
fn an_instance_without_logs_stands_beside_one_with_logs() {
    let (private, public) = (Instance::new(), Instance::new());
    let roots = TrustRoots::join(&[&one_without_logs(&private), &public.roots()]);
    let mut document = private.statement(&By::Leaf(&private.leaf()), Log::None);
    private.stamp(&mut document, SIGNED);
    verify(&document, &roots, Artifact::Bytes(ARTIFACT)).unwrap();
    // A managed key belongs to no instance: it may not choose the one that asks for no log.
    let key = KeyPair::generate().unwrap();
    let document = public.statement(&By::Key(&key), Log::None);
    assert_eq!(code(by_key(&document, &roots, &key)), Some(Code::BundleNoLogEntry));
}

#[test]
fn checkpoints_of_another_log() {
    let own = Instance::new();
    let leaf = own.leaf();
    for (log, origin, name) in [
        (Log::V1(SIGNED), "other.example - 7", V1_HOST),
        (Log::V1(SIGNED), "rekor.example.evil - 7", V1_HOST),
        (Log::V2, "other.example", V2_HOST),
    ] {
        let mut document = own.message(&By::Leaf(&leaf), log);
        own.stamp(&mut document, SIGNED);
        let entry = &mut document["verificationMaterial"]["tlogEntries"][0];
        let root = linkward_ledger::merkle::Hash::from_slice(&unb64(&entry["inclusionProof"]["rootHash"]));
        let id = unb64(&entry["logId"]["keyId"]);
        let key = if log == Log::V2 { &own.v2 } else { &own.v1 };
        entry["inclusionProof"]["checkpoint"]["envelope"] =
            json!(note(origin, &root.unwrap(), name, &id[..4], key));
        let found = code(verify(&document, &own.roots(), Artifact::Bytes(ARTIFACT)));
        assert_eq!(found, Some(Code::CheckpointMismatch), "{origin}");
    }
}

#[test]
fn an_expression_is_anchored_whatever_it_holds() {
    for text in ["regex:a)|(?:b", "regex:(?:a", "regex:a)\\z|(.*"] {
        assert!(Pattern::parse(text).is_err(), "{text}");
    }
}
