use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use linkward_ledger::merkle::leaf_hash;
use linkward_ledger::{Checkpoint, LogName};
use linkward_model::{Code, Digest, Instant};
use linkward_testkit::noon;
use serde_json::{Value, json};

use super::claims::{Kind, subject};
use super::entry::Entry;
use super::instance::Der;
use super::leaf::{Above, Name, Request};
use super::request::SigningRequest;
use super::timestamp::Query;
use super::token::{KeySet, Token, Unverified};
use super::{ceremony, sct};
use crate::protocol::{Answer, Ask, LeafAsk, read_frame, serve, write_frame};

const ISSUER: &str = "https://token.example";

fn pair(fixed: bool) -> EcdsaKeyPair {
    let algorithm = if fixed { &ECDSA_P256_SHA256_FIXED_SIGNING } else { &ECDSA_P256_SHA256_ASN1_SIGNING };
    EcdsaKeyPair::generate(algorithm).unwrap()
}

fn sign(key: &EcdsaKeyPair, message: &[u8]) -> Vec<u8> {
    key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
}

fn spki(key: &EcdsaKeyPair) -> Vec<u8> {
    key.public_key().as_der().unwrap().as_ref().to_vec()
}

fn jws(key: &EcdsaKeyPair, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(sign(key, signed.as_bytes())))
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": "sigstore", "sub": "me", "iat": noon().seconds(), "exp": noon().seconds() + 300 })
}

fn check(text: &str, keys: &KeySet) -> Result<Token, Code> {
    let unverified = Unverified::parse(text).map_err(|refused| refused.code)?;
    unverified.verify(keys, "sigstore", noon()).map_err(|refused| refused.code)
}

#[test]
fn tokens_that_do_not_hold_are_refused_with_their_code() {
    let (key, other) = (pair(true), pair(true));
    let keys = KeySet::of_p256("a", key.public_key().as_ref());
    let header = json!({ "alg": "ES256", "kid": "a" });
    let good = jws(&key, &header, &claims());
    assert!(check(&good, &keys).is_ok());
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims[name] = value;
        jws(&key, &header, &claims)
    };
    let second = |offset: i64| json!(noon().seconds() + offset);
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let none = format!("{}.{}.", part(&json!({ "alg": "none" })), part(&claims()));
    let empty = format!("{}.{}.", part(&header), part(&claims()));
    let shared = {
        // The public key taken for a shared secret: the algorithm alone decides, whatever the bytes.
        let signed = format!("{}.{}", part(&json!({ "alg": "HS256", "kid": "a" })), part(&claims()));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode([7; 32]))
    };
    let own_key = json!({ "alg": "ES256", "jwk": { "kty": "EC" }, "jku": "https://evil.example" });
    let cases: Vec<(&str, String, Code)> = vec![
        ("no parts", "abc".to_owned(), Code::TokenMalformed),
        ("not base64", "a.b!.c".to_owned(), Code::TokenMalformed),
        ("none", none, Code::TokenAlgorithm),
        ("no signature", empty, Code::TokenSignature),
        ("key confusion", shared, Code::TokenAlgorithm),
        (
            "RS256 over an EC key",
            jws(&key, &json!({ "alg": "RS256", "kid": "a" }), &claims()),
            Code::TokenAlgorithm,
        ),
        ("crit", jws(&key, &json!({ "alg": "ES256", "crit": ["x"] }), &claims()), Code::TokenMalformed),
        ("another key", jws(&other, &header, &claims()), Code::TokenSignature),
        ("brings its own key", jws(&other, &own_key, &claims()), Code::TokenSignature),
        ("unknown kid", jws(&key, &json!({ "alg": "ES256", "kid": "b" }), &claims()), Code::TokenAlgorithm),
        ("audience", with("aud", json!("other")), Code::TokenAudience),
        ("audiences", with("aud", json!(["other"])), Code::TokenAudience),
        ("no audience", with("aud", Value::Null), Code::TokenAudience),
        ("expired", with("exp", second(-61)), Code::TokenExpired),
        ("no end", with("exp", Value::Null), Code::TokenMalformed),
        ("not yet", with("nbf", second(120)), Code::TokenExpired),
        ("from the future", with("iat", second(120)), Code::TokenExpired),
        ("too long", "a".repeat(20_000), Code::TooLarge),
    ];
    for (name, text, code) in cases {
        assert_eq!(check(&text, &keys).map(|_| ()), Err(code), "{name}");
    }
    assert!(check(&with("aud", json!(["other", "sigstore"])), &keys).is_ok());
}

