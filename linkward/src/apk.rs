//! `linkward verify --apk-key`: an Alpine package by the signature over its control stream.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use linkward_model::Instant;
use linkward_prove::{MAX_APK_HEAD, Proven, Refusal, SignedApk, apk};

use crate::rpm::File;
use crate::verify::public_key;

#[derive(Debug, Args)]
pub(crate) struct ApkArgs {
    /// The artifact is an Alpine package: one of these RSA keys, PEM, must have signed its control stream; may be repeated
    #[arg(long = "apk-key", value_name = "PEM", conflicts_with_all = ["bundles", "layout", "notation", "in_release", "rpm_keyring", "identities", "keys", "key_list", "signers", "trusted_root", "trust"])]
    pub(crate) apk_keys: Vec<PathBuf>,
}

pub(crate) fn prove(
    keys: &[PathBuf],
    package: &Path,
    now: Instant,
) -> Result<Result<Proven<SignedApk>, Box<Refusal>>> {
    let keys = keys.iter().map(|path| public_key(path)).collect::<Result<Vec<_>>>()?;
    let unreadable = || format!("cannot read {}", package.display());
    let mut head = Vec::new();
    let file = std::fs::File::open(package).with_context(unreadable)?;
    file.take(MAX_APK_HEAD as u64).read_to_end(&mut head).with_context(unreadable)?;
    Ok(apk(&head, &File(package), &keys, now))
}
