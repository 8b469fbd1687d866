//! The git and ssh-keygen of this machine: what they sign is proven, and what is proven they accept.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use linkward_model::{Code, Instant};
use linkward_prove::{AllowedSigners, commit, tag};

use super::cases::cases;
use super::forge::{Kind, id_of};

fn run(program: &str, folder: &Path, arguments: &[&str]) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    for (name, value) in [
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("GIT_AUTHOR_NAME", "Test"),
        ("GIT_AUTHOR_EMAIL", "author@example.com"),
        ("GIT_COMMITTER_NAME", "Test"),
        ("GIT_COMMITTER_EMAIL", "own@example.com"),
        ("TZ", "UTC"),
    ] {
        command.env(name, value);
    }
    command.output().ok()
}

fn git(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = run("git", folder, arguments).unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Whether both programs are here; says so if not.
fn installed(folder: &Path) -> bool {
    let missing = ["git", "ssh-keygen"].into_iter().find(|program| run(program, folder, &["-?"]).is_none());
    if let Some(program) = missing {
        linkward_testkit::skipped(&format!("{program} is not installed"));
    }
    missing.is_none()
}

fn line(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap().trim().to_owned()
}

#[test]
fn git_agrees_except_where_the_table_says_so() {
    let scratch = linkward_testkit::scratch();
    if !installed(scratch.path()) {
        return;
    }
    for format in ["sha1", "sha256"] {
        git(scratch.path(), &["init", "-q", &format!("--object-format={format}"), format]);
    }
    let (mut wrong, mut stricter) = (Vec::new(), 0);
    for case in cases() {
        let folder = scratch.path().join(if case.format == 64 { "sha256" } else { "sha1" });
        std::fs::write(folder.join("object"), &case.bytes).unwrap();
        std::fs::write(folder.join("signers"), &case.signers).unwrap();
        let (kind, verify) = match case.kind {
            Kind::Commit => ("commit", "verify-commit"),
            Kind::Tag => ("tag", "verify-tag"),
        };
        let id = line(git(&folder, &["hash-object", "-w", "--literally", "-t", kind, "object"]));
        assert_eq!(id, id_of(case.kind, case.format, &case.bytes).as_str(), "{}", case.name);
        let setting = format!("gpg.ssh.allowedSignersFile={}", folder.join("signers").display());
        let accepted = run("git", &folder, &["-c", &setting, verify, &id]).unwrap().status.success();
        // Later versions of git may be stricter than the table; laxer is news.
        if accepted && !case.git {
            wrong.push(format!("{}: git accepts it", case.name));
        }
        if case.refused.is_none() && !accepted {
            wrong.push(format!("{}: accepted here, refused by git", case.name));
        }
        stricter += usize::from(case.refused.is_some() && accepted);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(stricter > 0, "the table knows where git accepts more");
}

#[test]
fn what_is_signed_here_and_now_is_proven() {
    let scratch = linkward_testkit::scratch();
    let folder = scratch.path();
    if !installed(folder) {
        return;
    }
    git(folder, &["init", "-q", "repository"]);
    let repository = folder.join("repository");
    let authority = ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", "authority"];
    assert!(run("ssh-keygen", folder, &authority).unwrap().status.success());
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let made = run("ssh-keygen", folder, &["-q", "-t", kind, "-N", "", "-C", "a comment", "-f", kind]);
        assert!(made.unwrap().status.success(), "{kind}");
        let public = std::fs::read_to_string(folder.join(kind).with_extension("pub")).unwrap();
        let signers = AllowedSigners::parse(format!("own@example.com {public}").as_bytes()).unwrap();
        let key = format!("user.signingKey={}", folder.join(kind).display());
        let ssh = ["-c", "gpg.format=ssh", "-c", &key];
        git(&repository, &[&ssh[..], &["commit", "-q", "--allow-empty", "-S", "-m", kind]].concat());
        git(&repository, &[&ssh[..], &["tag", "-s", "-m", kind, kind]].concat());
        let head = line(git(&repository, &["rev-parse", "HEAD"])).parse().unwrap();
        let bytes = git(&repository, &["cat-file", "commit", "HEAD"]);
        let proven = commit(&head, &bytes, &signers, Instant::now()).unwrap();
        let printed = run("ssh-keygen", folder, &["-l", "-f", kind]).unwrap().stdout;
        let printed = String::from_utf8(printed).unwrap();
        assert_eq!(printed.split(' ').nth(1), Some(proven.claim().signed().fingerprint()));
        let id = line(git(&repository, &["rev-parse", kind])).parse().unwrap();
        let bytes = git(&repository, &["cat-file", "tag", kind]);
        let proven = tag(&id, &bytes, &signers, Instant::now()).unwrap();
        assert_eq!((proven.claim().name(), proven.claim().target()), (kind, &head));
    }
    let certified = ["-q", "-s", "authority", "-I", "id", "-n", "own@example.com", "ed25519.pub"];
    assert!(run("ssh-keygen", folder, &certified).unwrap().status.success());
    let key = format!("user.signingKey={}", folder.join("ed25519-cert.pub").display());
    let sign = ["-c", "gpg.format=ssh", "-c", &key, "commit", "-q", "--allow-empty", "-S", "-m", "certified"];
    git(&repository, &sign);
    let head = line(git(&repository, &["rev-parse", "HEAD"])).parse().unwrap();
    let bytes = git(&repository, &["cat-file", "commit", "HEAD"]);
    let public = std::fs::read_to_string(folder.join("authority.pub")).unwrap();
    let signers =
        AllowedSigners::parse(format!("own@example.com cert-authority {public}").as_bytes()).unwrap();
    let refusal = commit(&head, &bytes, &signers, Instant::now()).unwrap_err();
    assert_eq!(refusal.code, Code::CommitSignerCertificate);
}
