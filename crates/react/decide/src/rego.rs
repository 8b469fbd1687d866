//! Rego v1 for what YAML cannot say: one module over proven facts, without I/O.
//!
//! The module is `package linkward`. `deny` is a set of messages: any denies. `unknown` is a set of messages: any means
//! undecided. Otherwise `allow` must be true; what it leaves undefined is undecided too. Only functions of [`FUNCTIONS`]
//! may be called: nothing that reads the world, is random, prints, or builds a huge value in one step that the time limit
//! could not interrupt.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use regorus::utils::limits::ExecutionTimerConfig;
use regorus::{Engine, Value};
use serde_json::Value as Json;

/// Longest module in bytes.
const MAX_MODULE: usize = 64 << 10;
/// Largest input in bytes of JSON: it bounds, with the time, what an evaluation can hold in memory.
const MAX_INPUT: usize = 4 << 20;
/// How long one evaluation may take, by the clock on the wall: real ones take far less, but a busy machine may hold one up,
/// and what is held up would come out undecided.
const LIMIT: Duration = Duration::from_secs(1);

/// What one evaluation may hold in memory beyond what the process held when it began: asked after every step. What other
/// threads take meanwhile counts too, so it is far above what real ones need.
const MAX_MEMORY: u64 = 256 << 20;
/// Longest text that one call makes; such a call is one step.
const MAX_TEXT: usize = 16 << 20;

/// What the module is called where it is at fault.
const MODULE: &str = "policy.rego";
/// Everything that a module says, under one name: a rule's value needs no query to be read and planned at each evaluation.
const ANSWER: &str = "package linkward_answer\nsays := data.linkward\n";
const SAYS: &str = "data.linkward_answer.says";

/// Functions that a module may call.
const FUNCTIONS: &[&str] = &[
    "abs",
    "all",
    "any",
    "array.concat",
    "array.reverse",
    "array.slice",
    "ceil",
    "concat",
    "contains",
    "count",
    "endswith",
    "floor",
    "format_int",
    "glob.match",
    "indexof",
    "intersection",
    "is_array",
    "is_boolean",
    "is_null",
    "is_number",
    "is_object",
    "is_set",
    "is_string",
    "lower",
    "max",
    "min",
    "object.filter",
    "object.get",
    "object.keys",
    "object.remove",
    "object.subset",
    "object.union",
    "regex.match",
    "replace",
    "round",
    "semver.compare",
    "semver.is_valid",
    "sort",
    "split",
    "startswith",
    "strings.any_prefix_match",
    "strings.any_suffix_match",
    "substring",
    "sum",
    "to_number",
    "trim",
    "trim_left",
    "trim_prefix",
    "trim_right",
    "trim_space",
    "trim_suffix",
    "type_name",
    "union",
    "upper",
];

/// A module that is fit to be evaluated.
#[derive(Clone)]
pub struct Rego {
    engine: Engine,
    text: String,
}

impl std::fmt::Debug for Rego {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rego").field("bytes", &self.text.len()).finish_non_exhaustive()
    }
}

/// What a module says of facts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Allow,
    Deny(Vec<String>),
    Unknown(Vec<String>),
    /// It could not be evaluated: out of time, a conflict, a wrong type.
    Failed(String),
}

impl Rego {
    /// # Errors
    /// Not Rego v1, of another package, or calling what it may not; with the line where there is one.
    pub(crate) fn compile(text: &str) -> Result<Self, (usize, String)> {
        if text.len() > MAX_MODULE {
            return Err((1, format!("the module is larger than {MAX_MODULE} bytes")));
        }
        let mut engine = Engine::new();
        engine.set_gather_prints(true);
        engine.set_strict_builtin_errors(true);
        engine.set_execution_timer_config(ExecutionTimerConfig {
            limit: LIMIT,
            check_interval: NonZeroU32::MIN,
        });
        bound(&mut engine).map_err(|error| fault(&error))?;
        let package = engine.add_policy(MODULE.to_owned(), text.to_owned()).map_err(|error| fault(&error))?;
        if package != "data.linkward" {
            return Err((
                1,
                format!("the package must be `linkward`, not `{}`", package.trim_start_matches("data.")),
            ));
        }
        let tree = engine.get_ast_as_json().map_err(|error| fault(&error))?;
        let tree: Json = serde_json::from_str(&tree).map_err(|error| (1, error.to_string()))?;
        let mut own = BTreeSet::new();
        names(&tree, text, "Func", "refr", &mut own);
        calls(&tree, text, &own)?;
        engine.add_policy("answer.rego".to_owned(), ANSWER.to_owned()).map_err(|error| fault(&error))?;
        // Conflicts, unsafe variables and unknown functions come out at the first evaluation.
        // It also prepares the engine: copies of a prepared one share the analysis of the module, and evaluate at once.
        let empty = serde_json::json!({ "artifact": {}, "now": 0, "proofs": [], "refusals": [] });
        match evaluate(&mut engine, Room::default().value(&empty)) {
            Answer::Failed(message) => Err((line_of(&message), message)),
            _ => Ok(Self { engine, text: text.to_owned() }),
        }
    }

