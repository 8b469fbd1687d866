//! What something bad went into is built again in order, and every result is proven before the next one starts.

use std::path::Path;
use std::time::{Duration, Instant};

use linkward_tests::{Daemon, Project, Receiver};
use serde_json::{Value, json};

use crate::admission::project;

const BY: [&str; 4] = ["--reason", "a test", "--author", "tests"];

fn json_of(project: &Project, args: &[&str]) -> (i32, Value) {
    let (exit, text) = project.run(&[&["--format", "json"], args].concat());
    (exit, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}")))
}

/// Builds one artifact with this content, which is then allowed.
fn build(project: &Project, file: &str, content: &str) -> String {
    let script = format!("rm -rf dist && mkdir -p dist && echo {content} > dist/{file}");
    let (exit, text) = project.run(&["run", "--", "sh", "-c", &script]);
    assert_eq!(exit, 0, "{text}");
    let (_, checked) = json_of(project, &["check", &format!("dist/{file}")]);
    let digest = checked.pointer("/digest").or_else(|| checked.pointer("/0/digest")).unwrap();
    digest.as_str().unwrap().to_owned()
}

/// Provenance that says what went into an artifact.
fn made_from(project: &Project, file: &str, material: &str) {
    let hex = material.strip_prefix("sha256:").unwrap();
    let predicate = json!({
        "buildDefinition": {
            "buildType": "https://example.com/build", "externalParameters": {},
            "resolvedDependencies": [
                { "uri": "git+https://git.example/shop/app", "digest": { "gitCommit": "1".repeat(40) } },
                { "uri": "base", "digest": { "sha256": hex } },
            ],
        },
        "runDetails": { "builder": { "id": "https://builder.example/app" } },
    });
    let path = project.beside().join("predicate.json");
    std::fs::write(&path, predicate.to_string()).unwrap();
    let kind = "https://slsa.dev/provenance/v1";
    let (exit, text) = project.run(&[
        "attest",
        "--predicate",
        path.to_str().unwrap(),
        "--type",
        kind,
        &format!("dist/{file}"),
    ]);
    assert_eq!(exit, 0, "{text}");
}

fn triggers(project: &Project, text: &str) {
    project.write(".linkward/rebuild.toml", text);
}

