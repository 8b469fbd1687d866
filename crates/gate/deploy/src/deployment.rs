//! The deployment ledger, and where a workload can safely go back to.
//!
//! `kubectl rollout undo` and its kin choose by revision number, and so bring back what was revoked meanwhile. The last
//! known good revision is chosen by what is true today: every image is allowed under the policy and revocations in force,
//! the revision was ready and stayed so, and nothing in between forbids the way back.

use linkward_decide::Outcome;
use linkward_ledger::{Body, Kind, Recordable, Term, TermKind};
use linkward_model::Instant;
use serde::{Deserialize, Serialize};

use crate::decision::{Basis, Decision};
use crate::image::ImageRef;

/// What happened to a revision of a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event", deny_unknown_fields)]
pub enum Event {
    /// It was rolled out, or let pass by the webhook.
    Deployed { images: Vec<String> },
    /// Its pods became ready.
    Ready,
    /// They were ready for as long as it takes to count as good.
    Soaked,
    /// They were ready, and are not any more, before they had soaked.
    Unready { why: String },
    /// An analysis or a health check failed.
    Failed { why: String },
    /// It was replaced, or removed.
    Ended { why: String },
    /// A migration: what came before cannot run after it.
    Barrier { why: String },
}

/// One line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deployment {
    /// `namespace/Kind/name`.
    pub workload: String,
    pub revision: u64,
    pub at: Instant,
    /// `webhook`, or who recorded it.
    pub source: String,
    pub happened: Event,
}

#[derive(Serialize, Deserialize)]
struct Says {
    what: String,
    deployment: Deployment,
}

impl Deployment {
    /// The term that a workload's lines are found by.
    pub fn term(workload: &str) -> Term {
        Term::new(TermKind::Name, format!("workload:{workload}"))
    }

    /// A line as it was recorded; `None` where the record is something else.
    pub fn read(body: &Body) -> Option<Self> {
        let says: Says = serde_json::from_value(body.says.clone()).ok()?;
        (says.what == "deployment").then_some(says.deployment)
    }
}

impl Recordable for Deployment {
    fn body(&self) -> Body {
        let mut terms = vec![Self::term(&self.workload)];
        if let Event::Deployed { images } = &self.happened {
            let digests = images.iter().filter_map(|image| ImageRef::parse(image).ok()?.digest);
            terms.extend(digests.map(|digest| Term::digest(&digest)));
        }
        let says = Says { what: "deployment".to_owned(), deployment: self.clone() };
        Body::new(Kind::Action, terms, Vec::new(), serde_json::to_value(says).unwrap_or_default())
    }

    fn claimed(&self) -> Option<Instant> {
        Some(self.at)
    }
}

/// A revision as the ledger tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Revision {
    pub number: u64,
    pub images: Vec<String>,
    pub deployed: Instant,
    pub ready: Option<Instant>,
    pub soaked: Option<Instant>,
    pub failed: Option<String>,
    pub ended: Option<Instant>,
    pub ended_by: Option<String>,
    pub barrier: Option<String>,
}

/// The revisions of one workload, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct History {
    pub revisions: Vec<Revision>,
}

/// A revision that was looked at, and everything that speaks against it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    pub revision: u64,
    pub images: Vec<String>,
    pub against: Vec<String>,
}

/// Where to go back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    pub current: Option<Revision>,
    /// The newest safe revision before the current one.
    pub target: Option<Revision>,
    /// Those that were passed over, newest first.
    pub passed_over: Vec<Candidate>,
}

impl History {
    /// Folds the lines of one workload, in the order of their records.
    pub fn of(lines: impl IntoIterator<Item = Deployment>) -> Self {
        let mut history = Self::default();
        for line in lines {
            history.take(line);
        }
        history
    }

