//! Every source against what it really sends; nothing is lost, nothing panics.

use std::path::Path;

use linkward_testkit::{noon, vectors};
use serde_json::{Value, json};

use super::*;

fn arrival() -> Delivery<'static> {
    Delivery { received: Some(noon()), ..Delivery::default() }
}

/// Everything that a sample shows stands in the table of what its source can tell.
fn held_against_the_table(document: &Value, given: Option<&dyn Feed>, events: &[Event]) {
    let name = given.or_else(|| FEEDS.iter().copied().find(|feed| feed.recognise(document))).unwrap().name();
    for event in events.iter().filter(|event| name != "linkward" && !matches!(event.action, Action::Other(_)))
    {
        let fields = event.fields();
        assert!(can_tell(name, &event.action, &fields), "{name} tells {} with {fields:?}", event.action);
    }
}

fn one(document: &Value) -> Event {
    let mut events = read_one(document, None, &arrival()).unwrap();
    held_against_the_table(document, None, &events);
    assert_eq!(events.len(), 1);
    events.remove(0)
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path))
        } else if path.extension().is_some_and(|e| e == "json") {
            found.push(path)
        }
    }
    found.sort();
    found
}

#[test]
fn github_webhooks_are_read_whole() {
    let Some(vectors) = vectors() else { return };
    let (mut read, mut named) = (0, 0);
    for path in files(&vectors.join("github-webhooks")) {
        let topic = path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        let payload: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let delivery = Delivery { topic: Some(&topic), ..arrival() };
        let events = read_one(&payload, feed("github"), &delivery).unwrap();
        assert_eq!(events.len(), 1, "{}", path.display());
        held_against_the_table(&payload, feed("github"), &events);
        assert_eq!(events[0].raw, payload, "{} lost something", path.display());
        assert!(!events[0].id.is_empty());
        if let Action::Other(name) = &events[0].action {
            assert!(name.starts_with(&format!("github.{topic}")), "{name}");
        } else {
            named += 1;
        }
        read += 1;
    }
    assert!(read >= 271, "{read} payloads");
    assert!(named >= 30, "{named} have a name of ours");
}

#[test]
fn cloudtrail_is_read_whole() {
    let Some(vectors) = vectors() else { return };
    for (folder, expected) in [("invictus", 2900), ("stratus", 310)] {
        let mut count = 0;
        let mut ids = std::collections::BTreeSet::new();
        for path in files(&vectors.join("cloudtrail").join(folder)) {
            let text = std::fs::read(&path).unwrap();
            let document: Value = serde_json::from_slice(&text).unwrap();
            let records = document.get("Records").unwrap_or(&document).as_array().unwrap().clone();
            let events = read_all(&text, None, &Delivery::default()).unwrap();
            assert_eq!(events.len(), records.len());
            held_against_the_table(&document, feed("cloudtrail"), &events);
            for (event, record) in events.iter().zip(&records) {
                assert_eq!(&event.raw, record);
                assert!(event.call.is_some());
                ids.insert(event.id.clone());
            }
            count += events.len();
        }
        assert_eq!(count, expected, "{folder}");
        assert!(ids.len() * 10 > count * 9, "ids tell records apart: {} of {count}", ids.len());
    }
}

#[test]
fn pushes_say_what_moved() {
    let zero = "0".repeat(40);
    let push = |before: &str, after: &str, created: bool, deleted: bool| {
        json!({ "ref": "refs/tags/v1", "before": before, "after": after, "created": created, "deleted": deleted,
            "forced": false, "sender": { "login": "a", "type": "User" }, "repository": { "full_name": "o/n", "default_branch": "main" } })
    };
    let moved = one(&push("aa", "bb", false, false));
    assert_eq!(
        (moved.action, moved.before.as_deref(), moved.after.as_deref()),
        (Action::RefUpdated, Some("aa"), Some("bb"))
    );
    assert_eq!(moved.protected, None, "a tag is no branch");
    let fresh = one(&push(&zero, "bb", true, false));
    assert_eq!((fresh.action, fresh.before), (Action::RefCreated, None));
    let gone = one(&push("aa", &zero, false, true));
    assert_eq!((gone.action, gone.after), (Action::RefDeleted, None));
}

