//! What sigstore-verify says of each case: one JSON object a line in, one out. `--repeat N` verifies each accepted case N
//! times and prints a figure instead.

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::time::Instant;

use serde::Deserialize;
use sigstore_verify::trust_root::{SIGSTORE_PRODUCTION_TRUSTED_ROOT, TrustedRoot};
use sigstore_verify::types::{Bundle, DerPublicKey};
use sigstore_verify::{Policy, PublicKeyVerificationPolicy, VerificationPolicy, Verifier};

#[derive(Deserialize)]
struct Case {
    name: String,
    bundle: String,
    artifact: String,
    root: Option<String>,
    key: Option<String>,
    identity: String,
    issuer: String,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let repeat = match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => None,
        (Some("--repeat"), Some(count)) => count.parse::<u32>().ok(),
        _ => {
            eprintln!("usage: linkward-differential [--repeat N] < CASES");
            std::process::exit(2);
        }
    };
    let mut roots = BTreeMap::new();
    let (mut verified, mut took) = (0u32, std::time::Duration::ZERO);
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("standard input is text");
        let case: Case = serde_json::from_str(&line).expect("a line is a case");
        let outcome = verify(&case, &mut roots);
        match repeat {
            None => {
                let answer = serde_json::json!({
                    "name": case.name, "accepted": outcome.is_ok(), "why": outcome.err(),
                });
                println!("{answer}");
            }
            Some(count) if outcome.is_ok() => {
                let started = Instant::now();
                for _ in 0..count {
                    verify(&case, &mut roots).expect("it was accepted before");
                }
                took += started.elapsed();
                verified += count;
            }
            Some(_) => {}
        }
    }
    if repeat.is_some() {
        println!("{verified} {}", took.as_secs_f64());
    }
}

type Roots = BTreeMap<Option<String>, Verifier>;

fn verify(case: &Case, roots: &mut Roots) -> Result<(), String> {
    let read = |path: &str| std::fs::read(path).map_err(|error| format!("{path}: {error}"));
    let text = |path: &str| String::from_utf8(read(path)?).map_err(|error| error.to_string());
    if !roots.contains_key(&case.root) {
        let root = match &case.root {
            Some(path) => text(path)?,
            None => SIGSTORE_PRODUCTION_TRUSTED_ROOT.to_owned(),
        };
        let root = TrustedRoot::from_json(&root).map_err(|error| error.to_string())?;
        roots.insert(case.root.clone(), Verifier::new(&root).map_err(|error| error.to_string())?);
    }
    let bundle = Bundle::from_json(&text(&case.bundle)?).map_err(|error| error.to_string())?;
    let policy: Box<dyn Policy> = match &case.key {
        Some(path) => {
            let key = DerPublicKey::from_pem(&text(path)?).map_err(|error| error.to_string())?;
            Box::new(PublicKeyVerificationPolicy::new(key))
        }
        None => Box::new(VerificationPolicy::new(case.identity.as_str(), case.issuer.as_str())),
    };
    let artifact = read(&case.artifact)?;
    roots[&case.root]
        .verify(artifact.as_slice(), &bundle, policy.as_ref())
        .map(|_| ())
        .map_err(|error| error.to_string())
}
