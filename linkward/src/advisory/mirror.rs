//! A mirror of the advisory database: a signed list and the files that it names, in a folder (carried across an air gap, too) or
//! on a server. Nothing counts but what the list says, and nothing is kept but the whole.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use linkward_advisory::feed::{Feed, Item, MAX_DELTAS};
use linkward_advisory::{Database, delta, replace};
use linkward_evidence::Fault;
use linkward_ledger::key::NoteKey;
use linkward_ledger::note::{Note, signature_line};
use linkward_model::{Code, Digest, Exit};

use super::exports::Exports;
use super::{failure, told};
use crate::cli::Format;
use crate::client::Url;
use crate::commands::print;
use crate::fetch::Fetcher;
use crate::progress::Progress;
use crate::wire::Failure;

/// The list's name in a mirror.
const LIST: &str = "feed";
const MAX_LIST: u64 = 1 << 20;

/// Where the files are.
enum Mirror {
    Folder(PathBuf),
    Server { base: String, kept: Exports },
}

impl Mirror {
    fn open(place: &str, near: &Path, database: &Path) -> Result<Self> {
        Ok(match place.contains("://") {
            true => Self::Server {
                base: place.trim_end_matches('/').to_owned(),
                kept: Exports::open(&database.with_extension("mirror"))?,
            },
            false => Self::Folder(near.join(place)),
        })
    }

    /// The list is asked for anew each time.
    fn list(&self) -> Result<Vec<u8>> {
        let away = |why: String| Failure::new(Code::AdvisoryUnreachable, format!("the mirror's list: {why}"));
        let found = match self {
            Self::Folder(folder) => fs::read(folder.join(LIST)).map_err(|error| away(error.to_string()))?,
            Self::Server { base, .. } => {
                let url = Url::with_query(&format!("{base}/{LIST}"))?;
                let answer = Fetcher::new()?.get(&url, &[]).map_err(|error| away(format!("{error:#}")))?;
                if answer.status != 200 {
                    return Err(away(format!("{} answers {}", url.host(), answer.status)).into());
                }
                answer.bytes(MAX_LIST).map_err(|error| away(error.to_string()))?
            }
        };
        Ok(found)
    }

    /// A file that the list names, held to what the list says of it.
    fn file(&mut self, item: &Item, progress: &Progress) -> Result<Vec<u8>> {
        let name = item.name();
        let path = match self {
            Self::Folder(folder) => folder.join(&name),
            Self::Server { base, kept } => kept.get(&name, &format!("{base}/{name}"), progress)?.path,
        };
        let bytes = fs::read(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Failure::new(Code::AdvisoryGap, format!("{name} is named by the list, and is not there"))
            }
            _ => Failure::new(Code::AdvisoryUnreachable, format!("{name}: {error}")),
        })?;
        let checked = item.check(&bytes);
        if let (Err(_), Self::Server { kept, .. }) = (&checked, self) {
            // What is wrong would be wrong the next time too.
            kept.forget(&name)?;
        }
        checked.map_err(refused)?;
        Ok(bytes)
    }
}

fn refused(fault: Fault) -> Failure {
    Failure::new(fault.code, fault.to_string())
}

/// A list whose signature is the key's.
fn signed(bytes: &[u8], key: &NoteKey) -> Result<Feed> {
    let unsigned = |why: String| Failure::new(Code::AdvisoryUnsigned, format!("the mirror's list: {why}"));
    let note = Note::parse(bytes).map_err(|error| unsigned(error.to_string()))?;
    if !note.signed_by(key) {
        return Err(unsigned(format!("is not signed by {}", key.name())).into());
    }
    Ok(Feed::parse(note.text()).map_err(refused)?)
}

/// What was accepted last; it may be newer than the mirror's, and never the other way round.
fn not_older(feed: &Feed, remembered: &Path) -> Result<()> {
    let Ok(bytes) = fs::read(remembered) else { return Ok(()) };
    // It was written by this program: one that cannot be read is damaged, and forgets what it protects from.
    let damaged = || {
        let what = format!("{} cannot be read; remove it to trust the mirror anew", remembered.display());
        Failure::new(Code::AdvisoryDamaged, what)
    };
    let known = Note::parse(&bytes).map_err(|_| damaged())?;
    let before = Feed::parse(known.text()).map_err(|_| damaged())?;
    if feed.sequence < before.sequence {
        let what =
            format!("the mirror offers {}, and {} was accepted before", feed.sequence, before.sequence);
        return Err(Failure::new(Code::AdvisoryRollback, what).into());
    }
    if feed.sequence == before.sequence && feed.database() != before.database() {
        let what = format!("two lists of number {} differ", feed.sequence);
        return Err(Failure::new(Code::AdvisoryFork, what).into());
    }
    Ok(())
}

