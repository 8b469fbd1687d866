//! Cases: events with what must come of them. Each shipped rule has a file of them; people write their own.

use linkward_evidence::event::Event;
use linkward_model::Instant;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Engine, Estate, State};

/// A file of cases: what all events have in common, and the cases.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseFile {
    pub rule: String,
    #[serde(default)]
    estate: Value,
    #[serde(default)]
    base: Map<String, Value>,
    cases: Vec<RawCase>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCase {
    name: String,
    /// Whether the rule must find something.
    fires: bool,
    /// In which state, where it matters.
    #[serde(default)]
    state: Option<State>,
    #[serde(default)]
    estate: Value,
    /// How far time moves on after the last event.
    #[serde(default)]
    until: Option<Instant>,
    events: Vec<Map<String, Value>>,
}

/// One case, ready to run.
#[derive(Clone, Debug)]
pub struct Case {
    pub rule: String,
    pub name: String,
    pub fires: bool,
    pub state: Option<State>,
    estate: Estate,
    until: Option<Instant>,
    events: Vec<Map<String, Value>>,
}

/// What became of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseResult {
    /// State of each finding of the rule.
    pub found: Vec<State>,
    pub held: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum CaseFault {
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("case `{0}`: `repeat` is a count and a step such as \"2d\" or \"30m\"")]
    Repeat(String),
    #[error("case `{0}` of `{1}`: {2}")]
    Event(String, String, String),
}

impl CaseFile {
    /// # Errors
    /// Not JSON of this shape.
    pub fn parse(text: &[u8]) -> Result<Self, CaseFault> {
        Ok(serde_json::from_slice(text)?)
    }

    /// # Errors
    /// An event or estate is malformed.
    pub fn cases(&self) -> Result<Vec<Case>, CaseFault> {
        self.cases
            .iter()
            .map(|raw| {
                let mut estate = serde_json::to_value(Estate::default())?;
                merge(&mut estate, &self.estate);
                merge(&mut estate, &raw.estate);
                let mut events = Vec::new();
                for (number, given) in raw.events.iter().enumerate() {
                    let mut event = self.base.clone();
                    event.extend(given.clone());
                    event.entry("id").or_insert_with(|| Value::String(format!("e{number}")));
                    events.extend(expand(&event, &raw.name)?);
                }
                Ok(Case {
                    rule: self.rule.clone(),
                    name: raw.name.clone(),
                    fires: raw.fires,
                    state: raw.state,
                    estate: serde_json::from_value(estate)?,
                    until: raw.until,
                    events,
                })
            })
            .collect()
    }
}

impl Case {
    /// Runs the case.
    ///
    /// # Errors
    /// An event is malformed.
    pub fn run(&self) -> Result<CaseResult, CaseFault> {
        self.run_without(None)
    }

    /// Runs the case with a field taken out of every event.
    ///
    /// # Errors
    /// An event is malformed.
    pub fn run_without(&self, field: Option<&str>) -> Result<CaseResult, CaseFault> {
        let engine = self.replay(self.events(field)?);
        let mine = engine.findings().into_iter().filter(|finding| finding.rule == self.rule);
        let found: Vec<State> = mine.map(|finding| finding.state).collect();
        let state = self.state.is_none_or(|state| found.contains(&state));
        let held = found.is_empty() != self.fires && state;
        Ok(CaseResult { found, held })
    }

    /// What is declared in this case.
    pub fn estate(&self) -> &Estate {
        &self.estate
    }

    /// The events, a field taken out where one is named.
    ///
    /// # Errors
    /// An event is malformed.
    pub fn events(&self, without: Option<&str>) -> Result<Vec<Event>, CaseFault> {
        let mut events = Vec::new();
        for event in &self.events {
            let mut event = event.clone();
            if let Some(field) = without {
                event.remove(field);
            }
            let parsed = serde_json::from_value(Value::Object(event));
            events.push(parsed.map_err(|error| {
                CaseFault::Event(self.name.clone(), self.rule.clone(), error.to_string())
            })?);
        }
        Ok(events)
    }

    /// An engine that has seen these events, in this order, with time moved on.
    pub fn replay(&self, events: Vec<Event>) -> Engine {
        let mut engine = Engine::new(self.estate.clone());
        for event in events {
            engine.ingest(event);
        }
        if let Some(until) = self.until {
            engine.advance(until);
        }
        engine
    }
}

fn merge(into: &mut Value, from: &Value) {
    if let (Some(into), Some(from)) = (into.as_object_mut(), from.as_object()) {
        into.extend(from.iter().map(|(name, value)| (name.clone(), value.clone())));
    }
}

/// The event itself, or as often as its `repeat` says.
pub(crate) fn expand(event: &Map<String, Value>, case: &str) -> Result<Vec<Map<String, Value>>, CaseFault> {
    let mut event = event.clone();
    match event.remove("repeat") {
        None => Ok(vec![event]),
        Some(repeat) => repeated(&event, &repeat).ok_or_else(|| CaseFault::Repeat(case.to_owned())),
    }
}

fn repeated(event: &Map<String, Value>, repeat: &Value) -> Option<Vec<Map<String, Value>>> {
    let count = repeat.get(0)?.as_u64().filter(|count| *count <= 10_000)?;
    let step = repeat.get(1)?.as_str()?;
    let unit = match step.chars().last()? {
        'd' => 24 * 60 * 60 * 1000,
        'h' => 60 * 60 * 1000,
        'm' => 60_000,
        _ => return None,
    };
    let step = step.get(..step.len() - 1)?.parse::<i64>().ok()? * unit;
    let start: Instant = event.get("time")?.as_str()?.parse().ok()?;
    let id = event.get("id")?.as_str()?.to_owned();
    let one = |number: u64| {
        let mut event = event.clone();
        // Placeholders make each repetition its own: `{n}` in any text.
        for value in event.values_mut() {
            if let Value::String(text) = value {
                *text = text.replace("{n}", &number.to_string());
            }
        }
        let at = start.plus_millis(step * i64::try_from(number).unwrap_or(0));
        event.insert("time".to_owned(), Value::String(at.to_string()));
        if let Some(started) =
            event.get("started").and_then(Value::as_str).and_then(|text| text.parse::<Instant>().ok())
        {
            event.insert(
                "started".to_owned(),
                Value::String(started.plus_millis(at.since(start)).to_string()),
            );
        }
        event.insert("id".to_owned(), Value::String(format!("{id}-{number}")));
        event
    };
    Some((0..count).map(one).collect())
}
