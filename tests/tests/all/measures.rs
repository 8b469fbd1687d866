//! What is exported works where it is used: every expression is executed by a real Prometheus over a real daemon.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use linkward_tests::{Daemon, Project, closed_port, get};
use serde_json::{Value, json};

use crate::admission::{built, client, pod, post, project};

struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn exported(project: &Project) -> (String, BTreeSet<String>) {
    let (exit, text) = project.run(&["measures", "--export", "out"]);
    assert_eq!(exit, 0, "{text}");
    let read = |name: &str| std::fs::read_to_string(project.path().join("out").join(name)).unwrap();
    let rules = read("prometheus-rules.yaml");
    let mut all = BTreeSet::new();
    for (text, field) in [(rules.clone(), "expr: "), (read("openslo.yaml"), "query: ")] {
        for line in text.lines().filter_map(|line| line.trim().strip_prefix(field)) {
            let whole: String = serde_json::from_str(line).unwrap();
            // An alert that does not fire is empty; what it compares must not be.
            for side in whole.split(" and ") {
                all.insert(side.split(" > ").next().unwrap().to_owned());
            }
            all.insert(format!("vector(1) or ({whole})"));
        }
    }
    for board in ["executive", "on-call", "debug"] {
        let board: Value = serde_json::from_str(&read(&format!("grafana-{board}.json"))).unwrap();
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().unwrap() {
                all.insert(target["expr"].as_str().unwrap().to_owned());
            }
        }
    }
    (rules, all)
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn every_expression_gives_something_in_a_real_prometheus() {
    if Command::new("prometheus").arg("--version").output().is_err() {
        linkward_testkit::skipped("prometheus is not installed");
        return;
    }
    let project = project();
    project.run(&["up", "--no-serve"]);
    project.write(".linkward/secret", "hush");
    let secret = project.path().join(".linkward/secret");
    project.write(".linkward/detect.toml", &format!("[webhooks]\ngitlab = {:?}\n", secret.to_string_lossy()));
    let daemon = Daemon::start(&project);
    let image = built(&project);
    let event = json!({
        "object_kind": "tag_push", "event_name": "tag_push", "ref": "refs/tags/v1", "before": "aa", "after": "bb",
        "project": { "path_with_namespace": "acme/app", "default_branch": "main" }, "commits": [],
    });
    assert_eq!(daemon.post("/webhooks/gitlab", &[("X-Gitlab-Token", "hush")], &event.to_string()).0, 202);

    let (rules, expressions) = exported(&project);
    assert!(expressions.len() > 60, "{}", expressions.len());
    let folder = linkward_testkit::scratch();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let rules = write("rules.yaml", &rules);
    let checked = Command::new("promtool").args(["check", "rules"]).arg(&rules).output().unwrap();
    assert!(checked.status.success(), "{checked:?}");
    let config = write(
        "prometheus.yml",
        &format!(
            "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files: [{}]\n\
             scrape_configs:\n  - job_name: linkward\n    static_configs:\n      - targets: [{:?}]\n",
            rules.display(),
            daemon.console
        ),
    );
    let port = closed_port();
    let child = Command::new("prometheus")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _stopped = Stopped(child.unwrap());
    let address = format!("127.0.0.1:{port}");
    let query = |expression: &str| -> Value {
        let answer =
            get(&address, &format!("/api/v1/query?query={}", encoded(expression))).unwrap_or_default();
        serde_json::from_str(&answer).unwrap_or(Value::Null)
    };
    let results = |expression: &str| query(expression)["data"]["result"].as_array().map_or(0, Vec::len);
    let wait = |what: &str, holds: &dyn Fn() -> bool| {
        let start = Instant::now();
        while !holds() {
            assert!(start.elapsed() < Duration::from_secs(60), "{what}");
            std::thread::sleep(Duration::from_millis(250));
        }
    };
    wait("prometheus scrapes", &|| results("count_over_time(linkward_log_size[1m]) >= 3") > 0);

    // A deployment of something that nobody built, while it is being watched.
    let client = client(&project);
    post(&daemon, &client, &pod(&image)).unwrap();
    let unknown = format!("registry.example/shop/app@sha256:{}", "0".repeat(64));
    post(&daemon, &client, &pod(&unknown)).unwrap();
    wait("the decisions are counted", &|| results("sum(increase(linkward_verify_total[1m])) > 0") > 0);

    for expression in &expressions {
        let answer = query(expression);
        assert_eq!(answer["status"], "success", "{expression}: {answer}");
        assert!(!answer["data"]["result"].as_array().unwrap().is_empty(), "{expression} returns nothing");
    }
    let answer: Value = serde_json::from_str(&get(&address, "/api/v1/rules").unwrap()).unwrap();
    let groups = answer["data"]["groups"].as_array().unwrap();
    let rules: Vec<&Value> = groups.iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
    assert!(rules.len() > 20, "{}", rules.len());
    for rule in rules {
        assert_ne!(rule["health"], "err", "{rule}");
    }
    wait("the broken budget fires", &|| {
        results("ALERTS{alertname=\"LinkwardBudget_verification_1h\",alertstate=\"firing\"}") > 0
    });

    let (status, page) = daemon.fetch("/api/v1/measures/history", "localhost");
    assert!(status == 200 && page.contains("\"M2\""), "{page}");
}

/// A file of old events says nothing of how fast we are.
#[test]
fn a_replayed_file_does_not_slow_down_detection() {
    let project = Project::new();
    project.run(&["up", "--no-serve"]);
    let old = json!({
        "object_kind": "tag_push", "event_name": "tag_push", "ref": "refs/tags/v1", "before": "aa", "after": "bb",
        "project": { "path_with_namespace": "acme/app", "default_branch": "main" },
        "commits": [{ "timestamp": "2020-01-05T10:00:00Z" }],
    });
    std::fs::write(project.beside().join("old.json"), old.to_string()).unwrap();
    let path = project.beside().join("old.json").to_string_lossy().into_owned();
    let (exit, text) = project.run(&["detect", "replay", &path, "--record"]);
    assert_eq!(exit, 1, "{text}");
    let (_, text) = project.run(&["--format", "json", "measures"]);
    let answer: Value = serde_json::from_str(&text).unwrap();
    let measures = answer["measures"].as_array().unwrap();
    let latency = measures.iter().find(|measure| measure["code"] == "M7").unwrap();
    assert_eq!((&latency["state"], &latency["value"]), (&json!("no-data"), &Value::Null), "{latency}");
    let (_, text) = project.run(&["--format", "json", "detect", "list"]);
    assert!(text.contains("ref-rewritten"), "{text}");
}
