//! Events a second on one core with Sigma rules beside every shipped one.
//!
//! usage: sigma FOLDER-OF-RULES EVENTS.jsonl FEED
#![allow(clippy::print_stdout, reason = "a measurement for people")]

use std::time::{Duration, Instant};

use linkward_detect::{Engine, Estate, load_sigma};
use linkward_evidence::event::{Delivery, feed, read_all};

const ROUNDS: usize = 20;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [folder, events, name] = args.as_slice() else {
        println!("usage: sigma FOLDER-OF-RULES EVENTS.jsonl FEED");
        return;
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if let (true, Ok(text)) =
            (path.extension().is_some_and(|end| end == "yml"), std::fs::read_to_string(&path))
        {
            files.push((path.display().to_string(), text));
        }
    }
    let (pack, refused) = load_sigma(&files);
    let text = std::fs::read(events).unwrap_or_default();
    let mut events = read_all(&text, feed(name), &Delivery::default()).unwrap_or_default();
    // In the order in which they happened: what comes late is judged again, which is another figure.
    events.sort_by(|one, other| (one.at(), &one.id).cmp(&(other.at(), &other.id)));
    let (mut spent, mut findings) = (Duration::ZERO, 0);
    for _ in 0..ROUNDS {
        let mut engine = Engine::with(Estate::default(), &pack);
        let round = events.clone();
        let start = Instant::now();
        for event in round {
            engine.ingest(event);
        }
        spent += start.elapsed();
        findings = engine.findings().len();
    }
    let total = events.len() * ROUNDS;
    println!(
        "{} rules ({} refused), {total} events: {:.0} a second on one core; {findings} findings in each round",
        pack.len(),
        refused.len(),
        total as f64 / spent.as_secs_f64()
    );
}
