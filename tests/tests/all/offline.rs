//! Offline means offline: in a network namespace without routes the same is proven, and no socket is opened at all.

use std::process::Command;

use linkward_tests::{Project, built};

const SUBJECT: &str =
    "https://github.com/prefix-dev/sigstore-example/.github/workflows/action.yaml@refs/heads/main";
const ISSUER: &str = "https://token.actions.githubusercontent.com";

/// What traces system calls, and what makes a namespace.
fn can_trace() -> bool {
    for program in ["strace", "unshare"] {
        if Command::new(program).arg("--version").output().is_err() {
            linkward_testkit::skipped(&format!("{program} is not installed"));
            return false;
        }
    }
    let namespace = Command::new("unshare").args(["--net", "strace", "-o", "/dev/null", "true"]).output();
    if !namespace.is_ok_and(|output| output.status.success()) {
        linkward_testkit::skipped("no network namespace may be made, or nothing may be traced");
        return false;
    }
    true
}

/// Runs a command without routes; its exit code, and the network calls that it made.
fn traced(project: &Project, program: &str, args: &[&str]) -> (i32, Vec<String>) {
    let trace = project.beside().join("trace");
    let output = Command::new("unshare")
        .args(["--net", "strace", "-f", "-qq", "-e", "trace=%network", "-o"])
        .arg(&trace)
        .arg(program)
        .args(args)
        .current_dir(project.path())
        .env("XDG_STATE_HOME", project.beside().join("state"))
        .env_remove("LINKWARD_HOME")
        .output()
        .unwrap();
    let calls = std::fs::read_to_string(trace).unwrap();
    // The end of a process is listed too.
    let calls = calls.lines().filter(|line| !line.contains("+++")).map(str::to_owned).collect();
    (output.status.code().unwrap_or(-1), calls)
}

#[test]
fn proof_opens_no_socket() {
    let Some(folder) = linkward_testkit::vectors().map(|vectors| vectors.join("bundles")) else { return };
    if !can_trace() {
        return;
    }
    let project = Project::new();
    let binary = built().binary.display().to_string();
    let path = |name: &str| folder.join(name).display().to_string();
    let bundle = path("conda-attestation.sigstore.json");
    let artifact = path("signed-package-2.1.0-hb0f4dca_0.conda");
    for (identity, command, exit) in [
        (SUBJECT, &["verify", "--bundle", &bundle, "--identity"][..], 0),
        ("https://github.com/else", &["verify", "--bundle", &bundle, "--identity"], 1),
        (SUBJECT, &["verify-bundle", "--bundle", &bundle, "--certificate-identity"], 0),
    ] {
        let issuer = if command[0] == "verify" { "--issuer" } else { "--certificate-oidc-issuer" };
        let args: Vec<&str> =
            command.iter().copied().chain([identity, issuer, ISSUER, artifact.as_str()]).collect();
        let (found, calls) = traced(&project, &binary, &args);
        assert_eq!(found, exit, "{args:?}");
        assert!(calls.is_empty(), "{args:?}: {calls:?}");
    }
}

/// The trace sees a socket where there is one.
#[test]
fn a_socket_would_be_seen() {
    if !can_trace() {
        return;
    }
    let project = Project::new();
    let (_, calls) = traced(&project, "bash", &["-c", "exec 3<>/dev/udp/127.0.0.1/9"]);
    assert!(calls.iter().any(|call| call.contains("socket(")), "{calls:?}");
}
