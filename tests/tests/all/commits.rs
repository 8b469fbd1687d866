//! Who signed the commit that a project stands on.

use std::path::Path;
use std::process::Command;

use linkward_testkit::skipped;
use linkward_tests::Project;

/// A project whose only commit is signed by a fresh SSH key; `None` where the tools are absent.
fn signed() -> Option<(Project, String)> {
    let project = Project::new();
    let key = project.beside().join("key");
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).status();
    if !made.is_ok_and(|status| status.success()) {
        skipped("ssh-keygen is not installed");
        return None;
    }
    project.write("requirements.txt", "# nothing yet\n");
    git(&project.path(), &["init", "-q"]);
    git(&project.path(), &["add", "."]);
    let signing = format!("user.signingKey={}", key.display());
    let settings =
        ["-c", "gpg.format=ssh", "-c", &signing, "-c", "user.name=T", "-c", "user.email=t@example.com"];
    let commit = ["commit", "-q", "-S", "-m", "one"];
    git(&project.path(), &[&settings[..], &commit[..]].concat());
    let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
    let words: Vec<_> = public.split(' ').take(2).collect();
    Some((project, words.join(" ")))
}

fn git(folder: &Path, arguments: &[&str]) {
    let status = Command::new("git").arg("-C").arg(folder).args(arguments).status();
    assert!(status.is_ok_and(|status| status.success()), "git {arguments:?}");
}

fn allow(project: &Project, line: &str) -> String {
    let file = project.beside().join("allowed_signers");
    std::fs::write(&file, line).unwrap();
    std::fs::create_dir_all(project.path().join(".linkward")).unwrap();
    let settings = format!("[trust]\nallowed_signers = \"{}\"\n", file.display());
    std::fs::write(project.path().join(".linkward/linkward.toml"), settings).unwrap();
    project.run(&["up", "--no-serve"]).1
}

#[test]
fn a_signed_commit_is_proven_by_the_signers_that_the_operator_allows_and_by_no_others() {
    let Some((project, key)) = signed() else { return };
    let (_, text) = project.run(&["up", "--no-serve"]);
    assert!(text.contains("commit-unproven") && text.contains("no allowed signers are named"), "{text}");

    let text = allow(&project, &format!("t@example.com {key}\n"));
    assert!(text.contains("t@example.com, proven") && !text.contains("commit-"), "{text}");

    let text = allow(&project, &format!("other@example.com {key}\n"));
    assert!(text.contains("commit-signer-mismatch") && !text.contains(", proven"), "{text}");

    let text = allow(&project, "# nobody\n");
    assert!(text.contains("commit-signer-unknown"), "{text}");

    let text = allow(&project, "t@example.com\n");
    assert!(text.contains("allowed-signers-malformed") && text.contains("line 1"), "{text}");
}

#[test]
fn a_checkout_cannot_say_who_may_sign_it() {
    let Some((project, key)) = signed() else { return };
    project.write("signers", &format!("t@example.com {key}\n"));
    git(&project.path(), &["config", "gpg.ssh.allowedSignersFile", "signers"]);
    let (_, text) = project.run(&["up", "--no-serve"]);
    assert!(text.contains("commit-unproven") && !text.contains(", proven"), "{text}");
}
