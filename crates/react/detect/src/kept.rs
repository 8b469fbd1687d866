//! The engine as lines, for the next start: opened again it goes on as if it had never stopped.
//!
//! Only what cannot be made from the rest is kept: the end of each timeline is judged again from its beginning.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use linkward_evidence::event::{Event, Source};
use linkward_model::{Digest, Instant};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::finding::{Alert, Fact, Finding, FindingId, State};
use crate::rule::Hit;
use crate::rules::{combined, rule};
use crate::sigma::Pack;
use crate::timeline::Timeline;
use crate::{Estate, Load, Tier};

/// What is one of a kind.
#[derive(Debug, Serialize, Deserialize)]
struct Whole {
    estate: Estate,
    /// The pack of further rules that it was made with.
    #[serde(default)]
    pack: Option<Digest>,
    watermark: Option<Instant>,
    events: u64,
    too_late: u64,
    repeated: u64,
    heard: BTreeMap<Source, BTreeSet<i64>>,
    silent: BTreeSet<FindingId>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptTimeline {
    rule: String,
    key: Box<str>,
    base: Value,
    until: Option<Instant>,
    settled: Vec<Hit>,
    /// By their place among the events.
    tail: Vec<usize>,
    shown: BTreeSet<FindingId>,
    due: Vec<Instant>,
}

#[derive(Debug, Deserialize)]
struct KeptFinding {
    id: FindingId,
    rule: String,
    tier: Tier,
    alert: Alert,
    state: State,
    at: Instant,
    source: Source,
    subject: String,
    title: String,
    facts: Vec<Fact>,
    event: String,
    weight: u32,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Whole(Whole),
    Finding(KeptFinding),
    Event(Box<Event>),
    Timeline(KeptTimeline),
}

impl Engine {
    /// Everything that it holds, a line at a time.
    pub fn keep(&self) -> impl Iterator<Item = String> + '_ {
        let mut numbers: HashMap<*const Event, usize> = HashMap::new();
        let mut events: Vec<&Arc<Event>> = Vec::new();
        for event in self.timelines.iter().flat_map(Timeline::tail) {
            numbers.entry(Arc::as_ptr(event)).or_insert_with(|| {
                events.push(event);
                events.len() - 1
            });
        }
        let mut due: HashMap<usize, Vec<Instant>> = HashMap::new();
        self.due.iter().for_each(|(at, index)| due.entry(*index).or_default().push(*at));
        let whole = Whole {
            estate: self.estate.clone(),
            pack: self.pack.digest(),
            watermark: self.watermark,
            events: self.load.events,
            too_late: self.load.too_late,
            repeated: self.load.repeated,
            heard: self.silence.minutes().clone(),
            silent: self.silent.clone(),
        };
        let places = self.places.iter().flat_map(|place| place.iter());
        let timelines = places.filter_map(move |(key, index)| {
            let timeline = self.timelines.get(*index)?;
            let kept = KeptTimeline {
                rule: self.rules.get(timeline.rule)?.about().id.to_owned(),
                key: key.clone(),
                base: timeline.base(),
                until: timeline.until(),
                settled: timeline.settled().to_vec(),
                tail: timeline
                    .tail()
                    .iter()
                    .filter_map(|event| numbers.get(&Arc::as_ptr(event)).copied())
                    .collect(),
                shown: self.shown.get(*index).cloned().unwrap_or_default(),
                due: due.get(index).cloned().unwrap_or_default(),
            };
            Some(json!({ "timeline": kept }).to_string())
        });
        std::iter::once(json!({ "whole": whole }).to_string())
            .chain(self.findings.values().map(|finding| json!({ "finding": finding }).to_string()))
            .chain(events.into_iter().map(|event| json!({ "event": event.as_ref() }).to_string()))
            .chain(timelines)
    }

