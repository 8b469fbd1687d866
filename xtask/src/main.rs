//! Development commands: `cargo xtask test | ci | soak | kubernetes | fuzz | bench | arrows`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command for people")]

mod arrows;
mod bench;
mod clients;
mod differential;
mod fuzz;
mod house;
mod kubernetes;
mod switches;
mod tests;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

fn main() -> ExitCode {
    let task = std::env::args().nth(1).unwrap_or_default();
    let result = match task.as_str() {
        "test" => tests::test(&[]),
        "soak" => tests::test(&[("LINKWARD_SOAK", "1"), ("PROPTEST_CASES", "20000")])
            .and_then(|()| switches::each_off()),
        "ci" => ci(),
        "bench" => bench::bench(std::env::args().nth(2).as_deref()),
        "kubernetes" => kubernetes::test(std::env::args().nth(2).as_deref() == Some("--install")),
        "fuzz" => match std::env::args().nth(2).as_deref() {
            None => fuzz::fuzz(false),
            Some("--smoke") => fuzz::fuzz(true),
            Some("--switched-off") => switches::each_off(),
            Some("--targets") => fuzz::targets(std::env::args().nth(3).as_deref().unwrap_or("60")),
            Some(other) => {
                Err(anyhow::anyhow!("fuzz takes --smoke, --switched-off or --targets, not {other}"))
            }
        },
        "differential" => differential::differential(),
        "arrows" => arrows::check(),
        "docs" => house::write_docs(),
        _ => {
            eprintln!(
                "usage: cargo xtask test | ci | soak | kubernetes | fuzz | differential | bench | arrows | docs\n\
                 \n  test    what the README names: everything that can be tested here\
                 \n  ci      what .ci/run runs: format, lints, arrows, budget, licences, docs, release build, fuzz --smoke, tests\
                 \n  soak    the tests with many more cases, and fuzz --switched-off\
                 \n  kubernetes  the gate under a real API server with its etcd; --install builds it with Go first\
                 \n  fuzz    a million mutated bundles, none of which may be accepted; --smoke: what CI runs of it, 15 s;\
                 \n          --switched-off: each check in turn is taken out of a copy, and an acceptance must be found;\
                 \n          --targets SECONDS: every parser under libFuzzer for so long\
                 \n  differential  the same bundles before two other verifiers\
                 \n  bench   figures, with ratios against the peers that are installed; bench PART: one of them\
                 \n  arrows  which crate may depend on which\
                 \n  docs    write the generated pages again"
            );
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The repository's root.
pub(crate) fn root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(here.parent().context("xtask lies in the repository")?.to_path_buf())
}

pub(crate) fn cargo(args: &[&str]) -> Result<()> {
    println!("> cargo {}", args.join(" "));
    let status = Command::new(env!("CARGO")).args(args).current_dir(root()?).status()?;
    if !status.success() {
        bail!("cargo {} failed", args.join(" "));
    }
    Ok(())
}

fn ci() -> Result<()> {
    cargo(&["fmt", "--all", "--check"])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    arrows::check()?;
    house::budget()?;
    house::licences()?;
    house::deny()?;
    house::words()?;
    house::docs_are_current()?;
    cargo(&["build", "--release"])?;
    fuzz::fuzz(true)?;
    fuzz::targets_build()?;
    tests::test(&[])
}
