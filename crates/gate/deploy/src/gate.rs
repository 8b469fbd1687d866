//! The gate: verdicts in memory, answers at once, and a memory of what it has seen.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::time::Duration;

use linkward_decide::{Entry, Mode as PolicyMode, Outcome, Question, Verdict};
use linkward_ledger::Recorded;
use linkward_model::{Digest, Environment, Instant};

use crate::break_glass::BreakGlass;
use crate::cold::{Chill, Cold};
use crate::counters::Counters;
use crate::decision::{Basis, Decision, Unknown};
use crate::held::{Held, Stand};
use crate::image::{ImageError, ImageRef};
use crate::settings::{OnTag, OnUnknown, Settings, laxer};
use crate::strike::Strikes;

/// Most images that are remembered for the coverage report.
const MAX_SEEN: usize = 10_000;

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

/// A verdict that waits to be taken with others; one of another environment is passed over.
#[derive(Debug)]
pub struct Prepared {
    digest: Digest,
    held: Option<Held>,
}

/// Verdicts by digest, for one environment. Reading takes no lock that a writer holds for long.
#[derive(Debug)]
pub struct Gate {
    pub(crate) settings: Settings,
    enforcing: AtomicBool,
    pub(crate) verdicts: RwLock<HashMap<Digest, Held>>,
    pub(crate) strikes: RwLock<Strikes>,
    glasses: RwLock<Vec<BreakGlass>>,
    cold: Mutex<Cold>,
    /// Rung when a cold digest is asked for.
    asked: Condvar,
    stands: Mutex<Vec<Arc<Stand>>>,
    seen: Mutex<BTreeMap<String, Seen>>,
    /// When the feed was heard last; meaningless beside the record itself.
    heard: AtomicI64,
    /// How many revocation records this gate knows of.
    pub(crate) epoch: AtomicU64,
    /// Why there is no snapshot; `None` where there is one, or none is needed.
    blind: RwLock<Option<Unknown>>,
    pub(crate) counters: Counters,
}

