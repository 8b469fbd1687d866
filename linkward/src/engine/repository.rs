//! The TUF repository of this home: made once, brought up to date whenever what clients are to trust changes, and signed
//! again before it expires.

use anyhow::{Context as _, Result};
use linkward_issue::tuf::{Key, Repository, Role};
use linkward_model::Instant;

use super::Engine;

/// What the repository hands out, where the home has it: by its name there, and its place in the home.
const TARGETS: &[(&str, &str)] = &[
    ("trusted_root.json", "trusted_root.json"),
    ("signing_config.v0.2.json", "sigstore/signing_config.v0.2.json"),
    ("artifact_keys.json", "sigstore/artifact_keys.json"),
];

impl Engine {
    /// Brings the repository up to date; a home without a private Sigstore has none.
    pub(crate) fn publish_repository(&self, now: Instant) -> Result<()> {
        if !self.has_sigstore() {
            return Ok(());
        }
        let repository = Repository::new(&self.home.repository());
        let mut sign = |role: Role, key: Key, text: &str| {
            self.signer
                .call(|signer| Ok(signer.sign_metadata(role, key, text)?))
                .map_err(|error| format!("{error:#}"))
        };
        if !repository.exists() {
            let [root, targets, timestamp] = linkward_issue::create_repository_keys(&self.home.keys())?;
            repository.create(root, targets, timestamp, now, &mut sign)?;
        }
        let mut files = Vec::new();
        for (name, place) in TARGETS {
            let path = self.home.path().join(place);
            match std::fs::read(&path) {
                Ok(bytes) => files.push((*name, bytes)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
            }
        }
        let files: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
        repository.update(&files, now, &mut sign).context("the TUF repository")?;
        Ok(())
    }

    /// A file of the repository, by its path.
    pub(crate) fn repository_file(&self, path: &str) -> Option<Vec<u8>> {
        let plain = path.split('/').all(|part| !part.is_empty() && !part.starts_with('.'))
            && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_'))
            && !path.ends_with(".new");
        plain.then(|| std::fs::read(self.home.repository().join(path)).ok()).flatten()
    }
}
