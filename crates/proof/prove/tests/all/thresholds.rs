//! k of n: logs, timestamp authorities, signers; and what the certificate must say of the build.

use linkward_model::{Code, Digest, Identity, Instant};
use linkward_prove::{
    AcceptedSigner, Artifact, Attestation, Expected, Pattern, Proven, PublicKey, QuorumError, Requirements,
    Signer, TrustRoots, bundle, quorum,
};
use rcgen::{CustomExtension, KeyPair, SanType};
use serde_json::{Value, json};

use crate::instance::*;

const ANYBODY: Signer<'_> = Signer::LeftToPolicy { keyring: &[] };

fn proven(document: &Value, roots: &TrustRoots, signer: Signer<'_>) -> Proven<Attestation> {
    bundle(document.to_string().as_bytes(), roots, signer, Artifact::Bytes(ARTIFACT), NOW).unwrap()
}

fn asked(requirements: &Requirements, document: &Value, roots: &TrustRoots) -> Option<Code> {
    requirements.check(proven(document, roots, ANYBODY)).err().map(|refusal| refusal.code)
}

fn logs(count: &str) -> Requirements {
    Requirements { logs: count.parse().unwrap(), ..Requirements::default() }
}

fn stamps(count: &str) -> Requirements {
    Requirements { timestamps: count.parse().unwrap(), ..Requirements::default() }
}

/// Both logs of the instance hold the same signature.
fn in_both_logs(own: &Instance) -> Value {
    let leaf = own.leaf();
    let mut one = own.message(&By::Leaf(&leaf), Log::V1(SIGNED));
    let signature = unb64(&one["messageSignature"]["signature"]);
    let body = v2_body(&By::Leaf(&leaf), &Digest::sha256(ARTIFACT), &signature);
    let entry = own.v2_entry(&body);
    one["verificationMaterial"]["tlogEntries"].as_array_mut().unwrap().push(entry);
    own.stamp(&mut one, SIGNED);
    one
}

#[test]
fn logs_count_by_their_key() {
    let own = Instance::new();
    let both = in_both_logs(&own);
    assert_eq!(asked(&logs("2"), &both, &own.roots()), None);
    assert_eq!(asked(&logs("3"), &both, &own.roots()), Some(Code::LogsTooFew));
    let one = own.message(&By::Leaf(&own.leaf()), Log::V1(SIGNED));
    assert_eq!(asked(&logs("1"), &one, &own.roots()), None);
    assert_eq!(asked(&logs("2"), &one, &own.roots()), Some(Code::LogsTooFew));
}

/// Two entries in one log are one witness, whatever their numbers.
#[test]
fn two_entries_in_one_log_are_one_log() {
    let own = Instance::new();
    let leaf = own.leaf();
    let mut one = own.message(&By::Leaf(&leaf), Log::V1(SIGNED));
    // With a member that nobody reads it is another leaf of the log.
    let body = unb64(&one["verificationMaterial"]["tlogEntries"][0]["canonicalizedBody"]);
    let mut body: Value = serde_json::from_slice(&body).unwrap();
    body["further"] = json!(1);
    let later = Instant::from_seconds(SIGNED.seconds() + 60);
    one["verificationMaterial"]["tlogEntries"].as_array_mut().unwrap().push(own.v1_entry(&body, later));
    assert_eq!(asked(&logs("1"), &one, &own.roots()), None);
    assert_eq!(asked(&logs("2"), &one, &own.roots()), Some(Code::LogsTooFew));
}

#[test]
fn timestamp_authorities_count_by_their_root() {
    let (own, other) = (Instance::new(), Instance::new());
    let mut root = own.root();
    let second = other.root()["timestampAuthorities"][0].clone();
    root["timestampAuthorities"].as_array_mut().unwrap().push(second);
    let roots = parsed(&root);
    let mut document = own.message(&By::Leaf(&own.leaf()), Log::V2);
    own.stamp(&mut document, SIGNED);
    // Again by the same authority, at another time.
    own.stamp(&mut document, Instant::from_seconds(SIGNED.seconds() + 60));
    assert_eq!(asked(&stamps("2"), &document, &roots), Some(Code::TimestampsTooFew));
    other.stamp(&mut document, SIGNED);
    assert_eq!(asked(&stamps("2"), &document, &roots), None);
    assert_eq!(asked(&stamps("3"), &document, &roots), Some(Code::TimestampsTooFew));
    // A promise of the log proves a time, and is no timestamp.
    let promised = own.message(&By::Leaf(&own.leaf()), Log::V1(SIGNED));
    assert_eq!(asked(&stamps("1"), &promised, &roots), Some(Code::TimestampsTooFew));
}

