//! What was scanned is recorded, where a home is given, by a process of its own: the one that reads what is hostile has given up
//! the right to write. A line of JSON asks, a line answers.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result};
use linkward_evidence::sbom::Sbom;
use linkward_model::{Digest, Exit};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Loaded;
use crate::access::Access;
use crate::commands::nearest;
use crate::wire::{Failure, Request};

/// What the reading process asks of the one that records.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask")]
enum Ask {
    /// Which recorded image has the most of these layers; each stands for itself and all below it, the lowest first.
    Base {
        chain: Vec<Digest>,
    },
    Record {
        name: String,
        sbom: String,
        chain: Option<Digest>,
    },
}

/// An image that the home has seen, whose layers lie at the bottom of another.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Base {
    pub(crate) name: String,
    pub(crate) digest: Option<String>,
    pub(crate) layers: usize,
    pub(crate) record: u64,
}

#[derive(Debug)]
pub(crate) struct Keeper {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Keeper {
    /// `None` where no home is given: then nothing is recorded, and no image is known.
    pub(crate) fn start(home: Option<&Path>) -> Result<Option<Self>> {
        let Some(home) = home else { return Ok(None) };
        let program = std::env::current_exe().context("this program's own file cannot be found")?;
        let mut process = Command::new(program)
            .args([std::ffi::OsStr::new("--home"), home.as_os_str(), std::ffi::OsStr::new("scan-keeper")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("the process that records cannot be started")?;
        let (Some(to), Some(from)) = (process.stdin.take(), process.stdout.take()) else {
            anyhow::bail!("the process that records cannot be reached");
        };
        Ok(Some(Self { process, to, from: BufReader::new(from) }))
    }

    /// Says of an image which recorded one it was built on, and records what was found.
    pub(crate) fn keep(&mut self, name: &str, loaded: &mut Loaded) -> Result<u64> {
        // The image itself is not its own base.
        let below = loaded.chain.split_last().map_or(&[][..], |(_, below)| below);
        if !below.is_empty() {
            let base: Option<Base> = self.ask(&Ask::Base { chain: below.to_vec() })?;
            base.iter().for_each(|base| note(&mut loaded.sbom, base, loaded.chain.len()));
        }
        let sbom = String::from_utf8_lossy(&linkward_evidence::cyclonedx::write(&loaded.sbom)).into_owned();
        self.record(name, sbom, loaded.chain.last().copied())
    }

    pub(crate) fn record(&mut self, name: &str, sbom: String, chain: Option<Digest>) -> Result<u64> {
        self.ask(&Ask::Record { name: name.to_owned(), sbom, chain })
    }

    fn ask<T: DeserializeOwned>(&mut self, ask: &Ask) -> Result<T> {
        let mut line = serde_json::to_vec(ask)?;
        line.push(b'\n');
        let mut answer = String::new();
        let exchanged = self.to.write_all(&line).and_then(|()| self.to.flush());
        exchanged
            .and_then(|()| self.from.read_line(&mut answer))
            .context("the process that records stopped")?;
        let answer: Value = serde_json::from_str(&answer).context("the process that records stopped")?;
        match answer.get("error") {
            None => Ok(serde_json::from_value(answer.get("answer").cloned().unwrap_or_default())?),
            Some(error) => {
                let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
                Err(match text("code").parse() {
                    Ok(code) => Failure::new(code, text("message")).into(),
                    Err(_) => anyhow::anyhow!("{}", text("message")),
                })
            }
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What was observed stands beside what annotations claim.
fn note(sbom: &mut Sbom, base: &Base, of: usize) {
    let mut put = |name: &str, value: String| sbom.notes.insert(format!("image:base-seen{name}"), value);
    put("", base.name.clone());
    base.digest.clone().map(|digest| put("-digest", digest));
    put("-layers", format!("{} of {of}", base.layers));
    put("-record", base.record.to_string());
}

/// The process that records: answers until nobody asks any more.
pub(crate) fn serve(home: Option<&Path>) -> Result<Exit> {
    let access = nearest(home).and_then(|home| Access::open(&home));
    for line in std::io::stdin().lock().lines() {
        let ask: Ask = serde_json::from_str(&line?)?;
        let answered = match &access {
            Ok(access) => answer(access, ask),
            Err(error) => Err(anyhow::anyhow!(failure(error))),
        };
        let answer = answered.map_or_else(
            |error| json!({ "error": { "code": crate::wire::code_of(&error), "message": format!("{error:#}") } }),
            |answer| json!({ "answer": answer }),
        );
        let mut out = std::io::stdout().lock();
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(Exit::Allowed)
}

fn failure(error: &anyhow::Error) -> Failure {
    let message = format!("{error:#}");
    Failure { code: crate::wire::code_of(error), message }
}

fn answer(access: &Access, ask: Ask) -> Result<Value> {
    match ask {
        Ask::Base { chain } => access.ask(Request::Base { chain }),
        Ask::Record { name, sbom, chain } => access.ask(Request::Scanned { name, sbom, chain }),
    }
}
