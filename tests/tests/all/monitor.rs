//! Proofs that leave the home, and a log that is followed by somebody who does not trust it.

use std::path::Path;

use linkward_tests::Project;
use serde_json::Value;

/// A project with a signing log of some entries, and that log's verifier key.
fn logged() -> (Project, String) {
    let project = Project::new();
    build(&project, "one");
    let trust = std::fs::read_to_string(project.path().join(".linkward/trust.json")).unwrap();
    let trust: Value = serde_json::from_str(&trust).unwrap();
    let log = trust["logs"].as_array().unwrap().iter().find(|log| log["name"] == "signing").unwrap();
    let key = log["key"].as_str().unwrap().to_owned();
    (project, key)
}

fn build(project: &Project, content: &str) {
    let command = format!("mkdir -p dist && echo {content} > dist/{content}-1.0.whl");
    assert_eq!(project.run(&["run", "--", "sh", "-c", &command]).0, 0);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_proof_verifies_without_the_home_and_no_other_does() {
    let (project, key) = logged();
    let (exit, proof) = project.run(&["log", "proof", "0", "--log", "signing"]);
    assert_eq!(exit, 0, "{proof}");
    assert!(proof.starts_with("c2sp.org/tlog-proof@v1\n"), "{proof}");
    let verify = |text: &str, key: &str, more: &[&str]| {
        std::fs::write(project.beside().join("proof"), text).unwrap();
        let file = project.beside().join("proof").display().to_string();
        project.run(&[&["log", "verify-proof", &file, "--key", key], more].concat())
    };
    let (exit, text) = verify(&proof, &key, &[]);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("logged: entry 0 of"), "{text}");
    let (exit, text) = verify(&proof.replace("index 0", "index 1"), &key, &[]);
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("log-proof-invalid"), "{text}");
    project.write("entry", "another entry");
    let (exit, text) = verify(&proof, &key, &["--entry", "entry"]);
    assert_eq!(exit, 1, "{text}");
    // A witness that never saw this log.
    let witness = "witness.example+16dde22d+BJEz6Nl6m3ZNhA4NyYzGZDmBMxmVKNyDT2cdy1oNRmOU";
    let (exit, text) = verify(&proof, &key, &["--witness", witness]);
    assert_ne!(exit, 0, "{text}");
    let (exit, text) = project.run(&["log", "proof", "99", "--log", "signing"]);
    assert_eq!(exit, 2, "{text}");
}

#[test]
fn a_log_that_forks_or_shrinks_is_named_and_both_checkpoints_are_kept() {
    let (project, key) = logged();
    let log = project.path().join(".linkward/logs/signing");
    let early = project.beside().join("early");
    copy(&log, &early);
    let state = project.beside().join("followed").display().to_string();
    let watch = |folder: &Path, more: &[&str]| {
        let folder = folder.display().to_string();
        project.run(&[&["monitor", &folder, "--key", &key, "--state", &state], more].concat())
    };
    let (exit, text) = watch(&log, &[]);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("entries 0 to 2, one and the same log"), "{text}");

    build(&project, "two");
    let (exit, text) = watch(
        &log,
        &["--artifact", "sha256:0000000000000000000000000000000000000000000000000000000000000000"],
    );
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("entries 2 to 4"), "{text}");

    // An older state of the log: signed by the same key, and not what was seen.
    let (exit, text) = watch(&early, &[]);
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("log-forked") && text.contains("both checkpoints are kept"), "{text}");
    assert!(std::fs::metadata(format!("{state}.refused-2")).is_ok());
    assert!(std::fs::metadata(format!("{state}.checkpoint")).is_ok());

    // One altered byte of an entry that is new to the watcher.
    build(&project, "three");
    let altered = project.beside().join("altered");
    copy(&log, &altered);
    let bundle = altered.join("tile/entries/000.p/6");
    let mut bytes = std::fs::read(&bundle).unwrap();
    let last = bytes.len() - 9;
    bytes[last] ^= 1;
    std::fs::write(&bundle, bytes).unwrap();
    let (exit, text) = watch(&altered, &[]);
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("log-forked"), "{text}");

    // A file that is not there is not an empty log.
    std::fs::remove_file(altered.join("checkpoint")).unwrap();
    let (exit, text) = watch(&altered, &[]);
    assert_ne!(exit, 0, "{text}");
    assert!(text.contains("log-unreadable"), "{text}");

    // A spoilt memory would let a fork pass: it is an error, never a fresh start.
    std::fs::write(&state, "spoilt").unwrap();
    let (exit, text) = watch(&log, &[]);
    assert_eq!(exit, 2, "{text}");
}

#[test]
fn entries_are_reported_by_artifact_and_by_key() {
    let (project, key) = logged();
    project.write("a.txt", "signed");
    assert_eq!(project.run(&["sign", "--bundle", "a.json", "a.txt"]).0, 0);
    let log = project.path().join(".linkward/logs/signing").display().to_string();
    let public = project.path().join(".linkward/artifact.pub").display().to_string();
    let state = project.beside().join("by-key").display().to_string();
    let (exit, text) =
        project.run(&["monitor", &log, "--key", &key, "--state", &state, "--signer-key", &public]);
    assert_eq!(exit, 1, "what is looked for was found: {text}");
    let digest = linkward_model::Digest::sha256(b"signed").to_string();
    assert!(text.contains(&digest), "{text}");
    let state = project.beside().join("by-artifact").display().to_string();
    let (exit, text) =
        project.run(&["monitor", &log, "--key", &key, "--state", &state, "--artifact", &digest]);
    assert_eq!(exit, 1, "{text}");
    assert_eq!(text.matches("hashedrekord").count(), 1, "{text}");
}
