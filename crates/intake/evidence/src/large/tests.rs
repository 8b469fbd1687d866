use std::io::Cursor;

use base64::Engine as _;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn bundle(payload: &str, further: &str) -> Vec<u8> {
    let held = STANDARD.encode(payload);
    format!(
        r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json",{further}
        "verificationMaterial":{{"publicKey":{{"hint":"a \"key\" \\"}}}},
        "dsseEnvelope":{{"payloadType":"application/vnd.in-toto+json","payload":"{held}","signatures":[{{"sig":"AAAA"}}]}}}}"#
    )
    .into_bytes()
}

fn statement(predicate: &str) -> String {
    let hex = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"a","digest":{{"sha256":"{hex}"}}}}],
        "predicateType":"https://cyclonedx.org/bom","predicate":{predicate}}}"#
    )
}

fn large(predicate: &str) -> String {
    statement(&format!(r#"{{"pad":"{}","rest":{predicate}}}"#, "x".repeat(LONG)))
}

fn refused(document: Vec<u8>) -> (Code, String) {
    let fault = read(&mut Cursor::new(document)).unwrap_err();
    (fault.code, fault.to_string())
}

#[test]
fn it_says_what_reading_it_whole_says() {
    for predicate in ["null", "[1, {\"a\": \"\\\"]}\"}]", "{\"subject\": []}"] {
        let text = large(predicate);
        let document = bundle(&text, "");
        let (read, digest) = read(&mut Cursor::new(&document)).unwrap();
        assert_eq!(digest, Digest::sha256(&document));
        let whole = Bundle::parse(&document).unwrap();
        let (Content::Large(payload), Content::Envelope(envelope)) = (&read.content, &whole.content) else {
            panic!("{:?} {:?}", read.content, whole.content);
        };
        for algorithm in [Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512] {
            assert_eq!(payload.digest(algorithm), Digest::of(algorithm, text.as_bytes()));
            assert_eq!(payload.pae(algorithm), Digest::of(algorithm, &envelope.pae()));
        }
        let known = Statement::parse(text.as_bytes()).unwrap();
        assert_eq!(payload.statement, Statement { predicate: Value::Null, ..known });
        assert_eq!(payload.signature, envelope.signatures[0].sig);
    }
}

#[test]
fn what_is_small_is_read_as_ever() {
    let (read, digest) = read(&mut Cursor::new(bundle(&statement("{}"), ""))).unwrap();
    assert!(matches!(read.content, Content::Envelope(_)));
    assert_eq!(digest, Digest::sha256(&bundle(&statement("{}"), "")));
}

#[test]
fn what_would_be_read_in_two_ways_or_fill_memory_is_refused() {
    let long = format!(r#""pad":"{}","#, "x".repeat(LONG + 1));
    assert_eq!(refused(bundle(&large("null"), &long)).0, Code::TooLarge);
    assert_eq!(refused(bundle(&statement("null"), &long)).0, Code::TooLarge);
    let text = String::from_utf8(bundle(&large("null"), "")).unwrap();
    // An escape that another reader would resolve.
    let at = text.find("\"payload\":\"").unwrap() + LONG + 100;
    let escaped = format!("{}\\u0041{}", &text[..at], &text[at..]);
    assert_eq!(refused(escaped.into_bytes()).0, Code::TooLarge);
    let cut = format!("{}{}", &text[..at], &text[at + 1..]);
    assert_eq!(refused(cut.into_bytes()).0, Code::MalformedBase64);
    let odd = format!("{}!{}", &text[..at], &text[at + 1..]);
    assert_eq!(refused(odd.into_bytes()).0, Code::MalformedBase64);
    let deep = "[".repeat(2 * LONG);
    let (code, message) = refused(bundle(&large(&deep), ""));
    assert!(code == Code::TooLarge && message.contains("nested deeper"), "{message}");
    let twice = large("null").replace("\"predicateType\"", "\"_type\":1,\"predicateType\"");
    assert!(refused(bundle(&twice, "")).1.contains("stands twice"));
    let subject = format!(r#"{{"name":"{}","digest":{{"sha256":"x"}}}}"#, "x".repeat(2 * REST));
    let wide = json!({ "_type": "https://in-toto.io/Statement/v1", "subject": [subject] }).to_string();
    let (code, message) = refused(bundle(&wide, ""));
    assert!(code == Code::TooLarge && message.contains("beside the predicate"), "{message}");
    let trailing = large("null") + " {}";
    assert_eq!(refused(bundle(&trailing, "")).0, Code::MalformedJson);
    assert_eq!(refused(bundle(&large("{"), "")).0, Code::MalformedJson);
    let other = String::from_utf8(bundle(&large("null"), "")).unwrap().replace("vnd.in-toto+json", "text");
    assert_eq!(refused(other.into_bytes()).0, Code::TooLarge);
    assert_eq!(refused(b"{\"a\":".repeat(REST)).0, Code::TooLarge);
    assert_eq!(refused(Vec::new()).0, Code::MalformedJson);
}

proptest! {
    #[test]
    fn whatever_the_bytes_it_does_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), at in 0usize..400) {
        let mut document = bundle(&statement("{}"), "");
        let at = at.min(document.len());
        document.splice(at..at, bytes);
        let _ = read(&mut Cursor::new(document));
    }
}