#[test]
fn a_push_that_changes_a_pipeline_says_so() {
    let document = json!({ "ref": "refs/heads/main", "before": "aa", "after": "bb", "sender": { "login": "a" },
        "repository": { "full_name": "o/n" }, "commits": [{ "added": [".github/workflows/ci.yml"], "modified": ["README.md"] }] });
    let events = read_one(&document, None, &arrival()).unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(
        (events[1].action.as_str(), events[1].workflow.as_deref()),
        ("workflow.changed", Some(".github/workflows/ci.yml"))
    );
    assert_ne!(events[0].id, events[1].id);
}

#[test]
fn the_other_sources() {
    let gitlab = one(&json!({ "object_kind": "pipeline", "project": { "path_with_namespace": "g/p" },
        "object_attributes": { "id": 7, "sha": "cc", "status": "failed", "created_at": "2026-01-01 10:00:00 UTC", "finished_at": "2026-01-01 10:05:00 UTC" } }));
    assert_eq!((gitlab.action, gitlab.conclusion.as_deref()), (Action::RunFinished, Some("failure")));
    assert_eq!(gitlab.started.unwrap().to_string(), "2026-01-01T10:00:00Z");

    let audit = one(
        &json!({ "@timestamp": 1_767_225_600_000i64, "action": "protected_branch.policy_override", "actor": "a",
        "actor_ip": "192.0.2.1", "hashed_token": "h", "repo": "o/n", "_document_id": "d1" }),
    );
    assert_eq!(
        (audit.action, audit.token.as_deref(), &*audit.id),
        (Action::ProtectionChanged, Some("h"), "d1")
    );
    let unheard = one(&json!({ "@timestamp": 1, "action": "quantum.entangled", "colour": "blue" }));
    assert_eq!(unheard.action.as_str(), "github.quantum.entangled");
    assert_eq!(unheard.raw["colour"], "blue");

    let npm = read_one(&json!({ "name": "@s/p", "dist-tags": {}, "time": { "1.0.0": "2026-01-01T00:00:00Z", "1.0.1": "2026-01-02T00:00:00Z" },
        "versions": { "1.0.0": { "_npmUser": { "name": "a", "trustedPublisher": {} }, "gitHead": "cc", "repository": { "url": "git+https://host.example/s/p.git" } },
                      "1.0.1": { "_npmUser": { "name": "a" }, "scripts": { "postinstall": "x" } } } }), None, &arrival()).unwrap();
    assert_eq!(npm[0].assurance.as_deref(), Some("trusted"));
    assert_eq!(
        (npm[0].repository.as_deref(), npm[0].package.as_deref()),
        (Some("s/p"), Some("pkg:npm/%40s/p"))
    );
    assert_eq!((npm[1].assurance.as_deref(), npm[1].install_script), (Some("none"), Some(true)));

    let pypi = one(
        &json!({ "info": { "name": "My_Lib" }, "releases": { "1.0": [{ "upload_time_iso_8601": "2026-01-01T00:00:00.1Z", "digests": { "sha256": "ab" }, "filename": "f.whl" }] } }),
    );
    assert_eq!(
        (pypi.package.as_deref(), pypi.digest.as_deref()),
        (Some("pkg:pypi/my-lib"), Some("sha256:ab"))
    );

    let oci = one(&json!({ "events": [{ "id": "e1", "timestamp": "2026-01-01T00:00:00Z", "action": "push",
        "target": { "repository": "team/app", "tag": "1.0", "digest": "sha256:aa" }, "request": { "addr": "192.0.2.1:443" }, "actor": { "name": "ci" } }] }));
    assert_eq!((oci.action, oci.network.as_deref(), &*oci.id), (Action::Published, Some("192.0.2.1"), "e1"));
    let harbor = one(&json!({ "type": "DELETE_ARTIFACT", "occur_at": 1_767_225_600, "operator": "a",
        "event_data": { "repository": { "repo_full_name": "team/app" }, "resources": [{ "tag": "1", "digest": "sha256:aa" }] } }));
    assert_eq!(harbor.action, Action::Unpublished);

    let cluster = one(
        &json!({ "auditID": "k", "stage": "ResponseComplete", "verb": "create", "objectRef": { "resource": "pods", "namespace": "n", "name": "p" },
        "user": { "username": "u" }, "stageTimestamp": "2026-01-01T00:00:00.000000Z", "responseStatus": { "code": 201 },
        "requestObject": { "spec": { "containers": [{ "image": "app@sha256:aa" }] } } }),
    );
    assert_eq!((cluster.call.as_deref(), cluster.names.len()), (Some("pods:create"), 1));

    let okta = one(
        &json!({ "uuid": "u1", "eventType": "user.session.start", "published": "2026-01-01T00:00:00Z", "actor": { "alternateId": "a" } }),
    );
    assert_eq!(okta.action, Action::SessionStarted);

    let assumed = one(
        &json!({ "eventSource": "sts.amazonaws.com", "eventName": "AssumeRoleWithWebIdentity", "eventTime": "2026-01-01T00:00:00Z",
        "userIdentity": { "type": "WebIdentityUser", "userName": "repo:o/n:ref:refs/heads/main" }, "requestParameters": { "roleArn": "arn:r" } }),
    );
    assert_eq!((assumed.role.as_deref(), assumed.repository.as_deref()), (Some("arn:r"), Some("o/n")));

    let google = one(
        &json!({ "insertId": "i1", "timestamp": "2026-01-01T00:00:00Z", "resource": { "labels": { "location": "europe-west1" } },
        "protoPayload": { "serviceName": "iam.googleapis.com", "methodName": "google.iam.admin.v1.CreateServiceAccountKey",
            "resourceName": "projects/p/serviceAccounts/1", "status": { "code": 7 },
            "authenticationInfo": { "principalEmail": "deploy@p.iam.gserviceaccount.com", "serviceAccountKeyName": "//iam/keys/1" },
            "requestMetadata": { "callerIp": "192.0.2.7", "callerSuppliedUserAgent": "gcloud" } } }),
    );
    assert_eq!(
        (google.call.as_deref(), google.role.as_deref(), google.conclusion.as_deref()),
        (Some("iam:CreateServiceAccountKey"), Some("deploy@p.iam.gserviceaccount.com"), Some("failure"))
    );
    assert_eq!(
        (google.token.as_deref(), google.region.as_deref()),
        (Some("//iam/keys/1"), Some("europe-west1"))
    );

    let azure = json!({ "records": [
        { "time": "2026-01-01T00:00:00Z", "operationName": "MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/WRITE", "category": "Administrative",
          "resultType": "Start", "correlationId": "c1", "callerIpAddress": "192.0.2.8", "resourceId": "/subscriptions/s",
          "identity": { "claims": { "appid": "app-1", "uti": "t" } } },
        { "time": "2026-01-01T00:00:01Z", "operationName": "MICROSOFT.AUTHORIZATION/ROLEASSIGNMENTS/WRITE", "category": "Administrative",
          "resultType": "Failure", "correlationId": "c1", "resourceId": "/subscriptions/s" },
        { "time": "2026-01-01T00:00:02Z", "operationName": "Sign-in activity", "category": "SignInLogs",
          "properties": { "id": "s1", "userPrincipalName": "a@example.org", "ipAddress": "192.0.2.9", "status": { "errorCode": 0 } } }] });
    let azure_events = read_one(&azure, None, &arrival()).unwrap();
    held_against_the_table(&azure, None, &azure_events);
    assert_eq!(azure_events[0].role.as_deref(), Some("app-1"));
    assert_ne!(azure_events[0].id, azure_events[1].id, "start and end of one operation are two events");
    assert_eq!(azure_events[1].conclusion.as_deref(), Some("failure"));
    assert_eq!((&azure_events[2].action, azure_events[2].source), (&Action::SessionStarted, Source::Vendor));

    let jenkins = one(
        &json!({ "name": "job", "build": { "phase": "COMPLETED", "status": "SUCCESS", "timestamp": 1_767_225_600_000i64, "number": 4 } }),
    );
    assert_eq!((jenkins.action, jenkins.conclusion.as_deref()), (Action::RunFinished, Some("success")));

    let cdevent = one(
        &json!({ "context": { "id": "x", "type": "dev.cdevents.artifact.published.0.2.0", "timestamp": "2026-01-01T00:00:00Z", "source": "/s" },
        "subject": { "id": "pkg:oci/app@sha256:aa", "content": {} } }),
    );
    assert_eq!((cdevent.action, cdevent.digest.as_deref()), (Action::Published, Some("sha256:aa")));
    let plain = one(
        &json!({ "specversion": "1.0", "id": "1", "type": "com.example.thing", "source": "/x", "time": "2026-01-01T00:00:00Z", "data": { "n": 1 } }),
    );
    assert_eq!((plain.action.as_str(), &plain.raw["data"]["n"]), ("com.example.thing", &json!(1)));
}

