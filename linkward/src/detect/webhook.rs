//! Who may tell us events: a delivery that does not prove that it knows the source's secret is refused, whatever it says.

use aws_lc_rs::hmac;
use linkward_model::Code;

/// Why a delivery is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) message: String,
}

/// What the headers say that matters, if the delivery is the source's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    pub(crate) topic: Option<String>,
    pub(crate) id: Option<String>,
}

/// How a source proves itself.
enum Proof {
    /// HMAC-SHA-256 of the body, in hexadecimal after `sha256=`.
    Signature(&'static str),
    /// The secret itself.
    Token(&'static str),
    /// `Authorization: Bearer SECRET`.
    Bearer,
}

/// Source, ways to prove itself, header of the event's name, header of the delivery's id.
const WEBHOOKS: &[(&str, &[Proof], &str, &str)] = &[
    ("github", &[Proof::Signature("x-hub-signature-256")], "x-github-event", "x-github-delivery"),
    ("gitlab", &[Proof::Token("x-gitlab-token")], "x-gitlab-event", "x-gitlab-event-uuid"),
];
const OTHERS: &[Proof] = &[Proof::Signature("x-linkward-signature"), Proof::Bearer];

/// Checks a delivery's proof against the secret; compared in constant time.
pub(crate) fn check<'a>(
    source: &str,
    secret: Option<&[u8]>,
    header: impl Fn(&str) -> Option<&'a str>,
    body: &[u8],
) -> Result<Accepted, Refusal> {
    let refuse = |code: Code| Refusal { code, message: format!("{source}: {}", code.summary()) };
    let Some(secret) = secret else { return Err(refuse(Code::WebhookSecretMissing)) };
    let known = WEBHOOKS.iter().find(|(name, ..)| *name == source);
    let (proofs, topic, id) = known.map_or((OTHERS, "", ""), |(_, proofs, topic, id)| (*proofs, *topic, *id));
    let mut outcome = Err(refuse(Code::WebhookUnsigned));
    for proof in proofs {
        let held = match proof {
            Proof::Signature(name) => header(name).map(|given| signed(secret, given, body)),
            Proof::Token(name) => header(name).map(|given| same(secret, given.as_bytes())),
            Proof::Bearer => header("authorization")
                .and_then(|given| given.strip_prefix("Bearer "))
                .map(|given| same(secret, given.as_bytes())),
        };
        match held {
            Some(true) => {
                let text = |name: &str| header(name).filter(|_| !name.is_empty()).map(str::to_owned);
                outcome = Ok(Accepted { topic: text(topic), id: text(id) });
                break;
            }
            Some(false) => outcome = Err(refuse(Code::WebhookSignatureMismatch)),
            None => {}
        }
    }
    outcome
}

fn signed(secret: &[u8], given: &str, body: &[u8]) -> bool {
    let Some(hex) = given.strip_prefix("sha256=") else { return false };
    let Ok(tag) = hex_bytes(hex) else { return false };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    hmac::verify(&key, body, &tag).is_ok()
}

fn same(secret: &[u8], given: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(secret, given).is_ok()
}

fn hex_bytes(hex: &str) -> Result<Vec<u8>, ()> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8).ok_or(());
    let bytes = hex.as_bytes();
    if bytes.len() != 64 {
        return Err(());
    }
    bytes.chunks(2).map(|pair| Ok(digit(pair[0])? * 16 + digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(secret: &[u8], body: &[u8]) -> String {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), body);
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256={hex}")
    }

    fn github(secret: Option<&[u8]>, signature: Option<&str>, body: &[u8]) -> Result<Accepted, Code> {
        let header = |name: &str| match name {
            "x-hub-signature-256" => signature,
            "x-github-event" => Some("push"),
            "x-github-delivery" => Some("d1"),
            _ => None,
        };
        check("github", secret, header, body).map_err(|refusal| refusal.code)
    }

    /// The example of GitHub's own documentation.
    #[test]
    fn the_documented_example() {
        let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let accepted =
            github(Some(b"It's a Secret to Everybody"), Some(signature), b"Hello, World!").unwrap();
        assert_eq!((accepted.topic.as_deref(), accepted.id.as_deref()), (Some("push"), Some("d1")));
    }

    #[test]
    fn everything_else_is_refused_with_its_code() {
        let good = sign(b"hush", b"body");
        assert_eq!(github(None, Some(&good), b"body"), Err(Code::WebhookSecretMissing));
        assert_eq!(github(Some(b"hush"), None, b"body"), Err(Code::WebhookUnsigned));
        for (signature, body) in [
            (good.as_str(), &b"other"[..]),
            ("sha256=", b"body"),
            ("sha1=abc", b"body"),
            (&good[..good.len() - 2], b"body"),
            (&sign(b"another", b"body"), b"body"),
            ("sha256=zz7107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17", b"body"),
        ] {
            assert_eq!(
                github(Some(b"hush"), Some(signature), body),
                Err(Code::WebhookSignatureMismatch),
                "{signature}"
            );
        }
    }

    #[test]
    fn tokens_and_bearers() {
        let gitlab = |given: &'static str| {
            let header = move |name: &str| (name == "x-gitlab-token").then_some(given);
            check("gitlab", Some(b"hush"), header, b"{}").is_ok()
        };
        assert!(gitlab("hush") && !gitlab("hus") && !gitlab(""));
        let bearer = |given: &'static str| {
            let header = move |name: &str| (name == "authorization").then_some(given);
            check("oci", Some(b"hush"), header, b"{}").map_err(|refusal| refusal.code)
        };
        assert!(bearer("Bearer hush").is_ok());
        assert_eq!(bearer("Bearer other"), Err(Code::WebhookSignatureMismatch));
        assert_eq!(bearer("Basic hush"), Err(Code::WebhookUnsigned));
    }
}
