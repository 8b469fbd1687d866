//! Older and other spellings of the same proof: PEP 740 attestations, cosign's blob bundles, `.sig` and `.att` layers.

use linkward_model::{Algorithm, Code, Digest};
use linkward_prove::{AcceptedSigner, Artifact, Attestation, Proven, Signer, bundle};
use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value, json};

use crate::instance::*;

const ANYBODY: Signer<'_> = Signer::LeftToPolicy { keyring: &[] };

fn run(own: &Instance, document: &Value, artifact: Artifact<'_>) -> Result<Proven<Attestation>, Code> {
    bundle(document.to_string().as_bytes(), &own.roots(), ANYBODY, artifact, NOW)
        .map_err(|refusal| refusal.code)
}

fn code(own: &Instance, document: &Value) -> Option<Code> {
    run(own, document, Artifact::Bytes(ARTIFACT)).err()
}

/// As an index serves it.
fn pep_740(own: &Instance) -> Value {
    let bundle = own.statement(&By::Leaf(&own.leaf()), Log::V1(SIGNED));
    json!({
        "version": 1,
        "verification_material": {
            "certificate": bundle["verificationMaterial"]["certificate"]["rawBytes"],
            "transparency_entries": bundle["verificationMaterial"]["tlogEntries"],
        },
        "envelope": {
            "statement": bundle["dsseEnvelope"]["payload"],
            "signature": bundle["dsseEnvelope"]["signatures"][0]["sig"],
        },
    })
}

#[test]
fn pep_740_attestations() {
    let own = Instance::new();
    let good = pep_740(&own);
    let proven = run(&own, &good, Artifact::Bytes(ARTIFACT)).unwrap();
    assert_eq!(proven.claim().subjects()[0].name, "app");
    assert_eq!(run(&own, &good, Artifact::Bytes(b"another")).err(), Some(Code::SubjectMissing));
    let with = |pointer: &str, value: Value| {
        let mut other = good.clone();
        *other.pointer_mut(pointer).unwrap() = value;
        code(&own, &other)
    };
    let theirs = pep_740(&own);
    assert_eq!(with("/envelope/statement", json!(b64(b"{}"))), Some(Code::SignatureMismatch));
    assert_eq!(
        with("/envelope/signature", theirs["envelope"]["signature"].clone()),
        Some(Code::SignatureMismatch)
    );
    assert_eq!(
        with("/verification_material", theirs["verification_material"].clone()),
        Some(Code::SignatureMismatch)
    );
    assert_eq!(with("/verification_material/transparency_entries", json!([])), Some(Code::BundleNoLogEntry));
    let without = json!(null);
    let proof = "/verification_material/transparency_entries/0/inclusionProof";
    assert_eq!(with(proof, without), Some(Code::LogProofMissing));
    assert_eq!(with("/version", json!(2)), Some(Code::UnsupportedVersion));
}

/// Rekor v1's entry as cosign kept it: without its proof.
fn rekor_bundle(entry: &Value) -> Value {
    let id: String = unb64(&entry["logId"]["keyId"]).iter().map(|byte| format!("{byte:02x}")).collect();
    let number = |name: &str| entry[name].as_str().unwrap().parse::<u64>().unwrap();
    json!({
        "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
        "Payload": {
            "body": entry["canonicalizedBody"],
            "integratedTime": number("integratedTime"),
            "logIndex": number("logIndex"),
            "logID": id,
        },
    })
}

fn blob(own: &Instance, by: &By<'_>) -> Value {
    let bundle = own.message(by, Log::V1(SIGNED));
    json!({
        "base64Signature": bundle["messageSignature"]["signature"],
        "cert": b64(by.pem().as_bytes()),
        "rekorBundle": rekor_bundle(&bundle["verificationMaterial"]["tlogEntries"][0]),
    })
}

