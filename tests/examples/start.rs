//! A home with many records: how long its daemon takes until it answers, and how long its pages take then, without and with
//! what was kept of the folds. Arguments: how many records.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a bench for people")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use linkward_issue::SignerProcess;
use linkward_ledger::{Body, Kind, LogId, Recordable, Term, TermKind};
use linkward_model::{Digest, Tenant};
use linkward_record::{CheckpointSigner, RealFiles, Settings, SignError, Store};
use linkward_tests::{Daemon, Project, built};
use serde_json::{Value, json};

const GROUP: u64 = 2000;
const PAGES: &[&str] = &[
    "/",
    "/log",
    "/findings",
    "/coverage",
    "/measures",
    "/board/on-call",
    "/board/executive",
    "/metrics",
    "/api/v1/findings",
];

struct Made(u64);

impl Recordable for Made {
    /// Half artifacts, a quarter proofs, and events, builds and findings: each a record of its own.
    fn body(&self) -> Body {
        let number = self.0;
        let digest = Digest::sha256(&number.to_le_bytes());
        let (kind, terms, documents, says) = match number % 20 {
            0..10 => (
                Kind::Observation,
                vec![Term::digest(&digest)],
                vec![],
                json!({ "what": "artifact", "digest": digest }),
            ),
            10..15 => {
                let seen = Digest::sha256(&(number - 10).to_le_bytes());
                let says = json!({ "predicate_type": "https://slsa.dev/provenance/v1" });
                (Kind::Proof, vec![Term::digest(&seen)], vec![], says)
            }
            15..18 => {
                let lines = self.documents().concat();
                let document = Digest::sha256(&lines);
                let says = json!({ "what": "events", "feed": "github", "live": true, "document": document, "count": 1, "source": "forge" });
                (Kind::Events, vec![], vec![document], says)
            }
            18 => (Kind::Step, vec![Term::digest(&digest)], vec![], json!({ "what": "step" })),
            _ => {
                let at = "2026-01-01T00:00:00Z";
                let finding = json!({ "id": digest, "rule": "ref-rewritten", "tier": "invariant", "alert": "page", "state": "confirmed", "at": at,
                    "source": "forge", "subject": format!("acme/r{number}"), "title": "A protected branch or a tag was rewritten or removed",
                    "facts": [], "event": format!("e{number}"), "weight": 0 });
                let terms = vec![Term::new(TermKind::Name, digest.to_string())];
                (
                    Kind::Finding,
                    terms,
                    vec![],
                    json!({ "what": "finding", "finding": finding, "noticed": at, "live": true }),
                )
            }
        };
        Body::new(kind, terms, documents, says)
    }
}

impl Made {
    fn documents(&self) -> Vec<Vec<u8>> {
        if !(15..18).contains(&(self.0 % 20)) {
            return Vec::new();
        }
        let second = self.0 / 20;
        let event = json!({
            "id": format!("e{}", self.0), "source": "forge", "action": "ref.updated", "actor": format!("a{}", self.0 % 500),
            "time": format!("2026-01-{:02}T{:02}:{:02}:{:02}Z", 1 + second / 86_400 % 28, second / 3600 % 24, second / 60 % 60, second % 60),
            "repository": format!("acme/r{}", self.0 % 300), "ref": "refs/heads/topic", "before": "aa", "after": "bb", "network": "10.0.0.1",
        });
        vec![format!("{event}\n").into_bytes()]
    }
}

struct Signer(SignerProcess);

impl CheckpointSigner for Signer {
    fn sign(&mut self, log: &LogId, text: &str) -> Result<Vec<u8>, SignError> {
        self.0.sign_checkpoint(log.name, &log.key, text).map_err(|error| SignError::new(error.to_string()))
    }

    fn last(&mut self, _: &LogId) -> Result<Option<String>, SignError> {
        Ok(None)
    }
}

fn fill(project: &Project, records: u64) {
    let home = project.path().join(".linkward");
    let trust: Value = serde_json::from_slice(&std::fs::read(home.join("trust.json")).unwrap()).unwrap();
    let logs: Vec<LogId> = serde_json::from_value(trust["logs"].clone()).unwrap();
    let keys = home.join("keys").to_string_lossy().into_owned();
    let signer =
        SignerProcess::spawn(&built().binary, &["signer".to_owned(), "--keys".to_owned(), keys]).unwrap();
    let settings = Settings { tenant: Tenant::default(), logs };
    let store = Store::open(&home, Arc::new(RealFiles), settings, Box::new(Signer(signer))).unwrap();
    for from in (0..records).step_by(GROUP as usize) {
        let group = (from..records.min(from + GROUP)).map(|number| (Made(number), Made(number).documents()));
        let now = linkward_model::Instant::now();
        store.append_many(group.collect(), now).unwrap();
    }
    store.close();
}

fn measure(project: &Project, what: &str) {
    let start = Instant::now();
    let daemon = Daemon::start(project);
    // The test's own wait for slow machines is no part of it.
    let ready = start.elapsed().saturating_sub(Duration::from_millis(200));
    println!("\n{what}: answers after {:.0} ms", ready.as_secs_f64() * 1e3);
    let mut waited = false;
    loop {
        let mut early = 0;
        for page in PAGES {
            let start = Instant::now();
            let (status, _) = daemon.fetch(page, "localhost");
            let took = start.elapsed().as_secs_f64() * 1e3;
            early += usize::from(status == 503);
            if !waited || took > 100.0 {
                println!("  {page:<20} {status} {took:>7.1} ms");
            }
        }
        if early == 0 {
            break;
        }
        waited = true;
        std::thread::sleep(Duration::from_millis(200));
    }
    println!("  everything is known after {:.1} s", start.elapsed().as_secs_f64());
    if waited {
        for page in PAGES {
            let start = Instant::now();
            let (status, _) = daemon.fetch(page, "localhost");
            println!("  {page:<20} {status} {:>7.1} ms", start.elapsed().as_secs_f64() * 1e3);
        }
    }
    let stop = Instant::now();
    daemon.interrupt();
    println!("  stopped within {:.1} s", stop.elapsed().as_secs_f64());
}

fn main() {
    let records: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(20_000);
    let project = Project::new();
    project.run(&["up", "--no-serve"]);
    let start = Instant::now();
    fill(&project, records);
    println!("{records} records were made in {:.0} s", start.elapsed().as_secs_f64());
    measure(&project, "first start, nothing is kept");
    for name in ["detect.kept", "counts.kept"] {
        let length = std::fs::metadata(project.path().join(".linkward").join(name)).map(|file| file.len());
        println!("  {name}: {} kB", length.unwrap_or(0) / 1000);
    }
    measure(&project, "second start, from what was kept");
}
