//! Real incidents as events: what would have fired, at which event, and how long before the world noticed.

use linkward_evidence::event::Event;
use linkward_model::Instant;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::cases::{CaseFault, expand};
use crate::{Alert, Engine, Estate, State};

/// How well a fact is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// From those whom it happened to.
    Primary,
    /// From reports about it.
    Secondary,
    /// Remembered, not checked.
    Recalled,
    /// Not a fact: what a home that watched would have held.
    Assumed,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fact {
    confidence: Confidence,
    source: String,
    event: Map<String, Value>,
}

/// When and by whom it was noticed in the world.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct World {
    pub time: Instant,
    pub what: String,
    pub confidence: Confidence,
    pub source: String,
}

/// An incident's file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    pub name: String,
    pub title: String,
    estate: Value,
    pub world: World,
    /// How exact the times are: `minute`, `hour`, `day`, `month`.
    pub precision: String,
    /// Id of the event that is the first malicious artifact.
    pub first_malicious: String,
    pub precursors: Vec<String>,
    facts: Vec<Fact>,
}

/// Something that would have fired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alarm {
    pub rule: &'static str,
    pub subject: String,
    pub alert: Alert,
    pub event: String,
    /// How well the event is known, and from where.
    pub confidence: Confidence,
    pub source: String,
    /// When the event happened.
    pub at: Instant,
    /// When somebody would have been told: later than the event where something absent was waited for.
    pub told: Instant,
}

/// What a replay comes to.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    pub name: String,
    pub title: String,
    pub precision: String,
    pub world: World,
    pub first_malicious: Instant,
    pub alarms: Vec<Alarm>,
    /// By the first malicious artifact at the latest.
    pub caught: bool,
    /// Already by something before it.
    pub by_precursor: bool,
    /// Minutes between the first alarm and the world's notice.
    pub ahead_minutes: Option<i64>,
}

macro_rules! incidents {
    ($($name:literal,)*) => {
        /// Name and file of every incident, in order of time.
        pub const INCIDENTS: &[(&str, &[u8])] = &[
            $(($name, include_bytes!(concat!("../../../../incidents/", $name, ".json"))),)*
        ];
    };
}

incidents! {
    "event-stream-2018",
    "solarwinds-2020",
    "codecov-2021",
    "ua-parser-js-2021",
    "3cx-2023",
    "tj-actions-2025",
    "nx-2025",
    "chalk-debug-2025",
    "shai-hulud-2025",
    "shai-hulud-2-2025",
    "litellm-2026",
    "axios-2026",
}

const MINUTE: i64 = 60_000;
/// How long time is moved on minute by minute after each event: longer than anything is waited for.
const PATIENCE: i64 = 90;

impl Incident {
    /// # Errors
    /// Not an incident's file.
    pub fn parse(text: &[u8]) -> Result<Self, CaseFault> {
        Ok(serde_json::from_slice(text)?)
    }

    /// # Errors
    /// An event or the estate is malformed, or the first malicious event is not among them.
    pub fn replay(&self) -> Result<Outcome, CaseFault> {
        let mut estate = serde_json::to_value(Estate::default())?;
        if let (Some(into), Some(from)) = (estate.as_object_mut(), self.estate.as_object()) {
            into.extend(from.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        let events = self.events()?;
        let missing =
            || CaseFault::Event(self.first_malicious.clone(), self.name.clone(), "is no event".to_owned());
        let first =
            events.iter().find(|(event, _)| *event.id == *self.first_malicious).map(|(event, _)| event.at());
        let first = first.ok_or_else(missing)?;
        let mut engine = Engine::new(serde_json::from_value(estate)?);
        let mut alarms: Vec<Alarm> = Vec::new();
        for (index, (event, _)) in events.iter().enumerate() {
            let at = event.at();
            let mut told = vec![(at, engine.ingest(event.clone()))];
            // Time goes on between events; what is waited for is confirmed on the way.
            let next = events.get(index + 1).map_or(i64::MAX, |(next, _)| next.at().millis());
            for minute in 1..=PATIENCE {
                let now = at.plus_millis(minute * MINUTE);
                if now.millis() >= next {
                    break;
                }
                told.push((now, engine.advance(now)));
            }
            for (now, changes) in told {
                for change in changes {
                    let finding = change.finding;
                    // The file is not a source that could fall silent.
                    let counts = finding.state == State::Confirmed
                        && finding.alert != Alert::None
                        && finding.rule != "source-silent";
                    if counts
                        && let Some((_, fact)) = events.iter().find(|(event, _)| *event.id == *finding.event)
                    {
                        alarms.push(Alarm {
                            rule: finding.rule,
                            subject: finding.subject,
                            alert: finding.alert,
                            event: finding.event,
                            confidence: fact.confidence,
                            source: fact.source.clone(),
                            at: finding.at,
                            told: now,
                        });
                    }
                }
            }
        }
        let earliest = alarms.iter().map(|alarm| alarm.told).min();
        Ok(Outcome {
            name: self.name.clone(),
            title: self.title.clone(),
            precision: self.precision.clone(),
            world: self.world.clone(),
            first_malicious: first,
            caught: alarms.iter().any(|alarm| alarm.at <= first),
            by_precursor: alarms
                .iter()
                .any(|alarm| alarm.at < first || self.precursors.contains(&alarm.event)),
            ahead_minutes: earliest.map(|told| self.world.time.since(told) / MINUTE),
            alarms,
        })
    }

    fn events(&self) -> Result<Vec<(Event, &Fact)>, CaseFault> {
        let mut events = Vec::new();
        for fact in &self.facts {
            for event in expand(&fact.event, &self.name)? {
                let parsed = serde_json::from_value(Value::Object(event));
                let parsed: Event = parsed.map_err(|error| {
                    CaseFault::Event(self.name.clone(), self.name.clone(), error.to_string())
                })?;
                events.push((parsed, fact));
            }
        }
        events.sort_by_key(|(event, _)| event.at());
        Ok(events)
    }
}
