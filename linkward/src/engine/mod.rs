//! The engine wires the stages: bytes in, claims proven, records appended, verdicts decided, the gate fed.
//!
//! Synchronous and shared behind an `Arc`; the daemon's socket, the console and the commands all call it.

mod admission;
mod commits;
mod deployments;
mod detection;
mod diff;
mod evidence;
mod explain;
mod feed;
mod holders;
mod ingest;
mod limit;
mod revoke;
mod signer;
mod sigstore;
mod verdicts;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use anyhow::{Context as _, Result};
use linkward_decide::{Policy, Question, Revocations};
use linkward_deploy::Gate;
use linkward_ledger::{Kind, LogName, Recorded, Term};
use linkward_model::{Code, Digest, Environment, Instant};
use linkward_prove::{Attestation, Proven, PublicKey, TrustRoots};
use linkward_record::{Filter, RealFiles, Row, Settings, Store, StoreError};
use serde_json::{Value, json};

use crate::config::Config;
use crate::home::{Home, Trust, memory, production_roots};
use crate::records::Note;
use crate::wire::{Failure, LogState, Reply, Request};

pub(crate) use self::commits::CommitSignature;
use self::signer::SharedSigner;
pub(crate) use self::sigstore::Denied;
use self::sigstore::Services;

#[derive(Debug)]
pub(crate) struct Engine {
    home: Home,
    config: Config,
    trust: Trust,
    store: Store,
    signer: SharedSigner,
    services: Services,
    roots: TrustRoots,
    keyring: Vec<PublicKey>,
    policy: RwLock<Arc<InForce>>,
    gate: Gate,
    revocations: RwLock<Arc<Revocations>>,
    feed: feed::Feed,
    /// Questions to ask again after a revocation.
    sweep: Mutex<std::collections::VecDeque<Question>>,
    /// Rollouts that the webhook let pass, on their way into the ledger.
    rollouts: Mutex<std::collections::VecDeque<linkward_deploy::Rollout>>,
    /// Bundles whose signatures were checked: one for each record, ever.
    verified: std::sync::atomic::AtomicU64,
    addresses: OnceLock<(SocketAddr, SocketAddr)>,
    /// Proofs that this process has checked, by record: a digest is verified once, whatever the number of asks.
    proofs: Mutex<BTreeMap<u64, Recorded<Proven<Attestation>>>>,
    detection: crate::detect::Detection,
}

/// The policy that decides now.
#[derive(Debug)]
struct InForce {
    policy: Policy,
    digest: Digest,
}

