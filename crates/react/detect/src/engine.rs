//! The engine: routes events to rules, keeps timelines, and says what changed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use linkward_evidence::event::{Action, Event, Source};
use linkward_model::Instant;

use crate::Estate;
use crate::combine::Combination;
use crate::finding::{Finding, FindingId, State};
use crate::rule::{Hit, Rule};
use crate::rules::{RULES, combined, source_silent};
use crate::sigma::{Pack, Router};
use crate::silence::Silence;
use crate::timeline::{Placed, SLACK, Timeline};

/// How long a late event still finds its place: a day.
const WINDOW: i64 = 24 * 60 * 60 * 1000;

/// Events between two sweeps over all timelines.
const SWEEP: u64 = 65_536;

/// A finding that is new or in another state than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub finding: Finding,
    /// What it was before.
    pub before: Option<State>,
}

/// What the engine holds and has missed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    pub events: u64,
    /// Older than the window: judged by themselves, not joined.
    pub too_late: u64,
    pub repeated: u64,
    pub timelines: usize,
    /// Events that are held for late ones.
    pub held: usize,
}

pub struct Engine {
    pub(crate) estate: Estate,
    /// The shipped rules, and behind them those of a Sigma pack.
    pub(crate) rules: Vec<&'static dyn Rule>,
    pub(crate) pack: Pack,
    /// Rules that look at what the source said, whole.
    whole: Router,
    /// By the action's number, the rules that want it.
    routes: Vec<Vec<usize>>,
    pub(crate) places: Vec<HashMap<Box<str>, usize>>,
    pub(crate) timelines: Vec<Timeline>,
    /// What each timeline showed last.
    pub(crate) shown: Vec<BTreeSet<FindingId>>,
    pub(crate) due: BTreeSet<(Instant, usize)>,
    pub(crate) findings: BTreeMap<FindingId, Finding>,
    pub(crate) silence: Silence,
    pub(crate) silent: BTreeSet<FindingId>,
    pub(crate) combination: Combination,
    pub(crate) watermark: Option<Instant>,
    pub(crate) load: Load,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("load", &self.load()).finish_non_exhaustive()
    }
}

impl Engine {
    pub fn new(estate: Estate) -> Self {
        Self::with(estate, &Pack::default())
    }

    /// With the rules of a pack beside the shipped ones.
    pub fn with(estate: Estate, pack: &Pack) -> Self {
        let mut routes = vec![Vec::new(); Action::NAMED.len() + 1];
        for (number, rule) in RULES.iter().enumerate() {
            // A rule for every action is for those without a name too.
            if rule.about().actions.len() == Action::NAMED.len()
                && let Some(route) = routes.last_mut()
            {
                route.push(number);
            }
            for action in rule.about().actions {
                if let Some(route) = routes.get_mut(action.number()) {
                    route.push(number);
                }
            }
        }
        let mut rules: Vec<&'static dyn Rule> = RULES.to_vec();
        let mut whole = Router::default();
        for rule in &pack.rules {
            whole.add(rule, rules.len());
            rules.push(*rule);
        }
        Self {
            estate,
            places: vec![HashMap::new(); rules.len()],
            rules,
            pack: pack.clone(),
            whole,
            routes,
            timelines: Vec::new(),
            shown: Vec::new(),
            due: BTreeSet::new(),
            findings: BTreeMap::new(),
            silence: Silence::default(),
            silent: BTreeSet::new(),
            combination: Combination::default(),
            watermark: None,
            load: Load::default(),
        }
    }

    pub fn estate(&self) -> &Estate {
        &self.estate
    }

    /// The Sigma rules that are judged beside the shipped ones.
    pub fn pack(&self) -> &Pack {
        &self.pack
    }

    /// Something more that nobody should touch.
    pub fn watch_canary(&mut self, name: &str) {
        if !self.estate.canaries.iter().any(|known| known == name) {
            self.estate.canaries.push(name.to_owned());
        }
    }