#[test]
fn key_sets_leave_out_what_cannot_be_used() {
    let key = pair(true);
    let point = key.public_key().as_ref();
    let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let jwk =
        json!({ "kty": "EC", "crv": "P-256", "kid": "a", "x": b64(&point[1..33]), "y": b64(&point[33..]) });
    let set = json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0" }, { "kty": "EC", "crv": "P-256", "use": "enc" }, jwk] });
    let keys = KeySet::parse(set.to_string().as_bytes()).unwrap();
    assert!(check(&jws(&key, &json!({ "alg": "ES256" }), &claims()), &keys).is_ok());
    for bad in [&b"{"[..], br#"{"keys":[]}"#, br#"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#] {
        assert!(KeySet::parse(bad).is_err());
    }
}

fn token(claims: Value) -> Token {
    Token { claims, id: Digest::sha256(b"t"), expires: noon() }
}

#[test]
fn claims_become_names_and_extensions_by_kind_of_issuer() {
    let github = token(json!({
        "sub": "repo:org/app:ref:refs/heads/main", "event_name": "push", "sha": "abc", "workflow": "build",
        "repository": "org/app", "ref": "refs/heads/main", "repository_id": 7, "repository_owner": "org",
        "job_workflow_ref": "org/app/.github/workflows/b.yml@refs/heads/main", "run_id": "1", "run_attempt": "2",
    }));
    let found = subject(Kind::GitHub, ISSUER, &github).unwrap();
    assert_eq!(
        found.name,
        Name::Uri("https://github.com/org/app/.github/workflows/b.yml@refs/heads/main".to_owned())
    );
    let claim =
        |number| found.claims.iter().find(|(known, _)| *known == number).map(|(_, text)| text.as_str());
    assert_eq!(claim(8), Some(ISSUER));
    assert_eq!(claim(12), Some("https://github.com/org/app"));
    assert_eq!(claim(15), Some("7"));
    assert_eq!(claim(21), Some("https://github.com/org/app/actions/runs/1/attempts/2"));
    assert_eq!(claim(11), None, "a claim that is not there is no extension");
    assert!(found.claims.is_sorted());
    let gitlab = token(json!({
        "iss": "https://gitlab.example", "sub": "project_path:g/p", "ci_config_ref_uri": "gitlab.example/g/p//.gitlab-ci.yml@refs/heads/main",
        "project_path": "g/p", "ref": "main", "ref_type": "branch", "job_id": "9",
    }));
    let found = subject(Kind::GitLab, ISSUER, &gitlab).unwrap();
    assert!(found.claims.contains(&(14, "refs/heads/main".to_owned())));
    assert!(found.claims.contains(&(21, "https://gitlab.example/g/p/-/jobs/9".to_owned())));
    let account = json!({ "kubernetes.io": { "namespace": "n", "serviceaccount": { "name": "s" } } });
    let found = subject(Kind::Kubernetes, ISSUER, &token(account)).unwrap();
    assert_eq!(found.name.as_str(), "https://kubernetes.io/namespaces/n/serviceaccounts/s");
    let buildkite =
        json!({ "organization_slug": "o", "pipeline_slug": "p", "build_number": 3, "job_id": "j" });
    let found = subject(Kind::Buildkite, ISSUER, &token(buildkite)).unwrap();
    assert_eq!(found.name.as_str(), "https://buildkite.com/o/p");
    let generic = |claims| subject(Kind::Generic, ISSUER, &token(claims)).map(|found| found.name);
    let email = json!({ "sub": "1", "email": "a@b.example", "email_verified": true });
    assert_eq!(generic(email), Ok(Name::Email("a@b.example".to_owned())));
    assert_eq!(generic(json!({ "sub": "me" })), Ok(Name::Username("me!token.example".to_owned())));
    for bad in [
        json!({ "sub": "1", "email": "a@b.example" }),
        json!({ "sub": "1", "email": "a@b.example", "email_verified": false }),
        json!({ "sub": "a\nb" }),
        json!({}),
    ] {
        assert_eq!(generic(bad).map_err(|refused| refused.code), Err(Code::TokenClaims));
    }
    let wrong = subject(Kind::GitHub, ISSUER, &token(json!({ "sub": "me" })));
    assert_eq!(wrong.map_err(|refused| refused.code), Err(Code::TokenClaims));
}

