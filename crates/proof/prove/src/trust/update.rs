//! The detailed workflow of the specification (5.2 to 5.7).

use linkward_evidence::tuf::{Document, Listed, Role, Root, Snapshot, Targets, Timestamp};
use linkward_model::{Check, Code, Digest, Instant};

use super::role::Keys;
use super::{Fetcher, Kept, TrustedTarget, Versions};

const MAX_ROTATIONS: u64 = 256;
const MAX_ROOT: u64 = 512_000;
const MAX_TIMESTAMP: u64 = 16_384;
const MAX_SNAPSHOT: u64 = 2_000_000;
const MAX_TARGETS: u64 = 5_000_000;
/// Largest target: trust roots have a few kilobytes.
const MAX_TARGET: u64 = 16 << 20;

type Fault = (Code, String);

pub(super) struct Run<'a> {
    pub(super) kept: Kept,
    pub(super) checks: Vec<Check>,
    fetcher: &'a dyn Fetcher,
    now: Instant,
    root: Option<Document<Root>>,
}

/// What was found, and what it is signed with.
pub(super) struct Found {
    pub(super) target: TrustedTarget,
    /// The targets document.
    pub(super) document: Digest,
    /// One of the keys that signed it.
    pub(super) signer: Digest,
}

/// For questions that nobody is to be asked about.
pub(super) struct Nobody;

impl Fetcher for Nobody {
    fn fetch(&self, _: &str, _: u64) -> Result<Option<Vec<u8>>, String> {
        Err("nobody is asked".to_owned())
    }
}

/// Whether expiry is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    MustBeCurrent,
    LeftToCaller,
}

impl<'a> Run<'a> {
    pub(super) fn new(kept: Kept, fetcher: &'a dyn Fetcher, now: Instant) -> Self {
        Self { kept, checks: Vec::new(), fetcher, now, root: None }
    }

    fn passed(&mut self, name: &'static str, detail: String) {
        self.checks.push(Check::passed(name, detail));
    }

    pub(super) fn whole(&mut self, target: &str) -> Result<Found, Fault> {
        self.root()?;
        self.chain()?;
        let root = self.current()?.clone();
        current(self.now, "root", root.expires)?;
        self.passed("root-expiry", format!("root {} holds until {}", root.version, root.expires));

        let timestamp = self.timestamp(&root)?;
        self.passed("timestamp", format!("version {}, until {}", timestamp.version, timestamp.expires));

        let listed = &timestamp.content.snapshot;
        let path = versioned(&root, "snapshot.json", listed.version);
        let bytes = self.listed(&path, listed, MAX_SNAPSHOT)?;
        let before = self.kept.snapshot.as_deref().and_then(|bytes| Document::snapshot(bytes).ok());
        let snapshot = self.snapshot(&root, listed, &bytes, before.as_ref(), Age::MustBeCurrent)?;
        self.kept.snapshot = Some(bytes);
        self.passed("snapshot", format!("version {}, until {}", snapshot.version, snapshot.expires));

        let listed = targets_file(&snapshot)?;
        let path = versioned(&root, "targets.json", listed.version);
        let bytes = self.listed(&path, listed, MAX_TARGETS)?;
        let (targets, signer) = self.targets(&root, listed, &bytes, Age::MustBeCurrent)?;
        let document = Digest::sha256(&bytes);
        self.kept.targets = Some(bytes);
        self.passed("targets", format!("version {}, until {}", targets.version, targets.expires));

        let content = self.target(&root, &targets, target)?;
        let found = found(target, content, &root, &timestamp, &snapshot, &targets);
        self.passed("target", format!("{target}, {}", found.digest()));
        Ok(Found { target: found, document, signer })
    }