fn fulcio(number: u64, value: &str) -> CustomExtension {
    CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, number], der(0x0c, value.as_bytes()))
}

#[test]
fn what_the_certificate_says_of_the_build() {
    let own = Instance::new();
    let mut params = signing();
    params.custom_extensions.extend([
        fulcio(11, "github-hosted"),
        fulcio(12, "https://github.com/org/app"),
        fulcio(14, "refs/heads/main"),
        fulcio(20, "push"),
    ]);
    let document = own.message(&By::Leaf(&own.leaf_of(&params)), Log::V1(SIGNED));
    let mismatch = Some(Code::ExtensionMismatch);
    for (expected, outcome) in [
        ("runner-environment=github-hosted", None),
        ("runner-environment=self-hosted", mismatch),
        ("source-repository-uri=https://github.com/org/*", None),
        ("source-repository-uri=https://github.com/*", mismatch),
        ("source-repository-uri=https://github.com/**", None),
        ("source-repository-uri=https://github.com/org/ap", mismatch),
        ("source-repository-ref=regex:refs/heads/(main|release)", None),
        ("source-repository-ref=regex:main", mismatch),
        ("build-trigger=pull_request", mismatch),
        ("build-config-uri=**", Some(Code::ExtensionMissing)),
    ] {
        let one = Requirements { extensions: vec![expected.parse().unwrap()], ..Requirements::default() };
        assert_eq!(asked(&one, &document, &own.roots()), outcome, "{expected}");
        let with: Vec<Expected> = vec!["build-trigger=push".parse().unwrap(), expected.parse().unwrap()];
        let both = Requirements { extensions: with, ..Requirements::default() };
        assert_eq!(asked(&both, &document, &own.roots()), outcome, "all must hold: {expected}");
    }
    let refused = Requirements { extensions: vec!["build-trigger=tag".parse().unwrap()], ..logs("1") }
        .check(proven(&document, &own.roots(), ANYBODY))
        .unwrap_err();
    let names: Vec<_> = refused.checks.iter().rev().take(2).map(|check| check.name).collect();
    assert_eq!(names, ["extension", "log-threshold"]);
}

/// A managed key has no certificate: what a certificate must say is not said.
#[test]
fn a_key_says_nothing_of_the_build() {
    let own = Instance::new();
    let key = KeyPair::generate().unwrap();
    let document = own.message(&By::Key(&key), Log::V1(SIGNED));
    let proof = proven(&document, &own.roots(), Signer::Key(&public(&key)));
    let any =
        Requirements { extensions: vec!["build-trigger=**".parse().unwrap()], ..Requirements::default() };
    assert_eq!(any.check(proof).err().map(|refusal| refusal.code), Some(Code::ExtensionMissing));
}

fn person(name: &str) -> AcceptedSigner {
    AcceptedSigner::Certificate { subject: Pattern::parse(name).unwrap(), issuer: Pattern::exact(ISSUER) }
}

fn signed_by(own: &Instance, name: &str) -> Proven<Attestation> {
    let mut params = signing();
    params.subject_alt_names = vec![SanType::Rfc822Name(name.try_into().unwrap())];
    let document = own.message(&By::Leaf(&own.leaf_of(&params)), Log::V1(SIGNED));
    proven(&document, &own.roots(), ANYBODY)
}

fn count(proofs: &[Proven<Attestation>], accepted: &[AcceptedSigner], need: &str) -> Result<usize, Code> {
    let artifact = [Digest::sha256(ARTIFACT)];
    quorum(proofs, &artifact, accepted, need.parse().unwrap())
        .map(|quorum| quorum.signers().len())
        .map_err(|QuorumError { code, .. }| code)
}

