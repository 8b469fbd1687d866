//! One table of evasions, decided by the webhook, by the command line's question and by a node: alike, or the test fails.

use linkward_decide::Outcome;
use linkward_deploy::{Gate, NodeQuestion, Settings};
use linkward_model::{Code, Digest};
use serde_json::{Value, json};

use crate::fixture::{World, digest, environment};

/// What is written into the pod (`#` is the good digest, `!` the denied one, `?` one without a verdict), and how it comes out.
const TABLE: &[(&str, Outcome, Option<Code>)] = {
    use Code::{DigestDenied, DigestMalformed, ImageMalformed, NoEvidence, NotDigest};
    use Outcome::{Allow, Deny, Unknown};
    &[
        // The same image by its many names.
        ("registry.example/shop/good@#", Allow, None),
        ("good@#", Allow, None),
        ("library/good@#", Allow, None),
        ("docker.io/library/good@#", Allow, None),
        ("index.docker.io/library/good@#", Allow, None),
        ("registry-1.docker.io/library/good@#", Allow, None),
        ("REGISTRY.EXAMPLE/shop/good@#", Allow, None),
        ("Registry.Example:443/shop/good@#", Allow, None),
        ("localhost/good@#", Allow, None),
        ("localhost:5000/good@#", Allow, None),
        ("127.0.0.1:5000/good@#", Allow, None),
        ("a--b/c__d.e@#", Allow, None),
        // The tag beside a digest has no say.
        ("registry.example/shop/good:v1@#", Allow, None),
        ("registry.example/shop/good:latest@!", Deny, Some(DigestDenied)),
        ("registry.example/shop/good:trusted@?", Unknown, Some(NoEvidence)),
        // Neither has the name: what runs is the digest.
        ("registry.example/shop/good@!", Deny, Some(DigestDenied)),
        ("docker.io/library/good@!", Deny, Some(DigestDenied)),
        ("registry.example/shop/bad@#", Allow, None),
        ("registry.example/mirror/bad@!", Deny, Some(DigestDenied)),
        // A child of an index, or an index around an allowed child, is another digest.
        ("registry.example/shop/good@?", Unknown, Some(NoEvidence)),
        // Names without a digest.
        ("good", Unknown, Some(NotDigest)),
        ("good:v1", Unknown, Some(NotDigest)),
        ("registry.example/shop/good", Unknown, Some(NotDigest)),
        ("registry.example/shop/good:v1", Unknown, Some(NotDigest)),
        ("registry.example:5000/good", Unknown, Some(NotDigest)),
        ("localhost:5000/good:v1", Unknown, Some(NotDigest)),
        ("auto", Unknown, Some(NotDigest)),
        ("REGISTRY.EXAMPLE/good:v1", Unknown, Some(NotDigest)),
        // Digests that the API server takes and no runtime should.
        ("good@", Unknown, Some(DigestMalformed)),
        ("good@sha256:", Unknown, Some(DigestMalformed)),
        ("good@sha256:aa", Unknown, Some(DigestMalformed)),
        ("good@sha256:0123456789abcdef0123456789abcdef", Unknown, Some(DigestMalformed)),
        ("good@#0", Unknown, Some(DigestMalformed)),
        ("good@ #", Unknown, Some(DigestMalformed)),
        ("good@# ", Unknown, Some(DigestMalformed)),
        ("good@#\n", Unknown, Some(DigestMalformed)),
        ("good@#@#", Unknown, Some(DigestMalformed)),
        ("good@!@#", Unknown, Some(DigestMalformed)),
        ("good@#:v1", Unknown, Some(DigestMalformed)),
        ("good@#/x", Unknown, Some(DigestMalformed)),
        ("good@#?ns=other", Unknown, Some(DigestMalformed)),
        ("good@SHA256:aa", Unknown, Some(DigestMalformed)),
        ("good@md5:d41d8cd98f00b204e9800998ecf8427e", Unknown, Some(DigestMalformed)),
        ("good@sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709", Unknown, Some(DigestMalformed)),
        ("good@sha512:aa", Unknown, Some(DigestMalformed)),
        ("good@sha256-aa", Unknown, Some(DigestMalformed)),
        ("good@sha256:ＡＡ", Unknown, Some(DigestMalformed)),
        // Names outside the grammar.
        ("", Unknown, Some(ImageMalformed)),
        (" ", Unknown, Some(ImageMalformed)),
        (" good@#", Unknown, Some(ImageMalformed)),
        ("good @#", Unknown, Some(ImageMalformed)),
        ("@#", Unknown, Some(ImageMalformed)),
        ("Good@#", Unknown, Some(ImageMalformed)),
        ("shop/Good@#", Unknown, Some(ImageMalformed)),
        ("gооd@#", Unknown, Some(ImageMalformed)),
        ("good\u{200b}@#", Unknown, Some(ImageMalformed)),
        ("good\u{202e}@#", Unknown, Some(ImageMalformed)),
        ("ｇｏｏｄ@#", Unknown, Some(ImageMalformed)),
        ("registry.exаmple/shop/good@#", Unknown, Some(ImageMalformed)),
        ("regıstry.example/shop/good@#", Unknown, Some(ImageMalformed)),
        ("registry.example。/shop/good@#", Unknown, Some(ImageMalformed)),
        ("registry.example/../good@#", Unknown, Some(ImageMalformed)),
        ("registry.example//good@#", Unknown, Some(ImageMalformed)),
        ("registry.example/shop/good/@#", Unknown, Some(ImageMalformed)),
        ("registry.example:port/good@#", Unknown, Some(ImageMalformed)),
        ("registry.example:999999/good@#", Unknown, Some(ImageMalformed)),
        ("user:password@registry.example/good@#", Unknown, Some(DigestMalformed)),
        ("https://registry.example/good@#", Unknown, Some(ImageMalformed)),
        ("oci://registry.example/good@#", Unknown, Some(ImageMalformed)),
        ("registry.example/good:@#", Unknown, Some(ImageMalformed)),
        ("registry.example/good:-v1@#", Unknown, Some(ImageMalformed)),
        ("registry.example/good:v1:v2@#", Unknown, Some(ImageMalformed)),
        ("registry.example/good%2f@#", Unknown, Some(ImageMalformed)),
        ("registry.example/good\\x@#", Unknown, Some(ImageMalformed)),
        ("registry.example/good\0@#", Unknown, Some(ImageMalformed)),
        ("a___b@#", Unknown, Some(ImageMalformed)),
        ("-good@#", Unknown, Some(ImageMalformed)),
        ("good-@#", Unknown, Some(ImageMalformed)),
        ("a..b@#", Unknown, Some(ImageMalformed)),
    ]
};

