//! What is ours, and what is meant to be: without this a detector could only guess.

use linkward_evidence::event::Source;
use linkward_model::{Code, Digest};
use serde::{Deserialize, Serialize};

use crate::glob::{any, covers};

/// What the operator declares. Everything has a default; what a rule needs and does not find leaves it unarmed, visibly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Estate {
    /// Branches that are never rewritten.
    pub protected: Vec<String>,
    /// Tags of repositories that are meant to move.
    pub moving_tags: Vec<String>,
    /// Tags of images that never move.
    pub immutable_tags: Vec<String>,
    /// Keys and identities that may sign commits and artifacts.
    pub signers: Vec<String>,
    pub packages: Vec<OwnPackage>,
    pub roles: Vec<OwnRole>,
    pub writers: Vec<WriteScope>,
    /// Names, tokens and hosts that nobody should ever touch.
    pub canaries: Vec<String>,
    /// Package names that only our own registries may serve.
    pub internal: Vec<String>,
    /// Hosts of our own registries.
    pub registries: Vec<String>,
    /// Environments where a failed check pages.
    pub production: Vec<String>,
    /// Minutes that a source may be late.
    pub lag: Lag,
}

/// A package that we publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnPackage {
    /// purl without version; `*` allowed.
    pub name: String,
    pub repository: String,
    /// Every version is published by a pipeline run.
    #[serde(default)]
    pub ci: bool,
    /// Every version has a tag in the repository.
    #[serde(default)]
    pub tags: bool,
}

/// A cloud role that only a repository's pipeline uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnRole {
    pub role: String,
    pub repository: String,
}

/// Who may write to a part of a registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteScope {
    /// Packages or images; `*` allowed.
    pub packages: String,
    pub actors: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Lag {
    pub forge: u32,
    pub ci: u32,
    pub registry: u32,
    pub cloud: u32,
}

impl Default for Lag {
    fn default() -> Self {
        Self { forge: 10, ci: 15, registry: 10, cloud: 20 }
    }
}

impl Default for Estate {
    fn default() -> Self {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            protected: list(&["main", "master", "trunk", "release/*"]),
            moving_tags: list(&["nightly", "latest", "edge"]),
            immutable_tags: list(&["*.*.*"]),
            signers: Vec::new(),
            packages: Vec::new(),
            roles: Vec::new(),
            writers: Vec::new(),
            canaries: Vec::new(),
            internal: Vec::new(),
            registries: Vec::new(),
            production: list(&["production"]),
            lag: Lag::default(),
        }
    }
}

impl Estate {
    /// The digest of what is declared: findings name the estate that they were made with.
    pub fn digest(&self) -> Digest {
        Digest::sha256(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// The code of a file that is no estate.
    pub const FAULT: Code = Code::EstateMalformed;

    pub(crate) fn lag(&self, source: Source) -> i64 {
        let minutes = match source {
            Source::Ci => self.lag.ci,
            Source::Registry => self.lag.registry,
            Source::Cloud => self.lag.cloud,
            _ => self.lag.forge,
        };
        i64::from(minutes) * 60_000
    }

    pub(crate) fn package(&self, package: &str) -> Option<&OwnPackage> {
        self.packages.iter().find(|own| covers(&own.name, package))
    }

    pub(crate) fn role(&self, role: &str) -> Option<&OwnRole> {
        self.roles.iter().find(|own| covers(&own.role, role))
    }

    pub(crate) fn is_protected(&self, branch: &str) -> bool {
        any(&self.protected, branch)
    }

    pub(crate) fn is_canary(&self, name: &str) -> bool {
        !self.canaries.is_empty() && any(&self.canaries, name)
    }
}
