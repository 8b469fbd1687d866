//! The way back in Git: one file, its image lines alone, one commit. Pushing it is yours, or your pull request's.

use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use linkward_deploy::{Pin, repin};
use serde_json::{Value, json};

use super::{Rollback, Target, unclear};
use crate::access::Access;
use crate::wire::{Deploy, Request};

pub(super) struct Draft {
    folder: PathBuf,
    file: PathBuf,
    text: String,
    pins: Vec<Pin>,
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git").arg("-C").arg(folder).args(arguments).output().context("git")?;
    if !output.status.success() {
        bail!("git {}: {}", arguments.first().unwrap_or(&""), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

pub(super) fn draft(folder: &Path, file: &Path, target: &Target) -> Result<Draft> {
    if !file.components().all(|part| matches!(part, Component::Normal(_))) {
        bail!("{}: name the manifest by its path inside the checkout", file.display());
    }
    let path = folder.join(file);
    // A link could lead out of the checkout.
    let whole = path.canonicalize().with_context(|| format!("cannot read {}", path.display()))?;
    if !whole.starts_with(folder.canonicalize()?) {
        bail!("{} leads out of the checkout", file.display());
    }
    let name = file.to_string_lossy();
    if !git(folder, &["status", "--porcelain", "--", &name])?.is_empty() {
        bail!("{} has changes that are not committed; commit or stash them first", file.display());
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let (text, pins) = repin(&text, &target.workload, &target.images)
        .map_err(|error| unclear(&format!("{}: {error}", file.display())))?;
    Ok(Draft { folder: folder.to_path_buf(), file: file.to_path_buf(), text, pins })
}

impl Draft {
    pub(super) fn shown(&self) -> String {
        let lines = self.pins.iter().map(|pin| format!("  - {}\n  + {}\n", pin.old, pin.new));
        format!("{}\n{}", self.file.display(), lines.collect::<String>())
    }

    pub(super) fn commit(self, access: &Access, args: &Rollback, target: &Target) -> Result<Value> {
        if self.pins.is_empty() {
            let text = format!("{} says so already: nothing was committed\n", self.file.display());
            return Ok(json!({ "applied": "git", "commit": null, "pins": [], "text": text }));
        }
        let ask = Deploy::Begin {
            workload: target.workload.clone(),
            from: target.from,
            to: target.to,
            automatic: false,
            author: args.author.clone(),
            reason: args.reason.clone(),
        };
        let begun: Value = access.ask(Request::Deploy { ask })?;
        std::fs::write(self.folder.join(&self.file), &self.text)?;
        let subject = format!("Roll {} back to revision {}", target.workload, target.to);
        let record = begun.get("record").and_then(Value::as_u64).unwrap_or(0);
        let body = format!("{}\n\nLinkward-Record: {record}", args.reason);
        let name = self.file.to_string_lossy();
        git(&self.folder, &["commit", "--quiet", "-m", &subject, "-m", &body, "--", &name])?;
        let commit = git(&self.folder, &["rev-parse", "HEAD"])?;
        let text = format!("committed {commit}: {subject}\nnext: push it; the cluster follows\n");
        Ok(json!({ "applied": "git", "commit": commit, "pins": self.pins, "text": text }))
    }
}
