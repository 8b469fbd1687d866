//! What the proof of a signed commit or tag needs: the object's bytes under their id, and who may have signed.

use std::path::{Path, PathBuf};

use linkward_model::Code;

use super::run::{Git, unknown};
use super::{SourceUnknown, checkout, is_id};

/// An annotated tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagBytes {
    /// The tag object's own id, in hexadecimal digits.
    pub id: String,
    /// The object as `git cat-file tag` prints it, hashed again as a commit is.
    pub bytes: Vec<u8>,
}

/// Reads a tag by its name.
///
/// # Errors
/// No such tag, a lightweight one (which nobody can sign), or as [`source`](super::source).
pub fn tag_bytes(folder: &Path, name: &str) -> Result<TagBytes, SourceUnknown> {
    let git = checkout(folder)?;
    // What git would read as a path through history, or as an option, is no name.
    git.text(&["check-ref-format", &format!("refs/tags/{name}")])
        .map_err(|_| unknown(format!("`{}` is no name of a tag", name.escape_debug())))?;
    let id = git
        .text(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("refs/tags/{name}")])
        .map_err(|_| unknown(format!("there is no tag {name}")))?;
    if !is_id(&id) {
        return Err(unknown(format!("git names no object for tag {name}")));
    }
    if git.text(&["cat-file", "-t", &id])? != "tag" {
        return Err(unknown(format!("tag {name} is lightweight: it holds no signature")));
    }
    Ok(TagBytes { bytes: object(&git, "tag", &id)?, id })
}

/// An object's bytes, which must hash to its id: git does not look when it prints one.
pub(super) fn object(git: &Git, kind: &str, id: &str) -> Result<Vec<u8>, SourceUnknown> {
    let bytes = git.bytes(&["cat-file", kind, id])?;
    // Taken as it is: whether it is well formed is for the proof to say.
    let again = git.answer(&["hash-object", "--literally", "-t", kind, "--stdin"], &bytes);
    match again {
        Ok(again) if again == id => Ok(bytes),
        Ok(again) => {
            let why = format!("the {kind} {id} has the bytes of {again}: run git fsck");
            Err(SourceUnknown { code: Code::CommitIdMismatch, why })
        }
        Err(failed) => {
            let why = format!("the {kind} {id} could not be hashed again: {}", SourceUnknown::from(failed));
            Err(SourceUnknown { code: Code::CommitIdMismatch, why })
        }
    }
}

/// Where a setting of git stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The machine's or the user's own configuration, or the environment.
    Operator,
    /// The checkout's: whoever made the checkout may have written it.
    Checkout,
}

/// The allowed signers file that git's configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignersSetting {
    pub path: PathBuf,
    pub scope: Scope,
}

/// What `gpg.ssh.allowedSignersFile` says here. **A hint for people, never an input to a proof**: a checkout's own
/// configuration can name a file within it, and whoever writes that file decides who may sign. What counts is a file that
/// the operator names in linkward.toml or on the command line; this says which one they may have in mind.
pub fn signers_setting(folder: &Path) -> Option<SignersSetting> {
    let question = ["config", "--null", "--show-scope", "--type=path", "--get", "gpg.ssh.allowedSignersFile"];
    let answer = checkout(folder).ok()?.text(&question).ok()?;
    let (scope, path) = answer.split_once('\0')?;
    let scope = match scope {
        "system" | "global" | "command" => Scope::Operator,
        _ => Scope::Checkout,
    };
    let path = path.trim_end_matches('\0');
    (!path.is_empty()).then(|| SignersSetting { path: PathBuf::from(path), scope })
}
