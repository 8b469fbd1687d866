//! The engine wires the stages: bytes in, claims proven, records appended, verdicts decided, the gate fed.
//!
//! Synchronous and shared behind an `Arc`; the daemon's socket, the console and the commands all call it.

mod abuse;
mod access;
mod admission;
mod alerts;
mod backtest;
mod canaries;
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
mod measuring;
mod rebuilds;
mod recall;
mod repositories;
mod repository;
mod retention;
mod revoke;
mod rollbacks;
mod rollout;
mod scanned;
mod signer;
mod sigstore;
mod spool;
mod verdicts;
mod watch;
mod witness;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use anyhow::{Context as _, Result};
use linkward_decide::{Question, Revocations};
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

pub(crate) use self::access::Ask as AccessAsk;
pub(crate) use self::canaries::PREFIX as CANARY;
pub(crate) use self::commits::CommitSignature;
use self::retention::Document;
pub(crate) use self::signer::SharedSigner;
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
    watching: witness::Watching,
    roots: TrustRoots,
    keyring: Vec<PublicKey>,
    policies: rollout::Policies,
    gate: Gate,
    revocations: RwLock<Arc<Revocations>>,
    feed: feed::Feed,
    /// Questions to ask again after a revocation.
    sweep: Mutex<std::collections::VecDeque<Question>>,
    /// Held while a rebuild goes on: two must not start one build twice.
    rebuilding: Mutex<()>,
    /// Rollouts that the webhook let pass, on their way into the ledger.
    rollouts: Mutex<std::collections::VecDeque<linkward_deploy::Rollout>>,
    /// Held while the ledger is read and then written: two writers must not give one number to two revisions.
    ledger: Mutex<()>,
    /// Bundles whose signatures were checked: one for each record, ever.
    verified: std::sync::atomic::AtomicU64,
    addresses: OnceLock<(SocketAddr, SocketAddr)>,
    /// Proofs that this process has checked, by record: a digest is verified once, whatever the number of asks.
    proofs: Mutex<BTreeMap<u64, Recorded<Proven<Attestation>>>>,
    detection: crate::detect::Detection,
    outbox: Mutex<linkward_record::state::State>,
    alerting: OnceLock<alerts::Alerting>,
    counting: measuring::Counting,
    guard: access::Guard,
}

