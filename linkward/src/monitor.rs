//! `linkward monitor`: follows a log from what it kept of it, checks that it is still the same log, and reports entries.
//!
//! Every new entry is read and hashed on top of what was kept; the result must be the root that the log signed. So
//! neither the log nor whoever serves its files has to be trusted for anything but being there.

mod source;
mod watch;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use linkward_ledger::VerifiedCheckpoint;
use linkward_ledger::followed::Followed;
use linkward_ledger::key::NoteKey;
use linkward_ledger::note::Note;
use linkward_ledger::tile::WIDTH;
use linkward_model::{Code, Digest, Exit};
use serde_json::json;

use self::source::Source;
use self::watch::{Found, Seen, Watch};
use crate::cli::Format;
use crate::commands::{print, print_json};
use crate::log_proof::Witnesses;
use crate::table;
use crate::wire::Failure;

#[derive(Debug, Args)]
pub(crate) struct Monitor {
    /// Where the log's checkpoint and tiles are: https, http on this machine, or a folder
    #[arg(value_name = "URL|FOLDER")]
    log: String,
    /// The log's verifier key, name+hash+base64
    #[arg(long, value_name = "VKEY")]
    key: NoteKey,
    /// Where to keep what was seen [default: one file a log, in the user's state folder]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// The first time, begin at the newest checkpoint instead of the first entry
    #[arg(long)]
    from_now: bool,
    /// The authorities of an https address, PEM [default: those of this system]
    #[arg(long, value_name = "PEM")]
    ca: Option<PathBuf>,
    #[command(flatten)]
    watch: Watch,
    #[command(flatten)]
    witnesses: Witnesses,
}

/// What one run came to.
struct Run {
    from: u64,
    size: u64,
    found: Vec<Found>,
    unreadable: u64,
    /// Why the log is not the one that was kept.
    forked: Option<String>,
}

pub(crate) fn monitor(args: &Monitor, format: Format) -> Result<Exit> {
    let state = match &args.state {
        Some(path) => path.clone(),
        None => default_state(&args.key)?,
    };
    let source = Source::open(&args.log, args.ca.as_deref())?;
    let note = source.read("checkpoint")?;
    let checkpoint = VerifiedCheckpoint::open(&note, &args.key)
        .map_err(|error| Failure::new(Code::LogUnreadable, format!("checkpoint: {error}")))?;
    args.witnesses
        .policy()?
        .met(&Note::parse(&note)?)
        .map_err(|error| Failure::new(Code::WitnessesTooFew, error.to_string()))?;
    let run = follow(args, &source, &state, &checkpoint)?;
    if run.forked.is_some() {
        // The two checkpoints together are the evidence: neither may overwrite the other.
        keep(&beside(&state, &format!("refused-{}", checkpoint.size())), &note)?;
    } else {
        keep(&beside(&state, "checkpoint"), &note)?;
    }
    report(&run, checkpoint.origin(), &state, format)?;
    Ok(if run.forked.is_some() || !run.found.is_empty() {
        Exit::Denied
    } else if run.unreadable > 0 {
        Exit::Unknown
    } else {
        Exit::Allowed
    })
}

