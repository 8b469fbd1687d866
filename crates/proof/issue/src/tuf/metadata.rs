//! TUF metadata 1.0: roles, keys, and the canonical form that is signed.

use std::fmt;

use linkward_model::{Digest, Instant};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const SPEC_VERSION: &str = "1.0.31";
const DAY_MILLIS: i64 = 86_400_000;

/// The four top-level roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Root,
    Targets,
    Snapshot,
    Timestamp,
}

impl Role {
    pub(crate) const ALL: [Self; 4] = [Self::Root, Self::Targets, Self::Snapshot, Self::Timestamp];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
        }
    }

    /// How long metadata holds. It is signed again once half of that is over: a client that is shown old metadata
    /// notices within these days.
    pub(crate) const fn lifetime_millis(self) -> i64 {
        match self {
            Self::Root | Self::Targets => 365 * DAY_MILLIS,
            Self::Snapshot => 90 * DAY_MILLIS,
            Self::Timestamp => 7 * DAY_MILLIS,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An Ed25519 key of the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key(pub [u8; 32]);

impl Key {
    fn json(&self) -> Value {
        json!({ "keytype": "ed25519", "scheme": "ed25519", "keyval": { "public": hex(&self.0) } })
    }

    /// SHA-256 of the canonical key.
    pub fn id(&self) -> String {
        Digest::sha256(canonical(&self.json()).as_bytes()).hex()
    }

    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        let digest = Digest::from_hex(linkward_model::Algorithm::Sha256, text).ok()?;
        digest.as_bytes().try_into().ok().map(Self)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The form that is signed. Members in order and no spaces, which for ASCII without control characters is canonical
/// JSON as TUF means it.
pub(crate) fn canonical(value: &Value) -> String {
    value.to_string()
}

/// The keys of each role, the one that signs last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keys {
    pub(crate) root: Vec<Key>,
    pub(crate) targets: Vec<Key>,
    /// Of snapshot and timestamp both.
    pub(crate) timestamp: Vec<Key>,
}

impl Keys {
    pub(crate) fn of(&self, role: Role) -> &[Key] {
        match role {
            Role::Root => &self.root,
            Role::Targets => &self.targets,
            Role::Snapshot | Role::Timestamp => &self.timestamp,
        }
    }

    pub(crate) fn signing(&self, role: Role) -> Option<Key> {
        self.of(role).last().copied()
    }
}

fn signed(role: Role, version: u64, now: Instant) -> Value {
    let expires = Instant::from_seconds(now.plus_millis(role.lifetime_millis()).seconds());
    json!({
        "_type": role, "spec_version": SPEC_VERSION, "version": version, "expires": seconds(expires),
    })
}

/// `2026-01-02T03:04:05Z`: TUF has no fractions.
fn seconds(instant: Instant) -> String {
    let text = instant.to_string();
    match text.split_once('.') {
        Some((whole, _)) => format!("{whole}Z"),
        None => text,
    }
}

pub(crate) fn root(version: u64, now: Instant, keys: &Keys) -> Value {
    let mut out = signed(Role::Root, version, now);
    out["consistent_snapshot"] = json!(true);
    let mut listed = serde_json::Map::new();
    let mut roles = serde_json::Map::new();
    for role in Role::ALL {
        let ids: Vec<String> = keys.of(role).iter().map(Key::id).collect();
        for key in keys.of(role) {
            listed.insert(key.id(), key.json());
        }
        roles.insert(role.to_string(), json!({ "keyids": ids, "threshold": 1 }));
    }
    out["keys"] = Value::Object(listed);
    out["roles"] = Value::Object(roles);
    out
}

pub(crate) fn targets(version: u64, now: Instant, files: &[(&str, &[u8])]) -> Value {
    let mut out = signed(Role::Targets, version, now);
    let mut listed = serde_json::Map::new();
    for (name, bytes) in files {
        let digest = Digest::sha256(bytes).hex();
        listed.insert((*name).to_owned(), json!({ "length": bytes.len(), "hashes": { "sha256": digest } }));
    }
    out["targets"] = Value::Object(listed);
    out
}

/// Snapshot over targets, or timestamp over snapshot: what it vouches for is one file of one version.
pub(crate) fn over(role: Role, version: u64, now: Instant, name: &str, of: u64) -> Value {
    let mut out = signed(role, version, now);
    out["meta"] = json!({ name: { "version": of } });
    out
}

/// A signed file, with the signatures by key.
pub(crate) fn file(signed: &Value, signatures: &[(Key, Vec<u8>)]) -> Vec<u8> {
    let signatures: Vec<Value> = signatures
        .iter()
        .map(|(key, signature)| json!({ "keyid": key.id(), "sig": hex(signature) }))
        .collect();
    json!({ "signatures": signatures, "signed": signed }).to_string().into_bytes()
}

/// What the signer looks at before it signs: role and version of text in the canonical form.
pub(crate) fn described(text: &str) -> Option<(Role, u64)> {
    let value: Value = serde_json::from_str(text).ok()?;
    let role = Role::ALL.into_iter().find(|role| value.get("_type").is_some_and(|t| t == role.as_str()))?;
    let plain = text.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    let version = value.get("version")?.as_u64().filter(|version| *version > 0)?;
    (plain && canonical(&value) == text).then_some((role, version))
}
