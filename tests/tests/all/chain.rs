//! The main job: a project from evidence to verdict, and every way to break it.

use linkward_tests::Project;

fn project() -> Project {
    let project = Project::new();
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    project.write("requirements.txt", &format!("Django==1.2 --hash=sha256:{hash}\n"));
    project
}

const BUILD: &[&str] = &["run", "--", "sh", "-c", "mkdir -p dist && echo wheel > dist/app-1.0.whl"];
const WHEEL: &str = "dist/app-1.0.whl";

#[test]
fn what_is_found_is_unknown_and_what_is_built_under_linkward_is_allowed() {
    let project = project();
    project.write(WHEEL, "found\n");
    let (exit, text) = project.run(&["up", "--no-serve"]);
    assert_eq!(exit, 3, "{text}");
    assert!(text.contains("no-provenance") && text.contains("linkward run -- CMD"), "{text}");
    let (exit, text) = project.run(BUILD);
    assert_eq!(exit, 0, "{text}");
    let (exit, text) = project.run(&["check", WHEEL]);
    assert_eq!(exit, 0, "{text}");
    let (exit, text) = project.run(&["up", "--no-serve"]);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("SLSA, proven"), "{text}");
    let (exit, text) = project.run(&["why", "pkg:pypi/django"]);
    assert_eq!(exit, 0, "{text}");
}

#[test]
fn one_changed_byte_of_the_product_is_not_allowed() {
    let project = project();
    assert_eq!(project.run(BUILD).0, 0);
    project.write(WHEEL, "wheeL\n");
    let (exit, text) = project.run(&["check", WHEEL]);
    assert_eq!(exit, 3, "{text}");
}

#[test]
fn another_builder_in_policy_denies() {
    let project = project();
    assert_eq!(project.run(BUILD).0, 0);
    let path = project.path().join(".linkward/policy.yaml");
    let policy = std::fs::read_to_string(&path).unwrap();
    let changed = policy.replace("builders: [https://linkward.dev/", "builders: [https://other.example/");
    assert_ne!(policy, changed);
    std::fs::write(&path, changed).unwrap();
    let (exit, text) = project.run(&["check", WHEEL]);
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("builder-refused"), "{text}");
    std::fs::write(&path, "version: 2\nrulez: []\nrules:\n  - name: x\n").unwrap();
    let (exit, text) = project.run(&["check", WHEEL]);
    assert_eq!(exit, 2, "{text}");
    for fault in ["line 1, column", "line 2, column", "line 4, column", "did you mean `rules`"] {
        assert!(text.contains(fault), "{fault}: {text}");
    }
}

#[test]
fn a_failed_build_step_is_recorded_and_not_allowed() {
    let project = project();
    let command = "mkdir -p dist && echo half > dist/app-1.0.whl; exit 7";
    let (exit, text) = project.run(&["run", "--", "sh", "-c", command]);
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("exit code 7"), "{text}");
    let (exit, text) = project.run(&["check", WHEEL]);
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("step-failed"), "{text}");
}

#[test]
fn a_tampered_bundle_is_refused_with_its_code_and_does_not_deny_what_is_proven() {
    let project = project();
    assert_eq!(project.run(BUILD).0, 0);
    let bundles = project.path().join(".linkward/bundles");
    let bundle = std::fs::read_dir(bundles).unwrap().next().unwrap().unwrap().path();
    let text = std::fs::read_to_string(bundle).unwrap();
    let at = text.find("\"sig\":\"").unwrap() + 20;
    let mut bytes = text.into_bytes();
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    project.write("forged.json", &String::from_utf8(bytes).unwrap());
    let (exit, text) = project.run(&["evidence", "add", "forged.json"]);
    assert_eq!(exit, 1, "{text}");
    let codes = ["signature-mismatch", "log-entry-mismatch", "timestamp-mismatch"];
    assert!(codes.iter().any(|code| text.contains(code)), "{text}");
    let (exit, text) = project.run(&["check", WHEEL]);
    assert_eq!(exit, 0, "a forged bundle must not deny: {text}");
    assert!(text.contains("evidence-refused"), "{text}");
}

#[test]
fn explain_replays_from_the_log_and_from_a_rebuilt_folder_alike() {
    let project = project();
    assert_eq!(project.run(BUILD).0, 0);
    let (_, checked) = project.run(&["--format", "json", "check", WHEEL]);
    let checked: serde_json::Value = serde_json::from_str(&checked).unwrap();
    let record = checked[0]["record"].to_string();
    let (exit, first) = project.run(&["explain", &record]);
    assert_eq!(exit, 0, "{first}");
    assert!(first.contains("the same result from the log alone"), "{first}");
    let copy = project.beside().join("copy");
    let copy = copy.to_str().unwrap();
    let (exit, text) = project.run(&["record", "rebuild", "--to", copy]);
    assert_eq!(exit, 0, "{text}");
    let (exit, second) = project.run(&["--home", copy, "explain", &record]);
    assert_eq!(exit, 0, "{second}");
    assert_eq!(first, second);
    assert_eq!(project.run(&["log", "verify"]).0, 0);
}

