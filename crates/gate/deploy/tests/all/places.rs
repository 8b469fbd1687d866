//! Every place where an object can hold an image, operations, modes, and bodies that are no reviews.

use linkward_decide::{Mode as PolicyMode, Outcome, Pattern};
use linkward_deploy::{Gate, Mode, OnUnknown, Scope, Settings};
use linkward_model::Code;
use serde_json::{Value, json};

use crate::fixture::{EXCEPTION, World, digest, environment, image};

fn settings() -> Settings {
    let custom = ["argoproj.io/Rollout:spec.template.spec", "tekton.dev/Task:spec.steps[].image"];
    let custom = custom.iter().map(|path| path.parse().unwrap()).collect();
    Settings { custom, ..Settings::strict(environment()) }
}

fn ask(group: &str, kind: &str, operation: &str, object: Value, old: Value) -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u", "operation": operation, "namespace": "shop", "name": "x",
            "kind": { "group": group, "version": "v1", "kind": kind }, "object": object, "oldObject": old,
        },
    })
}

fn allowed(gate: &Gate, review: &Value) -> bool {
    gate.review("/admit", review.to_string().as_bytes(), linkward_testkit::noon()).allowed
}

#[test]
fn no_place_that_holds_an_image_is_missed() {
    let world = World::new();
    let gate = world.gate(settings(), linkward_testkit::noon());
    let (good, bad) = (image("good"), image("bad"));
    let pods = |image: &str| {
        vec![
            json!({ "containers": [{ "image": good }, { "image": image }] }),
            json!({ "containers": [{ "image": good }], "initContainers": [{ "image": image }] }),
            json!({ "containers": [{ "image": good }], "ephemeralContainers": [{ "image": image }] }),
            json!({ "containers": [{ "image": good }],
                    "volumes": [{ "name": "v", "emptyDir": {} }, { "name": "w", "image": { "reference": image } }] }),
        ]
    };
    let mut cases = 0;
    for (image, expected) in [(&good, true), (&bad, false)] {
        for pod in pods(image) {
            let template = json!({ "spec": { "template": { "spec": pod } } });
            for (group, kind, object) in [
                ("", "Pod", json!({ "spec": pod })),
                ("", "PodTemplate", json!({ "template": { "spec": pod } })),
                ("", "ReplicationController", template.clone()),
                ("apps", "Deployment", template.clone()),
                ("apps", "ReplicaSet", template.clone()),
                ("apps", "StatefulSet", template.clone()),
                ("apps", "DaemonSet", template.clone()),
                ("batch", "Job", template.clone()),
                ("batch", "CronJob", json!({ "spec": { "jobTemplate": template } })),
                ("argoproj.io", "Rollout", template.clone()),
            ] {
                let review = ask(group, kind, "CREATE", object, Value::Null);
                assert_eq!(allowed(&gate, &review), expected, "{group}/{kind}: {review}");
                cases += 1;
            }
        }
        let task = json!({ "spec": { "steps": [{ "image": good }, { "image": image }] } });
        assert_eq!(allowed(&gate, &ask("tekton.dev", "Task", "CREATE", task, Value::Null)), expected);
    }
    assert_eq!(cases, 80);
}

