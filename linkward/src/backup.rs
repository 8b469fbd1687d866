//! `linkward backup` and `linkward restore`: a copy made while the daemon runs, and a home made from it.
//!
//! A restored home opens new logs: entries that came after the backup may be missing, and a log that forgot entries must
//! not go on under the key that signed them. The new ones have the same trees, and name the old ones.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use linkward_issue::sigstore::instance::LogKey;
use linkward_ledger::{LogName, VerifiedCheckpoint};
use linkward_model::{Code, Exit, Instant};
use serde::{Deserialize, Serialize};

use crate::access::Access;
use crate::cli::Format;
use crate::commands::{nearest, print, print_json};
use crate::engine::{Engine, SharedSigner};
use crate::home::{Former, Home, Trust, memory, replace, write_new};
use crate::wire::{Failure, Request, VERSION};

const MANIFEST: &str = "backup.json";
/// What is copied by the store, made again, or belongs to the process that holds the home.
const SKIPPED: &[&str] =
    &["lock", "socket", "logs", "blobs", "journal", "lookup", "witness", "index.db", "gate.snapshot"];
/// Keys that a copy must not have: whoever holds an old log's key can fork it, and a witness that forgot must not cosign.
/// The authority's certificate has the home's name in it, which changes.
const LEFT_BEHIND: &[&str] =
    &["evidence.key", "certificates.key", "witness.key", "witness-ml-dsa.key", "authority.pem"];

/// The signing log has one for each rotation.
fn is_left_behind(name: &str) -> bool {
    LEFT_BEHIND.contains(&name) || name.starts_with("signing") && name.ends_with(".key")
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// A folder that is not there yet, or empty
    #[arg(value_name = "FOLDER")]
    to: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup
    #[arg(value_name = "FOLDER")]
    from: PathBuf,
    /// Accept that records which were seen at this place are lost
    #[arg(long)]
    dangerous_accept_loss: bool,
}

/// What a backup is of.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    version: u32,
    made: Instant,
    logs: Vec<Copied>,
    /// Documents that are in no backup any more, because retention deleted them.
    #[serde(default)]
    deleted: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Copied {
    origin: String,
    size: u64,
    root: String,
}

pub(crate) fn backup(args: &Backup, home: Option<&Path>, format: Format) -> Result<Exit> {
    let home = nearest(home)?;
    let to = std::path::absolute(&args.to)?;
    let made: serde_json::Value = Access::open(&home)?.ask(Request::Backup { to: to.clone() })?;
    if format == Format::Json {
        print_json(&made)?;
    } else {
        let size = made["logs"][0]["size"].as_u64().unwrap_or(0);
        let deleted = match made["deleted"].as_u64() {
            None | Some(0) => String::new(),
            Some(count) => format!("{}: {count} of their documents\n", Code::DeletedByRetention),
        };
        print(&format!(
            "{size} records in {0}, with private keys: keep it as safe as the home\n{deleted}next: linkward --home NEW restore {0}\n",
            to.display()
        ))?;
    }
    Ok(Exit::Allowed)
}

impl Engine {
    /// Copies this home while it is in use.
    pub(crate) fn backup(&self, to: &Path) -> Result<serde_json::Value> {
        let home = self.home().path();
        if std::path::absolute(to)?.starts_with(home) {
            bail!("a backup inside the home would be lost with it; name another folder");
        }
        if to.exists() && std::fs::read_dir(to)?.next().is_some() {
            bail!("{} is not empty; name a new folder", to.display());
        }
        std::fs::DirBuilder::new().mode(0o700).recursive(true).create(to)?;
        let store = self.store();
        store.seal_journal(Instant::now())?;
        let checkpoints = store.backup(to)?;
        copy_rest(home, to, true)?;
        let logs = checkpoints.iter().map(|(_, checkpoint)| Copied {
            origin: checkpoint.origin().to_owned(),
            size: checkpoint.size(),
            root: checkpoint.root().to_string(),
        });
        let manifest = Manifest {
            version: VERSION,
            made: Instant::now(),
            logs: logs.collect(),
            deleted: store.deleted()?,
        };
        // The last file written: without it nothing is taken for a backup.
        write_new(&to.join(MANIFEST), &serde_json::to_vec_pretty(&manifest)?)?;
        std::fs::File::open(to)?.sync_all()?;
        Ok(serde_json::to_value(manifest)?)
    }
}

/// Copies everything else of a home: settings, keys, databases, whole.
fn copy_rest(from: &Path, to: &Path, top: bool) -> Result<()> {
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let skipped = top && SKIPPED.contains(&name.as_str())
            || is_left_behind(&name)
            || [".new", ".signed", "-wal", "-shm"].iter().any(|end| name.ends_with(end));
        if skipped {
            continue;
        }
        let (kind, target) = (entry.file_type()?, to.join(&name));
        if kind.is_dir() {
            std::fs::DirBuilder::new().mode(0o700).recursive(true).create(&target)?;
            copy_rest(&path, &target, false)?;
        } else if name.ends_with(".db") {
            linkward_record::state::copy(&path, &target)
                .with_context(|| format!("cannot copy {}", path.display()))?;
            std::fs::File::open(&target)?.sync_all()?;
        } else if kind.is_file() {
            std::fs::copy(&path, &target).with_context(|| format!("cannot copy {}", path.display()))?;
            std::fs::File::open(&target)?.sync_all()?;
        }
    }
    std::fs::File::open(to)?.sync_all()?;
    Ok(())
}

