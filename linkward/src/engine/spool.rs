//! Signatures that wait for the signing log: kept durably in the home, completed once the log takes entries again.
//!
//! The same entry has the same index however often it is asked for, so that a completion that was cut off is simply
//! made again.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use linkward_issue::client::Unlogged;
use linkward_model::{Digest, Environment, Instant};
use linkward_record::StoreError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Engine;
use crate::records::Note;
use crate::wire::{Document, Signed, SignedArtifact, VERSION};

/// Most that wait; whoever signs beyond that is told so.
const MAX_WAITING: usize = 10_000;

/// What waits.
#[derive(Debug, Serialize, Deserialize)]
struct Waiting {
    since: Instant,
    environment: Environment,
    /// Of what was signed.
    name: String,
    /// The forms of its signatures.
    forms: Vec<String>,
    /// A step that was run, to be recorded with them.
    step: Option<Value>,
    /// The file that holds the form, to be replaced by the bundle.
    out: Option<PathBuf>,
}

/// Whether the log is away: it could not write. What it refuses, waiting does not help.
pub(super) fn away(error: &anyhow::Error) -> bool {
    error.downcast_ref::<StoreError>().is_some_and(|error| !matches!(error, StoreError::NoLog(_)))
}

impl Engine {
    fn spool(&self) -> PathBuf {
        self.home.path().join("spool")
    }

    fn wait(&self, waiting: &Waiting) -> Result<()> {
        let folder = self.spool();
        std::fs::create_dir_all(&folder)?;
        if self.spooled()?.len() >= MAX_WAITING {
            bail!("{MAX_WAITING} signatures wait for the log already");
        }
        let bytes = serde_json::to_vec(waiting)?;
        let path = folder.join(format!("{}.json", Digest::sha256(&bytes).hex()));
        let draft = path.with_extension("new");
        let _ = std::fs::remove_file(&draft);
        crate::home::write_new(&draft, &bytes)?;
        std::fs::rename(&draft, &path)?;
        // The name must outlive a crash as the content does.
        std::fs::File::open(&folder)?.sync_all()?;
        Ok(())
    }

    /// Keeps an artifact's signature until the log is back.
    pub(super) fn artifact_waits(
        &self,
        name: &str,
        unlogged: &Unlogged,
        environment: &Environment,
        out: Option<PathBuf>,
        why: &anyhow::Error,
    ) -> Result<SignedArtifact> {
        let form = unlogged.to_json();
        self.wait(&Waiting {
            since: Instant::now(),
            environment: environment.clone(),
            name: name.to_owned(),
            forms: vec![form.clone()],
            step: None,
            out,
        })?;
        Ok(SignedArtifact {
            version: VERSION,
            bundle: form,
            record: None,
            log: String::new(),
            index: None,
            unlogged: Some(format!("{why:#}")),
        })
    }

    /// Keeps a step's signatures until the log is back.
    pub(super) fn step_waits(
        &self,
        step: Value,
        unlogged: &[Unlogged],
        environment: &Environment,
        why: &anyhow::Error,
    ) -> Result<Signed> {
        let forms: Vec<String> = unlogged.iter().map(Unlogged::to_json).collect();
        let name = step.get("name").and_then(Value::as_str).unwrap_or("step").to_owned();
        self.wait(&Waiting {
            since: Instant::now(),
            environment: environment.clone(),
            name,
            forms: forms.clone(),
            step: Some(step),
            out: None,
        })?;
        Ok(Signed {
            version: VERSION,
            bundles: forms,
            records: Vec::new(),
            unlogged: Some(format!("{why:#}")),
        })
    }

    /// Files that wait, the oldest name first.
    fn spooled(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let listed = match std::fs::read_dir(self.spool()) {
            Ok(listed) => listed,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(error.into()),
        };
        for entry in listed {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "json") {
                found.push(path);
            }
        }
        found.sort();
        Ok(found)
    }

    /// What waits, after an attempt to complete it where that is asked.
    pub(crate) fn spool_state(&self, flush: bool) -> Result<Vec<Value>> {
        let why = if flush { self.flush_spool().err().map(|error| format!("{error:#}")) } else { None };
        let mut rows = Vec::new();
        for path in self.spooled()? {
            let waiting = read(&path)?;
            let kind = if waiting.step.is_some() { "step" } else { "artifact" };
            rows.push(json!({
                "since": waiting.since, "kind": kind, "name": waiting.name, "out": waiting.out, "why": why,
            }));
        }
        rows.sort_by_key(|row| row["since"].as_str().unwrap_or("").to_owned());
        Ok(rows)
    }

    /// Completes everything that waits; ends at the first that still cannot be.
    pub(super) fn flush_spool(&self) -> Result<()> {
        for path in self.spooled()? {
            let waiting = read(&path)?;
            self.complete_waiting(&waiting)
                .with_context(|| format!("{} waits in {}", waiting.name, path.display()))?;
            std::fs::remove_file(&path)?;
        }
        Ok(())
    }

    fn complete_waiting(&self, waiting: &Waiting) -> Result<()> {
        let mut bundles = Vec::new();
        for form in &waiting.forms {
            let unlogged = Unlogged::parse(form.as_bytes())?;
            bundles.push(self.completed(&unlogged)?.0);
        }
        if let Some(step) = &waiting.step {
            self.record_step(step.clone(), &bundles, &waiting.environment)?;
        } else {
            for bundle in &bundles {
                self.record_own(&waiting.name, bundle, &waiting.environment)?;
            }
        }
        let folder = self.home.path().join("bundles");
        std::fs::create_dir_all(&folder)?;
        for bundle in &bundles {
            let name = format!("{}.sigstore.json", Digest::sha256(bundle.as_bytes()).hex());
            crate::spool::keep(&folder.join(name), bundle.as_bytes())?;
        }
        if let (Some(out), [form], [bundle]) =
            (&waiting.out, waiting.forms.as_slice(), bundles.as_slice())
            // Only what is still exactly the form: a file that somebody changed is theirs.
            && std::fs::read(out).is_ok_and(|bytes| bytes == form.as_bytes())
        {
            crate::spool::keep(out, bundle.as_bytes())?;
        }
        Ok(())
    }

    /// Completes a form that a person holds.
    pub(super) fn complete_form(&self, name: &str, form: &str) -> Result<SignedArtifact> {
        let unlogged = Unlogged::parse(form.as_bytes())?;
        self.finish(name, &unlogged, &self.environment(None), None)
    }

    /// Submits a bundle of our own, which must prove; its record.
    pub(super) fn record_own(&self, name: &str, bundle: &str, environment: &Environment) -> Result<u64> {
        let document = Document::of_text(format!("{name}.sigstore.json"), bundle);
        let submitted = self.submit_one(&document, environment)?;
        anyhow::ensure!(submitted.proven, "our own bundle does not verify: {}", submitted.message);
        Ok(submitted.record)
    }

    /// Records a step and the bundles of its statements.
    pub(super) fn record_step(
        &self,
        step: Value,
        bundles: &[String],
        environment: &Environment,
    ) -> Result<Vec<u64>> {
        let mut products: Vec<Digest> = step
            .get("products")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|product| product.get(1)?.as_str()?.parse().ok())
            .collect();
        products.sort();
        products.dedup();
        let note = Note::step(step, &products, environment);
        let mut records = vec![self.store.append(note, Vec::new(), Instant::now())?.index()];
        for bundle in bundles {
            records.push(self.record_own("provenance", bundle, environment)?);
        }
        Ok(records)
    }
}

fn read(path: &Path) -> Result<Waiting> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is malformed", path.display()))
}
