//! Emergency rebuilds: planned from proven provenance, started wave by wave, and every result proven before the next wave.
//! How far each is stands in the record alone, so that a restart goes on where it was.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use linkward_decide::{Outcome, Question, Target, TargetKind, family};
use linkward_deploy::{Built, RebuildItem, RebuildPlan};
use linkward_ledger::{Kind, Term, TermKind};
use linkward_model::{Code, Digest, Instant};
use serde_json::{Value, json};

use super::Engine;
use crate::rebuild::{Asked, Triggers};
use crate::records::Note;
use crate::wire::{Failure, Rebuild, Revoke, VERSION, code_of};

/// Proven builds that are looked back at.
const MAX_BUILDS: usize = 20_000;
const MAX_EVENTS: usize = 10_000;
/// Rebuilds that may still be open.
const MAX_OPEN: usize = 64;
/// A trigger that failed is tried again after this, so often.
const AGAIN_MILLIS: i64 = 30_000;
const MAX_TRIES: usize = 5;
/// How often results are looked for while the process runs.
const ROUND: Duration = Duration::from_secs(2);
/// Rounds after which they are looked for although no proof came: a policy may have changed, a trigger may be tried again.
const QUIET: u32 = 15;

/// A rebuild as it was begun.
struct Begun {
    record: u64,
    target: Target,
    pins: Vec<String>,
    plan: RebuildPlan,
}

/// How far one artifact is.
#[derive(Clone, Debug)]
enum State {
    /// Something before it is open, or its turn comes now.
    Waiting,
    Triggered {
        record: u64,
        told: String,
    },
    Failed {
        tries: usize,
        last: Instant,
        code: Code,
        why: String,
    },
    /// A result came, and was refused or cannot be judged yet.
    Open {
        record: u64,
        digest: Digest,
        code: Code,
        refused: bool,
    },
    Verified {
        digest: Digest,
    },
}

impl Engine {
    pub(super) fn rebuild(&self, ask: Rebuild) -> Result<Value> {
        let now = Instant::now();
        match ask {
            Rebuild::Plan { kind, value, pins } => {
                let target = target(&kind, &value)?;
                let plan = self.rebuild_plan(&target)?;
                let triggers = Triggers::of_home(self.home.path())?;
                let revoked = self.is_revoked(&target);
                let text = planned(&target, revoked, &plan, &pins, &triggers);
                let triggers: Vec<Option<String>> =
                    plan.items.iter().map(|item| triggers.of(&item.name)).collect();
                Ok(json!({
                    "version": VERSION, "state": "planned", "kind": target.kind(), "value": value, "revoked": revoked,
                    "pins": pins, "plan": plan, "triggers": triggers, "text": text,
                }))
            }
            Rebuild::Start { kind, value, pins, reason, author } => {
                let target = target(&kind, &value)?;
                // A fault of the settings is told before anything is changed.
                Triggers::of_home(self.home.path())?;
                if !self.is_revoked(&target) {
                    let (reason, author) = (reason.clone(), author.clone());
                    self.revoke(Revoke::Add {
                        kind: kind.clone(),
                        value: value.clone(),
                        reason,
                        author,
                        since: None,
                    })?;
                }
                let plan = self.rebuild_plan(&target)?;
                let says = json!({
                    "what": "rebuild", "kind": target.kind(), "value": value, "pins": pins, "plan": plan,
                    "reason": reason, "author": author,
                });
                let digests = plan.items.iter().flat_map(|item| &item.digests).map(Term::digest);
                let terms = digests.chain([Term::new(TermKind::Name, "rebuild")]).collect();
                let record = self
                    .store
                    .append(Note::said(says, terms, &self.config.environment), Vec::new(), now)?
                    .index();
                self.rebuild_state(record, now)
            }
            Rebuild::Status { record } => {
                let record = match record {
                    Some(record) => record,
                    None => self.begun(1)?.first().copied().ok_or_else(|| {
                        Failure::new(Code::RebuildMissing, "nothing was ever built again here".to_owned())
                    })?,
                };
                self.rebuild_state(record, now)
            }
        }
    }

    fn is_revoked(&self, target: &Target) -> bool {
        let same = |known: &Target| known.kind() == target.kind() && known.value() == target.value();
        self.revocations().active().any(|(_, known)| same(&known.target))
    }