pub(crate) fn restore(args: &Restore, home: Option<&Path>, format: Format) -> Result<Exit> {
    let home = Home::of_project(home, &std::env::current_dir()?)?;
    if home.path().exists() {
        bail!("{} exists; move it away, or name another with --home", home.path().display());
    }
    let path = args.from.join(MANIFEST);
    let text = std::fs::read(&path)
        .with_context(|| format!("cannot read {}: is it a whole backup?", path.display()))?;
    let manifest: Manifest =
        serde_json::from_slice(&text).with_context(|| format!("{} is malformed", path.display()))?;
    if manifest.version != VERSION {
        let message = format!("the backup is of version {}", manifest.version);
        return Err(Failure::new(Code::UnsupportedVersion, message).into());
    }
    accept(&home, &manifest, args.dangerous_accept_loss)?;
    let parent = home.path().parent().context("the home needs a folder to stand in")?;
    let draft = parent.join(format!(".linkward.restore-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&draft);
    let made = fill(&args.from, &draft).and_then(|()| {
        std::fs::rename(&draft, home.path())?;
        Ok(std::fs::File::open(parent)?.sync_all()?)
    });
    if made.is_err() {
        let _ = std::fs::remove_dir_all(&draft);
    }
    made.with_context(|| format!("cannot restore {}", args.from.display()))?;
    // The first record of the new log names the old one.
    let engine = Engine::open(&home)?;
    let size = engine.store().checkpoint(LogName::Evidence)?;
    engine.close();
    drop(engine);
    if format == Format::Table {
        print(&format!(
            "{} records restored to {}; they go on as log {}\nthose who pinned the old logs' keys need trust.json and trusted_root.json again\n",
            size.size(),
            home.path().display(),
            size.origin()
        ))?;
    }
    crate::verify::log(&home, format)
}

/// Whether what was seen at this place is in the backup.
fn accept(home: &Home, manifest: &Manifest, loss: bool) -> Result<()> {
    let Some(memory) = memory() else { return Ok(()) };
    let Some(seen) = linkward_record::seen::last(&memory, home.path()) else { return Ok(()) };
    let covers = |copied: &Copied| copied.origin == seen.origin && copied.size >= seen.size;
    if manifest.logs.iter().any(covers) {
        return Ok(());
    }
    if loss {
        linkward_record::seen::forget(&memory, home.path())?;
        return Ok(());
    }
    let message = format!(
        "{} records of {} were seen at this place, the backup does not have all of them; restore a newer one, or accept the loss with --dangerous-accept-loss",
        seen.size, seen.origin
    );
    Err(Failure::new(Code::RecordRolledBack, message).into())
}

fn fill(from: &Path, draft: &Path) -> Result<()> {
    std::fs::DirBuilder::new().mode(0o700).create(draft)?;
    copy_whole(from, draft)?;
    std::fs::remove_file(draft.join(MANIFEST))?;
    let file = Home::at(draft);
    let old = file.trust()?;
    let now = Instant::now();
    let logs: Vec<LogName> = old.logs.iter().map(|log| log.name).collect();
    let keys = linkward_issue::create_log_keys(&file.keys(), &logs)?;
    let mut trust = Trust::renamed(&old, &keys)?;
    let mut signer = SharedSigner::new(file.keys());
    let mut former = Former { id: old.id.clone(), until: now, logs: Vec::new(), checkpoints: Vec::new() };
    for (before, after) in old.logs.iter().zip(&trust.logs) {
        let folder = draft.join("logs").join(before.name.as_str());
        let checkpoint: VerifiedCheckpoint =
            linkward_record::rename_log(&folder, before, after, &mut signer)?;
        former.checkpoints.push(String::from_utf8_lossy(checkpoint.note()).into_owned());
        former.logs.push(before.clone());
    }
    trust.former.push(former);
    renew(&file, &old, &trust, now)
}

/// What was signed in the old signing log stays proven, what is signed in the new one is.
fn renew(home: &Home, old: &Trust, new: &Trust, now: Instant) -> Result<()> {
    let signing = |trust: &Trust| {
        trust.logs.iter().find(|log| log.name == LogName::Signing).cloned().context("no signing log")
    };
    let (before, after) = (signing(old)?, signing(new)?);
    let missing = "the home that was copied has no private Sigstore; `linkward sigstore init` makes it one";
    let mut instance = home.instance()?.ok_or_else(|| Failure::new(Code::SigstoreMissing, missing))?;
    let first = |key: String, start| LogKey { number: 1, key, start, end: None };
    if instance.log_keys.is_empty() {
        instance.log_keys.push(first(before.key, old.created));
    }
    for known in &mut instance.log_keys {
        known.number = 1;
        known.end = Some(known.end.map_or(now, |end| end.min(now)));
    }
    instance.log_keys.push(first(after.key.clone(), now));
    let root = serde_json::to_vec_pretty(&instance.trusted_root(&after, new.created)?)?;
    replace(&home.path().join("trusted_root.json"), &root)?;
    replace(&home.path().join("sigstore/instance.json"), &serde_json::to_vec_pretty(&instance)?)?;
    replace(&home.path().join("trust.json"), &serde_json::to_vec_pretty(new)?)
}

fn copy_whole(from: &Path, to: &Path) -> Result<()> {
    for entry in std::fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            std::fs::DirBuilder::new().mode(0o700).create(&target)?;
            copy_whole(&path, &target)?;
        } else {
            std::fs::copy(&path, &target).with_context(|| format!("cannot copy {}", path.display()))?;
            std::fs::File::open(&target)?.sync_all()?;
        }
    }
    std::fs::File::open(to)?.sync_all()?;
    Ok(())
}
