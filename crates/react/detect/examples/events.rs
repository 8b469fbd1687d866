//! Events a second on one core, over traffic that is meant to be ordinary, with every rule armed.
#![allow(clippy::print_stdout, reason = "a measurement for people")]

mod benign;

use std::time::{Duration, Instant};

use linkward_detect::Engine;

const BATCH: usize = 50_000;
const BATCHES: usize = 20;

fn main() {
    let mut traffic = benign::Traffic::new(42, 500);
    let mut engine = Engine::new(traffic.estate());
    let (mut spent, mut changes) = (Duration::ZERO, 0);
    let (mut slowest, mut worked) = (Duration::ZERO, Duration::ZERO);
    for batch in 0..BATCHES {
        let events: Vec<_> = (0..BATCH).map(|_| traffic.next_event()).collect();
        let (start, before) = (Instant::now(), on_core());
        for event in events {
            changes += engine.ingest(event).len();
        }
        let took = start.elapsed();
        spent += took;
        worked += on_core().saturating_sub(before);
        slowest = slowest.max(took);
        if batch + 1 == BATCHES {
            let load = engine.load();
            println!("held for late ones: {} events in {} timelines", load.held, load.timelines);
        }
    }
    let total = BATCH * BATCHES;
    println!(
        "{total} events in {:.2} s: {:.0} a second on one core",
        spent.as_secs_f64(),
        total as f64 / spent.as_secs_f64()
    );
    if !worked.is_zero() {
        let rate = total as f64 / worked.as_secs_f64();
        println!(
            "{rate:.0} a second of processor time ({:.2} s): what a core does that is not shared",
            worked.as_secs_f64()
        );
    }
    println!("slowest {BATCH}: {:.0} a second; {changes} changes", BATCH as f64 / slowest.as_secs_f64());
    println!("memory: {} kB resident", resident().unwrap_or_default());
}

/// Time that this thread was on a processor; zero where the kernel does not tell.
fn on_core() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0))
}

fn resident() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS"))?;
    line.split_whitespace().nth(1).map(str::to_owned)
}