    pub(super) fn offline(&mut self, target: &str, content: &[u8]) -> Result<Found, Fault> {
        self.root()?;
        self.passed("root-chain", "as it was kept".to_owned());
        self.passed("root-expiry", "left to the age that is allowed".to_owned());
        let root = self.current()?.clone();
        let missing = |what: &str| (Code::TrustUnreachable, format!("no {what} was kept: update it"));
        let kept = self.kept.clone();
        let bytes = kept.timestamp.as_deref().ok_or_else(|| missing("timestamp"))?;
        let timestamp = read(Document::timestamp(bytes))?;
        Keys::of(&root.content, Role::Timestamp)?.met(
            &timestamp.message,
            &timestamp.signatures,
            "the root",
        )?;
        self.passed("timestamp", format!("version {}", timestamp.version));
        let bytes = kept.snapshot.as_deref().ok_or_else(|| missing("snapshot"))?;
        let listed = &timestamp.content.snapshot;
        matches(listed, bytes, "snapshot.json")?;
        let snapshot = self.snapshot(&root, listed, bytes, None, Age::LeftToCaller)?;
        self.passed("snapshot", format!("version {}", snapshot.version));
        let bytes = kept.targets.as_deref().ok_or_else(|| missing("targets"))?;
        let listed = targets_file(&snapshot)?;
        matches(listed, bytes, "targets.json")?;
        let (targets, signer) = self.targets(&root, listed, bytes, Age::LeftToCaller)?;
        self.passed("targets", format!("version {}", targets.version));
        let listed = self.listed_target(&targets, target)?;
        whole(content, Some(listed.length), &listed.digests, target)?;
        let found = found(target, content.to_vec(), &root, &timestamp, &snapshot, &targets);
        self.passed("target", format!("{target}, {}", found.digest()));
        Ok(Found { target: found, document: Digest::sha256(bytes), signer })
    }

    /// 5.2: the root that is trusted. It must hold by itself: a damaged file is no root.
    pub(super) fn root(&mut self) -> Result<(), Fault> {
        let root = read(Document::root(&self.kept.root))?;
        Keys::of(&root.content, Role::Root)?.met(&root.message, &root.signatures, "it itself")?;
        self.passed("pinned-root", format!("version {}, {}", root.version, Digest::sha256(&self.kept.root)));
        self.root = Some(root);
        Ok(())
    }

    fn current(&self) -> Result<&Document<Root>, Fault> {
        self.root.as_ref().ok_or_else(|| (Code::TrustMetadataMalformed, "no root was read".to_owned()))
    }

    /// 5.3: roots one by one, until there is no newer one.
    fn chain(&mut self) -> Result<(), Fault> {
        let first = self.current()?.version;
        for _ in 0..MAX_ROTATIONS {
            let next = self.current()?.version.saturating_add(1);
            let path = format!("{next}.root.json");
            match self.fetcher.fetch(&path, MAX_ROOT).map_err(|why| unreachable(&path, &why))? {
                None => {
                    let last = self.current()?.version;
                    self.passed("root-chain", format!("{first} to {last}; there is no {path}"));
                    return Ok(());
                }
                Some(bytes) => self.next(&bytes)?,
            }
        }
        Err((Code::TooLarge, format!("more than {MAX_ROTATIONS} roots after version {first}")))
    }

