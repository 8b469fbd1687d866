//! The gate: verdicts in memory, answers at once, and a memory of what it has seen.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, PoisonError, RwLock};

use linkward_decide::{Outcome, Question, Verdict};
use linkward_ledger::Recorded;
use linkward_model::{Digest, Environment, Instant};
use serde_json::{Value, json};

use crate::decision::{Decision, Unknown};
use crate::image::ImageRef;
use crate::review::{Review, read};

/// Most images that are remembered for the coverage report.
const MAX_SEEN: usize = 10_000;
/// The API server cuts warnings at this length.
const MAX_WARNING: usize = 256;

/// Whether the gate refuses, or only says what it would refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Observe,
    Enforce,
}

impl Mode {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

/// What to do with what could not be decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnknown {
    Deny,
    Warn,
}

/// An image as the gate saw it.
#[derive(Clone, Debug)]
pub struct Seen {
    pub namespace: String,
    pub workload: String,
    pub count: u64,
    pub last: Instant,
}

/// Something that enforcing would refuse.
#[derive(Clone, Debug)]
pub struct Break {
    pub image: String,
    pub seen: Seen,
    pub message: String,
}

impl fmt::Display for Break {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}: {}", self.seen.namespace, self.seen.workload, self.message)
    }
}

/// The answer to a review.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    pub json: Vec<u8>,
    pub decisions: Vec<Decision>,
}

type Verdicts = HashMap<(Digest, Environment), Recorded<Verdict>>;

/// Verdicts by digest and environment. Reading takes no lock that a writer holds for long.
#[derive(Debug)]
pub struct Gate {
    environment: Environment,
    on_unknown: OnUnknown,
    mode: RwLock<Mode>,
    verdicts: RwLock<Verdicts>,
    seen: Mutex<BTreeMap<String, Seen>>,
}

impl Gate {
    /// A gate in observe, for one environment.
    pub fn new(environment: Environment, on_unknown: OnUnknown) -> Self {
        Self {
            environment,
            on_unknown,
            mode: RwLock::new(Mode::Observe),
            verdicts: RwLock::default(),
            seen: Mutex::default(),
        }
    }

    pub fn mode(&self) -> Mode {
        *self.mode.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn switch(&self, mode: Mode) {
        *self.mode.write().unwrap_or_else(PoisonError::into_inner) = mode;
    }

    /// Takes a verdict; a later record replaces an earlier one, never the other way round.
    pub fn insert(&self, verdict: Recorded<Verdict>) {
        let question = verdict.value().question();
        let key = (question.digest, question.environment.clone());
        let mut verdicts = self.verdicts.write().unwrap_or_else(PoisonError::into_inner);
        let newer = verdicts.get(&key).is_none_or(|known| known.index() < verdict.index());
        if newer {
            verdicts.insert(key, verdict);
        }
    }

    /// Questions whose verdict does not hold any more, for whoever decides to ask them again.
    pub fn outdated(&self, holds: impl Fn(&Verdict) -> bool) -> Vec<Question> {
        let verdicts = self.verdicts.read().unwrap_or_else(PoisonError::into_inner);
        let outdated = verdicts.values().map(Recorded::value).filter(|verdict| !holds(verdict));
        outdated.map(|verdict| verdict.question().clone()).collect()
    }

    /// Verdicts held.
    pub fn len(&self) -> usize {
        self.verdicts.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Decides about one image, by its digest alone: the tag beside it has no say.
    pub fn decide(&self, image: &str, namespace: &str, now: Instant) -> Decision {
        let parsed = match ImageRef::parse(image) {
            Ok(parsed) => parsed,
            Err(error) => {
                return Decision::from_unknown(image, namespace, &Unknown::Malformed(error.to_string()), now);
            }
        };
        let Some(digest) = parsed.digest else {
            return Decision::from_unknown(image, namespace, &Unknown::NotDigest, now);
        };
        let verdicts = self.verdicts.read().unwrap_or_else(PoisonError::into_inner);
        match verdicts.get(&(digest, self.environment.clone())) {
            Some(verdict) => Decision::from_verdict(image, namespace, verdict, now),
            None => Decision::from_unknown(image, namespace, &Unknown::NoVerdict, now),
        }
    }

    fn refuses(&self, decision: &Decision) -> bool {
        match decision.outcome() {
            Outcome::Allow => false,
            Outcome::Deny => decision.is_enforced(),
            Outcome::Unknown => decision.is_enforced() && self.on_unknown == OnUnknown::Deny,
        }
    }

    /// Answers an AdmissionReview v1.
    pub fn review(&self, body: &[u8], now: Instant) -> Answer {
        let document: Value = match serde_json::from_slice(body) {
            Ok(document) => document,
            Err(error) => return malformed(&error.to_string()),
        };
        let review = match read(&document) {
            Ok(review) => review,
            Err(error) => return malformed(&error),
        };
        let decisions = self.judge(&review, now);
        if !review.dry_run {
            self.remember(&review, now);
        }
        let refused: Vec<&Decision> = decisions.iter().filter(|decision| self.refuses(decision)).collect();
        let enforce = self.mode() == Mode::Enforce;
        let allowed = refused.is_empty() || !enforce;
        let mut warnings: Vec<String> = Vec::new();
        for decision in decisions.iter().filter(|decision| decision.outcome() != Outcome::Allow) {
            let lead = if self.refuses(decision) && !enforce { "would be denied: " } else { "" };
            if allowed {
                warnings.push(clip(&format!("{lead}{}", decision.message())));
            }
        }
        let mut response = json!({ "uid": review.uid, "allowed": allowed });
        if !allowed {
            let messages: Vec<String> = refused.iter().map(|decision| decision.message()).collect();
            response["status"] =
                json!({ "code": 403, "reason": "Forbidden", "message": messages.join("\n") });
        }
        if !warnings.is_empty() {
            response["warnings"] = warnings.into();
        }
        if let Some(first) = refused.first().copied().or_else(|| decisions.first()) {
            let mut notes = json!({ "decision": first.outcome().as_str(), "mode": self.mode().as_str() });
            if let Some(code) = first.code() {
                notes["code"] = code.as_str().into();
            }
            if let Some(verdict) = first.verdict() {
                notes["verdict"] = verdict.to_string().into();
            }
            if let Some(policy) = first.policy() {
                notes["policy"] = policy.into();
            }
            response["auditAnnotations"] = notes;
        }
        let answer =
            json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response });
        Answer { status: 200, json: answer.to_string().into_bytes(), decisions }
    }

