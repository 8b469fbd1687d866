//! The fuzz command: mutated bundles, a bounded share for CI or a million of them; and every parser under libFuzzer.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The share that CI runs: so many mutations, or so many seconds, whichever ends first.
const SMOKE: [&str; 2] = ["1000000", "15"];
const FULL: [&str; 2] = ["1000000", "86400"];

pub(crate) fn fuzz(smoke: bool) -> Result<()> {
    let [most, seconds] = if smoke { SMOKE } else { FULL };
    // A million is worth an optimised build; a share is not. Overflow checks stay on in the latter.
    let profile: &[&str] = if smoke { &[] } else { &["--release"] };
    let example = ["run", "--quiet", "--package", "linkward-prove", "--example", "mutate"];
    crate::cargo(&[&example[..], profile, &["--", most, seconds]].concat())
}

/// What libFuzzer needs to see of the code. All of it is stable; the sanitizers that are not are left to `cargo fuzz`.
const COVERAGE: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Ccodegen-units=1 --cfg fuzzing";

/// Every target of `fuzz/` for so many seconds. What it finds stays in `target/fuzz/found`.
///
/// # Errors
/// A target does not build, or found something.
pub(crate) fn targets(seconds: &str) -> Result<()> {
    let seconds: u32 = seconds.parse().context("fuzz --targets takes seconds for each target")?;
    let root = crate::root()?;
    let target = root.join("target/fuzz");
    let host = host()?;
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--bins", "--target", &host, "--manifest-path", "fuzz/Cargo.toml"])
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTFLAGS", COVERAGE)
        .current_dir(&root)
        .status()?;
    if !status.success() {
        bail!("the fuzz targets do not build");
    }
    let mut names: Vec<String> = std::fs::read_dir(root.join("fuzz/fuzz_targets"))?
        .filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    let found = target.join("found");
    std::fs::create_dir_all(&found)?;
    let mut failed = Vec::new();
    for name in &names {
        let corpus = target.join("corpus").join(name);
        std::fs::create_dir_all(&corpus)?;
        let output = Command::new(target.join(&host).join("release").join(name))
            .arg(format!("-max_total_time={seconds}"))
            .args(["-rss_limit_mb=2048", "-timeout=10", "-max_len=65536"])
            .arg(format!("-artifact_prefix={}/{name}-", found.display()))
            .arg(&corpus)
            .output()?;
        let text = String::from_utf8_lossy(&output.stderr);
        let done = text.lines().rev().find(|line| line.contains("DONE") || line.contains("panicked"));
        println!("{name}: {}", done.unwrap_or("ended without a word"));
        if !output.status.success() {
            failed.push(name.as_str());
        }
    }
    if failed.is_empty() {
        println!("{} targets, nothing found", names.len());
        return Ok(());
    }
    bail!("found by {}; the inputs lie in {}", failed.join(", "), found.display())
}

/// A target that no longer builds finds nothing.
pub(crate) fn targets_build() -> Result<()> {
    let root = crate::root()?;
    let status = Command::new(env!("CARGO"))
        .args(["check", "--quiet", "--bins", "--manifest-path", "fuzz/Cargo.toml"])
        .env("CARGO_TARGET_DIR", root.join("target/fuzz"))
        .current_dir(&root)
        .status()?;
    if status.success() { Ok(()) } else { bail!("the fuzz targets do not build") }
}

fn host() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc does not say its host")?.to_owned())
}
