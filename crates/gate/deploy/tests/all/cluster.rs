//! Lists and watches of an API server, as the ledger takes them.

use linkward_deploy::{
    Change, ClusterKind, Event, Happening, Observed, Page, State, Watched, change, observed,
};
use linkward_model::Instant;
use serde_json::{Value, json};

use crate::fixture::image;

fn deployment(uid: &str, image: &str, generation: i64, status: Value) -> Value {
    json!({
        "metadata": { "name": "cart", "namespace": "shop", "uid": uid, "resourceVersion": "7", "generation": generation,
                      "managedFields": [{ "f:spec": {} }] },
        "spec": { "replicas": 2, "selector": {}, "template": { "spec": { "containers": [{ "name": "c", "image": image }] } } },
        "status": status,
    })
}

fn ready(generation: i64) -> Value {
    json!({ "observedGeneration": generation, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2 })
}

fn seen(value: &Value) -> Observed {
    observed(ClusterKind::Deployment, &value.to_string()).unwrap()
}

fn events(happenings: Vec<Happening>) -> Vec<Event> {
    happenings
        .into_iter()
        .map(|happening| {
            assert_eq!(happening.workload, "shop/Deployment/cart");
            happening.event
        })
        .collect()
}

#[test]
fn a_status_counts_for_its_own_generation_and_when_all_of_it_is_there() {
    let state = |generation, status| seen(&deployment("u", &image("good"), generation, status)).state;
    assert_eq!(state(2, ready(2)), State::Ready);
    assert_eq!(state(3, ready(2)), State::Progressing, "of the images before");
    assert_eq!(state(2, json!({})), State::Progressing);
    for (field, count) in [("replicas", 3), ("updatedReplicas", 1), ("availableReplicas", 1)] {
        let mut status = ready(2);
        status[field] = count.into();
        assert_eq!(state(2, status), State::Progressing, "{field}");
    }
    let mut none = deployment("u", &image("good"), 1, json!({ "observedGeneration": 1 }));
    none["spec"]["replicas"] = 0.into();
    assert_eq!(seen(&none).state, State::Progressing, "nothing runs, nothing is shown");
    let mut stuck = ready(2);
    stuck["conditions"] = json!([{ "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "slow" }]);
    assert_eq!(state(2, stuck), State::Failed("slow".to_owned()));

    let one = |kind, spec: Value, status: Value| {
        let object = json!({ "metadata": { "name": "x", "resourceVersion": "1", "generation": 1 }, "spec": spec, "status": status });
        observed(kind, &object.to_string()).unwrap().state
    };
    let daemons = json!({ "observedGeneration": 1, "desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3 });
    assert_eq!(one(ClusterKind::DaemonSet, json!({}), daemons), State::Ready);
    let mut sets = json!({ "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1,
                           "currentRevision": "a", "updateRevision": "b" });
    assert_eq!(one(ClusterKind::StatefulSet, json!({}), sets.clone()), State::Progressing);
    sets["currentRevision"] = "b".into();
    assert_eq!(one(ClusterKind::StatefulSet, json!({}), sets), State::Ready);
}

#[test]
fn what_pods_run_is_what_their_nodes_resolved() {
    let good = image("good");
    let pod = json!({
        "metadata": { "name": "p", "namespace": "shop", "resourceVersion": "1", "ownerReferences": [{ "controller": true }] },
        "spec": { "containers": [{ "image": "registry.example/shop/good:v1" }] },
        "status": { "containerStatuses": [{ "imageID": good }, { "imageID": format!("docker-pullable://{good}") },
                    { "imageID": "sha256:0123" }, { "imageID": "" }, {}],
                    "initContainerStatuses": [{ "imageID": image("bad") }] },
    });
    let pod = observed(ClusterKind::Pod, &pod.to_string()).unwrap();
    assert_eq!(pod.images, ["registry.example/shop/good:v1"]);
    assert_eq!(pod.running, [image("bad"), good]);
    assert!(pod.owned);
}

#[test]
fn the_ledger_hears_each_thing_once() {
    let start = linkward_testkit::noon();
    let at = |seconds: i64| start.plus_millis(seconds * 1000);
    let mut watched = Watched::new(60_000);
    let (one, two) = (image("good-1"), image("good-2"));
    let mut tell = |value: &Value, now: Instant| events(watched.present(&seen(value), now));
    assert_eq!(
        tell(&deployment("u", &one, 1, json!({})), at(0)),
        [Event::Deployed { images: vec![one.clone()] }]
    );
    assert_eq!(tell(&deployment("u", &one, 1, json!({})), at(1)), []);
    assert_eq!(tell(&deployment("u", &one, 1, ready(1)), at(2)), [Event::Ready]);
    assert_eq!(tell(&deployment("u", &one, 1, ready(1)), at(3)), []);
    let lost = tell(&deployment("u", &one, 1, json!({ "observedGeneration": 1 })), at(4));
    assert!(matches!(&lost[..], [Event::Unready { .. }]), "{lost:?}");
    assert_eq!(tell(&deployment("u", &one, 1, ready(1)), at(50)), [Event::Ready]);
    assert_eq!(watched.soaked(at(109)), [], "from the second time that it was ready");
    assert_eq!(events(watched.soaked(at(110))), [Event::Soaked]);
    assert_eq!(watched.soaked(at(500)), []);
    // Soaked is soaked.
    let mut tell = |value: &Value, now: Instant| events(watched.present(&seen(value), now));
    assert_eq!(tell(&deployment("u", &one, 1, json!({ "observedGeneration": 1 })), at(501)), []);
    // New images with the status of the old ones are deployed, and not ready.
    assert_eq!(
        tell(&deployment("u", &two, 2, ready(1)), at(600)),
        [Event::Deployed { images: vec![two.clone()] }]
    );
    assert_eq!(tell(&deployment("u", &two, 2, ready(2)), at(601)), [Event::Ready]);
    // Removed and made again between two looks.
    let again = tell(&deployment("v", &two, 1, ready(1)), at(700));
    assert!(matches!(&again[..], [Event::Ended { .. }, Event::Deployed { .. }, Event::Ready]), "{again:?}");
    let gone = events(watched.gone(&seen(&deployment("v", &two, 1, ready(1)))));
    assert_eq!(gone, [Event::Ended { why: "removed".to_owned() }]);
    assert!(watched.is_empty());
    // A list that does not show it any more ends it; a list of another kind does not.
    watched.begin();
    watched.present(&seen(&deployment("v", &two, 1, ready(1))), at(800));
    let next = watched.begin();
    assert_eq!(watched.end(ClusterKind::StatefulSet, next), []);
    assert_eq!(
        events(watched.end(ClusterKind::Deployment, next)),
        [Event::Ended { why: "removed while nobody watched".to_owned() }]
    );
}

#[test]
fn lists_and_watches_are_read_strictly() {
    let object = deployment("u", &image("good"), 1, json!({}));
    let page = json!({ "metadata": { "resourceVersion": "9", "continue": "abc" }, "items": [object] });
    let read = Page::read(ClusterKind::Deployment, page.to_string().as_bytes()).unwrap();
    assert_eq!((read.version.as_str(), read.next.as_deref(), read.items.len()), ("9", Some("abc"), 1));
    let last = json!({ "metadata": { "resourceVersion": "9", "continue": "" }, "items": null });
    assert_eq!(Page::read(ClusterKind::Deployment, last.to_string().as_bytes()).unwrap().next, None);
    let line = |kind: &str, object: &Value| {
        change(ClusterKind::Deployment, json!({ "type": kind, "object": object }).to_string().as_bytes())
    };
    assert!(matches!(line("ADDED", &object), Ok(Change::Present(_))));
    assert!(matches!(line("MODIFIED", &object), Ok(Change::Present(_))));
    assert!(matches!(line("DELETED", &object), Ok(Change::Gone(_))));
    let bookmark = json!({ "metadata": { "resourceVersion": "12" }, "spec": {} });
    assert_eq!(line("BOOKMARK", &bookmark).unwrap(), Change::Bookmark("12".to_owned()));
    for gone in
        [json!({ "code": 410 }), json!({ "reason": "Expired" }), json!({ "code": 410, "reason": "Gone" })]
    {
        assert_eq!(line("ERROR", &gone).unwrap(), Change::Expired);
    }
    assert_eq!(line("RENAMED", &object).unwrap(), Change::Expired);
    assert!(line("ERROR", &json!({ "code": 500, "message": "x" })).is_err());
    assert!(line("ADDED", &json!({ "metadata": {} })).is_err());
    assert!(line("BOOKMARK", &json!({ "metadata": {} })).is_err());
    let whole = json!({ "type": "ADDED", "object": object }).to_string();
    for length in 0..whole.len() {
        assert!(change(ClusterKind::Deployment, &whole.as_bytes()[..length]).is_err(), "{length}");
    }
    for bad in ["", "[]", "{}", "{\"items\":[]}", "{\"metadata\":{},\"items\":[]}"] {
        assert!(Page::read(ClusterKind::Deployment, bad.as_bytes()).is_err(), "{bad}");
    }
}