    /// `None` are facts that there was no [`Room`] for.
    pub(crate) fn answer(&self, input: Option<Value>) -> Answer {
        evaluate(&mut self.engine.clone(), input)
    }

    /// Lines of the module that an evaluation reached, and those that it did not.
    pub(crate) fn lines(&self, input: Option<Value>) -> (BTreeSet<u32>, BTreeSet<u32>) {
        let mut engine = self.engine.clone();
        engine.set_enable_coverage(true);
        evaluate(&mut engine, input);
        let report = engine.get_coverage_report().ok();
        let file = report.and_then(|report| report.files.into_iter().find(|file| file.path == MODULE));
        file.map(|file| (file.covered.into_iter().collect(), file.not_covered.into_iter().collect()))
            .unwrap_or_default()
    }
}

/// The packages' rules at once, so that what they share is evaluated once.
fn evaluate(engine: &mut Engine, input: Option<Value>) -> Answer {
    let Some(input) = input else {
        return Answer::Failed(format!("the facts are larger than {MAX_INPUT} bytes"));
    };
    let held = mimalloc::allocation_stats_snapshot().0.allocated;
    regorus::set_global_memory_limit(Some(held.saturating_add(MAX_MEMORY)));
    engine.set_input(input);
    let value = match engine.eval_rule(SAYS.to_owned()) {
        Ok(value) => value,
        Err(error) => {
            let memory = error.chain().any(|cause| {
                matches!(cause.downcast_ref(), Some(regorus::LimitError::MemoryLimitExceeded { .. }))
            });
            let what = format!("it needs more than {} MiB of memory", MAX_MEMORY >> 20);
            return Answer::Failed(if memory { what } else { short(&error) });
        }
    };
    let denied = messages(&value, "deny");
    let unknown = messages(&value, "unknown");
    match (denied, unknown, member(&value, "allow")) {
        (Err(message), ..) | (_, Err(message), _) => Answer::Failed(message),
        (Ok(denied), ..) if !denied.is_empty() => Answer::Deny(denied),
        (_, Ok(unknown), _) if !unknown.is_empty() => Answer::Unknown(unknown),
        (.., Some(Value::Bool(true))) => Answer::Allow,
        _ => Answer::Unknown(Vec::new()),
    }
}

/// Puts our own in the place of the two functions whose result can be the product of what they are given.
fn bound(engine: &mut Engine) -> anyhow::Result<()> {
    engine.add_extension("concat".to_owned(), 2, Box::new(concat))?;
    engine.add_extension("replace".to_owned(), 3, Box::new(replace))
}

fn fits(bytes: Option<usize>) -> anyhow::Result<()> {
    if bytes.is_some_and(|bytes| bytes <= MAX_TEXT) {
        return Ok(());
    }
    anyhow::bail!("error: a text would be longer than {} MiB", MAX_TEXT >> 20)
}

fn concat(arguments: Vec<Value>) -> anyhow::Result<Value> {
    let [delimiter, collection] = arguments.as_slice() else { anyhow::bail!("error: `concat` takes two") };
    let delimiter = delimiter.as_string()?;
    let parts = match collection {
        Value::Array(list) => list.iter().map(Value::as_string).collect::<Result<Vec<_>, _>>()?,
        set => set.as_set()?.iter().map(Value::as_string).collect::<Result<Vec<_>, _>>()?,
    };
    let between = delimiter.len().checked_mul(parts.len());
    fits(parts.iter().try_fold(between, |sum, part| Some(sum?.checked_add(part.len()))).flatten())?;
    let parts: Vec<&str> = parts.iter().map(|part| part.as_ref()).collect();
    Ok(Value::from(parts.join(delimiter.as_ref())))
}

fn replace(arguments: Vec<Value>) -> anyhow::Result<Value> {
    let [text, old, new] = arguments.as_slice() else { anyhow::bail!("error: `replace` takes three") };
    let (text, old, new) = (text.as_string()?, old.as_string()?, new.as_string()?);
    let places = text.matches(old.as_ref()).count();
    fits(places.checked_mul(new.len()).and_then(|more| more.checked_add(text.len())))?;
    Ok(Value::from(text.replace(old.as_ref(), new.as_ref())))
}

/// What is left of the size that facts may have; whatever is made of them takes its share, and `None` is that none is left. A
/// share is what it would be as JSON, with what stands behind it: never less.
pub(crate) struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(MAX_INPUT)
    }
}

impl Room {
    fn take(&mut self, bytes: usize) -> Option<()> {
        self.0 = self.0.checked_sub(bytes)?;
        Some(())
    }

