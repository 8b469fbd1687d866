//! Events over the wire become recorded findings; what does not prove its sender becomes nothing.

use linkward_tests::{Daemon, Project};
use serde_json::{Value, json};

const SECRET: &str = "hush";

fn project() -> Project {
    let project = Project::new();
    let (exit, text) = project.run(&["up", "--no-serve"]);
    assert!(exit == 0 || exit == 3, "{text}");
    project.write(".linkward/secret", SECRET);
    let secret = project.path().join(".linkward/secret");
    let settings = format!(
        "[estate]\nsigners = [\"alice\"]\n[webhooks]\ngitlab = {0:?}\nlinkward = {0:?}\n",
        secret.to_string_lossy()
    );
    project.write(".linkward/detect.toml", &settings);
    project
}

fn moved() -> String {
    json!({
        "object_kind": "tag_push", "event_name": "tag_push", "ref": "refs/tags/v1.0.0", "before": "aa", "after": "bb",
        "user_username": "mallory", "project": { "path_with_namespace": "acme/app", "default_branch": "main" }, "commits": [],
    })
    .to_string()
}

fn listed(project: &Project, all: bool) -> (i32, Vec<Value>) {
    let mut args = vec!["--format", "json", "detect", "list"];
    args.extend(all.then_some("--all"));
    let (exit, text) = project.run(&args);
    let answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    (exit, answer["findings"].as_array().unwrap().clone())
}

#[test]
fn a_webhook_becomes_a_finding_with_its_record() {
    let project = project();
    let daemon = Daemon::start(&project);
    let body = moved();
    for (headers, code) in
        [(vec![], "webhook-unsigned"), (vec![("X-Gitlab-Token", "wrong")], "webhook-signature-mismatch")]
    {
        let (status, answer) = daemon.post("/webhooks/gitlab", &headers, &body);
        assert_eq!(status, 401, "{answer}");
        assert!(answer.contains(code), "{answer}");
    }
    let (status, answer) = daemon.post("/webhooks/okta", &[("Authorization", "Bearer ")], &body);
    assert_eq!(status, 401, "{answer}");
    assert!(answer.contains("webhook-secret-missing"), "{answer}");
    assert_eq!(daemon.post("/webhooks/nobody", &[], &body).0, 404);
    assert_eq!(listed(&project, true), (0, vec![]), "nothing was taken");

    let token = ("X-Gitlab-Token", SECRET);
    let (status, answer) = daemon.post("/webhooks/gitlab", &[token], "{}");
    assert_eq!(status, 202, "what has no name is kept by its own: {answer}");
    let (status, answer) = daemon.post("/webhooks/gitlab", &[token], "nonsense");
    assert_eq!(status, 422, "{answer}");
    for _ in 0..2 {
        let (status, answer) =
            daemon.post("/webhooks/gitlab", &[token, ("X-Gitlab-Event-UUID", "u1")], &body);
        assert_eq!(status, 202, "{answer}");
    }
    let (exit, findings) = listed(&project, false);
    assert_eq!((exit, findings.len()), (1, 1), "delivered twice, found once: {findings:?}");
    assert_eq!(findings[0]["finding"]["rule"], "ref-rewritten");
    assert_eq!(findings[0]["finding"]["alert"], "page");

    drop(daemon);
    let (exit, again) = listed(&project, false);
    assert_eq!((exit, &again), (1, &findings), "read back from the record");
    let id = findings[0]["short"].as_str().unwrap();
    let (exit, text) = project.run(&["detect", "show", id]);
    assert_eq!(exit, 0, "{text}");
    for part in ["refs/tags/v1.0.0", "benign if", "mallory"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn dispositions_write_exceptions_that_end_and_maintenance_mutes_no_invariant() {
    let project = project();
    let file = project.beside().join("events.json");
    std::fs::write(&file, moved()).unwrap();
    let path = file.to_string_lossy().into_owned();
    let (exit, text) = project.run(&["detect", "maintenance", "*", "--reason", "migration"]);
    assert_eq!(exit, 0, "{text}");
    let (exit, text) = project.run(&["detect", "replay", &path, "--topic", "x"]);
    assert_eq!(exit, 2, "an event that says no time cannot be placed: {text}");
    let timed = moved().replace("\"commits\":[]", "\"commits\":[{\"timestamp\":\"2026-01-05T10:00:00Z\"}]");
    std::fs::write(&file, timed).unwrap();
    let (exit, text) = project.run(&["detect", "replay", &path]);
    assert_eq!(exit, 1, "{text}");
    let (exit, text) = project.run(&["detect", "replay", &path, "--record"]);
    assert_eq!(exit, 1, "{text}");
    let (exit, findings) = listed(&project, false);
    assert_eq!((exit, findings.len()), (1, 1));
    let id = findings[0]["short"].as_str().unwrap();
    let (exit, text) = project.run(&["detect", "dispose", id, "benign", "--reason", "ours", "--days", "40"]);
    assert_eq!(exit, 2, "{text}");
    let (exit, text) = project.run(&["detect", "dispose", id, "expected", "--reason", "planned move"]);
    assert_eq!(exit, 0, "{text}");
    assert_eq!(listed(&project, false), (0, vec![]));
    let (exit, all) = listed(&project, true);
    assert_eq!((exit, all.len()), (0, 1));
    assert_eq!(all[0]["standing"]["disposition"], "expected");
    let (exit, text) = project.run(&["detect", "show", "ffffff"]);
    assert_eq!(exit, 2, "{text}");
    let (exit, text) = project.run(&["log", "verify"]);
    assert_eq!(exit, 0, "{text}");
}

#[test]
fn rules_test_themselves_and_say_what_they_cannot_see() {
    let project = Project::new();
    let (exit, text) = project.run(&["detect", "test"]);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains(", 0 do not"), "{text}");
    let (exit, text) = project.run(&["detect", "test", "no-such-rule"]);
    assert_eq!(exit, 2, "{text}");
    let (exit, text) = project.run(&["detect", "coverage"]);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("sees nothing: the estate lists no signers"), "{text}");
}

