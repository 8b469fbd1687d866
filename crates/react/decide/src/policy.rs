//! `policy.yaml` as valid values. What is not valid never gets here.

use std::fmt;

use linkward_model::{Digest, Environment, Instant, Tenant};
use linkward_prove::Pattern;

use crate::requirement::{Accepted, Requirement};

/// Whether a verdict is obeyed, only warned about, or only written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    Enforce,
    Warn,
    Audit,
}

impl Mode {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Warn => "warn",
            Self::Audit => "audit",
        }
    }
}

/// A policy without faults.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) digest: Digest,
    pub(crate) rules: Vec<Rule>,
    pub(crate) denied: Vec<(Digest, String)>,
    pub(crate) exceptions: Vec<Exception>,
}

/// Which artifacts a rule or exception is about; an empty list means any.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    pub(crate) artifacts: Vec<Pattern>,
    pub(crate) environments: Vec<Pattern>,
    pub(crate) tenants: Vec<Pattern>,
    pub(crate) digests: Vec<Digest>,
}

#[derive(Clone, Debug)]
pub struct Rule {
    pub(crate) name: String,
    pub(crate) scope: Scope,
    pub(crate) mode: Mode,
    pub(crate) requirements: Vec<Requirement>,
}

/// Somebody answers for doing without a requirement, until a day.
#[derive(Clone, Debug)]
pub struct Exception {
    pub(crate) name: String,
    pub(crate) scope: Scope,
    pub(crate) without: Vec<String>,
    pub(crate) owner: String,
    pub(crate) reason: String,
    pub(crate) until: Instant,
}

/// One fault of the file, with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyFault {
    pub line: usize,
    pub column: usize,
    pub message: String,
}

impl fmt::Display for PolicyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl Policy {
    /// # Errors
    /// Every fault of the file, in the order of their places.
    pub fn parse(bytes: &[u8]) -> Result<Self, Vec<PolicyFault>> {
        crate::read::policy(bytes)
    }

    /// SHA-256 of the file.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether a rule asks what earlier digests of the same name carried.
    pub fn looks_back(&self) -> bool {
        let back = |requirement: &Requirement| matches!(requirement, Requirement::NoDowngrade { .. });
        self.rules.iter().any(|rule| rule.requirements.iter().any(back))
    }
}

impl Rule {
    /// The signers whose evidence counts for anything here.
    pub(crate) fn accepted(&self) -> &[Accepted] {
        let signed = self.requirements.iter().find_map(|requirement| match requirement {
            Requirement::Signed { by, .. } => Some(by.as_slice()),
            _ => None,
        });
        signed.unwrap_or_default()
    }
}

impl Scope {
    pub(crate) fn covers(
        &self,
        digest: &Digest,
        name: &str,
        environment: &Environment,
        tenant: &Tenant,
    ) -> bool {
        let any = |patterns: &[Pattern], text: &str| {
            patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(text))
        };
        (self.digests.is_empty() || self.digests.contains(digest))
            && any(&self.artifacts, name)
            && any(&self.environments, environment.as_str())
            && any(&self.tenants, tenant.as_str())
    }
}

/// What a fresh home gets: everything must be built, signed and logged by this home.
pub fn default_policy(step_key: &Digest, builder: &str) -> String {
    format!(
        "\
# Linkward's policy: what an artifact needs before a gate lets it pass.
# The first rule that matches decides; what no rule matches is unknown, and unknown is never yes.
# Check it with `linkward policy check`: every fault is reported with line and column.
version: 1

rules:
  - name: built-here
    match:
      artifacts: [\"**\"]          # globs on the name: * within a segment, ** across; or regex:...
      environments: [\"*\"]
    mode: enforce                # enforce, warn (allow, but say so) or audit (write it down)
    require:
      signed:
        by:
          - key: {step_key}      # this home's step key
          # - subject: https://github.com/your-org/*/.github/workflows/release.yml@refs/tags/*
          #   issuer: https://token.actions.githubusercontent.com
      logged: true               # in a transparency log, with an inclusion proof
      provenance:
        builders: [{builder}]
        # sources: [\"git+https://github.com/your-org/**\"]
      sbom: present              # or complete: no gaps at all
      # max_age: 90d

# denied:
#   - digest: sha256:...
#     reason: contains a known backdoor

# exceptions:
#   - name: legacy-importer
#     match: {{ artifacts: [\"importer-*\"], environments: [\"development\"] }}
#     allow_without: [provenance, sbom]
#     owner: team-data
#     reason: built by a vendor that does not attest yet
#     until: 2027-01-31
"
    )
}
