//! A changed policy comes into force whole, and one on trial is obeyed by nobody.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use linkward_tests::{Daemon, Project};
use serde_json::{Value, json};

use crate::admission::{WHEEL, built, client, pod, post, project};

const MANY: usize = 40;

fn policy_path(project: &Project) -> PathBuf {
    project.path().join(".linkward/policy.yaml")
}

/// A policy that refuses what our own builder built, and the one in force.
fn stricter(project: &Project) -> (String, String) {
    let policy = std::fs::read_to_string(policy_path(project)).unwrap();
    let changed = policy.replace("builders: [https://linkward.dev/", "builders: [https://other.example/");
    assert_ne!(policy, changed);
    (changed, policy)
}

fn json_of(project: &Project, args: &[&str]) -> (i32, Value) {
    let (exit, text) = project.run(&[&["--format", "json"], args].concat());
    (exit, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{args:?}: {error}: {text}")))
}

/// Many artifacts of one build, decided about; a pod that runs all of them.
fn many(project: &Project) -> String {
    let script = format!("mkdir -p dist; for n in $(seq {MANY}); do echo $n > dist/app-1.$n.whl; done");
    let (exit, text) = project.run(&["run", "--", "sh", "-c", &script]);
    assert_eq!(exit, 0, "{text}");
    let mut containers = Vec::new();
    for number in 1..=MANY {
        let (exit, checked) = json_of(project, &["check", &format!("dist/app-1.{number}.whl")]);
        assert_eq!(exit, 0, "{checked}");
        let digest = checked.pointer("/digest").or_else(|| checked.pointer("/0/digest")).unwrap();
        let image = format!("registry.example/shop/app@{}", digest.as_str().unwrap());
        containers.push(json!({ "name": format!("c{number}"), "image": image }));
    }
    let mut review: Value = serde_json::from_str(&pod("registry.example/none")).unwrap();
    review["request"]["object"]["spec"]["containers"] = json!(containers);
    review.to_string()
}

#[test]
fn no_review_sees_half_of_a_changed_policy() {
    let project = project();
    let daemon = Daemon::start(&project);
    let client = client(&project);
    let review = many(&project);
    assert_eq!(project.run(&["admit", "enforce"]).0, 0);
    assert_eq!(post(&daemon, &client, &review).unwrap()["response"]["allowed"], true);

    let (changed, policy) = stricter(&project);
    std::fs::write(policy_path(&project), &changed).unwrap();
    let start = Instant::now();
    loop {
        let answer = post(&daemon, &client, &review).unwrap();
        let message = answer["response"]["status"]["message"].as_str().unwrap_or("");
        let refused = message.matches("builder-refused").count();
        let allowed = answer["response"]["allowed"] == true;
        assert!(allowed && refused == 0 || !allowed && refused == MANY, "{refused} of {MANY}: {answer}");
        if !allowed {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "not within twenty seconds");
    }

    let (exit, rollouts) = json_of(&project, &["policy", "rollouts"]);
    assert_eq!(exit, 0);
    let newest = &rollouts[0];
    let counted = |name: &str| newest[name].as_u64().unwrap();
    assert_eq!((counted("asked"), counted("changed"), counted("newly_refused")), (40, 40, 40), "{newest}");
    assert_eq!(newest["first"][0]["old"]["outcome"], "allow");

    // Back again after a restart: the verdicts of the policy that was in force stay until all are made anew.
    drop(daemon);
    std::fs::write(policy_path(&project), &policy).unwrap();
    let daemon = Daemon::start(&project);
    let start = Instant::now();
    while post(&daemon, &client, &review).unwrap()["response"]["allowed"] != true {
        assert!(start.elapsed() < Duration::from_secs(20), "not within twenty seconds");
        std::thread::sleep(Duration::from_millis(20));
    }
    let (_, rollouts) = json_of(&project, &["policy", "rollouts"]);
    assert_eq!((&rollouts[0]["newly_allowed"], &rollouts[0]["newly_refused"]), (&json!(40), &json!(0)));
    let (exit, text) = project.run(&["log", "verify"]);
    assert_eq!(exit, 0, "{text}");
    let (exit, text) = project.run(&["check", "dist/app-1.7.whl"]);
    assert_eq!(exit, 0, "{text}");
}

#[test]
fn a_policy_on_trial_decides_beside_the_one_in_force_and_is_obeyed_by_nobody() {
    let project = project();
    let daemon = Daemon::start(&project);
    let client = client(&project);
    let good = built(&project);
    assert_eq!(project.run(&["admit", "enforce"]).0, 0);
    let (exit, text) = project.run(&["policy", "trial", "show"]);
    assert!(exit == 2 && text.contains("policy-trial-missing"), "{exit} {text}");

    let (changed, _) = stricter(&project);
    let file = project.beside().join("stricter.yaml");
    std::fs::write(&file, &changed).unwrap();
    let (exit, text) = project.run(&["policy", "trial", "start", file.to_str().unwrap()]);
    assert!(exit == 1 && text.contains("1 would newly be refused"), "{exit} {text}");
    assert!(text.contains("builder-refused"), "{text}");
    assert_eq!(post(&daemon, &client, &pod(&good)).unwrap()["response"]["allowed"], true);
    assert_eq!(project.run(&["check", WHEEL]).0, 0, "what is in force decides");

    // What comes later is asked of both.
    let build = "mkdir -p dist && echo later > dist/later-1.0.whl";
    assert_eq!(project.run(&["run", "--", "sh", "-c", build]).0, 0);
    assert_eq!(project.run(&["check", "dist/later-1.0.whl"]).0, 0);
    let (exit, shown) = json_of(&project, &["policy", "trial", "show"]);
    assert_eq!((exit, &shown["asked"], &shown["newly_refused"]), (1, &json!(2), &json!(2)), "{shown}");

    let faulty = project.beside().join("faulty.yaml");
    std::fs::write(&faulty, "version: 1\nrulez: []\n").unwrap();
    let (exit, text) = project.run(&["policy", "trial", "start", faulty.to_str().unwrap()]);
    assert!(exit == 2 && text.contains("policy-malformed"), "{exit} {text}");
    let (_, same) = json_of(&project, &["policy", "trial", "show"]);
    assert_eq!(same["policy"], shown["policy"], "a faulty file ends no trial");

    let (exit, text) = project.run(&["policy", "trial", "promote"]);
    assert!(exit == 0 && text.contains("is in force"), "{exit} {text}");
    assert_eq!(post(&daemon, &client, &pod(&good)).unwrap()["response"]["allowed"], false);
    assert_eq!(project.run(&["check", WHEEL]).0, 1);
    let (exit, _) = project.run(&["policy", "trial", "show"]);
    assert_eq!(exit, 2, "it is in force, and on trial no more");
}

#[test]
fn a_trial_that_is_stopped_leaves_everything_as_it_was() {
    let project = project();
    built(&project);
    let (changed, policy) = stricter(&project);
    let file = project.beside().join("stricter.yaml");
    std::fs::write(&file, &changed).unwrap();
    // Without a daemon too.
    assert_eq!(project.run(&["policy", "trial", "start", file.to_str().unwrap()]).0, 1);
    let (exit, text) = project.run(&["policy", "trial", "stop"]);
    assert!(exit == 0 && text.contains("nothing has changed"), "{exit} {text}");
    assert_eq!(std::fs::read_to_string(policy_path(&project)).unwrap(), policy);
    assert_eq!(project.run(&["check", WHEEL]).0, 0);
    assert_eq!(project.run(&["policy", "trial", "promote"]).0, 2);
    assert_eq!(std::fs::read_to_string(policy_path(&project)).unwrap(), policy);
}

/// Two policies over what was asked: who would be refused, and nobody knows where nothing was.
#[test]
fn a_difference_names_who_would_be_refused() {
    let project = project();
    let path = policy_path(&project);
    let old = path.to_str().unwrap();
    project.run(&["up", "--no-serve"]);
    let (changed, _) = stricter(&project);
    let file = project.beside().join("stricter.yaml");
    std::fs::write(&file, &changed).unwrap();
    let new = file.to_str().unwrap();
    let (exit, text) = project.run(&["policy", "diff", old, new]);
    assert!(exit == 3 && text.contains("no-evidence: nothing was asked for yet"), "{exit} {text}");
    built(&project);
    assert_eq!(project.run(&["check", WHEEL]).0, 0);
    let (exit, text) = project.run(&["policy", "diff", old, old]);
    assert!(exit == 0 && text.starts_with("0 of 1 recorded questions"), "{exit} {text}");
    let (exit, text) = project.run(&["policy", "diff", old, new]);
    assert!(exit == 1 && text.contains("1 would newly be refused") && text.contains(WHEEL), "{exit} {text}");
    let (exit, report) = json_of(&project, &["policy", "diff", new, old]);
    assert_eq!((exit, &report["changed"][0]["refused"]), (0, &json!(false)), "{report}");
    assert_eq!(project.run(&["check", WHEEL]).0, 0, "a question about policies changes none");
}