fn hashed(key: &EcdsaKeyPair, digest: &[u8], signature: &[u8]) -> Value {
    json!({ "hashedRekordRequestV002": {
        "digest": STANDARD.encode(digest),
        "signature": {
            "content": STANDARD.encode(signature),
            "verifier": { "publicKey": { "rawBytes": STANDARD.encode(spki(key)) }, "keyDetails": "PKIX_ECDSA_P256_SHA_256" },
        },
    } })
}

fn parsed(value: &Value) -> Result<Entry, Code> {
    Entry::parse(value.to_string().as_bytes()).map_err(|refused| refused.code)
}

#[test]
fn only_signatures_that_hold_are_logged_and_envelopes_as_hashedrekord() {
    let key = pair(false);
    let digest = Digest::sha256(b"artifact");
    let signature = sign(&key, b"artifact");
    let good = hashed(&key, digest.as_bytes(), &signature);
    let entry = parsed(&good).unwrap();
    let body: Value = serde_json::from_slice(&entry.body).unwrap();
    assert_eq!(body["kind"], "hashedrekord");
    assert_eq!(body.to_string().as_bytes(), entry.body, "canonical");
    let snake = good.to_string().replace("hashedRekordRequestV002", "hashed_rekord_request_v002");
    let snake = snake.replace("rawBytes", "raw_bytes").replace("publicKey", "public_key");
    assert_eq!(Entry::parse(snake.as_bytes()).unwrap(), entry);
    let other = Digest::sha256(b"other");
    assert_eq!(parsed(&hashed(&key, other.as_bytes(), &signature)), Err(Code::SignatureMismatch));
    assert_eq!(parsed(&hashed(&pair(false), digest.as_bytes(), &signature)), Err(Code::SignatureMismatch));
    assert_eq!(parsed(&hashed(&key, b"short", &signature)), Err(Code::MalformedField));
    assert_eq!(parsed(&json!({})), Err(Code::UnsupportedFormat));
    assert_eq!(Entry::parse(b"{").map_err(|refused| refused.code), Err(Code::MalformedJson));
    let pae = linkward_evidence::dsse::pae("t", b"p");
    let envelope = |signatures: Value| {
        json!({ "dsseRequestV002": {
            "envelope": { "payload": STANDARD.encode("p"), "payloadType": "t", "signatures": signatures },
            "verifiers": [{ "publicKey": { "rawBytes": STANDARD.encode(spki(&key)) } }],
        } })
    };
    let one = json!({ "sig": STANDARD.encode(sign(&key, &pae)) });
    let entry = parsed(&envelope(json!([one]))).unwrap();
    assert!(String::from_utf8_lossy(&entry.body).contains(&STANDARD.encode(Digest::sha256(&pae).as_bytes())));
    assert_eq!(parsed(&envelope(json!([one, one]))), Err(Code::BundleManySignatures));
    let wrong = json!([{ "sig": STANDARD.encode(sign(&key, b"p")) }]);
    assert_eq!(parsed(&envelope(wrong)), Err(Code::SignatureMismatch));
}