    /// One root to the next.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let old = self.current()?.clone();
        let new = read(Document::root(bytes))?;
        let next = old.version.saturating_add(1);
        if new.version != next {
            let why = format!("a root of version {} where {next} must follow", new.version);
            return Err((Code::TrustRootChain, why));
        }
        let by_old = format!("root {}", old.version);
        Keys::of(&old.content, Role::Root)?.met(&new.message, &new.signatures, &by_old)?;
        Keys::of(&new.content, Role::Root)?.met(&new.message, &new.signatures, "the new root itself")?;
        // 5.3.11: after a rotation the older state proves nothing, and a version counter that was run up must not block.
        for role in [Role::Timestamp, Role::Snapshot] {
            if !Keys::of(&old.content, role)?.same(&Keys::of(&new.content, role)?) {
                self.kept.timestamp = None;
                self.kept.snapshot = None;
            }
        }
        self.kept.root = bytes.to_vec();
        self.root = Some(new);
        Ok(())
    }

    /// 5.4
    fn timestamp(&mut self, root: &Document<Root>) -> Result<Document<Timestamp>, Fault> {
        let path = "timestamp.json";
        let bytes = self.need(path, MAX_TIMESTAMP)?;
        let new = read(Document::timestamp(&bytes))?;
        let keys = Keys::of(&root.content, Role::Timestamp)?;
        keys.met(&new.message, &new.signatures, &format!("root {}", root.version))?;
        let before = self.kept.timestamp.as_deref().and_then(|bytes| Document::timestamp(bytes).ok());
        if let Some(before) = before {
            if new.version < before.version {
                return Err(older("timestamp", new.version, before.version));
            }
            let (now, then) = (new.content.snapshot.version, before.content.snapshot.version);
            if now < then {
                return Err(older("the snapshot that the timestamp names", now, then));
            }
            // Two documents of one version: somebody shows different people different states.
            if new.version == before.version && new.message != before.message {
                let why = format!("timestamp {} is not the one that was seen before", new.version);
                return Err((Code::TrustMetadataRollback, why));
            }
        }
        // Kept before its expiry is looked at, so that its version counts next time.
        self.kept.timestamp = Some(bytes);
        current(self.now, "timestamp", new.expires)?;
        Ok(new)
    }

    /// 5.5
    fn snapshot(
        &self,
        root: &Document<Root>,
        listed: &Listed,
        bytes: &[u8],
        before: Option<&Document<Snapshot>>,
        age: Age,
    ) -> Result<Document<Snapshot>, Fault> {
        let new = read(Document::snapshot(bytes))?;
        let keys = Keys::of(&root.content, Role::Snapshot)?;
        keys.met(&new.message, &new.signatures, &format!("root {}", root.version))?;
        if new.version != listed.version {
            return Err(mixed("snapshot", new.version, listed.version, "timestamp"));
        }
        if before.is_some_and(|before| before.version == new.version && before.message != new.message) {
            let why = format!("snapshot {} is not the one that was seen before", new.version);
            return Err((Code::TrustMetadataRollback, why));
        }
        for (name, then) in before.iter().flat_map(|before| &before.content.files) {
            match new.content.files.get(name) {
                None => {
                    let why = format!("the snapshot no longer lists `{}`", name.escape_debug());
                    return Err((Code::TrustMetadataRollback, why));
                }
                Some(now) if now.version < then.version => {
                    return Err(older(name, now.version, then.version));
                }
                Some(_) => {}
            }
        }
        if age == Age::MustBeCurrent {
            current(self.now, "snapshot", new.expires)?;
        }
        Ok(new)
    }

    /// 5.6
    fn targets(
        &self,
        root: &Document<Root>,
        listed: &Listed,
        bytes: &[u8],
        age: Age,
    ) -> Result<(Document<Targets>, Digest), Fault> {
        let new = read(Document::targets(bytes))?;
        let keys = Keys::of(&root.content, Role::Targets)?;
        let signers = keys.met(&new.message, &new.signatures, &format!("root {}", root.version))?;
        if new.version != listed.version {
            return Err(mixed("targets", new.version, listed.version, "snapshot"));
        }
        if age == Age::MustBeCurrent {
            current(self.now, "targets", new.expires)?;
        }
        let signer = signers.first().copied().unwrap_or_else(|| Digest::sha256(bytes));
        Ok((new, signer))
    }

    /// 5.7
    fn target(
        &self,
        root: &Document<Root>,
        targets: &Document<Targets>,
        name: &str,
    ) -> Result<Vec<u8>, Fault> {
        let listed = self.listed_target(targets, name)?;
        let limit = listed.length.min(MAX_TARGET);
        let path = match listed.digests.first() {
            Some(digest) if root.content.consistent_snapshot => match name.rsplit_once('/') {
                Some((folder, file)) => format!("targets/{folder}/{}.{file}", digest.hex()),
                None => format!("targets/{}.{name}", digest.hex()),
            },
            _ => format!("targets/{name}"),
        };
        let bytes = self.need(&path, limit)?;
        whole(&bytes, Some(listed.length), &listed.digests, name)?;
        Ok(bytes)
    }

    fn listed_target(
        &self,
        targets: &Document<Targets>,
        name: &str,
    ) -> Result<linkward_evidence::tuf::Target, Fault> {
        let shown = name.escape_debug();
        let outside =
            name.starts_with('/') || name.contains('\\') || name.split('/').any(|part| part == "..");
        match targets.content.files.get(name) {
            Some(_) if outside => {
                Err((Code::TrustTargetMissing, format!("`{shown}` leads out of the repository")))
            }
            Some(listed) => Ok(listed.clone()),
            None if targets.content.delegates => {
                let why = format!("`{shown}` may stand under a delegated role, which is not followed");
                Err((Code::TrustTargetDelegated, why))
            }
            None => Err((Code::TrustTargetMissing, format!("the repository lists no `{shown}`"))),
        }
    }

    /// A document that another one lists.
    fn listed(&self, path: &str, listed: &Listed, most: u64) -> Result<Vec<u8>, Fault> {
        let bytes = self.need(path, listed.length.unwrap_or(most).min(most))?;
        matches(listed, &bytes, path)?;
        Ok(bytes)
    }

    fn need(&self, path: &str, limit: u64) -> Result<Vec<u8>, Fault> {
        let found = self.fetcher.fetch(path, limit).map_err(|why| unreachable(path, &why))?;
        let bytes = found.ok_or_else(|| unreachable(path, "the repository has no such file"))?;
        // The limit is the fetcher's to keep; that it did is not taken on trust.
        if bytes.len() as u64 > limit {
            return Err((
                Code::TrustMetadataDigest,
                format!("{path} is longer than the {limit} bytes it may have"),
            ));
        }
        Ok(bytes)
    }
}

