//! What is found reaches a person: once, also over a kill, and by another way where one fails.

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use linkward_tests::{Daemon, Heard, Project, Receiver, closed_port};
use serde_json::{Value, json};

const SECRET: &str = "hush";

fn project(settings: &str) -> Project {
    let project = Project::new();
    let (exit, text) = project.run(&["up", "--no-serve"]);
    assert!(exit == 0 || exit == 3, "{text}");
    project.write(".linkward/secret", SECRET);
    let secret = project.path().join(".linkward/secret");
    let secret = secret.to_string_lossy();
    let settings = settings.replace("SECRET", &secret);
    project.write(".linkward/detect.toml", &format!("{settings}\n[webhooks]\ngitlab = {secret:?}\n"));
    project
}

fn channel(name: &str, kind: &str, url: &str, more: &str) -> String {
    format!("[[channel]]\nname = {name:?}\nkind = {kind:?}\nurl = {url:?}\n{more}\n")
}

/// Somebody moves a tag of a repository: an invariant.
fn moved(daemon: &Daemon, repository: &str) {
    let body = json!({
        "object_kind": "tag_push", "event_name": "tag_push", "ref": "refs/tags/v1.0.0", "before": "aa", "after": "bb",
        "user_username": "mallory", "project": { "path_with_namespace": repository, "default_branch": "main" }, "commits": [],
    });
    let headers = [("X-Gitlab-Token", SECRET), ("X-Gitlab-Event-UUID", repository)];
    let (status, answer) = daemon.post("/webhooks/gitlab", &headers, &body.to_string());
    assert_eq!(status, 202, "{answer}");
}

fn tells(kind: &str, subject: &str) -> impl Fn(&Heard) -> bool {
    let (kind, subject) = (format!("linkward.alert.{kind}"), subject.to_owned());
    move |heard| heard.status == 200 && heard.body["type"] == kind && heard.body["data"]["subject"] == subject
}

fn finding(project: &Project, subject: &str) -> String {
    let (_, text) = project.run(&["--format", "json", "detect", "list"]);
    let answer: Value = serde_json::from_str(&text).unwrap();
    let findings = answer["findings"].as_array().unwrap().clone();
    let found = findings.iter().find(|line| line["finding"]["subject"] == subject);
    found.unwrap_or_else(|| panic!("{text}"))["short"].as_str().unwrap().to_owned()
}

#[test]
fn a_finding_is_told_once_and_resolved_when_it_is_answered() {
    let receiver = Receiver::start();
    let hook = channel("ops", "webhook", &receiver.url(), "secret = \"SECRET\"\nheartbeat = 1");
    let service = "[[service]]\nname = \"shop\"\nsubjects = [\"acme/*\"]\nowner = \"team-shop\"\ncriticality = \"high\"\n";
    let project = project(&format!("cluster = \"eu-1\"\n{hook}{service}"));
    let daemon = Daemon::start(&project);
    for _ in 0..3 {
        moved(&daemon, "acme/app");
    }
    let heard = receiver.wait("the trigger", tells("trigger", "acme/app"));
    let data = &heard.body["data"];
    for (name, value) in [
        ("rule", "ref-rewritten"),
        ("severity", "page"),
        ("owner", "team-shop"),
        ("deployment", "shop"),
        ("cluster", "eu-1"),
    ] {
        assert_eq!(data[name], value, "{heard:?}");
    }
    assert!(data["link"].as_str().unwrap().starts_with("http://127.0.0.1:"), "{data}");
    assert!(heard.header("webhook-signature").starts_with("v1,") && !heard.header("webhook-id").is_empty());
    receiver.wait("a sign of life", |heard| heard.body["type"] == "linkward.heartbeat");

    let (exit, text) = project.run(&["detect", "alerts"]);
    assert!(exit == 1 && text.contains("nobody answered") && text.contains("1 open alert"), "{text}");
    let id = finding(&project, "acme/app");
    let (exit, text) = project.run(&["detect", "answer", &id]);
    assert_eq!(exit, 0, "{text}");
    let (_, text) = project.run(&["detect", "alerts"]);
    assert!(text.contains("taken up by"), "{text}");
    let (exit, text) = project.run(&["detect", "dispose", &id, "benign", "--reason", "a rehearsal"]);
    assert_eq!(exit, 0, "{text}");
    let resolved = receiver.wait("the end", tells("resolve", "acme/app"));
    assert!(resolved.body["data"]["answered"].as_str().unwrap().contains("a rehearsal"));
    assert_eq!(resolved.body["data"]["key"], data["key"]);
    assert_eq!(receiver.heard().iter().filter(|heard| tells("trigger", "acme/app")(heard)).count(), 1);
    let (exit, text) = project.run(&["detect", "alerts"]);
    assert!(exit == 0 && text.contains("0 open alerts"), "{text}");
}

