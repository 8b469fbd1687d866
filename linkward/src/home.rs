//! The home folder: made whole or not at all, with keys that only the signer process reads.

use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use linkward_issue::sigstore::ceremony;
use linkward_issue::sigstore::instance::Instance;
use linkward_ledger::{LogId, LogName, Visibility};
use linkward_model::{Code, Digest, Instant};
use linkward_prove::TrustRoots;
use serde::{Deserialize, Serialize};

use crate::config::{self, Config};
use crate::wire::Failure;

/// The folder's name in a project.
const NAME: &str = ".linkward";

#[derive(Clone, Debug)]
pub(crate) struct Home {
    path: PathBuf,
}

/// Whose keys this home trusts: written once, shown, recorded.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Trust {
    pub(crate) version: u32,
    pub(crate) id: String,
    pub(crate) created: Instant,
    pub(crate) logs: Vec<LogId>,
    /// The key that signs build steps, PEM.
    pub(crate) step_key: String,
    pub(crate) step_key_id: Digest,
    pub(crate) builder: String,
    /// Whoever owns policy.yaml may change policy.
    pub(crate) policy_owner: String,
    /// The logs that this home went on from when it was restored, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) former: Vec<Former>,
}

/// The logs of a home before it was restored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Former {
    pub(crate) id: String,
    /// When the home was restored.
    pub(crate) until: Instant,
    pub(crate) logs: Vec<LogId>,
    /// Their last checkpoints in the backup, signed notes: origin, size and root.
    pub(crate) checkpoints: Vec<String>,
}

impl Trust {
    /// The same home under new log keys, and so under a new id.
    pub(crate) fn renamed(old: &Self, keys: &[(LogName, [u8; 32])]) -> Result<Self> {
        let evidence = keys.iter().find(|(name, _)| *name == LogName::Evidence).context("no evidence key")?;
        let id = Digest::sha256(&evidence.1).hex().get(..8).unwrap_or("00000000").to_owned();
        let log = |log: &LogId| -> Result<LogId> {
            let (_, key) = keys.iter().find(|(name, _)| *name == log.name).context("a log has no new key")?;
            let origin = format!("{id}.{}.linkward.internal", log.name.as_str());
            let key = linkward_ledger::key::NoteKey::new(&origin, *key)?.to_string();
            Ok(LogId { origin, key, ..log.clone() })
        };
        let logs = old.logs.iter().map(log).collect::<Result<_>>()?;
        Ok(Self { id, logs, ..old.clone() })
    }
}

/// What a first start made, for the person.
#[derive(Debug)]
pub(crate) struct Created {
    pub(crate) files: Vec<(&'static str, String)>,
}

impl Home {
    /// The home of a project: given, or `.linkward` in it.
    pub(crate) fn of_project(given: Option<&Path>, project: &Path) -> Result<Self> {
        let path = given.map_or_else(|| project.join(NAME), Path::to_path_buf);
        Ok(Self { path: std::path::absolute(&path)? })
    }

    /// The home of a command that names no project: given, or in the nearest folder above.
    pub(crate) fn find(given: Option<&Path>, from: &Path) -> Result<Self> {
        if let Some(given) = given {
            let home = Self { path: std::path::absolute(given)? };
            return if home.exists() { Ok(home) } else { Err(home.missing()) };
        }
        from.ancestors()
            .map(|folder| Self { path: folder.join(NAME) })
            .find(Self::exists)
            .ok_or_else(|| Self { path: from.join(NAME) }.missing())
    }

    /// A folder that holds a home, or is to become one.
    pub(crate) fn at(path: &Path) -> Self {
        Self { path: path.to_path_buf() }
    }