    /// Takes the next line.
    pub fn take(&mut self, line: Deployment) {
        let Deployment { revision: number, at, happened, .. } = line;
        if let Event::Deployed { images } = happened {
            for older in self.revisions.iter_mut().filter(|older| older.number != number) {
                older.end(at, || format!("replaced by revision {number}"));
            }
            // Going back to a revision makes it the newest again; its past stays with it.
            let known = self.revisions.iter().position(|known| known.number == number);
            let mut revision = match known {
                Some(place) if self.revisions.get(place).is_some_and(|known| known.images == images) => {
                    self.revisions.remove(place)
                }
                // Other images under an old number are another revision: nothing of the past speaks for them.
                Some(place) => {
                    Revision { ready: None, soaked: None, failed: None, ..self.revisions.remove(place) }
                }
                None => Revision {
                    number,
                    images: Vec::new(),
                    deployed: at,
                    ready: None,
                    soaked: None,
                    failed: None,
                    ended: None,
                    ended_by: None,
                    barrier: None,
                },
            };
            revision.images = images;
            revision.deployed = at;
            (revision.ended, revision.ended_by) = (None, None);
            self.revisions.push(revision);
            return;
        }
        let Some(revision) = self.revisions.iter_mut().find(|known| known.number == number) else { return };
        match happened {
            Event::Ready => {
                revision.ready.get_or_insert(at);
            }
            Event::Soaked => {
                revision.soaked.get_or_insert(at);
            }
            // What has soaked was good, whatever came over it later.
            Event::Unready { .. } => {
                revision.ready = revision.ready.filter(|_| revision.soaked.is_some());
            }
            Event::Failed { why } => revision.failed = Some(why),
            Event::Ended { why } => revision.end(at, || why),
            Event::Barrier { why } => revision.barrier = Some(why),
            Event::Deployed { .. } => {}
        }
    }

    /// The number that a revision with these images gets: its old one, or the next.
    pub fn number(&self, images: &[String]) -> u64 {
        let known = self.revisions.iter().rev().find(|revision| revision.images == images);
        let next = || self.revisions.iter().map(|revision| revision.number).max().unwrap_or(0) + 1;
        known.map_or_else(next, |revision| revision.number)
    }

    /// Plans the way back, by what `decide` says of each image now.
    pub fn plan(&self, soak_millis: i64, now: Instant, decide: impl Fn(&str) -> Decision) -> Plan {
        let Some((current, before)) = self.revisions.split_last() else {
            return Plan { current: None, target: None, passed_over: Vec::new() };
        };
        let mut passed_over = Vec::new();
        // A barrier stands in the revision that brought the migration: no way from there to anything before it.
        let mut barrier = current.barrier.clone().map(|why| (current.number, why));
        for candidate in before.iter().rev() {
            let mut against = Vec::new();
            if let Some((number, why)) = &barrier {
                against.push(format!("revision {number} set a barrier: {why}"));
            }
            against.extend(candidate.against(soak_millis, now, &decide));
            if against.is_empty() {
                let target = Some(candidate.clone());
                return Plan { current: Some(current.clone()), target, passed_over };
            }
            let images = candidate.images.clone();
            passed_over.push(Candidate { revision: candidate.number, images, against });
            if let Some(why) = &candidate.barrier {
                barrier.get_or_insert((candidate.number, why.clone()));
            }
        }
        Plan { current: Some(current.clone()), target: None, passed_over }
    }
}

impl Revision {
    fn end(&mut self, at: Instant, why: impl FnOnce() -> String) {
        if self.ended.is_none() {
            (self.ended, self.ended_by) = (Some(at), Some(why()));
        }
    }

    fn against(&self, soak_millis: i64, now: Instant, decide: &impl Fn(&str) -> Decision) -> Vec<String> {
        let mut against = Vec::new();
        if self.images.is_empty() {
            against.push("its images are not known".to_owned());
        }
        for image in &self.images {
            let decision = decide(image);
            // What a break-glass lets pass is not good, it is an emergency.
            if decision.outcome() != Outcome::Allow || decision.basis() != Basis::Verdict {
                against.push(decision.message());
            }
        }
        match self.ready {
            _ if self.soaked.is_some() => {}
            None => against.push("it was never recorded as ready".to_owned()),
            Some(ready) if self.ended.unwrap_or(now).since(ready) < soak_millis => {
                against.push(format!("it was ready for less than {} s", soak_millis / 1000));
            }
            Some(_) => {}
        }
        if let Some(why) = &self.failed {
            against.push(format!("it failed: {why}"));
        }
        against
    }
}
