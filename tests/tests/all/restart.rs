//! What was folded is taken up at the next start, where it is whole and of this log; findings are the same in any case.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use linkward_tests::{Daemon, Project, get};
use serde_json::{Value, json};

/// Tags that were moved, each a finding of its own: enough records for a fold to be worth keeping.
fn moved(from: usize, until: usize) -> String {
    let line = |number: usize| {
        json!({
            "id": format!("e{number}"), "source": "forge", "action": "ref.updated",
            // Within an hour: too little to know the source's habits, so that its silence is no finding.
            "time": format!("2026-01-02T10:{:02}:00Z", number % 60),
            "actor": "mallory", "repository": format!("acme/r{number}"), "ref": "refs/tags/v1.0.0", "before": "aa", "after": "bb",
        })
        .to_string()
            + "\n"
    };
    (from..until).map(line).collect()
}

fn project() -> Project {
    let project = Project::new();
    let (exit, text) = project.run(&["up", "--no-serve"]);
    assert!(exit == 0 || exit == 3, "{text}");
    project
}

fn replay(project: &Project, from: usize, until: usize) {
    project.write("events.jsonl", &moved(from, until));
    let (exit, text) = project.run(&["detect", "replay", "--record", "events.jsonl"]);
    assert_eq!(exit, 1, "{text}");
}

fn kept(project: &Project) -> [PathBuf; 2] {
    ["detect.kept", "counts.kept"].map(|name| project.path().join(".linkward").join(name))
}

/// Findings without what says when they were noticed, and the counts that come of records alone.
fn shown(daemon: &Daemon) -> (Value, Vec<String>) {
    let start = Instant::now();
    let findings: Value = loop {
        let (status, answer) = daemon.fetch("/api/v1/findings", "localhost");
        // Not there yet is said, and never an empty list.
        let early = status == 503 && answer.contains("still-folding");
        assert!(status == 200 || early, "{answer}");
        if status == 200 {
            break serde_json::from_str(&get(&daemon.console, "/api/v1/findings").unwrap()).unwrap();
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{answer}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let metrics = get(&daemon.console, "/metrics").unwrap();
    let counts =
        metrics.lines().filter(|line| line.starts_with("linkward_findings_total{")).map(str::to_owned);
    (findings, counts.collect())
}

#[test]
fn a_restart_with_and_without_what_was_kept_shows_the_same() {
    let project = project();
    let daemon = Daemon::start(&project);
    replay(&project, 0, 300);
    let before = shown(&daemon);
    assert_eq!(before.0["findings"].as_array().unwrap().len(), 300);
    assert!(!before.1.is_empty());
    assert_eq!(daemon.interrupt(), Some(0));
    let files = kept(&project);
    let whole: Vec<Vec<u8>> = files.iter().map(|path| std::fs::read(path).unwrap()).collect();

    let daemon = Daemon::start(&project);
    assert_eq!(shown(&daemon), before, "from what was kept");
    // More than was kept of: the rest is folded after it.
    replay(&project, 300, 310);
    let more = shown(&daemon);
    assert_eq!(more.0["findings"].as_array().unwrap().len(), 310);
    drop(daemon);

    let daemon = Daemon::start(&project);
    assert_eq!(shown(&daemon), more, "killed, and taken up from an older place");
    drop(daemon);
    files.iter().for_each(|path| std::fs::remove_file(path).unwrap());
    let daemon = Daemon::start(&project);
    assert_eq!(shown(&daemon), more, "from nothing");
    drop(daemon);

    for (file, whole) in files.iter().zip(&whole) {
        let mut damaged = whole.clone();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 0x20;
        std::fs::write(file, damaged).unwrap();
    }
    let (exit, text) = project.run(&["detect", "list"]);
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("detect.kept is thrown away") && text.contains("checksum"), "{text}");
    let (_, text) = project.run(&["measures"]);
    assert!(text.contains("counts.kept is thrown away") && text.contains("checksum"), "{text}");
    let daemon = Daemon::start(&project);
    assert_eq!(shown(&daemon), more, "with a flipped byte");
}

#[test]
fn what_was_kept_of_another_log_or_with_another_estate_is_thrown_away() {
    let (one, other) = (project(), project());
    for (project, last) in [(&one, 300), (&other, 290)] {
        let daemon = Daemon::start(project);
        replay(project, 0, last);
        assert_eq!(daemon.interrupt(), Some(0));
    }
    for (from, to) in kept(&one).iter().zip(kept(&other)) {
        std::fs::copy(from, to).unwrap();
    }
    let (_, text) = other.run(&["detect", "list"]);
    assert!(text.contains("is of another log") && text.contains("290 findings"), "{text}");
    one.write(".linkward/detect.toml", "[estate]\nmoving-tags = [\"v1*\"]\n");
    let (_, text) = one.run(&["detect", "list"]);
    assert!(text.contains("another detect.toml"), "{text}");
}

/// The recorded past is judged again, beside what people said of it; another estate says what it would change.
#[test]
fn a_back_test_counts_by_what_people_said() {
    let project = project();
    let backtest = |more: &[&str]| {
        let (exit, text) = project.run(&[&["--format", "json", "detect", "backtest"], more].concat());
        let answer: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        (exit, answer)
    };
    assert_eq!(backtest(&[]).0, 3, "without events nothing was tested");
    replay(&project, 0, 10);
    let (_, text) = project.run(&["--format", "json", "detect", "list"]);
    let listed: Value = serde_json::from_str(&text).unwrap();
    let ids: Vec<&str> =
        listed["findings"].as_array().unwrap().iter().map(|one| one["short"].as_str().unwrap()).collect();
    for (id, disposition) in ids.iter().zip(["true", "true", "true", "benign", "expected"]) {
        let (exit, text) = project.run(&["detect", "dispose", id, disposition, "--reason", "looked at"]);
        assert_eq!(exit, 0, "{text}");
    }
    // Somebody thinks again: the newest counts.
    project.run(&["detect", "dispose", ids[0], "benign", "--reason", "looked at twice"]);
    let before = project.run(&["log", "list"]).1;
    let (exit, answer) = backtest(&[]);
    assert_eq!((exit, &answer["events"]), (0, &json!(10)));
    let rule = &answer["rules"][0];
    let counted = ["found", "new", "gone", "true", "benign", "expected", "unsaid"]
        .map(|name| rule[name].as_u64().unwrap());
    assert_eq!((rule["rule"].as_str(), counted), (Some("ref-rewritten"), [10, 0, 0, 2, 2, 1, 5]));
    assert!((rule["precision"].as_f64().unwrap() - 0.4).abs() < 1e-9);
    project.write("other.toml", "[estate]\nmoving-tags = [\"v1*\"]\n");
    let rule = &backtest(&["--estate", "other.toml"]).1["rules"][0];
    assert_eq!((&rule["found"], &rule["gone"]), (&json!(0), &json!(10)));
    assert_eq!(project.run(&["log", "list"]).1, before, "nothing is recorded by it");
}