    fn judge(&self, review: &Review<'_>, now: Instant) -> Vec<Decision> {
        // Never in the way of a deletion; CONNECT has no images.
        if !matches!(review.operation, "CREATE" | "UPDATE") {
            return Vec::new();
        }
        let update = review.operation == "UPDATE";
        review
            .images
            .iter()
            .map(|image| (image, self.decide(image, review.namespace, now)))
            // An update that leaves an image as it was is not judged anew, unless the image is denied by now:
            // a cluster full of old workloads must still be able to scale and to be labelled.
            .filter(|(image, decision)| {
                !(update && review.old_images.contains(*image) && decision.outcome() != Outcome::Deny)
            })
            .map(|(_, decision)| decision)
            .collect()
    }

    fn remember(&self, review: &Review<'_>, now: Instant) {
        if !matches!(review.operation, "CREATE" | "UPDATE") {
            return;
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for image in &review.images {
            if seen.len() >= MAX_SEEN && !seen.contains_key(*image) {
                continue;
            }
            let entry = seen.entry((*image).to_owned()).or_insert_with(|| Seen {
                namespace: review.namespace.to_owned(),
                workload: format!("{}/{}", review.kind, review.name),
                count: 0,
                last: now,
            });
            entry.count = entry.count.saturating_add(1);
            entry.last = now;
        }
    }

    /// Images that were seen.
    pub fn seen(&self) -> Vec<(String, Seen)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().map(|(image, seen)| (image.clone(), seen.clone())).collect()
    }

    /// What enforcing would refuse of all that was seen.
    pub fn would_break(&self, now: Instant) -> Vec<Break> {
        self.seen()
            .into_iter()
            .filter_map(|(image, seen)| {
                let decision = self.decide(&image, &seen.namespace, now);
                self.refuses(&decision).then(|| Break { message: decision.message(), image, seen })
            })
            .collect()
    }
}

fn malformed(why: &str) -> Answer {
    let json = json!({ "error": format!("not an AdmissionReview: {why}") }).to_string().into_bytes();
    Answer { status: 400, json, decisions: Vec::new() }
}

/// Within the length that is passed on, on one line.
fn clip(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        if out.len() + c.len_utf8() > MAX_WARNING {
            break;
        }
        out.push(c);
    }
    out
}
