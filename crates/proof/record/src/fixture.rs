//! For tests of this and other crates: a store over a scratch folder with a key that everybody knows.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use linkward_ledger::key::NoteKey;
use linkward_ledger::{Checkpoint, CheckpointError, LogId, LogName, Visibility};
use linkward_model::Tenant;

use crate::{CheckpointSigner, FORMAT, Files, RealFiles, Settings, SignError, Store, StoreError, Witnesses};

/// Signs with a fixed seed: it proves nothing about anybody.
#[derive(Debug)]
pub struct FixedSigner(Ed25519KeyPair);

impl Default for FixedSigner {
    fn default() -> Self {
        match Ed25519KeyPair::from_seed_unchecked(&[7; 32]) {
            Ok(pair) => Self(pair),
            Err(_) => unreachable!("a seed of 32 bytes is a key"),
        }
    }
}

impl FixedSigner {
    pub fn public(&self) -> [u8; 32] {
        self.0.public_key().as_ref().try_into().unwrap_or([0; 32])
    }
}

impl CheckpointSigner for FixedSigner {
    fn sign(&mut self, _log: &LogId, text: &str) -> Result<Vec<u8>, SignError> {
        Ok(self.0.sign(text.as_bytes()).as_ref().to_vec())
    }
}

/// Signs as the signer process does: it remembers what it signed, and signs nothing older and no second root. Clones
/// share the memory, which outlives a stop of the store.
#[derive(Clone, Debug, Default)]
pub struct RememberingSigner {
    memory: Arc<Mutex<BTreeMap<LogName, String>>>,
    /// Signatures after which the answer is lost once: the signer signed, but nobody hears of it.
    lose: Arc<AtomicU64>,
}

impl RememberingSigner {
    /// Another signer with the same memory.
    #[must_use]
    pub fn copy(&self) -> Self {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Self { memory: Arc::new(Mutex::new(memory)), lose: Arc::default() }
    }

    /// Loses the memory, as a signer without one.
    pub fn forget(&self) {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Loses the answer of the signature of this number, counted from 1.
    pub fn lose_answer(&self, number: u64) {
        self.lose.store(number, Ordering::Relaxed);
    }
}

impl CheckpointSigner for RememberingSigner {
    fn sign(&mut self, log: &LogId, text: &str) -> Result<Vec<u8>, SignError> {
        let wrong = |error: CheckpointError| SignError::new(error.to_string());
        let asked = Checkpoint::parse(text).map_err(wrong)?;
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = memory.get(&log.name) {
            let last = Checkpoint::parse(last).map_err(wrong)?;
            if last.size > asked.size || last.size == asked.size && last.root != asked.root {
                return Err(SignError::new(format!("{} would roll back or fork {}", asked.size, last.size)));
            }
        }
        memory.insert(log.name, text.to_owned());
        match self.lose.load(Ordering::Relaxed) {
            0 => {}
            1 => {
                self.lose.store(0, Ordering::Relaxed);
                return Err(SignError::new("the answer was lost"));
            }
            left => self.lose.store(left - 1, Ordering::Relaxed),
        }
        FixedSigner::default().sign(log, text)
    }

    fn last(&mut self, log: &LogId) -> Result<Option<String>, SignError> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(memory.get(&log.name).cloned())
    }
}

/// An evidence log and a signing log under the fixed key.
pub fn logs() -> Vec<LogId> {
    let public = FixedSigner::default().public();
    [(LogName::Evidence, Visibility::Private), (LogName::Signing, Visibility::Public)]
        .into_iter()
        .filter_map(|(name, visibility)| {
            let origin = format!("00000000.{}.linkward.internal", name.as_str());
            let key = NoteKey::new(&origin, public).ok()?.to_string();
            Some(LogId { name, origin, key, codec: "test".to_owned(), visibility, tenant: Tenant::default() })
        })
        .collect()
}

/// Opens, or makes, a store in this folder.
///
/// # Errors
/// As [`Store::open`].
pub fn open(root: &Path) -> Result<Store, StoreError> {
    open_with(root, Arc::new(RealFiles))
}

/// As [`open`], over other files.
///
/// # Errors
/// As [`Store::open`].
pub fn open_with(root: &Path, files: Arc<dyn Files>) -> Result<Store, StoreError> {
    open_signed(root, files, Box::new(FixedSigner::default()))
}

/// As [`open_with`], signed by another signer under the fixed key.
///
/// # Errors
/// As [`Store::open`].
pub fn open_signed(
    root: &Path,
    files: Arc<dyn Files>,
    signer: Box<dyn CheckpointSigner>,
) -> Result<Store, StoreError> {
    open_witnessed(root, files, signer, None)
}

/// As [`open_signed`], with witnesses.
///
/// # Errors
/// As [`Store::open`].
pub fn open_witnessed(
    root: &Path,
    files: Arc<dyn Files>,
    signer: Box<dyn CheckpointSigner>,
    witnesses: Option<Witnesses>,
) -> Result<Store, StoreError> {
    let format = root.join("format");
    if !format.exists() {
        std::fs::write(&format, FORMAT).map_err(|source| StoreError::Io { path: format, source })?;
    }
    let settings = Settings { tenant: Tenant::default(), logs: logs() };
    Store::open_witnessed(root, files, settings, signer, witnesses)
}