    pub fn is_canary(&self, name: &str) -> bool {
        self.estate.is_canary(name)
    }

    /// Takes one event in and says what it changed.
    pub fn ingest(&mut self, event: Event) -> Vec<Change> {
        let at = event.at();
        let mut changes = Vec::new();
        self.ingest_whole(&event, &mut changes);
        let event = Arc::new(event.without_raw());
        self.load.events += 1;
        self.silence.heard(event.source, at);
        let route = self.routes.get(event.action.number()).cloned().unwrap_or_default();
        for number in route {
            let Some(rule) = self.rules.get(number).copied() else { continue };
            if let Some(hit) = rule.judge(&event, &self.estate) {
                self.show(Finding::new(rule.about(), &hit), &mut changes);
            }
            if let Some(key) = rule.key(&event, &self.estate) {
                self.join(number, key, &event, &mut changes);
            }
        }
        self.move_to(at, &mut changes);
        self.combine(&mut changes);
        if self.load.events.is_multiple_of(SWEEP) {
            self.sweep();
        }
        changes
    }

    /// Asks the rules that look at what the source said, whole.
    fn ingest_whole(&mut self, event: &Event, changes: &mut Vec<Change>) {
        for number in self.whole.of(event) {
            let Some(rule) = self.rules.get(number).copied() else { continue };
            if let Some(hit) = rule.judge(event, &self.estate) {
                self.show(Finding::new(rule.about(), &hit), changes);
            }
            if let Some(key) = rule.key(event, &self.estate)
                && let Some(slim) = rule.slim(event)
            {
                self.join(number, key, &slim, changes);
            }
        }
    }

    /// Lets go of events that are too old to be preceded by a late one, also where nothing happens any more.
    fn sweep(&mut self) {
        let Some(before) = self.watermark.map(|watermark| watermark.plus_millis(-WINDOW)) else { return };
        for timeline in &mut self.timelines {
            timeline.shorten(before, &self.estate, 1);
        }
    }

    /// Says that time has passed: what was waited for and did not come is now absent.
    pub fn advance(&mut self, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        self.move_to(now, &mut changes);
        self.listen(&mut changes);
        self.combine(&mut changes);
        changes
    }

    /// As [`Self::advance`], but without listening for silence: for a past that is folded again.
    pub fn reach(&mut self, now: Instant) -> Vec<Change> {
        let mut changes = Vec::new();
        self.move_to(now, &mut changes);
        self.combine(&mut changes);
        changes
    }

    fn join(&mut self, rule: usize, key: Box<str>, event: &Arc<Event>, changes: &mut Vec<Change>) {
        let Some(place) = self.places.get_mut(rule) else { return };
        let index = match place.get(&key) {
            Some(index) => *index,
            None => {
                let Some(fold) = self.rules.get(rule).and_then(|rule| rule.fold()) else { return };
                let index = self.timelines.len();
                self.timelines.push(Timeline::new(rule, fold));
                self.shown.push(BTreeSet::new());
                place.insert(key, index);
                index
            }
        };
        let Some(timeline) = self.timelines.get_mut(index) else { return };
        let now = self.watermark.unwrap_or(Instant::from_millis(i64::MIN));
        let (due, count, pending) = (timeline.due(now), timeline.count(), timeline.pending());
        match timeline.insert(event, &self.estate) {
            Placed::Repeated => self.load.repeated += 1,
            Placed::TooLate => self.load.too_late += 1,
            placed => {
                if let Some(watermark) = self.watermark {
                    timeline.shorten(watermark.plus_millis(-WINDOW), &self.estate, SLACK);
                }
                let (next, more) = (timeline.due(now), timeline.count());
                if due != next {
                    due.map(|due| self.due.remove(&(due, index)));
                    next.map(|next| self.due.insert((next, index)));
                }
                if placed == Placed::Between || more != count || pending || timeline.pending() {
                    self.review(index, changes);
                }
            }
        }
    }

