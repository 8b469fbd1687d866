//! `cargo xtask fuzz`: mutated bundles by the clock or by number, with what became of them. Ends with an error where one
//! was accepted, or where the mutator did not reach a check.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    dead_code,
    reason = "a command for people"
)]

#[path = "../tests/all/instance.rs"]
mod instance;
#[path = "../tests/all/mutate.rs"]
mod mutate;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use mutate::{Corpus, ENOUGH, Random, Tally};

/// Arguments: most mutations, most seconds.
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let (Some(Ok(most)), Some(Ok(seconds))) = (arguments.next(), arguments.next()) else {
        println!("usage: mutate MUTATIONS SECONDS");
        return ExitCode::from(2);
    };
    let started = Instant::now();
    let seed = std::time::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_secs() | 1);
    println!("mutate: seed {seed}, at most {most} mutations, {seconds} s");
    let corpus = Corpus::new();
    let (mut random, mut tally) = (Random(seed), Tally::default());
    while tally.tried < most && started.elapsed() < Duration::from_secs(seconds) {
        corpus.step(&mut random, &mut tally);
    }
    println!(
        "  {} tried, {} without any bearing, refused by check: {:?}",
        tally.tried, tally.same, tally.refused
    );
    for accepted in &tally.accepted {
        println!("ACCEPTED {accepted}");
    }
    let unreached = tally.unreached();
    let reached = unreached.is_empty() || tally.tried < ENOUGH;
    if !reached {
        println!("  not reached: {}", unreached.join(", "));
    }
    if tally.accepted.is_empty() && reached { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