fn read<T>(document: Result<Document<T>, linkward_evidence::Fault>) -> Result<Document<T>, Fault> {
    document.map_err(|fault| {
        let code =
            if fault.code == Code::UnsupportedVersion { fault.code } else { Code::TrustMetadataMalformed };
        (code, fault.to_string())
    })
}

/// Where a repository has consistent snapshots, names carry versions, and nothing changes under a reader.
fn versioned(root: &Document<Root>, name: &str, version: u64) -> String {
    if root.content.consistent_snapshot { format!("{version}.{name}") } else { name.to_owned() }
}

fn targets_file(snapshot: &Document<Snapshot>) -> Result<&Listed, Fault> {
    let listed = snapshot.content.files.get("targets.json");
    listed.ok_or_else(|| (Code::TrustMetadataMalformed, "the snapshot lists no targets.json".to_owned()))
}

fn matches(listed: &Listed, bytes: &[u8], what: &str) -> Result<(), Fault> {
    whole(bytes, listed.length, &listed.digests, what)
}

fn whole(bytes: &[u8], length: Option<u64>, digests: &[Digest], what: &str) -> Result<(), Fault> {
    let found = bytes.len() as u64;
    if length.is_some_and(|length| length != found) {
        let why = format!("{what} has {found} bytes, not the {} that are listed", length.unwrap_or_default());
        return Err((Code::TrustMetadataDigest, why));
    }
    match digests.iter().find(|digest| Digest::of(digest.algorithm(), bytes) != **digest) {
        None => Ok(()),
        Some(digest) => {
            Err((Code::TrustMetadataDigest, format!("{what} is not the one that is listed: {digest}")))
        }
    }
}

fn current(now: Instant, what: &str, expires: Instant) -> Result<(), Fault> {
    if expires > now {
        return Ok(());
    }
    let why = format!(
        "the {what} expired at {expires}, and now is {now}: the repository is not kept, or somebody holds it back"
    );
    Err((Code::TrustMetadataExpired, why))
}

fn older(what: &str, now: u64, then: u64) -> Fault {
    (Code::TrustMetadataRollback, format!("{what}: version {now} after version {then}"))
}

fn mixed(what: &str, found: u64, listed: u64, by: &str) -> Fault {
    (
        Code::TrustMetadataMixed,
        format!("the {what} is of version {found}, and the {by} names version {listed}"),
    )
}

fn unreachable(path: &str, why: &str) -> Fault {
    (Code::TrustUnreachable, format!("{path}: {why}"))
}

fn found(
    name: &str,
    content: Vec<u8>,
    root: &Document<Root>,
    timestamp: &Document<Timestamp>,
    snapshot: &Document<Snapshot>,
    targets: &Document<Targets>,
) -> TrustedTarget {
    let versions = Versions {
        root: root.version,
        timestamp: timestamp.version,
        snapshot: snapshot.version,
        targets: targets.version,
    };
    let expires = root.expires.min(timestamp.expires).min(snapshot.expires).min(targets.expires);
    TrustedTarget { name: name.to_owned(), content, versions, expires }
}
