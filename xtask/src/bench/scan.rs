//! Scanning beside the peers that are installed: CPU seconds, peak memory and wall time on inputs that are made here, the same at
//! each run. What a peer is given is what we are given; what it finds stands beside it.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

const PACKAGES: usize = 1_455;
const FILES: usize = 57_000;
const DEBIAN: usize = 772;
const CONFIGURATION: usize = 1_000;
const SBOMS: usize = 10_000;
const RUNS: usize = 5;

/// Peers by program, with the arguments that go before the folder.
const PEERS: &[(&str, &[&str], &str)] = &[
    ("syft", &["scan", "-q", "-o", "cyclonedx-json"], "dir:"),
    ("grype", &["-q", "-o", "json"], "dir:"),
    ("trivy", &["fs", "--quiet", "--format", "cyclonedx"], ""),
    ("osv-scanner", &["scan", "source", "--offline", "--format", "json"], ""),
];

pub(super) fn run(binary: &Path, scratch: &Path) -> Result<()> {
    let ours = binary.display().to_string();
    let place = |name: &str| scratch.join(name);
    let (node, empty, debian) = (place("node"), place("empty"), place("debian"));
    fs::create_dir_all(&empty)?;
    node_modules(&node)?;
    distribution(&debian)?;
    for (what, folder, installed) in
        [("node_modules", &node, true), ("empty folder", &empty, false), ("debian", &debian, false)]
    {
        println!("\nscan {what}: {} files", count(folder)?);
        let path = folder.display().to_string();
        let more: &[&str] = if installed { &["--installed"] } else { &[] };
        let nothing = place("none.lwa").display().to_string();
        let scan =
            [&["scan", &path, "--allow-unknown", "--format", "json", "--database", &nothing], more].concat();
        table("linkward", timed(&ours, &scan)?);
        let bare = [&scan[..], &["--dangerously-unconfined"]].concat();
        table("  unconfined", timed(&ours, &bare)?);
        for (peer, arguments, before) in PEERS {
            let target = format!("{before}{path}");
            match timed(peer, &[*arguments, &[target.as_str()]].concat()) {
                Ok(cost) => table(peer, cost),
                Err(error) => println!("  {peer:<16} {error:#}"),
            }
        }
    }
    let configuration = place("configuration");
    infrastructure(&configuration)?;
    println!("\ninspect {CONFIGURATION} CI and IaC files");
    let path = configuration.display().to_string();
    table("linkward", timed(&ours, &["inspect", &path])?);
    let (source, bytes) = javascript(&place("javascript"))?;
    let cost = timed(&ours, &["inspect", &source.display().to_string()])?;
    println!(
        "\ninspect {:.1} MB of JavaScript: {:.0} MB per CPU-s",
        bytes as f64 / 1e6,
        bytes as f64 / 1e6 / cost.cpu
    );
    table("linkward", cost);
    affected(&ours, scratch)
}

/// Medians of a command's runs.
#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    cpu: f64,
    peak: f64,
    components: usize,
}

fn table(who: &str, cost: Cost) {
    let Cost { wall, cpu, peak, components } = cost;
    println!("  {who:<16} {cpu:>8.3} CPU-s {peak:>7.1} MB {wall:>8.3} s   {components} components");
}

/// What time(1) says of the command; findings and doubts are answers as well.
fn timed(program: &str, arguments: &[&str]) -> Result<Cost> {
    let mut runs = Vec::new();
    for _ in 0..RUNS {
        let mut command = Command::new("/usr/bin/time");
        command.args(["-f", "cost %e %U %S %M", program]).args(arguments);
        let output =
            command.env("SYFT_CHECK_FOR_APP_UPDATE", "false").env("GRYPE_DB_AUTO_UPDATE", "false").output();
        let output = output.context("/usr/bin/time is not installed")?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        if !matches!(output.status.code(), Some(0 | 1 | 3)) {
            bail!("is not installed, or refused: {}", text.lines().next().unwrap_or_default());
        }
        let line =
            text.lines().rev().find_map(|line| line.strip_prefix("cost ")).context("time(1) said nothing")?;
        let numbers: Vec<f64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
        let [wall, user, system, peak] = numbers.as_slice() else { bail!("time(1) said `{line}`") };
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let components = found["components"].as_array().map_or(0, Vec::len);
        runs.push(Cost { wall: *wall, cpu: user + system, peak: peak / 1024.0, components });
    }
    runs.sort_by(|a, b| a.cpu.total_cmp(&b.cpu));
    runs.get(RUNS / 2).copied().context("at least one run")
}

fn put(path: PathBuf, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(fs::write(path, text)?)
}

/// As many packages and files as the tree that peers were measured on; with what they took for packages: manifests deeper within
/// packages, and workflows that packages bring.
fn node_modules(root: &Path) -> Result<()> {
    let each = FILES / PACKAGES;
    for package in 0..PACKAGES {
        let folder = root.join(format!("node_modules/package-{package}"));
        let manifest = format!(
            "{{\"name\":\"package-{package}\",\"version\":\"1.{package}.0\",\"description\":\"{}\"}}",
            "x".repeat(1500)
        );
        put(folder.join("package.json"), &manifest)?;
        let mut files = 1;
        if package % 25 == 0 {
            put(folder.join("dist/esm/package.json"), "{\"type\":\"module\"}")?;
            put(folder.join(".github/workflows/ci.yml"), "on: push\njobs: {a: {steps: [{uses: a/b@v1}]}}\n")?;
            files += 2;
        }
        let rest = if package < FILES % PACKAGES { each + 1 } else { each };
        for file in files..rest {
            put(folder.join(format!("lib/{}/{file}.js", file % 5)), &script(package * 100 + file, 40))?;
        }
    }
    Ok(())
}