#[test]
fn a_home_that_was_rolled_back_is_refused() {
    let project = project();
    assert_eq!(project.run(&["up", "--no-serve"]).0, 3);
    let home = project.path().join(".linkward");
    let copy = project.beside().join("old");
    let status = std::process::Command::new("cp").arg("-a").arg(&home).arg(&copy).status().unwrap();
    assert!(status.success());
    assert_eq!(project.run(BUILD).0, 0);
    assert_eq!(project.run(&["check", WHEEL]).0, 0);
    std::fs::remove_dir_all(&home).unwrap();
    std::fs::rename(&copy, &home).unwrap();
    let (exit, text) = project.run(&["check", WHEEL]);
    assert_eq!(exit, 2, "{text}");
    assert!(text.contains("record-rolled-back"), "{text}");
}

#[test]
fn mistakes_have_answers() {
    let project = project();
    for (args, expected) in [
        (&["check", "x"][..], "make one with `linkward up`"),
        (&["up", "nowhere"], "name the project's folder"),
        (&["code", "nope"], "not a reason code"),
    ] {
        let (exit, text) = project.run(args);
        assert_eq!(exit, 2, "{args:?}: {text}");
        assert!(text.contains(expected), "{args:?}: {text}");
    }
    assert_eq!(project.run(&["up", "--no-serve"]).0, 3);
    project.write(".linkward/linkward.toml", "[console]\nlisten = \"0.0.0.0:1\"\n[x]\n");
    let (exit, text) = project.run(&["up", "--no-serve"]);
    assert_eq!(exit, 2, "{text}");
    assert!(text.contains("line 2, column 10") && text.contains("line 3, column 2"), "{text}");
    let mode = std::os::unix::fs::PermissionsExt::from_mode;
    project.write(".linkward/linkward.toml", "");
    let key = project.path().join(".linkward/keys/evidence.key");
    std::fs::set_permissions(&key, mode(0o644)).unwrap();
    project.write("dist/new-1.0.whl", "new");
    let (exit, text) = project.run(&["up", "--no-serve"]);
    assert_eq!(exit, 2, "{text}");
    assert!(text.contains("0600") || text.contains("600"), "{text}");
}

/// The name carries the version, so what is compared is what the releases share.
#[test]
fn a_release_that_lost_its_provenance_is_a_downgrade() {
    let project = project();
    let build = |version: &str| format!("mkdir -p dist && echo {version} > dist/app-{version}.whl");
    assert_eq!(project.run(&["run", "--", "sh", "-c", &build("1.0")]).0, 0);
    assert_eq!(project.run(&["check", "dist/app-1.0.whl"]).0, 0);
    let path = project.path().join(".linkward/policy.yaml");
    let policy = std::fs::read_to_string(&path).unwrap();
    let at = policy.find("    require:\n").unwrap() + "    require:\n".len();
    std::fs::write(&path, format!("{}      no_downgrade: true\n{}", &policy[..at], &policy[at..])).unwrap();
    project.write("dist/app-1.1.whl", "bare\n");
    let (exit, text) = project.run(&["check", "dist/app-1.1.whl"]);
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains("attestation-downgrade"), "{text}");
    // A later release with more than this one had says nothing against this one.
    let (exit, text) = project.run(&["check", "dist/app-1.0.whl"]);
    assert_eq!(exit, 0, "{text}");
    project.write("dist/other-1.1.whl", "bare too\n");
    let (_, text) = project.run(&["check", "dist/other-1.1.whl"]);
    assert!(!text.contains("attestation-downgrade"), "{text}");
}

/// A plan is held against what was approved; no value of it is shown.
#[test]
fn a_terraform_plan_is_held_against_the_approved_one() {
    let project = Project::new();
    let plan = |acl: &str, source: &str| {
        serde_json::json!({
            "format_version": "1.2",
            "resource_changes": [{ "address": "aws_s3_bucket.logs", "provider_name": "registry.example/hashicorp/aws",
                "change": { "actions": ["create"], "before": null, "after": { "acl": acl, "password": "hush" }, "after_unknown": {} } }],
            "configuration": { "root_module": { "module_calls": { "net": { "source": source } } } },
        })
        .to_string()
    };
    project.write("approved.json", &plan("private", "./net"));
    project.write("plan.json", &plan("private", "./net"));
    let check =
        |args: &[&str]| project.run(&[&["check", "--terraform-plan", "plan.json"][..], args].concat());
    let (exit, text) = check(&["--approved", "approved.json"]);
    assert!(exit == 0 && text.contains("1 change, compared"), "{exit} {text}");
    let (exit, text) = check(&[]);
    assert!(exit == 0 && text.contains("not compared"), "{exit} {text}");
    project.write("plan.json", &plan("public-read", "git::https://git.example/net.git?ref=main"));
    let (exit, text) = check(&["--approved", "approved.json"]);
    assert!(
        exit == 1 && text.contains("plan-differs: aws_s3_bucket.logs") && text.contains(": acl"),
        "{exit} {text}"
    );
    assert!(text.contains("plan-unpinned: module.net") && !text.contains("public-read"), "{text}");
    project.write("plan.json", "{}");
    let (exit, text) = check(&[]);
    assert!(exit == 2 && text.contains("plan-malformed") && text.contains("plan.json"), "{exit} {text}");
    assert_eq!(check(&["other"]).0, 2, "a plan or artifacts, not both");
}
