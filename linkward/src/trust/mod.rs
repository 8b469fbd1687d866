//! `linkward trust`: trust roots that a TUF repository keeps current, from a root that a person pinned.

mod store;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use linkward_model::{Code, Digest, Exit, Instant};
use linkward_prove::{Fetcher, Kept, Proven, Refusal, TrustedTarget, next_root, root_version, update_trust};
use serde_json::{Value, json};

use crate::cli::Format;
use crate::client::{Client, Url, system_authorities};
use crate::commands::{nearest, print, print_json};
use crate::home::Home;
use crate::table::{self, Style};
use crate::verify::{Verified, show};
use crate::wire::{Failure, VERSION};

pub(crate) use store::{Added, added, load};

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    /// Trust a repository (TUF) by a root that you have from a source of your own, and ask it once
    Add(Add),
    /// Ask repositories for their newest trust root: every change is proven, or refused with its reason
    Update {
        /// Which one [default: all]
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
    /// What is trusted, by which versions, and when it was last confirmed
    Show {
        #[arg(value_name = "NAME")]
        name: Option<String>,
        /// Print the trust root itself
        #[arg(long, requires = "name")]
        print: bool,
    },
    /// Accept one trust root alone, whatever the repository means later
    Pin {
        #[arg(value_name = "NAME")]
        name: String,
        /// The digest of the file [default: that of the file as it was last confirmed]
        #[arg(value_name = "DIGEST")]
        digest: Option<Digest>,
        /// Follow the repository again
        #[arg(long, conflicts_with = "digest")]
        off: bool,
    },
    /// Carry newer roots over by hand, in order, each vouched for by the one before
    Rotate(Rotate),
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// What it is called here
    #[arg(value_name = "NAME")]
    name: String,
    /// Its root.json, from a source other than the repository itself
    #[arg(long, value_name = "FILE")]
    root: PathBuf,
    /// Where the repository is: a folder, https://, or http:// on this machine
    #[arg(long, value_name = "URL|DIR")]
    url: String,
    /// The file that it is asked for
    #[arg(long, value_name = "NAME", default_value = "trusted_root.json")]
    target: String,
    /// The authority of the repository's certificate, PEM [default: the system's]
    #[arg(long, value_name = "PEM")]
    ca: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Rotate {
    #[arg(value_name = "NAME")]
    name: String,
    /// The next root.json; may be repeated, in order
    #[arg(long = "root", value_name = "FILE", required = true)]
    roots: Vec<PathBuf>,
    /// Trust a root that the one before does not vouch for, if it has this digest: compare it over another line
    #[arg(long, value_name = "DIGEST")]
    dangerous_unchained: Option<Digest>,
}

pub(crate) fn run(command: TrustCommand, home: Option<&Path>, format: Format) -> Result<Exit> {
    let home = nearest(home)?;
    match command {
        TrustCommand::Add(args) => add(&home, args, format),
        TrustCommand::Update { name } => update(&home, name.as_deref(), format),
        TrustCommand::Show { name, print } => shown(&home, name.as_deref(), print, format),
        TrustCommand::Pin { name, digest, off } => pin(&home, &name, digest, off),
        TrustCommand::Rotate(args) => rotate(&home, &args),
    }
}

fn add(home: &Home, args: Add, format: Format) -> Result<Exit> {
    store::check_name(&args.name)?;
    if store::path(home, &args.name).exists() {
        anyhow::bail!("`{}` is there already; see `linkward trust show {0}`", args.name);
    }
    let root = read(&args.root)?;
    root_version(&root)
        .map_err(|(code, why)| Failure::new(code, format!("{}: {why}", args.root.display())))?;
    let ca = args.ca.map(std::path::absolute).transpose()?;
    let url = if args.url.contains("://") {
        args.url
    } else {
        std::path::absolute(&args.url)?.display().to_string()
    };
    let mut added = Added::new(args.name, url, args.target, ca, Kept::pinned(&root));
    let exit = ask(&mut added, format)?;
    // A repository that was never confirmed is not trusted for anything; there is nothing to keep.
    if exit == Exit::Allowed {
        added.save(home)?;
    }
    Ok(exit)
}

fn update(home: &Home, name: Option<&str>, format: Format) -> Result<Exit> {
    let all = match name {
        Some(name) => vec![load(home, name)?],
        None => added(home)?,
    };
    if all.is_empty() {
        return Err(Failure::new(Code::TrustUnknown, "nothing was added yet").into());
    }
    let mut worst = Exit::Allowed;
    for mut one in all {
        let exit = ask(&mut one, format)?;
        // What was seen is kept, whatever came of it.
        one.save(home)?;
        worst = match (worst, exit) {
            (Exit::Denied, _) | (_, Exit::Denied) => Exit::Denied,
            (Exit::Unknown, _) | (_, Exit::Unknown) => Exit::Unknown,
            (_, other) => other,
        };
    }
    Ok(worst)
}

/// Asks one repository, and shows every check.
fn ask(added: &mut Added, format: Format) -> Result<Exit> {
    let now = Instant::now();
    let source = Source::open(&added.url, added.ca.as_deref())?;
    let update = update_trust(&added.seen, &source, &added.target, now);
    added.seen = update.kept;
    let outcome = update.outcome.and_then(|proven| accepted(added, proven));
    if let Ok(proven) = &outcome {
        added.confirm(proven.claim(), now);
    }
    show(&Verified::of_one(&added.name, &added.url, &outcome), format)
}

/// Whether it is a trust root at all, and the one that is pinned, if one is.
fn accepted(added: &Added, proven: Proven<TrustedTarget>) -> Result<Proven<TrustedTarget>, Box<Refusal>> {
    let digest = proven.claim().digest();
    let refused = |code, message: String| {
        let checks = proven.checks().to_vec();
        Err(Box::new(Refusal { code, message, checks, document: proven.document(), subjects: Vec::new() }))
    };
    if let Some(pin) = added.pin.filter(|pin| *pin != digest) {
        return refused(
            Code::TrustPinMismatch,
            format!("{pin} is pinned, and the repository means {digest}"),
        );
    }
    if let Err(error) = linkward_prove::TrustRoots::parse(proven.claim().content()) {
        return refused(Code::TrustRootMalformed, format!("`{}`: {error}", added.target));
    }
    Ok(proven)
}

fn shown(home: &Home, name: Option<&str>, whole: bool, format: Format) -> Result<Exit> {
    let all = match name {
        Some(name) => vec![load(home, name)?],
        None => added(home)?,
    };
    let (now, days) = (Instant::now(), home.config()?.trust_max_age_days);
    if whole {
        let content = all.first().map(|one| one.proven(now, days)).transpose()?;
        let content = content.map(|target| target.content().to_vec()).unwrap_or_default();
        print(&String::from_utf8_lossy(&content))?;
        return Ok(Exit::Allowed);
    }
    let mut stale = false;
    let mut rows = vec![["NAME", "ROOT", "TARGETS", "DIGEST", "CONFIRMED", "STATE"].map(str::to_owned)];
    let mut listed: Vec<Value> = Vec::new();
    for one in &all {
        let outcome = one.proven(now, days);
        stale |= outcome.is_err();
        let state = match (&outcome, one.pin) {
            (Err(error), _) => error
                .downcast_ref::<Failure>()
                .and_then(|failure| failure.code)
                .map_or("unknown", Code::as_str),
            (Ok(_), Some(_)) => "pinned",
            (Ok(_), None) => "current",
        };
        let digest = one.digest().map_or_else(|| "-".to_owned(), |digest| digest.short());
        let confirmed = one.confirmed_at().map_or_else(|| "never".to_owned(), |time| time.to_string());
        rows.push([
            one.name.clone(),
            one.versions().0.to_string(),
            one.versions().1.to_string(),
            digest,
            confirmed,
            state.to_owned(),
        ]);
        let mut says = one.says();
        says["state"] = json!(state);
        says["url"] = json!(one.url);
        says["confirmed"] = json!(one.confirmed_at());
        says["expires"] = json!(one.expires());
        listed.push(says);
    }
    match format {
        Format::Json => print_json(&json!({ "version": VERSION, "max_age_days": days, "trust": listed }))?,
        Format::Table if all.is_empty() => {
            print("nothing was added; the built-in root of the public-good instance is used\n")?
        }
        Format::Table => print(&table::grid(&rows))?,
    }
    Ok(if stale { Exit::Unknown } else { Exit::Allowed })
}

fn pin(home: &Home, name: &str, digest: Option<Digest>, off: bool) -> Result<Exit> {
    let mut added = load(home, name)?;
    added.pin = match (off, digest.or(added.digest())) {
        (true, _) => None,
        (false, Some(digest)) => Some(digest),
        (false, None) => anyhow::bail!("`{name}` was never confirmed; name the digest"),
    };
    added.save(home)?;
    let text =
        added.pin.map_or_else(|| "follows its repository".to_owned(), |pin| format!("is pinned to {pin}"));
    print(&format!("{name} {text}; `linkward trust update {name}` asks it\n"))?;
    Ok(Exit::Allowed)
}

fn rotate(home: &Home, args: &Rotate) -> Result<Exit> {
    let mut added = load(home, &args.name)?;
    let now = Instant::now();
    for path in &args.roots {
        let bytes = read(path)?;
        let digest = Digest::sha256(&bytes);
        let refused = |(code, why)| Failure::new(code, format!("{}: {why}", path.display()));
        added.seen = match (next_root(&added.seen, &bytes, now), args.dangerous_unchained) {
            (Ok(kept), _) => kept,
            (Err(_), Some(named)) if named == digest => {
                root_version(&bytes).map_err(refused)?;
                // Nothing that older keys signed counts any longer.
                Kept::pinned(&bytes)
            }
            (Err((code, why)), _) => {
                return Err(refused((code, format!("{why}; its digest is {digest}"))).into());
            }
        };
    }
    added.save(home)?;
    let version = root_version(&added.seen.root).unwrap_or_default();
    let style = Style::of_stdout();
    let text = format!("root {version}, {}", Digest::sha256(&added.seen.root));
    print(&format!(
        "{} now starts from {}; `linkward trust update {0}` asks it\n",
        args.name,
        style.strong(&text)
    ))?;
    Ok(Exit::Allowed)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// A repository in a folder, or over HTTP.
enum Source {
    Folder(PathBuf),
    Http(Client),
}

impl Source {
    fn open(place: &str, ca: Option<&Path>) -> Result<Self> {
        if let Some(path) = place.strip_prefix("file://") {
            return Ok(Self::Folder(PathBuf::from(path)));
        }
        if !place.contains("://") {
            return Ok(Self::Folder(PathBuf::from(place)));
        }
        let authority = ca.map(read).transpose()?.or_else(system_authorities);
        Ok(Self::Http(Client::new(Url::parse(place)?, authority.as_deref())?))
    }
}

impl Fetcher for Source {
    fn fetch(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, String> {
        match self {
            Self::Folder(folder) => folder_file(&folder.join(path), limit),
            Self::Http(client) => {
                client.find(&format!("/{path}"), PATIENCE, limit).map_err(|error| format!("{error:#}"))
            }
        }
    }
}

fn folder_file(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, String> {
    use std::io::Read as _;
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
        Ok(file) => file,
    };
    let mut bytes = Vec::new();
    // One byte beyond shows that it is longer; how much longer does not matter.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(Some(bytes))
}
