//! `linkward advisory`: make, renew and look into the advisory file.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use linkward_advisory::{Builder, Database, DatabaseError, Meta, Priorities, gather, replace};
use linkward_model::{Code, Exit, Instant};
use serde_json::{Value, json};

use crate::cli::Format;
use crate::commands::{complain, print, print_json};
use crate::config::Config;
use crate::home::Home;
use crate::progress::Progress;
use crate::table::{self, Style};
use crate::wire::{Failure, VERSION};

mod exports;
mod mirror;

const NAME: &str = "advisories.lwa";
const DAY: i64 = 86_400_000;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make the database from OSV records: folders, zip exports, single files; JSON, YAML or RustSec's own format
    Build {
        #[arg(required = true, value_name = "SOURCE")]
        sources: Vec<PathBuf>,
        /// The file to write [default: where `scan` looks for it]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// The day up to which the sources speak, as 2026-01-31 [default: that of the newest record in each]
        #[arg(long, value_name = "DAY")]
        as_of: Option<String>,
        /// An ecosystem that the sources cover in full; may be repeated [default: every one that they hold]
        #[arg(long = "covers", value_name = "ECOSYSTEM")]
        covers: Vec<String>,
        /// CISA's catalogue of what is known to be exploited, JSON
        #[arg(long, value_name = "FILE")]
        kev: Option<PathBuf>,
        /// FIRST's scores of how likely each is to be exploited, CSV, packed or not
        #[arg(long, value_name = "FILE")]
        epss: Option<PathBuf>,
    },
    /// Renew the database: from the mirror that linkward.toml names, or from OSV's exports by ecosystem, of which what changed is fetched
    Update {
        /// An ecosystem to fetch, as OSV spells it; may be repeated [default: of linkward.toml, or those of languages]
        #[arg(long = "ecosystem", value_name = "NAME")]
        ecosystems: Vec<String>,
    },
    /// Add the database to a mirror: a folder of deltas under a signed list, to be served or carried to where `update` takes it
    Publish {
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        #[command(flatten)]
        by: mirror::Publisher,
        #[arg(long, value_name = "FILE")]
        database: Option<PathBuf>,
    },
    /// Make a key for a mirror's list, and print the setting by which its users trust it
    Key {
        #[arg(value_name = "FILE")]
        out: PathBuf,
        /// The name that it signs under, as advisories.example
        #[arg(long, value_name = "NAME")]
        name: String,
    },
    /// What the database covers and how old it is: exit code 3 where something is stale or unreadable
    Status {
        #[arg(long, value_name = "FILE")]
        database: Option<PathBuf>,
    },
    /// Show an advisory by its id or an alias
    Show {
        #[arg(value_name = "ID")]
        id: String,
        #[arg(long, value_name = "FILE")]
        database: Option<PathBuf>,
    },
}

pub(crate) fn run(command: &Command, home: Option<&Path>, format: Format) -> Result<Exit> {
    match command {
        Command::Build { sources, output, as_of, covers, kev, epss } => {
            let output =
                output.clone().map_or_else(|| Place::find(None, home).map(|place| place.path), Ok)?;
            let as_of = as_of.as_deref().map(day).transpose()?;
            let sources: Vec<_> = sources.iter().map(PathBuf::as_path).collect();
            let sources: Vec<_> = sources.iter().map(|path| (*path, as_of)).collect();
            build(&sources, &output, covers, priorities(kev.as_deref(), epss.as_deref())?, format)
        }
        Command::Update { ecosystems } => update(home, ecosystems, format),
        Command::Publish { folder, by, database } => {
            let database = Place::find(database.as_deref(), home)?.path;
            mirror::publish(folder, by, &database, &folder.join("latest.offered"))
        }
        Command::Key { out, name } => mirror::make_key(out, name),
        Command::Status { database } => status(&Place::find(database.as_deref(), home)?, format),
        Command::Show { id, database } => show(id, &Place::find(database.as_deref(), home)?, format),
    }
}

/// Where the database lies, and how old it may be.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    pub(crate) max_age_days: i64,
}