impl Engine {
    /// Opens the home for writing.
    pub(crate) fn open(home: &Home) -> Result<Self> {
        let config = home.config()?;
        let trust = home.trust()?;
        let signer = SharedSigner::new(home.keys());
        let settings = Settings { tenant: config.tenant.clone(), logs: trust.logs.clone() };
        let witnesses = witness::asked(&config.witness, home)?;
        let store = Store::open_witnessed(
            home.path(),
            Arc::new(RealFiles),
            settings,
            Box::new(signer.clone()),
            witnesses,
        )
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
        let added = crate::trust::added(home)?;
        let mut current = Vec::new();
        for one in &added {
            match one.roots(now, config.trust_max_age_days) {
                Ok(roots) => current.push(roots),
                Err(error) => crate::commands::complain(&format!("{error:#}: not used")),
            }
        }
        let roots = current.iter().fold(roots, |all, one| TrustRoots::join(&[&all, one]));
        let services = Services::open(home)?;
        let watching = witness::Watching::open(&config.witness, home, &trust)?;
        let mut keyring = vec![PublicKey::from_pem(&trust.step_key).context("step key in trust.json")?];
        for spki in home.artifact_keys()? {
            keyring.push(PublicKey::from_spki(&spki).context("a key of what people sign")?);
        }
        let outbox = alerts::open(home.path(), &store, now)?;
        let policy = rollout::InForce::read(home)?;
        let gate = Gate::new(config.gate_settings(None));
        let guard = access::Guard::new(&config);
        let engine = Self {
            home: home.clone(),
            config,
            trust,
            store,
            signer,
            services,
            watching,
            roots,
            keyring,
            policies: rollout::Policies::new(policy),
            gate,
            revocations: RwLock::default(),
            feed: feed::Feed::new(now),
            sweep: Mutex::default(),
            rebuilding: Mutex::default(),
            rollouts: Mutex::default(),
            ledger: Mutex::default(),
            verified: std::sync::atomic::AtomicU64::new(0),
            addresses: OnceLock::new(),
            proofs: Mutex::default(),
            detection: crate::detect::Detection::default(),
            outbox: Mutex::new(outbox),
            alerting: OnceLock::new(),
            counting: measuring::Counting::default(),
            guard,
        };
        match engine.record_trust(now) {
            // What waits for witnesses comes before all that follows it; a home can be read while they are away.
            Err(error) if crate::wire::code_of(&error) == Some(Code::WitnessesTooFew) => {}
            result => result?,
        }
        let from = engine.load_snapshot(now);
        engine.fill_gate(from)?;
        engine.settle_policy(now)?;
        engine.restore_revocations()?;
        engine.restore_glasses(now)?;
        engine.restore_mode()?;
        Ok(engine)
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
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
            Request::SignArtifact { name, digest, environment, out } => serde_json::to_value(
                self.sign_artifact(&name, &digest, &self.environment(environment), out)?,
            )?,
            Request::SignAttestation { name, statement, environment, out } => serde_json::to_value(
                self.sign_attestation(&name, &statement, &self.environment(environment), out)?,
            )?,
            Request::Complete { name, form } => serde_json::to_value(self.complete_form(&name, &form)?)?,
            Request::PublishRepository => {
                self.publish_repository(Instant::now())?;
                json!(null)
            }
            Request::Spool { flush } => serde_json::to_value(self.spool_state(flush)?)?,
            Request::Sigstore => self.show_sigstore()?,
            Request::Witness => self.show_witness()?,
            Request::TestToken { subject, audience, lifetime } => {
                json!(self.test_token(&subject, &audience, lifetime)?)
            }
            Request::Explain { id } => serde_json::to_value(self.explain(&id)?)?,
            Request::List { kind, limit } => self.list(kind.as_deref(), limit)?,
            Request::Show { index } => self.show(index)?,
            Request::Checkpoint => {
                json!(String::from_utf8_lossy(self.store.checkpoint(LogName::Evidence)?.note()))
            }
            Request::Lookup { log, term, before, limit } => {
                serde_json::to_value(self.lookup(log, term, before, limit)?)?
            }
            Request::LogProof { log, index } => json!(self.store.proof(log, index)?.encode()),
            Request::Backup { to } => self.backup(&to)?,
            Request::Retention { ask } => self.retention(ask)?,
            Request::Consistency { from } => {
                let checkpoint = self.store.checkpoint(LogName::Evidence)?;
                // A caller who saw more finds out by the checkpoint itself.
                let proof = if from > checkpoint.size() {
                    Vec::new()
                } else {
                    self.store.consistency(LogName::Evidence, from, checkpoint.size())?
                };
                json!({
                    "checkpoint": String::from_utf8_lossy(checkpoint.note()),
                    "proof": proof.iter().map(ToString::to_string).collect::<Vec<_>>(),
                })
            }
            Request::Admit { ask } => self.admit(ask)?,
            Request::Measures => self.measures_answer()?,
            Request::Assess => {
                let counts = self.all_counts(Instant::now())?;
                serde_json::to_value(linkward_measure::assess(&self.store, &counts)?)?
            }
            Request::Access { ask } => self.access(ask, Instant::now())?,
            Request::Detect { ask } => self.detect(ask, Instant::now())?,
            Request::Revoke { ask } => self.revoke(ask)?,
            Request::Rebuild { ask } => self.rebuild(ask)?,
            Request::Deploy { ask } => self.deployment(ask)?,
            Request::Policy => {
                let digest = self.policy()?.digest;
                let text = self.store.blob(&digest)?.unwrap_or_default();
                json!(String::from_utf8_lossy(&text))
            }
            Request::PolicyRollouts => serde_json::to_value(self.rollouts()?)?,
            Request::PolicyTrial => serde_json::to_value(self.trial(Instant::now())?)?,
            Request::PolicyDiff { old, new } => serde_json::to_value(self.policy_diff(&old, &new)?)?,
            Request::Scanned { name, sbom, chain } => json!(self.scanned(&name, &sbom, chain)?),
            Request::Base { chain } => self.base(&chain)?,
            Request::Packages { prefixes } => self.packages(&prefixes)?,
            Request::Holders { purls } => self.holders(&purls)?,
            Request::Why { package } => self.why(&package)?,
            Request::Home => json!({ "home": self.home.path(), "trust": self.trust }),
        })
    }

    /// A page of entries that carry a term. An index that is too far behind is brought up first, but not while others
    /// wait: a daemon does that by itself.
    pub(crate) fn lookup(
        &self,
        log: LogName,
        term: Term,
        before: Option<u64>,
        limit: usize,
    ) -> Result<linkward_ledger::lookup::Answer> {
        use crate::lookup::{PAGE, failure, terms_of};
        let limit = limit.clamp(1, PAGE);
        match self.store.lookup(log, term.clone(), before, limit, &terms_of) {
            Err(linkward_record::LookupFailure::Behind(_)) if self.addresses.get().is_none() => {}
            result => return result.map_err(failure),
        }
        while self.store.commit_lookups(&terms_of, Instant::now()).map_err(failure)?.is_some() {}
        self.store.lookup(log, term, before, limit, &terms_of).map_err(failure)
    }

    /// Keeps the look-up index up to the logs, in a thread of its own: large runs take their time.
    pub(crate) fn keep_lookups(self: &Arc<Self>) {
        let engine = Arc::downgrade(self);
        let work = move || {
            let mut complained = None;
            loop {
                std::thread::sleep(std::time::Duration::from_secs(1));
                let Some(engine) = engine.upgrade() else { return };
                let result = engine.store.commit_lookups(&crate::lookup::terms_of, Instant::now());
                let trouble = result.err().map(|error| format!("look-up index: {error}"));
                if let Some(trouble) = trouble.as_deref().filter(|_| trouble != complained) {
                    crate::commands::complain(trouble);
                }
                complained = trouble;
            }
        };
        let _ = std::thread::Builder::new().name("lookups".to_owned()).spawn(work);
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
        let mut says = json!({
            "id": self.trust.id, "created": self.trust.created, "logs": self.trust.logs,
            "step_key": self.trust.step_key, "step_key_id": self.trust.step_key_id, "builder": self.trust.builder,
            "policy_owner": self.home.policy_owner(),
            "builtin_root": {
                "date": linkward_prove::production_date(),
                "max_age_days": self.config.builtin_root_max_age_days,
                "digest": TrustRoots::production().digest(),
            },
        });
        // A restored home names the logs that it goes on from, with what they had come to.
        if !self.trust.former.is_empty() {
            says["former"] = serde_json::to_value(&self.trust.former)?;
        }
        let repositories = crate::trust::added(&self.home)?;
        if !repositories.is_empty() {
            says["repositories"] = repositories.iter().map(crate::trust::Added::says).collect();
        }
        let documents: Vec<Vec<u8>> = self.roots.documents().iter().cloned().chain([own]).collect();
        let mut digests: Vec<Digest> = documents.iter().map(|document| Digest::sha256(document)).collect();
        digests.sort();
        digests.dedup();
        let note = Note::trust(says, digests, &Environment::default());
        self.note_once(Kind::Trust, None, note, documents, now)?;
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
                let via = match body.documents.first() {
                    Some(document) => self.dependants(document, &purl)?,
                    None => Vec::new(),
                };
                found.push(json!({
                    "package": purl, "project": name, "record": row.index, "via": via.join(" > "),
                }));
            }
        }
        Ok(found.into())
    }

    /// A shortest chain of components from the root of an SBOM to a package.
    fn dependants(&self, document: &Digest, purl: &str) -> Result<Vec<String>> {
        let bytes = match self.document(document)? {
            Document::There(bytes) => bytes,
            Document::Deleted { tombstone } => return Ok(vec![retention::deleted(tombstone)]),
            Document::Unknown => return Ok(Vec::new()),
        };
        let Ok(linkward_evidence::Claim::Sbom(sbom)) = linkward_evidence::parse(&bytes) else {
            return Ok(Vec::new());
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
        let Some(target) = sbom.components.iter().find(named) else { return Ok(Vec::new()) };
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
        Ok(path)
    }

    /// Leaves of the evidence log; of one that cannot be read none.
    pub(crate) fn log_size(&self) -> u64 {
        self.store.checkpoint(LogName::Evidence).map(|checkpoint| checkpoint.size()).unwrap_or(0)
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
    pub(crate) fn page(
        &self,
        path: &str,
        query: &str,
        who: Option<linkward_console::Who>,
    ) -> linkward_console::Response {
        let mut facts = self.facts();
        facts.who = who;
        self.detection_facts(path, &mut facts);
        let told = self.measure_facts(path, &mut facts).and_then(|()| self.alert_facts(path, &mut facts));
        if let Err(error) = told {
            crate::commands::complain(&format!("{path}: {error:#}"));
            facts.counted = false;
        }
        linkward_console::respond(&self.store, &facts, &linkward_console::Request { path, query })
    }

    /// Seals what is open and gives the home back.
    pub(crate) fn close(&self) {
        let _ = std::fs::remove_file(crate::socket::path(self.home.path()));
        let _ = self.record_refusals(Instant::now());
        self.leave_snapshot();
        self.leave_folds();
        self.store.close();
    }
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
