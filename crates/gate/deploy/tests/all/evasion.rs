//! One table of evasions, decided by the webhook, by the command line's question and by a node: alike, or the test fails.

use linkward_decide::Outcome;
use linkward_deploy::{Gate, NodeQuestion, Settings};
use linkward_model::{Code, Digest};
use serde_json::{Value, json};

use crate::fixture::{EXCEPTION, World, digest, environment};

/// What is written into the pod (`#` is the good digest, `!` the denied one, `?` one without a verdict), and how it comes out. The
/// end-to-end test against a real API server reads the same file.
fn table() -> Vec<(String, Outcome, Option<Code>)> {
    let rows: Vec<Value> = serde_json::from_str(include_str!("../../testdata/evasions.json")).unwrap();
    let rows = rows.iter().filter_map(Value::as_array);
    rows.map(|row| {
        let outcome = match row[1].as_str().unwrap() {
            "allow" => Outcome::Allow,
            "deny" => Outcome::Deny,
            "unknown" => Outcome::Unknown,
            other => panic!("{other}"),
        };
        // Here an exception is what allows.
        let code = row[2].as_str().map(|code| code.parse().unwrap());
        let code = if outcome == Outcome::Allow { EXCEPTION } else { code };
        (row[0].as_str().unwrap().to_owned(), outcome, code)
    })
    .collect()
}

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
    let table = table();
    assert!(table.len() >= 60, "{} cases", table.len());
    let now = linkward_testkit::noon();
    let world = World::new();
    let gate = world.gate(Settings::strict(environment()), now);
    gate.decide(&fill("x@?"), "shop", now);
    settle(&gate);
    for (text, outcome, code) in &table {
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
        ("good:v1".to_owned(), digest("good"), EXCEPTION),
    ] {
        let question = NodeQuestion { name: name.clone(), digest: resolved, descriptor: false };
        let (decision, refused) = gate.verify_node(&question, now);
        assert_eq!((decision.code(), refused), (code, code != EXCEPTION), "{name}");
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

#[test]
fn an_exception_is_named_where_it_lets_pass() {
    let now = linkward_testkit::noon();
    let gate = World::new().gate(Settings::strict(environment()), now);
    let answer = gate.review("/admit", &review(&fill("good@#")), now);
    let body: Value = serde_json::from_slice(&answer.json).unwrap();
    let warning = body["response"]["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("exception-applied") && warning.contains("of tests until 2030-01-01"),
        "{warning}"
    );
}
