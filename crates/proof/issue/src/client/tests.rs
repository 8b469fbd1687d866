use std::cell::RefCell;

use linkward_model::{Code, Digest};
use linkward_testkit::noon;
use serde_json::{Value, json};

use super::{Chosen, Post, Subject, Transport, keyed, keyless, log};
use crate::signing_key::{LocalKey, SigningKey as _};
use crate::sigstore::Refused;
use crate::sigstore::entry::Entry;
use crate::sigstore::instance::pem_certificate;
use crate::sigstore::leaf::{Above, Name, Request};
use crate::sigstore::request::SigningRequest;
use crate::sigstore::timestamp::Query;

/// An instance whose authority certifies what is asked, or another key.
#[derive(Default)]
struct Fake {
    another_key: bool,
    /// What a path is answered with in place of the honest answer.
    instead: Vec<(&'static str, u16, &'static str)>,
    /// Paths in the order in which they were asked, and whether a token came along.
    asked: RefCell<Vec<(String, bool)>>,
}

impl Fake {
    fn certificate(&self, body: &[u8]) -> Vec<u8> {
        let request = SigningRequest::parse(body).unwrap();
        let key = request.proven(&[]).unwrap().spki().to_vec();
        let key = if self.another_key { LocalKey::ephemeral().unwrap().public().to_vec() } else { key };
        let authority = LocalKey::ephemeral().unwrap();
        let above = Above { name: "ca".to_owned(), generation: 1, point: authority.point().to_vec() };
        let request = Request {
            key,
            name: Name::Email("a@example.com".to_owned()),
            claims: vec![(8, "https://issuer.example".to_owned())],
            serial: vec![1; 16],
            not_before: noon(),
        };
        let der = request.certificate(&above, b"sct", |tbs| authority.sign_message(tbs)).unwrap();
        let chain = json!({ "chain": { "certificates": [pem_certificate(&der)] } });
        json!({ "signedCertificateEmbeddedSct": chain }).to_string().into_bytes()
    }
}

impl Transport for Fake {
    fn post(&self, request: &Post<'_>) -> Result<(u16, Vec<u8>), Refused> {
        let path = request.url.trim_start_matches("https://sigstore.example").to_owned();
        self.asked.borrow_mut().push((path.clone(), request.bearer.is_some()));
        if let Some((_, status, text)) = self.instead.iter().find(|(known, _, _)| *known == path) {
            return Ok((*status, text.as_bytes().to_vec()));
        }
        Ok(match path.as_str() {
            "/api/v2/signingCert" => (200, self.certificate(request.body)),
            "/api/v1/timestamp" => {
                Query::parse(request.body).unwrap();
                (201, b"token".to_vec())
            }
            "/api/v2/log/entries" => {
                Entry::parse(request.body).unwrap();
                (201, json!({ "inclusionProof": {} }).to_string().into_bytes())
            }
            other => panic!("{other}"),
        })
    }
}

fn chosen() -> Chosen {
    let url = "https://sigstore.example";
    Chosen {
        authority: Some(url.to_owned()),
        logs: vec![url.to_owned()],
        stamps: vec![format!("{url}/api/v1/timestamp")],
    }
}

fn sign(fake: &Fake) -> Result<String, Code> {
    let subject = Subject::Artifact(Digest::sha256(b"a"));
    keyless(&subject, "h.e.y", &chosen(), fake)
        .and_then(|unlogged| log(&unlogged, fake))
        .map_err(|refused| refused.code)
}

#[test]
fn the_token_goes_to_the_authority_alone_and_the_log_comes_last() {
    let fake = Fake::default();
    let bundle: Value = serde_json::from_str(&sign(&fake).unwrap()).unwrap();
    assert!(bundle["verificationMaterial"]["certificate"]["rawBytes"].is_string());
    let asked = fake.asked.into_inner();
    let order = ["/api/v2/signingCert", "/api/v1/timestamp", "/api/v2/log/entries"];
    assert_eq!(
        asked,
        [(order[0].to_owned(), true), (order[1].to_owned(), false), (order[2].to_owned(), false)]
    );
}

#[test]
fn statements_are_signed_by_their_bytes() {
    let fake = Fake::default();
    let key = LocalKey::ephemeral().unwrap();
    let unlogged = keyed(&Subject::Statement(b"{ }"), &key, &chosen(), &fake).unwrap();
    let bundle: Value = serde_json::from_str(&log(&unlogged, &fake).unwrap()).unwrap();
    assert_eq!(bundle["dsseEnvelope"]["payload"], "eyB9");
    assert!(bundle["verificationMaterial"]["publicKey"]["hint"].is_string());
    assert!(fake.asked.borrow().iter().all(|(path, token)| path != "/api/v2/signingCert" && !token));
}

#[test]
fn services_that_refuse_fail_or_lie_are_told_apart() {
    let with = |path, status, text| sign(&Fake { instead: vec![(path, status, text)], ..Fake::default() });
    let (authority, stamp, entries) = ("/api/v2/signingCert", "/api/v1/timestamp", "/api/v2/log/entries");
    let refused = Err(Code::SigningServiceRefused);
    assert_eq!(with(authority, 401, "{\"message\":\"no\"}"), refused);
    assert_eq!(with(authority, 200, "<html>"), refused);
    assert_eq!(with(authority, 200, "{}"), refused);
    assert_eq!(with(entries, 400, ""), refused);
    assert_eq!(with(entries, 201, "{\"inclusionProof\":1}"), refused);
    assert_eq!(sign(&Fake { another_key: true, ..Fake::default() }), refused);
    let away = Err(Code::SigningServiceUnreachable);
    assert_eq!(with(stamp, 503, ""), away);
    assert_eq!(with(entries, 502, "bad gateway"), away);
}

#[test]
fn what_is_no_token_is_not_sent() {
    let fake = Fake::default();
    for bad in ["", "a b", "a\r\nX: y"] {
        let refused = keyless(&Subject::Artifact(Digest::sha256(b"a")), bad, &chosen(), &fake).unwrap_err();
        assert_eq!(refused.code, Code::TokenMalformed, "{bad:?}");
    }
    assert!(fake.asked.borrow().is_empty());
}
