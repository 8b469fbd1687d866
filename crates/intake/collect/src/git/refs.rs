//! What the references of a repository name, and how what they name hangs together: for whoever watches it.

use std::path::Path;

use super::run::{Failed, Git};
use super::{SourceUnknown, is_id, signed};

/// A reference and the commit behind it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// `refs/heads/main`, `refs/tags/v1`.
    pub name: String,
    /// The object that it names: of an annotated tag the tag.
    pub id: String,
    /// The commit behind a tag.
    pub commit: String,
}

/// A commit as git keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitBytes {
    pub id: String,
    pub bytes: Vec<u8>,
}

/// A repository that is watched, checked out or bare.
#[derive(Debug)]
pub struct Watched {
    git: Git,
}

impl Watched {
    pub fn new(folder: &Path) -> Self {
        Self { git: Git::new(folder) }
    }

    /// Branches and tags.
    ///
    /// # Errors
    /// Not a repository, too many references, or no git: never an empty list instead.
    pub fn references(&self) -> Result<Vec<Reference>, SourceUnknown> {
        let format = "--format=%(refname) %(objectname) %(*objectname)";
        let listed = self.git.text(&["for-each-ref", format, "refs/heads", "refs/tags"])?;
        let mut found = Vec::new();
        for line in listed.lines() {
            let mut words = line.split(' ');
            let (Some(name), Some(id)) = (words.next(), words.next()) else { continue };
            let peeled = words.next().filter(|peeled| is_id(peeled)).unwrap_or(id);
            if is_id(id) {
                found.push(Reference { name: name.to_owned(), id: id.to_owned(), commit: peeled.to_owned() });
            }
        }
        found.sort();
        Ok(found)
    }

    /// Whether one commit is among the ancestors of another; not known where one of them is gone.
    pub fn descends(&self, from: &str, to: &str) -> Option<bool> {
        if !is_id(from) || !is_id(to) {
            return None;
        }
        match self.git.bytes(&["merge-base", "--is-ancestor", from, to]) {
            Ok(_) => Some(true),
            Err(Failed::Status(_, Some(1))) => Some(false),
            Err(_) => None,
        }
    }

    /// Whether a branch has the commit among its ancestors; not known where git cannot say.
    pub fn on_a_branch(&self, commit: &str) -> Option<bool> {
        if !is_id(commit) {
            return None;
        }
        let contains = format!("--contains={commit}");
        let answer = self.git.text(&["for-each-ref", "--count=1", &contains, "refs/heads", "refs/remotes"]);
        answer.ok().map(|answer| !answer.is_empty())
    }

    /// Commits that one has and another had not, newest first, at most so many.
    ///
    /// # Errors
    /// git cannot read them.
    pub fn new_commits(
        &self,
        from: Option<&str>,
        to: &str,
        most: usize,
    ) -> Result<Vec<CommitBytes>, SourceUnknown> {
        let ids: Vec<&str> = from.into_iter().chain([to]).collect();
        if !ids.iter().all(|id| is_id(id)) {
            return Ok(Vec::new());
        }
        let (limit, without) = (format!("--max-count={most}"), from.map(|from| format!("^{from}")));
        let mut arguments = vec!["rev-list", limit.as_str(), to];
        arguments.extend(without.as_deref());
        arguments.push("--");
        let listed = self.git.text(&arguments)?;
        let mut found = Vec::new();
        for id in listed.lines().filter(|id| is_id(id)) {
            found.push(CommitBytes { id: id.to_owned(), bytes: signed::object(&self.git, "commit", id)? });
        }
        Ok(found)
    }
}