#[test]
fn our_own_shape_comes_back_as_it_went_out_and_keeps_strangers() {
    let mut event = Event::new(Source::Registry, Action::Published, noon());
    event.id = "e".into();
    event.package = Some("pkg:npm/x".into());
    event.install_script = Some(false);
    let text = serde_json::to_value(&event).unwrap();
    assert_eq!(one(&text), Event { received: Some(noon()), ..event });
    let strange = one(
        &json!({ "source": "ci", "action": "solar.flare", "time": "2026-01-01T00:00:00Z", "flavour": 3 }),
    );
    assert_eq!((strange.action.as_str(), &strange.raw["flavour"]), ("solar.flare", &json!(3)));
}

#[test]
fn what_cannot_be_read_is_a_fault_with_its_place() {
    let none = Delivery::default();
    for (text, code) in [
        ("", Code::MalformedJson),
        ("{", Code::MalformedJson),
        ("{}", Code::UnsupportedFormat),
        ("[{\"sender\":{}}]", Code::MalformedField),
        ("{\"Records\":[{\"eventName\":\"x\"}]}", Code::MalformedField),
        ("{\"source\":\"moon\",\"action\":\"x\",\"time\":\"2026-01-01T00:00:00Z\"}", Code::MalformedField),
        ("{\"@timestamp\":1,\"action\":7.5}\nnonsense", Code::MalformedJson),
    ] {
        let fault = read_all(text.as_bytes(), None, &none).unwrap_err();
        assert_eq!(fault.code, code, "{text}: {fault}");
    }
    let fault = read_all(b"{\"@timestamp\":1,\"action\":\"x\"}\nnonsense", None, &none).unwrap_err();
    assert!(fault.place.starts_with("line 2"), "{fault}");
}

#[test]
fn an_event_that_claims_the_future_is_placed_when_it_came() {
    let mut event = Event::new(Source::Ci, Action::RunStarted, noon().plus_millis(10 * 60_000));
    assert_eq!(event.at(), event.time);
    event.received = Some(noon());
    assert_eq!(event.at(), noon());
}

#[test]
fn the_same_delivery_has_the_same_id() {
    let document = json!({ "@timestamp": 1, "action": "x.y" });
    let later = Delivery { received: Some(noon().plus_millis(5)), ..Delivery::default() };
    assert_eq!(one(&document).id, read_one(&document, None, &later).unwrap()[0].id);
}
