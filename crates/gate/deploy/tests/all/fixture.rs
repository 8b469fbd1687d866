//! A log with verdicts: allowed by an exception, denied by a list, or unknown. The gate sees recorded verdicts alone.

use linkward_decide::{
    Entry, Evidence, Policy, Question, Revocation, Revocations, Target, TargetKind, Undo, Verdict,
};
use linkward_deploy::{Carried, Gate, Mode, Settings};
use linkward_ledger::{LogName, Recorded};
use linkward_model::{Code, Digest, Environment, Instant, Tenant};
use linkward_record::Store;
use linkward_record::fixture::open;

pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) revocations: Revocations,
    policy: Policy,
    _folder: tempfile::TempDir,
}

/// What allows here: it is named wherever it decides.
pub(crate) const EXCEPTION: Option<Code> = Some(Code::ExceptionApplied);

pub(crate) fn digest(name: &str) -> Digest {
    Digest::sha256(name.as_bytes())
}

pub(crate) fn image(name: &str) -> String {
    format!("registry.example/shop/{name}@{}", digest(name))
}

pub(crate) fn environment() -> Environment {
    Environment::default()
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = linkward_testkit::scratch();
        let store = open(folder.path()).unwrap();
        // Everything lacks provenance; an exception stands in for it, so that an allow needs no signatures.
        let text = format!(
            "version: 1\nrules:\n  - name: all\n    match: {{ artifacts: [\"**\"] }}\n    mode: enforce\n    require:\n      signed: {{ by: [ {{ key: \"{}\" }} ] }}\n\
             denied:\n  - {{ digest: \"{}\", reason: \"backdoored\" }}\n\
             exceptions:\n  - name: test\n    match: {{ artifacts: [\"good*\"] }}\n    allow_without: [signed]\n    owner: tests\n    reason: r\n    until: 2030-01-01\n",
            digest("key"),
            digest("bad")
        );
        let policy = Policy::parse(text.as_bytes()).unwrap();
        Self { store, policy, revocations: Revocations::default(), _folder: folder }
    }

    /// Decides about a name and records the verdict.
    pub(crate) fn verdict(&self, name: &str, now: Instant) -> Recorded<Verdict> {
        let question = Question {
            digest: digest(name),
            name: name.to_owned(),
            environment: environment(),
            tenant: Tenant::default(),
        };
        let size = self.store.checkpoint(LogName::Evidence).unwrap().size();
        let evidence = Evidence {
            proofs: &[],
            refusals: &[],
            observations: &[],
            history: &[],
            roots: digest("roots"),
            origin: "test",
            log_size: size,
        };
        let struck = self.revocations.strike(&question, &self.policy.digest(), &[], &[]);
        let verdict = linkward_decide::decide(&question, &evidence, &self.policy, now);
        self.store.append(struck.conclude(verdict), Vec::new(), now).unwrap()
    }

    pub(crate) fn revoke(&mut self, kind: TargetKind, value: &str, now: Instant) -> Recorded<Entry> {
        let entry = Entry::Revoke(Revocation {
            target: Target::parse(kind, value).unwrap(),
            reason: "test".to_owned(),
            author: "tests".to_owned(),
            since: None,
            proposal: None,
        });
        self.take(entry, now)
    }

    pub(crate) fn undo(&mut self, revocation: u64, now: Instant) -> Recorded<Entry> {
        let undo = Undo { revocation, reason: "test".to_owned(), author: "tests".to_owned(), proposal: None };
        self.take(Entry::Undo(undo), now)
    }

    fn take(&mut self, entry: Entry, now: Instant) -> Recorded<Entry> {
        let entry = self.store.append(entry, Vec::new(), now).unwrap();
        self.revocations.take(entry.clone());
        entry
    }

    pub(crate) fn carry(&self, index: u64) -> Carried {
        let checkpoint = self.store.checkpoint(LogName::Evidence).unwrap();
        let proof = self.store.inclusion(LogName::Evidence, index, checkpoint.size()).unwrap();
        Carried::new(&self.store.read(index).unwrap(), &proof, &checkpoint)
    }

    /// An enforcing gate that holds `good`, `bad` and `odd`.
    pub(crate) fn gate(&self, settings: Settings, now: Instant) -> Gate {
        let gate = Gate::new(settings);
        gate.switch(Mode::Enforce);
        for name in ["good", "bad", "odd"] {
            gate.insert(&self.verdict(name, now));
        }
        gate
    }
}
