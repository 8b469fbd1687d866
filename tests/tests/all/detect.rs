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
        assert!(data || !page.contains("<script>"), "{path}");
    }
    let (_, findings) = listed(&project, false);
    let id = findings[0]["short"].as_str().unwrap().to_owned();
    let (status, page) = daemon.fetch(&format!("/findings/{id}"), "localhost");
    assert_eq!(status, 200);
    for part in ["refs/tags/v1.0.0", "What would make it benign", "linkward detect dispose"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("<script>"), "{page}");
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
    for name in [
        "prometheus-rules.yaml",
        "openslo.yaml",
        "grafana-executive.json",
        "grafana-on-call.json",
        "grafana-debug.json",
    ] {
        assert!(project.path().join("out").join(name).is_file(), "{name}");
    }
}

fn git(folder: &std::path::Path, arguments: &[&str]) -> String {
    let output = std::process::Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn wait_for(project: &Project, rule: &str, subject: &str) -> Value {
    let start = std::time::Instant::now();
    loop {
        let (_, findings) = listed(project, true);
        let found = findings
            .iter()
            .find(|line| line["finding"]["rule"] == rule && line["finding"]["subject"] == subject);
        if let Some(found) = found {
            return found.clone();
        }
        assert!(start.elapsed().as_secs() < 40, "no {rule} of {subject}: {findings:?}");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

/// What a webhook cannot say: the tag now names a commit that no branch has (tj-actions, 2025).
#[test]
fn a_watched_repository_tells_what_its_references_do() {
    let project = Project::new();
    let (exit, text) = project.run(&["up", "--no-serve"]);
    assert!(exit == 0 || exit == 3, "{text}");
    let watched = project.beside().join("watched");
    std::fs::create_dir(&watched).unwrap();
    git(&watched, &["init", "-q", "-b", "main"]);
    for name in ["one", "two"] {
        std::fs::write(watched.join(name), name).unwrap();
        git(&watched, &["add", name]);
        git(&watched, &["commit", "-q", "-m", name]);
    }
    git(&watched, &["tag", "v1.0.0"]);
    git(&watched, &["branch", "release/1"]);
    let settings = format!(
        "[[repository]]\nname = \"acme/action\"\npath = {:?}\nevery = 1\n",
        watched.to_string_lossy()
    );
    project.write(".linkward/detect.toml", &settings);
    let daemon = Daemon::start(&project);
    let folder = project.path().join(".linkward/watch");
    let start = std::time::Instant::now();
    while !std::fs::read_dir(&folder).is_ok_and(|mut files| files.next().is_some()) {
        assert!(start.elapsed().as_secs() < 20, "the first look never came");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert_eq!(listed(&project, true).1.len(), 0, "the first look learns what is there");
    // An everyday push is no finding.
    std::fs::write(watched.join("three"), "three").unwrap();
    git(&watched, &["add", "three"]);
    git(&watched, &["commit", "-q", "-m", "three"]);
    let tree = git(&watched, &["rev-parse", "HEAD^{tree}"]);
    let orphan = git(&watched, &["commit-tree", "-m", "payload", &tree]);
    git(&watched, &["tag", "-f", "v1.0.0", &orphan]);
    let moved = wait_for(&project, "commit-orphaned", "acme/action");
    assert_eq!(moved["finding"]["alert"], "page");
    wait_for(&project, "ref-rewritten", "acme/action");
    git(&watched, &["branch", "-q", "-D", "release/1"]);
    let start = std::time::Instant::now();
    loop {
        let (_, findings) = listed(&project, true);
        let facts = |line: &Value| line["finding"]["facts"].to_string();
        if findings.iter().any(|line| facts(line).contains("refs/heads/release/1")) {
            break;
        }
        assert!(start.elapsed().as_secs() < 40, "{findings:?}");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    let (_, findings) = listed(&project, true);
    assert!(
        !findings.iter().any(|line| line["finding"]["facts"].to_string().contains("refs/heads/main")),
        "{findings:?}"
    );
    let (_, text) = project.run(&["detect", "coverage"]);
    let line = text.lines().skip_while(|line| !line.starts_with("commit-orphaned")).nth(1).unwrap_or("");
    assert!(!line.contains("sees nothing"), "{text}");
    drop(daemon);
}

#[test]
fn a_canary_that_is_touched_pages() {
    let project = project();
    let daemon = Daemon::start(&project);
    let (exit, text) = project.run(&["detect", "canary", "plant", "credential", "--note", "in the wiki"]);
    assert_eq!(exit, 0, "{text}");
    let secret = text.lines().next().unwrap().to_owned();
    assert!(secret.starts_with("lwc_") && secret.len() == 44, "{text}");
    for bad in [vec!["package", "acme"], vec!["credential", "x"], vec!["package", "pkg:*"]] {
        let mut args = vec!["detect", "canary", "plant", "--note", "n"];
        args.extend(bad.clone());
        let (exit, text) = project.run(&args);
        assert_eq!(exit, 2, "{bad:?}: {text}");
    }
    let (exit, text) =
        project.run(&["detect", "canary", "plant", "package", "pkg:npm/acme-payroll", "--note", "in a wiki"]);
    assert_eq!(exit, 0, "{text}");
    // Another token is nobody's business.
    daemon.post(
        "/webhooks/oci",
        &[("Authorization", "Bearer lwc_0000000000000000000000000000000000000000")],
        "{}",
    );
    let (status, answer) =
        daemon.post("/webhooks/oci", &[("Authorization", &format!("Bearer {secret}"))], "{}");
    assert_eq!(status, 401, "who shows it learns nothing: {answer}");
    let start = std::time::Instant::now();
    while listed(&project, true).1.is_empty() {
        assert!(start.elapsed().as_secs() < 20, "nothing was noticed");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let (_, findings) = listed(&project, true);
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(
        (&findings[0]["finding"]["rule"], &findings[0]["finding"]["alert"]),
        (&json!("canary-touched"), &json!("page"))
    );
    assert!(!findings[0].to_string().contains(&secret), "{findings:?}");
    let pulled = json!({ "source": "gateway", "action": "package.pulled", "package": "pkg:npm/acme-payroll", "actor": "m",
        "network": "192.0.2.1", "time": "2026-01-05T10:00:00Z", "id": "p1" });
    drop(daemon);
    // Also after a restart, from the record alone.
    let daemon = Daemon::start(&project);
    let headers = [("Authorization", "Bearer hush")];
    assert_eq!(daemon.post("/webhooks/linkward", &headers, &pulled.to_string()).0, 202);
    assert_eq!(listed(&project, true).1.len(), 2);
    let (_, text) = project.run(&["detect", "canary", "list"]);
    assert!(text.contains("in the wiki") && !text.contains(&secret), "{text}");
}

/// Rules in the Sigma format are judged beside the shipped ones, live and again from the record.
#[test]
fn sigma_rules_of_ones_own_are_judged_or_refused_out_loud() {
    let project = project();
    let good = "title: A tag was pushed\nid: tag-pushed\nlogsource: {product: gitlab, service: audit}\nlevel: high\n\
                fields: [ref]\ndetection:\n  selection: {event_name: tag_push, 'ref|startswith': refs/tags/}\n  condition: selection\n";
    project.write(".linkward/sigma/good.yml", good);
    project.write(
        ".linkward/sigma/deep/other.yml",
        &good.replace("tag-pushed", "other").replace("ref|", "ref|expand|"),
    );
    let settings = project.path().join(".linkward/detect.toml");
    let before = std::fs::read_to_string(&settings).unwrap();
    let with = |lines: &str| std::fs::write(&settings, format!("{lines}{before}")).unwrap();

    let (exit, text) = project.run(&["detect", "sigma", ".linkward/sigma"]);
    assert!(
        exit == 3 && text.contains("1 rule taken, 1 refused") && text.contains("expand"),
        "{exit} {text}"
    );
    with("sigma = \"sigma\"\n");
    let (exit, text) = project.run(&["detect", "list"]);
    assert!(exit == 2 && text.contains("sigma-malformed") && text.contains("other.yml"), "{exit} {text}");

    with("sigma = \"sigma\"\nsigma_partial = true\n");
    let daemon = Daemon::start(&project);
    let (status, answer) = daemon.post("/webhooks/gitlab", &[("X-Gitlab-Token", SECRET)], &moved());
    assert_eq!(status, 202, "{answer}");
    let sigma = || {
        let (_, found) = listed(&project, false);
        found.into_iter().find(|line| line["finding"]["rule"] == "sigma:tag-pushed")
    };
    let (exit, text) = project.run(&["detect", "coverage"]);
    assert!(exit == 0 && text.contains("sigma:tag-pushed"), "{exit} {text}");
    let finding = sigma().unwrap();
    assert_eq!(
        (&finding["finding"]["alert"], &finding["finding"]["subject"]),
        (&json!("ticket"), &json!("mallory"))
    );
    assert_eq!(finding["finding"]["facts"][0], json!({ "name": "ref", "value": "refs/tags/v1.0.0" }));
    let id = finding["finding"]["id"].as_str().unwrap().get(7..23).unwrap_or("").to_owned();
    let (exit, text) = project.run(&["detect", "show", &id]);
    assert!(exit == 0 && text.contains("A tag was pushed"), "{exit} {text}");
    drop(daemon);
    assert_eq!(sigma().unwrap()["finding"], finding["finding"], "after a restart too");
    let (exit, text) = project.run(&["log", "verify"]);
    assert_eq!(exit, 0, "{text}");
}

/// Recorded events as Parquet, read by two engines that others wrote.
#[test]
fn recorded_events_are_exported_for_other_engines() {
    let python = linkward_tests::root().join("target/clients/data/bin/python");
    if !python.with_file_name("../installed").exists() {
        linkward_testkit::skipped("duckdb and pyarrow are not installed; `cargo xtask test` installs them");
        return;
    }
    let project = project();
    let call = |second: u32, name: &str| {
        json!({ "Records": [{
            "eventVersion": "1.08", "eventID": format!("00000000-0000-0000-0000-{second:012}"),
            "eventTime": format!("2026-01-05T12:00:{second:02}Z"), "eventSource": "iam.amazonaws.com", "eventName": name,
            "awsRegion": "eu-central-1", "sourceIPAddress": "10.1.2.3", "eventType": "AwsApiCall",
            "userIdentity": { "type": "IAMUser", "userName": "ada", "arn": "arn:aws:iam::1:user/ada" },
            "requestParameters": { "text": "a, \"b\"\n\u{fc}" },
        }] })
        .to_string()
    };
    project.write(
        "trail.jsonl",
        &format!("{}\n{}\n{}\n", call(1, "CreateUser"), call(2, "GetUser"), call(3, "GetUser")),
    );
    let daemon = Daemon::start(&project);
    let (exit, text) = project.run(&["detect", "replay", "trail.jsonl", "--feed", "cloudtrail", "--record"]);
    assert_ne!(exit, 2, "{text}");
    let (status, answer) = daemon.post("/webhooks/gitlab", &[("X-Gitlab-Token", SECRET)], &moved());
    assert_eq!(status, 202, "{answer}");
    let (exit, text) = project.run(&["detect", "export", "events.parquet"]);
    assert!(exit == 0 && text.contains("4 events in events.parquet"), "{exit} {text}");
    let (exit, text) = project.run(&[
        "detect",
        "export",
        "late.parquet",
        "--from",
        "2026-01-05T12:00:02Z",
        "--until",
        "2026-01-05T12:00:03Z",
    ]);
    assert!(exit == 0 && text.contains("1 event in"), "{exit} {text}");

    let script = r#"
import json, duckdb, pyarrow.parquet as parquet
rows = parquet.read_table("events.parquet").to_pylist()
for row in rows:
    row["time"] = row["time"].isoformat()
    row["received"] = None
count = duckdb.sql("select count(*), count(ref), min(epoch_ms(time)) from 'events.parquet'").fetchall()
calls = duckdb.sql("select call, count(*) from 'events.parquet' where call is not null group by 1 order by 1").fetchall()
late = duckdb.sql("select id from 'late.parquet'").fetchall()
about = parquet.ParquetFile("events.parquet").metadata.metadata
print(json.dumps({"rows": rows, "count": count, "calls": calls, "late": late, "log": about[b"linkward.log"].decode()}))
"#;
    let output = std::process::Command::new(&python)
        .args(["-c", script])
        .current_dir(project.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read["count"], json!([[4, 1, 1_767_614_401_000_u64]]));
    assert_eq!(read["calls"], json!([["iam:CreateUser", 1], ["iam:GetUser", 2]]));
    assert_eq!(read["late"], json!([["00000000-0000-0000-0000-000000000002"]]));
    assert!(read["log"].as_str().unwrap().contains("evidence"), "{}", read["log"]);
    let rows = read["rows"].as_array().unwrap();
    let push = rows.iter().find(|row| row["source"] == "forge").unwrap();
    assert_eq!(
        (&push["ref"], &push["before"], &push["forced"]),
        (&json!("refs/tags/v1.0.0"), &json!("aa"), &Value::Null)
    );
    let raw: Value = serde_json::from_str(rows[0]["raw"].as_str().unwrap()).unwrap();
    assert_eq!(raw["requestParameters"]["text"], "a, \"b\"\n\u{fc}", "what the source said, whole");
    assert_eq!(rows[0]["time"], "2026-01-05T12:00:01+00:00");
    // The record says what the file was.
    let (_, listed) = project.run(&["--format", "json", "log", "list", "--kind", "observation"]);
    assert!(listed.contains("observation"), "{listed}");
    let (exit, text) = project.run(&["detect", "export", "/nowhere/events.parquet"]);
    assert!(exit == 2 && text.contains("/nowhere"), "{exit} {text}");
    assert!(!project.path().join("events.parquet.new").exists());
}
