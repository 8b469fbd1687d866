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

/// The same with OpenPGP, by a key that gpg makes here.
#[test]
fn a_commit_that_gpg_signed_is_proven_by_the_keyring_that_the_operator_names() {
    let project = Project::new();
    let home = project.beside().join("gnupg");
    std::fs::create_dir(&home).unwrap();
    std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let gpg = |arguments: &[&str]| {
        let quiet = ["-q", "--batch", "--pinentry-mode", "loopback", "--passphrase", ""];
        Command::new("gpg").env("GNUPGHOME", &home).args(quiet).args(arguments).output()
    };
    if !gpg(&["--quick-generate-key", "T <t@example.com>", "ed25519", "sign", "0"])
        .is_ok_and(|made| made.status.success())
    {
        skipped("gpg is not installed");
        return;
    }
    project.write("requirements.txt", "# nothing yet\n");
    git(&project.path(), &["init", "-q"]);
    git(&project.path(), &["add", "."]);
    let commit = Command::new("git")
        .env("GNUPGHOME", &home)
        .arg("-C")
        .arg(project.path())
        .args(["-c", "user.name=T", "-c", "user.email=t@example.com", "-c", "user.signingKey=t@example.com"])
        .args(["-c", "gpg.format=openpgp", "commit", "-q", "-S", "-m", "one"])
        .status();
    assert!(commit.unwrap().success());
    let exported = gpg(&["--export", "--armor", "t@example.com"]).unwrap().stdout;
    let _ = Command::new("gpgconf").env("GNUPGHOME", &home).args(["--kill", "all"]).status();

    let (_, text) = project.run(&["up", "--no-serve"]);
    assert!(text.contains("commit-unproven"), "{text}");
    let file = project.beside().join("keyring.asc");
    let with = |content: &[u8]| {
        std::fs::write(&file, content).unwrap();
        project.write(".linkward/linkward.toml", &format!("[trust]\nkeyring = \"{}\"\n", file.display()));
        project.run(&["up", "--no-serve"]).1
    };
    let text = with(&exported);
    assert!(text.contains("t@example.com, proven") && !text.contains("commit-"), "{text}");
    let text = with(b"no keys");
    assert!(text.contains("keyring-malformed") && !text.contains(", proven"), "{text}");
    let others = linkward_tests::root().join("crates/proof/prove/testdata/openpgp/keyring.asc");
    let text = with(&std::fs::read(others).unwrap());
    assert!(text.contains("commit-signer-unknown"), "{text}");
}

/// The same with an S/MIME certificate, by openssl in the place of gpgsm.
#[test]
fn a_commit_with_a_certificate_is_proven_by_the_authorities_that_the_operator_names() {
    let project = Project::new();
    let folder = project.beside().join("smime");
    std::fs::create_dir(&folder).unwrap();
    let script = r#"set -e
        authority="-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign"
        for name in ca other; do
            openssl req -x509 -newkey rsa:2048 -nodes -keyout $name.key -out $name.pem -days 9 -subj /CN=$name $authority
        done
        openssl req -newkey rsa:2048 -nodes -keyout own.key -out own.csr -subj /CN=T
        printf 'subjectAltName=email:t@example.com\nextendedKeyUsage=emailProtection\n' > own.ext
        openssl x509 -req -in own.csr -CA ca.pem -CAkey ca.key -days 9 -extfile own.ext -out own.pem
        printf '#!/bin/sh\ncd %s\nopenssl cms -sign -binary -signer own.pem -inkey own.key -outform PEM \
            | sed "s/ CMS-/ SIGNED MESSAGE-/"\necho "\n[GNUPG:] SIG_CREATED " >&2\n' "$PWD" > program
        chmod +x program"#;
    let made = Command::new("sh").args(["-c", script]).current_dir(&folder).output();
    if !made.is_ok_and(|made| made.status.success()) {
        skipped("openssl is not installed");
        return;
    }
    project.write("requirements.txt", "# nothing yet\n");
    git(&project.path(), &["init", "-q"]);
    git(&project.path(), &["add", "."]);
    let program = format!("gpg.x509.program={}", folder.join("program").display());
    let settings =
        ["-c", "gpg.format=x509", "-c", &program, "-c", "user.name=T", "-c", "user.email=t@example.com"];
    git(&project.path(), &[&settings[..], &["commit", "-q", "-S", "-m", "one"]].concat());

    let (_, text) = project.run(&["up", "--no-serve"]);
    assert!(text.contains("commit-unproven"), "{text}");
    let with = |setting: &str, name: &str| {
        let file = folder.join(name);
        let settings = format!("[trust]\n{setting} = \"{}\"\n", file.display());
        project.write(".linkward/linkward.toml", &settings);
        project.run(&["up", "--no-serve"]).1
    };
    let text = with("commit_authorities", "other.pem");
    assert!(text.contains("commit-signer-unknown") && !text.contains(", proven"), "{text}");
    let text = with("commit_authorities", "ca.pem");
    assert!(text.contains("t@example.com, proven") && !text.contains("commit-"), "{text}");
    let text = with("commit_authorities", "own.key");
    assert!(text.contains("commit-authorities-malformed") && text.contains("line 1"), "{text}");
    let text = with("commit_identities", "own.key");
    assert!(text.contains("commit-identities-malformed") && text.contains("line 1"), "{text}");
}