impl Engine {
    /// Opens the home for writing.
    pub(crate) fn open(home: &Home) -> Result<Self> {
        let config = home.config()?;
        let trust = home.trust()?;
        let signer = SharedSigner::new(home.keys());
        let settings = Settings { tenant: config.tenant.clone(), logs: trust.logs.clone() };
        let store = Store::open(home.path(), Arc::new(RealFiles), settings, Box::new(signer.clone()))
            .map_err(|error| opening(error, home))?;
        if let Some(memory) = memory() {
            linkward_record::seen::check(&memory, &store).map_err(|error| {
                Failure::new(Code::RecordRolledBack, format!("{}: {error}", home.path().display()))
            })?;
        }
        let now = Instant::now();
        let own = TrustRoots::parse(&home.trusted_root()?).context("trusted_root.json of this home")?;
        // A built-in root that is too old proves nothing; the home's own root still does.
        let roots = match production_roots(now, config.builtin_root_max_age_days) {
            Ok(production) => TrustRoots::join(&[&own, &production]),
            Err(_) => own,
        };
        let services = Services::open(home)?;
        let mut keyring = vec![PublicKey::from_pem(&trust.step_key).context("step key in trust.json")?];
        if let Some(pem) = &services.artifact_key {
            keyring.push(PublicKey::from_pem(pem).context("artifact.pub")?);
        }
        let policy = read_policy(home)?;
        let gate = Gate::new(config.gate_settings(None));
        let engine = Self {
            home: home.clone(),
            config,
            trust,
            store,
            signer,
            services,
            roots,
            keyring,
            policy: RwLock::new(Arc::new(policy)),
            gate,
            revocations: RwLock::default(),
            feed: feed::Feed::new(now),
            sweep: Mutex::default(),
            rollouts: Mutex::default(),
            verified: std::sync::atomic::AtomicU64::new(0),
            addresses: OnceLock::new(),
            proofs: Mutex::default(),
            detection: crate::detect::Detection::default(),
        };
        engine.record_trust(now)?;
        engine.record_policy(now)?;
        let from = engine.load_snapshot(now);
        engine.fill_gate(from)?;
        engine.restore_revocations()?;
        engine.restore_glasses(now)?;
        engine.restore_mode()?;
        Ok(engine)
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// Answers one request; every error is an answer too.
    pub(crate) fn handle(&self, request: Request) -> Reply {
        self.dispatch(request).map_err(Failure::from)
    }

    fn dispatch(&self, request: Request) -> Result<Value> {
        Ok(match request {
            Request::Ping => json!("pong"),
            Request::Ingest(ingest) => serde_json::to_value(self.ingest(&ingest)?)?,
            Request::Check { digest, name, environment } => {
                serde_json::to_value(self.check(&digest, name, environment)?)?
            }
            Request::Submit { documents, environment } => {
                serde_json::to_value(self.submit(&documents, &self.environment(environment))?)?
            }
            Request::Step { step, statements, environment } => {
                serde_json::to_value(self.sign_step(step, &statements, &self.environment(environment))?)?
            }
            Request::SignArtifact { name, digest, environment } => {
                serde_json::to_value(self.sign_artifact(&name, &digest, &self.environment(environment))?)?
            }
            Request::SignAttestation { name, statement, environment } => serde_json::to_value(
                self.sign_attestation(&name, &statement, &self.environment(environment))?,
            )?,
            Request::Sigstore => self.show_sigstore()?,
            Request::TestToken { subject, audience, lifetime } => {
                json!(self.test_token(&subject, &audience, lifetime)?)
            }
            Request::Explain { id } => serde_json::to_value(self.explain(&id)?)?,
            Request::List { kind, limit } => self.list(kind.as_deref(), limit)?,
            Request::Show { index } => self.show(index)?,
            Request::Checkpoint => {
                json!(String::from_utf8_lossy(self.store.checkpoint(LogName::Evidence)?.note()))
            }
            Request::LogProof { log, index } => json!(self.store.proof(log, index)?.encode()),
            Request::Consistency { from } => {
                let checkpoint = self.store.checkpoint(LogName::Evidence)?;
                let proof = self.store.consistency(LogName::Evidence, from, checkpoint.size())?;
                json!({
                    "checkpoint": String::from_utf8_lossy(checkpoint.note()),
                    "proof": proof.iter().map(ToString::to_string).collect::<Vec<_>>(),
                })
            }
            Request::Admit { ask } => self.admit(ask)?,
            Request::Measures => {
                let counts = linkward_measure::count(&self.store, Instant::now())?;
                json!({ "version": crate::wire::VERSION, "measures": linkward_measure::measures(&counts) })
            }
            Request::Assess => {
                let counts = linkward_measure::count(&self.store, Instant::now())?;
                serde_json::to_value(linkward_measure::assess(&self.store, &counts)?)?
            }
            Request::Detect { ask } => self.detect(ask, Instant::now())?,
            Request::Revoke { ask } => self.revoke(ask)?,
            Request::Deploy { ask } => self.deployment(ask)?,
            Request::Policy => {
                let digest = self.policy()?.digest;
                let text = self.store.blob(&digest)?.unwrap_or_default();
                json!(String::from_utf8_lossy(&text))
            }
            Request::PolicyDiff { old, new } => serde_json::to_value(self.policy_diff(&old, &new)?)?,
            Request::Packages { prefixes } => self.packages(&prefixes)?,
            Request::Holders { purls } => self.holders(&purls)?,
            Request::Why { package } => self.why(&package)?,
            Request::Home => json!({ "home": self.home.path(), "trust": self.trust }),
        })
    }

    fn environment(&self, asked: Option<Environment>) -> Environment {
        asked.unwrap_or_else(|| self.config.environment.clone())
    }

    fn log_state(&self) -> Result<LogState> {
        let checkpoint = self.store.checkpoint(LogName::Evidence)?;
        Ok(LogState { origin: checkpoint.origin().to_owned(), size: checkpoint.size() })
    }

    /// The newest records of a kind that carry a term.
    fn rows(&self, kind: Option<Kind>, term: Option<Term>, limit: usize) -> Result<Vec<Row>> {
        Ok(self.store.rows(&Filter { kind, term, before: None, limit })?)
    }

    /// Appends a record unless the newest of its kind under this term says the same already.
    fn note_once(
        &self,
        kind: Kind,
        term: Option<Term>,
        note: Note,
        documents: Vec<Vec<u8>>,
        now: Instant,
    ) -> Result<u64> {
        use linkward_ledger::Recordable as _;
        let blob = Digest::sha256(&note.body().encode());
        let known = self.rows(Some(kind), term, 64)?.into_iter().find(|row| row.blob == blob);
        match known {
            Some(row) => Ok(row.index),
            None => Ok(self.store.append(note, documents, now)?.index()),
        }
    }

    fn record_trust(&self, now: Instant) -> Result<()> {
        let own = self.home.trusted_root()?;
        let says = json!({
            "id": self.trust.id, "created": self.trust.created, "logs": self.trust.logs,
            "step_key": self.trust.step_key, "step_key_id": self.trust.step_key_id, "builder": self.trust.builder,
            "policy_owner": self.home.policy_owner(),
            "builtin_root": {
                "date": linkward_prove::production_date(),
                "max_age_days": self.config.builtin_root_max_age_days,
                "digest": TrustRoots::production().digest(),
            },
        });
        let documents: Vec<Vec<u8>> = self.roots.documents().iter().cloned().chain([own]).collect();
        let mut digests: Vec<Digest> = documents.iter().map(|document| Digest::sha256(document)).collect();
        digests.sort();
        digests.dedup();
        let note = Note::trust(says, digests, &Environment::default());
        self.note_once(Kind::Trust, None, note, documents, now)?;
        Ok(())
    }

    /// The policy in force; the file is read again, so that a change counts at once and is recorded first.
    fn policy(&self) -> Result<Arc<InForce>> {
        let current = Arc::clone(&self.policy.read().unwrap_or_else(std::sync::PoisonError::into_inner));
        let bytes = std::fs::read(self.home.policy_path())
            .with_context(|| format!("cannot read {}", self.home.policy_path().display()))?;
        if Digest::sha256(&bytes) == current.digest {
            return Ok(current);
        }
        let next = Arc::new(read_policy(&self.home)?);
        *self.policy.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Arc::clone(&next);
        self.record_policy(Instant::now())?;
        Ok(next)
    }

    fn record_policy(&self, now: Instant) -> Result<()> {
        let digest = self.policy.read().unwrap_or_else(std::sync::PoisonError::into_inner).digest;
        let newest = self.rows(Some(Kind::Policy), None, 1)?;
        if let Some(row) = newest.first()
            && self.store.body(row.index)?.documents.contains(&digest)
        {
            return Ok(());
        }
        let bytes = std::fs::read(self.home.policy_path())?;
        let document = Digest::sha256(&bytes);
        let note = Note::policy(document, &self.home.policy_owner(), &Environment::default());
        self.store.append(note, vec![bytes], now)?;
        Ok(())
    }

    fn list(&self, kind: Option<&str>, limit: usize) -> Result<Value> {
        let kind = kind.map(str::parse::<Kind>).transpose()?;
        let rows = self.rows(kind, None, limit.min(10_000))?;
        Ok(rows
            .iter()
            .map(|row| {
                json!({
                    "record": row.index, "kind": row.kind, "environment": row.environment,
                    "event": row.times.event, "blob": row.blob,
                })
            })
            .collect())
    }

    fn show(&self, index: u64) -> Result<Value> {
        let checkpoint = self.store.checkpoint(LogName::Evidence)?;
        if index >= checkpoint.size() {
            anyhow::bail!("the log has {} records; record {index} is not among them", checkpoint.size());
        }
        let record = self.store.read(index)?;
        let proof = self.store.inclusion(LogName::Evidence, index, checkpoint.size())?;
        Ok(json!({
            "version": crate::wire::VERSION,
            "record": index,
            "envelope": record.envelope(),
            "body": record.body()?,
            "proof": {
                "size": checkpoint.size(),
                "root": checkpoint.root().to_string(),
                "hashes": proof.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "checkpoint": String::from_utf8_lossy(checkpoint.note()),
            },
        }))
    }

    fn why(&self, package: &str) -> Result<Value> {
        let mut found = Vec::new();
        for purl in self.store.terms(linkward_ledger::TermKind::Package, package, 200)? {
            let term = Term::new(linkward_ledger::TermKind::Package, &purl);
            for row in self.rows(Some(Kind::Sbom), Some(term), 20)? {
                let body = self.store.body(row.index)?;
                let name = body.says.get("name").and_then(Value::as_str).unwrap_or("");
                let via =
                    body.documents.first().map_or_else(Vec::new, |document| self.dependants(document, &purl));
                found.push(json!({
                    "package": purl, "project": name, "record": row.index, "via": via.join(" > "),
                }));
            }
        }
        Ok(found.into())
    }

    /// A shortest chain of components from the root of an SBOM to a package.
    fn dependants(&self, document: &Digest, purl: &str) -> Vec<String> {
        let Ok(Some(bytes)) = self.store.blob(document) else { return Vec::new() };
        let Ok(linkward_evidence::Claim::Sbom(sbom)) = linkward_evidence::parse(&bytes) else {
            return Vec::new();
        };
        let mut above: BTreeMap<&str, &str> = BTreeMap::new();
        let root = sbom.subject.as_ref().map_or("", |subject| subject.id.as_str());
        let mut queue = std::collections::VecDeque::from([root]);
        let below: BTreeMap<&str, &[String]> =
            sbom.relations.iter().map(|relation| (relation.from.as_str(), relation.to.as_slice())).collect();
        while let Some(at) = queue.pop_front() {
            for next in below.get(at).copied().unwrap_or_default() {
                if next != root && !above.contains_key(next.as_str()) {
                    above.insert(next, at);
                    queue.push_back(next);
                }
            }
        }
        let named = |component: &&linkward_evidence::sbom::Component| {
            component.purl.as_ref().is_some_and(|found| found.to_string() == purl)
        };
        let Some(target) = sbom.components.iter().find(named) else { return Vec::new() };
        let name = |id: &str| {
            sbom.components.iter().find(|c| c.id == id).map_or_else(|| id.to_owned(), |c| c.name.clone())
        };
        let mut path = vec![target.name.clone()];
        let mut at = target.id.as_str();
        while let Some(parent) = above.get(at).copied().filter(|parent| *parent != root) {
            path.push(name(parent));
            at = parent;
        }
        path.reverse();
        path
    }

    /// A file of a log, as the static tile server gives it.
    pub(crate) fn log_file(&self, log: LogName, path: &str) -> Option<Vec<u8>> {
        std::fs::read(self.home.path().join("logs").join(log.as_str()).join(Path::new(path))).ok()
    }

    /// Whether a request's Host name is one of ours.
    pub(crate) fn answers_to(&self, host: &str) -> bool {
        matches!(host, "127.0.0.1" | "localhost" | "[::1]")
            || self.config.hosts.iter().any(|known| known == host)
    }

    /// A page of the console or the API.
    pub(crate) fn page(&self, path: &str, query: &str) -> linkward_console::Response {
        let mut facts = self.facts();
        self.detection_facts(path, &mut facts);
        linkward_console::respond(&self.store, &facts, &linkward_console::Request { path, query })
    }

    /// Seals what is open and gives the home back.
    pub(crate) fn close(&self) {
        let _ = std::fs::remove_file(crate::socket::path(self.home.path()));
        self.leave_snapshot();
        self.store.close();
    }
}

fn read_policy(home: &Home) -> Result<InForce> {
    let path = home.policy_path();
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let policy = Policy::parse(&bytes).map_err(|faults| {
        let lines: Vec<_> = faults.iter().map(|fault| format!("  {fault}")).collect();
        Failure::new(
            Code::PolicyMalformed,
            format!(
                "{} has {}\n{}",
                path.display(),
                crate::table::counted(faults.len(), "fault"),
                lines.join("\n")
            ),
        )
    })?;
    Ok(InForce { digest: Digest::sha256(&bytes), policy })
}

fn opening(error: StoreError, home: &Home) -> anyhow::Error {
    match error {
        StoreError::Locked => {
            let message =
                format!("{} is in use by another process that does not answer", home.path().display());
            Failure::new(Code::HomeLocked, message).into()
        }
        other => anyhow::Error::new(other).context(format!("cannot open {}", home.path().display())),
    }
}
