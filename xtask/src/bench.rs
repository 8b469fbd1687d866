//! `cargo xtask bench`: whole processes as a person starts them, ratios against the peers that are installed, then the
//! examples that measure inside. Medians; nothing here judges, and no test depends on it.

mod scan;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// Examples that measure, by package.
const EXAMPLES: &[(&str, &str)] = &[
    ("linkward-record", "append"),
    ("linkward-prove", "verify"),
    ("linkward-issue", "sign"),
    ("linkward-inventory", "catalog"),
    ("linkward-advisory", "match"),
    ("linkward-decide", "decide"),
    ("linkward-detect", "events"),
    ("linkward-deploy", "review"),
    ("linkward-tests", "admission"),
];

const RUNS: usize = 21;

/// One command's figures over its runs.
#[derive(Clone, Copy, Debug)]
struct Figures {
    wall: Duration,
    /// Peak memory of one run in KiB; 0 where /usr/bin/time is not installed.
    peak: u64,
}

/// All of it, or `only` one of: verify, up, scan, and the examples by their names.
///
/// # Errors
/// There is no such part, or a command does not run.
pub(crate) fn bench(only: Option<&str>) -> Result<()> {
    let parts = ["verify", "up", "scan"].into_iter().chain(EXAMPLES.iter().map(|(_, example)| *example));
    if let Some(name) = only
        && !parts.clone().any(|part| part == name)
    {
        bail!("bench has no part `{name}`, it has: {}", parts.collect::<Vec<_>>().join(", "));
    }
    let wanted = |part: &str| only.is_none_or(|name| name == part);
    crate::cargo(&["build", "--release"])?;
    let binary = crate::root()?.join("target/release/linkward");
    let scratch = crate::root()?.join("target/bench");
    let _ = std::fs::remove_dir_all(&scratch);
    std::fs::create_dir_all(&scratch)?;
    if wanted("verify") {
        verify(&binary)?;
        if let Err(error) = crate::differential::ratios() {
            println!("verify warm: no ratios, {error:#}");
        }
    }
    if wanted("up") {
        up(&binary, &scratch)?;
    }
    if wanted("scan") {
        scan::run(&binary, &scratch)?;
    }
    let size = std::fs::metadata(&binary)?.len();
    println!("binary: {:.1} MB", size as f64 / 1e6);
    for (package, example) in EXAMPLES.iter().filter(|(_, example)| wanted(example)) {
        if example_path(package, example)?.is_file() {
            println!();
            crate::cargo(&["run", "--release", "--quiet", "--package", package, "--example", example])?;
        }
    }
    Ok(())
}

/// One bundle, offline, as a process; cosign and sigstore-python beside it on the same bundle, in turn.
fn verify(binary: &Path) -> Result<()> {
    let Some(vectors) = crate::tests::vectors()? else {
        println!("verify: skipped, LINKWARD_VECTORS is not set");
        return Ok(());
    };
    let file = |name: &str| vectors.join(name).display().to_string();
    let (bundle, blob) = (file("bundles/cosign-v3-blob.sigstore.json"), file("bundles/cosign-v3-blob.txt"));
    let root = file("trusted-root/trusted_root.json");
    let (identity, issuer) = ("w.vollprecht@gmail.com", "https://github.com/login/oauth");
    let ours = binary.display().to_string();
    let linkward = [
        "verify",
        "--bundle",
        &bundle,
        "--identity",
        identity,
        "--issuer",
        issuer,
        "--trusted-root",
        &root,
        &blob,
    ];
    let own = measure(&ours, &linkward)?;
    println!("verify one bundle, offline, process start to end, {RUNS} runs");
    println!("  {:<18} {:>8.1} ms {:>8.1} MB", "linkward", ms(own.wall), own.peak as f64 / 1024.0);
    let cosign = [
        "verify-blob",
        "--bundle",
        &bundle,
        "--certificate-identity",
        identity,
        "--certificate-oidc-issuer",
        issuer,
        "--trusted-root",
        &root,
        &blob,
    ];
    let python = [
        "verify",
        "identity",
        "--offline",
        "--bundle",
        &bundle,
        "--cert-identity",
        identity,
        "--cert-oidc-issuer",
        issuer,
        &blob,
    ];
    let installed = crate::root()?.join("target/clients/py/bin/sigstore");
    let sigstore = if installed.exists() { installed.display().to_string() } else { "sigstore".to_owned() };
    for (peer, program, arguments) in
        [("cosign", "cosign", &cosign[..]), ("sigstore", &sigstore, &python[..])]
    {
        match measure(program, arguments) {
            Ok(figures) => println!(
                "  {peer:<18} {:>8.1} ms {:>8.1} MB   linkward is {:.1} times as fast, with 1/{:.0} of the memory",
                ms(figures.wall),
                figures.peak as f64 / 1024.0,
                figures.wall.as_secs_f64() / own.wall.as_secs_f64(),
                figures.peak as f64 / own.peak.max(1) as f64
            ),
            Err(error) => println!("  {peer:<18} {error:#}"),
        }
    }
    Ok(())
}

