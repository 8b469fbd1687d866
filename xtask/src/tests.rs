//! The test command: finds or installs what tests need, runs them, counts, and says what was skipped and why.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Reasons for skipping that CI does not accept.
const REQUIRED: &[&str] = &[
    "LINKWARD_VECTORS is not set",
    "git is not installed",
    "ssh-keygen is not installed",
    "chromium is not installed",
    "strace is not installed",
    "script is not installed",
    "alertmanager is not installed",
    "prometheus is not installed",
    "softhsm2-util is not installed",
];

/// Programs that tests drive, and the Debian package that holds each.
const PROGRAMS: &[(&str, &str)] = &[
    ("git", "git"),
    ("ssh-keygen", "openssh-client"),
    ("openssl", "openssl"),
    ("docker-registry", "docker-registry"),
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("strace", "strace"),
    ("script", "bsdutils"),
    ("softhsm2-util", "softhsm2"),
    ("prometheus", "prometheus"),
    ("promtool", "prometheus"),
    ("prometheus-alertmanager", "prometheus-alertmanager"),
];

/// Installs what is missing where that is possible without asking: as root, on a system with apt.
fn install() {
    let on_path = |name: &str| {
        std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(name).is_file()))
    };
    let missing: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| !on_path(program)).map(|(_, package)| *package).collect();
    let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    if missing.is_empty() || !root || !on_path("apt-get") {
        return;
    }
    println!("installing for the tests: {}", missing.join(" "));
    let apt = |arguments: &[&str]| {
        Command::new("apt-get")
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdout(Stdio::null())
            .status()
    };
    let _ = apt(&["update", "-qq"]);
    let installed = apt(&[&["install", "-y", "-qq", "--no-install-recommends"], &missing[..]].concat());
    if !installed.is_ok_and(|status| status.success()) {
        println!("they could not be installed: what needs them is skipped, and said below");
    }
}

/// Conformance data: where the variable says, or in a folder beside the repository.
pub(crate) fn vectors() -> Result<Option<PathBuf>> {
    let root = crate::root()?;
    Ok(std::env::var_os("LINKWARD_VECTORS").map(PathBuf::from).or_else(|| {
        let beside = root.parent()?.join("shared/vectors");
        beside.is_dir().then_some(beside)
    }))
}

pub(crate) fn test(variables: &[(&str, &str)]) -> Result<()> {
    let root = crate::root()?;
    install();
    let vectors = vectors()?;
    crate::clients::install(&root);
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["test", "--workspace", "--no-fail-fast", "--", "--nocapture"])
        .current_dir(&root)
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    match &vectors {
        Some(vectors) => command.env("LINKWARD_VECTORS", vectors),
        None => command.env_remove("LINKWARD_VECTORS"),
    };
    let skips = tempfile(&root)?;
    command.env("LINKWARD_SKIPPED", &skips);
    let mut child = command.spawn().context("cargo test")?;
    let (mut passed, mut failed) = (0, 0);
    if let Some(output) = child.stdout.take() {
        for line in BufReader::new(output).lines() {
            let line = line?;
            println!("{line}");
            if let Some(rest) = line.strip_prefix("test result: ") {
                let number = |what: &str| -> usize {
                    let found = rest.split([';', '.']).find_map(|part| part.trim().strip_suffix(what));
                    found.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
                };
                passed += number("passed");
                failed += number("failed");
            }
        }
    }
    let status = child.wait()?;
    let skipped: Vec<String> =
        std::fs::read_to_string(&skips).unwrap_or_default().lines().map(str::to_owned).collect();
    let _ = std::fs::remove_file(&skips);
    for skip in &skipped {
        println!("skipped: {skip}");
    }
    println!("{} passed, {failed} failed, {} skipped", passed.saturating_sub(skipped.len()), skipped.len());
    if !status.success() || failed > 0 {
        bail!("tests failed");
    }
    if std::env::var("CI").is_ok_and(|ci| ci == "true")
        && let Some(skip) = skipped.iter().find(|skip| REQUIRED.iter().any(|why| skip.ends_with(why)))
    {
        bail!("a required test was skipped: {skip}");
    }
    Ok(())
}

fn tempfile(root: &std::path::Path) -> Result<std::path::PathBuf> {
    let path = root.join("target").join(format!("skipped-{}", std::process::id()));
    std::fs::create_dir_all(root.join("target"))?;
    std::fs::write(&path, "")?;
    Ok(path)
}