fn script(seed: usize, lines: usize) -> String {
    let mut text = String::from("'use strict';\n");
    for line in 0..lines {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "exports.name{line} = function (value, index) {{ return value[{}] + index * {} || 'text {seed}'; }};",
            (seed * 31 + line) % 97,
            (seed + line * 7) % 89
        );
    }
    text
}

/// Packages of Debian with texts of licences, 17.8 MB of them.
fn distribution(root: &Path) -> Result<()> {
    let mut status = String::new();
    for package in 0..DEBIAN {
        let _ = write!(
            status,
            "Package: lib{package}\nStatus: install ok installed\nArchitecture: amd64\nSource: source{}\nVersion: 1.{package}-1\nDescription: {}\n\n",
            package / 3,
            "x".repeat(800)
        );
        let licence =
            format!("License: MIT\n {}\n", "Permission is hereby granted, free of charge. ".repeat(500));
        put(root.join(format!("usr/share/doc/lib{package}/copyright")), &licence)?;
    }
    put(root.join("var/lib/dpkg/status"), &status)?;
    put(root.join("etc/os-release"), "ID=debian\nVERSION_ID=12\n")
}

/// Workflows, Dockerfiles, Terraform and Kubernetes, as many of each.
fn infrastructure(root: &Path) -> Result<()> {
    for number in 0..CONFIGURATION / 4 {
        let steps = "      - uses: actions/checkout@v4\n      - run: make test\n".repeat(12);
        let workflow = format!(
            "on: push\npermissions: {{}}\njobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n{steps}"
        );
        put(root.join(format!("p{number}/.github/workflows/ci.yml")), &workflow)?;
        let run = "RUN apt-get update && apt-get install --yes curl\n".repeat(20);
        put(root.join(format!("p{number}/Dockerfile")), &format!("FROM debian:12\n{run}"))?;
        let group = "resource \"aws_security_group\" \"g\" {\n  ingress {\n    from_port = 22\n    cidr_blocks = [\"10.0.0.0/8\"]\n  }\n}\n";
        put(root.join(format!("p{number}/main.tf")), &group.repeat(12))?;
        let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n    - name: a\n      image: registry.example/a:1\n";
        put(root.join(format!("p{number}/pod.yaml")), &pod.repeat(6))?;
    }
    Ok(())
}

fn javascript(root: &Path) -> Result<(PathBuf, usize)> {
    let mut bytes = 0;
    for file in 0..600 {
        let text = script(file, 1_000);
        bytes += text.len();
        put(root.join(format!("{}/{file}.js", file % 20)), &text)?;
    }
    Ok((root.to_path_buf(), bytes))
}

/// What of ten thousand recorded SBOMs a range of versions speaks of.
fn affected(ours: &str, scratch: &Path) -> Result<()> {
    let home = scratch.join("portfolio").display().to_string();
    let project = scratch.join("portfolio-project");
    fs::create_dir_all(&project)?;
    let made =
        Command::new(ours).args(["--home", &home, "up", "--no-serve"]).current_dir(&project).output()?;
    if !matches!(made.status.code(), Some(0 | 3)) {
        bail!("no home could be made: {}", String::from_utf8_lossy(&made.stderr));
    }
    let mut keeper = Command::new(ours)
        .args(["--home", &home, "scan-keeper"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (to, from) = (keeper.stdin.take(), keeper.stdout.take());
    let (mut to, mut from) = (to.context("a pipe")?, BufReader::new(from.context("a pipe")?));
    for number in 0..SBOMS {
        let component = |part: usize| {
            let (name, version) = ((number * 13 + part * 7) % 5_000, (number + part) % 20);
            serde_json::json!({ "type": "library", "name": format!("p{name}"), "version": format!("1.{version}.0"),
                "bom-ref": format!("p{name}-{part}"), "purl": format!("pkg:npm/p{name}@1.{version}.0") })
        };
        let components: Vec<_> = (0..40).map(component).collect();
        let sbom =
            serde_json::json!({ "bomFormat": "CycloneDX", "specVersion": "1.6", "components": components })
                .to_string();
        let ask = serde_json::json!({ "ask": "record", "name": format!("project-{number}"), "sbom": sbom, "chain": null });
        writeln!(to, "{ask}")?;
        let mut answer = String::new();
        from.read_line(&mut answer)?;
        if answer.contains("\"error\"") {
            bail!("a document was not recorded: {answer}");
        }
    }
    drop(to);
    keeper.wait()?;
    println!("\naffected, over {SBOMS} recorded SBOMs of 40 components, whole process");
    table("linkward", timed(ours, &["--home", &home, "affected", "pkg:npm/p42@>=1.0.0,<1.9.0"])?);
    Ok(())
}

fn count(folder: &Path) -> Result<usize> {
    let mut files = 0;
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() { folders.push(entry.path()) } else { files += 1 }
        }
    }
    Ok(files)
}
