//! `linkward verify --rpm-keyring`: an RPM package by the signature in its header.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use linkward_model::{Digest, Instant, Sha256Stream};
use linkward_prove::{Keyring, MAX_RPM_HEAD, Payload, Proven, Refusal, SignedPackage, rpm};

use crate::wire::Failure;

#[derive(Debug, Args)]
pub(crate) struct RpmArgs {
    /// The artifact is an RPM package: one of these OpenPGP keys (`gpg --export`) must have signed its header
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bundles", "layout", "notation", "in_release", "identities", "keys", "key_list", "signers", "trusted_root", "trust"])]
    pub(crate) rpm_keyring: Option<PathBuf>,
}

pub(crate) fn prove(
    keys: &Path,
    package: &Path,
    now: Instant,
) -> Result<Result<Proven<SignedPackage>, Box<Refusal>>> {
    let bytes = std::fs::read(keys).with_context(|| format!("cannot read {}", keys.display()))?;
    let keyring = Keyring::parse(&bytes)
        .map_err(|error| Failure::new(error.code(), format!("{}: {error}", keys.display())))?;
    let unreadable = || format!("cannot read {}", package.display());
    let mut head = Vec::new();
    let file = std::fs::File::open(package).with_context(unreadable)?;
    file.take(MAX_RPM_HEAD as u64).read_to_end(&mut head).with_context(unreadable)?;
    Ok(rpm(&head, &File(package), &keyring, now))
}

/// A payload is read a piece at a time, however large it is.
pub(crate) struct File<'a>(pub(crate) &'a Path);

impl Payload for File<'_> {
    fn sha256(&self, from: u64) -> Result<Digest, String> {
        let read = || {
            let mut file = std::fs::File::open(self.0)?;
            file.seek(SeekFrom::Start(from))?;
            let mut stream = Sha256Stream::new();
            let mut buffer = vec![0; 128 << 10];
            loop {
                let count = file.read(&mut buffer)?;
                match buffer.get(..count) {
                    Some(piece) if count > 0 => stream.update(piece),
                    _ => return Ok(stream.finish()),
                }
            }
        };
        read().map_err(|error: std::io::Error| error.to_string())
    }
}