/// Brings the database to what the mirror offers, over deltas where they lead there from what is here. What was fetched stays for
/// the next time where this ends early; the database is replaced in one step, at the end.
pub(super) fn update(mirror: &str, near: &Path, key: &NoteKey, place: &Path, format: Format) -> Result<Exit> {
    let progress = Progress::start();
    progress.say("asking the mirror");
    let mut from = Mirror::open(mirror, near, place)?;
    let list = from.list()?;
    let feed = signed(&list, key)?;
    let remembered = place.with_extension("feed");
    not_older(&feed, &remembered)?;
    let mut here = Database::open(place).ok().filter(|database| database.verify().is_ok());
    let offered = place.with_extension("offered");
    let way = feed.way(here.as_ref().map(Database::digest));
    let changed = !way.is_empty();
    for item in way {
        progress.say(&format!("taking {}", item.name()));
        let bytes = from.file(item, &progress)?;
        let next = match (&here, item.from) {
            (Some(database), Some(_)) => delta::apply(database, &bytes)
                .map_err(|error| Failure::new(error.code(), format!("{}: {error}", item.name())))?,
            _ => bytes,
        };
        replace(&offered, &next).with_context(|| format!("cannot write {}", offered.display()))?;
        let database = Database::open(&offered).map_err(|error| failure(&error))?;
        database.verify().map_err(|error| failure(&error))?;
        if database.digest() != item.to {
            let what = format!("{} does not lead to the database that the list names", item.name());
            return Err(Failure::new(Code::AdvisoryDamaged, what).into());
        }
        here = Some(database);
    }
    if changed {
        super::take(&offered, place)?;
        let _ = fs::remove_file(&offered);
    }
    replace(&remembered, &list).with_context(|| format!("cannot write {}", remembered.display()))?;
    if let Mirror::Server { kept, .. } = &mut from {
        kept.clear()?;
    }
    drop(progress);
    told(place, fs::metadata(place)?.len(), format)
}

/// Whose list it is.
#[derive(Debug, clap::Args)]
pub(crate) struct Publisher {
    /// The key that signs the list: `linkward advisory key` makes one
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The name that it signs under, as advisories.example
    #[arg(long, value_name = "NAME")]
    name: String,
}

/// Makes a key for a mirror's list, and says what its users put into their settings.
pub(super) fn make_key(out: &Path, name: &str) -> Result<Exit> {
    let key = linkward_issue::person::create(out, name)?;
    print(&format!("[advisory]\nmirror_key = \"{key}\"\n"))?;
    Ok(Exit::Allowed)
}

/// Adds a database to a mirror: as a delta to the one before it, and whole where that is the first or the deltas became many.
/// The list comes last: until it is there, the mirror is the one that it was.
pub(super) fn publish(folder: &Path, by: &Publisher, database: &Path, scratch: &Path) -> Result<Exit> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let new = Database::open(database).map_err(|error| failure(&error))?;
    new.verify().map_err(|error| failure(&error))?;
    let bytes = fs::read(database).with_context(|| format!("cannot read {}", database.display()))?;
    // The key signs nothing yet: it has to be there, and to be the one that signed what is there.
    let (key, _) = linkward_issue::person::sign(&by.key, &by.name, b"")?;
    let before = match fs::read(folder.join(LIST)) {
        Ok(list) => Some(signed(&list, &key)?),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", folder.display())),
    };
    let whole = |sequence| Item {
        sequence,
        size: bytes.len() as u64,
        file: Digest::sha256(&bytes),
        from: None,
        to: new.digest(),
    };
    let feed = match before {
        None => Feed { sequence: 1, base: whole(1), deltas: Vec::new() },
        Some(before) if before.database() == new.digest() => {
            print(&format!("{}: nothing new\n", folder.display()))?;
            return Ok(Exit::Allowed);
        }
        Some(before) => {
            let old = latest(folder, &before, scratch)?;
            let changes =
                delta::diff(&old, &new).map_err(|error| Failure::new(error.code(), error.to_string()))?;
            let sequence = before.sequence + 1;
            let item = Item {
                sequence,
                size: changes.len() as u64,
                file: Digest::sha256(&changes),
                from: Some(old.digest()),
                to: new.digest(),
            };
            put(folder, &item, &changes)?;
            let mut feed = Feed { sequence, ..before };
            feed.deltas.push(item);
            let since_base = feed.deltas.iter().filter(|delta| delta.sequence > feed.base.sequence).count();
            if since_base >= MAX_DELTAS {
                feed.base = whole(sequence);
            }
            let spare = feed.deltas.len().saturating_sub(MAX_DELTAS);
            feed.deltas.drain(..spare);
            feed
        }
    };
    if feed.base.sequence == feed.sequence {
        put(folder, &feed.base, &bytes)?;
    }
    let text = feed.to_string();
    let (key, signature) = linkward_issue::person::sign(&by.key, &by.name, text.as_bytes())?;
    let list = format!("{text}\n{}", signature_line(&key, &signature));
    replace(&folder.join(LIST), list.as_bytes())
        .with_context(|| format!("cannot write {}", folder.display()))?;
    let last = feed.deltas.last().filter(|delta| delta.sequence == feed.sequence).unwrap_or(&feed.base);
    print(&format!(
        "{}: {} of {} bytes, signed by {}\n",
        folder.display(),
        last.name(),
        last.size,
        key.name()
    ))?;
    Ok(Exit::Allowed)
}

fn put(folder: &Path, item: &Item, bytes: &[u8]) -> Result<()> {
    replace(&folder.join(item.name()), bytes).with_context(|| format!("cannot write {}", folder.display()))
}

/// The newest database of a mirror, made of the files that lead to it.
fn latest(folder: &Path, feed: &Feed, scratch: &Path) -> Result<Database> {
    let mut mirror = Mirror::Folder(folder.to_path_buf());
    let quiet = Progress::start();
    let mut at: Option<Database> = None;
    for item in feed.way(None) {
        let bytes = mirror.file(item, &quiet)?;
        let next = match &at {
            Some(database) => delta::apply(database, &bytes)
                .map_err(|error| Failure::new(error.code(), error.to_string()))?,
            None => bytes,
        };
        replace(scratch, &next).with_context(|| format!("cannot write {}", scratch.display()))?;
        at = Some(Database::open(scratch).map_err(|error| failure(&error))?);
    }
    let _ = fs::remove_file(scratch);
    at.context("a list names a database")
}
