//! The record's own account in a real cluster: it sees, it takes back, and it may do nothing else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use linkward_tests::{Cluster, Daemon};
use serde_json::{Value, json};

use super::{until, workload};
use crate::admission::project;

#[test]
fn kubernetes_is_watched_and_taken_back_with_the_roles_that_are_printed() {
    if !Cluster::is_there() {
        return;
    }
    let project = project();
    let build = "mkdir -p dist && echo one > dist/app-1.0.whl && echo two > dist/app-2.0.whl";
    assert_eq!(project.run(&["run", "--", "sh", "-c", build]).0, 0);
    let (exit, text) = project.run(&["--format", "json", "check", "dist/app-1.0.whl", "dist/app-2.0.whl"]);
    assert_eq!(exit, 0, "{text}");
    let checked: Value = serde_json::from_str(&text).unwrap();
    let image = |at: usize| {
        format!("registry.example/shop/app:v{}@{}", at + 1, checked[at]["digest"].as_str().unwrap())
    };
    let (one, two) = (image(0), image(1));
    let Some(cluster) = Cluster::start(&project, &[]) else { return };
    let (exit, roles) = project.run(&["admit", "manifest", "--roles", "rollback"]);
    assert_eq!(exit, 0, "{roles}");
    for document in roles.split("---\n") {
        let reply = cluster.apply(document, "");
        assert!(matches!(reply.status, 200 | 201), "{reply:?}\n{document}");
    }
    let made = cluster.send("POST", "/api/v1/namespaces", &json!({ "metadata": { "name": "shop" } }));
    assert_eq!(made.status, 201, "{made:?}");
    let account = "/api/v1/namespaces/linkward/serviceaccounts/linkward-record/token";
    let token = cluster.send("POST", account, &json!({ "spec": { "expirationSeconds": 3600 } }));
    let token = token.body["status"]["token"].as_str().unwrap_or_else(|| panic!("{token:?}")).to_owned();
    std::fs::write(cluster.file("record-token"), &token).unwrap();
    let settings = format!(
        "[deploy]\nsoak_seconds = 1\n[cluster]\nserver = \"{}\"\nca = \"{}\"\ntoken = \"{}\"\n",
        cluster.url(),
        cluster.authority.display(),
        cluster.file("record-token").display()
    );
    std::fs::write(project.path().join(".linkward/linkward.toml"), settings).unwrap();
    let _daemon = Daemon::start(&project);
    let cart = "shop/Deployment/cart";
    let newest = || {
        let (_, text) = project.run(&["--format", "json", "deploy", "list", cart]);
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        answer["revisions"].as_array().and_then(|revisions| revisions.last().cloned()).unwrap_or_default()
    };
    let mut object = workload("cart", &json!({ "containers": [{ "name": "app", "image": one }] }));
    object["spec"]["replicas"] = 2.into();
    let path = "/apis/apps/v1/namespaces/shop/deployments";
    assert_eq!(cluster.send("POST", path, &object).status, 201);
    let path = format!("{path}/cart");
    // What the deployment controller would write.
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (cluster, over, path) = (&cluster, &over, &path);
        scope.spawn(move || {
            while !over.load(Ordering::SeqCst) {
                let live = cluster.send("GET", path, &Value::Null).body;
                let generation = live["metadata"]["generation"].clone();
                if live["status"]["observedGeneration"] != generation {
                    let status = json!({ "status": { "observedGeneration": generation, "replicas": 2, "updatedReplicas": 2,
                                                     "readyReplicas": 2, "availableReplicas": 2 } });
                    let reply = cluster.send("PATCH", &format!("{path}/status"), &status);
                    assert_eq!(reply.status, 200, "{reply:?}");
                }
                std::thread::sleep(Duration::from_millis(300));
            }
        });
        until("seen to soak", || newest()["soaked"] != Value::Null);
        let patch =
            json!([{ "op": "replace", "path": "/spec/template/spec/containers/0/image", "value": two }]);
        let reply = cluster.ask("PATCH", path, "application/json-patch+json", &patch.to_string());
        assert_eq!(reply.status, 200, "{reply:?}");
        until("the next revision is ready", || newest()["number"] == 2 && newest()["ready"] != Value::Null);
        let digest = two.split_once('@').unwrap().1;
        let by = ["--reason", "a test", "--author", "tests"];
        assert_eq!(project.run(&[&["revoke", "digest", digest], &by[..]].concat()).0, 0);
        let (exit, said) = project.run(&["rollback", cart, "--apply", "--yes"]);
        assert_eq!(exit, 0, "{said}");
        println!("{}", said.lines().last().unwrap_or(""));
        over.store(true, Ordering::SeqCst);
    });
    let live = cluster.send("GET", &path, &Value::Null).body;
    assert_eq!(live["spec"]["template"]["spec"]["containers"][0]["image"], json!(one));
    assert_eq!(newest()["number"], 1);
    assert_eq!(cluster.send("DELETE", &path, &Value::Null).status, 200);
    until("its end is known", || newest()["ended_by"] == "removed");
}

#[test]
fn kubernetes_enforces_from_its_start_what_nobody_can_delete() {
    if !Cluster::is_there() {
        return;
    }
    let project = project();
    let good = crate::admission::built(&project);
    let daemon = Daemon::start(&project);
    assert_eq!(project.run(&["admit", "enforce"]).0, 0);
    let folder = project.beside().join("control-plane");
    let name = folder.to_string_lossy().into_owned();
    let (exit, said) = project.run(&["admit", "manifest", "--static", &name]);
    assert_eq!(exit, 0, "{said}");
    let flag = format!("--admission-control-config-file={}", folder.join("admission.yaml").display());
    let Some(cluster) = Cluster::start(&project, &[flag]) else { return };
    let make = |name: &str, image: &str| {
        cluster.send("POST", "/api/v1/namespaces/default/pods", &super::pod(name, image))
    };
    let stranger = format!("registry.example/x@sha256:{}", "7".repeat(64));
    until("the namespace is there", || make("good", &good).status == 201);
    let reply = make("bad", &stranger);
    assert!(reply.status == 403 && reply.message().contains("no-evidence"), "{reply:?}");
    let list = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";
    let listed = cluster.send("GET", list, &Value::Null);
    assert_eq!(listed.body["items"].as_array().map(Vec::len), Some(0), "out of reach: {listed:?}");
    let reply = cluster.send("DELETE", &format!("{list}/linkward.static.k8s.io"), &Value::Null);
    assert_eq!(reply.status, 404, "{reply:?}");
    assert_eq!(make("bad", &stranger).status, 403);
    drop(daemon);
}