#[test]
fn blob_bundles() {
    let own = Instance::new();
    let leaf = own.leaf();
    let good = blob(&own, &By::Leaf(&leaf));
    let digests = [Digest::sha256(ARTIFACT)];
    for artifact in [Artifact::Bytes(ARTIFACT), Artifact::Digests(&digests), Artifact::AnySubject] {
        let proven = run(&own, &good, artifact).unwrap();
        assert_eq!(proven.claim().subjects()[0].digests, digests);
        assert_eq!(proven.proven_at(), Some(SIGNED));
    }
    assert_eq!(run(&own, &good, Artifact::Bytes(b"another")).err(), Some(Code::DigestMismatch));
    let with = |pointer: &str, value: Value| {
        let mut other = good.clone();
        *other.pointer_mut(pointer).unwrap() = value;
        code(&own, &other)
    };
    assert_eq!(with("/rekorBundle", json!(null)), Some(Code::BundleNoLogEntry));
    assert_eq!(with("/rekorBundle/Payload/integratedTime", json!(1)), Some(Code::LogPromiseInvalid));
    assert_eq!(with("/rekorBundle/Payload/logIndex", json!(1)), Some(Code::LogPromiseInvalid));
    let again = blob(&own, &By::Leaf(&leaf));
    // Another signature by the same key over the same bytes: true, but not the one that was logged.
    assert_eq!(with("/base64Signature", again["base64Signature"].clone()), Some(Code::LogEntryMismatch));
    let other = own.leaf();
    assert_eq!(with("/cert", json!(b64(By::Leaf(&other).pem().as_bytes()))), Some(Code::SignatureMismatch));
}

#[test]
fn blob_bundles_by_a_key() {
    let own = Instance::new();
    let (mine, theirs) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let good = blob(&own, &By::Key(&mine)).to_string();
    let by = |pair: &KeyPair| {
        let key = public(pair);
        let artifact = Artifact::Bytes(ARTIFACT);
        let found = bundle(good.as_bytes(), &own.roots(), Signer::Key(&key), artifact, NOW);
        found.err().map(|refusal| refusal.code)
    };
    assert_eq!((by(&mine), by(&theirs)), (None, Some(Code::SignatureMismatch)));
    let nobody = Signer::AnyOf(&[] as &[AcceptedSigner]);
    let found = bundle(good.as_bytes(), &own.roots(), nobody, Artifact::Bytes(ARTIFACT), NOW);
    assert_eq!(found.err().map(|refusal| refusal.code), Some(Code::KeyMissing));
}

fn image() -> Digest {
    Digest::sha256(b"an image's manifest")
}

fn payload(kind: &str) -> Vec<u8> {
    let critical = json!({
        "identity": { "docker-reference": "images.example/app" },
        "image": { "docker-manifest-digest": image().to_string() },
        "type": kind,
    });
    json!({ "critical": critical, "optional": null }).to_string().into_bytes()
}

fn layer(media: &str, data: &[u8], signature: &str, leaf: &Leaf, entry: &Value) -> Value {
    json!({
        "mediaType": media,
        "digest": Digest::sha256(data).to_string(),
        "size": data.len(),
        "data": b64(data),
        "annotations": {
            "dev.cosignproject.cosign/signature": signature,
            "dev.sigstore.cosign/certificate": By::Leaf(leaf).pem(),
            "dev.sigstore.cosign/bundle": rekor_bundle(entry).to_string(),
        },
    })
}

fn signature_layer(own: &Instance, payload: &[u8]) -> Value {
    let leaf = own.leaf();
    let signature = leaf.key.sign(payload).unwrap();
    let body = json!({
        "apiVersion": "0.0.1",
        "kind": "hashedrekord",
        "spec": {
            "data": { "hash": { "algorithm": "sha256", "value": Digest::sha256(payload).hex() } },
            "signature": {
                "content": b64(&signature),
                "publicKey": { "content": b64(By::Leaf(&leaf).pem().as_bytes()) },
            },
        },
    });
    let media = "application/vnd.dev.cosign.simplesigning.v1+json";
    layer(media, payload, &b64(&signature), &leaf, &own.v1_entry(&body, SIGNED))
}

