//! Everyday traffic of many repositories, made from a seed: nights and weekends, new maintainers, rotated keys, forced
//! pushes to branches that nobody protects, deleted spam. Nothing in it is an attack.

use linkward_detect::Estate;
use linkward_evidence::event::{Action, Event, Source};
use linkward_model::Instant;

/// 2026-01-01T00:00:00Z.
const START: i64 = 1_767_225_600_000;
const MINUTE: i64 = 60_000;

#[derive(Debug)]
pub(crate) struct Traffic {
    seed: u64,
    number: u64,
    now: i64,
    repositories: Vec<Repository>,
    waiting: std::collections::BTreeMap<(i64, u64), Event>,
}

#[derive(Debug)]
struct Repository {
    version: u32,
    head: u64,
    maintainer: u32,
    key: u32,
    signer: u32,
}

impl Traffic {
    pub(crate) fn new(seed: u64, repositories: usize) -> Self {
        let fresh = |_| Repository { version: 0, head: 1, maintainer: 0, key: 0, signer: 0 };
        Self {
            seed,
            number: 0,
            now: START,
            repositories: (0..repositories).map(fresh).collect(),
            waiting: Default::default(),
        }
    }

    /// What the owner of this traffic declares.
    pub(crate) fn estate(&self) -> Estate {
        serde_json::from_value(serde_json::json!({
            "signers": ["key-*"],
            "roles": (0..self.repositories.len()).map(|n| serde_json::json!({ "role": format!("role-{n}"), "repository": repository(n) })).collect::<Vec<_>>(),
            "canaries": ["pkg:npm/canary-*"],
            "internal": ["pkg:npm/%40own/*"],
            "registries": ["packages.example"],
            "writers": [{ "packages": "pkg:oci/*", "actors": ["ci-*"] }],
        }))
        .unwrap_or_default()
    }

    fn random(&mut self, below: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed % below.max(1)
    }

    fn event(&mut self, source: Source, action: Action, at: i64, number: usize) -> Event {
        self.number += 1;
        let mut event = Event::new(source, action, Instant::from_millis(at));
        event.id = format!("b{}", self.number).into();
        event.repository = Some(repository(number).into());
        event
    }

    fn put(&mut self, event: Event) {
        self.waiting.insert((event.time.millis(), self.number), event);
        self.number += 1;
    }

    /// The next event in order of time.
    pub(crate) fn next_event(&mut self) -> Event {
        loop {
            if let Some(entry) = self.waiting.first_entry()
                && entry.key().0 <= self.now
            {
                return entry.remove();
            }
            self.now += 1 + self.random(20_000) as i64;
            let number = self.random(self.repositories.len() as u64) as usize;
            self.something(number);
        }
    }

    fn something(&mut self, number: usize) {
        let now = self.now;
        match self.random(100) {
            0..=39 => self.push(number, now),
            40..=54 => self.run(number, now, false),
            55..=57 => self.run(number, now, true),
            58..=84 => {
                let mut pull = self.event(Source::Registry, Action::Pulled, now, number);
                pull.package = Some(format!("pkg:oci/app{number}").into());
                pull.actor = Some("cluster".into());
                self.put(pull);
            }
            85..=92 => {
                let mut call = self.event(Source::Kubernetes, Action::ClusterCalled, now, number);
                call.actor = Some(format!("controller-{number}").into());
                call.call = Some(if self.random(3) == 0 { "pods:list".into() } else { "pods:create".into() });
                self.put(call);
            }
            93 => {
                let mut spam = self.event(Source::Forge, Action::IssueDeleted, now, number);
                spam.actor = Some("spam-cleaner[bot]".into());
                self.put(spam);
            }
            94 => {
                // Somebody tidies a branch of their own, with force.
                let mut push = self.event(Source::Forge, Action::RefUpdated, now, number);
                push.reference = Some(format!("refs/heads/topic-{}", self.random(50)).into());
                (push.before, push.after, push.forced) = (Some("one".into()), Some("two".into()), Some(true));
                self.put(push);
            }
            95 => {
                let mut pull = self.event(Source::Gateway, Action::Pulled, now, number);
                pull.package = Some(format!("pkg:npm/public-{}", self.random(500)).into());
                pull.host = Some("registry.example".into());
                self.put(pull);
            }
            96 if self.random(20) == 0 => {
                if let Some(repository) = self.repositories.get_mut(number) {
                    repository.maintainer += 1;
                }
            }
            97 if self.random(20) == 0 => {
                // A signer is rotated: enrolled first, used after.
                let signer = self.repositories.get_mut(number).map_or(0, |repository| {
                    repository.signer += 1;
                    repository.signer
                });
                let mut enrolled = self.event(Source::Linkward, Action::KeyEnrolled, now, number);
                enrolled.package = Some(format!("pkg:oci/app{number}").into());
                enrolled.key = Some(format!("signer-{number}-{signer}").into());
                self.put(enrolled);
            }
            98 if self.random(10) == 0 => {
                if let Some(repository) = self.repositories.get_mut(number) {
                    repository.key += 1;
                }
            }
            _ => {
                let mut session = self.event(Source::Vendor, Action::SessionStarted, now, number);
                session.actor = Some(format!("person-{number}").into());
                session.network = Some(format!("192.0.{}.{}", self.random(2), self.random(250)).into());
                self.put(session);
            }
        }
    }

