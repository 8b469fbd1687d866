//! The evasion table through pods that are really asked for, and what happens to updates, deletions and an absent webhook.

use serde_json::{Value, json};

use super::{pod, until, workload, world};

#[test]
fn kubernetes_decides_the_whole_table_as_the_command_does() {
    let Some(world) = world("") else { return };
    assert_eq!(world.project.run(&["admit", "enforce"]).0, 0);
    world.webhook(&[]);
    let table = include_str!("../../../../crates/gate/deploy/testdata/evasions.json");
    let rows: Vec<Value> = serde_json::from_str(table).unwrap();
    let digest = |image: &str| image.split_once('@').unwrap().1.to_owned();
    let stranger = format!("sha256:{}", "5".repeat(64));
    let (mut refused, mut invalid, mut allowed) = (0, 0, 0);
    for (number, row) in rows.iter().filter_map(Value::as_array).enumerate() {
        let (text, outcome) = (row[0].as_str().unwrap(), row[1].as_str().unwrap());
        let image = text
            .replace("?ns=", "\u{1}")
            .replace('#', &digest(&world.good))
            .replace('!', &digest(&world.denied))
            .replace('?', &stranger)
            .replace('\u{1}', "?ns=");
        let name = format!("p-{number}");
        let reply = world.create("pods", "Pod", &pod(&name, &image));
        match (reply.status, outcome) {
            (201, "allow") => {
                allowed += 1;
                let path = format!("/api/v1/namespaces/shop/pods/{name}?gracePeriodSeconds=0");
                assert_eq!(world.cluster.send("DELETE", &path, &Value::Null).status, 200);
            }
            (403, "deny" | "unknown") => {
                let code = row[2].as_str().unwrap();
                assert!(reply.message().contains(&format!(": {code}: ")), "{text:?}: {reply:?}");
                refused += 1;
            }
            // The API server has some rules of its own.
            (400 | 422, "unknown") => invalid += 1,
            _ => panic!("{text:?} should be {outcome}: {reply:?}"),
        }
        if image.contains('\0') {
            continue;
        }
        let (exit, said) =
            world.project.run(&["admit", "image", "--namespace", "shop", "--format", "json", "--", &image]);
        let said: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
        assert_eq!((&said[0]["outcome"], &said[0]["code"]), (&row[1], &row[2]), "{text:?}");
        assert_eq!(
            exit,
            [("allow", 0), ("deny", 1), ("unknown", 3)].iter().find(|o| o.0 == outcome).unwrap().1
        );
    }
    println!(
        "evasions through the API server: {refused} refused by the webhook, {invalid} by the API server itself, {allowed} allowed"
    );
    assert!(refused >= 55 && allowed >= 12 && refused + invalid + allowed >= 60);
}

#[test]
fn kubernetes_updates_deletions_and_a_webhook_that_is_away() {
    let Some(world) = world("") else { return };
    let cluster = &world.cluster;
    world.webhook(&[]);
    // Observing: let pass, with a warning that reaches the person.
    let old = workload("old", &json!({ "containers": [{ "name": "c", "image": world.denied }] }));
    let reply = world.create("deployments", "Deployment", &old);
    assert_eq!(reply.status, 201, "{reply:?}");
    assert!(reply.warnings.iter().any(|warning| warning.contains("would be denied: ")), "{reply:?}");
    // What was seen would be refused; it has to go before the gate may enforce.
    assert_eq!(world.project.run(&["admit", "enforce"]).0, 1);
    let (exit, manifest) = world.project.run(&["admit", "manifest"]);
    assert!(exit == 0 && !manifest.contains("failurePolicy: Fail"), "{manifest}");
    drop(world.daemon);
    // Observing, a webhook that is away stops nothing.
    let patch = json!({ "metadata": { "labels": { "observed": "alone" } } });
    let deployment = "/apis/apps/v1/namespaces/shop/deployments/old";
    assert_eq!(cluster.send("PATCH", deployment, &patch).status, 200);

    let daemon = linkward_tests::Daemon::start(&world.project);
    let world = super::World { daemon, ..world };
    let cluster = &world.cluster;
    assert_eq!(world.project.run(&["admit", "enforce"]).0, 0);
    world.webhook(&[]);
    // The workload of before can be labelled and scaled, but gets no further image that is denied.
    for patch in [json!({ "metadata": { "labels": { "a": "b" } } }), json!({ "spec": { "replicas": 3 } })] {
        let reply = cluster.send("PATCH", deployment, &patch);
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    let other = world.denied.replace("/bad@", "/other@");
    let image = |image: &str| json!({ "spec": { "template": { "spec": { "containers": [{ "name": "c", "image": image }] } } } });
    let reply = cluster.send("PATCH", deployment, &image(&other));
    assert_eq!(reply.status, 403, "{reply:?}");
    assert_eq!(cluster.send("PATCH", deployment, &image(&world.good)).status, 200);
    // Revoked, even a label is an occasion to say so; the way back to something good and a deletion stay open.
    let digest = world.good.split_once('@').unwrap().1.to_owned();
    let by = ["--reason", "a test", "--author", "tests"];
    assert_eq!(world.project.run(&[&["revoke", "digest", &digest], &by[..]].concat()).0, 0);
    let reply = cluster.send("PATCH", deployment, &json!({ "metadata": { "labels": { "c": "d" } } }));
    assert!(reply.status == 403 && reply.message().contains("digest-revoked"), "{reply:?}");
    let scaled = cluster.send("PATCH", &format!("{deployment}/scale"), &json!({ "spec": { "replicas": 1 } }));
    assert_eq!(scaled.status, 200, "a scale holds no image: {scaled:?}");
    assert_eq!(cluster.send("DELETE", deployment, &Value::Null).status, 200);

    // Enforcing, a webhook that is away is a closed gate, but never for deletions, for a status, or for the gate's own namespace.
    let fresh =
        workload("fresh", &json!({ "containers": [{ "name": "c", "image": "registry.example/x:1" }] }));
    assert_eq!(world.create("deployments", "Deployment", &fresh).status, 403);
    let (_, undone) = world.project.run(&["revoke", "list", "--format", "json"]);
    let record = serde_json::from_str::<Value>(&undone).unwrap()["revocations"][0]["record"].to_string();
    assert_eq!(world.project.run(&[&["revoke", "undo", &record], &by[..]].concat()).0, 0);
    let running = workload("running", &json!({ "containers": [{ "name": "c", "image": world.good }] }));
    until("good again", || matches!(world.create("deployments", "Deployment", &running).status, 201 | 409));
    let made = cluster.send("POST", "/api/v1/namespaces", &json!({ "metadata": { "name": "linkward" } }));
    assert_eq!(made.status, 201, "{made:?}");
    drop(world.daemon);
    let running = "/apis/apps/v1/namespaces/shop/deployments/running";
    let reply = cluster.send("PATCH", running, &json!({ "metadata": { "labels": { "e": "f" } } }));
    assert!(reply.status == 500 && reply.message().contains("failed calling webhook"), "{reply:?}");
    let status = json!({ "status": { "replicas": 1, "observedGeneration": 1 } });
    assert_eq!(cluster.send("PATCH", &format!("{running}/status"), &status).status, 200);
    assert_eq!(cluster.send("DELETE", running, &Value::Null).status, 200);
    let mut own = pod("gate", &world.good);
    own["apiVersion"] = "v1".into();
    own["kind"] = "Pod".into();
    let reply = cluster.send("POST", "/api/v1/namespaces/linkward/pods", &own);
    assert_eq!(reply.status, 201, "the gate can be repaired: {reply:?}");
}