#[test]
fn whoever_does_not_hold_the_key_gets_no_certificate() {
    let (key, other) = (pair(false), pair(false));
    let body = |proof: &[u8]| {
        json!({ "publicKeyRequest": {
            "publicKey": { "algorithm": "ECDSA", "content": crate::keys::pem("PUBLIC KEY", &spki(&key)) },
            "proofOfPossession": STANDARD.encode(proof),
        } })
        .to_string()
    };
    let proven = |proof: &[u8]| {
        let request = SigningRequest::parse(body(proof).as_bytes()).unwrap();
        request.proven(&["me"]).map(|_| ()).map_err(|refused| refused.code)
    };
    assert_eq!(proven(&sign(&key, b"me")), Ok(()));
    assert_eq!(proven(&sign(&key, b"you")), Err(Code::PossessionUnproven));
    assert_eq!(proven(&sign(&other, b"me")), Err(Code::PossessionUnproven));
    let csr = |key: &rcgen::KeyPair| {
        let pem = rcgen::CertificateParams::default().serialize_request(key).unwrap().pem().unwrap();
        json!({ "certificateSigningRequest": STANDARD.encode(pem) }).to_string()
    };
    let good = csr(&rcgen::KeyPair::generate().unwrap());
    assert!(SigningRequest::parse(good.as_bytes()).unwrap().proven(&[]).is_ok());
    for bad in ["{", "{}", r#"{"certificateSigningRequest":"AAAA"}"#, r#"{"publicKeyRequest":{}}"#] {
        assert!(SigningRequest::parse(bad.as_bytes()).is_err(), "{bad}");
    }
    let weak = csr(&rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap());
    let refused = SigningRequest::parse(weak.as_bytes()).map(|_| ()).map_err(|refused| refused.code);
    assert_eq!(refused, Err(Code::KeyUnsupported));
}

#[test]
fn queries_are_read_whole_or_refused() {
    let json = |value: Value| Query::parse_json(value.to_string().as_bytes()).map_err(|refused| refused.code);
    let hash = STANDARD.encode(Digest::sha256(b"s").as_bytes());
    assert!(json(json!({ "artifactHash": hash, "hashAlgorithm": "sha256", "nonce": 5 })).is_ok());
    assert_eq!(json(json!({ "artifactHash": hash, "hashAlgorithm": "md5" })), Err(Code::MalformedField));
    assert_eq!(json(json!({ "artifactHash": hash, "hashAlgorithm": "sha512" })), Err(Code::MalformedField));
    let der = |version: u8, policy: Option<&[u64]>, extension: bool| {
        yasna::construct_der(|writer| {
            writer.write_sequence(|writer| {
                writer.next().write_u8(version);
                writer.next().write_sequence(|writer| {
                    writer.next().write_sequence(|writer| {
                        let sha256 = [2, 16, 840, 1, 101, 3, 4, 2, 1];
                        writer.next().write_oid(&yasna::models::ObjectIdentifier::from_slice(&sha256));
                        writer.next().write_null();
                    });
                    writer.next().write_bytes(Digest::sha256(b"s").as_bytes());
                });
                if let Some(policy) = policy {
                    writer.next().write_oid(&yasna::models::ObjectIdentifier::from_slice(policy));
                }
                writer.next().write_u64(u64::MAX);
                writer.next().write_bool(true);
                if extension {
                    writer.next().write_null();
                }
            });
        })
    };
    assert!(Query::parse(&der(1, None, false)).is_ok());
    let code = |der: &[u8]| Query::parse(der).map(|_| ()).map_err(|refused| refused.code);
    assert_eq!(code(&der(2, None, false)), Err(Code::MalformedField));
    assert_eq!(code(&der(1, Some(&[1, 2, 3]), false)), Err(Code::UnsupportedFormat));
    assert_eq!(code(&der(1, None, true)), Err(Code::MalformedField), "an extension that is not understood");
    for length in 0..60 {
        assert!(Query::parse(der(1, None, false).get(..length).unwrap()).is_err());
    }
}