#[test]
fn signers_count_once_each() {
    let own = Instance::new();
    let (ann, bob) = (signed_by(&own, "ann@org.example"), signed_by(&own, "bob@org.example"));
    let again = signed_by(&own, "ann@org.example");
    let few = Err(Code::SignersTooFew);
    let both = [person("ann@org.example"), person("bob@org.example")];
    assert_eq!(count(&[ann.clone(), bob.clone()], &both, "2"), Ok(2));
    assert_eq!(count(&[ann.clone(), again.clone()], &both, "2"), few);
    assert_eq!(count(std::slice::from_ref(&ann), &both, "1"), Ok(1));
    assert_eq!(count(&[], &both, "1"), few);
    // One pattern is one signer; listed twice it is two.
    let group = [person("*@org.example")];
    assert_eq!(count(&[ann.clone(), bob.clone()], &group, "2"), few);
    let group = [person("*@org.example"), person("*@org.example")];
    assert_eq!(count(&[ann.clone(), bob.clone()], &group, "2"), Ok(2));
    assert_eq!(count(&[ann.clone(), again], &group, "2"), few);
    // The wide pattern first does not take the narrow one's only signer.
    let wide = [person("*@org.example"), person("ann@org.example")];
    assert_eq!(count(&[ann.clone(), bob], &wide, "2"), Ok(2));
    let stranger = signed_by(&own, "eve@other.example");
    assert_eq!(count(&[ann, stranger], &both, "2"), few);
}

/// A proof of another artifact counts for nothing here.
#[test]
fn signers_of_another_artifact_do_not_count() {
    let own = Instance::new();
    let ann = signed_by(&own, "ann@org.example");
    let other = [Digest::sha256(b"another artifact")];
    let accepted = [person("ann@org.example")];
    let found = quorum(&[ann], &other, &accepted, "1".parse().unwrap());
    assert_eq!(found.map(|_| ()).map_err(|error| error.code), Err(Code::SignersTooFew));
}

#[test]
fn one_of_several_signers() {
    let own = Instance::new();
    let (mine, theirs) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let run = |document: &Value, accepted: &[AcceptedSigner]| {
        let signer = Signer::AnyOf(accepted);
        let bytes = document.to_string();
        let found = bundle(bytes.as_bytes(), &own.roots(), signer, Artifact::Bytes(ARTIFACT), NOW);
        found.map(|proven| proven.signer().clone()).map_err(|refusal| refusal.code)
    };
    let key = |pair: &KeyPair| AcceptedSigner::Key(PublicKey::from_spki(&spki(pair)).unwrap());
    let by_certificate = own.message(&By::Leaf(&own.leaf()), Log::V1(SIGNED));
    let by_key = own.message(&By::Key(&mine), Log::V1(SIGNED));
    let named = person(SUBJECT);
    let certificate = Identity::Certificate { subject: SUBJECT.into(), issuer: ISSUER.into() };
    let managed = Identity::Key { id: public(&mine).id() };
    assert_eq!(run(&by_certificate, &[person("somebody"), named.clone()]), Ok(certificate.clone()));
    assert_eq!(run(&by_certificate, &[person("somebody")]), Err(Code::IdentityMismatch));
    assert_eq!(run(&by_certificate, &[key(&mine)]), Err(Code::KeyMismatch));
    assert_eq!(run(&by_certificate, &[key(&mine), named.clone()]), Ok(certificate));
    assert_eq!(run(&by_key, &[key(&theirs), key(&mine)]), Ok(managed));
    assert_eq!(run(&by_key, &[key(&theirs), key(&theirs)]), Err(Code::KeyMismatch));
    assert_eq!(run(&by_key, &[named]), Err(Code::KeyMissing));
    assert_eq!(run(&by_key, &[]), Err(Code::KeyMissing));
}

#[test]
fn thresholds_are_numbers_that_can_be_met() {
    for bad in ["0", "-1", "33", "", "two", "1.5"] {
        assert!(bad.parse::<linkward_prove::AtLeast>().is_err(), "{bad}");
    }
}
