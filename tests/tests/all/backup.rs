//! Backup while a daemon writes, restore, and what those who saw more do about it.

use std::path::Path;

use linkward_tests::{Daemon, Project};
use serde_json::Value;

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn observe(project: &Project, name: &str) {
    project.write(name, name);
    let (code, text) = project.run(&["up", "--no-serve", "--artifact", name]);
    assert!(code != 2 && text.contains(name), "{text}");
}

#[test]
fn a_restored_home_goes_on_under_a_name_of_its_own() {
    let project = Project::new();
    observe(&project, "one");
    let (code, text) = project.run(&["sign", "one"]);
    assert_eq!(code, 0, "{text}");
    let home = project.path().join(".linkward");
    let before = json(&home.join("trust.json"));
    let backup = project.beside().join("backup");
    let to = backup.to_string_lossy().into_owned();
    // While a daemon has the home open, and writes.
    let daemon = Daemon::start(&project);
    let (code, text) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| (0..5).for_each(|number| observe(&project, &format!("during-{number}"))));
        let made = project.run(&["backup", &to]);
        writer.join().unwrap();
        made
    });
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("private keys"), "{text}");
    let (code, text) = project.run(&["backup", &to]);
    assert_eq!(code, 2, "a backup is never written over: {text}");
    let (code, text) = project.run(&["backup", &home.join("inside").to_string_lossy()]);
    assert_eq!(code, 2, "{text}");
    drop(daemon);
    for left in
        ["keys/evidence.key", "keys/signing.key", "keys/certificates.key", "index.db", "backup.json.new"]
    {
        assert!(!backup.join(left).exists(), "{left}");
    }
    let mode = |path: &Path| {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    };
    assert_eq!(
        (mode(&backup), mode(&backup.join("keys")), mode(&backup.join("keys/step.key"))),
        (0o700, 0o700, 0o600)
    );

    // Somewhere else, where nothing was seen before.
    let other = Project::new();
    let (code, text) = other.run(&["restore", &to]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("whole: "), "{text}");
    let restored = other.path().join(".linkward");
    let after = json(&restored.join("trust.json"));
    assert_ne!(before["id"], after["id"]);
    assert_ne!(before["logs"][0]["key"], after["logs"][0]["key"]);
    assert_eq!(before["logs"], after["former"][0]["logs"]);
    let manifest = json(&backup.join("backup.json"));
    let checkpoint = after["former"][0]["checkpoints"][0].as_str().unwrap();
    let mut lines = checkpoint.lines();
    assert_eq!(lines.next(), manifest["logs"][0]["origin"].as_str());
    let size = manifest["logs"][0]["size"].as_u64().unwrap();
    assert_eq!(lines.next(), Some(size.to_string().as_str()));
    // The first record of the new log names the old one.
    let (code, text) = other.run(&["log", "show", &size.to_string()]);
    assert_eq!(code, 0, "{text}");
    let record: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(record["body"]["says"]["former"][0]["checkpoints"][0].as_str(), Some(checkpoint));
    // What was proven stays proven, and it goes on.
    let bundle = std::fs::read_to_string(project.path().join("one.sigstore.json")).unwrap();
    other.write("one", "one");
    other.write("one.sigstore.json", &bundle);
    let root = restored.join("trusted_root.json").to_string_lossy().into_owned();
    let key = restored.join("artifact.pub").to_string_lossy().into_owned();
    let verify = |project: &Project, bundle: &str| {
        project.run(&["verify", "--bundle", bundle, "--key", &key, "--trusted-root", &root, "one"])
    };
    let (code, text) = verify(&other, "one.sigstore.json");
    assert_eq!(code, 0, "{text}");
    let (code, text) = other.run(&["sign", "one", "--bundle", "again"]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = verify(&other, "again");
    assert_eq!(code, 0, "{text}");
    observe(&other, "two");
    let (code, text) = other.run(&["log", "verify"]);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn whoever_saw_more_is_not_rolled_back() {
    let project = Project::new();
    observe(&project, "one");
    let home = project.path().join(".linkward");
    let backup = project.beside().join("backup").to_string_lossy().into_owned();
    let (code, text) = project.run(&["backup", &backup]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = project.run(&["restore", &backup]);
    assert_eq!(code, 2, "a home is never written over: {text}");

    // Nothing was lost: those who saw it before go on, and see that it has another name.
    std::fs::rename(&home, project.beside().join("first")).unwrap();
    let (code, text) = project.run(&["restore", &backup]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = project.run(&["log", "list"]);
    assert_eq!(code, 0, "{text}");
    // More was seen by this user than the backup has.
    observe(&project, "two");
    std::fs::rename(&home, project.beside().join("second")).unwrap();
    let (code, text) = project.run(&["restore", &backup]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("record-rolled-back") && text.contains("--dangerous-accept-loss"), "{text}");
    assert!(!home.exists(), "nothing was restored");
    // Restored by somebody who had not seen it, it is refused by whoever has.
    let stranger = Project::new();
    let at = home.to_string_lossy().into_owned();
    let (code, text) = stranger.run(&["--home", &at, "restore", &backup]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = project.run(&["log", "list"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("record-rolled-back") && text.contains("restored from an older backup"), "{text}");
    std::fs::remove_dir_all(&home).unwrap();
    let (code, text) = project.run(&["restore", &backup, "--dangerous-accept-loss"]);
    assert_eq!(code, 0, "{text}");
    let (code, text) = project.run(&["log", "list"]);
    assert_eq!(code, 0, "{text}");

    // Half a backup is none.
    std::fs::remove_dir_all(&home).unwrap();
    let manifest = project.beside().join("backup/backup.json");
    let text = std::fs::read(&manifest).unwrap();
    std::fs::remove_file(&manifest).unwrap();
    let (code, message) = project.run(&["restore", &backup, "--dangerous-accept-loss"]);
    assert_eq!(code, 2, "{message}");
    std::fs::write(&manifest, text).unwrap();
    let checkpoint = project.beside().join("backup/logs/evidence/checkpoint");
    let note = std::fs::read_to_string(&checkpoint).unwrap();
    std::fs::write(&checkpoint, note.replace("evidence", "evidense")).unwrap();
    let (code, message) = project.run(&["restore", &backup, "--dangerous-accept-loss"]);
    assert_eq!(code, 2, "{message}");
    assert!(!home.exists(), "{message}");
}
