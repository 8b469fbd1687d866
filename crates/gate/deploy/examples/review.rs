//! What a review costs in the process: 100,000 verdicts, a Deployment of three containers with managed fields, one thread.
//! Also the restart from a snapshot, and how soon a revocation is obeyed.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench for people")]

use std::hint::black_box;
use std::time::Instant as Clock;

use linkward_decide::{Entry, Evidence, Policy, Question, Revocation, Target, TargetKind};
use linkward_deploy::{Gate, Mode, Position, Settings, Snapshot, SnapshotRecord, snapshot_file};
use linkward_ledger::LogName;
use linkward_model::{Digest, Environment, Instant, Tenant};
use serde_json::json;

const VERDICTS: usize = 100_000;
const REVIEWS: usize = 200_000;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let store = linkward_record::fixture::open(folder.path()).unwrap();
    let now = Instant::now();
    let key = Digest::sha256(b"key");
    let text = format!(
        "version: 1\nrules:\n  - name: all\n    match: {{ artifacts: [\"**\"] }}\n    require:\n      signed: {{ by: [ {{ key: \"{key}\" }} ] }}\n\
         exceptions:\n  - {{ name: bench, match: {{ artifacts: [\"**\"] }}, allow_without: [signed], owner: bench, reason: bench, until: 2100-01-01 }}\n"
    );
    let policy = Policy::parse(text.as_bytes()).unwrap();
    let gate = Gate::new(Settings::strict(Environment::default()));
    gate.switch(Mode::Enforce);
    let start = Clock::now();
    for group in 0..VERDICTS / 1000 {
        let verdicts = (0..1000).map(|number| {
            let question = Question {
                digest: digest(group * 1000 + number),
                name: format!("registry.example/team-{group}/service-{number}"),
                environment: Environment::default(),
                tenant: Tenant::default(),
            };
            let evidence = Evidence {
                proofs: &[],
                refusals: &[],
                observations: &[],
                history: &[],
                roots: key,
                origin: "bench",
                log_size: 0,
            };
            (linkward_decide::decide(&question, &evidence, &policy, now), Vec::new())
        });
        for verdict in store.append_many(verdicts.collect(), now).unwrap() {
            gate.insert(&verdict);
        }
    }
    println!("{VERDICTS} verdicts recorded and held in {} ms; RSS {} MB", start.elapsed().as_millis(), rss());

    for (what, padding) in [("small", 0), ("with managed fields", 60)] {
        let bodies: Vec<Vec<u8>> = (0..512).map(|number| review(number * 97, padding)).collect();
        let mut times = Vec::with_capacity(REVIEWS);
        for number in 0..REVIEWS {
            let body = &bodies[number % bodies.len()];
            let start = Clock::now();
            let answer = gate.review("/admit", black_box(body), now);
            times.push(start.elapsed().as_nanos());
            assert!(answer.allowed);
        }
        percentiles(&format!("review, {what}, {} bytes", bodies[0].len()), &mut times);
    }

    let start = Clock::now();
    let size = store.checkpoint(LogName::Evidence).unwrap().size();
    let document = gate.document(size, Position::default(), Vec::new(), now);
    let made = start.elapsed();
    let record = SnapshotRecord::new(&document, &Environment::default(), 0);
    let index = store.append(record, Vec::new(), now).unwrap().index();
    let checkpoint = store.checkpoint(LogName::Evidence).unwrap();
    let proof = store.inclusion(LogName::Evidence, index, checkpoint.size()).unwrap();
    let carried = linkward_deploy::Carried::new(&store.read(index).unwrap(), &proof, &checkpoint);
    let file = snapshot_file(&carried, &document);
    let path = folder.path().join("snapshot");
    std::fs::write(&path, &file).unwrap();
    println!("snapshot made in {} ms, {:.1} MB", made.as_millis(), file.len() as f64 / 1e6);
    drop((file, document));
    let log = store.log_id(LogName::Evidence).unwrap().key.parse().unwrap();
    let start = Clock::now();
    let again =
        Gate::new(Settings { lease_millis: Some(60_000), ..Settings::strict(Environment::default()) });
    let bytes = std::fs::read(&path).unwrap();
    let snapshot = Snapshot::open(&bytes, &log, &Environment::default(), None).unwrap();
    again.load(snapshot, now);
    assert!(again.review("/admit", &review(5, 0), now).allowed);
    println!("restart from it, to the first answer: {} ms", start.elapsed().as_millis());

    let revocation = Revocation {
        target: Target::parse(TargetKind::Key, &key.to_string()).unwrap(),
        reason: "bench".to_owned(),
        author: "bench".to_owned(),
        since: None,
        proposal: None,
    };
    let entry = store.append(Entry::Revoke(revocation), Vec::new(), now).unwrap();
    let all: Vec<Digest> = (0..VERDICTS).map(digest).collect();
    let start = Clock::now();
    gate.revoke(&entry, &all[..1]);
    let one = start.elapsed();
    let start = Clock::now();
    gate.revoke(&entry, &all);
    println!(
        "revocation obeyed: one digest in {} us, a key with {VERDICTS} digests in {} ms",
        one.as_micros(),
        start.elapsed().as_millis()
    );
    assert!(!gate.review("/admit", &review(5, 0), now).allowed);
}

fn digest(number: usize) -> Digest {
    Digest::sha256(&number.to_be_bytes())
}

fn review(number: usize, padding: usize) -> Vec<u8> {
    let container = |offset: usize| {
        json!({
            "name": format!("c{offset}"), "resources": { "limits": { "memory": "1Gi" } },
            "image": format!("registry.example/team/service:v1@{}", digest((number + offset) % VERDICTS)),
            "env": [{ "name": "A", "value": "b" }, { "name": "C", "value": "d" }],
        })
    };
    let managed: Vec<_> = (0..padding)
        .map(|n| json!({ "manager": "kubectl", "fieldsV1": { format!("f:field-{n}"): { "f:a": {}, "f:b": { ".": {} } } } }))
        .collect();
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "operation": "CREATE", "namespace": "shop",
            "kind": { "group": "apps", "version": "v1", "kind": "Deployment" },
            "userInfo": { "username": "deployer", "groups": ["system:authenticated"] },
            "object": {
                "metadata": { "name": "cart", "labels": { "app": "cart" }, "managedFields": managed },
                "spec": { "replicas": 3, "template": { "spec": { "containers": [container(0), container(1), container(2)] } } },
            },
        },
    })
    .to_string()
    .into_bytes()
}

fn percentiles(what: &str, times: &mut [u128]) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize] as f64 / 1e3;
    println!("{what}: p50 {:.1} us, p99 {:.1} us, p99.9 {:.1} us", at(0.5), at(0.99), at(0.999));
}

/// Resident memory, where the system tells.
fn rss() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