impl Place {
    /// Given, or of the home, or of the user.
    pub(crate) fn find(given: Option<&Path>, home: Option<&Path>) -> Result<Self> {
        let home = match home {
            Some(_) => Some(crate::commands::nearest(home)?),
            None => crate::commands::nearest(None).ok(),
        };
        let config = home.as_ref().map_or_else(|| Ok(Config::default()), Home::config)?;
        let of_home = home.as_ref().map(|home| home.path().join(NAME));
        let path = match (given, of_home) {
            (Some(given), _) => given.to_path_buf(),
            (None, Some(of_home)) if of_home.exists() => of_home,
            (None, of_home) => of_user()
                .filter(|path| of_home.is_none() || path.exists())
                .or(of_home)
                .context("name the database with --database: there is no home folder to keep it in")?,
        };
        Ok(Self { path, max_age_days: config.advisory_max_age_days })
    }

    /// The database, or `None` where there is none yet.
    pub(crate) fn open(&self) -> Result<Option<Database>> {
        match Database::open(&self.path) {
            Ok(database) => Ok(Some(database)),
            Err(DatabaseError::Read(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failure(&error)),
        }
    }

    fn require(&self) -> Result<Database> {
        let missing = || {
            Failure::new(Code::AdvisoryMissing, format!("no advisory database at {}", self.path.display()))
        };
        Ok(self.open()?.ok_or_else(missing)?)
    }
}

fn of_user() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/share")))?;
    Some(base.join("linkward").join(NAME))
}

pub(crate) fn failure(error: &DatabaseError) -> anyhow::Error {
    Failure::new(error.code(), error.to_string()).into()
}

fn day(text: &str) -> Result<Instant> {
    let start = format!("{text}T00:00:00Z").parse::<Instant>();
    let start = start.with_context(|| format!("`{text}` is not a day; write it as 2026-01-31"))?;
    if start > Instant::now() {
        bail!("{text} has not come yet: no source can speak for it");
    }
    Ok(start)
}

fn build(
    sources: &[(&Path, Option<Instant>)],
    output: &Path,
    covers: &[String],
    priorities: Priorities,
    format: Format,
) -> Result<Exit> {
    let progress = Progress::start();
    let mut builder = Builder::default();
    builder.prioritise(priorities);
    for (source, as_of) in sources {
        progress.say(&format!("reading {}", source.display()));
        let name =
            source.file_name().map_or_else(|| ".".to_owned(), |name| name.to_string_lossy().into_owned());
        let batch = gather(source, &name, *as_of, |record, fault| {
            complain(&format!(
                "{}: {}: {}",
                fault.code,
                table::visible(record),
                table::visible(&fault.to_string())
            ));
        })?;
        builder.add(batch);
    }
    progress.say("writing");
    let bytes = builder.finish(covers);
    if let Some(folder) = output.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    replace(output, &bytes).with_context(|| format!("cannot write {}", output.display()))?;
    drop(progress);
    told(output, bytes.len() as u64, format)
}

/// Opens what was written and says what it is: what was not read back was not written.
fn told(path: &Path, size: u64, format: Format) -> Result<Exit> {
    let database = Database::open(path).map_err(|error| failure(&error))?;
    database.verify().map_err(|error| failure(&error))?;
    let meta = database.meta();
    match format {
        Format::Json => print_json(&json!({
            "version": VERSION, "database": path, "digest": database.digest(), "bytes": size,
            "sources": meta.sources, "coverage": meta.coverage, "withdrawn": meta.withdrawn,
        }))?,
        Format::Table => print(&format!(
            "{}: {} from {}, {} KiB, {}\n",
            path.display(),
            table::counted(meta.advisories(), "advisory").replace("advisorys", "advisories"),
            table::counted(meta.sources.len(), "source"),
            size.div_ceil(1024),
            database.digest().short(),
        ))?,
    }
    // A record that was not read may be the one that matters.
    Ok(if meta.unreadable() > 0 { Exit::Unknown } else { Exit::Allowed })
}

fn newest(meta: &Meta) -> Option<Instant> {
    meta.sources.iter().filter_map(|source| source.as_of).max()
}

/// What says which findings to mend first.
fn priorities(kev: Option<&Path>, epss: Option<&Path>) -> Result<Priorities> {
    let mut priorities = Priorities::default();
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let name =
        |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let failure = |fault: linkward_evidence::Fault| Failure::new(fault.code, fault.to_string());
    if let Some(path) = kev {
        priorities.kev(&name(path), &read(path)?).map_err(failure)?;
    }
    if let Some(path) = epss {
        priorities.epss(&name(path), &read(path)?).map_err(failure)?;
    }
    Ok(priorities)
}