    fn missing(&self) -> anyhow::Error {
        anyhow!("no home at {}; make one with `linkward up`", self.path.display())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The folder that the home belongs to.
    pub(crate) fn project(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    pub(crate) fn exists(&self) -> bool {
        self.path.join("format").is_file()
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.path.join("keys")
    }

    pub(crate) fn policy_path(&self) -> PathBuf {
        self.path.join("policy.yaml")
    }

    /// A policy that is tried beside the one in force.
    pub(crate) fn trial_path(&self) -> PathBuf {
        self.path.join("policy.trial.yaml")
    }

    /// The settings, every fault at once.
    pub(crate) fn config(&self) -> Result<Config> {
        settings(&self.path.join("linkward.toml"))
    }

    pub(crate) fn trust(&self) -> Result<Trust> {
        let path = self.path.join("trust.json");
        let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut trust: Trust = serde_json::from_slice(&text)
            .with_context(|| format!("{} is malformed; restore it from a backup", path.display()))?;
        // A rotation that was killed after the instance and before this file: the instance is what counts.
        if let Some(last) = self.instance()?.and_then(|instance| instance.log_keys.last().cloned()) {
            for known in trust.logs.iter_mut().filter(|known| known.name == LogName::Signing) {
                known.key.clone_from(&last.key);
            }
        }
        Ok(trust)
    }

    /// Where the TUF repository is.
    pub(crate) fn repository(&self) -> PathBuf {
        self.path.join("tuf")
    }

    /// Every key that ever signed what people asked to be signed: SubjectPublicKeyInfo, the current one last.
    pub(crate) fn artifact_keys(&self) -> Result<Vec<Vec<u8>>> {
        let known = self.instance()?.map(|instance| instance.artifact_keys).unwrap_or_default();
        if !known.is_empty() {
            return Ok(known.into_iter().map(|generation| generation.key.0).collect());
        }
        let Some(pem) = self.artifact_key()? else { return Ok(Vec::new()) };
        Ok(vec![linkward_evidence::rekor::from_pem(&pem).context("artifact.pub is not PEM")?])
    }

    /// The private Sigstore of this home, if it has one.
    pub(crate) fn instance(&self) -> Result<Option<Instance>> {
        let path = self.path.join("sigstore/instance.json");
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .with_context(|| format!("{} is malformed; restore it from a backup", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// PEM of the key that signs what people ask to be signed; homes of older versions have none yet.
    pub(crate) fn artifact_key(&self) -> Result<Option<String>> {
        if let Some(last) = self.instance()?.and_then(|instance| instance.artifact_keys.last().cloned()) {
            return Ok(Some(linkward_issue::pem("PUBLIC KEY", &last.key.0)));
        }
        let path = self.path.join("artifact.pub");
        match std::fs::read_to_string(&path) {
            Ok(pem) => Ok(Some(pem)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Makes that key where there is none.
    pub(crate) fn ensure_artifact_key(&self) -> Result<()> {
        if self.artifact_key()?.is_none() {
            let pem = linkward_issue::artifact_key(&self.keys())?;
            replace(&self.path.join("artifact.pub"), pem.as_bytes())?;
        }
        Ok(())
    }

    /// The home's lock, as the store takes it.
    pub(crate) fn exclusive(&self) -> Result<std::fs::File> {
        let lock = std::fs::File::create(self.path.join("lock"))?;
        if lock.try_lock().is_err() {
            let message = "the home is in use; stop the daemon first";
            return Err(Failure::new(Code::HomeLocked, message).into());
        }
        Ok(lock)
    }

    /// Gives a home of an older version its private Sigstore. Nothing else may have the home open.
    pub(crate) fn add_sigstore(&self, now: Instant) -> Result<()> {
        let _lock = self.exclusive()?;
        let mut trust = self.trust()?;
        if !trust.logs.iter().any(|log| log.name == LogName::Certificates) {
            trust.logs.push(certificate_log(&self.keys(), &trust.id)?);
        }
        let root = sigstore(&self.path, &trust, now)?;
        replace(&self.path.join("trusted_root.json"), &root)?;
        replace(&self.path.join("trust.json"), &serde_json::to_vec_pretty(&trust)?)
    }

    /// Trust roots of this home's own signing log.
    pub(crate) fn trusted_root(&self) -> Result<Vec<u8>> {
        let path = self.path.join("trusted_root.json");
        std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// Makes the home beside its place and moves it there: a start that is killed half way leaves no home.
    pub(crate) fn create(&self, now: Instant) -> Result<Created> {
        let parent = self.path.parent().context("the home needs a folder to stand in")?;
        if self.path.exists() {
            return Err(anyhow!(
                "{} exists but is no home (it has no `format` file); move it away or name another with --home",
                self.path.display()
            ));
        }
        let draft = parent.join(format!("{NAME}.new-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&draft);
        let made = fill(&draft, now).and_then(|created| {
            std::fs::rename(&draft, &self.path)?;
            std::fs::File::open(parent)?.sync_all()?;
            Ok(created)
        });
        if made.is_err() {
            let _ = std::fs::remove_dir_all(&draft);
        }
        made.with_context(|| format!("cannot make the home {}", self.path.display()))
    }

    /// Settings without keys, so that a rebuilt folder can be read but not written.
    pub(crate) fn copy_settings(&self, to: &Path) -> Result<()> {
        for name in
            ["format", "linkward.toml", "policy.yaml", "trust.json", "trusted_root.json", "artifact.pub"]
        {
            let from = self.path.join(name);
            if from.is_file() {
                std::fs::copy(&from, to.join(name)).with_context(|| format!("cannot copy {name}"))?;
            }
        }
        Ok(())
    }

    /// Who may change policy, as the file system says.
    pub(crate) fn policy_owner(&self) -> String {
        std::fs::metadata(self.policy_path()).map_or_else(
            |_| "nobody: policy.yaml is missing".to_owned(),
            |meta| format!("uid {} with mode {:o}", meta.uid(), meta.mode() & 0o777),
        )
    }
}

fn fill(draft: &Path, now: Instant) -> Result<Created> {
    std::fs::DirBuilder::new().mode(0o700).create(draft)?;
    let keys = linkward_issue::create_keys(&draft.join("keys"))?;
    // Random by the keys: two homes never share an origin.
    let id = Digest::sha256(&keys.evidence).hex().get(..8).unwrap_or("00000000").to_owned();
    let log = |name: LogName, key: [u8; 32], codec: &str, visibility| -> Result<LogId> {
        let origin = format!("{id}.{}.linkward.internal", name.as_str());
        let key = linkward_ledger::key::NoteKey::new(&origin, key)?;
        Ok(LogId {
            name,
            origin,
            key: key.to_string(),
            codec: codec.to_owned(),
            visibility,
            tenant: linkward_model::Tenant::default(),
        })
    };
    let logs = vec![
        log(LogName::Evidence, keys.evidence, "linkward-envelope-v1", Visibility::Private)?,
        log(LogName::Signing, keys.signing, "rekor-v2", Visibility::Public)?,
        certificate_log(&draft.join("keys"), &id)?,
    ];
    let artifact_key = linkward_issue::artifact_key(&draft.join("keys"))?;
    let step_key_id = keys.step_id();
    let builder =
        format!("https://linkward.dev/builders/local/{}", step_key_id.hex().get(..16).unwrap_or(""));
    let owner = std::fs::metadata(draft)?.uid();
    let trust = Trust {
        version: 1,
        id,
        created: now,
        logs,
        step_key: keys.step.clone(),
        step_key_id,
        builder: builder.clone(),
        policy_owner: format!("uid {owner}, by the permissions of policy.yaml"),
        former: Vec::new(),
    };
    let root = sigstore(draft, &trust, now)?;
    let policy = linkward_decide::default_policy(&step_key_id, &builder);
    let gitignore = "# Evidence and keys of this machine: not part of the source.\n*\n".to_owned();
    let files = [
        (".gitignore", gitignore.into_bytes()),
        ("linkward.toml", config::DEFAULT.as_bytes().to_vec()),
        ("policy.yaml", policy.into_bytes()),
        ("trust.json", serde_json::to_vec_pretty(&trust)?),
        ("trusted_root.json", root),
        ("artifact.pub", artifact_key.into_bytes()),
    ];
    for (name, bytes) in &files {
        write_new(&draft.join(name), bytes)?;
    }
    // The last file written: it is what makes the folder a home.
    write_new(&draft.join("format"), linkward_record::FORMAT.as_bytes())?;
    std::fs::File::open(draft)?.sync_all()?;
    Ok(Created {
        files: vec![
            ("keys/", "private keys, mode 0600, read by the signer process alone".to_owned()),
            ("linkward.toml", "settings, each with its default".to_owned()),
            ("policy.yaml", format!("what is allowed; may be changed by uid {owner}")),
            ("trust.json", format!("the logs and keys of this home; builder {builder}")),
            ("sigstore/", "a private Sigstore: authorities, certificate log, trust root".to_owned()),
            ("logs/, blobs/", "the record, tamper-evident".to_owned()),
            (
                "trust root",
                format!(
                    "public-good Sigstore, built in, of {}; refused once it is {} days old",
                    linkward_prove::production_date().to_string().get(..10).unwrap_or(""),
                    config::Config::default().builtin_root_max_age_days
                ),
            ),
        ],
    })
}

/// Settings of a file, every fault at once; the defaults where there is none.
pub(crate) fn settings(path: &Path) -> Result<Config> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    Config::parse(&text, |name| std::env::var(name).ok()).map_err(|faults| {
        let lines: Vec<_> = faults.iter().map(|fault| format!("  {fault}")).collect();
        let message = format!(
            "{} has {}\n{}",
            path.display(),
            crate::table::counted(faults.len(), "fault"),
            lines.join("\n")
        );
        Failure::new(Code::ConfigMalformed, message).into()
    })
}

fn certificate_log(keys: &Path, id: &str) -> Result<LogId> {
    let origin = format!("{id}.{}.linkward.internal", LogName::Certificates.as_str());
    let key = linkward_issue::create_certificates(keys)?;
    Ok(LogId {
        name: LogName::Certificates,
        key: linkward_ledger::key::NoteKey::new(&origin, key)?.to_string(),
        origin,
        codec: "rfc6962".to_owned(),
        visibility: Visibility::Public,
        tenant: linkward_model::Tenant::default(),
    })
}

/// Makes the private Sigstore of a home; its trust root.
fn sigstore(home: &Path, trust: &Trust, now: Instant) -> Result<Vec<u8>> {
    let (keys, name) = (home.join("keys"), format!("linkward {}", trust.id));
    let instance = Instance {
        version: 1,
        created: now,
        authorities: vec![ceremony::authority(&keys, &name, 1, now)?],
        certificate_logs: vec![ceremony::certificate_log(&keys, &name, 1, now)?],
        timestamp_authorities: vec![ceremony::timestamp(&keys, &name, 1, now)?],
        test_issuer: Some(ceremony::test_issuer(&keys, &name, now)?),
        log_keys: Vec::new(),
        artifact_keys: Vec::new(),
    };
    let log = trust.logs.iter().find(|log| log.name == LogName::Signing).context("no signing log")?;
    let root = instance.trusted_root(log, trust.created)?;
    std::fs::create_dir_all(home.join("sigstore"))?;
    write_new(&home.join("sigstore/instance.json"), &serde_json::to_vec_pretty(&instance)?)?;
    Ok(serde_json::to_vec_pretty(&root)?)
}

/// Replaces a file's content whole or not at all.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let draft = path.with_extension("new");
    let _ = std::fs::remove_file(&draft);
    write_new(&draft, bytes)?;
    std::fs::rename(&draft, path).with_context(|| format!("cannot replace {}", path.display()))
}

/// Writes a file that was not there, durably.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}

/// The built-in public-good roots, refused once they are older than the setting allows.
pub(crate) fn production_roots(now: Instant, max_age_days: i64) -> Result<TrustRoots> {
    let date = linkward_prove::production_date();
    let age = now.since(date) / 86_400_000;
    if age > max_age_days {
        let message = format!(
            "the built-in trust root is of {date}, {age} days old; the limit is {max_age_days} (trust.builtin_root_max_age_days)"
        );
        return Err(Failure::new(Code::TrustRootStale, message).into());
    }
    Ok(TrustRoots::production())
}

/// Where checkpoints that were seen are remembered: outside every home.
pub(crate) fn memory() -> Option<PathBuf> {
    let base = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state")))?;
    Some(base.join("linkward/seen"))
}

/// Compares a daemon's log with the memory of what was seen, as a command that opens the home itself does.
pub(crate) fn seen_by_daemon(home: &Home) -> Result<()> {
    use crate::wire::Request;
    let Some(memory) = memory() else { return Ok(()) };
    let ask = |request: &Request| -> Result<serde_json::Value> {
        Ok(crate::socket::ask(home.path(), request)?.context("the daemon stopped")??)
    };
    let trust = home.trust()?;
    let log = trust
        .logs
        .iter()
        .find(|log| log.name == LogName::Evidence)
        .context("trust.json names no evidence log")?;
    let key = log.key.parse()?;
    let from = linkward_record::seen::last(&memory, home.path()).map_or(0, |seen| seen.size);
    let answer = ask(&Request::Consistency { from })?;
    let note = answer.get("checkpoint").and_then(serde_json::Value::as_str).unwrap_or("");
    let checkpoint = linkward_ledger::VerifiedCheckpoint::open(note.as_bytes(), &key)?;
    let hashes: Vec<linkward_ledger::Hash> = answer
        .get("proof")
        .and_then(serde_json::Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|hash| linkward_ledger::Hash::from_hex(hash.as_str()?))
        .collect();
    linkward_record::seen::compare(&memory, home.path(), &checkpoint, |_| Ok(hashes)).map_err(|error| {
        Failure::new(Code::RecordRolledBack, format!("{}: {error}", home.path().display()))
    })?;
    Ok(())
}
