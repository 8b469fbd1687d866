//! Every place of an object that can hold an image, as the API server accepts it; and every file that is printed.

use serde_json::{Value, json};

use super::{pod, until, workload, world};

#[test]
fn kubernetes_objects_hide_no_image() {
    let Some(world) = world("[admission]\nimages = [\"argoproj.io/Rollout:spec.template.spec\"]\n") else {
        return;
    };
    let cluster = &world.cluster;
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "rollouts.argoproj.io" },
        "spec": {
            "group": "argoproj.io", "scope": "Namespaced",
            "names": { "plural": "rollouts", "singular": "rollout", "kind": "Rollout" },
            "versions": [{ "name": "v1alpha1", "served": true, "storage": true, "schema": { "openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true } } }],
        },
    });
    let made = cluster.send("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition);
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(world.project.run(&["admit", "enforce"]).0, 0);
    world.webhook(&[]);
    until("the custom resource is served", || {
        cluster.send("GET", "/apis/argoproj.io/v1alpha1/namespaces/shop/rollouts", &Value::Null).status == 200
    });
    let mut cases = 0;
    for (image, expected) in [(&world.good, 201), (&world.denied, 403)] {
        let container = |image: &str| json!([{ "name": "c", "image": image }]);
        let inits = json!([{ "name": "i", "image": image }]);
        let volumes = json!([{ "name": "v", "image": { "reference": image, "pullPolicy": "IfNotPresent" } }]);
        let specs = [
            json!({ "containers": container(image) }),
            json!({ "containers": container(&world.good), "initContainers": inits }),
            json!({ "containers": container(&world.good), "volumes": volumes }),
        ];
        for spec in &specs {
            let mut job_spec = spec.clone();
            job_spec["restartPolicy"] = "Never".into();
            let job = json!({ "template": { "spec": job_spec } });
            let mut controller = workload("x", spec);
            controller["spec"]["selector"] = json!({ "app": "x" });
            let mut stateful = workload("x", spec);
            stateful["spec"]["serviceName"] = "x".into();
            for (resource, kind, object) in [
                ("pods", "Pod", json!({ "metadata": { "name": "x" }, "spec": spec })),
                (
                    "podtemplates",
                    "PodTemplate",
                    json!({ "metadata": { "name": "x" }, "template": { "spec": spec } }),
                ),
                ("replicationcontrollers", "ReplicationController", controller),
                ("deployments", "Deployment", workload("x", spec)),
                ("replicasets", "ReplicaSet", workload("x", spec)),
                ("statefulsets", "StatefulSet", stateful),
                ("daemonsets", "DaemonSet", workload("x", spec)),
                ("jobs", "Job", json!({ "metadata": { "name": "x" }, "spec": job })),
                (
                    "cronjobs",
                    "CronJob",
                    json!({ "metadata": { "name": "x" }, "spec": { "schedule": "* * * * *", "jobTemplate": { "spec": job } } }),
                ),
                ("rollouts", "Rollout", workload("x", spec)),
            ] {
                let reply = world.create(&format!("{resource}?dryRun=All"), kind, &object);
                assert_eq!(reply.status, expected, "{kind} {spec}: {reply:?}");
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 60);
    // A debug container comes through a door of its own.
    let path = "/api/v1/namespaces/shop/pods/app";
    assert_eq!(world.create("pods", "Pod", &pod("app", &world.good)).status, 201);
    for (image, expected) in [(&world.denied, 403), (&world.good, 200)] {
        let mut live = cluster.send("GET", path, &Value::Null).body;
        live["spec"]["ephemeralContainers"] = json!([{ "name": "debug", "image": image }]);
        let reply = cluster.send("PUT", &format!("{path}/ephemeralcontainers"), &live);
        assert_eq!(reply.status, expected, "{reply:?}");
    }
    // An image can be changed in place.
    let patch = |image: &str| json!({ "spec": { "containers": [{ "name": "c", "image": image }] } });
    let kind = "application/strategic-merge-patch+json";
    let reply = cluster.ask("PATCH", path, kind, &patch(&world.denied).to_string());
    assert_eq!(reply.status, 403, "{reply:?}");
    assert_eq!(cluster.ask("PATCH", path, kind, &patch(&world.good).to_string()).status, 200);
    assert_eq!(cluster.send("DELETE", path, &Value::Null).status, 200);
}

#[test]
fn kubernetes_takes_every_file_that_is_printed() {
    let Some(world) = world("") else { return };
    let image = format!("registry.example/linkward@sha256:{}", "a".repeat(64));
    let (exit, manifest) = world.project.run(&[
        "admit",
        "manifest",
        "--image",
        &image,
        "--feed",
        "https://record.example:7443/gate",
    ]);
    assert_eq!(exit, 0, "{manifest}");
    let (exit, secret) = world.project.run(&["admit", "certificate", "--secret"]);
    assert_eq!(exit, 0, "{secret}");
    let mut kinds = 0;
    for document in manifest.split("---\n").chain([secret.as_str()]) {
        let reply = world.cluster.apply(document, "");
        assert!(matches!(reply.status, 200 | 201), "{reply:?}\n{document}");
        assert!(reply.warnings.is_empty(), "{reply:?}\n{document}");
        kinds += 1;
    }
    assert!(kinds >= 9, "{kinds}");
}
