//! What the command line asks of the engine, in this process or over the daemon's socket: one request, one
//! answer, both JSON. The same answer structs are printed by `--format json`.

use linkward_model::{Code, Digest, Environment, Instant};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Version of every answer; raised when a field changes its meaning or goes away.
pub(crate) const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "request")]
pub(crate) enum Request {
    Ping,
    /// A project as the caller saw it.
    Ingest(Box<Ingest>),
    Check {
        digest: Digest,
        name: Option<String>,
        environment: Option<Environment>,
    },
    /// Documents to prove and record.
    Submit {
        documents: Vec<Document>,
        environment: Option<Environment>,
    },
    /// A step that was run: sign and log its statements.
    Step {
        step: Value,
        statements: Vec<String>,
        environment: Option<Environment>,
    },
    /// An artifact to sign with the home's artifact key.
    SignArtifact {
        name: String,
        digest: Digest,
        environment: Option<Environment>,
    },
    /// A statement to sign with the home's artifact key.
    SignAttestation {
        name: String,
        statement: String,
        environment: Option<Environment>,
    },
    /// What the private Sigstore is and where it is reached.
    Sigstore,
    /// An identity token for tests.
    TestToken {
        subject: String,
        audience: String,
        /// In seconds.
        lifetime: i64,
    },
    Explain {
        id: String,
    },
    List {
        kind: Option<String>,
        limit: usize,
    },
    Show {
        index: u64,
    },
    Checkpoint,
    /// A proof of one entry to be handed on.
    LogProof {
        log: linkward_ledger::LogName,
        index: u64,
    },
    /// A consistency proof of the evidence log, for callers that remember a checkpoint.
    Consistency {
        from: u64,
    },
    Admit {
        ask: Admit,
    },
    Detect {
        ask: crate::detect::Ask,
    },
    Measures,
    Assess,
    Revoke {
        ask: Revoke,
    },
    Deploy {
        ask: Deploy,
    },
    Policy,
    /// Two policies, as text, over the recorded evidence.
    PolicyDiff {
        old: String,
        new: String,
    },
    Why {
        package: String,
    },
    /// Recorded purls of packages.
    Packages {
        prefixes: Vec<String>,
    },
    /// Recorded SBOMs that hold purls.
    Holders {
        purls: Vec<String>,
    },
    /// Names and keys of this home.
    Home,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub(crate) enum Admit {
    Enforce,
    Observe,
    Status,
    Manifest {
        url: Option<String>,
        options: ManifestOptions,
    },
    /// An AdmissionReview, answered as the webhook would, without being remembered.
    Review {
        body: String,
        path: String,
    },
    /// An image by its reference, as the webhook would decide; with a digest, as a node would.
    Image {
        image: String,
        namespace: String,
        resolved: Option<Digest>,
    },
    BreakGlass {
        note: String,
    },
    /// A snapshot for gates elsewhere, in base64.
    Snapshot,
    /// A server certificate by this home's authority.
    Certificate {
        names: Vec<String>,
        days: i64,
    },
}

/// What a manifest is to contain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ManifestOptions {
    /// The image of the gate, for a deployment in the cluster; the webhook alone where absent.
    pub(crate) image: Option<String>,
    pub(crate) feed: Option<String>,
    pub(crate) replicas: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub(crate) enum Revoke {
    Add { kind: String, value: String, reason: String, author: String, since: Option<Instant> },
    Undo { revocation: u64, reason: String, author: String },
    List,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub(crate) enum Deploy {
    Record { workload: String, revision: Option<u64>, happened: linkward_deploy::Event },
    List { workload: String },
    Plan { workload: String },
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// What was seen of a project.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ingest {
    pub(crate) project: String,
    pub(crate) environment: Option<Environment>,
    pub(crate) source: Source,
    /// CycloneDX text made from the lockfiles; absent where there is no lockfile.
    pub(crate) sbom: Option<Document>,
    pub(crate) lockfiles: Vec<String>,
    /// Lockfiles that the settings take for samples.
    #[serde(default)]
    pub(crate) left_out: Vec<String>,
    pub(crate) components: usize,
    pub(crate) gaps: Vec<String>,
    pub(crate) packages: Vec<String>,
    pub(crate) artifacts: Vec<Found>,
    pub(crate) documents: Vec<Document>,
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) revision: Option<String>,
    pub(crate) branch: Option<String>,
    pub(crate) remote: Option<String>,
    /// `clean`, or what differs.
    pub(crate) tree: Option<String>,
    pub(crate) clean: bool,
    /// The commit object in base64; whose it is, the engine proves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) commit: Option<String>,
    /// The allowed signers that the user's own git settings name: a hint for the operator, never taken as such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) signers_hint: Option<String>,
    pub(crate) reason: Option<Reason>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reason {
    pub(crate) code: Code,
    pub(crate) detail: String,
    /// The command or change that leads on.
    pub(crate) next: String,
}

/// Why nothing could be answered.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Failure {
    pub(crate) code: Option<Code>,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code: Some(code), message: message.into() }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(failure) => failure,
            Err(error) => Self { code: None, message: format!("{error:#}") },
        }
    }
}