#[test]
fn updates_are_judged_by_what_they_change_and_deletions_never() {
    let now = linkward_testkit::noon();
    let mut world = World::new();
    let gate = world.gate(settings(), now);
    let pod = |images: &[&str]| {
        let containers: Vec<Value> = images.iter().map(|name| json!({ "image": image(name) })).collect();
        json!({ "spec": { "containers": containers } })
    };
    let update = |new: &[&str], old: &[&str]| ask("", "Pod", "UPDATE", pod(new), pod(old));
    for (new, old, expected) in [
        (&["bad"][..], &["bad"][..], true),
        (&["bad"], &["good"], false),
        (&["good", "bad"], &["good"], false),
        (&["odd"], &["odd"], true),
        (&["odd"], &["good"], false),
        (&["good"], &["bad"], true),
    ] {
        assert_eq!(allowed(&gate, &update(new, old)), expected, "{old:?} -> {new:?}");
    }
    let deletion = ask("", "Pod", "DELETE", Value::Null, pod(&["bad"]));
    assert!(allowed(&gate, &deletion));
    assert!(allowed(&gate, &ask("", "Pod", "CONNECT", pod(&["bad"]), Value::Null)));
    // Revoked: an update that changes nothing is an occasion to say so.
    let entry = world.revoke(linkward_decide::TargetKind::Digest, &digest("good").to_string(), now);
    gate.revoke(&entry, &[digest("good")]);
    assert!(!allowed(&gate, &update(&["good"], &["good"])));
    assert!(allowed(&gate, &ask("", "Pod", "DELETE", Value::Null, pod(&["good"]))));
}

#[test]
fn modes_by_namespace_path_and_label() {
    let now = linkward_testkit::noon();
    let mut world = World::new();
    let scopes = vec![
        Scope { namespaces: Pattern::parse("dev-*").unwrap(), mode: PolicyMode::Warn },
        Scope { namespaces: Pattern::parse("sandbox").unwrap(), mode: PolicyMode::Audit },
    ];
    let gate = world.gate(Settings { scopes, ..settings() }, now);
    let review = |namespace: &str, label: Option<&str>, name: &str| {
        let mut review = ask(
            "",
            "Pod",
            "CREATE",
            json!({ "spec": { "containers": [{ "image": image(name) }] } }),
            Value::Null,
        );
        review["request"]["namespace"] = namespace.into();
        if let Some(label) = label {
            review["request"]["object"]["metadata"] = json!({ "labels": { "linkward.dev/mode": label } });
        }
        review.to_string().into_bytes()
    };
    for (namespace, path, label, expected, warned) in [
        ("shop", "/admit", None, false, false),
        ("shop", "/admit", Some("audit"), false, false),
        ("shop", "/admit/warn", None, true, true),
        ("shop", "/admit/audit", None, true, false),
        ("shop", "/admit/audit", Some("enforce"), false, false),
        ("dev-1", "/admit", None, true, true),
        ("dev-1", "/admit", Some("enforce"), false, false),
        ("sandbox", "/admit", None, true, false),
        ("sandbox-2", "/admit", None, false, false),
    ] {
        let answer = gate.review(path, &review(namespace, label, "bad"), now);
        assert_eq!(answer.allowed, expected, "{namespace} {path} {label:?}");
        let body: Value = serde_json::from_slice(&answer.json).unwrap();
        assert_eq!(body["response"]["warnings"].is_array(), warned, "{namespace} {path} {label:?}: {body}");
        assert_eq!(body["response"]["auditAnnotations"]["code"], "digest-denied");
    }
    // What is revoked is refused in every mode but observe, which refuses nothing and says so.
    let entry = world.revoke(linkward_decide::TargetKind::Digest, &digest("good").to_string(), now);
    gate.revoke(&entry, &[digest("good")]);
    assert!(!gate.review("/admit/audit", &review("sandbox", None, "good"), now).allowed);
    gate.switch(Mode::Observe);
    let answer = gate.review("/admit", &review("sandbox", None, "good"), now);
    assert!(answer.allowed);
    assert!(String::from_utf8_lossy(&answer.json).contains("would be denied: "));
}

