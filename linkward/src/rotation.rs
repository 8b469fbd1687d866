//! Rotation of a home's keys: the trust root first, so that what a new key signs is trusted before it signs; then the
//! instance, which is the moment that counts.

use anyhow::{Context as _, Result};
use linkward_evidence::rekor::from_pem;
use linkward_issue::Role;
use linkward_issue::sigstore::instance::Instance;
use linkward_issue::tuf::{Key, Repository, Role as Metadata};
use linkward_ledger::key::NoteKey;
use linkward_ledger::note::signature_line;
use linkward_ledger::{LogId, LogName, VerifiedCheckpoint};
use linkward_model::{Code, Instant};

use crate::engine::SharedSigner;
use crate::home::{Home, Trust, replace};
use crate::wire::Failure;

/// What a rotation made.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) name: String,
    pub(crate) generation: u64,
    pub(crate) start: Instant,
}

/// A home whose instance is about to change, and nobody else's.
struct Rotation<'a> {
    home: &'a Home,
    trust: Trust,
    instance: Instance,
    _lock: std::fs::File,
}

impl<'a> Rotation<'a> {
    fn open(home: &'a Home) -> Result<Self> {
        let lock = home.exclusive()?;
        let missing = || Failure::new(Code::SigstoreMissing, "this home has no private Sigstore");
        Ok(Self { home, trust: home.trust()?, instance: home.instance()?.ok_or_else(missing)?, _lock: lock })
    }

    fn log(&self) -> Result<LogId> {
        let log = self.trust.logs.iter().find(|log| log.name == LogName::Signing);
        log.cloned().context("no signing log")
    }

    fn name(&self) -> String {
        format!("linkward {}", self.trust.id)
    }

    fn publish_root(&self) -> Result<()> {
        let root = self.instance.trusted_root(&self.log()?, self.trust.created)?;
        replace(&self.home.path().join("trusted_root.json"), &serde_json::to_vec_pretty(&root)?)
    }

    fn commit(&self) -> Result<()> {
        let path = self.home.path().join("sigstore/instance.json");
        replace(&path, &serde_json::to_vec_pretty(&self.instance)?)
    }
}

impl Home {
    /// Adds a generation to an authority or to the certificate log's key.
    pub(crate) fn rotate(&self, role: Role, overlap_millis: i64, now: Instant) -> Result<Made> {
        let mut rotation = Rotation::open(self)?;
        let name = rotation.name();
        let made = rotation.instance.rotate(role, &self.keys(), &name, overlap_millis, now)?.clone();
        rotation.publish_root()?;
        rotation.commit()?;
        Ok(Made { name: made.name, generation: u64::from(made.number), start: made.start })
    }

    /// Gives the signing log another key: the same log, the same entries, and a checkpoint that both keys signed.
    pub(crate) fn rotate_log(&self, overlap_millis: i64, now: Instant) -> Result<Made> {
        let mut rotation = Rotation::open(self)?;
        let log = rotation.log()?;
        let created = rotation.trust.created;
        let made = rotation.instance.rotate_log(&log, created, &self.keys(), overlap_millis, now)?;
        rotation.publish_root()?;
        self.sign_checkpoint_again(&log, &made.key)?;
        rotation.commit()?;
        let mut trust = rotation.trust.clone();
        for known in trust.logs.iter_mut().filter(|known| known.name == LogName::Signing) {
            known.key.clone_from(&made.key);
        }
        replace(&self.path().join("trust.json"), &serde_json::to_vec_pretty(&trust)?)?;
        Ok(Made { name: made.key, generation: u64::from(made.number), start: made.start })
    }

    /// Adds the new key's signature to the log's checkpoint: whoever knows either key can read it, and a rotation that
    /// ends here has changed nothing.
    fn sign_checkpoint_again(&self, log: &LogId, key: &str) -> Result<()> {
        let path = self.path().join("logs").join(log.name.as_str()).join("checkpoint");
        let note = match std::fs::read(&path) {
            Ok(note) => note,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        VerifiedCheckpoint::open(&note, &log.key.parse()?).context("the log's checkpoint")?;
        let whole = String::from_utf8(note).context("the log's checkpoint")?;
        let text = whole.split_once("\n\n").map(|(text, _)| format!("{text}\n"));
        let text = text.context("the log's checkpoint has no signatures")?;
        let new: NoteKey = key.parse()?;
        let signer = SharedSigner::new(self.keys());
        let signature = signer.call(|signer| Ok(signer.sign_checkpoint(log.name, key, &text)?))?;
        replace(&path, format!("{whole}{}", signature_line(&new, &signature)).as_bytes())
    }

    /// Another key for what people ask to be signed. The older ones stay known, with the time that they ended at.
    pub(crate) fn rotate_signing_key(&self, overlap_millis: i64, now: Instant) -> Result<Made> {
        self.ensure_artifact_key()?;
        let mut rotation = Rotation::open(self)?;
        let current = self.artifact_key()?.as_deref().and_then(from_pem).context("artifact.pub")?;
        let name = rotation.name();
        let made =
            rotation.instance.rotate_artifact_key(current, &self.keys(), &name, overlap_millis, now)?;
        rotation.commit()?;
        for known in &rotation.instance.artifact_keys {
            let pem = linkward_issue::pem("PUBLIC KEY", &known.key.0);
            replace(&self.path().join(format!("artifact-{}.pub", known.number)), pem.as_bytes())?;
        }
        let pem = linkward_issue::pem("PUBLIC KEY", &made.key.0);
        replace(&self.path().join("artifact.pub"), pem.as_bytes())?;
        let list = serde_json::to_vec_pretty(&rotation.instance.key_list(&made.key.0))?;
        replace(&self.path().join("sigstore/artifact_keys.json"), &list)?;
        Ok(Made { name: made.name, generation: u64::from(made.number), start: made.start })
    }

    /// Another root key of the TUF repository, by the old one's word, and another key of each other role.
    pub(crate) fn rotate_repository(&self, now: Instant) -> Result<Made> {
        let _rotation = Rotation::open(self)?;
        let repository = Repository::new(&self.repository());
        if !repository.exists() {
            let message = "this home has no TUF repository yet; `linkward up` makes it";
            return Err(Failure::new(Code::SigstoreMissing, message).into());
        }
        let [root, targets, timestamp] = linkward_issue::create_repository_keys(&self.keys())?;
        let signer = SharedSigner::new(self.keys());
        let mut sign = |role: Metadata, key: Key, text: &str| {
            signer
                .call(|signer| Ok(signer.sign_metadata(role, key, text)?))
                .map_err(|error| format!("{error:#}"))
        };
        let version = repository.rotate(root, targets, timestamp, now, &mut sign)?;
        Ok(Made { name: format!("tuf root {version}"), generation: version, start: now })
    }
}