    /// What is bad by itself, what was built from it, and in which order it is built again.
    fn rebuild_plan(&self, target: &Target) -> Result<RebuildPlan> {
        let mut bad: BTreeMap<Digest, String> = BTreeMap::new();
        let mut builds = Vec::new();
        for row in self.rows(Some(Kind::Proof), None, MAX_BUILDS)? {
            let Some(proof) = self.proof_there(row.index)? else { continue };
            let claim = proof.value().claim();
            let digests: Vec<Digest> =
                claim.subjects().iter().flat_map(|subject| subject.digests.clone()).collect();
            let name = claim.subjects().first().map(|subject| subject.name.clone()).unwrap_or_default();
            if target.kind() == TargetKind::Package
                && linkward_decide::packages_of(&proof).iter().any(|purl| target.names(purl))
            {
                bad.extend(digests.iter().map(|digest| (*digest, family(&name).to_owned())));
            }
            if let Some(provenance) = claim.provenance() {
                let digests_of =
                    |(function, hex): &(String, String)| format!("{function}:{hex}").parse().ok();
                let source = provenance.materials.iter().find(|material| material.uri.starts_with("git"));
                builds.push(Built {
                    name,
                    digests,
                    builder: provenance.builder.clone(),
                    source: source.map(|material| material.uri.clone()),
                    revision: provenance.revisions().next().map(str::to_owned),
                    materials: provenance
                        .materials
                        .iter()
                        .flat_map(|material| material.digests.iter().filter_map(digests_of))
                        .collect(),
                });
            }
        }
        for digest in self.touched(target)? {
            // An SBOM's own digest is no artifact.
            if target.kind() == TargetKind::Digest || self.is_artifact(&digest)? {
                let built = builds.iter().find(|build| build.digests.contains(&digest));
                let name = match built {
                    Some(build) => family(&build.name).to_owned(),
                    None => self.known_name(&digest)?,
                };
                bad.insert(digest, name);
            }
        }
        Ok(RebuildPlan::new(&bad, &builds))
    }

    /// The name that an artifact's releases share; its digest where it was never seen under a name.
    fn known_name(&self, digest: &Digest) -> Result<String> {
        let name = self.name_of(digest)?;
        Ok(if name == digest.short() { digest.to_string() } else { family(&name).to_owned() })
    }

