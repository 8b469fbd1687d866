//! Checkouts that lie, or that would run programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::*;

/// A repository with one commit, on which the tests act as its owner.
struct Repository {
    folder: tempfile::TempDir,
}

impl Repository {
    /// Says so where git is not installed.
    fn new() -> Option<Self> {
        let own = Self { folder: linkward_testkit::scratch() };
        if Command::new("git").arg("--version").output().is_err() {
            linkward_testkit::skipped("git is not installed");
            return None;
        }
        own.run(&["init", "-q"]);
        std::fs::write(own.path().join("file"), "1").unwrap();
        own.run(&["add", "file"]);
        own.commit("one");
        Some(own)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn run(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.arg("-C").arg(self.path()).args([
            "-c",
            "user.name=Test",
            "-c",
            "user.email=test@example.com",
        ]);
        command.args(["-c", "protocol.file.allow=always"]).args(arguments).stderr(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success(), "git {arguments:?}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn commit(&self, message: &str) -> String {
        self.run(&["commit", "-q", "--allow-empty", "-m", message]);
        self.run(&["rev-parse", "HEAD"])
    }

    /// A command that leaves a file behind, and the file.
    fn trap(&self) -> (String, PathBuf) {
        let marker = self.path().join(".git/ran");
        (format!("touch {} && cat", marker.display()), marker)
    }

    /// Changes a file without a change of its length, so that git has to read it.
    fn touch(&self, name: &str) {
        let path = self.path().join(name);
        let content = std::fs::read(&path).unwrap();
        std::fs::write(&path, content.iter().map(|byte| byte ^ 1).collect::<Vec<_>>()).unwrap();
    }
}

#[test]
fn credentials_do_not_stay_in_urls() {
    for (url, shown) in [
        ("https://user:token@git.example/org/repo.git", "https://git.example/org/repo.git"),
        ("https://git.example/org/repo?token=x", "https://git.example/org/repo"),
        ("git@git.example:org/repo.git", "git@git.example:org/repo.git"),
    ] {
        assert_eq!(RedactedUrl::new(url).to_string(), shown);
    }
}

#[test]
fn a_folder_without_git_is_unknown_not_an_error() {
    let folder = linkward_testkit::scratch();
    assert_eq!(source(folder.path()).unwrap_err().code, Code::SourceUnknown);
    assert_eq!(signers_setting(folder.path()), None);
}

#[test]
fn a_checkout_cannot_run_programs_through_its_configuration() {
    let Some(own) = Repository::new() else { return };
    let (trap, marker) = own.trap();
    own.run(&["config", "core.fsmonitor", &trap]);
    let seen = source(own.path()).unwrap();
    assert!(!marker.exists(), "the file system monitor of an untrusted checkout was run");
    assert_eq!(seen.tree, Tree { changed: 0, untracked: 0 });
    std::fs::write(own.path().join("file"), "2").unwrap();
    std::fs::write(own.path().join("other"), "2").unwrap();
    assert_eq!(source(own.path()).unwrap().tree, Tree { changed: 1, untracked: 1 });
}

#[test]
fn a_checkout_cannot_run_filters() {
    // A name with `=` would end early on git's command line.
    for name in ["evil", "a=b", "a.b"] {
        for program in ["clean", "process"] {
            let Some(own) = Repository::new() else { return };
            let (trap, marker) = own.trap();
            std::fs::write(own.path().join(".gitattributes"), format!("* filter={name}\n")).unwrap();
            own.run(&["add", ".gitattributes"]);
            own.commit("two");
            own.run(&["config", &format!("filter.{name}.{program}"), &trap]);
            own.run(&["config", &format!("filter.{name}.required"), "true"]);
            own.touch("file");
            assert_eq!(source(own.path()).unwrap().tree.changed, 1);
            assert!(!marker.exists(), "{name}.{program} of an untrusted checkout was run");
            Command::new("git").arg("-C").arg(own.path()).arg("status").output().unwrap();
            assert!(marker.exists(), "{name}.{program} is no trap: the test cannot fail");
        }
    }
}

#[test]
fn a_repository_within_cannot_run_filters() {
    let (Some(own), Some(inner)) = (Repository::new(), Repository::new()) else { return };
    own.run(&["submodule", "add", "-q", &inner.path().display().to_string(), "inner"]);
    own.commit("two");
    let (trap, marker) = own.trap();
    let within = own.path().join("inner");
    let run = |arguments: &[&str]| {
        assert!(Command::new("git").arg("-C").arg(&within).args(arguments).status().unwrap().success());
    };
    run(&["config", "filter.evil.clean", &trap]);
    std::fs::write(own.path().join(".git/modules/inner/info/attributes"), "* filter=evil\n").unwrap();
    own.touch("inner/file");
    assert_eq!(source(own.path()).unwrap().tree.changed, 1, "a change within is a change");
    assert!(!marker.exists(), "a filter of a submodule was run");
    Command::new("git").arg("-C").arg(own.path()).arg("status").output().unwrap();
    assert!(marker.exists(), "the filter is no trap: the test cannot fail");
}

#[test]
fn a_checkout_cannot_have_its_missing_objects_fetched_by_a_program() {
    let Some(own) = Repository::new() else { return };
    let (trap, marker) = own.trap();
    let tree = own.run(&["rev-parse", "HEAD^{tree}"]);
    let (folder, name) = tree.split_at(2);
    for (key, value) in [
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "evil"),
        // Without what `cat` would read: git waits for both ends of such a transport.
        ("remote.evil.url", &format!("ext::{}", trap.trim_end_matches(" && cat")) as &str),
        ("remote.evil.promisor", "true"),
        ("protocol.ext.allow", "always"),
    ] {
        own.run(&["config", key, value]);
    }
    std::fs::remove_file(own.path().join(".git/objects").join(folder).join(name)).unwrap();
    assert!(source(own.path()).is_err(), "what is missing is not known");
    assert!(!marker.exists(), "an object was fetched by a program");
    Command::new("git").arg("-C").arg(own.path()).arg("status").output().unwrap();
    assert!(marker.exists(), "the remote is no trap: the test cannot fail");
}

#[test]
fn a_replaced_commit_is_not_shown_in_its_place() {
    let Some(own) = Repository::new() else { return };
    let first = own.run(&["rev-parse", "HEAD"]);
    let bytes = source(own.path()).unwrap().commit;
    let other = own.commit("signed by somebody else");
    own.run(&["reset", "-q", "--hard", &first]);
    own.run(&["replace", &first, &other]);
    assert!(own.run(&["cat-file", "commit", &first]).contains("somebody else"), "git itself is taken in");
    let seen = source(own.path()).unwrap();
    assert_eq!((seen.revision, seen.commit), (first, bytes));
}

#[test]
fn a_commit_with_the_bytes_of_another_is_refused() {
    let Some(own) = Repository::new() else { return };
    let other = own.run(&["rev-parse", "HEAD"]);
    let head = own.commit("two");
    let object = |id: &str| own.path().join(".git/objects").join(&id[..2]).join(&id[2..]);
    std::fs::remove_file(object(&head)).unwrap();
    std::fs::copy(object(&other), object(&head)).unwrap();
    let refused = source(own.path()).unwrap_err();
    // Which of git's own commands notices first is its business; a yes is not possible.
    assert!(matches!(refused.code, Code::CommitIdMismatch | Code::SourceUnknown), "{refused}");
    let git = Git::new(own.path());
    if git.bytes(&["cat-file", "commit", &head]).is_ok() {
        assert_eq!(signed::object(&git, "commit", &head).unwrap_err().code, Code::CommitIdMismatch);
    }
}

#[test]
fn tags_are_read_by_name_and_lightweight_ones_are_not() {
    let Some(own) = Repository::new() else { return };
    own.run(&["tag", "-a", "-m", "annotated", "v1"]);
    own.run(&["tag", "light"]);
    let tag = tag_bytes(own.path(), "v1").unwrap();
    assert_eq!(tag.id, own.run(&["rev-parse", "v1"]));
    assert!(tag.bytes.starts_with(b"object "));
    for bad in ["light", "v2", "v1^{}", "v1~0", "-v1", "../heads/main", "", "v1 v1"] {
        assert!(tag_bytes(own.path(), bad).is_err(), "{bad}");
    }
}

#[test]
fn a_setting_of_the_checkout_is_known_as_such() {
    let Some(own) = Repository::new() else { return };
    own.run(&["config", "gpg.ssh.allowedSignersFile", "theirs"]);
    let found = signers_setting(own.path()).unwrap();
    assert_eq!(found, SignersSetting { path: PathBuf::from("theirs"), scope: Scope::Checkout });
}
