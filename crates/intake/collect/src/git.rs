//! The source of a folder, as git shows it. git runs without hooks, monitors, filters, pagers or prompts: a checkout is
//! untrusted input, and its configuration can name programs to run.

mod refs;
mod run;
mod signed;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;

use linkward_model::Code;

use run::{Failed, Git, unknown};

pub use refs::{CommitBytes, Reference, Watched};
pub use signed::{Scope, SignersSetting, TagBytes, signers_setting, tag_bytes};

/// A checkout.
#[derive(Clone, Debug)]
pub struct GitSource {
    /// The commit that HEAD names, in hexadecimal digits.
    pub revision: String,
    pub branch: Option<String>,
    pub remote: Option<RedactedUrl>,
    pub tree: Tree,
    /// The commit object's bytes. git hashed them again to this very revision; a git with its usual SHA-1 also refuses
    /// bytes that look like half of a collision. The files behind the commit are as `git fsck` finds them.
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
/// No git, no checkout, no commit, git did not answer in time, or the commit is not what its id says.
pub fn source(folder: &Path) -> Result<GitSource, SourceUnknown> {
    let git = checkout(folder)?.without_filters()?;
    let revision = git
        .text(&["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])
        .map_err(|_| unknown("the checkout has no commit yet"))?;
    if !is_id(&revision) {
        return Err(unknown("git names no commit"));
    }
    let branch = git.text(&["symbolic-ref", "--quiet", "--short", "HEAD"]).ok();
    let remote = git.text(&["config", "--get", "remote.origin.url"]).ok();
    let status =
        git.text(&["status", "--porcelain=v1", "--untracked-files=normal", "--ignore-submodules=none"])?;
    let untracked = status.lines().filter(|line| line.starts_with("??")).count();
    Ok(GitSource {
        branch: branch.filter(|name| !name.is_empty()),
        remote: remote.filter(|url| !url.is_empty()).map(|url| RedactedUrl::new(&url)),
        tree: Tree { changed: status.lines().count() - untracked, untracked },
        commit: signed::object(&git, "commit", &revision)?,
        revision,
    })
}

/// git over a folder, if that lies in a checkout.
fn checkout(folder: &Path) -> Result<Git, SourceUnknown> {
    let git = Git::new(folder);
    match git.text(&["rev-parse", "--git-dir"]) {
        Ok(_) => Ok(git),
        Err(Failed::Status(..)) => Err(unknown("not a git checkout")),
        Err(failed) => Err(failed.into()),
    }
}

fn is_id(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) && matches!(text.len(), 40 | 64)
}
