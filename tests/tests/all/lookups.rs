//! Look-ups as they are handed on: found at home, verified elsewhere, refused once anything is missing.

use linkward_tests::{Daemon, Project};
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn keys(project: &Project) -> Vec<String> {
    let trust = std::fs::read_to_string(project.path().join(".linkward/trust.json")).unwrap();
    let logs = json(&trust)["logs"].as_array().unwrap().clone();
    logs.iter().map(|log| log["key"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_is_found_is_proven_and_nothing_can_be_left_out() {
    let project = Project::new();
    project.write("app", "the artifact");
    let (_, text) = project.run(&["up", "--no-serve", "--artifact", "app"]);
    assert!(text.contains("app"), "{text}");
    let (code, text) = project.run(&["sign", "app"]);
    assert_eq!(code, 0, "{text}");
    let digest = linkward_model::Digest::sha256(b"the artifact").to_string();
    let ask = |log: &str| {
        let file = format!("{log}.lookup");
        let args = ["log", "lookup", "digest", &digest, "--log", log, "--out", &file, "--format", "json"];
        let (code, text) = project.run(&args);
        assert_eq!(code, 0, "{text}");
        let found = json(&text);
        assert!(found["last"].as_bool().unwrap(), "{text}");
        found["entries"].as_array().unwrap().len()
    };
    assert!(ask("evidence") >= 2, "the artifact and its proof at least");
    assert_eq!(ask("signing"), 1);

    // Elsewhere, with the keys alone.
    let stranger = Project::new();
    let keys = keys(&project);
    let verify = |answer: &Value, keys: &[String]| {
        stranger.write("answer", &answer.to_string());
        let mut args = vec!["log", "verify-lookup", "answer"];
        for key in keys {
            args.extend(["--key", key]);
        }
        stranger.run(&args)
    };
    for log in ["evidence", "signing"] {
        let path = project.path().join(format!("{log}.lookup"));
        let answer = json(&std::fs::read_to_string(path).unwrap());
        let (code, text) = verify(&answer, &keys);
        assert_eq!(code, 0, "{text}");
        assert!(text.contains("and no other there"), "{text}");
        let (code, text) = verify(&answer, &keys[2..]);
        assert_eq!(code, 3, "{text}");
        let mut less = answer.clone();
        less["entries"].as_array_mut().unwrap().remove(0);
        let (code, text) = verify(&less, &keys);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("lookup-incomplete"), "{text}");
    }
    stranger.write("nonsense", "{}");
    let (code, text) = stranger.run(&["log", "verify-lookup", "nonsense", "--key", &keys[0]]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("malformed-field"), "{text}");
    let (code, text) = project.run(&["log", "lookup", "repository", "https://nowhere.example"]);
    assert_eq!(code, 0, "that there is none is proven as well: {text}");
    assert!(text.contains("0 found"), "{text}");
}

#[test]
fn a_daemon_indexes_what_is_logged_and_serves_the_answers() {
    let project = Project::new();
    for number in 0..90 {
        project.write(&format!("app-{number}"), &number.to_string());
    }
    let mut args = vec!["up".to_owned(), "--no-serve".to_owned()];
    for number in 0..90 {
        args.extend(["--artifact".to_owned(), format!("app-{number}")]);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let (_, text) = project.run(&args);
    assert!(text.contains("app-89"), "{text}");
    let daemon = Daemon::start(&project);
    let digest = linkward_model::Digest::sha256(b"7").to_string();
    let path = format!("/api/v1/lookup?by=digest&value={}", digest.replace(':', "%3A"));
    let mut answer = Value::Null;
    for _ in 0..600 {
        let (status, text) = daemon.fetch(&path, "localhost");
        assert_eq!(status, 200, "{text}");
        answer = json(text.split_once("\r\n\r\n").unwrap().1);
        if !answer["commitment"].is_null() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(!answer["commitment"].is_null(), "nothing was indexed");
    assert!(!answer["pieces"].as_array().unwrap().is_empty());
    project.write("answer", &answer.to_string());
    let keys = keys(&project);
    let (code, text) = project.run(&["log", "verify-lookup", "answer", "--key", &keys[0]]);
    assert_eq!(code, 0, "{text}");
    // A row is taken out of the index that came along.
    let rows = answer["pieces"][0]["rows"].as_array_mut().unwrap();
    rows.remove(0);
    project.write("answer", &answer.to_string());
    let (code, text) = project.run(&["log", "verify-lookup", "answer", "--key", &keys[0]]);
    assert_eq!(code, 1, "{text}");
    assert_eq!(daemon.fetch("/api/v1/lookup?by=colour&value=red", "localhost").0, 400);
    drop(daemon);
    let (code, text) = project.run(&["log", "verify"]);
    assert_eq!(code, 0, "{text}");
}
