//! `spool`: signatures that wait for a log, shown and completed.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use linkward_issue::client::Unlogged;
use linkward_model::{Code, Exit};
use serde_json::{Value, json};

use crate::access::Access;
use crate::cli::{Format, Instance, SpoolCommand};
use crate::commands::{nearest, print, print_json};
use crate::instance;
use crate::table;
use crate::wire::{Failure, Request, SignedArtifact, VERSION};

pub(crate) fn run(command: &SpoolCommand, home: Option<&Path>, format: Format) -> Result<Exit> {
    match command {
        SpoolCommand::List => list(home, format),
        SpoolCommand::Flush { files, instance } if files.is_empty() => {
            let _ = instance;
            flush(home, format)
        }
        SpoolCommand::Flush { files, instance } => each(files, instance, home, format),
    }
}

fn list(home: Option<&Path>, format: Format) -> Result<Exit> {
    let waiting: Vec<Value> = Access::open(&nearest(home)?)?.ask(Request::Spool { flush: false })?;
    if format == Format::Json {
        print_json(&json!({ "version": VERSION, "waiting": waiting }))?;
    } else if waiting.is_empty() {
        print("nothing waits for the log\n")?;
    } else {
        let field = |row: &Value, name: &str| row.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
        let rows = waiting.iter().map(|row| ["since", "kind", "name", "out"].map(|name| field(row, name)));
        let head = ["SINCE", "KIND", "NAME", "FILE"].map(str::to_owned);
        print(&table::grid(&std::iter::once(head).chain(rows).collect::<Vec<_>>()))?;
    }
    // What waits is no proof of anything yet.
    Ok(if waiting.is_empty() { Exit::Allowed } else { Exit::Unknown })
}

fn flush(home: Option<&Path>, format: Format) -> Result<Exit> {
    let rest: Vec<Value> = Access::open(&nearest(home)?)?.ask(Request::Spool { flush: true })?;
    let why = rest.first().and_then(|row| row.get("why")).and_then(Value::as_str);
    match format {
        Format::Json => print_json(&json!({ "version": VERSION, "waiting": rest }))?,
        Format::Table => match why {
            None => print("nothing waits for the log\n")?,
            Some(why) => print(&format!(
                "{} still {} for the log\n  {}: {}\n",
                table::counted(rest.len(), "signature"),
                if rest.len() == 1 { "waits" } else { "wait" },
                Code::BundleUnlogged,
                table::visible(why)
            ))?,
        },
    }
    Ok(if rest.is_empty() { Exit::Allowed } else { Exit::Unknown })
}

fn each(files: &[PathBuf], args: &Instance, home: Option<&Path>, format: Format) -> Result<Exit> {
    for path in files {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let unlogged = match instance::waiting(&bytes) {
            Some(parsed) => parsed.map_err(|refused| {
                Failure::new(refused.code, format!("{}: {}", path.display(), refused.message))
            })?,
            None => bail!("{} does not wait for a log: it is no unlogged signature", path.display()),
        };
        let bundle = if unlogged.logs().is_empty() && args.signing_config.is_none() {
            own(&unlogged, path, home)?
        } else {
            instance::complete(unlogged, args, home)?
        };
        keep(path, bundle.as_bytes())?;
        match format {
            Format::Json => print_json(&json!({ "version": VERSION, "bundle": path, "logged": true }))?,
            Format::Table => print(&format!("logged {}\n", path.display()))?,
        }
    }
    Ok(Exit::Allowed)
}

fn own(unlogged: &Unlogged, path: &Path, home: Option<&Path>) -> Result<String> {
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let request = Request::Complete { name, form: unlogged.to_json() };
    let signed: SignedArtifact = Access::open(&nearest(home)?)?.ask(request)?;
    Ok(signed.bundle)
}

/// Writes a file whole or not at all, durably.
pub(crate) fn keep(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".new-{}", std::process::id()));
    let draft = PathBuf::from(draft);
    let _ = std::fs::remove_file(&draft);
    crate::home::write_new(&draft, bytes)
        .and_then(|()| Ok(std::fs::rename(&draft, path)?))
        .with_context(|| format!("cannot write {}", path.display()))
}
