//! What is kept of a repository: one file each below `trust/` in the home, replaced whole.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_model::{Code, Digest, Instant};
use linkward_prove::{Kept, TrustRoots, TrustedTarget, reopen_trust};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::home::{Home, replace};
use crate::wire::Failure;

const DAY: i64 = 86_400_000;

/// A repository that a person added.
#[derive(Clone, Debug)]
pub(crate) struct Added {
    pub(crate) name: String,
    pub(super) url: String,
    pub(super) target: String,
    pub(super) ca: Option<PathBuf>,
    pub(super) pin: Option<Digest>,
    /// What was seen last, be it confirmed or not: nothing older is taken.
    pub(super) seen: Kept,
    confirmed: Option<Confirmed>,
}

/// The last whole state that was proven.
#[derive(Clone, Debug)]
struct Confirmed {
    at: Instant,
    expires: Instant,
    root_version: u64,
    targets_version: u64,
    kept: Kept,
    content: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Raw {
    version: u32,
    url: String,
    target: String,
    ca: Option<PathBuf>,
    pin: Option<Digest>,
    seen: RawKept,
    confirmed: Option<RawConfirmed>,
}

#[derive(Serialize, Deserialize)]
struct RawKept {
    root: String,
    timestamp: Option<String>,
    snapshot: Option<String>,
    targets: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct RawConfirmed {
    at: Instant,
    expires: Instant,
    root_version: u64,
    targets_version: u64,
    kept: RawKept,
    content: String,
}

impl RawKept {
    fn of(kept: &Kept) -> Self {
        let spell = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(|bytes| STANDARD.encode(bytes));
        Self {
            root: STANDARD.encode(&kept.root),
            timestamp: spell(&kept.timestamp),
            snapshot: spell(&kept.snapshot),
            targets: spell(&kept.targets),
        }
    }

    fn read(&self) -> Result<Kept> {
        let read = |text: &Option<String>| text.as_ref().map(|text| STANDARD.decode(text)).transpose();
        Ok(Kept {
            root: STANDARD.decode(&self.root)?,
            timestamp: read(&self.timestamp)?,
            snapshot: read(&self.snapshot)?,
            targets: read(&self.targets)?,
        })
    }
}

/// Names become names of files.
pub(super) fn check_name(name: &str) -> Result<()> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
        anyhow::bail!("`{}` is no name: letters, digits, - and _", name.escape_debug());
    }
    Ok(())
}

pub(super) fn path(home: &Home, name: &str) -> PathBuf {
    home.path().join("trust").join(format!("{name}.json"))
}

