//! A provider that lies in every way that a provider, or somebody between, can.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::json;

use super::*;

/// What the token endpoint answers next; the form that it was sent last.
type Script = Arc<Mutex<(Value, String)>>;

struct Fake {
    issuer: String,
    key: EcdsaKeyPair,
    script: Script,
}

fn key() -> EcdsaKeyPair {
    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap()
}

fn token(key: &EcdsaKeyPair, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
}

impl Fake {
    fn start(change: impl Fn(&mut Value) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let key = key();
        let point = key.public_key().as_ref()[1..].to_vec();
        let script = Script::default();
        let (own, heard) = (issuer.clone(), Arc::clone(&script));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut reader = BufReader::new(stream);
                let (mut first, mut length) = (String::new(), 0);
                let _ = reader.read_line(&mut first);
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).is_err() || line.trim().is_empty() {
                        break;
                    }
                    if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                }
                let mut body = vec![0; length];
                let _ = reader.read_exact(&mut body);
                let answer = if first.contains("openid-configuration") {
                    let mut document = json!({
                        "issuer": own, "authorization_endpoint": format!("{own}/auth"), "token_endpoint": format!("{own}/token"),
                        "jwks_uri": format!("{own}/keys"), "code_challenge_methods_supported": ["S256"],
                    });
                    change(&mut document);
                    document
                } else if first.contains("/keys") {
                    let coordinate = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
                    json!({ "keys": [{ "kty": "EC", "crv": "P-256", "x": coordinate(&point[..32]), "y": coordinate(&point[32..]) }] })
                } else {
                    let mut script = heard.lock().unwrap();
                    script.1 = String::from_utf8_lossy(&body).into_owned();
                    script.0.clone()
                };
                let text = answer.to_string();
                let _ = write!(
                    reader.get_mut(),
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                    text.len()
                );
            }
        });
        Self { issuer, key, script }
    }

    fn provider(&self) -> Provider {
        Provider::new(&Settings {
            issuer: Some(self.issuer.clone()),
            client_id: "linkward".to_owned(),
            scopes: vec!["openid".to_owned()],
            roles: vec!["sub=ann:viewer".parse().unwrap()],
            ..Settings::default()
        })
        .unwrap()
    }

    fn claims(&self, nonce: &str, now: Instant) -> Value {
        json!({ "iss": self.issuer, "aud": "linkward", "sub": "ann", "nonce": nonce, "exp": now.seconds() + 60, "iat": now.seconds() })
    }
}

fn parameter(url: &str, name: &str) -> String {
    url.split(['?', '&']).find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap().to_owned()
}

/// One login from its begin to its end, with what the token endpoint says about it.
fn login(
    fake: &Fake,
    provider: &Provider,
    answer: impl FnOnce(&Fake, Value) -> Value,
) -> Result<Come, Refusal> {
    let now = Instant::now();
    let begun = provider.begin("http://127.0.0.1:1/login/back", "/log", now).unwrap();
    let claims = fake.claims(&parameter(&begun.to, "nonce"), now);
    fake.script.lock().unwrap().0 = answer(fake, claims);
    let state = parameter(&begun.to, "state");
    let given = |name: &str| match name {
        "state" => Some(state.clone()),
        "code" => Some("c0de".to_owned()),
        _ => None,
    };
    provider.finish(given, Some(&begun.cookie), now)
}

fn es256() -> Value {
    json!({ "alg": "ES256" })
}

#[test]
fn what_holds_is_taken_and_the_verifier_fits_the_challenge() {
    let fake = Fake::start(|_| {});
    let provider = fake.provider();
    let now = Instant::now();
    let begun = provider.begin("http://127.0.0.1:1/login/back", "/log", now).unwrap();
    assert!(begun.to.starts_with(&format!("{}/auth?response_type=code&", fake.issuer)), "{}", begun.to);
    assert_eq!(parameter(&begun.to, "code_challenge_method"), "S256");
    let come =
        login(&fake, &provider, |fake, claims| json!({ "id_token": token(&fake.key, &es256(), &claims) }))
            .unwrap();
    assert_eq!((come.subject.as_str(), come.role, come.next.as_str()), ("ann", Role::Viewer, "/log"));
    let sent = fake.script.lock().unwrap().1.clone();
    let verifier = parameter(&format!("?{sent}"), "code_verifier");
    assert!(
        verifier.len() >= 43 && sent.contains("grant_type=authorization_code") && sent.contains("code=c0de")
    );
}

