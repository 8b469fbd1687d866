//! Signing and logging one blob as a person does it: `linkward sign` as a process, and what a large artifact costs in
//! memory. Beside it, what the parts cost in this process. Bounded, and local to a scratch folder.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "an example that measures")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use linkward_issue::bundle::{message, unlogged};
use linkward_issue::sigstore::entry::Entry;
use linkward_issue::{LocalKey, SigningKey as _, pem};
use linkward_model::Digest;

const RUNS: usize = 21;
/// An artifact that must not be held in memory.
const LARGE: usize = 100 << 20;
const PARTS: usize = 2_000;

fn main() {
    parts();
    let Some(binary) = binary() else {
        println!("sign as a process: skipped, `cargo build --release` makes the binary that it runs");
        return;
    };
    let scratch = linkward_testkit::scratch();
    let folder = scratch.path();
    std::fs::write(folder.join("small"), "an artifact\n").unwrap();
    assert!(command(&binary, folder, &["up", "--no-serve"]).status().unwrap().code().is_some());
    let times = |arguments: &[&str]| {
        let mut times: Vec<Duration> = (0..RUNS)
            .map(|round| {
                // The same bytes again would be the same entry again.
                std::fs::write(folder.join("small"), format!("artifact {round}\n")).unwrap();
                let start = Instant::now();
                let status = command(&binary, folder, arguments).status().unwrap();
                assert!(status.success(), "{status}");
                start.elapsed()
            })
            .collect();
        times.sort();
        times
    };
    let signed = times(&["sign", "small"]);
    println!("sign and log one blob, process start to end, fsync on, {RUNS} runs");
    println!("  {:>8.1} ms median, {:.1} ms longest", ms(signed[RUNS / 2]), ms(signed[RUNS - 1]));
    std::fs::write(folder.join("large"), vec![7; LARGE]).unwrap();
    let start = Instant::now();
    assert!(command(&binary, folder, &["sign", "large"]).status().unwrap().success());
    let wall = start.elapsed();
    std::fs::remove_file(folder.join("large.sigstore.json")).unwrap();
    let peak = Command::new("/usr/bin/time")
        .args(["-f", "peak %M"])
        .arg(&binary)
        .args(["sign", "large"])
        .current_dir(folder)
        .env("XDG_STATE_HOME", folder.join("state"))
        .stdout(Stdio::null())
        .output()
        .ok()
        .and_then(|output| {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            text.lines().rev().find_map(|line| line.strip_prefix("peak ")?.trim().parse::<u64>().ok())
        });
    let peak = peak.map_or("unknown: /usr/bin/time is not installed".to_owned(), |kib| {
        format!("{:.1} MB", kib as f64 / 1024.0)
    });
    println!("sign an artifact of 100 MB");
    println!("  {:>8.1} ms, peak memory of a process {peak}", ms(wall));
}

/// Signatures made, and requests of clients checked as the log checks them.
fn parts() {
    let key = LocalKey::ephemeral().unwrap();
    let public = pem("PUBLIC KEY", key.public());
    let digests: Vec<Digest> = (0..PARTS).map(|number| Digest::sha256(&number.to_le_bytes())).collect();
    let start = Instant::now();
    let requests: Vec<String> = digests
        .iter()
        .map(|digest| {
            let signature = key.sign(digest).unwrap();
            let content = message(digest, &signature);
            unlogged(&content, &public, digest, &signature, None).unwrap().request().to_string()
        })
        .collect();
    let signed = start.elapsed();
    let start = Instant::now();
    let bodies =
        requests.iter().map(|request| Entry::parse(request.as_bytes()).unwrap().body.len()).sum::<usize>();
    let checked = start.elapsed();
    println!("P-256, one thread, {PARTS} entries of {} bytes", bodies / PARTS);
    println!("  {:>8.0} signatures/s", PARTS as f64 / signed.as_secs_f64());
    println!("  {:>8.0} requests checked/s", PARTS as f64 / checked.as_secs_f64());
}

/// The binary of the same profile: examples lie one folder below it.
fn binary() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let binary = own.parent()?.parent()?.join("linkward");
    binary.is_file().then_some(binary)
}

fn command(binary: &Path, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary);
    command.args(arguments).current_dir(folder).env("XDG_STATE_HOME", folder.join("state"));
    command.env_remove("LINKWARD_HOME").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
