//! `cargo xtask fuzz`: mutated bundles by the clock or by number, with what became of them. Ends with an error where one
//! was accepted, or where the mutator did not reach a check. With `unguarded` it is the other way round: a check was
//! taken out of the source, and the run must find an acceptance.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    dead_code,
    reason = "a command for people"
)]

#[path = "../tests/all/hostile.rs"]
mod hostile;
#[path = "../tests/all/instance.rs"]
mod instance;
#[path = "../tests/all/mutate.rs"]
mod mutate;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use mutate::{Corpus, ENOUGH, Random, Tally};

/// Arguments: most mutations, most seconds, `unguarded`.
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let numbers = arguments.iter().take(2).map(|text| text.parse::<u64>()).collect::<Result<Vec<_>, _>>();
    let (Ok([most, seconds]), unguarded) =
        (numbers.as_deref(), arguments.get(2).is_some_and(|word| word == "unguarded"))
    else {
        println!("usage: mutate MUTATIONS SECONDS [unguarded]");
        return ExitCode::from(2);
    };
    let started = Instant::now();
    let seed = std::time::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_secs() | 1);
    println!("mutate: seed {seed}, at most {most} mutations, {seconds} s");
    let corpus = Corpus::new(unguarded);
    let (mut random, mut tally) = (Random(seed), Tally::default());
    while tally.tried < *most && started.elapsed() < Duration::from_secs(*seconds) {
        corpus.step(&mut random, &mut tally);
        if unguarded && let Some(accepted) = tally.accepted.first() {
            let conclusion = accepted.lines().next().unwrap_or_default();
            println!("  after {} mutations, {:?}: {conclusion:.120}", tally.tried, started.elapsed());
            return ExitCode::SUCCESS;
        }
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
    if tally.accepted.is_empty() && reached && !unguarded { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