    fn push(&mut self, number: usize, at: i64) {
        let (before, after, key) = self.repositories.get_mut(number).map_or((0, 0, 0), |repository| {
            repository.head += 1;
            (repository.head - 1, repository.head, repository.key)
        });
        let mut push = self.event(Source::Forge, Action::RefUpdated, at, number);
        push.reference = Some("refs/heads/main".into());
        push.before = Some(format!("c{before}").into());
        push.after = Some(format!("c{after}").into());
        (push.forced, push.protected) = (Some(false), Some(true));
        push.actor = Some(format!("person-{}", self.random(5)).into());
        self.put(push);
        let mut commit = self.event(Source::Git, Action::CommitSeen, at + 1000, number);
        commit.reference = Some("refs/heads/main".into());
        commit.commit = Some(format!("c{after}").into());
        commit.signature = Some("good".into());
        commit.key = Some(format!("key-{number}-{key}").into());
        self.put(commit);
    }

    /// A run with its steps, cloud calls, cache, and where it releases the tag, artifact, signature and publication.
    fn run(&mut self, number: usize, at: i64, releases: bool) {
        let length = (3 + self.random(12) as i64) * MINUTE;
        let end = at + length;
        let run: Box<str> = format!("r{}", self.number).into();
        let (head, maintainer, signer) =
            self.repositories.get(number).map_or((0, 0, 0), |r| (r.head, r.maintainer, r.signer));
        let commit: Box<str> = format!("c{head}").into();
        for (action, time) in [(Action::RunStarted, at), (Action::RunFinished, end)] {
            let mut event = self.event(Source::Ci, action.clone(), time, number);
            (event.run, event.commit) = (Some(run.clone()), Some(commit.clone()));
            (event.trust, event.workflow) = (Some("branch".into()), Some("ci.yml".into()));
            event.started = Some(Instant::from_millis(at));
            if action == Action::RunFinished {
                // Runs that release nothing fail now and then.
                let fails = !releases && self.random(8) == 0;
                event.conclusion = Some(if fails { "failure".into() } else { "success".into() });
            }
            self.put(event);
        }
        let mut step = self.event(Source::Ci, Action::StepFinished, end - 2000, number);
        (step.run, step.commit) = (Some(run.clone()), Some(commit.clone()));
        (step.step, step.workflow) = (Some("build".into()), Some("ci.yml".into()));
        (step.conclusion, step.runner) = (Some("success".into()), Some("pool".into()));
        step.names = vec!["checkout".into(), "build".into()];
        self.put(step);
        let mut call = self.event(Source::Cloud, Action::CloudCalled, at + length / 2, number);
        (call.role, call.region) = (Some(format!("role-{number}").into()), Some("eu".into()));
        (call.call, call.network) = (Some("s3:GetObject".into()), Some("203.0.113.7".into()));
        self.put(call);
        let restored = if self.random(2) == 0 { Action::CacheSaved } else { Action::CacheRestored };
        let mut cache = self.event(Source::Ci, restored, at + 5000, number);
        (cache.cache, cache.trust) = (Some("npm".into()), Some("branch".into()));
        self.put(cache);
        if !releases {
            return;
        }
        let version = self.repositories.get_mut(number).map_or(0, |repository| {
            repository.version += 1;
            repository.version
        });
        let version: Box<str> = format!("1.{version}.0").into();
        let mut tag = self.event(Source::Forge, Action::RefCreated, at - 1, number);
        tag.reference = Some(format!("refs/tags/v{version}").into());
        self.put(tag);
        for (package, actor) in [
            (format!("pkg:npm/p{number}"), format!("maintainer-{number}-{maintainer}")),
            (format!("pkg:oci/app{number}"), format!("ci-{number}")),
        ] {
            let digest: Box<str> = format!("sha256:{number}-{version}-{}", package.len()).into();
            let mut built = self.event(Source::Ci, Action::Built, end - 5000, number);
            (built.package, built.version) = (Some(package.clone().into()), Some(version.clone()));
            (built.digest, built.run, built.sbom) = (Some(digest.clone()), Some(run.clone()), Some(true));
            self.put(built);
            let mut signed = self.event(Source::Ci, Action::Signed, end - 4000, number);
            (signed.package, signed.digest) = (Some(package.clone().into()), Some(digest.clone()));
            signed.key = Some(
                format!("signer-{number}-{}", if package.starts_with("pkg:oci") { signer } else { 0 }).into(),
            );
            self.put(signed);
            let mut published = self.event(Source::Registry, Action::Published, end - 3000, number);
            (published.package, published.version) = (Some(package.into()), Some(version.clone()));
            (published.digest, published.actor) = (Some(digest), Some(actor.into()));
            (published.commit, published.install_script) = (Some(commit.clone()), Some(false));
            published.reference = Some(version.clone());
            published.assurance = Some("provenance".into());
            self.put(published);
        }
    }
}

fn repository(number: usize) -> String {
    format!("acme/r{number}")
}
