//! What the command line asks of the engine, in this process or over the daemon's socket: one request, one
//! answer, both JSON. The same answer structs are printed by `--format json`.

use base64::Engine as _;
use linkward_issue::KeyError;
use linkward_issue::sigstore::Refused;
use linkward_ledger::retention::Scope;
use linkward_model::{Code, Digest, Environment, Instant};
use linkward_record::StoreError;
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
        /// Where the caller writes the bundle.
        out: Option<std::path::PathBuf>,
    },
    /// A statement to sign with the home's artifact key.
    SignAttestation {
        name: String,
        statement: String,
        environment: Option<Environment>,
        out: Option<std::path::PathBuf>,
    },
    /// A signature that waits for this home's log, to be completed.
    Complete {
        name: String,
        form: String,
    },
    /// The TUF repository, brought up to date with what clients are to trust.
    PublishRepository,
    /// What waits for the log, after an attempt to complete it where that is asked.
    Spool {
        flush: bool,
    },
    /// What the private Sigstore is and where it is reached.
    Sigstore,
    /// This home as a witness, and the witnesses that it asks.
    Witness,
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
    /// Entries that carry a term, with the proof that none is left out.
    Lookup {
        log: linkward_ledger::LogName,
        term: linkward_ledger::Term,
        before: Option<u64>,
        limit: usize,
    },
    /// Copy the home into a folder.
    Backup {
        to: std::path::PathBuf,
    },
    /// What goes by its age, and what is held.
    Retention {
        ask: Retention,
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
    /// Tokens and logins.
    Access {
        ask: crate::engine::AccessAsk,
    },
    Measures,
    Assess,
    Revoke {
        ask: Revoke,
    },
    Rebuild {
        ask: Rebuild,
    },
    Deploy {
        ask: Deploy,
    },
    Policy,
    /// How policies came into force.
    PolicyRollouts,
    /// What the policy on trial would decide otherwise.
    PolicyTrial,
    /// Two policies, as text, over the recorded evidence.
    PolicyDiff {
        old: String,
        new: String,
    },
    Why {
        package: String,
    },
    /// An SBOM that a scan made, and the digest of all layers where it is of an image.
    Scanned {
        name: String,
        sbom: String,
        chain: Option<Digest>,
    },
    /// The recorded image that lies at the bottom of another.
    Base {
        chain: Vec<Digest>,
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
    /// Where the static manifests will be on the control plane's machine.
    pub(crate) static_place: Option<std::path::PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub(crate) enum Revoke {
    Add {
        kind: String,
        value: String,
        reason: String,
        author: String,
        since: Option<Instant>,
    },
    Undo {
        revocation: u64,
        reason: String,
        author: String,
    },
    /// A signed proposal, where it takes several people.
    Propose {
        note: String,
    },
    /// A further signature, as a line of the proposal's note.
    Confirm {
        proposal: u64,
        signature: String,
    },
    List,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub(crate) enum Retention {
    Plan,
    Apply,
    HoldAdd { scope: Scope, reason: String, author: String },
    HoldRemove { hold: u64, reason: String, author: String },
    Holds,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub(crate) enum Deploy {
    Record {
        workload: String,
        revision: Option<u64>,
        happened: linkward_deploy::Event,
    },
    List {
        workload: String,
    },
    Plan {
        workload: String,
    },
    /// It was decided to go back: recorded before anything is changed.
    Begin {
        workload: String,
        from: u64,
        to: u64,
        automatic: bool,
        author: String,
        reason: String,
    },
    /// Somebody is there.
    Present {
        author: String,
    },
    /// Workloads that run what is revoked, with the way back of each, and what holds the automation.
    Critical,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Document {
    pub(crate) name: String,
    pub(crate) text: String,
    /// Whether the text is base64 of what is no text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) binary: bool,
    /// What lies beside it, by its path from there: the links of a layout.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) beside: Vec<Document>,
}

impl Document {
    pub(crate) fn of_text(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), binary: false, beside: Vec::new() }
    }

    /// # Errors
    /// It is said to be binary, and is not base64.
    pub(crate) fn bytes(&self) -> Result<Vec<u8>, String> {
        if self.binary {
            let decoded = base64::engine::general_purpose::STANDARD.decode(&self.text);
            decoded.map_err(|error| format!("{} is not base64: {error}", self.name))
        } else {
            Ok(self.text.clone().into_bytes())
        }
    }
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
    /// Absent where a client does not say it yet.
    #[serde(default)]
    pub(crate) quality: Option<Quality>,
    pub(crate) gaps: Vec<String>,
    pub(crate) packages: Vec<String>,
    pub(crate) artifacts: Vec<Found>,
    pub(crate) documents: Vec<Document>,
}

/// An SBOM's points of 100, and why it has no more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Quality {
    pub(crate) score: u8,
    pub(crate) reasons: Vec<String>,
}

impl Quality {
    pub(crate) fn of(sbom: &linkward_evidence::sbom::Sbom) -> Self {
        let quality = sbom.quality();
        Self { score: quality.score, reasons: quality.reasons() }
    }
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
            Err(error) => Self { code: code_of(&error), message: format!("{error:#}") },
        }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self { code: Some(refused.code), message: refused.message }
    }
}

