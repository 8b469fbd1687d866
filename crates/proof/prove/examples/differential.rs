//! Writes cases for other verifiers, with what this one says of them: the conformance suite by path, and mutations of
//! what it accepts there. `cargo xtask differential` compares. With `--repeat N` it verifies the cases on its standard
//! input N times each, as the others do, for `cargo xtask bench`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    dead_code,
    reason = "a command for people"
)]

#[path = "../tests/all/conformance.rs"]
mod conformance;
#[path = "../tests/all/hostile.rs"]
mod hostile;
#[path = "../tests/all/instance.rs"]
mod instance;
#[path = "../tests/all/mutate.rs"]
mod mutate;

use std::collections::BTreeMap;
use std::io::BufRead as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use linkward_model::Instant;
use linkward_prove::{Artifact, Pattern, Signer, TrustRoots, bundle};
use serde_json::{Value, json};

/// Arguments: a folder for the mutated bundles, mutations of each accepted bundle.
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, count] = arguments.as_slice()
        && flag == "--repeat"
    {
        repeat(count.parse().unwrap());
        return ExitCode::SUCCESS;
    }
    let [folder, count] = arguments.as_slice() else {
        println!("usage: differential FOLDER MUTATIONS");
        return ExitCode::from(2);
    };
    let Some(vectors) = linkward_testkit::vectors() else { return ExitCode::from(3) };
    let suite = vectors.join("sigstore-conformance/bundle-verify");
    let mut random = mutate::Random(0x2545_f491_4f6c_dd1d);
    let cases = conformance::cases(&suite);
    let accepted: Vec<(PathBuf, Value)> = cases
        .iter()
        .filter(|case| by_path(&suite, case).is_ok())
        .map(|case| {
            let bytes = std::fs::read(case.join("bundle.sigstore.json")).unwrap();
            (case.clone(), serde_json::from_slice(&bytes).unwrap())
        })
        .collect();
    for case in &cases {
        let bundle = case.join("bundle.sigstore.json");
        print(&suite, case, name(case), &bundle, by_path(&suite, case));
    }
    for (case, document) in &accepted {
        for number in 0..count.parse::<usize>().unwrap() {
            let other = &accepted[random.below(accepted.len())].1;
            let mutated = mutated(document, other, &mut random);
            let path = Path::new(folder).join(format!("{}-{number}.json", name(case)));
            std::fs::write(&path, mutated.to_string()).unwrap();
            let found = conformance::run(&suite, case, &path, conformance::Mode::Path);
            print(&suite, case, format!("{} mutated {number}", name(case)), &path, found);
        }
    }
    ExitCode::SUCCESS
}

/// Files are read and parsed each time; trust roots once, as a server would.
fn repeat(count: u32) {
    let mut roots: BTreeMap<Option<String>, TrustRoots> = BTreeMap::new();
    let (mut verified, mut took) = (0, Duration::ZERO);
    for line in std::io::stdin().lock().lines() {
        let case: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let text = |name: &str| case[name].as_str().map(str::to_owned);
        let own = roots.entry(text("root")).or_insert_with(|| match text("root") {
            Some(path) => TrustRoots::parse(&std::fs::read(path).unwrap()).unwrap(),
            None => TrustRoots::production(),
        });
        let [subject, issuer] = ["identity", "issuer"].map(|name| Pattern::exact(&text(name).unwrap()));
        let signer = Signer::Certificate { subject: &subject, issuer: &issuer };
        let started = std::time::Instant::now();
        for _ in 0..count {
            let document = std::fs::read(text("bundle").unwrap()).unwrap();
            let artifact = std::fs::read(text("artifact").unwrap()).unwrap();
            let proven = bundle(&document, own, signer, Artifact::Bytes(&artifact), Instant::now());
            assert!(proven.is_ok(), "{line}", line = case["name"]);
        }
        took += started.elapsed();
        verified += count;
    }
    println!("{verified} {}", took.as_secs_f64());
}

fn by_path(suite: &Path, case: &Path) -> Result<(), linkward_model::Code> {
    conformance::run(suite, case, &case.join("bundle.sigstore.json"), conformance::Mode::Path)
}

/// One to three changes, some of them taken from another bundle.
fn mutated(document: &Value, other: &Value, random: &mut mutate::Random) -> Value {
    let (mut places, mut changed) = (Vec::new(), document.clone());
    mutate::pointers(document, String::new(), &mut places);
    for _ in 0..=random.below(3) {
        mutate::change(&mut changed, &places[random.below(places.len())], other, random);
    }
    changed
}

fn name(case: &Path) -> String {
    case.file_name().unwrap().to_str().unwrap().to_owned()
}

fn print(suite: &Path, case: &Path, name: String, bundle: &Path, ours: Result<(), linkward_model::Code>) {
    let there = |file: &str| Some(case.join(file)).filter(|path| path.exists());
    let text = |file: &str, otherwise: &str| {
        std::fs::read_to_string(case.join(file)).map_or(otherwise.to_owned(), |text| text.trim().to_owned())
    };
    println!(
        "{}",
        json!({
            "name": name,
            "bundle": bundle,
            "artifact": there("artifact").unwrap_or_else(|| suite.join("a.txt")),
            "root": there("trusted_root.json"),
            "key": there("key.pub"),
            "identity": text("identity", conformance::IDENTITY),
            "issuer": text("issuer", conformance::ISSUER),
            "code": ours.err(),
        })
    );
}
