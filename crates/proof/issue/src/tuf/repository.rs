//! The repository's folder: read, and brought up to date.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use linkward_model::{Digest, Instant};
use serde_json::Value;

use super::metadata::{self, Key, Keys, Role};

/// Signs the canonical form of metadata with a key of its role.
pub type Sign<'a> = dyn FnMut(Role, Key, &str) -> Result<Vec<u8>, String> + 'a;

/// Why the repository is not up to date.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    #[error("{path}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{0} is malformed; restore it from a backup")]
    Malformed(PathBuf),
    #[error("{0} metadata was not signed: {1}")]
    Sign(Role, String),
}

/// What an update wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    pub roles: Vec<Role>,
}

/// The folder that clients read.
#[derive(Clone, Debug)]
pub struct Repository {
    folder: PathBuf,
}

/// Metadata as it stands in the folder.
struct Current {
    version: u64,
    expires: Instant,
    signed_by: Vec<String>,
    signed: Value,
}

impl Repository {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }

    pub fn exists(&self) -> bool {
        self.folder.join("1.root.json").is_file()
    }

    /// The first root, of these keys.
    ///
    /// # Errors
    /// It cannot be signed or written.
    pub fn create(
        &self,
        root: Key,
        targets: Key,
        timestamp: Key,
        now: Instant,
        sign: &mut Sign<'_>,
    ) -> Result<(), RepositoryError> {
        let io = |source| RepositoryError::Io { path: self.folder.clone(), source };
        std::fs::create_dir_all(self.folder.join("targets")).map_err(io)?;
        let keys = Keys { root: vec![root], targets: vec![targets], timestamp: vec![timestamp] };
        self.root(1, now, &keys, &[], sign)
    }

    /// A new root key, and a new key for every other role beside the one before, which stays good until the next
    /// rotation: what it signed a moment ago is never without a key.
    ///
    /// # Errors
    /// There is no root, or it cannot be signed or written.
    pub fn rotate(
        &self,
        root: Key,
        targets: Key,
        timestamp: Key,
        now: Instant,
        sign: &mut Sign<'_>,
    ) -> Result<u64, RepositoryError> {
        let (version, keys) = self.keys()?;
        let beside = |known: &[Key], next| known.last().copied().into_iter().chain([next]).collect();
        let next = Keys {
            root: vec![root],
            targets: beside(&keys.targets, targets),
            timestamp: beside(&keys.timestamp, timestamp),
        };
        let version = version.saturating_add(1);
        // Whoever trusts the old root learns of the new one by the old one's word (TUF 5.3.4).
        self.root(version, now, &next, &keys.root, sign)?;
        Ok(version)
    }

    fn root(
        &self,
        version: u64,
        now: Instant,
        keys: &Keys,
        before: &[Key],
        sign: &mut Sign<'_>,
    ) -> Result<(), RepositoryError> {
        let signed = metadata::root(version, now, keys);
        let text = metadata::canonical(&signed);
        let mut signatures = Vec::new();
        for key in keys.root.iter().chain(before.iter().filter(|key| !keys.root.contains(key))) {
            let signature =
                sign(Role::Root, *key, &text).map_err(|why| RepositoryError::Sign(Role::Root, why))?;
            signatures.push((*key, signature));
        }
        self.write(&format!("{version}.root.json"), &metadata::file(&signed, &signatures))
    }

    /// Brings the repository up to date: these files are its targets, and nothing is past half of its life.
    ///
    /// # Errors
    /// There is no root, or something cannot be read, signed or written. The folder stays whole.
    pub fn update(
        &self,
        files: &[(&str, &[u8])],
        now: Instant,
        sign: &mut Sign<'_>,
    ) -> Result<Published, RepositoryError> {
        let mut published = Published::default();
        let (version, mut keys) = self.keys()?;
        let current = self.read(&format!("{version}.root.json"))?.ok_or_else(|| self.malformed("root"))?;
        if !fresh(Role::Root, &current, now) {
            self.root(version.saturating_add(1), now, &keys, &[], sign)?;
            published.roles.push(Role::Root);
            keys = self.keys()?.1;
        }
        let stamp = self.read("timestamp.json")?;
        let snapshot = self.below(stamp.as_ref(), "snapshot")?;
        let targets = self.below(snapshot.as_ref(), "targets")?;
        let listed = metadata::targets(1, now, files);
        let same = targets.as_ref().is_some_and(|known| known.signed.get("targets") == listed.get("targets"));
        let good = |role: Role, known: Option<&Current>| {
            let key = keys.signing(role).map(|key| key.id());
            known.is_some_and(|known| {
                fresh(role, known, now) && key.is_some_and(|key| known.signed_by.contains(&key))
            })
        };
        let mut at = targets.as_ref().map_or(0, |known| known.version);
        let keep = same && good(Role::Targets, targets.as_ref());
        if !keep {
            for (name, bytes) in files {
                self.write(&format!("targets/{}.{name}", Digest::sha256(bytes).hex()), bytes)?;
            }
            at = self.next(Role::Targets)?;
            self.sign(&metadata::targets(at, now, files), Role::Targets, at, &keys, sign)?;
            published.roles.push(Role::Targets);
        }
        let mut of = snapshot.as_ref().map_or(0, |known| known.version);
        let keep = keep && good(Role::Snapshot, snapshot.as_ref());
        if !keep {
            of = self.next(Role::Snapshot)?;
            let signed = metadata::over(Role::Snapshot, of, now, "targets.json", at);
            self.sign(&signed, Role::Snapshot, of, &keys, sign)?;
            published.roles.push(Role::Snapshot);
        }
        if !(keep && good(Role::Timestamp, stamp.as_ref())) {
            let version = stamp.as_ref().map_or(0, |known| known.version).saturating_add(1);
            let signed = metadata::over(Role::Timestamp, version, now, "snapshot.json", of);
            // Only now clients see any of it.
            self.sign(&signed, Role::Timestamp, version, &keys, sign)?;
            published.roles.push(Role::Timestamp);
        }
        Ok(published)
    }

    fn sign(
        &self,
        signed: &Value,
        role: Role,
        version: u64,
        keys: &Keys,
        sign: &mut Sign<'_>,
    ) -> Result<(), RepositoryError> {
        let key = keys.signing(role).ok_or_else(|| self.malformed("root"))?;
        let signature =
            sign(role, key, &metadata::canonical(signed)).map_err(|why| RepositoryError::Sign(role, why))?;
        let name = match role {
            Role::Timestamp => "timestamp.json".to_owned(),
            _ => format!("{version}.{role}.json"),
        };
        self.write(&name, &metadata::file(signed, &[(key, signature)]))
    }

    /// Newest root's version and keys.
    fn keys(&self) -> Result<(u64, Keys), RepositoryError> {
        let version = self.newest(Role::Root)?;
        let root = self.read(&format!("{version}.root.json"))?.ok_or_else(|| self.malformed("1.root"))?;
        let of = |role: Role| -> Option<Vec<Key>> {
            let ids = root.signed.pointer(&format!("/roles/{role}/keyids"))?.as_array()?;
            let key = |id: &Value| {
                Key::from_hex(
                    root.signed.pointer(&format!("/keys/{}/keyval/public", id.as_str()?))?.as_str()?,
                )
            };
            ids.iter().map(key).collect::<Option<Vec<Key>>>().filter(|keys| !keys.is_empty())
        };
        let keys = || {
            Some(Keys { root: of(Role::Root)?, targets: of(Role::Targets)?, timestamp: of(Role::Timestamp)? })
        };
        Ok((version, keys().ok_or_else(|| self.malformed(&format!("{version}.root")))?))
    }

    /// The metadata that another file names.
    fn below(&self, above: Option<&Current>, name: &str) -> Result<Option<Current>, RepositoryError> {
        let version = above.and_then(|above| {
            above.signed.get("meta")?.get(format!("{name}.json"))?.get("version")?.as_u64()
        });
        match version {
            Some(version) => self.read(&format!("{version}.{name}.json")),
            None => Ok(None),
        }
    }

    /// A version that no file has: one that was written and never named is not written over.
    fn next(&self, role: Role) -> Result<u64, RepositoryError> {
        Ok(self.newest(role)?.saturating_add(1))
    }

    fn newest(&self, role: Role) -> Result<u64, RepositoryError> {
        let io = |source| RepositoryError::Io { path: self.folder.clone(), source };
        let suffix = format!(".{role}.json");
        let mut newest = 0;
        for entry in std::fs::read_dir(&self.folder).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            let version = name.to_str().and_then(|name| name.strip_suffix(&suffix)?.parse::<u64>().ok());
            newest = newest.max(version.unwrap_or(0));
        }
        Ok(newest)
    }

    fn malformed(&self, name: &str) -> RepositoryError {
        RepositoryError::Malformed(self.folder.join(format!("{name}.json")))
    }

    fn read(&self, name: &str) -> Result<Option<Current>, RepositoryError> {
        let path = self.folder.join(name);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RepositoryError::Io { path, source }),
        };
        let parsed = || -> Option<Current> {
            let mut value: Value = serde_json::from_slice(&bytes).ok()?;
            let signatures = value.get("signatures")?.as_array()?;
            let signed_by =
                signatures.iter().filter_map(|one| Some(one.get("keyid")?.as_str()?.to_owned())).collect();
            let signed = value.get_mut("signed")?.take();
            Some(Current {
                version: signed.get("version")?.as_u64()?,
                expires: signed.get("expires")?.as_str()?.parse().ok()?,
                signed_by,
                signed,
            })
        };
        parsed().map(Some).ok_or(RepositoryError::Malformed(path))
    }

    /// Writes a file whole, durably, and under its name at once.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RepositoryError> {
        let path = self.folder.join(name);
        let draft = self.folder.join(format!("{name}.new"));
        let written = || -> io::Result<()> {
            let mut file = std::fs::File::create(&draft)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            std::fs::rename(&draft, &path)?;
            std::fs::File::open(path.parent().unwrap_or(&self.folder))?.sync_all()
        };
        written().map_err(|source| RepositoryError::Io { path: path.clone(), source })
    }
}

fn fresh(role: Role, known: &Current, now: Instant) -> bool {
    known.expires.since(now) > role.lifetime_millis() / 2
}