    pub(crate) fn text(&mut self, text: &str) -> Option<Value> {
        let escaped = |byte: u8| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
            0..0x20 => 6,
            _ => 1,
        };
        self.take(text.bytes().map(escaped).sum::<usize>() + 3)?;
        Some(Value::from(text))
    }

    /// A number; the longest has twenty digits.
    pub(crate) fn number(&mut self, number: impl Into<Value>) -> Option<Value> {
        self.take(21)?;
        Some(number.into())
    }

    /// What is absent is undefined in Rego; a null would be a value that functions stumble over.
    pub(crate) fn object<'a>(
        &mut self,
        members: impl IntoIterator<Item = (&'a str, Option<Value>)>,
    ) -> Option<Value> {
        self.take(3)?;
        let present = members.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let object: Option<BTreeMap<Value, Value>> =
            present.map(|(name, value)| Some((self.text(name)?, value))).collect();
        object.map(Value::from)
    }

    pub(crate) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut one: impl FnMut(&mut Self, T) -> Option<Value>,
    ) -> Option<Value> {
        self.take(3)?;
        let list: Option<Vec<Value>> = items.into_iter().map(|item| one(self, item)).collect();
        list.map(Value::from)
    }

    /// The nesting of JSON that was read is bounded where it was read.
    pub(crate) fn value(&mut self, json: &Json) -> Option<Value> {
        Some(match json {
            Json::Null => {
                self.take(5)?;
                Value::Null
            }
            Json::Bool(bool) => {
                self.take(if *bool { 5 } else { 6 })?;
                Value::from(*bool)
            }
            Json::Number(number) => {
                self.take(number.to_string().len() + 1)?;
                match (number.as_u64(), number.as_i64(), number.as_f64()) {
                    (Some(number), ..) => Value::from(number),
                    (_, Some(number), _) => Value::from(number),
                    (.., Some(number)) => Value::from(number),
                    _ => Value::Undefined,
                }
            }
            Json::String(text) => self.text(text)?,
            Json::Array(items) => self.list(items, Self::value)?,
            Json::Object(members) => {
                self.take(3)?;
                let mut object = BTreeMap::new();
                for (name, value) in members {
                    object.insert(self.text(name)?, self.value(value)?);
                }
                Value::from(object)
            }
        })
    }
}

fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    value.as_object().ok()?.get(&Value::from(name))
}

/// The messages of a rule; text alone, so that a rule of another shape does not pass for an empty one.
fn messages(value: &Value, name: &str) -> Result<Vec<String>, String> {
    let Some(found) = member(value, name) else { return Ok(Vec::new()) };
    let wrong = || format!("`{name}` must be a set of messages: `{name} contains message if ...`");
    let set = found.as_set().map_err(|_| wrong())?;
    set.iter().map(|message| message.as_string().map(|text| text.to_string()).map_err(|_| wrong())).collect()
}

fn short(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let line = text.lines().rev().find(|line| line.contains("error:")).or_else(|| text.lines().next());
    line.unwrap_or("it failed").trim().to_owned()
}

fn fault(error: &impl std::fmt::Display) -> (usize, String) {
    (line_of(&error.to_string()), short(error))
}

/// regorus writes `--> policy.rego:LINE:COLUMN`.
fn line_of(text: &str) -> usize {
    let rest = text.split_once("policy.rego:").map(|(_, rest)| rest);
    rest.and_then(|rest| rest.split(':').next()?.parse().ok()).unwrap_or(1)
}

/// The text of a node by its span.
fn source<'a>(node: &Json, text: &'a str) -> Option<(usize, &'a str)> {
    let inner = node.as_object()?.values().next()?;
    let span = inner.get("span").or_else(|| node.get("span"))?;
    let at = |name: &str| span.get(name)?.as_u64().and_then(|number| usize::try_from(number).ok());
    Some((at("line")?, text.get(at("start")?..at("end")?)?))
}

/// The names in the `inner` member of every node of a kind.
fn names<'a>(node: &Json, text: &'a str, kind: &str, inner: &str, found: &mut BTreeSet<&'a str>) {
    match node {
        Json::Object(members) => {
            for (name, value) in members {
                if name == kind
                    && let Some(reference) = value.get(inner)
                {
                    found.extend(source(reference, text).map(|(_, name)| name));
                }
                names(value, text, kind, inner, found);
            }
        }
        Json::Array(items) => items.iter().for_each(|item| names(item, text, kind, inner, found)),
        _ => {}
    }
}

/// Holds every call against what may be called; `with` could put any function behind an allowed name.
fn calls(node: &Json, text: &str, own: &BTreeSet<&str>) -> Result<(), (usize, String)> {
    match node {
        Json::Object(members) => {
            for (name, value) in members {
                if name == "Call" {
                    let (line, called) =
                        value.get("fcn").and_then(|fcn| source(fcn, text)).unwrap_or((1, "?"));
                    if !FUNCTIONS.contains(&called) && !own.contains(called) {
                        return Err((
                            line,
                            format!("`{called}` may not be called: there are {}", FUNCTIONS.join(", ")),
                        ));
                    }
                }
                if name == "with_mods" && value.as_array().is_some_and(|items| !items.is_empty()) {
                    return Err((1, "`with` may not be used: it can replace the facts".to_owned()));
                }
                calls(value, text, own)?;
            }
            Ok(())
        }
        Json::Array(items) => items.iter().try_for_each(|item| calls(item, text, own)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
