//! `key`: private keys under a passphrase, and where that comes from.

use std::io::{BufRead as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Result;
use linkward_issue::{PASSPHRASES, Passphrase};
use linkward_model::Exit;

use crate::cli::{Format, KeyCommand};
use crate::commands::{nearest, print, print_json};

/// Variable, file, terminal: the first that there is.
pub(crate) fn passphrase(path: &Path) -> Result<Passphrase, String> {
    let [text, file] = PASSPHRASES;
    if let Ok(text) = std::env::var(text) {
        return Ok(Passphrase::new(text));
    }
    if let Some(file) = std::env::var_os(file) {
        return read(Path::new(&file));
    }
    prompt(&format!("passphrase of {}: ", path.display()))
}

/// The first line of a file that others cannot read.
fn read(path: &Path) -> Result<Passphrase, String> {
    let named = |error: std::io::Error| format!("{}: {error}", path.display());
    let mode = std::fs::metadata(path).map_err(named)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("{} has mode {mode:o} and can be read by others; chmod 600 it", path.display()));
    }
    let text = std::fs::read_to_string(path).map_err(named)?;
    Ok(Passphrase::new(text.lines().next().unwrap_or("").to_owned()))
}

/// Asks at the terminal, without echo; standard input and output belong to others.
fn prompt(question: &str) -> Result<Passphrase, String> {
    let [text, file] = PASSPHRASES;
    let absent = format!("there is no terminal to ask at; set {file} or {text}");
    let terminal = || std::fs::OpenOptions::new().read(true).write(true).open("/dev/tty");
    let mut shown = terminal().map_err(|_| absent.clone())?;
    let stty = |mode: &str| {
        let input = terminal().map_or_else(|_| Stdio::null(), Stdio::from);
        Command::new("stty").arg(mode).stdin(input).status().is_ok_and(|status| status.success())
    };
    // What would be shown to whoever looks on is not asked for.
    if !stty("-echo") {
        return Err(absent);
    }
    let mut line = String::new();
    let asked = write!(shown, "{question}").and_then(|()| {
        shown.flush()?;
        std::io::BufReader::new(terminal()?).read_line(&mut line)
    });
    stty("echo");
    let _ = writeln!(shown);
    asked.map_err(|error| error.to_string())?;
    Ok(Passphrase::new(line.trim_end_matches(['\r', '\n']).to_owned()))
}

pub(crate) fn run(command: &KeyCommand, home: Option<&Path>, format: Format) -> Result<Exit> {
    let (encrypted, files) = match command {
        KeyCommand::Encrypt { files } => (true, files),
        KeyCommand::Decrypt { files } => (false, files),
    };
    let (_lock, files): (Option<std::fs::File>, Vec<PathBuf>) = if files.is_empty() {
        let home = nearest(home)?;
        // A daemon holds keys that were read: it would go on with what the files no longer say.
        (Some(home.exclusive()?), linkward_issue::key_files(&home.keys())?)
    } else {
        (None, files.clone())
    };
    let mut changed = Vec::new();
    for path in files {
        if linkward_issue::protect(&path, encrypted)? {
            changed.push(path);
        }
    }
    match format {
        Format::Json => print_json(&serde_json::json!({
            "version": crate::wire::VERSION, "encrypted": encrypted, "changed": changed,
        }))?,
        Format::Table => {
            let what = if encrypted { "encrypted" } else { "no longer encrypted" };
            print(&format!("{} {what}\n", crate::table::counted(changed.len(), "key")))?;
        }
    }
    Ok(Exit::Allowed)
}