fn fill(text: &str) -> String {
    let digest = |name: &str| digest(name).to_string();
    text.replace("?ns=", "\u{1}")
        .replace('#', &digest("good"))
        .replace('!', &digest("bad"))
        .replace('?', &digest("nobody knows"))
        .replace('\u{1}', "?ns=")
}

fn review(image: &str) -> Vec<u8> {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u", "operation": "CREATE", "namespace": "shop",
            "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "object": { "spec": { "containers": [{ "name": "c", "image": image }] } },
        },
    })
    .to_string()
    .into_bytes()
}

/// Nothing is recorded of what was asked for: as a daemon's look-up would find.
fn settle(gate: &Gate) {
    let now = linkward_testkit::noon();
    while let Some(digest) = gate.cold() {
        gate.answered(&digest, false, now);
    }
}

#[test]
fn webhook_command_and_node_decide_alike() {
    assert!(TABLE.len() >= 60, "{} cases", TABLE.len());
    let now = linkward_testkit::noon();
    let world = World::new();
    let gate = world.gate(Settings::strict(environment()), now);
    gate.decide(&fill("x@?"), "shop", now);
    settle(&gate);
    for (text, outcome, code) in TABLE {
        let image = fill(text);
        let command = gate.decide(&image, "shop", now);
        assert_eq!((command.outcome(), command.code()), (*outcome, *code), "command: {text:?}");

        let answer = gate.review("/admit", &review(&image), now);
        assert_eq!(answer.status, 200);
        let found: Vec<_> = answer.decisions.iter().map(|d| (d.outcome(), d.code())).collect();
        assert_eq!(found, [(*outcome, *code)], "webhook: {text:?}");
        assert_eq!(answer.allowed, *outcome == Outcome::Allow, "webhook: {text:?}");
        let body: Value = serde_json::from_slice(&answer.json).unwrap();
        assert_eq!(body["response"]["allowed"], *outcome == Outcome::Allow, "{text:?}");

        // A node is told the digest that was resolved; where the name holds one, that one.
        let resolved: Digest =
            image.rsplit_once('@').and_then(|(_, digest)| digest.parse().ok()).unwrap_or(digest("good"));
        let question = NodeQuestion { name: image.clone(), digest: resolved, descriptor: false };
        let (node, refused) = gate.verify_node(&question, now);
        if *code == Some(Code::NotDigest) {
            // The one difference there is to be: the tag was resolved, so the node can decide.
            assert_eq!((node.outcome(), refused), (Outcome::Allow, false), "node: {text:?}");
        } else {
            assert_eq!((node.outcome(), node.code()), (*outcome, *code), "node: {text:?}");
            assert_eq!(refused, *outcome != Outcome::Allow, "node: {text:?}");
        }
    }
}

#[test]
fn a_node_that_resolved_something_else_is_refused() {
    let now = linkward_testkit::noon();
    let world = World::new();
    let gate = world.gate(Settings::strict(environment()), now);
    for (name, resolved, code) in [
        (fill("good@!"), digest("good"), Some(Code::ImageDigestMismatch)),
        (fill("good:v1@#"), digest("bad"), Some(Code::ImageDigestMismatch)),
        ("good:v1".to_owned(), digest("bad"), Some(Code::DigestDenied)),
        ("good:v1".to_owned(), digest("good"), None),
    ] {
        let question = NodeQuestion { name: name.clone(), digest: resolved, descriptor: false };
        let (decision, refused) = gate.verify_node(&question, now);
        assert_eq!((decision.code(), refused), (code, code.is_some()), "{name}");
    }
}

#[test]
fn bare_tags_may_be_left_to_the_nodes() {
    use linkward_deploy::OnTag;
    let now = linkward_testkit::noon();
    let world = World::new();
    let gate = world.gate(Settings { on_tag: OnTag::Node, ..Settings::strict(environment()) }, now);
    let answer = gate.review("/admit", &review("registry.example/good:v1"), now);
    let body: Value = serde_json::from_slice(&answer.json).unwrap();
    assert_eq!(body["response"]["allowed"], true);
    assert!(body["response"]["warnings"][0].as_str().unwrap().contains("not-digest"), "{body}");
    // Nonsense is not a tag.
    assert!(!gate.review("/admit", &review("registry.example/Good:v1"), now).allowed);
    assert!(!gate.review("/admit", &review("good@sha256:aa"), now).allowed);
}