/// The code of an error, if somebody on its way gave it one.
pub(crate) fn code_of(error: &anyhow::Error) -> Option<Code> {
    let failure = error.downcast_ref::<Failure>().and_then(|failure| failure.code);
    let lacking = || match error.downcast_ref()? {
        StoreError::Unwitnessed(_) => Some(Code::WitnessesTooFew),
        StoreError::Deleted { .. } => Some(Code::DeletedByRetention),
        _ => None,
    };
    failure.or_else(|| error.downcast_ref::<Refused>().map(|refused| refused.code)).or_else(lacking).or_else(
        || match error.downcast_ref::<KeyError>()? {
            KeyError::Protected { .. } => Some(Code::KeyLocked),
            KeyError::Permissions { .. } => Some(Code::KeyPermissions),
            _ => None,
        },
    )
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
#[derive(Debug, Clone, Serialize, Deserialize)]
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
    /// Why no log holds them yet: then they are no bundles, but forms that wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unlogged: Option<String>,
}

/// The answer to `SignArtifact` and `SignAttestation`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SignedArtifact {
    pub(crate) version: u32,
    /// The Sigstore bundle.
    pub(crate) bundle: String,
    pub(crate) record: Option<u64>,
    /// Origin of the signing log, and the entry's index in it.
    pub(crate) log: String,
    pub(crate) index: Option<u64>,
    /// Why no log holds it yet: then it is no bundle, but the form that waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unlogged: Option<String>,
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
    /// Not all that it was decided by is still there.
    Deleted {
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

/// What is asked of rebuilds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Rebuild {
    Plan { kind: String, value: String, pins: Vec<String> },
    Start { kind: String, value: String, pins: Vec<String>, reason: String, author: String },
    Status { record: Option<u64> },
}

/// A policy that came into force.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PolicyRollout {
    pub(crate) version: u32,
    pub(crate) record: u64,
    pub(crate) at: Instant,
    pub(crate) policy: Digest,
    pub(crate) former: Digest,
    /// Verdicts that were made again.
    pub(crate) asked: u64,
    pub(crate) changed: u64,
    pub(crate) newly_refused: u64,
    pub(crate) newly_allowed: u64,
    /// The first thousand that are decided otherwise.
    pub(crate) first: Vec<Changed>,
}

/// A policy on trial beside the one in force.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PolicyTrial {
    pub(crate) version: u32,
    pub(crate) policy: Digest,
    /// The policy in force that it is compared with.
    pub(crate) beside: Digest,
    pub(crate) asked: usize,
    pub(crate) newly_refused: usize,
    pub(crate) changed: Vec<Changed>,
    /// Changed ones that are not listed.
    pub(crate) more: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Changed {
    pub(crate) name: String,
    pub(crate) digest: Digest,
    pub(crate) environment: Environment,
    /// It passed, and would no longer.
    pub(crate) refused: bool,
    /// It did not pass, and would.
    #[serde(default)]
    pub(crate) allowed: bool,
    pub(crate) old: Side,
    pub(crate) new: Side,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Side {
    pub(crate) outcome: Outcome,
    pub(crate) mode: String,
    pub(crate) rule: Option<String>,
    pub(crate) reasons: Vec<Reason>,
}