#[test]
fn signature_layers() {
    let own = Instance::new();
    let cosign = "cosign container image signature";
    let good = signature_layer(&own, &payload(cosign));
    let digests = [image()];
    let proven = run(&own, &good, Artifact::Digests(&digests)).unwrap();
    assert_eq!(proven.claim().subjects()[0].name, "images.example/app");
    assert_eq!(run(&own, &good, Artifact::AnySubject).map(|_| ()), Ok(()));
    let other = [Digest::sha256(b"another image")];
    assert_eq!(run(&own, &good, Artifact::Digests(&other)).err(), Some(Code::SubjectMissing));
    // The payload is what was signed, not what was signed for.
    let bytes = payload(cosign);
    assert_eq!(run(&own, &good, Artifact::Bytes(&bytes)).err(), Some(Code::SubjectMissing));
    let atomic = signature_layer(&own, &payload("atomic container signature"));
    assert_eq!(run(&own, &atomic, Artifact::Digests(&digests)).err(), Some(Code::MalformedField));
    let mut swapped = good.clone();
    let theirs = signature_layer(&own, &payload(cosign));
    swapped["annotations"]["dev.sigstore.cosign/bundle"] =
        theirs["annotations"]["dev.sigstore.cosign/bundle"].clone();
    assert_eq!(run(&own, &swapped, Artifact::Digests(&digests)).err(), Some(Code::LogEntryMismatch));
    let mut replaced = good;
    let bytes = String::from_utf8(bytes).unwrap().replace(&image().hex(), &other[0].hex());
    replaced["data"] = json!(b64(bytes.as_bytes()));
    assert_eq!(run(&own, &replaced, Artifact::Digests(&other)).err(), Some(Code::DigestMismatch));
    replaced["digest"] = json!(Digest::of(Algorithm::Sha256, bytes.as_bytes()).to_string());
    assert_eq!(run(&own, &replaced, Artifact::Digests(&other)).err(), Some(Code::SignatureMismatch));
}

#[test]
fn attestation_layers() {
    let own = Instance::new();
    let leaf = own.leaf();
    let bundle = own.statement(&By::Leaf(&leaf), Log::V1(SIGNED));
    let entry = &bundle["verificationMaterial"]["tlogEntries"][0];
    let data = bundle["dsseEnvelope"].to_string();
    let media = "application/vnd.dsse.envelope.v1+json";
    let good = layer(media, data.as_bytes(), "", &leaf, entry);
    assert_eq!(code(&own, &good), None);
    let mut without = good.clone();
    without["annotations"].as_object_mut().unwrap().remove("dev.sigstore.cosign/bundle");
    assert_eq!(code(&own, &without), Some(Code::BundleNoLogEntry));
    let other = own.statement(&By::Leaf(&leaf), Log::V1(SIGNED))["dsseEnvelope"].to_string();
    assert_eq!(code(&own, &layer(media, other.as_bytes(), "", &leaf, entry)), Some(Code::LogEntryMismatch));
}

/// A registry changes its key: what the old one signed in its time stays good, and nothing that it signs later.
#[test]
fn keys_count_within_their_time() {
    let own = Instance::new();
    let (old, new) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let at = |day: &str| Some(day.parse().unwrap());
    let valid = |start, end| linkward_prove::Validity { start, end };
    let dated = |pair: &KeyPair, valid| AcceptedSigner::DatedKey { key: public(pair), valid };
    // Everything is signed on 2026-01-01 and verified on 2026-01-31.
    let (before, around) = (
        valid(at("2020-01-01T00:00:00Z"), at("2025-12-01T00:00:00Z")),
        valid(at("2025-12-01T00:00:00Z"), at("2026-01-10T00:00:00Z")),
    );
    let run = |document: &Value, accepted: &[AcceptedSigner]| {
        let artifact = Artifact::Bytes(ARTIFACT);
        let found =
            bundle(document.to_string().as_bytes(), &own.roots(), Signer::AnyOf(accepted), artifact, NOW);
        found.err().map(|refusal| refusal.code)
    };
    let logged = own.message(&By::Key(&new), Log::V1(SIGNED));
    assert_eq!(run(&logged, &[dated(&old, before), dated(&new, around)]), None);
    assert_eq!(run(&logged, &[dated(&new, before)]), Some(Code::KeyExpired));
    assert_eq!(run(&logged, &[dated(&new, before), dated(&new, around)]), None);
    assert_eq!(run(&logged, &[dated(&new, valid(None, None))]), Some(Code::KeyExpired));
    // Without a proven time it is now that counts.
    let timeless = own.message(&By::Key(&new), Log::V2);
    assert_eq!(run(&timeless, &[dated(&new, around)]), Some(Code::KeyExpired));
    assert_eq!(run(&timeless, &[dated(&new, valid(at("2025-12-01T00:00:00Z"), None))]), None);
}