#[test]
fn unknown_and_stale_are_separate_switches() {
    let now = linkward_testkit::noon();
    let world = World::new();
    let pod = |name: &str| {
        ask("", "Pod", "CREATE", json!({ "spec": { "containers": [{ "image": image(name) }] } }), Value::Null)
            .to_string()
            .into_bytes()
    };
    for (on_unknown, on_stale) in [
        (OnUnknown::Deny, OnUnknown::Deny),
        (OnUnknown::Deny, OnUnknown::Warn),
        (OnUnknown::Warn, OnUnknown::Deny),
        (OnUnknown::Warn, OnUnknown::Warn),
    ] {
        let gate = world.gate(Settings { on_unknown, on_stale, lease_millis: Some(1000), ..settings() }, now);
        gate.heard(now);
        let ask = |name: &str, later: i64| {
            let answer = gate.review("/admit", &pod(name), now.plus_millis(later));
            let code = answer.decisions[0].code();
            (answer.allowed, code)
        };
        assert_eq!(ask("good", 1000), (true, EXCEPTION));
        assert_eq!(ask("odd", 0).0, on_unknown == OnUnknown::Warn);
        assert_eq!(ask("good", 1001), (on_stale == OnUnknown::Warn, Some(Code::FeedStale)));
        // What was denied stays denied, however old it is.
        assert_eq!(ask("bad", 1_000_000), (false, Some(Code::DigestDenied)));
    }
}

#[test]
fn what_is_no_review_gets_no_yes() {
    let now = linkward_testkit::noon();
    let world = World::new();
    let gate = world.gate(settings(), now);
    let good = image("good");
    let wrap = |object: &str| {
        format!(
            "{{\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{{\"uid\":\"u\",\"operation\":\"CREATE\",\"kind\":{{\"group\":\"\",\"kind\":\"Pod\"}},\"object\":{object}}}}}"
        )
    };
    for body in [
        String::new(),
        "[]".to_owned(),
        "{}".to_owned(),
        "{\"apiVersion\":\"admission.k8s.io/v1\"}".to_owned(),
        "{\"apiVersion\":\"admission.k8s.io/v1beta1\",\"request\":{\"uid\":\"u\",\"operation\":\"CREATE\",\"object\":{}}}".to_owned(),
        "{\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{\"uid\":\"u\",\"operation\":\"CREATE\"}}".to_owned(),
        "{\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{\"operation\":\"CREATE\",\"object\":{}}}".to_owned(),
        wrap("{\"spec\":{\"containers\":{\"image\":\"x\"}}}"),
        wrap("{\"spec\":{\"containers\":[{\"image\":5}]}}"),
        wrap("{\"spec\":{\"containers\":[\"x\"]}}"),
        wrap("{\"spec\":{\"volumes\":[{\"image\":{\"reference\":[]}}]}}"),
        wrap("{\"spec\":\"x\"}"),
        // Twice the same member: two readers could believe two images.
        wrap(&format!("{{\"spec\":{{\"containers\":[{{\"image\":\"{good}\",\"image\":\"evil\"}}]}}}}")),
        wrap("{\"spec\":{},\"spec\":{}}"),
        wrap("{\"spec\":{\"containers\":[],\"containers\":[]}}"),
    ] {
        let answer = gate.review("/admit", body.as_bytes(), now);
        assert_eq!((answer.status, answer.allowed), (400, false), "{body}");
        assert!(String::from_utf8_lossy(&answer.json).contains("review-malformed"), "{body}");
    }
    let whole = wrap(&format!("{{\"spec\":{{\"containers\":[{{\"image\":\"{good}\"}}]}}}}"));
    assert!(gate.review("/admit", whole.as_bytes(), now).allowed);
    // Cut off anywhere, it is no review.
    for length in 0..whole.len() {
        let answer = gate.review("/admit", &whole.as_bytes()[..length], now);
        assert!(!answer.allowed, "{length}");
    }
    // A kind that nobody configured has images in places that nobody knows.
    let stranger = ask("example.com", "Widget", "CREATE", json!({ "spec": { "image": good } }), Value::Null);
    let answer = gate.review("/admit", stranger.to_string().as_bytes(), now);
    assert_eq!(answer.decisions[0].code(), Some(Code::KindUnknown));
    assert_eq!(answer.decisions[0].outcome(), Outcome::Unknown);
    assert!(!answer.allowed);
    let bent = ask("tekton.dev", "Task", "CREATE", json!({ "spec": { "steps": "x" } }), Value::Null);
    assert_eq!(gate.review("/admit", bent.to_string().as_bytes(), now).status, 400);
}