/// Of linkward.toml, or of who asks.
fn from_exports(home: Option<&Home>, config: &Config, asked: &[String], format: Format) -> Result<Exit> {
    let place = match home {
        Some(home) => home.path().join(NAME),
        None => of_user().context("there is no home folder to keep the database in")?,
    };
    let (base, named) =
        (config.exports.url.as_deref().unwrap_or(exports::PUBLIC), &config.exports.ecosystems);
    let ecosystems = match (asked.is_empty(), named.is_empty()) {
        (false, _) => asked.to_vec(),
        (true, false) => named.clone(),
        (true, true) => exports::usual(),
    };
    let progress = Progress::start();
    let mut kept = exports::Exports::open(&place.with_extension("exports"))?;
    let mut fetched = Vec::new();
    for ecosystem in &ecosystems {
        fetched.push(kept.get(ecosystem, &exports::url(base, ecosystem), &progress)?);
    }
    let mut list = |name: &str, place: Option<&String>| -> Result<Option<PathBuf>> {
        Ok(match place {
            Some(place) if place.contains("://") => Some(kept.get(name, place, &progress)?.path),
            Some(place) => Some(home.map_or_else(|| PathBuf::from(place), |home| home.project().join(place))),
            None => None,
        })
    };
    let (kev, epss) =
        (list("kev", config.exports.kev.as_ref())?, list("epss", config.exports.epss.as_ref())?);
    drop(progress);
    if format == Format::Table {
        for file in &fetched {
            let what = if file.changed { "fetched" } else { "unchanged" };
            complain(&format!("{}: {what}, {}", file.name, file.digest));
        }
    }
    let offered = place.with_extension("offered");
    let sources: Vec<_> = fetched.iter().map(|file| (file.path.as_path(), file.as_of)).collect();
    let exit = build(&sources, &offered, &[], priorities(kev.as_deref(), epss.as_deref())?, format)?;
    take(&offered, &place)?;
    std::fs::remove_file(&offered).ok();
    Ok(exit)
}