fn follow(args: &Monitor, source: &Source, state: &Path, checkpoint: &VerifiedCheckpoint) -> Result<Run> {
    let size = checkpoint.size();
    let mut followed = match load(state)? {
        Some(followed) if followed.origin() != checkpoint.origin() => anyhow::bail!(
            "{} is of log {}, this is {}; name another file with --state",
            state.display(),
            followed.origin(),
            checkpoint.origin()
        ),
        Some(followed) => followed,
        None if args.from_now => match Followed::from_peaks(checkpoint, source.peaks(size)?) {
            Ok(followed) => followed,
            Err(error) => {
                return Ok(Run::forked(
                    0,
                    size,
                    format!("the tiles are not those of the checkpoint: {error}"),
                ));
            }
        },
        None => Followed::new(checkpoint.origin()),
    };
    let from = followed.size();
    if size < from {
        return Ok(Run::forked(from, size, format!("{size} entries are shown, {from} were seen before")));
    }
    let watcher = args.watch.watcher()?;
    let mut run = Run { from, size, found: Vec::new(), unreadable: 0, forked: None };
    let mut at = from;
    while at < size {
        for entry in source.bundle(at / WIDTH, size)?.iter().skip((at % WIDTH) as usize) {
            followed.push(entry);
            match watcher.look(at, entry) {
                Seen::Reported(found) => run.found.push(found),
                Seen::Unreadable => run.unreadable += 1,
                Seen::Other => {}
            }
            at += 1;
        }
    }
    match followed.agrees(checkpoint) {
        Ok(()) => keep(state, followed.encode().as_bytes())?,
        // What such a log contains is nobody's evidence.
        Err(error) => {
            return Ok(Run::forked(
                from,
                size,
                format!("its entries are not those that its checkpoint signs: {error}"),
            ));
        }
    }
    Ok(run)
}

impl Run {
    fn forked(from: u64, size: u64, why: String) -> Self {
        Self { from, size, found: Vec::new(), unreadable: 0, forked: Some(why) }
    }
}

fn report(run: &Run, origin: &str, state: &Path, format: Format) -> Result<()> {
    let code = run.forked.as_ref().map(|_| Code::LogForked);
    if format == Format::Json {
        return print_json(&json!({
            "version": crate::wire::VERSION, "origin": origin, "from": run.from, "size": run.size,
            "consistent": run.forked.is_none(), "code": code, "message": run.forked,
            "found": run.found, "unreadable": run.unreadable, "state": state,
        }));
    }
    if let Some(why) = &run.forked {
        return print(&format!(
            "{}: {}: {}\n  fix: {}\n  both checkpoints are kept beside {}\n",
            Code::LogForked,
            table::visible(origin),
            table::visible(why),
            Code::LogForked.fix(),
            state.display()
        ));
    }
    print(&format!(
        "{}: entries {} to {}, one and the same log\n",
        table::visible(origin),
        run.from,
        run.size
    ))?;
    if !run.found.is_empty() {
        let head = ["ENTRY", "KIND", "ARTIFACT", "IDENTITY", "ISSUER", "REPOSITORY"].map(str::to_owned);
        let cell = |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), table::visible);
        let rows = run.found.iter().map(|found| {
            let who = found.identity.clone().or_else(|| found.key.as_ref().map(|key| format!("key {key}")));
            [
                found.index.to_string(),
                table::visible(&found.kind),
                cell(&found.artifact),
                cell(&who),
                cell(&found.issuer),
                cell(&found.repository),
            ]
        });
        print(&table::grid(&std::iter::once(head).chain(rows).collect::<Vec<_>>()))?;
    }
    if run.unreadable > 0 {
        print(&format!(
            "{}: {} of {} entries are of a kind that cannot be read here: whether they are among those looked for is unknown\n",
            Code::LogEntryUnsupported,
            run.unreadable,
            run.size.saturating_sub(run.from)
        ))?;
    }
    Ok(())
}

/// `None` where nothing was kept; damage is an error, or whoever spoils the file could have a fork accepted.
fn load(state: &Path) -> Result<Option<Followed>> {
    match std::fs::read_to_string(state) {
        Ok(text) => Followed::parse(&text).map(Some).with_context(|| {
            format!("{} is damaged; compare the log with a copy you trust, then remove it", state.display())
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", state.display())),
    }
}

/// Replaces a file durably.
fn keep(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write as _;
    let write = || -> std::io::Result<()> {
        let draft = beside(path, &format!("new-{}", std::process::id()));
        let mut file = std::fs::File::create(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    };
    write().with_context(|| format!("cannot keep what was seen in {}", path.display()))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{suffix}"));
    PathBuf::from(name)
}

fn default_state(key: &NoteKey) -> Result<PathBuf> {
    let folder = crate::home::memory().context("no state folder; name a file with --state")?;
    let folder = folder.with_file_name("followed");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder.join(Digest::sha256(key.to_string().as_bytes()).hex()))
}
