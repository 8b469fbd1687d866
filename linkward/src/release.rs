//! `linkward verify --in-release`: a file of a Debian archive, by the archive's signed index.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use linkward_model::{Digest, Instant};
use linkward_prove::{Keyring, Proven, Refusal, SignedRelease, in_release};

use crate::wire::Failure;

#[derive(Debug, Args)]
pub(crate) struct ReleaseArgs {
    /// A Debian archive's InRelease, instead of bundles: the artifact must be one of the files that it lists
    #[arg(long, value_name = "FILE", requires = "keyring", conflicts_with_all = ["bundles", "layout", "notation", "identities", "keys", "key_list", "signers", "trusted_root", "trust"])]
    pub(crate) in_release: Option<PathBuf>,
    /// The archive's OpenPGP keys, as `gpg --export` writes them
    #[arg(long, value_name = "FILE", requires = "in_release")]
    keyring: Option<PathBuf>,
}

pub(crate) fn prove(
    args: &ReleaseArgs,
    path: &Path,
    artifact: &[Digest],
    now: Instant,
) -> Result<Result<Proven<SignedRelease>, Box<Refusal>>> {
    let read = |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let keys = args.keyring.as_deref().context("no --keyring was named")?;
    let keyring = Keyring::parse(&read(keys)?)
        .map_err(|error| Failure::new(error.code(), format!("{}: {error}", keys.display())))?;
    Ok(in_release(&read(path)?, &keyring, artifact, now))
}