    /// Compares what a timeline shows now with what it showed before.
    fn review(&mut self, index: usize, changes: &mut Vec<Change>) {
        let Some(timeline) = self.timelines.get(index) else { return };
        let Some(rule) = self.rules.get(timeline.rule).copied() else { return };
        let hits = timeline.hits(self.watermark.unwrap_or_default());
        let findings: Vec<Finding> = hits.iter().map(|hit| Finding::new(rule.about(), hit)).collect();
        let now: BTreeSet<FindingId> = findings.iter().map(|finding| finding.id).collect();
        let before = self.shown.get_mut(index).map(|shown| std::mem::replace(shown, now.clone()));
        for finding in findings {
            self.show(finding, changes);
        }
        for gone in before.unwrap_or_default().difference(&now) {
            self.withdraw(gone, changes);
        }
    }

    fn show(&mut self, finding: Finding, changes: &mut Vec<Change>) {
        let known = self.findings.get(&finding.id);
        if known == Some(&finding) {
            return;
        }
        let before = known.map(|known| known.state);
        self.combination.put(&finding);
        changes.push(Change { finding: finding.clone(), before });
        self.findings.insert(finding.id, finding);
    }

    fn withdraw(&mut self, id: &FindingId, changes: &mut Vec<Change>) {
        if let Some(mut finding) = self.findings.remove(id) {
            self.combination.take(&finding);
            let before = Some(finding.state);
            finding.state = State::Withdrawn;
            changes.push(Change { finding, before });
        }
    }

    fn move_to(&mut self, at: Instant, changes: &mut Vec<Change>) {
        if self.watermark.is_some_and(|watermark| watermark >= at) {
            return;
        }
        self.watermark = Some(at);
        while let Some((due, index)) = self.due.first().copied().filter(|(due, _)| *due <= at) {
            self.due.remove(&(due, index));
            self.review(index, changes);
            // What is overdue stays shown; only what comes due later is waited for.
            let next = self.timelines.get(index).and_then(|timeline| timeline.due(at));
            next.map(|next| self.due.insert((next, index)));
        }
    }

    fn listen(&mut self, changes: &mut Vec<Change>) {
        let Some(watermark) = self.watermark else { return };
        let hits = self.silence.hits(watermark);
        let findings: Vec<Finding> =
            hits.iter().map(|hit: &Hit| Finding::new(&source_silent::ABOUT, hit)).collect();
        let now: BTreeSet<FindingId> = findings.iter().map(|finding| finding.id).collect();
        let before = std::mem::replace(&mut self.silent, now.clone());
        for finding in findings {
            self.show(finding, changes);
        }
        for gone in before.difference(&now) {
            self.withdraw(gone, changes);
        }
    }

    fn combine(&mut self, changes: &mut Vec<Change>) {
        let (shown, gone) = self.combination.review(&combined::ABOUT);
        for id in gone {
            self.withdraw(&id, changes);
        }
        for finding in shown {
            self.show(finding, changes);
        }
    }

    /// Everything that stands, in order of time.
    pub fn findings(&self) -> Vec<&Finding> {
        let mut findings: Vec<&Finding> = self.findings.values().collect();
        findings.sort_by_key(|finding| (finding.at, finding.id));
        findings
    }

    /// The findings as JSON lines: what is compared byte for byte.
    pub fn report(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for finding in self.findings() {
            out.extend(serde_json::to_vec(finding).unwrap_or_default());
            out.push(b'\n');
        }
        out
    }

    /// When each source was last heard.
    pub fn heard(&self) -> BTreeMap<Source, Instant> {
        self.silence.last()
    }

    pub fn load(&self) -> Load {
        Load {
            timelines: self.timelines.len(),
            held: self.timelines.iter().map(Timeline::events).sum(),
            ..self.load
        }
    }
}