    fn is_artifact(&self, digest: &Digest) -> Result<bool> {
        for kind in [Kind::Observation, Kind::Verdict, Kind::Proof] {
            if !self.rows(Some(kind), Some(Term::digest(digest)), 1)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Records of rebuilds, newest first.
    fn begun(&self, most: usize) -> Result<Vec<u64>> {
        let term = Term::new(TermKind::Name, "rebuild");
        Ok(self.rows(Some(Kind::Action), Some(term), most)?.into_iter().map(|row| row.index).collect())
    }

    fn read_begun(&self, record: u64) -> Result<Begun> {
        let none = || Failure::new(Code::RebuildMissing, format!("record {record} is no rebuild"));
        let says = self.store.body(record).map_err(|_| none())?.says;
        if says.get("what").and_then(Value::as_str) != Some("rebuild") {
            return Err(none().into());
        }
        let text = |name: &str| says.get(name).and_then(Value::as_str).unwrap_or_default();
        let read = |name: &str| says.get(name).cloned().unwrap_or_default();
        Ok(Begun {
            record,
            target: target(text("kind"), text("value"))?,
            pins: serde_json::from_value(read("pins")).context("a recorded rebuild")?,
            plan: serde_json::from_value(read("plan")).context("a recorded rebuild")?,
        })
    }

    /// How far each artifact is, from what was recorded of it.
    fn states(&self, begun: &Begun) -> Result<BTreeMap<String, State>> {
        let mut states: BTreeMap<String, State> =
            begun.plan.items.iter().map(|item| (item.name.clone(), State::Waiting)).collect();
        let mut rows = self.rows(Some(Kind::Action), Some(event_term(begun.record)), MAX_EVENTS)?;
        rows.reverse();
        for row in rows {
            let says = self.store.body(row.index)?.says;
            let text = |name: &str| says.get(name).and_then(Value::as_str).unwrap_or_default();
            let code = text("code").parse().unwrap_or(Code::RebuildTriggerFailed);
            let digest = text("digest").parse().ok();
            let Some(state) = states.get_mut(text("artifact")) else { continue };
            *state = match (text("happened"), digest) {
                ("triggered", _) => State::Triggered { record: row.index, told: text("told").to_owned() },
                ("failed", _) => {
                    let before = if let State::Failed { tries, .. } = state { *tries } else { 0 };
                    State::Failed {
                        tries: before + 1,
                        last: row.times.event,
                        code,
                        why: text("why").to_owned(),
                    }
                }
                ("refused" | "unproven", Some(digest)) => {
                    let record = match state {
                        State::Triggered { record, .. } | State::Open { record, .. } => *record,
                        _ => row.index,
                    };
                    State::Open { record, digest, code, refused: text("happened") == "refused" }
                }
                ("verified", Some(digest)) => State::Verified { digest },
                _ => continue,
            };
        }
        Ok(states)
    }

    fn note_rebuild(&self, begun: &Begun, item: &RebuildItem, mut says: Value, now: Instant) -> Result<u64> {
        if let Some(fields) = says.as_object_mut() {
            fields.insert("what".to_owned(), "rebuild-event".into());
            fields.insert("rebuild".to_owned(), begun.record.into());
            fields.insert("artifact".to_owned(), item.name.clone().into());
        }
        let terms = vec![event_term(begun.record)];
        Ok(self.store.append(Note::said(says, terms, &self.config.environment), Vec::new(), now)?.index())
    }

    /// Takes a rebuild as far as it goes now: builds whose turn it is are started, results that came are judged.
    fn advance(&self, begun: &Begun, now: Instant) -> Result<BTreeMap<String, State>> {
        let _one = self.rebuilding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut states = self.states(begun)?;
        for item in &begun.plan.items {
            let done = |name: &String| matches!(states.get(name), None | Some(State::Verified { .. }));
            // In a circle nothing could be first.
            let circular = begun.plan.circular.contains(&item.name);
            if !circular && !item.after.iter().all(done) {
                continue;
            }
            let state = states.get(&item.name).cloned().unwrap_or(State::Waiting);
            let next = match state {
                State::Verified { .. } => continue,
                State::Waiting => self.start_build(begun, item, now)?,
                State::Failed { tries, last, .. } if tries < MAX_TRIES && now.since(last) >= AGAIN_MILLIS => {
                    self.start_build(begun, item, now)?
                }
                // Somebody may build by hand what no trigger could start.
                State::Failed { .. } => self.look_for_result(begun, item, begun.record, None, now)?,
                State::Triggered { record, .. } => self.look_for_result(begun, item, record, None, now)?,
                State::Open { record, digest, code, .. } => {
                    self.look_for_result(begun, item, record, Some((digest, code)), now)?
                }
            };
            if next {
                states = self.states(begun)?;
            }
        }
        Ok(states)
    }

    fn start_build(&self, begun: &Begun, item: &RebuildItem, now: Instant) -> Result<bool> {
        let deny = format!("{} {}", begun.target.kind(), begun.target.value());
        let asked = Asked { rebuild: begun.record, item, deny: &deny, pins: &begun.pins, at: now };
        let started = Triggers::of_home(self.home.path()).and_then(|triggers| triggers.start(asked));
        let says = match started {
            Ok(told) => json!({ "happened": "triggered", "told": told }),
            Err(error) => {
                let code = code_of(&error).unwrap_or(Code::RebuildTriggerFailed);
                json!({ "happened": "failed", "code": code, "why": format!("{error:#}") })
            }
        };
        self.note_rebuild(begun, item, says, now)?;
        Ok(true)
    }

    /// Judges what was built under the name since. Only what the policy allows counts, and for a package only what shows
    /// by an SBOM that it no longer holds it.
    fn look_for_result(
        &self,
        begun: &Begun,
        item: &RebuildItem,
        since: u64,
        known: Option<(Digest, Code)>,
        now: Instant,
    ) -> Result<bool> {
        let old: BTreeSet<&Digest> = item.digests.iter().collect();
        let mut seen = BTreeSet::new();
        let mut closest = None;
        for row in self.rows(Some(Kind::Proof), None, MAX_BUILDS)? {
            if row.index <= since {
                break;
            }
            let Some(proof) = self.proof_there(row.index)? else { continue };
            let claim = proof.value().claim();
            if claim.provenance().is_none() {
                continue;
            }
            let fitting = claim.subjects().iter().filter(|subject| item.is_called(&subject.name));
            for (name, digest) in
                fitting.flat_map(|subject| subject.digests.iter().map(|digest| (&subject.name, *digest)))
            {
                if old.contains(&digest) || !seen.insert(digest) {
                    continue;
                }
                match self.judge_result(begun, name, digest, now)? {
                    Ok(()) => {
                        let says = json!({ "happened": "verified", "digest": digest, "proof": row.index });
                        self.note_rebuild(begun, item, says, now)?;
                        return Ok(true);
                    }
                    Err((code, refused)) => closest = closest.or(Some((digest, code, refused))),
                }
            }
        }
        let Some((digest, code, refused)) = closest else { return Ok(false) };
        if known == Some((digest, code)) {
            return Ok(false);
        }
        let happened = if refused { "refused" } else { "unproven" };
        let says = json!({ "happened": happened, "digest": digest, "code": code });
        self.note_rebuild(begun, item, says, now)?;
        Ok(true)
    }

    /// Why a result does not count, and whether that is a no.
    fn judge_result(
        &self,
        begun: &Begun,
        name: &str,
        digest: Digest,
        now: Instant,
    ) -> Result<Result<(), (Code, bool)>> {
        let question = Question {
            digest,
            name: name.to_owned(),
            environment: self.environment(None),
            tenant: self.config.tenant.clone(),
        };
        let verdict = self.judge(question, now)?;
        let reason = verdict.value().reasons().first().map_or(Code::NoEvidence, |reason| reason.code);
        match verdict.value().outcome() {
            Outcome::Allow => {}
            Outcome::Deny => return Ok(Err((reason, true))),
            Outcome::Unknown => return Ok(Err((reason, false))),
        }
        if begun.target.kind() != TargetKind::Package {
            return Ok(Ok(()));
        }
        let mut packages = Vec::new();
        for row in self.rows(Some(Kind::Proof), Some(Term::digest(&digest)), MAX_OPEN)? {
            packages.extend(self.proof_there(row.index)?.iter().flat_map(linkward_decide::packages_of));
        }
        let sboms = self.rows(Some(Kind::Sbom), Some(Term::digest(&digest)), MAX_OPEN)?;
        for row in &sboms {
            let terms = self.store.body(row.index)?.terms.into_iter();
            packages.extend(terms.filter(|term| term.kind == TermKind::Package).map(|term| term.value));
        }
        Ok(match packages.iter().any(|purl| begun.target.names(purl)) {
            true => Err((Code::PackageRevoked, true)),
            false if packages.is_empty() && sboms.is_empty() => Err((Code::NoSbom, false)),
            false => Ok(()),
        })
    }

    fn rebuild_state(&self, record: u64, now: Instant) -> Result<Value> {
        let begun = self.read_begun(record)?;
        let states = self.advance(&begun, now)?;
        let all = |fits: fn(&State) -> bool| states.values().all(fits);
        let state = if states.is_empty() || all(|state| matches!(state, State::Verified { .. })) {
            "verified"
        } else if states.values().any(|state| matches!(state, State::Open { refused: true, .. })) {
            "refused"
        } else {
            "open"
        };
        let items: Vec<Value> = begun
            .plan
            .items
            .iter()
            .map(|item| {
                let mut said = states.get(&item.name).map_or(Value::Null, State::says);
                said["name"] = json!(item.name);
                said["wave"] = json!(item.wave);
                said
            })
            .collect();
        Ok(json!({
            "version": VERSION, "record": record, "state": state, "kind": begun.target.kind(),
            "value": begun.target.value(), "artifacts": items, "text": shown(&begun, &states, state),
        }))
    }

    /// Goes on with what is open, whoever asks or not.
    pub(crate) fn keep_rebuilding(self: &Arc<Self>) -> Result<()> {
        let engine = Arc::downgrade(self);
        let work = move || {
            let mut said = String::new();
            let (mut newest, mut rounds) = (None, 0u32);
            loop {
                std::thread::sleep(ROUND);
                let Some(engine) = engine.upgrade() else { return };
                // A rebuild may stay open for weeks: what is there is looked through when something came, or now and then.
                rounds = rounds.wrapping_add(1);
                let proof = engine.rows(Some(Kind::Proof), None, 1).ok();
                let proof = proof.and_then(|rows| rows.first().map(|row| row.index));
                if proof == newest && !rounds.is_multiple_of(QUIET) {
                    continue;
                }
                newest = proof;
                let trouble = engine.rebuild_round(Instant::now()).err().map(|error| format!("{error:#}"));
                let trouble = trouble.unwrap_or_default();
                if trouble != said && !trouble.is_empty() {
                    crate::commands::complain(&format!("rebuild: {trouble}"));
                }
                said = trouble;
            }
        };
        std::thread::Builder::new().name("rebuild".to_owned()).spawn(work)?;
        Ok(())
    }

    fn rebuild_round(&self, now: Instant) -> Result<()> {
        for record in self.begun(MAX_OPEN)? {
            let begun = self.read_begun(record)?;
            let open = |state: &State| !matches!(state, State::Verified { .. });
            if self.states(&begun)?.values().any(open) {
                self.advance(&begun, now)?;
            }
        }
        Ok(())
    }
}

fn target(kind: &str, value: &str) -> Result<Target> {
    Ok(Target::parse(kind.parse::<TargetKind>()?, value)?)
}

fn event_term(record: u64) -> Term {
    Term::new(TermKind::Name, format!("rebuild:{record}"))
}

impl State {
    fn says(&self) -> Value {
        match self {
            Self::Waiting => json!({ "state": "waiting" }),
            Self::Triggered { record, told } => {
                json!({ "state": "triggered", "code": Code::RebuildPending, "record": record, "told": told })
            }
            Self::Failed { tries, code, why, .. } => {
                json!({ "state": "failed", "code": code, "why": why, "tries": tries })
            }
            Self::Open { digest, code, refused, .. } => {
                json!({ "state": if *refused { "refused" } else { "unproven" }, "code": code, "digest": digest })
            }
            Self::Verified { digest } => json!({ "state": "verified", "digest": digest }),
        }
    }

    fn line(&self) -> String {
        match self {
            Self::Waiting => "waits for those before it".to_owned(),
            Self::Triggered { told, .. } => {
                format!("{}: asked for, no result yet: {}", Code::RebuildPending, crate::table::visible(told))
            }
            Self::Failed { tries, code, why, .. } => {
                let further = if *tries < MAX_TRIES { "is tried again" } else { "build it by hand" };
                format!("{code}: {} (try {tries}, {further})", crate::table::visible(why))
            }
            Self::Open { digest, code, refused, .. } => {
                let word = if *refused { "refused" } else { "not proven yet" };
                format!("{} is {word}: {code}\n    next: {}", digest.short(), code.fix())
            }
            Self::Verified { digest } => format!("verified: {}", digest.short()),
        }
    }
}

fn planned(
    target: &Target,
    revoked: bool,
    plan: &RebuildPlan,
    pins: &[String],
    triggers: &Triggers,
) -> String {
    use crate::table::{counted, visible};
    let value = visible(target.value());
    let mut out = if revoked {
        format!("deny: {} {value} is revoked\n", target.kind())
    } else {
        format!("deny: {} {value} would be revoked first\n", target.kind())
    };
    for pin in pins {
        out.push_str(&format!("pin:  {}\n", visible(pin)));
    }
    if pins.is_empty() {
        out.push_str(
            "pin:  none named: a build that takes the same again is refused by its result (--pin WHAT)\n",
        );
    }
    for item in &plan.items {
        out.push_str(&format!(
            "{}. {} ({})\n",
            item.wave + 1,
            visible(&item.name),
            counted(item.digests.len(), "release")
        ));
        let how = match (&item.builder, triggers.of(&item.name)) {
            (_, Some(trigger)) => format!("by {}", visible(&trigger)),
            (Some(builder), None) => {
                format!("{}: by hand, as {} built it", Code::RebuildNoTrigger, visible(builder))
            }
            (None, None) => format!("{}: nobody proved how it was built", Code::RebuildNoTrigger),
        };
        out.push_str(&format!("   {how}\n"));
        if let (Some(source), Some(revision)) = (&item.source, &item.revision) {
            out.push_str(&format!("   from {} at {}\n", visible(source), visible(revision)));
        }
    }
    if !plan.circular.is_empty() {
        let names: Vec<String> = plan.circular.iter().map(|name| visible(name)).collect();
        out.push_str(&format!("went into each other, so they start together: {}\n", names.join(", ")));
    }
    out.push_str(&format!("{} to build again\n", counted(plan.items.len(), "artifact")));
    out
}

fn shown(begun: &Begun, states: &BTreeMap<String, State>, state: &str) -> String {
    use crate::table::{counted, visible};
    let mut out =
        format!("rebuild {}: {} {}\n", begun.record, begun.target.kind(), visible(begun.target.value()));
    for item in &begun.plan.items {
        let line = states.get(&item.name).map_or_else(String::new, State::line);
        out.push_str(&format!("{}. {}\n   {line}\n", item.wave + 1, visible(&item.name)));
    }
    let verified = states.values().filter(|state| matches!(state, State::Verified { .. })).count();
    out.push_str(&format!("{state}: {verified} of {} verified\n", counted(states.len(), "artifact")));
    out
}