/// The daemon is killed again and again while the receiver refuses every second request: nothing is lost, and nothing
/// has two ids.
#[test]
fn nothing_is_lost_or_doubled_over_kills() {
    let receiver = Receiver::start();
    let count = std::sync::atomic::AtomicUsize::new(0);
    receiver.answers(move |_| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if number.is_multiple_of(2) { (503, String::new()) } else { (200, "{}".to_owned()) }
    });
    let project = project(&channel("ops", "webhook", &receiver.url(), "secret = \"SECRET\""));
    let mut sent = BTreeSet::new();
    for round in 0..4 {
        let daemon = Daemon::start(&project);
        for number in 0..5 {
            let repository = format!("acme/{round}-{number}");
            moved(&daemon, &repository);
            sent.insert(repository);
        }
        // Later in each round: in the middle of a fold, of a delivery, of noting one down.
        std::thread::sleep(Duration::from_millis(130 * round));
        drop(daemon);
    }
    let daemon = Daemon::start(&project);
    for repository in &sent {
        receiver.wait(repository, tells("trigger", repository));
    }
    let ids = |repository: &String| -> BTreeSet<String> {
        let heard = receiver.heard();
        let mine = heard.iter().filter(|heard| heard.body["data"]["subject"] == **repository);
        mine.map(|heard| heard.header("webhook-id").to_owned()).collect()
    };
    for repository in &sent {
        assert_eq!(ids(repository).len(), 1, "{repository} has one id on every attempt");
    }
    assert_eq!(daemon.interrupt(), Some(0));
    let (_, text) = project.run(&["detect", "alerts"]);
    assert_eq!(text.matches("ref-rewritten").count(), sent.len(), "{text}");
    assert!(!text.contains("channel ops:"), "nothing waits: {text}");
}

#[test]
fn a_dead_channel_is_told_of_by_another_and_pages_go_further() {
    let (ops, boss) = (Receiver::start(), Receiver::start());
    let port = closed_port();
    let settings = channel("dead", "slack", &format!("http://127.0.0.1:{port}"), "")
        + &channel("ops", "webhook", &ops.url(), "secret = \"SECRET\"")
        + &channel("boss", "pagerduty", &boss.url(), "secret = \"SECRET\"")
        + "[[route]]\nchannels = [\"ops\", \"dead\"]\nescalate-after = 0\nescalate-to = [\"boss\"]\n";
    let project = project(&settings);
    let daemon = Daemon::start(&project);
    moved(&daemon, "acme/app");
    ops.wait("the trigger", tells("trigger", "acme/app"));
    let further = boss.wait("the escalation", |heard| heard.body["payload"]["class"] == "ref-rewritten");
    assert_eq!((further.path.as_str(), &further.body["event_action"]), ("/v2/enqueue", &json!("trigger")));
    let failing = ops.wait("the dead channel", tells("trigger", "dead"));
    assert_eq!(failing.body["data"]["rule"], "alert-undelivered");
    let (exit, text) = project.run(&["detect", "alerts"]);
    assert!(exit == 1 && text.contains("channel dead: "), "{text}");
}