fn secret(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn until(project: &Project, what: &str, so: impl Fn(i32, &Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let (exit, status) = json_of(project, &["rebuild", "status"]);
        if so(exit, &status) {
            return status;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "never {what}: {status}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_base_is_built_again_before_what_stands_on_it() {
    let project = project();
    let receiver = Receiver::start();
    receiver.answers(|heard| match heard.path.as_str() {
        "/hook" => (202, "{}".to_owned()),
        _ => (204, String::new()),
    });
    let base = build(&project, "base-1.0.whl", "base");
    build(&project, "app-1.0.whl", "app");
    made_from(&project, "app-1.0.whl", &base);
    let key = secret(project.beside(), "key", "a key of the webhook\n");
    let token = secret(project.beside(), "token", "a token of the forge\n");
    triggers(
        &project,
        &format!(
            "[[trigger]]\nnames = \"dist/base\"\nkind = \"webhook\"\nurl = \"{0}/hook\"\nsecret = \"{key}\"\n\
             [[trigger]]\nnames = \"dist/**\"\nkind = \"github\"\nurl = \"{0}\"\nsecret = \"{token}\"\n\
             repository = \"shop/app\"\nworkflow = \"build.yml\"\nref = \"release\"\ninputs = [\"artifact\", \"pins\"]\n",
            receiver.url()
        ),
    );
    let _daemon = Daemon::start(&project);

    let (exit, text) = project.run(&["rebuild", "plan", "digest", &base]);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("would be revoked first") && text.contains("1. dist/base"), "{text}");
    assert!(text.contains("2. dist/app") && text.contains("workflow build.yml of shop/app"), "{text}");
    assert!(text.contains(&"1".repeat(40)), "the source and its revision: {text}");
    assert_eq!(receiver.heard().len(), 0, "a plan starts nothing");

    let pin = "pkg:generic/base@1.1";
    let start = [&["rebuild", "start", "digest", &base, "--pin", pin][..], &BY].concat();
    let (exit, text) = project.run(&start);
    assert!(
        exit == 3 && text.contains("rebuild-pending") && text.contains("waits for those before it"),
        "{text}"
    );
    let heard = receiver.wait("the webhook", |heard| heard.path == "/hook");
    assert_eq!((&heard.body["artifact"], &heard.body["pins"]), (&json!("dist/base"), &json!([pin])));
    assert_eq!(heard.body["deny"], format!("digest {base}"));
    assert!(heard.header("webhook-signature").starts_with("v1,"), "{heard:?}");
    let (exit, text) = project.run(&["revoke", "list"]);
    assert!(exit == 0 && text.contains(&base), "what is bad is denied first: {text}");

    build(&project, "base-1.1.whl", "better");
    let heard = receiver.wait("the dispatch", |heard| heard.path.ends_with("/dispatches"));
    assert_eq!(heard.path, "/repos/shop/app/actions/workflows/build.yml/dispatches");
    assert_eq!(heard.header("authorization"), "Bearer a token of the forge");
    let expected = json!({ "ref": "release", "inputs": { "artifact": "dist/app", "pins": pin } });
    assert_eq!(heard.body, expected);
    build(&project, "app-1.1.whl", "better");
    let status = until(&project, "verified", |exit, _| exit == 0);
    assert_eq!((&status["state"], &status["artifacts"][1]["name"]), (&json!("verified"), &json!("dist/app")));
    assert_eq!(receiver.heard().len(), 2, "each build is started once");
    let (exit, text) = project.run(&["log", "verify"]);
    assert_eq!(exit, 0, "{text}");
}

#[test]
fn a_build_that_takes_the_same_package_again_is_refused_by_its_result() {
    let project = project();
    build(&project, "app-1.0.whl", "app");
    let range = "pkg:pypi/django@<2";
    let (exit, text) = project.run(&["rebuild", "plan", "package", range]);
    assert!(exit == 0 && text.contains("dist/app") && text.contains("rebuild-no-trigger"), "{text}");
    assert!(text.contains("none named"), "{text}");

    // No trigger fits: it is said, and a build by hand counts all the same.
    let (exit, text) = project.run(&[&["rebuild", "start", "package", range][..], &BY].concat());
    assert!(exit == 3 && text.contains("rebuild-no-trigger"), "{exit} {text}");
    build(&project, "app-1.1.whl", "the same again");
    let (exit, text) = project.run(&["rebuild", "status"]);
    assert!(exit == 1 && text.contains("package-revoked"), "{exit} {text}");

    let hash = "1".repeat(64);
    project.write("requirements.txt", &format!("Django==2.0 --hash=sha256:{hash}\n"));
    build(&project, "app-1.2.whl", "without it");
    let (exit, text) = project.run(&["rebuild", "status"]);
    assert!(exit == 0 && text.contains("verified: 1 of 1"), "{exit} {text}");
}

#[test]
fn a_trigger_that_fails_says_so_and_never_shows_its_secret() {
    let project = project();
    let receiver = Receiver::start();
    receiver.answers(|_| (500, "{}".to_owned()));
    build(&project, "app-1.0.whl", "app");
    let token = secret(project.beside(), "token", "very secret words\n");
    let gitlab = format!(
        "[[trigger]]\nnames = \"**\"\nkind = \"gitlab\"\nurl = \"{}\"\nproject = \"42\"\nsecret = \"{token}\"\n",
        receiver.url()
    );
    triggers(&project, &gitlab.replace("project = \"42\"\n", ""));
    let start = [&["rebuild", "start", "package", "pkg:pypi/django"][..], &BY].concat();
    let (exit, text) = project.run(&start);
    assert!(exit == 2 && text.contains("rebuild-settings-malformed") && text.contains("`project`"), "{text}");
    let (_, text) = project.run(&["revoke", "list"]);
    assert!(text.contains("nothing is revoked"), "faulty settings change nothing: {text}");

    triggers(&project, &gitlab);
    let (exit, text) = project.run(&start);
    assert!(exit == 3 && text.contains("rebuild-trigger-failed") && text.contains("500"), "{exit} {text}");
    assert!(!text.contains("very secret words"), "{text}");
    let heard = receiver.heard();
    assert_eq!(heard[0].path, "/api/v4/projects/42/trigger/pipeline");
    assert_eq!(
        (&heard[0].body["token"], &heard[0].body["ref"]),
        (&json!("very secret words"), &json!("main"))
    );
    assert_eq!(heard[0].body["variables"]["LINKWARD_ARTIFACT"], "dist/app");
    let (_, records) = project.run(&["--format", "json", "log", "list", "--kind", "action"]);
    assert!(!records.contains("very secret words"), "{records}");

    let (exit, text) = project.run(&["rebuild", "status", "1"]);
    assert!(exit == 2 && text.contains("rebuild-missing"), "{exit} {text}");
}
