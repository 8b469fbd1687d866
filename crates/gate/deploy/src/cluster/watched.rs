//! From what is seen to what goes into the ledger: deployed, ready, soaked, not ready any more, failed, ended and why.

use std::collections::HashMap;
use std::sync::Arc;

use linkward_model::Instant;

use super::kind::ClusterKind;
use super::object::{Observed, State};
use crate::deployment::Event;

/// Workloads that are followed at once. Beyond that, further ones are counted and not followed.
const MAX_WORKLOADS: usize = 50_000;

/// A workload, and what happened to its newest revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happening {
    pub workload: String,
    pub event: Event,
}

#[derive(Debug)]
struct Known {
    uid: String,
    images: Arc<[String]>,
    ready: Option<Instant>,
    soaked: bool,
    failed: bool,
    /// The list that showed it last.
    list: u64,
}

/// The workloads that keep revisions, as they stood last.
#[derive(Debug)]
pub struct Watched {
    soak_millis: i64,
    known: HashMap<String, Known>,
    list: u64,
    left_out: u64,
}

impl Watched {
    pub fn new(soak_millis: i64) -> Self {
        Self { soak_millis, known: HashMap::new(), list: 0, left_out: 0 }
    }

    /// Workloads that are followed.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// How often a workload was not followed, because there are too many.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// An object is there, as this.
    pub fn present(&mut self, seen: &Observed, now: Instant) -> Vec<Happening> {
        if !seen.kind.keeps_revisions() {
            return Vec::new();
        }
        let workload = seen.workload();
        let mut events = Vec::new();
        if self.known.get(&workload).is_some_and(|known| known.uid != seen.uid) {
            self.known.remove(&workload);
            events.push(Event::Ended { why: "removed, and made again under the same name".to_owned() });
        }
        if !self.known.contains_key(&workload) && self.known.len() >= MAX_WORKLOADS {
            self.left_out += 1;
            return happenings(&workload, events);
        }
        let known = self.known.entry(workload.clone()).or_insert_with(|| Known {
            uid: seen.uid.clone(),
            images: Arc::from([]),
            ready: None,
            soaked: false,
            failed: false,
            list: 0,
        });
        known.list = self.list;
        if *known.images != *seen.images {
            known.images = seen.images.as_slice().into();
            (known.ready, known.soaked, known.failed) = (None, false, false);
            events.push(Event::Deployed { images: seen.images.clone() });
        }
        match &seen.state {
            State::Ready if known.ready.is_none() => {
                known.ready = Some(now);
                events.push(Event::Ready);
            }
            State::Progressing if known.ready.is_some() && !known.soaked => {
                known.ready = None;
                events.push(Event::Unready { why: "not every replica is available".to_owned() });
            }
            State::Failed(why) if !known.failed => {
                known.failed = true;
                events.push(Event::Failed { why: why.clone() });
            }
            _ => {}
        }
        happenings(&workload, events)
    }

    /// An object was removed.
    pub fn gone(&mut self, seen: &Observed) -> Vec<Happening> {
        let workload = seen.workload();
        match self.known.remove(&workload) {
            None => Vec::new(),
            Some(_) => happenings(&workload, vec![Event::Ended { why: "removed".to_owned() }]),
        }
    }

    /// A list begins: what it does not show is gone.
    pub fn begin(&mut self) -> u64 {
        self.list += 1;
        self.list
    }

    /// A list of one kind was shown to its end.
    pub fn end(&mut self, kind: ClusterKind, list: u64) -> Vec<Happening> {
        let middle = format!("/{}/", kind.as_str());
        let lost: Vec<String> = self
            .known
            .iter()
            .filter(|(workload, known)| known.list < list && workload.contains(&middle))
            .map(|(workload, _)| workload.clone())
            .collect();
        lost.iter()
            .flat_map(|workload| {
                self.known.remove(workload);
                happenings(workload, vec![Event::Ended { why: "removed while nobody watched".to_owned() }])
            })
            .collect()
    }

    /// What has been ready for long enough by now.
    pub fn soaked(&mut self, now: Instant) -> Vec<Happening> {
        let soak = self.soak_millis;
        let ripe = self
            .known
            .iter_mut()
            .filter(|(_, known)| !known.soaked && known.ready.is_some_and(|ready| now.since(ready) >= soak));
        ripe.map(|(workload, known)| {
            known.soaked = true;
            Happening { workload: workload.clone(), event: Event::Soaked }
        })
        .collect()
    }
}

fn happenings(workload: &str, events: Vec<Event>) -> Vec<Happening> {
    events.into_iter().map(|event| Happening { workload: workload.to_owned(), event }).collect()
}
