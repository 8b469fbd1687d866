//! The gate under a real API server: what is printed is applied as it is, and every question comes from the API server itself.
//!
//! Skipped, and said so, outside `cargo xtask kubernetes`.

mod admission;
mod places;
mod rolling;
mod watching;

use std::time::{Duration, Instant};

use linkward_tests::{Cluster, Daemon, Project, Reply};
use serde_json::{Value, json};

use crate::admission::{built, project};

/// A home with one image that is allowed and one that is denied, its daemon, and an API server.
struct World {
    // Dropped in this order: the folder goes last.
    daemon: Daemon,
    cluster: Cluster,
    project: Project,
    good: String,
    denied: String,
}

/// `settings` is the text of linkward.toml.
fn world(settings: &str) -> Option<World> {
    if !Cluster::is_there() {
        return None;
    }
    let project = project();
    let good = built(&project);
    std::fs::write(project.path().join(".linkward/linkward.toml"), settings).unwrap();
    let digest = format!("sha256:{}", "d".repeat(64));
    let path = project.path().join(".linkward/policy.yaml");
    let policy = std::fs::read_to_string(&path).unwrap();
    assert!(!policy.contains("\ndenied:"), "{policy}");
    std::fs::write(&path, format!("{policy}\ndenied:\n  - {{ digest: \"{digest}\", reason: \"a test\" }}\n"))
        .unwrap();
    let daemon = Daemon::start(&project);
    let (exit, text) = project.run(&["check", &digest]);
    assert_eq!(exit, 1, "{text}");
    let cluster = Cluster::start(&project, &[])?;
    let made = cluster.send("POST", "/api/v1/namespaces", &json!({ "metadata": { "name": "shop" } }));
    assert_eq!(made.status, 201, "{made:?}");
    let denied = format!("registry.example/shop/bad@{digest}");
    Some(World { project, daemon, cluster, good, denied })
}

impl World {
    /// Applies what is printed, word by word, and waits until the API server asks.
    fn webhook(&self, further: &[&str]) {
        let (exit, manifest) = self.project.run(&[&["admit", "manifest"], further].concat());
        assert_eq!(exit, 0, "{manifest}");
        for document in manifest.split("---\n") {
            let reply = self.cluster.apply(document, "");
            assert!(matches!(reply.status, 200 | 201), "{reply:?}\n{document}");
        }
        let enforced = manifest.contains("failurePolicy: Fail");
        until("the API server asks the webhook", || {
            let reply = self.probe(&self.denied);
            if enforced { reply.status != 201 } else { !reply.warnings.is_empty() }
        });
    }

    /// Asks for a pod without making it.
    fn probe(&self, image: &str) -> Reply {
        self.create("pods?dryRun=All", "Pod", &pod("probe", image))
    }

    fn create(&self, resource: &str, kind: &str, object: &Value) -> Reply {
        let version = match kind {
            "Pod" | "ReplicationController" | "PodTemplate" => "v1",
            "Job" | "CronJob" => "batch/v1",
            "Rollout" => "argoproj.io/v1alpha1",
            _ => "apps/v1",
        };
        let root = if version == "v1" { "api" } else { "apis" };
        let mut object = object.clone();
        object["apiVersion"] = version.into();
        object["kind"] = kind.into();
        self.cluster.send("POST", &format!("/{root}/{version}/namespaces/shop/{resource}"), &object)
    }
}

fn pod(name: &str, image: &str) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "containers": [{ "name": "c", "image": image }] } })
}

/// A workload of these pods.
fn workload(name: &str, spec: &Value) -> Value {
    let labels = json!({ "app": name });
    json!({
        "metadata": { "name": name },
        "spec": { "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels }, "spec": spec } },
    })
}

/// Asks until it is so.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < Duration::from_secs(60), "not within a minute: {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}
