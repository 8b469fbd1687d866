//! The signer process, started when the first signature is needed and shared by everything that signs.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use linkward_issue::SignerProcess;
use linkward_ledger::LogId;
use linkward_record::{CheckpointSigner, SignError};

/// A handle to the one signer of this process. The keys never enter this process.
#[derive(Clone, Debug)]
pub(crate) struct SharedSigner {
    keys: PathBuf,
    process: Arc<Mutex<Option<SignerProcess>>>,
}

impl SharedSigner {
    pub(crate) fn new(keys: PathBuf) -> Self {
        Self { keys, process: Arc::default() }
    }

    /// Runs a call against the signer, starting it where it does not run.
    pub(crate) fn call<T>(&self, ask: impl FnOnce(&mut SignerProcess) -> Result<T>) -> Result<T> {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if process.is_none() {
            let program = std::env::current_exe().context("cannot find this program to start the signer")?;
            let args = ["signer".to_owned(), "--keys".to_owned(), self.keys.to_string_lossy().into_owned()];
            let started = SignerProcess::spawn(&program, &args);
            *process = Some(started.context("cannot start the signer process")?);
        }
        match process.as_mut() {
            Some(signer) => {
                let result = ask(signer);
                if result.is_err() {
                    // A signer that died is started again by the next call; one that refused loses nothing.
                    *process = None;
                }
                result
            }
            None => anyhow::bail!("the signer process did not start"),
        }
    }
}

impl CheckpointSigner for SharedSigner {
    fn sign(&mut self, log: &LogId, text: &str) -> Result<Vec<u8>, SignError> {
        self.call(|signer| Ok(signer.sign_checkpoint(log.name, &log.key, text)?))
            .map_err(|error| SignError::new(format!("{error:#}")))
    }

    fn last(&mut self, log: &LogId) -> Result<Option<String>, SignError> {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        // The signer of a process that was killed may be at its last answer; one of ours keeps it out.
        let settled = if process.is_none() { linkward_issue::settled(&self.keys).map(drop) } else { Ok(()) };
        settled
            .and_then(|()| linkward_issue::last_signed(&self.keys, log.name))
            .map_err(|error| SignError::new(error.to_string()))
    }
}