#[test]
fn incidents_replay_by_name() {
    let project = Project::new();
    let (exit, text) = project.run(&["detect", "replay", "axios-2026"]);
    assert_eq!(exit, 1, "{text}");
    for part in ["assurance-lost", "primary source", "caught, 39 minutes before the world"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (exit, text) = project.run(&["detect", "replay", "no-such-incident"]);
    assert_eq!(exit, 2, "{text}");
}

#[test]
fn pages_and_metrics_show_what_the_record_holds() {
    let project = project();
    let daemon = Daemon::start(&project);
    let (_, page) = daemon.fetch("/measures", "localhost");
    assert!(
        page.contains("no data") && !page.contains("100.0 %"),
        "an empty record has no perfect score: {page}"
    );
    let body = moved().replace("mallory", "<script>alert(1)</script>");
    assert_eq!(daemon.post("/webhooks/gitlab", &[("X-Gitlab-Token", SECRET)], &body).0, 202);
    for path in ["/findings", "/coverage", "/measures", "/assess", "/api/v1/findings", "/api/v1/measures"] {
        let (status, page) = daemon.fetch(path, "localhost");
        assert_eq!(status, 200, "{path}: {page}");
        // JSON is data, and is never guessed to be a page.
        let data = page.contains("application/json") && page.contains("nosniff");
        assert!(data || !page.contains("<script"), "{path}");
    }
    let (_, findings) = listed(&project, false);
    let id = findings[0]["short"].as_str().unwrap().to_owned();
    let (status, page) = daemon.fetch(&format!("/findings/{id}"), "localhost");
    assert_eq!(status, 200);
    for part in ["refs/tags/v1.0.0", "What would make it benign", "linkward detect dispose"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("<script"), "{page}");
    assert_eq!(daemon.fetch("/findings/0000000000000000", "localhost").0, 404);
    let (_, metrics) = daemon.fetch("/metrics", "localhost");
    assert!(metrics.contains("linkward_findings_total{alert=\"page\"} 1"), "{metrics}");
    assert!(metrics.contains("linkward_detection_latency_seconds_count 1"), "{metrics}");
    let (exit, text) = project.run(&["measures"]);
    assert!(exit == 1 || exit == 3, "{text}");
    let (exit, text) = project.run(&["assess"]);
    assert!(exit == 1 && text.contains("maturity: beginner"), "{text}");
    let (exit, text) = project.run(&["measures", "--export", "out"]);
    assert_eq!(exit, 0, "{text}");
    for name in ["prometheus-rules.yaml", "openslo.yaml", "grafana-board.json"] {
        assert!(project.path().join("out").join(name).is_file(), "{name}");
    }
}
