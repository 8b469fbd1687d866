//! The job that needs a real API server: nothing of it is skipped, and without the programs it fails.
//!
//! Nobody publishes kube-apiserver as a package that fits here, so it is built from its own Go module: a `main.go` of three lines, with
//! the staging modules replaced by their published twins. etcd comes from Debian.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// Pinned: the tests rely on manifest-based admission, on by default from 1.37.
const VERSION: &str = "1.37.2";
const MAIN: &str = "package main

import (
\t\"os\"
\t_ \"time/tzdata\"

\t\"k8s.io/component-base/cli\"
\t\"k8s.io/kubernetes/cmd/kube-apiserver/app\"
)

func main() { os.Exit(cli.Run(app.NewAPIServerCommand())) }
";

pub(crate) fn test(install: bool) -> Result<()> {
    let root = crate::root()?;
    let folder = root.join("target/clients/kubernetes");
    let kept = folder.join(format!("kube-apiserver-{VERSION}"));
    let server = variable("LINKWARD_KUBE_APISERVER").unwrap_or_else(|| kept.clone());
    if !server.is_file() && install {
        build(&folder, &kept)?;
    }
    if !server.is_file() {
        bail!(
            "there is no API server at {}; build one with `cargo xtask kubernetes --install` (needs Go), or name one in \
             LINKWARD_KUBE_APISERVER",
            server.display()
        );
    }
    let etcd = variable("LINKWARD_ETCD").or_else(|| on_path("etcd"));
    let etcd =
        etcd.context("etcd is not installed: Debian's package is etcd-server; or name it in LINKWARD_ETCD")?;
    let skips = root.join("target").join(format!("skipped-{}", std::process::id()));
    std::fs::write(&skips, "")?;
    let mut command = Command::new(env!("CARGO"));
    // One API server after the other: each takes a quarter of a gigabyte.
    command
        .args([
            "test",
            "--package",
            "linkward-tests",
            "--test",
            "all",
            "--",
            "--nocapture",
            "--test-threads=1",
        ])
        .arg("kubernetes")
        .current_dir(&root)
        .env("LINKWARD_KUBE_APISERVER", &server)
        .env("LINKWARD_ETCD", &etcd)
        .env("LINKWARD_SKIPPED", &skips)
        .stdout(Stdio::piped());
    let mut child = command.spawn().context("cargo test")?;
    let mut passed = 0;
    for line in child.stdout.take().into_iter().flat_map(|output| BufReader::new(output).lines()) {
        let line = line?;
        println!("{line}");
        passed += usize::from(line.ends_with("... ok") || line == "ok");
    }
    let status = child.wait()?;
    let skipped = std::fs::read_to_string(&skips).unwrap_or_default();
    let _ = std::fs::remove_file(&skips);
    if !status.success() || passed == 0 || !skipped.is_empty() {
        bail!("failed, or not everything was run: {passed} passed\n{skipped}");
    }
    println!("{passed} passed against {}", server.display());
    Ok(())
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from)
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn build(folder: &Path, to: &Path) -> Result<()> {
    let source = folder.join("source");
    std::fs::create_dir_all(&source)?;
    std::fs::write(source.join("main.go"), MAIN)?;
    let module = format!("k8s.io/kubernetes@v{VERSION}");
    let output = Command::new("go").args(["mod", "download", "-json", &module]).output().context("go")?;
    let said: serde_json::Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("go mod download: {}", String::from_utf8_lossy(&output.stderr)))?;
    let place =
        said.get("Dir").and_then(serde_json::Value::as_str).context("go mod download names no folder")?;
    let theirs = std::fs::read_to_string(Path::new(place).join("go.mod"))?;
    let line = |name: &str| theirs.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
    let mut module =
        format!("module apiserver\n\n{}\n\nrequire k8s.io/kubernetes v{VERSION}\n\n", line("go "));
    let published = VERSION.replacen('1', "0", 1);
    for (name, _) in theirs.lines().filter_map(|line| line.split_once(" => ./staging")) {
        module.push_str(&format!("replace {0} => {0} v{published}\n", name.trim()));
    }
    std::fs::write(source.join("go.mod"), module)?;
    println!("building kube-apiserver {VERSION}; this takes some minutes");
    let go = |arguments: &[&str]| -> Result<()> {
        let status = Command::new("go").args(arguments).current_dir(&source).status().context("go")?;
        if status.success() { Ok(()) } else { bail!("go {} failed", arguments.join(" ")) }
    };
    go(&["mod", "tidy"])?;
    go(&["build", "-ldflags", "-s -w", "-o", &to.to_string_lossy(), "."])
}
