//! Sigma rules by Linkward and by rsigma (MIT) over the same events: every pair of event and rule that only one of them
//! reports is printed, and ends in failure.
//!
//! usage: sigma LINKWARD FEED EVENTS.jsonl RULES...

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, ExitCode};

use rsigma_eval::Engine;
use rsigma_eval::event::JsonEvent;
use rsigma_parser::parse_sigma_yaml;
use serde_json::Value;

type Pairs = BTreeSet<(String, String)>;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [linkward, feed, events, rules @ ..] = args.as_slice() else {
        eprintln!("usage: sigma LINKWARD FEED EVENTS.jsonl RULES...");
        return ExitCode::from(2);
    };
    let mut failed = false;
    for folder in rules {
        let (ours, theirs, count) = match compare(linkward, feed, events, folder) {
            Ok(found) => found,
            Err(error) => {
                eprintln!("{folder}: {error}");
                return ExitCode::FAILURE;
            }
        };
        for (event, rule) in ours.difference(&theirs) {
            println!("Linkward alone: {rule} on {event}");
        }
        for (event, rule) in theirs.difference(&ours) {
            println!("rsigma alone: {rule} on {event}");
        }
        let both = ours.intersection(&theirs).count();
        println!("{folder}: {count} events, {both} reports agree, {} by one alone", ours.symmetric_difference(&theirs).count());
        // Agreement about nothing shows nothing.
        failed |= ours != theirs || both == 0;
    }
    ExitCode::from(u8::from(failed))
}

fn compare(linkward: &str, feed: &str, events: &str, folder: &str) -> Result<(Pairs, Pairs, usize), Box<dyn std::error::Error>> {
    let settings = std::env::temp_dir().join(format!("linkward-sigma-{}.toml", std::process::id()));
    std::fs::write(&settings, format!("sigma = {:?}\n", std::fs::canonicalize(folder)?))?;
    let output = Command::new(linkward)
        .args(["detect", "replay", events, "--feed", feed, "--format", "json", "--estate"])
        .arg(&settings)
        .output()?;
    std::fs::remove_file(&settings)?;
    let answer: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let mut ours = Pairs::new();
    for finding in answer["findings"].as_array().into_iter().flatten() {
        if let Some(rule) = finding["rule"].as_str().and_then(|rule| rule.strip_prefix("sigma:")) {
            ours.insert((finding["event"].as_str().unwrap_or("").to_owned(), rule.to_owned()));
        }
    }
    let mut engine = Engine::new();
    for path in files(Path::new(folder))? {
        engine.add_collection(&parse_sigma_yaml(&std::fs::read_to_string(&path)?)?)?;
    }
    let mut theirs = Pairs::new();
    let mut seen = BTreeSet::new();
    for line in std::fs::read_to_string(events)?.lines() {
        let document: Value = serde_json::from_str(line)?;
        for record in document["Records"].as_array().cloned().unwrap_or_else(|| vec![document.clone()]) {
            let id = record["eventID"].as_str().unwrap_or("").to_owned();
            seen.insert(id.clone());
            for found in engine.evaluate(&JsonEvent::borrow(&record)) {
                theirs.insert((id.clone(), found.header.rule_id.clone().unwrap_or_default()));
            }
        }
    }
    Ok((ours, theirs, seen.len()))
}

fn files(folder: &Path) -> std::io::Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        } else if path.extension().is_some_and(|end| end == "yml") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}