#[test]
fn every_lie_is_seen() {
    let fake = Fake::start(|_| {});
    let provider = fake.provider();
    let other = key();
    let changed = |name: &'static str, value: Value| {
        move |fake: &Fake, mut claims: Value| {
            claims[name] = value;
            json!({ "id_token": token(&fake.key, &es256(), &claims) })
        }
    };
    let late = Instant::now().seconds() - 3600;
    type Lie<'a> = Box<dyn FnOnce(&Fake, Value) -> Value + 'a>;
    let lies: Vec<(&str, Lie<'_>)> = vec![
        ("nonce", Box::new(changed("nonce", json!("another")))),
        ("no nonce", Box::new(changed("nonce", Value::Null))),
        ("audience", Box::new(changed("aud", json!("somebody")))),
        ("several without a party", Box::new(changed("aud", json!(["linkward", "somebody"])))),
        ("party", Box::new(changed("azp", json!("somebody")))),
        ("issuer", Box::new(changed("iss", json!("https://issuer.example")))),
        ("over", Box::new(changed("exp", json!(late)))),
        ("no end", Box::new(changed("exp", Value::Null))),
        ("no subject", Box::new(changed("sub", json!("")))),
        ("another key", Box::new(|_, claims| json!({ "id_token": token(&other, &es256(), &claims) }))),
        (
            "none",
            Box::new(
                |fake, claims| json!({ "id_token": token(&fake.key, &json!({ "alg": "none" }), &claims) }),
            ),
        ),
        (
            "a secret",
            Box::new(
                |fake, claims| json!({ "id_token": token(&fake.key, &json!({ "alg": "HS256" }), &claims) }),
            ),
        ),
        (
            "its own key",
            Box::new(|_, claims| {
                let header =
                    json!({ "alg": "ES256", "jwk": { "kty": "EC" }, "jku": "https://evil.example/keys" });
                json!({ "id_token": token(&other, &header, &claims) })
            }),
        ),
        ("no token", Box::new(|_, _| json!({ "access_token": "a" }))),
        ("nonsense", Box::new(|_, _| json!({ "id_token": "a.b" }))),
    ];
    for (name, lie) in lies {
        let refusal = login(&fake, &provider, lie).unwrap_err();
        assert_eq!(refusal.code, Code::LoginRejected, "{name}: {refusal:?}");
    }
    let refusal = login(&fake, &provider, changed("sub", json!("bob"))).unwrap_err();
    assert_eq!(refusal.code, Code::LoginWithoutRole);
}

#[test]
fn a_provider_that_is_another_or_takes_no_pkce_is_not_used() {
    let changes: [fn(&mut Value); 4] = [
        |document| document["issuer"] = json!("https://issuer.example"),
        |document| document["code_challenge_methods_supported"] = json!(["plain"]),
        |document| document["authorization_endpoint"] = json!("javascript:alert(1)"),
        |document| document["jwks_uri"] = json!("http://elsewhere.example/keys"),
    ];
    for change in changes {
        let fake = Fake::start(change);
        let refusal =
            fake.provider().begin("http://127.0.0.1:1/login/back", "/", Instant::now()).unwrap_err();
        assert_eq!(refusal.code, Code::LoginUnreachable, "{refusal:?}");
    }
}

#[test]
fn what_is_under_way_is_bounded_and_ends() {
    let fake =
        Fake::start(|document| document["authorization_response_iss_parameter_supported"] = json!(true));
    let provider = fake.provider();
    let now = Instant::now();
    let first = provider.begin("b", "/", now).unwrap();
    for _ in 0..MOST {
        provider.begin("b", "/", now.plus_millis(1)).unwrap();
    }
    assert_eq!(provider.pending.lock().unwrap().len(), MOST);
    let finish = |begun: &Begun, issuer: Option<&str>, at: Instant| {
        let state = parameter(&begun.to, "state");
        let given = |name: &str| match name {
            "state" => Some(state.clone()),
            "iss" => issuer.map(str::to_owned),
            _ => Some("x".to_owned()),
        };
        provider.finish(given, Some(&begun.cookie), at).unwrap_err().message
    };
    assert!(finish(&first, None, now).contains("under way"), "the oldest was forgotten");
    let begun = provider.begin("b", "/", now).unwrap();
    assert!(finish(&begun, None, now.plus_millis(LONGEST)).contains("under way"), "it took too long");
    let begun = provider.begin("b", "/", now).unwrap();
    assert!(finish(&begun, None, now).contains("does not name its issuer"));
    let begun = provider.begin("b", "/", now).unwrap();
    assert!(finish(&begun, Some("https://evil.example"), now).contains("another issuer"));
}
