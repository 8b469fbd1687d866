//! Which entries of a log a person wants to hear of: by identity, key, artifact or repository.

use anyhow::{Context as _, Result};
use clap::Args;
use linkward_evidence::rekor;
use linkward_ledger::Envelope;
use linkward_model::Digest;
use linkward_prove::{Named, Pattern, PublicKey, named};
use serde::Serialize;
use serde_json::Value;

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// A signer to report: exact, a glob with * and **, or regex:... (anchored); may be repeated
    #[arg(long = "identity", value_name = "PATTERN", value_parser = Pattern::parse)]
    identities: Vec<Pattern>,
    /// A public key to report, PEM; may be repeated
    #[arg(long = "signer-key", value_name = "PEM")]
    keys: Vec<std::path::PathBuf>,
    /// The digest of an artifact to report; may be repeated
    #[arg(long = "artifact", value_name = "DIGEST")]
    artifacts: Vec<Digest>,
    /// A source repository to report, as certificates name it; may be repeated
    #[arg(long = "repository", value_name = "PATTERN", value_parser = Pattern::parse)]
    repositories: Vec<Pattern>,
}

/// What an entry says. Read, not proven: the log's operator vouches for what it checked.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Found {
    pub(super) index: u64,
    pub(super) kind: String,
    pub(super) artifact: Option<String>,
    pub(super) identity: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) repository: Option<String>,
    pub(super) key: Option<String>,
}

/// What there is to say of an entry.
pub(super) enum Seen {
    Reported(Found),
    Other,
    /// Its kind cannot be read: whether it is one of those looked for is unknown.
    Unreadable,
}

/// The patterns with their keys read.
pub(super) struct Watcher<'a> {
    watch: &'a Watch,
    keys: Vec<Vec<u8>>,
}

impl Watch {
    pub(super) fn watcher(&self) -> Result<Watcher<'_>> {
        let read = |path: &std::path::PathBuf| -> Result<Vec<u8>> {
            let text = std::fs::read_to_string(path)?;
            Ok(PublicKey::from_pem(&text)?.spki().to_vec())
        };
        let keys = self.keys.iter().map(|path| read(path).with_context(|| path.display().to_string()));
        Ok(Watcher { watch: self, keys: keys.collect::<Result<_>>()? })
    }
}

impl Watcher<'_> {
    pub(super) fn is_idle(&self) -> bool {
        let Watch { identities, artifacts, repositories, .. } = self.watch;
        identities.is_empty() && self.keys.is_empty() && artifacts.is_empty() && repositories.is_empty()
    }

    pub(super) fn look(&self, index: u64, bytes: &[u8]) -> Seen {
        if self.is_idle() {
            return Seen::Other;
        }
        if let Ok(envelope) = Envelope::decode(bytes) {
            return self.record(index, &envelope);
        }
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let entry = serde_json::from_slice::<Value>(bytes).ok().and_then(|value| {
            let (kind, version) = (text(&value, "kind")?, text(&value, "apiVersion")?);
            let entry = rekor::Entry::parse(&kind, &version, bytes).ok()?;
            Some((format!("{kind} {version}"), entry))
        });
        let Some((kind, entry)) = entry else { return Seen::Unreadable };
        let digests = [Some(entry.digest), entry.envelope];
        let artifact = digests.iter().flatten().any(|digest| self.watch.artifacts.contains(digest));
        let mut reported = None;
        for signature in &entry.signatures {
            let holder = named(&signature.verifier)
                .unwrap_or_else(|| Named { key: signature.verifier.clone(), ..Named::default() });
            let repository = holder
                .extensions
                .iter()
                .find(|(extension, _)| {
                    matches!(extension.as_str(), "source-repository-uri" | "github-workflow-repository")
                })
                .map(|(_, value)| value.clone());
            let any = |patterns: &[Pattern], name: &str| patterns.iter().any(|pattern| pattern.matches(name));
            let wanted = artifact
                || holder.names.iter().any(|name| any(&self.watch.identities, name))
                || holder.extensions.iter().any(|(extension, value)| {
                    extension.as_str().contains("repository") && any(&self.watch.repositories, value)
                })
                || self.keys.contains(&holder.key);
            if wanted && reported.is_none() {
                reported = Some(Found {
                    index,
                    kind: kind.clone(),
                    artifact: Some(entry.digest.to_string()),
                    identity: holder.names.first().cloned(),
                    issuer: holder.issuer,
                    repository,
                    key: Some(Digest::sha256(&holder.key).to_string()),
                });
            }
        }
        reported.map_or(Seen::Other, Seen::Reported)
    }

    /// A leaf of an evidence log: it names its blob, and nobody.
    fn record(&self, index: u64, envelope: &Envelope) -> Seen {
        if self.watch.artifacts.contains(&envelope.blob) {
            let kind = envelope.kind.as_str().to_owned();
            let artifact = Some(envelope.blob.to_string());
            return Seen::Reported(Found { index, kind, artifact, ..Found::default() });
        }
        // Who signed, and what a record is about, stands in the blob, which the log's readers do not have.
        Seen::Unreadable
    }
}