/// Puts a database in place of the one that is here, unless that knows more of an ecosystem.
fn take(path: &Path, place: &Path) -> Result<()> {
    let offered = Database::open(path).map_err(|error| failure(&error))?;
    offered.verify().map_err(|error| failure(&error))?;
    if let Ok(present) = Database::open(place) {
        let of = |meta: &Meta, name: &str| meta.coverage.get(name).and_then(|coverage| coverage.as_of);
        let older =
            offered.meta().coverage.keys().find(|name| of(offered.meta(), name) < of(present.meta(), name));
        if let Some(ecosystem) = older {
            // An older file would hide what is known since: whoever can replace a source must not roll it back.
            let message = format!("what is offered of {ecosystem} is older than what is here already");
            return Err(Failure::new(Code::AdvisoryStale, message).into());
        }
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    replace(place, &bytes).with_context(|| format!("cannot write {}", place.display()))
}

pub(crate) fn update(home: Option<&Path>, ecosystems: &[String], format: Format) -> Result<Exit> {
    let home = match home {
        Some(_) => Some(crate::commands::nearest(home)?),
        None => crate::commands::nearest(None).ok(),
    };
    let config = home.as_ref().map_or_else(|| Ok(Config::default()), Home::config)?;
    let (Some(mirror), Some(home)) = (config.advisory_mirror.clone(), home.as_ref()) else {
        return from_exports(home.as_ref(), &config, ecosystems, format);
    };
    let place = home.path().join(NAME);
    if let Some(key) = &config.advisory_mirror_key {
        return mirror::update(&mirror.to_string_lossy(), home.project(), key, &place, format);
    }
    if mirror.to_string_lossy().contains("://") {
        let what =
            "a mirror on a server needs `mirror_key` under [advisory]: nothing else tells who made its files";
        return Err(Failure::new(Code::AdvisoryUnsigned, what).into());
    }
    let mirror = home.project().join(mirror);
    if mirror.extension().is_none_or(|extension| extension != "lwa") {
        return build(&[(&mirror, None)], &place, &[], Priorities::default(), format);
    }
    let offered = Database::open(&mirror).map_err(|error| failure(&error))?;
    offered.verify().map_err(|error| failure(&error))?;
    if let Ok(present) = Database::open(&place)
        && newest(offered.meta()) < newest(present.meta())
    {
        // An older file would hide what is known since: whoever can replace the mirror must not roll it back.
        let message = format!("{} is older than what is here already", mirror.display());
        return Err(Failure::new(Code::AdvisoryStale, message).into());
    }
    let bytes = std::fs::read(&mirror).with_context(|| format!("cannot read {}", mirror.display()))?;
    replace(&place, &bytes).with_context(|| format!("cannot write {}", place.display()))?;
    told(&place, bytes.len() as u64, format)
}

fn status(place: &Place, format: Format) -> Result<Exit> {
    let database = place.require()?;
    database.verify().map_err(|error| failure(&error))?;
    let (meta, now) = (database.meta(), Instant::now());
    let age = |as_of: Option<Instant>| as_of.map(|as_of| now.since(as_of) / DAY);
    let stale = |as_of| age(as_of).is_none_or(|age| age > place.max_age_days);
    let any = meta.coverage.values().any(|coverage| coverage.advisories > 0 && stale(coverage.as_of));
    match format {
        Format::Json => print_json(&json!({
            "version": VERSION, "database": place.path, "digest": database.digest(), "max_age_days": place.max_age_days,
            "sources": meta.sources, "coverage": meta.coverage, "withdrawn": meta.withdrawn, "stale": any,
        }))?,
        Format::Table => {
            let mut rows = vec![
                ["ECOSYSTEM", "PACKAGES", "ADVISORIES", "MALICIOUS", "AS OF", "STATE"].map(str::to_owned),
            ];
            for (ecosystem, coverage) in &meta.coverage {
                let state = match (coverage.advisories, stale(coverage.as_of)) {
                    (0, _) => "not covered".to_owned(),
                    (_, true) => format!("stale: {}", Code::AdvisoryStale),
                    (_, false) => "current".to_owned(),
                };
                let as_of = coverage.as_of.map_or_else(|| "-".to_owned(), |as_of| as_of.to_string());
                rows.push([
                    table::visible(ecosystem),
                    coverage.packages.to_string(),
                    coverage.advisories.to_string(),
                    coverage.malicious.to_string(),
                    as_of.get(..10).unwrap_or(&as_of).to_owned(),
                    state,
                ]);
            }
            print(&format!(
                "{} {}, whole; data may be {} days old\n\n{}",
                place.path.display(),
                database.digest().short(),
                place.max_age_days,
                table::grid(&rows)
            ))?;
            for source in meta.sources.iter().filter(|source| source.unreadable > 0) {
                let unreadable = table::counted(source.unreadable, "record");
                print(&format!("{}: {unreadable} could not be read\n", table::visible(&source.name)))?;
            }
        }
    }
    Ok(if any || meta.unreadable() > 0 { Exit::Unknown } else { Exit::Allowed })
}

fn show(id: &str, place: &Place, format: Format) -> Result<Exit> {
    let database = place.require()?;
    let found = database.find(id).map_err(|error| failure(&error))?;
    if format == Format::Json {
        print_json(&found)?;
    } else if found.is_empty() {
        print(&format!("{} knows no advisory `{}`\n", place.path.display(), table::visible(id)))?;
    }
    if format == Format::Table {
        found.iter().try_for_each(|detail| print(&described(detail)))?;
    }
    Ok(if found.is_empty() { Exit::Unknown } else { Exit::Allowed })
}

fn described(detail: &Value) -> String {
    use std::fmt::Write as _;
    let text = |value: &Value, name: &str| {
        table::visible(value.get(name).and_then(Value::as_str).unwrap_or_default())
    };
    let list = |value: &Value, name: &str| {
        let all = value.get(name).and_then(Value::as_array).into_iter().flatten();
        all.filter_map(Value::as_str).map(table::visible).collect::<Vec<_>>()
    };
    let style = Style::of_stdout();
    let mut out = format!(
        "{} {}\n  {}\n",
        style.strong(&text(detail, "id")),
        text(detail, "severity"),
        text(detail, "summary")
    );
    // Writing to a String cannot fail.
    let _ = writeln!(out, "  aliases    {}", list(detail, "aliases").join(" "));
    let _ = writeln!(out, "  modified   {}", text(detail, "modified"));
    for affected in detail.get("affected").and_then(Value::as_array).into_iter().flatten() {
        let ranges = list(affected, "ranges").join("; ");
        let versions = affected.get("versions").and_then(Value::as_u64).unwrap_or(0);
        let _ = writeln!(
            out,
            "  affected   {} {}: {ranges} ({versions} listed)",
            text(affected, "ecosystem"),
            text(affected, "name")
        );
    }
    for reference in list(detail, "references") {
        let _ = writeln!(out, "  reference  {reference}");
    }
    out
}