pub(crate) type Reply = Result<Value, Failure>;

/// The answer to `Ingest`: one line a thing.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Chain {
    pub(crate) version: u32,
    pub(crate) project: String,
    pub(crate) environment: Environment,
    pub(crate) policy: Digest,
    pub(crate) log: LogState,
    pub(crate) lines: Vec<Line>,
    /// Documents found beside the artifacts that failed their proof.
    pub(crate) refused: Vec<Submitted>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LogState {
    pub(crate) origin: String,
    pub(crate) size: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    /// `source`, `dependencies` or `artifact`.
    pub(crate) kind: String,
    pub(crate) thing: String,
    pub(crate) digest: Option<String>,
    pub(crate) sbom: String,
    pub(crate) provenance: String,
    pub(crate) signature: String,
    pub(crate) log: String,
    pub(crate) verdict: Outcome,
    /// The verdict's record.
    pub(crate) record: Option<u64>,
    pub(crate) reasons: Vec<Reason>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    Allow,
    Deny,
    Unknown,
    /// Not a thing that policy decides about.
    Noted,
}

impl Outcome {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Unknown => "unknown",
            Self::Noted => "noted",
        }
    }
}

/// The answer to `Check`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Checked {
    pub(crate) version: u32,
    pub(crate) name: String,
    pub(crate) digest: Digest,
    pub(crate) environment: Environment,
    pub(crate) outcome: Outcome,
    pub(crate) rule: Option<String>,
    pub(crate) record: u64,
    pub(crate) reasons: Vec<Reason>,
}

/// The answer to one document of `Submit`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Submitted {
    pub(crate) name: String,
    pub(crate) proven: bool,
    pub(crate) record: u64,
    pub(crate) signer: Option<String>,
    pub(crate) code: Option<Code>,
    pub(crate) message: String,
    pub(crate) subjects: Vec<Digest>,
}

/// The answer to `Step`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Signed {
    pub(crate) version: u32,
    /// Sigstore bundles, in the order of the statements.
    pub(crate) bundles: Vec<String>,
    pub(crate) records: Vec<u64>,
}

/// The answer to `SignArtifact` and `SignAttestation`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SignedArtifact {
    pub(crate) version: u32,
    /// The Sigstore bundle.
    pub(crate) bundle: String,
    pub(crate) record: u64,
    /// Origin of the signing log, and the entry's index in it.
    pub(crate) log: String,
    pub(crate) index: u64,
}

/// The answer to `Explain`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Explanation {
    pub(crate) version: u32,
    pub(crate) record: u64,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) digest: Option<String>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) decided: String,
    pub(crate) policy: Option<String>,
    pub(crate) log: LogState,
    /// Whether replaying from the log gave the same bytes.
    pub(crate) replay: Replay,
    pub(crate) requirements: Vec<Value>,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) evidence: Vec<EvidenceLine>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "result")]
pub(crate) enum Replay {
    Same,
    Differs {
        code: Code,
        detail: String,
    },
    /// The record is no verdict.
    NotApplicable,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EvidenceLine {
    pub(crate) record: u64,
    pub(crate) kind: String,
    pub(crate) summary: String,
    pub(crate) checks: Vec<Value>,
    pub(crate) documents: Vec<Digest>,
}

/// What changes between two policies.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PolicyChange {
    pub(crate) version: u32,
    /// Questions that were decided by both.
    pub(crate) asked: usize,
    pub(crate) changed: Vec<Changed>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Changed {
    pub(crate) name: String,
    pub(crate) digest: Digest,
    pub(crate) environment: Environment,
    /// It passed, and would no longer.
    pub(crate) refused: bool,
    pub(crate) old: Side,
    pub(crate) new: Side,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Side {
    pub(crate) outcome: Outcome,
    pub(crate) mode: String,
    pub(crate) rule: Option<String>,
    pub(crate) reasons: Vec<Reason>,
}