fn ask(folder: &std::path::Path, ask: &Ask) -> Result<Vec<u8>, String> {
    let mut input = Vec::new();
    for ask in [&Ask::Hold, ask] {
        write_frame(&mut input, &serde_json::to_vec(ask).unwrap()).unwrap();
    }
    let mut output = Vec::new();
    serve(folder, input.as_slice(), &mut output).unwrap();
    let mut output = output.as_slice();
    read_frame(&mut output).unwrap().unwrap();
    let frame = read_frame(&mut output).unwrap().unwrap();
    let answer: Answer = serde_json::from_slice(&frame).unwrap();
    answer.map(|text| STANDARD.decode(text).unwrap())
}

#[test]
fn the_signer_issues_what_is_logged_and_starts_now() {
    let scratch = linkward_testkit::scratch();
    let keys = scratch.path().join("keys");
    crate::create_keys(&keys).unwrap();
    let log = crate::create_certificates(&keys).unwrap();
    let now = Instant::now();
    let authority = ceremony::authority(&keys, "test", 1, now).unwrap();
    ceremony::certificate_log(&keys, "test", 1, now).unwrap();
    let point = linkward_prove::PublicKey::from_spki(&authority.key.0).unwrap().raw().to_vec();
    let above = Above { name: authority.name.clone(), generation: 1, point };
    let request = Request {
        key: spki(&pair(false)),
        name: Name::Uri("https://ci.example/app".to_owned()),
        claims: vec![(1, ISSUER.to_owned()), (8, ISSUER.to_owned())],
        serial: vec![0x41; 16],
        not_before: Instant::from_seconds(now.seconds()),
    };
    let logged = |request: &Request, checkpoint: String| {
        Ask::Leaf(Box::new(LeafAsk {
            request: request.clone(),
            above: above.clone(),
            log: 1,
            logged: now,
            index: 0,
            proof: Vec::<Der>::new(),
            checkpoint,
        }))
    };
    let leaf = sct::leaf(now, &above.key_hash(), &request.tbs(&above).unwrap());
    let origin = "0.certificates.linkward.internal";
    let checkpoint =
        Checkpoint { origin: origin.to_owned(), size: 1, root: leaf_hash(&leaf), extensions: Vec::new() };
    let text = checkpoint.text();
    let key = linkward_ledger::key::NoteKey::new(origin, log).unwrap();
    let asked = Ask::Checkpoint { log: LogName::Certificates, text: text.clone(), key: key.to_string() };
    let signature = ask(&keys, &asked).unwrap();
    let note = format!("{text}\n{}", linkward_ledger::note::signature_line(&key, &signature));
    let der = ask(&keys, &logged(&request, note.clone())).unwrap();
    assert!(linkward_prove::PublicKey::of_certificate(&der).is_ok());
    let mut unlogged = request.clone();
    unlogged.name = Name::Uri("https://ci.example/other".to_owned());
    let refused = ask(&keys, &logged(&unlogged, note.clone())).unwrap_err();
    assert!(refused.contains("not logged"), "{refused}");
    let forged = note.replacen("— ", "— x", 1);
    assert!(ask(&keys, &logged(&request, forged)).unwrap_err().contains("not logged"));
    let mut old = request.clone();
    old.not_before = now.plus_millis(-3_600_000);
    assert!(ask(&keys, &logged(&old, note)).unwrap_err().contains("starts when it is issued"));
    let minted = ask(&keys, &Ask::Token { claims: json!({ "iss": "https://accounts.example" }) });
    assert!(minted.is_err(), "the test issuer has one name");
}