/// A key that signs the SHA-512 of an artifact (Ed25519ph): by the file, and by that digest alone.
#[test]
fn a_message_by_an_ed25519ph_key() {
    use linkward_prove::{PublicKey, TrustRoots};

    // Made by Go's crypto/ed25519 with `Options{Hash: crypto.SHA512}`, from the seed 1, 2, ... 32, of "artifact\n".
    const KEY: &str = "79b5562e8fe654f94078b112e8a98ba7901f853ae695bed7e0e3910bad049664";
    const SIGNATURE: &str = "6f56400327985d49745117ec59e4e384f71c0b5eb7d179941f8194224f6aa582\
                             e19a8989a89e62c52450e51b829a2205dccad00cd13f902fc3d975606cb5970d";
    let hex = |text: &str| -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let encoded = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, bytes);
    let spki = [hex("302a300506032b6570032100"), hex(KEY)].concat();
    let key = PublicKey::from_spki(&spki).unwrap();
    let of = |bytes: &[u8]| Digest::of(Algorithm::Sha512, bytes);
    let root = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;
    let roots = TrustRoots::parse(root.as_bytes()).unwrap();
    let document = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": { "publicKey": { "hint": "" } },
        "messageSignature": {
            "messageDigest": { "algorithm": "SHA2_512", "digest": encoded(of(b"artifact\n").as_bytes()) },
            "signature": encoded(&hex(SIGNATURE)),
        },
    })
    .to_string();
    let judge = |artifact: Artifact<'_>| {
        bundle(document.as_bytes(), &roots, Signer::Key(&key), artifact, NOW).map_err(|refusal| refusal.code)
    };
    assert!(judge(Artifact::Bytes(b"artifact\n")).is_ok(), "{:?}", judge(Artifact::Bytes(b"artifact\n")));
    assert!(judge(Artifact::Digests(&[of(b"artifact\n")])).is_ok());
    assert_eq!(judge(Artifact::Bytes(b"artifact")).err(), Some(Code::DigestMismatch));
    assert_eq!(judge(Artifact::Digests(&[Digest::sha256(b"artifact\n")])).err(), Some(Code::KeyUnsupported));
    // The digest is a hint: without it the file says what was signed.
    let hint = format!(r#"{{"algorithm":"SHA2_512","digest":"{}"}}"#, encoded(of(b"artifact\n").as_bytes()));
    let empty = document.replace(&hint, "{}");
    assert_ne!(empty, document);
    let judge = |bytes| bundle(empty.as_bytes(), &roots, Signer::Key(&key), Artifact::Bytes(bytes), NOW);
    assert!(judge(b"artifact\n").is_ok());
    assert_eq!(judge(b"artifact").err().map(|refusal| refusal.code), Some(Code::SignatureMismatch));
    // Of another digest it is no Ed25519ph signature; whether it is one of a message, no digest tells.
    assert_eq!(key.signed_digest(&of(b"artifact"), &hex(SIGNATURE)), None);
    // The other kind, over the message itself, as cosign makes it: by the file alone.
    let seed: [u8; 32] = std::array::from_fn(|place| place as u8 + 1);
    let pair = aws_lc_rs::signature::Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let own = encoded(pair.sign(b"artifact\n").as_ref());
    let pure = empty.replace(&encoded(&hex(SIGNATURE)), &own);
    let judge = |artifact: Artifact<'_>| {
        let judged = bundle(pure.as_bytes(), &roots, Signer::Key(&key), artifact, NOW);
        judged.map(|proven| proven.claim().subjects().len()).map_err(|refusal| refusal.code)
    };
    assert_eq!(judge(Artifact::Bytes(b"artifact\n")), Ok(1));
    assert_eq!(judge(Artifact::Bytes(b"artifact")), Err(Code::SignatureMismatch));
    assert_eq!(judge(Artifact::Digests(&[of(b"artifact\n")])), Err(Code::KeyUnsupported));
}
