//! For tests of this and other crates: a store over a scratch folder with a key that everybody knows.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use linkward_ledger::key::NoteKey;
use linkward_ledger::{LogId, LogName, Visibility};
use linkward_model::Tenant;

use crate::{CheckpointSigner, FORMAT, Files, RealFiles, Settings, SignError, Store, StoreError};

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
    let format = root.join("format");
    if !format.exists() {
        std::fs::write(&format, FORMAT).map_err(|source| StoreError::Io { path: format, source })?;
    }
    let settings = Settings { tenant: Tenant::default(), logs: logs() };
    Store::open(root, files, settings, Box::new(FixedSigner::default()))
}