#[test]
fn an_issue_is_looked_for_before_it_is_opened() {
    let forge = Receiver::start();
    forge.answers(|heard| match heard.method.as_str() {
        "GET" => (200, "[]".to_owned()),
        _ => (201, "{\"number\":1}".to_owned()),
    });
    let project = project(&channel(
        "issues",
        "issues",
        &forge.url(),
        "secret = \"SECRET\"\nrepository = \"acme/alerts\"",
    ));
    let daemon = Daemon::start(&project);
    moved(&daemon, "acme/app");
    let opened = forge.wait("the issue", |heard| heard.method == "POST");
    assert_eq!(opened.path, "/repos/acme/alerts/issues");
    assert_eq!(opened.header("authorization"), format!("Bearer {SECRET}"));
    let label = opened.body["labels"][1].as_str().unwrap().to_owned();
    forge.answers(|_| (200, "[{\"number\":1}]".to_owned()));
    let id = finding(&project, "acme/app");
    assert_eq!(project.run(&["detect", "dispose", &id, "expected", "--reason", "planned"]).0, 0);
    let closed = forge.wait("the end", |heard| heard.method == "PATCH");
    assert_eq!(
        (closed.path.as_str(), &closed.body["state"]),
        ("/repos/acme/alerts/issues/1", &json!("closed"))
    );
    assert!(forge.heard().iter().any(|heard| heard.method == "GET" && heard.path.contains(&label)));
}

#[test]
fn a_channel_that_cannot_work_stops_the_start() {
    for (settings, says) in [
        ("[[channel]]\nname = \"a\"\nkind = \"alertmanager\"\n".to_owned(), "needs `url`"),
        ("[[route]]\nchannels = [\"nobody\"]\n".to_owned(), "`nobody`"),
        (channel("a", "webhook", "http://192.0.2.1", "secret = \"SECRET\""), "use https"),
    ] {
        let project = project(&settings);
        let mut command = project.command(&["up"]);
        command.env("LINKWARD_CONSOLE_LISTEN", "127.0.0.1:0").env("LINKWARD_ADMISSION_LISTEN", "127.0.0.1:0");
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && text.contains(says), "{says}: {text}");
    }
}

struct Stopped(Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The real Alertmanager: holds the alert, tells its own receiver that it fires and that it is resolved.
#[test]
fn the_real_alertmanager_fires_and_resolves() {
    if Command::new("prometheus-alertmanager").arg("--version").output().is_err() {
        linkward_testkit::skipped("alertmanager is not installed");
        return;
    }
    let receiver = Receiver::start();
    let port = closed_port();
    let folder = linkward_testkit::scratch();
    let config = folder.path().join("alertmanager.yml");
    let text = format!(
        "route:\n  receiver: r\n  group_by: [deployment, cluster]\n  group_wait: 0s\n  group_interval: 1s\n\
         receivers:\n  - name: r\n    webhook_configs:\n      - url: {}\n        send_resolved: true\n",
        receiver.url()
    );
    std::fs::write(&config, text).unwrap();
    let child = Command::new("prometheus-alertmanager")
        .arg(format!("--config.file={}", config.display()))
        .arg(format!("--storage.path={}", folder.path().display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _stopped = Stopped(child.unwrap());
    let start = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < Duration::from_secs(30), "alertmanager does not come up");
        std::thread::sleep(Duration::from_millis(100));
    }
    let url = format!("http://127.0.0.1:{port}");
    let project =
        project(&format!("cluster = \"eu-1\"\n{}", channel("am", "alertmanager", &url, "heartbeat = 1")));
    let daemon = Daemon::start(&project);
    moved(&daemon, "acme/app");
    let told = |status: &'static str, name: &'static str| {
        move |heard: &Heard| {
            let alerts = heard.body["alerts"].as_array().cloned().unwrap_or_default();
            alerts.iter().any(|alert| alert["status"] == status && alert["labels"]["alertname"] == name)
        }
    };
    let fired = receiver.wait("that it fires", told("firing", "LinkwardRefRewritten"));
    assert_eq!(fired.body["groupLabels"], json!({ "deployment": "acme/app", "cluster": "eu-1" }));
    receiver.wait("a sign of life", told("firing", "LinkwardHeartbeat"));
    let id = finding(&project, "acme/app");
    assert_eq!(project.run(&["detect", "dispose", &id, "benign", "--reason", "ours"]).0, 0);
    receiver.wait("that it is resolved", told("resolved", "LinkwardRefRewritten"));
}