/// `up` on this repository: first start, second start, and the daemon when nobody asks it anything.
fn up(binary: &Path, scratch: &Path) -> Result<()> {
    let ours = binary.display().to_string();
    let home = scratch.join("home");
    let home_text = home.display().to_string();
    let arguments = ["--home", &home_text, "up", "--no-serve"];
    let start = Instant::now();
    let status = command(&ours, &arguments, scratch).status()?;
    // What is merely found is unknown.
    if !matches!(status.code(), Some(0 | 3)) {
        bail!("`up` ended with {status}");
    }
    println!("up on this repository, command to table");
    println!("  first start        {:>8.1} ms", ms(start.elapsed()));
    let second = repeat(&mut || {
        let start = Instant::now();
        command(&ours, &arguments, scratch).status()?;
        Ok(start.elapsed())
    })?;
    println!("  later starts       {:>8.1} ms, median of {RUNS}", ms(second));
    let mut daemon = command(&ours, &["--home", &home_text, "up"], scratch)
        .env("LINKWARD_CONSOLE_LISTEN", "127.0.0.1:0")
        .env("LINKWARD_ADMISSION_LISTEN", "127.0.0.1:0")
        .spawn()?;
    std::thread::sleep(Duration::from_secs(2));
    let resident = resident(daemon.id());
    let _ = daemon.kill();
    let _ = daemon.wait();
    match resident {
        Some(kib) => println!("  idle daemon        {:>8.1} MB resident", kib as f64 / 1024.0),
        None => println!("  idle daemon: its memory can only be read on Linux"),
    }
    Ok(())
}

fn command(program: &str, arguments: &[&str], scratch: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Ok(root) = crate::root() {
        command.current_dir(root);
    }
    command.env("XDG_STATE_HOME", scratch.join("state")).env_remove("LINKWARD_HOME");
    command
}

/// Median wall time of a command that must succeed, and its peak memory.
fn measure(program: &str, arguments: &[&str]) -> Result<Figures> {
    let run = || Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let first = run().with_context(|| format!("{program} is not installed"))?;
    if !first.status.success() {
        bail!(
            "{program} refused the bundle: {}",
            String::from_utf8_lossy(&first.stderr).lines().last().unwrap_or("")
        );
    }
    let wall = repeat(&mut || {
        let start = Instant::now();
        run()?;
        Ok(start.elapsed())
    })?;
    let timed = Command::new("/usr/bin/time").arg("-f").arg("peak %M").arg(program).args(arguments).output();
    let peak = timed.ok().and_then(|output| {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        text.lines().rev().find_map(|line| line.strip_prefix("peak ")?.trim().parse().ok())
    });
    Ok(Figures { wall, peak: peak.unwrap_or(0) })
}

fn repeat(run: &mut dyn FnMut() -> Result<Duration>) -> Result<Duration> {
    let mut times = (0..RUNS).map(|_| run()).collect::<Result<Vec<_>>>()?;
    times.sort();
    times.get(RUNS / 2).copied().context("at least one run")
}

fn resident(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn example_path(package: &str, example: &str) -> Result<PathBuf> {
    let name = package.trim_start_matches("linkward-");
    let root = crate::root()?;
    let places = ["base", "intake", "proof", "react", "gate", "show"]
        .map(|stage| root.join(format!("crates/{stage}/{name}/examples/{example}.rs")));
    let end_to_end = root.join(format!("tests/examples/{example}.rs"));
    Ok(places.iter().find(|path| path.is_file()).cloned().unwrap_or(end_to_end))
}
