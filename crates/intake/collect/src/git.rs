//! The source of a folder, as git shows it. git runs without hooks, monitors, pagers or prompts: a checkout is
//! untrusted input, and its configuration can name programs to run.

use std::fmt;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use linkward_model::Code;

/// Most that is read of any answer.
const MAX_OUTPUT: u64 = 4 << 20;
const PATIENCE: Duration = Duration::from_secs(10);

/// A checkout.
#[derive(Clone, Debug)]
pub struct GitSource {
    /// The commit that HEAD names, in hexadecimal digits.
    pub revision: String,
    pub branch: Option<String>,
    pub remote: Option<RedactedUrl>,
    pub tree: Tree,
    /// The commit object's bytes.
    pub commit: Vec<u8>,
}

/// How the working tree differs from the commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree {
    pub changed: usize,
    pub untracked: usize,
}

impl Tree {
    /// Untracked files are not the commit's content, but a build can read them: only a tree without any is clean.
    pub fn is_clean(self) -> bool {
        self.changed == 0 && self.untracked == 0
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_clean() {
            return f.write_str("clean");
        }
        write!(f, "{} changed, {} untracked", self.changed, self.untracked)
    }
}

/// A URL without user name, password or token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedactedUrl(String);

impl RedactedUrl {
    pub fn new(url: &str) -> Self {
        let bare = url.split(['?', '#']).next().unwrap_or(url);
        Self(match bare.split_once("://") {
            Some((scheme, rest)) => {
                let (authority, path) = rest.split_once('/').map_or((rest, None), |(a, p)| (a, Some(p)));
                let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
                path.map_or_else(|| format!("{scheme}://{host}"), |path| format!("{scheme}://{host}/{path}"))
            }
            None => bare.to_owned(),
        })
    }
}

impl fmt::Display for RedactedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The source could not be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct SourceUnknown {
    pub code: Code,
    pub why: String,
}

/// Looks at the checkout that a folder lies in.
///
/// # Errors
/// No git, no checkout, no commit, or git did not answer in time.
pub fn source(folder: &Path) -> Result<GitSource, SourceUnknown> {
    let unknown = |why: &str| SourceUnknown { code: Code::SourceUnknown, why: why.to_owned() };
    let text = |args: &[&str]| -> Result<String, SourceUnknown> {
        Ok(String::from_utf8_lossy(&git(folder, args)?).trim_end().to_owned())
    };
    text(&["rev-parse", "--git-dir"]).map_err(|error| {
        if error.why.starts_with("git ") && error.why.contains("not installed") {
            error
        } else {
            unknown("not a git checkout")
        }
    })?;
    let revision = text(&["rev-parse", "--verify", "--quiet", "HEAD"])
        .map_err(|_| unknown("the checkout has no commit yet"))?;
    let hex = revision.bytes().all(|b| b.is_ascii_hexdigit());
    if !hex || !matches!(revision.len(), 40 | 64) {
        return Err(unknown("git names no commit"));
    }
    let branch = text(&["symbolic-ref", "--quiet", "--short", "HEAD"]).ok().filter(|name| !name.is_empty());
    let remote = text(&["config", "--get", "remote.origin.url"]).ok().filter(|url| !url.is_empty());
    let status = text(&["status", "--porcelain=v1", "--untracked-files=normal", "--ignore-submodules=none"])?;
    let untracked = status.lines().filter(|line| line.starts_with("??")).count();
    Ok(GitSource {
        branch,
        remote: remote.map(|url| RedactedUrl::new(&url)),
        tree: Tree { changed: status.lines().count() - untracked, untracked },
        commit: git(folder, &["cat-file", "commit", &revision])?,
        revision,
    })
}

fn git(folder: &Path, args: &[&str]) -> Result<Vec<u8>, SourceUnknown> {
    let unknown = |why: String| SourceUnknown { code: Code::SourceUnknown, why };
    let mut child = Command::new("git")
        .args([
            "--no-optional-locks",
            "--no-pager",
            "-c",
            "core.fsmonitor=false",
            "-c",
            "core.hooksPath=/dev/null",
        ])
        .args(["-c", "protocol.allow=never", "-c", "diff.external=", "-c", "core.sshCommand=false"])
        .arg("-C")
        .arg(folder)
        .args(args)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|_| unknown("git is not installed".to_owned()))?;
    let output = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(output) = output {
            let _ = output.take(MAX_OUTPUT).read_to_end(&mut bytes);
        }
        bytes
    });
    let start = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(1)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(unknown(format!(
                    "git {} did not answer within 10 s",
                    args.first().unwrap_or(&"")
                )));
            }
        }
    };
    let bytes = reader.join().unwrap_or_default();
    if status.success() {
        Ok(bytes)
    } else {
        Err(unknown(format!("git {} failed", args.first().unwrap_or(&""))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }

    #[test]
    fn a_checkout_cannot_run_programs_through_its_configuration() {
        let folder = linkward_testkit::scratch();
        let path = folder.path();
        let run = |args: &[&str]| {
            let mut command = Command::new("git");
            command.arg("-C").arg(path).args(args).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().unwrap()
        };
        if !run(&["init", "-q"]).success() {
            linkward_testkit::skipped("git is not installed");
            return;
        }
        std::fs::write(path.join("file"), "1").unwrap();
        run(&["add", "file"]);
        run(&["-c", "user.name=Test", "-c", "user.email=test@example.com", "commit", "-q", "-m", "one"]);
        let marker = path.join("ran");
        let hook = format!("touch {}", marker.display());
        run(&["config", "core.fsmonitor", &hook]);
        let seen = source(path).unwrap();
        assert!(!marker.exists(), "the file system monitor of an untrusted checkout was run");
        assert_eq!(seen.tree, Tree { changed: 0, untracked: 0 });
        std::fs::write(path.join("file"), "2").unwrap();
        std::fs::write(path.join("other"), "2").unwrap();
        assert_eq!(source(path).unwrap().tree, Tree { changed: 1, untracked: 1 });
    }
}
