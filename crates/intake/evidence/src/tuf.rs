//! TUF metadata (specification 1.0): which keys speak for a repository, what its newest state is, and what lies there.

use std::collections::BTreeMap;

use linkward_model::{Algorithm, Code, Digest, Instant};
use serde_json::Value;

use crate::Fault;
use crate::field::Field;
use crate::metadata::{self, KeyedSignature, ListedKey, Metablock};

/// Most files that one document lists.
const MAX_FILES: usize = 100_000;

/// The four roles of the top level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Root,
    Timestamp,
    Snapshot,
    Targets,
}

impl Role {
    pub const ALL: &[Self] = &[Self::Root, Self::Timestamp, Self::Snapshot, Self::Targets];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Timestamp => "timestamp",
            Self::Snapshot => "snapshot",
            Self::Targets => "targets",
        }
    }
}

/// A document with its signatures, none of them checked.
#[derive(Clone, Debug)]
pub struct Document<T> {
    pub version: u64,
    pub expires: Instant,
    pub content: T,
    /// The bytes that are signed.
    pub message: Vec<u8>,
    pub signatures: Vec<KeyedSignature>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    pub consistent_snapshot: bool,
    pub keys: Vec<ListedKey>,
    pub roles: BTreeMap<Role, RoleKeys>,
}

/// Which keys speak for a role, and how many must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleKeys {
    pub key_ids: Vec<String>,
    pub threshold: usize,
}

/// The snapshot's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timestamp {
    pub snapshot: Listed,
}

/// Every document's version by its file's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub files: BTreeMap<String, Listed>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    pub files: BTreeMap<String, Target>,
    /// Whether other roles speak for further files.
    pub delegates: bool,
}

/// What one document says of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub version: u64,
    pub length: Option<u64>,
    /// Empty where the document leaves them out.
    pub digests: Vec<Digest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub length: u64,
    /// At least one.
    pub digests: Vec<Digest>,
}

impl Document<Root> {
    /// # Errors
    /// Not a root document; the fault says where.
    pub fn root(bytes: &[u8]) -> Result<Self, Fault> {
        read(bytes, Role::Root, |field| {
            let roles = field.required("roles")?;
            let mut found = BTreeMap::new();
            for role in Role::ALL {
                let listed = roles.required(role.as_str())?;
                let key_ids = listed.required("keyids")?.items()?;
                let threshold = listed.required("threshold")?;
                let count = usize::try_from(threshold.index()?).unwrap_or(0);
                if count == 0 {
                    return Err(threshold.fault("must be at least 1"));
                }
                let key_ids =
                    key_ids.iter().map(|id| Ok(id.text()?.to_owned())).collect::<Result<_, Fault>>()?;
                found.insert(*role, RoleKeys { key_ids, threshold: count });
            }
            Ok(Root {
                consistent_snapshot: matches!(field.optional("consistent_snapshot"), Some(flag) if *flag.value() == Value::Bool(true)),
                keys: metadata::keys(&field.required("keys")?)?,
                roles: found,
            })
        })
    }
}

impl Document<Timestamp> {
    /// # Errors
    /// Not a timestamp document; the fault says where.
    pub fn timestamp(bytes: &[u8]) -> Result<Self, Fault> {
        read(bytes, Role::Timestamp, |field| {
            let mut files = meta(field)?;
            let snapshot = files.remove("snapshot.json");
            let snapshot = snapshot.ok_or_else(|| field.fault("its `meta` has no `snapshot.json`"))?;
            Ok(Timestamp { snapshot })
        })
    }
}

impl Document<Snapshot> {
    /// # Errors
    /// Not a snapshot document; the fault says where.
    pub fn snapshot(bytes: &[u8]) -> Result<Self, Fault> {
        read(bytes, Role::Snapshot, |field| Ok(Snapshot { files: meta(field)? }))
    }
}

impl Document<Targets> {
    /// # Errors
    /// Not a targets document; the fault says where.
    pub fn targets(bytes: &[u8]) -> Result<Self, Fault> {
        read(bytes, Role::Targets, |field| {
            let set = field.required("targets")?;
            let mut files = BTreeMap::new();
            for (name, value) in limited(&set)? {
                let file = Field::at(&format!("{}.{name}", set.place()), value);
                let digests = digests(&file.required("hashes")?)?;
                // A target without a digest that identifies content could be any file of that length.
                if digests.is_empty() {
                    return Err(file.fault("must name SHA-256, SHA-384 or SHA-512"));
                }
                files.insert(name.clone(), Target { length: file.required("length")?.index()?, digests });
            }
            let roles = field.optional("delegations").and_then(|field| field.optional("roles"));
            let delegates = roles.is_some_and(|roles| roles.items().map_or(true, |roles| !roles.is_empty()));
            Ok(Targets { files, delegates })
        })
    }
}

fn read<T>(
    bytes: &[u8],
    role: Role,
    content: impl FnOnce(&Field<'_>) -> Result<T, Fault>,
) -> Result<Document<T>, Fault> {
    let Metablock { signed, message, signatures } = Metablock::parse(bytes)?;
    let field = Field::at("$.signed", &signed);
    let kind = field.required("_type")?;
    // A document of one role must never pass for one of another: they may share keys.
    if kind.text()? != role.as_str() {
        return Err(kind.fault(format!("is not `{}`", role.as_str())));
    }
    let spec = field.required("spec_version")?;
    if !matches!(spec.text()?.split_once('.'), Some(("1", _))) {
        return Err(Fault::new(Code::UnsupportedVersion, spec.place(), "is not a TUF specification 1.x"));
    }
    let expires = field.required("expires")?;
    let version = field.required("version")?;
    Ok(Document {
        version: match version.index()? {
            0 => return Err(version.fault("must be at least 1")),
            version => version,
        },
        expires: expires
            .text()?
            .parse()
            .map_err(|_| expires.fault("must be a time such as 2030-01-31T12:00:00Z"))?,
        content: content(&field)?,
        message,
        signatures,
    })
}

fn meta(field: &Field<'_>) -> Result<BTreeMap<String, Listed>, Fault> {
    let set = field.required("meta")?;
    let mut files = BTreeMap::new();
    for (name, value) in limited(&set)? {
        let file = Field::at(&format!("{}.{name}", set.place()), value);
        let listed = Listed {
            version: file.required("version")?.index()?,
            length: file.optional("length").map(|length| length.index()).transpose()?,
            digests: file.optional("hashes").map_or_else(|| Ok(Vec::new()), |set| digests(&set))?,
        };
        files.insert(name.clone(), listed);
    }
    Ok(files)
}

fn limited<'a>(set: &Field<'a>) -> Result<&'a serde_json::Map<String, Value>, Fault> {
    let members = set.object()?;
    if members.len() > MAX_FILES {
        return Err(set.fault(format!("has more than {MAX_FILES} items")));
    }
    Ok(members)
}

/// Digests of functions that identify content; others are left out.
fn digests(set: &Field<'_>) -> Result<Vec<Digest>, Fault> {
    let mut found = Vec::new();
    for (name, value) in set.object()? {
        let hex = value.as_str().ok_or_else(|| set.fault(format!("`{name}` must be a string")))?;
        if let Some(algorithm) = Algorithm::from_name(name) {
            found.push(Digest::from_hex(algorithm, hex).map_err(|error| set.fault(error.to_string()))?);
        }
    }
    Ok(found)
}