pub(crate) fn load(home: &Home, name: &str) -> Result<Added> {
    check_name(name)?;
    let path = path(home, name);
    match std::fs::read(&path) {
        Ok(bytes) => read(name, &bytes).with_context(|| path.display().to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Failure::new(Code::TrustUnknown, format!("no trust `{name}` was added")).into())
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Every repository of a home, by name.
pub(crate) fn added(home: &Home) -> Result<Vec<Added>> {
    let folder = home.path().join("trust");
    let entries = match std::fs::read_dir(&folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(|| format!("cannot read {}", folder.display()))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let file = entry?.file_name();
        names
            .extend(Path::new(&file).to_str().and_then(|name| name.strip_suffix(".json")).map(str::to_owned));
    }
    names.sort();
    names.iter().map(|name| load(home, name)).collect()
}

fn read(name: &str, bytes: &[u8]) -> Result<Added> {
    let raw: Raw = serde_json::from_slice(bytes)?;
    if raw.version != 1 {
        anyhow::bail!("version {} of this file is not known; update Linkward", raw.version);
    }
    let confirmed = raw.confirmed.map(|raw| {
        Ok::<_, anyhow::Error>(Confirmed {
            at: raw.at,
            expires: raw.expires,
            root_version: raw.root_version,
            targets_version: raw.targets_version,
            kept: raw.kept.read()?,
            content: STANDARD.decode(&raw.content)?,
        })
    });
    Ok(Added {
        name: name.to_owned(),
        url: raw.url,
        target: raw.target,
        ca: raw.ca,
        pin: raw.pin,
        seen: raw.seen.read()?,
        confirmed: confirmed.transpose()?,
    })
}

impl Added {
    pub(super) fn new(name: String, url: String, target: String, ca: Option<PathBuf>, seen: Kept) -> Self {
        Self { name, url, target, ca, pin: None, seen, confirmed: None }
    }

    pub(super) fn save(&self, home: &Home) -> Result<()> {
        let confirmed = self.confirmed.as_ref().map(|confirmed| RawConfirmed {
            at: confirmed.at,
            expires: confirmed.expires,
            root_version: confirmed.root_version,
            targets_version: confirmed.targets_version,
            kept: RawKept::of(&confirmed.kept),
            content: STANDARD.encode(&confirmed.content),
        });
        let raw = Raw {
            version: 1,
            url: self.url.clone(),
            target: self.target.clone(),
            ca: self.ca.clone(),
            pin: self.pin,
            seen: RawKept::of(&self.seen),
            confirmed,
        };
        std::fs::create_dir_all(home.path().join("trust"))?;
        replace(&path(home, &self.name), &serde_json::to_vec_pretty(&raw)?)
    }

    pub(super) fn confirm(&mut self, target: &TrustedTarget, now: Instant) {
        self.confirmed = Some(Confirmed {
            at: now,
            expires: target.expires(),
            root_version: target.versions().root,
            targets_version: target.versions().targets,
            kept: self.seen.clone(),
            content: target.content().to_vec(),
        });
    }

    pub(super) fn confirmed_at(&self) -> Option<Instant> {
        self.confirmed.as_ref().map(|confirmed| confirmed.at)
    }

    pub(super) fn expires(&self) -> Option<Instant> {
        self.confirmed.as_ref().map(|confirmed| confirmed.expires)
    }

    /// Of the root and of the targets, as they were last confirmed.
    pub(super) fn versions(&self) -> (u64, u64) {
        self.confirmed
            .as_ref()
            .map_or((0, 0), |confirmed| (confirmed.root_version, confirmed.targets_version))
    }

    pub(crate) fn digest(&self) -> Option<Digest> {
        self.confirmed.as_ref().map(|confirmed| Digest::sha256(&confirmed.content))
    }

    /// The trust root as it was last confirmed: proven again from the documents, by the newest root that was seen.
    ///
    /// # Errors
    /// It was confirmed longer ago than the setting allows, or what was kept does not prove it.
    pub(super) fn proven(&self, now: Instant, max_age_days: i64) -> Result<TrustedTarget> {
        let name = &self.name;
        let stale = |why: String| Failure::new(Code::TrustRootStale, format!("trust `{name}`: {why}"));
        let confirmed = self.confirmed.as_ref().ok_or_else(|| stale("it was never confirmed".to_owned()))?;
        let age = now.since(confirmed.at);
        // A clock that was set back makes everything young.
        if age < -DAY {
            return Err(stale(format!("it was confirmed at {}, and now is {now}", confirmed.at)).into());
        }
        if age > max_age_days.saturating_mul(DAY) {
            let why = format!(
                "it was confirmed at {}, {} days ago; the limit is {max_age_days} (trust.max_age_days)",
                confirmed.at,
                age / DAY
            );
            return Err(stale(why).into());
        }
        let kept = Kept { root: self.seen.root.clone(), ..confirmed.kept.clone() };
        let outcome = reopen_trust(&kept, &self.target, &confirmed.content, now).outcome;
        let proven = outcome
            .map_err(|refusal| Failure::new(refusal.code, format!("trust `{name}`: {}", refusal.message)))?;
        if let Some(pin) = self.pin.filter(|pin| *pin != proven.claim().digest()) {
            let why =
                format!("trust `{name}`: {pin} is pinned, and {} was confirmed", proven.claim().digest());
            return Err(Failure::new(Code::TrustPinMismatch, why).into());
        }
        Ok(proven.claim().clone())
    }

    /// The trust root for proofs.
    pub(crate) fn roots(&self, now: Instant, max_age_days: i64) -> Result<TrustRoots> {
        let target = self.proven(now, max_age_days)?;
        TrustRoots::parse(target.content()).map_err(|error| {
            Failure::new(Code::TrustRootMalformed, format!("trust `{}`: {error}", self.name)).into()
        })
    }

    /// For the record and for people: which root a proof rested on.
    pub(crate) fn says(&self) -> Value {
        json!({
            "name": self.name, "target": self.target, "root_version": self.versions().0,
            "targets_version": self.versions().1, "digest": self.digest(), "pin": self.pin,
            "root": Digest::sha256(&self.seen.root),
        })
    }
}
