//! Watched repositories: what their references named the last time against what they name now.
//!
//! A forge's webhook says that something moved; only the repository says whether the new commit has the old one among its
//! ancestors, whether a branch has it at all, and whose key signed it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use linkward_collect::{Reference, Watched};
use linkward_evidence::event::{Action, Event, Source};
use linkward_model::{Digest, Instant};

use super::Engine;
use crate::detect::{DetectFile, Repository};

/// New commits of one branch that are looked at one by one; of more the newest.
const COMMITS: usize = 100;
/// References that change at once beyond which the rest waits for the next look.
const CHANGES: usize = 500;

impl Engine {
    /// Looks at the watched repositories again and again.
    ///
    /// # Errors
    /// A fault of `detect.toml`.
    pub(crate) fn keep_watching(self: &Arc<Self>) -> Result<()> {
        for repository in DetectFile::of_home(self.home.path())?.repository {
            let engine = Arc::downgrade(self);
            let pause = Duration::from_secs(repository.every.max(1));
            let work = move || {
                let mut complained = None;
                loop {
                    let Some(engine) = engine.upgrade() else { return };
                    let outcome = engine.look_at(&repository, Instant::now());
                    let trouble =
                        outcome.err().map(|error| format!("watched {}: {error:#}", repository.name));
                    if trouble != complained {
                        trouble.iter().for_each(|trouble| crate::commands::complain(trouble));
                        complained = trouble;
                    }
                    drop(engine);
                    std::thread::sleep(pause);
                }
            };
            std::thread::Builder::new().name("watch".to_owned()).spawn(work)?;
        }
        Ok(())
    }

    /// One look. What is seen is recorded before it counts as seen; a crash between tells it again, under the same ids.
    pub(super) fn look_at(&self, repository: &Repository, now: Instant) -> Result<()> {
        let watched = Watched::new(&repository.path);
        let now_there = watched.references().map_err(|unknown| anyhow::anyhow!("{unknown}"))?;
        let folder = self.home.path().join("watch");
        std::fs::create_dir_all(&folder)?;
        let name = Digest::sha256(repository.name.as_bytes()).hex();
        let path = folder.join(name.get(..32).unwrap_or(&name));
        let known = match std::fs::read_to_string(&path) {
            Ok(text) => Some(parse(&text)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let mut events = Vec::new();
        // The first look learns what is there.
        let mut next = known.clone().unwrap_or_default();
        if known.is_none() {
            next = now_there
                .iter()
                .map(|one| (one.name.clone(), (one.id.clone(), one.commit.clone())))
                .collect();
        }
        let names: std::collections::BTreeSet<&str> = now_there.iter().map(|one| one.name.as_str()).collect();
        for one in &now_there {
            let before = next.get(&one.name).cloned();
            if before.as_ref().is_some_and(|(id, _)| *id == one.id) {
                continue;
            }
            if events.len() >= CHANGES {
                break;
            }
            events.extend(self.moved(repository, &watched, one, before.as_ref(), now)?);
            next.insert(one.name.clone(), (one.id.clone(), one.commit.clone()));
        }
        let gone: Vec<String> = next.keys().filter(|name| !names.contains(name.as_str())).cloned().collect();
        for name in gone {
            if let Some((before, _)) = next.remove(&name) {
                let mut event = event(repository, Action::RefDeleted, &name, now);
                event.id = format!("git/{}/{name}/{before}/gone", repository.name).into();
                event.before = Some(before.into());
                events.push(event);
            }
        }
        if known.is_none() || !events.is_empty() {
            if !events.is_empty() {
                self.admit_events(events, &["git".to_owned()], true, now)?;
            } else {
                self.detection()?.heard.feed("git");
            }
            let text: String =
                next.iter().map(|(name, (id, commit))| format!("{name} {id} {commit}\n")).collect();
            let fresh = path.with_extension("new");
            std::fs::write(&fresh, text).with_context(|| format!("cannot write {}", fresh.display()))?;
            std::fs::rename(&fresh, &path)?;
        } else {
            self.detection()?.heard.feed("git");
        }
        Ok(())
    }

    fn moved(
        &self,
        repository: &Repository,
        watched: &Watched,
        to: &Reference,
        from: Option<&(String, String)>,
        now: Instant,
    ) -> Result<Vec<Event>> {
        let action = if from.is_some() { Action::RefUpdated } else { Action::RefCreated };
        let mut moved = event(repository, action, &to.name, now);
        let before = from.map_or("", |(id, _)| id.as_str());
        moved.id = format!("git/{}/{}/{before}/{}", repository.name, to.name, to.id).into();
        moved.before = from.map(|(_, commit)| commit.as_str().into());
        moved.after = Some(to.commit.as_str().into());
        moved.commit.clone_from(&moved.after);
        moved.descends = from.and_then(|(_, commit)| watched.descends(commit, &to.commit));
        moved.reachable = watched.on_a_branch(&to.commit);
        let mut events = vec![moved];
        if to.name.starts_with("refs/heads/") {
            // A branch that is new brings what no other branch had; its whole history was looked at there.
            let most = if from.is_some() { COMMITS } else { 1 };
            let commits = watched.new_commits(from.map(|(_, commit)| commit.as_str()), &to.commit, most);
            for commit in commits.map_err(|unknown| anyhow::anyhow!("{unknown}"))? {
                let mut seen = event(repository, Action::CommitSeen, &to.name, now);
                seen.id = format!("git/{}/{}/commit/{}", repository.name, to.name, commit.id).into();
                seen.commit = Some(commit.id.as_str().into());
                let (signature, key) = match commit.id.parse() {
                    Ok(id) => self.prove_commit(&id, commit.bytes, now).stands(),
                    Err(_) => (None, None),
                };
                (seen.signature, seen.key) = (signature.map(Into::into), key.map(Into::into));
                events.push(seen);
            }
        }
        Ok(events)
    }
}

fn event(repository: &Repository, action: Action, reference: &str, now: Instant) -> Event {
    let mut event = Event::new(Source::Git, action, now);
    event.received = Some(now);
    event.repository = Some(repository.name.as_str().into());
    event.reference = Some(reference.into());
    event
}

fn parse(text: &str) -> BTreeMap<String, (String, String)> {
    let line = |line: &str| {
        let mut words = line.split(' ').map(str::to_owned);
        Some((words.next()?, (words.next()?, words.next()?)))
    };
    text.lines().filter_map(line).collect()
}
