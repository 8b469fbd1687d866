//! The record beside a cluster: it sees what is rolled out, and takes it back.

use std::process::Command;
use std::time::{Duration, Instant};

use linkward_tests::{ApiServer, Daemon, Project};
use serde_json::{Value, json};

use crate::admission::project;

const BY: [&str; 4] = ["--reason", "a test", "--author", "tests"];

fn ask(project: &Project, args: &[&str]) -> (i32, Value) {
    let (exit, text) = project.run(&[&["--format", "json"], args].concat());
    let value = text.lines().next().map(|_| serde_json::from_str(&text));
    (exit, value.and_then(Result::ok).unwrap_or_else(|| text.into()))
}

fn until(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A home with two images that are allowed, and a cluster in its settings.
fn estate(server: &ApiServer, further: &str) -> (Project, String, String) {
    let project = project();
    let build = "mkdir -p dist && echo one > dist/app-1.0.whl && echo two > dist/app-2.0.whl";
    let (exit, text) = project.run(&["run", "--", "sh", "-c", build]);
    assert_eq!(exit, 0, "{text}");
    let (exit, checked) = ask(&project, &["check", "dist/app-1.0.whl", "dist/app-2.0.whl"]);
    assert_eq!(exit, 0, "{checked}");
    let image = |at: usize| {
        format!("registry.example/shop/app:v{}@{}", at + 1, checked[at]["digest"].as_str().unwrap())
    };
    let settings = format!("[deploy]\nsoak_seconds = 1\n[cluster]\nserver = \"{}\"\n{further}", server.url);
    std::fs::write(project.path().join(".linkward/linkward.toml"), settings).unwrap();
    (project, image(0), image(1))
}

fn newest(project: &Project, workload: &str) -> Value {
    let (_, answer) = ask(project, &["deploy", "list", workload]);
    answer["revisions"].as_array().and_then(|revisions| revisions.last().cloned()).unwrap_or(Value::Null)
}

#[test]
fn the_ledger_follows_the_cluster_through_cuts_and_forgetting() {
    let server = ApiServer::start();
    let (project, one, two) = estate(&server, "");
    for number in 0..230 {
        server.deploy("estate", &format!("app-{number}"), &one);
    }
    server.deploy("shop", "cart", &one);
    let _daemon = Daemon::start(&project);
    let cart = "shop/Deployment/cart";
    until("the last page is seen too", || newest(&project, cart)["images"] == json!([one]));
    until("the first page is seen", || newest(&project, "estate/Deployment/app-0")["images"] == json!([one]));
    assert_eq!(newest(&project, cart)["ready"], Value::Null);
    server.ready("shop", "cart");
    until("ready", || newest(&project, cart)["ready"] != Value::Null);
    until("soaked", || newest(&project, cart)["soaked"] != Value::Null);
    // A line that breaks loses nothing, and nothing is listed again for it.
    let (lists, _) = server.counts();
    server.cut();
    server.deploy("shop", "cart", &two);
    until("the next revision", || newest(&project, cart)["images"] == json!([two]));
    assert_eq!(
        newest(&project, cart)["ready"],
        Value::Null,
        "the status of the images before is not its own"
    );
    assert_eq!(server.counts().0, lists);
    // What happened while nobody listened, and is forgotten, is seen by listing again.
    server.down(true);
    server.delete("estate", "app-7");
    server.ready("shop", "cart");
    server.forget();
    server.down(false);
    until("ready after all", || newest(&project, cart)["ready"] != Value::Null);
    until("gone", || {
        newest(&project, "estate/Deployment/app-7")["ended_by"] == "removed while nobody watched"
    });
    assert!(server.counts().0 > lists);
    server.delete("estate", "app-8");
    until("removed", || newest(&project, "estate/Deployment/app-8")["ended_by"] == "removed");
    // Seen again, nothing is told twice.
    let (_, answer) = ask(&project, &["deploy", "list", cart]);
    assert_eq!(answer["revisions"].as_array().unwrap().len(), 2, "{answer}");
    assert_eq!(answer["revisions"][0]["ended_by"], "replaced by revision 2");
    let (_, list) = ask(&project, &["log", "list", "--kind", "action", "--limit", "1000"]);
    let lines = list.as_array().unwrap().len();
    assert!((233..=240).contains(&lines), "{lines} lines for 231 workloads and what became of three");
    assert_eq!(project.run(&["log", "verify"]).0, 0);
}

#[test]
fn a_verdict_is_there_before_anybody_asks() {
    let server = ApiServer::start();
    let project = project();
    let (exit, text) =
        project.run(&["run", "--", "sh", "-c", "mkdir -p dist && echo wheel > dist/app-1.0.whl"]);
    assert_eq!(exit, 0, "{text}");
    let settings = format!("[cluster]\nserver = \"{}\"\n", server.url);
    std::fs::write(project.path().join(".linkward/linkward.toml"), settings).unwrap();
    let (_, observed) = ask(&project, &["log", "list", "--kind", "proof", "--limit", "1"]);
    let (_, proof) = ask(&project, &["log", "show", &observed[0]["record"].to_string()]);
    let digest = proof["body"]["says"]["subjects"][0]["digests"][0].as_str().unwrap().to_owned();
    let _daemon = Daemon::start(&project);
    let held = || ask(&project, &["admit", "status"]).1["verdicts"].as_u64().unwrap();
    let before = held();
    let stranger = format!("registry.example/x@sha256:{}", "7".repeat(64));
    server.deploy("shop", "stranger", &stranger);
    server.deploy("shop", "cart", &format!("registry.example/shop/app@{digest}"));
    until("decided", || held() > before || ask(&project, &["explain", &digest]).0 == 0);
    let (_, status) = ask(&project, &["admit", "status"]);
    assert_eq!(
        (&status["counts"]["reviews"], &status["counts"]["pending"]),
        (&json!(0), &json!(0)),
        "{status}"
    );
    // What is rolled out counts for coverage, though no webhook was asked.
    until("noticed", || ask(&project, &["admit", "status"]).1["would_break"].to_string().contains(&stranger));
    assert_eq!(project.run(&["admit", "enforce"]).0, 1);
}

#[test]
fn the_way_back_is_shown_taken_and_refused_where_it_is_unclear() {
    let server = ApiServer::start();
    let (project, one, two) = estate(&server, "");
    server.deploy("shop", "cart", &one);
    server.ready("shop", "cart");
    let daemon = Daemon::start(&project);
    let cart = "shop/Deployment/cart";
    until("soaked", || newest(&project, cart)["soaked"] != Value::Null);
    server.deploy("shop", "cart", &two);
    until("rolled out", || newest(&project, cart)["images"] == json!([two]));
    let (exit, text) = project.run(&["rollback", cart]);
    assert!(exit == 0 && text.contains("go back to revision 1") && text.contains(&one), "{text}");
    // Without a terminal and without --yes nobody has agreed.
    let (exit, text) = project.run(&["rollback", cart, "--apply"]);
    assert!(exit == 2 && text.contains("--yes"), "{text}");
    assert_eq!(server.counts().1, 0);
    // Somebody else changes the object twice meanwhile, but not its images.
    server.conflicts(2);
    let (exit, answer) = ask(&project, &["rollback", cart, "--apply", "--yes"]);
    assert_eq!(exit, 0, "{answer}");
    assert_eq!((server.image("shop", "cart"), server.counts().1), (one.clone(), 1));
    assert_eq!(answer["pins"][0]["new"], json!(one), "{answer}");
    let back = newest(&project, cart);
    assert_eq!((&back["number"], &back["images"]), (&json!(1), &json!([one])), "{back}");
    let (_, measures) = ask(&project, &["measures"]);
    assert!(measures.to_string().contains("M8"), "{measures}");
    // The one that was left has failed: there is no way back to it.
    let (exit, answer) = ask(&project, &["rollback", cart]);
    assert_eq!((exit, &answer["plan"]["target"]), (3, &Value::Null), "{answer}");
    assert!(answer["plan"]["passed_over"].to_string().contains("taken back by"), "{answer}");

    // A sidecar that the recorded revision did not have.
    server.deploy("shop", "till", &one);
    server.ready("shop", "till");
    until("soaked", || newest(&project, "shop/Deployment/till")["soaked"] != Value::Null);
    server.deploy("shop", "till", &two.replace("shop/app", "shop/other"));
    until("another repository", || newest(&project, "shop/Deployment/till")["number"] == 2);
    let (exit, text) = project.run(&["rollback", "shop/Deployment/till", "--apply", "--yes"]);
    assert!(exit == 3 && text.contains("rollback-unclear"), "{exit} {text}");
    // One that never becomes ready again is said to be so.
    server.deploy("shop", "slow", &one);
    server.ready("shop", "slow");
    until("soaked", || newest(&project, "shop/Deployment/slow")["soaked"] != Value::Null);
    server.deploy("shop", "slow", &two);
    until("rolled out", || newest(&project, "shop/Deployment/slow")["number"] == 2);
    server.stuck(true);
    let (exit, text) = project.run(&["rollback", "shop/Deployment/slow", "--apply", "--yes", "--wait", "1"]);
    assert!(exit == 3 && text.contains("rollback-not-ready"), "{exit} {text}");
    server.down(true);
    let (exit, text) = project.run(&["rollback", "shop/Deployment/till", "--apply", "--yes"]);
    assert!(exit == 3 && text.contains("cluster-unreachable"), "{exit} {text}");
    drop(daemon);
}

#[test]
fn two_hundred_workloads_go_back_by_themselves_while_somebody_is_there() {
    let server = ApiServer::start();
    let (project, one, two) =
        estate(&server, "[rollback]\nauto = \"on\"\nenvironments = [\"development\"]\nmost_per_hour = 200\n");
    let names: Vec<String> = (0..200).map(|number| format!("app-{number}")).collect();
    for name in &names {
        server.deploy("estate", name, &one);
        server.ready("estate", name);
    }
    let _daemon = Daemon::start(&project);
    let workload = |name: &str| format!("estate/Deployment/{name}");
    for name in [&names[0], &names[199]] {
        until("soaked", || newest(&project, &workload(name))["soaked"] != Value::Null);
    }
    for name in &names {
        server.deploy("estate", name, &two);
        server.ready("estate", name);
    }
    until("rolled out", || newest(&project, &workload(&names[199]))["number"] == 2);
    std::thread::sleep(Duration::from_secs(2));
    let digest = two.split_once('@').unwrap().1.to_owned();
    assert_eq!(project.run(&[&["revoke", "digest", &digest], &BY[..]].concat()).0, 0);
    // Nobody has said to be there: nothing moves, and it is said why.
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(server.counts().1, 0);
    let (exit, text) = project.run(&["rollback", "--auto"]);
    assert!(exit == 1 && text.contains("rollback-held") && text.contains("--present"), "{exit} {text}");
    assert_eq!(project.run(&["rollback", "--present", "--author", "tests"]).0, 0);
    until("all of them are back", || names.iter().all(|name| server.image("estate", name) == one));
    assert_eq!(server.counts().1, 200, "each once");
    until("ready", || newest(&project, &workload(&names[199]))["ready"] != Value::Null);
    // The next one is beyond the hour's rate.
    server.deploy("estate", &names[0], &two);
    until("deployed again", || newest(&project, &workload(&names[0]))["number"] == 2);
    let (exit, text) = project.run(&["rollback", "--auto"]);
    assert!(exit == 1 && text.contains("200 automatic rollbacks in the last hour"), "{exit} {text}");
    assert_eq!(server.counts().1, 200);
    let (_, measures) = ask(&project, &["measures"]);
    let m8 = measures["measures"].as_array().unwrap().iter().find(|measure| measure["code"] == "M8").cloned();
    println!("M8 over an estate of 200 workloads: {}", m8.unwrap_or_default());
}

#[test]
fn where_git_says_what_runs_the_way_back_is_one_commit() {
    let server = ApiServer::start();
    let (project, one, two) = estate(&server, "");
    let cart = "shop/Deployment/cart";
    for (image, ready) in [(&one, true), (&two, false)] {
        assert_eq!(project.run(&["deploy", "record", cart, "--image", image]).0, 0);
        if ready {
            assert_eq!(project.run(&["deploy", "record", cart, "--ready"]).0, 0);
            std::thread::sleep(Duration::from_millis(1100));
        }
    }
    let checkout = project.beside().join("checkout");
    std::fs::create_dir_all(checkout.join("shop")).unwrap();
    let manifest = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: cart, namespace: shop }}\nspec:\n  template:\n    spec:\n      containers:\n        - name: app\n          image: {two} # by the pipeline\n"
    );
    std::fs::write(checkout.join("shop/cart.yaml"), &manifest).unwrap();
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(&checkout)
            .args(["-c", "user.name=tests", "-c", "user.email=tests@registry.example"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    git(&["init", "--quiet"]);
    git(&["config", "user.name", "tests"]);
    git(&["config", "user.email", "tests@registry.example"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "first"]);
    let folder = checkout.to_string_lossy().into_owned();
    let take = |path: &str| {
        project.run(&["rollback", cart, "--git", &folder, "--path", path, "--yes", "--reason", "a test"])
    };
    std::os::unix::fs::symlink("/etc/hostname", checkout.join("link.yaml")).unwrap();
    for bad in ["../cart.yaml", "/etc/hostname", "link.yaml", "none.yaml"] {
        assert_eq!(take(bad).0, 2, "{bad}");
    }
    let (exit, text) = take("shop/cart.yaml");
    assert_eq!(exit, 0, "{text}");
    let now = std::fs::read_to_string(checkout.join("shop/cart.yaml")).unwrap();
    assert_eq!(now, manifest.replace(&two, &one));
    let message = git(&["log", "-1", "--format=%B"]);
    assert!(
        message.contains("Roll shop/Deployment/cart back to revision 1")
            && message.contains("Linkward-Record: "),
        "{message}"
    );
    assert_eq!(git(&["show", "--stat", "--format=", "HEAD"]).matches('|').count(), 1);
    // Work that is not committed is nobody's to commit.
    std::fs::write(checkout.join("shop/cart.yaml"), manifest).unwrap();
    let (exit, text) = take("shop/cart.yaml");
    assert!(exit == 2 && text.contains("not committed"), "{exit} {text}");
}