impl Gate {
    /// A gate in observe.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            enforcing: AtomicBool::new(false),
            verdicts: RwLock::default(),
            strikes: RwLock::default(),
            glasses: RwLock::default(),
            cold: Mutex::default(),
            asked: Condvar::new(),
            stands: Mutex::default(),
            seen: Mutex::default(),
            heard: AtomicI64::new(i64::MIN),
            epoch: AtomicU64::new(0),
            blind: RwLock::default(),
            counters: Counters::default(),
        }
    }

    pub fn mode(&self) -> Mode {
        if self.enforcing.load(Ordering::Relaxed) { Mode::Enforce } else { Mode::Observe }
    }

    pub fn switch(&self, mode: Mode) {
        self.enforcing.store(mode == Mode::Enforce, Ordering::Relaxed);
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn environment(&self) -> &Environment {
        &self.settings.environment
    }

    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How many revocation records it knows of.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    pub(crate) fn stand(&self, stand: Stand) -> Arc<Stand> {
        let mut stands = self.stands.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = stands.iter().rev().find(|known| ***known == stand) {
            return Arc::clone(known);
        }
        let stand = Arc::new(stand);
        stands.retain(|stand| Arc::strong_count(stand) > 1);
        stands.push(Arc::clone(&stand));
        stand
    }

    /// Takes a verdict of its environment; a later record replaces an earlier one, never the other way round.
    pub fn insert(&self, verdict: &Recorded<Verdict>) {
        let question = verdict.value().question();
        if question.environment != self.settings.environment {
            return;
        }
        let (policy, roots) = (verdict.value().policy(), verdict.value().roots());
        let stand = self.stand(Stand::new(policy, roots, question.tenant.clone()));
        self.hold(question.digest, Held::of(verdict, stand));
    }

    /// A verdict on its way into the gate.
    pub fn ready(&self, verdict: &Recorded<Verdict>) -> Prepared {
        let question = verdict.value().question();
        let own = question.environment == self.settings.environment;
        let (policy, roots) = (verdict.value().policy(), verdict.value().roots());
        let held =
            own.then(|| Held::of(verdict, self.stand(Stand::new(policy, roots, question.tenant.clone()))));
        Prepared { digest: question.digest, held }
    }

    /// Takes all of these at once: no decision sees some of them without the others. A later record stays.
    pub fn exchange(&self, prepared: Vec<Prepared>) {
        let mut verdicts = self.verdicts.write().unwrap_or_else(PoisonError::into_inner);
        for Prepared { digest, held } in prepared {
            if let Some(held) = held
                && verdicts.get(&digest).is_none_or(|known| known.record <= held.record)
            {
                verdicts.insert(digest, held);
            }
        }
    }

    /// The policy that a held digest was decided by, and how.
    pub fn decided(&self, digest: &Digest) -> Option<(Digest, Outcome, PolicyMode)> {
        let verdicts = self.verdicts.read().unwrap_or_else(PoisonError::into_inner);
        verdicts.get(digest).map(|held| (held.policy(), held.outcome, held.mode))
    }

    pub(crate) fn hold(&self, digest: Digest, held: Held) {
        {
            let mut verdicts = self.verdicts.write().unwrap_or_else(PoisonError::into_inner);
            let newer = verdicts.get(&digest).is_none_or(|known| known.record <= held.record);
            if newer {
                verdicts.insert(digest, held);
            }
        }
        self.cold.lock().unwrap_or_else(PoisonError::into_inner).forget(&digest);
    }

    /// Obeys a recorded revocation for these digests from the next decision on, or takes one back.
    pub fn revoke(&self, entry: &Recorded<Entry>, digests: &[Digest]) {
        let mut strikes = self.strikes.write().unwrap_or_else(PoisonError::into_inner);
        match entry.value() {
            Entry::Revoke(_) => strikes.strike(entry, digests),
            Entry::Undo(undo) => strikes.lift(undo.revocation),
        }
    }

    /// Notes how many revocation records there are; the number never falls.
    pub fn knows(&self, epoch: u64) {
        self.epoch.fetch_max(epoch, Ordering::Relaxed);
    }

    /// Takes a recorded break-glass; those that are over are dropped.
    pub fn break_glass(&self, glass: BreakGlass, now: Instant) {
        let mut glasses = self.glasses.write().unwrap_or_else(PoisonError::into_inner);
        glasses.retain(|known| now < known.until() && known.record() != glass.record());
        glasses.push(glass);
    }

    /// The feed was heard: what it said is true as of then.
    pub fn heard(&self, at: Instant) {
        self.heard.fetch_max(at.millis(), Ordering::Relaxed);
    }

    /// Whether the gate is cut off from the record for longer than its lease.
    pub fn is_stale(&self, now: Instant) -> bool {
        self.settings
            .lease_millis
            .is_some_and(|lease| now.millis().saturating_sub(self.heard.load(Ordering::Relaxed)) > lease)
    }

    /// The gate has no verdicts that it may use, and why; `None` once it has.
    pub fn blind(&self, why: Option<Unknown>) {
        *self.blind.write().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// Questions whose verdict does not hold any more, for whoever decides to ask them again.
    pub fn outdated(&self, limit: usize, holds: impl Fn(&Digest, &Held) -> bool) -> Vec<Question> {
        let verdicts = self.verdicts.read().unwrap_or_else(PoisonError::into_inner);
        let strikes = self.strikes.read().unwrap_or_else(PoisonError::into_inner);
        verdicts
            .iter()
            .filter(|(digest, held)| {
                strikes.unknown_to(digest, Some(held.log_size)).is_some() || !holds(digest, held)
            })
            .take(limit)
            .map(|(digest, held)| held.question(*digest, &self.settings.environment))
            .collect()
    }

    /// The question of a digest that is held.
    pub fn question(&self, digest: &Digest) -> Option<Question> {
        let verdicts = self.verdicts.read().unwrap_or_else(PoisonError::into_inner);
        verdicts.get(digest).map(|held| held.question(*digest, &self.settings.environment))
    }

    /// The newest revocation that struck a digest: a verdict that saw less of the log has to be made again.
    pub fn struck(&self, digest: &Digest) -> Option<u64> {
        self.strikes.read().unwrap_or_else(PoisonError::into_inner).newest(digest)
    }

    /// Digests decided under a policy.
    pub fn under_policy(&self, policy: &Digest) -> Vec<Digest> {
        let verdicts = self.verdicts.read().unwrap_or_else(PoisonError::into_inner);
        verdicts.iter().filter(|(_, held)| held.stand.policy == *policy).map(|(digest, _)| *digest).collect()
    }

    /// Verdicts held.
    pub fn len(&self) -> usize {
        self.verdicts.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A digest that was asked for before anything was decided; it stays queued until it is [`answered`](Self::answered).
    pub fn cold(&self) -> Option<Digest> {
        self.cold.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    /// Waits until a cold digest is asked for, but no longer than this.
    pub fn wait_cold(&self, patience: Duration) {
        let cold = self.cold.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.asked.wait_timeout_while(cold, patience, |cold| cold.len() == 0));
    }

    /// A cold digest was looked up; whether there is anything to decide from.
    pub fn answered(&self, digest: &Digest, found: bool, now: Instant) {
        self.cold.lock().unwrap_or_else(PoisonError::into_inner).done(digest, found, now);
    }

    /// Cold digests that wait.
    pub fn waiting(&self) -> usize {
        self.cold.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Decides about one image, by its digest alone: the tag beside it has no say.
    pub fn decide(&self, image: &str, namespace: &str, now: Instant) -> Decision {
        let unknown = |unknown| Decision::from_unknown(image, namespace, &unknown, now);
        match digest_of(image) {
            Err(why) => unknown(why),
            Ok(None) => unknown(Unknown::NotDigest),
            Ok(Some(digest)) => self.decide_digest(image, Some(namespace), &digest, now),
        }
    }

    /// Decides about an image that a node resolved. A tag is fine here: what will run is the digest.
    pub fn decide_resolved(&self, image: &str, digest: &Digest, now: Instant) -> Decision {
        match digest_of(image) {
            Err(why) => Decision::from_unknown(image, "", &why, now),
            Ok(Some(named)) if named != *digest => {
                Decision::from_unknown(image, "", &Unknown::Resolved(*digest), now)
            }
            Ok(_) => self.decide_digest(image, None, digest, now),
        }
    }

    fn decide_digest(&self, image: &str, namespace: Option<&str>, digest: &Digest, now: Instant) -> Decision {
        let shown = namespace.unwrap_or("");
        let decision = self.known(image, shown, digest, now);
        if decision.basis() == Basis::Revocation {
            return decision;
        }
        let glasses = self.glasses.read().unwrap_or_else(PoisonError::into_inner);
        match glasses.iter().find(|glass| glass.covers(digest, namespace, now)) {
            None => decision,
            Some(glass) if decision.outcome() == Outcome::Allow => decision.beside(glass),
            Some(glass) => Decision::from_break_glass(image, shown, glass, now),
        }
    }

    fn known(&self, image: &str, namespace: &str, digest: &Digest, now: Instant) -> Decision {
        let unknown = |unknown: &Unknown| Decision::from_unknown(image, namespace, unknown, now);
        let verdicts = self.verdicts.read().unwrap_or_else(PoisonError::into_inner);
        let held = verdicts.get(digest);
        {
            let strikes = self.strikes.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(strike) = strikes.unknown_to(digest, held.map(|held| held.log_size)) {
                return Decision::from_strike(image, namespace, strike, now);
            }
        }
        if let Some(why) = &*self.blind.read().unwrap_or_else(PoisonError::into_inner) {
            return unknown(why);
        }
        match held {
            // What is denied stays denied; only a yes can have gone stale.
            Some(held) if held.outcome == Outcome::Allow && self.is_stale(now) => unknown(&Unknown::Stale),
            Some(held) => Decision::from_held(image, namespace, held, now),
            None if self.settings.lease_millis.is_some() => unknown(&Unknown::NoVerdict),
            None => {
                let chill = self.cold.lock().unwrap_or_else(PoisonError::into_inner).ask(*digest, now);
                if chill == Chill::Nothing {
                    return unknown(&Unknown::NoVerdict);
                }
                self.asked.notify_one();
                Counters::add(&self.counters.pending);
                unknown(&Unknown::Pending)
            }
        }
    }

    /// Whether a decision stops a deployment where the gate is as strict as this.
    pub fn refuses(&self, decision: &Decision, scope: PolicyMode) -> bool {
        use linkward_model::Code;
        match decision.outcome() {
            Outcome::Allow => false,
            // Somebody has said that it is dangerous: no rule in audit lets it run.
            Outcome::Deny if decision.basis() == Basis::Revocation => true,
            Outcome::Deny => laxer(decision.mode(), scope) == PolicyMode::Enforce,
            Outcome::Unknown => {
                let on = match decision.code() {
                    Some(Code::FeedStale) => self.settings.on_stale == OnUnknown::Deny,
                    Some(Code::NotDigest) => {
                        self.settings.on_tag == OnTag::Deny && self.settings.on_unknown == OnUnknown::Deny
                    }
                    // Not unknown but wrong: no setting lets nonsense pass.
                    Some(Code::DigestMalformed | Code::ImageMalformed | Code::ImageDigestMismatch) => true,
                    _ => self.settings.on_unknown == OnUnknown::Deny,
                };
                on && laxer(decision.mode(), scope) == PolicyMode::Enforce
            }
        }
    }

    pub(crate) fn remember(&self, review: &crate::review::Review<'_>, now: Instant) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for image in &review.images {
            if let Some(entry) = seen.get_mut(image) {
                entry.count = entry.count.saturating_add(1);
                entry.last = now;
            } else if seen.len() < MAX_SEEN {
                let workload = format!("{}/{}", review.kind, review.name);
                let namespace = review.namespace.clone();
                seen.insert(image.clone(), Seen { namespace, workload, count: 1, last: now });
            }
        }
    }

    /// Notes an image that a workload has though nobody asked about it: it counts for coverage.
    pub fn notice(&self, image: &str, namespace: &str, workload: &str, now: Instant) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let room = seen.len() < MAX_SEEN;
        if let Some(entry) = seen.get_mut(image) {
            entry.last = now;
        } else if room {
            let (namespace, workload) = (namespace.to_owned(), workload.to_owned());
            seen.insert(image.to_owned(), Seen { namespace, workload, count: 1, last: now });
        }
    }

    /// Has a verdict made of an image before anybody asks for it; whether that is under way.
    pub fn prepare(&self, image: &str, now: Instant) -> bool {
        let Ok(Some(digest)) = digest_of(image) else { return false };
        let held = self.verdicts.read().unwrap_or_else(PoisonError::into_inner).contains_key(&digest);
        if held || self.settings.lease_millis.is_some() {
            return false;
        }
        let chill = self.cold.lock().unwrap_or_else(PoisonError::into_inner).ask(digest, now);
        if chill == Chill::Pending {
            self.asked.notify_one();
        }
        chill == Chill::Pending
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
                let scope = self.settings.mode(&seen.namespace, None, None);
                self.refuses(&decision, scope).then(|| Break { message: decision.message(), image, seen })
            })
            .collect()
    }
}

fn digest_of(image: &str) -> Result<Option<Digest>, Unknown> {
    match ImageRef::parse(image) {
        Ok(parsed) => Ok(parsed.digest),
        Err(error @ ImageError::Digest) => Err(Unknown::Malformed(error.to_string())),
        Err(error) => Err(Unknown::Reference(error.to_string())),
    }
}