    /// The engine that was kept, where it was made with this estate; what was planted since may be added. Nothing where a
    /// line is not as this code writes it: then everything has to be folded anew.
    ///
    /// # Errors
    /// Those of `next`.
    pub fn reopen<E>(
        estate: &Estate,
        pack: &Pack,
        mut next: impl FnMut() -> Result<Option<String>, E>,
    ) -> Result<Option<Self>, E> {
        let mut engine: Option<Self> = None;
        let mut events: Vec<Arc<Event>> = Vec::new();
        while let Some(line) = next()? {
            let Ok(line) = serde_json::from_str::<Line>(&line) else { return Ok(None) };
            let taken = match (line, &mut engine) {
                (Line::Whole(whole), None) => {
                    engine = Self::of_whole(estate, pack, whole);
                    engine.is_some()
                }
                (Line::Finding(kept), Some(engine)) => engine.put_back(kept).is_some(),
                (Line::Event(event), Some(_)) => {
                    events.push(Arc::new(*event));
                    true
                }
                (Line::Timeline(kept), Some(engine)) => engine.place_again(kept, &events).is_some(),
                _ => false,
            };
            if !taken {
                return Ok(None);
            }
        }
        if let Some(engine) = &mut engine {
            // What they come to together is among the findings already.
            engine.combination.review(&combined::ABOUT);
        }
        Ok(engine)
    }

    fn of_whole(estate: &Estate, pack: &Pack, whole: Whole) -> Option<Self> {
        // Canaries are planted while it runs; everything else is judged by what the file says.
        let planted = whole.estate.canaries.clone();
        if !estate.canaries.iter().all(|canary| planted.contains(canary))
            || whole.pack != pack.digest()
            || (Estate { canaries: planted, ..estate.clone() }) != whole.estate
        {
            return None;
        }
        let mut engine = Self::with(whole.estate, pack);
        engine.watermark = whole.watermark;
        engine.load = Load {
            events: whole.events,
            too_late: whole.too_late,
            repeated: whole.repeated,
            ..Load::default()
        };
        engine.silence = whole.heard.into();
        engine.silent = whole.silent;
        Some(engine)
    }

    fn put_back(&mut self, kept: KeptFinding) -> Option<()> {
        let own = self.rules.iter().copied().find(|rule| rule.about().id == kept.rule);
        let about = own.or_else(|| rule(&kept.rule))?.about();
        if about.title != kept.title {
            return None;
        }
        let finding = Finding {
            id: kept.id,
            rule: about.id,
            tier: kept.tier,
            alert: kept.alert,
            state: kept.state,
            at: kept.at,
            source: kept.source,
            subject: kept.subject,
            title: about.title,
            facts: kept.facts,
            event: kept.event,
            weight: kept.weight,
        };
        self.combination.put(&finding);
        self.findings.insert(finding.id, finding);
        Some(())
    }

    fn place_again(&mut self, kept: KeptTimeline, events: &[Arc<Event>]) -> Option<()> {
        let number = self.rules.iter().position(|rule| rule.about().id == kept.rule)?;
        let base = self.rules.get(number)?.fold()?.reopen(kept.base)?;
        let tail = kept.tail.iter().map(|at| events.get(*at).cloned()).collect::<Option<Vec<_>>>()?;
        let timeline = Timeline::reopen(number, base, kept.until, kept.settled, tail, &self.estate);
        let index = self.timelines.len();
        self.timelines.push(timeline);
        self.shown.push(kept.shown);
        self.due.extend(kept.due.into_iter().map(|at| (at, index)));
        self.places.get_mut(number)?.insert(kept.key, index).is_none().then_some(())
    }
}

/// A name that lives as long as the process: names of facts and fields, of which there are few.
pub(crate) fn lasting(name: &str) -> &'static str {
    static NAMES: LazyLock<Mutex<HashSet<&'static str>>> = LazyLock::new(Mutex::default);
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    match names.get(name) {
        Some(known) => known,
        None => {
            let lasting: &'static str = Box::leak(name.to_owned().into_boxed_str());
            names.insert(lasting);
            lasting
        }
    }
}

/// Facts of a hit, whose names last.
pub(crate) mod facts {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    type Facts = Vec<(&'static str, String)>;

    pub(crate) fn serialize<S: Serializer>(facts: &Facts, serializer: S) -> Result<S::Ok, S::Error> {
        facts.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Facts, D::Error> {
        let facts = Vec::<(String, String)>::deserialize(deserializer)?;
        Ok(facts.into_iter().map(|(name, value)| (super::lasting(&name), value)).collect())
    }
}

/// A number that has to come back to the last bit.
pub(crate) mod bits {
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(number.to_bits())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(f64::from_bits(u64::deserialize(deserializer)?))
    }
}
