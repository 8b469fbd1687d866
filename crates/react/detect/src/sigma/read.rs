//! Rules from their files. Each is read whole, or refused with the place of the first thing that is not evaluated here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use linkward_evidence::event::Action;
use linkward_model::{Code, Digest};
use serde_json::Value;

use super::condition::Condition;
use super::correlation::{Asked, Correlation, Kind};
use super::logsource::Feed;
use super::matcher::{self, Glob, Item, Order, Place, Selection, Test};
use super::{Detection, Pack, SigmaRule, What};
use crate::kept::lasting;
use crate::rule::{About, Tier};

/// Largest file and most rules.
const MAX_BYTES: usize = 1 << 20;
const MAX_RULES: usize = 20_000;

/// A rule that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub file: String,
    /// Where in the rule: `detection.selection.CommandLine|expand`.
    pub place: String,
    pub why: String,
}

type Fault = (String, String);

/// Reads rules and correlations from files by their names. What is taken lives as long as the process.
pub fn load(files: &[(String, String)]) -> (Pack, Vec<Refused>) {
    let mut refused = Vec::new();
    let mut documents: Vec<(&str, usize, Value)> = Vec::new();
    for (file, text) in files {
        let refuse = |place: String, why: String| Refused { file: file.clone(), place, why };
        if text.len() > MAX_BYTES {
            refused.push(refuse("$".to_owned(), "the file is larger than 1 MiB".to_owned()));
            continue;
        }
        for (number, part) in parts(text).enumerate() {
            match linkward_evidence::yaml::read(&part, Code::SigmaMalformed) {
                Ok(document) => documents.push((file, number, document)),
                Err(fault) => refused.push(refuse(fault.place, fault.message)),
            }
        }
    }
    let mut taken: Vec<Named> = Vec::new();
    // Correlations come behind what they count, wherever they stand.
    let (later, first): (Vec<_>, Vec<_>) =
        documents.into_iter().partition(|(.., document)| document.get("correlation").is_some());
    for (file, _, document) in first.iter().chain(&later) {
        let read = if taken.len() >= MAX_RULES {
            Err(("$".to_owned(), format!("more than {MAX_RULES} rules")))
        } else {
            rule(document, &taken)
        };
        match read {
            Ok(named) if taken.iter().any(|known| known.rule.about.id == named.rule.about.id) => {
                refused.push(Refused {
                    file: (*file).to_owned(),
                    place: "id".to_owned(),
                    why: "another rule has this id".to_owned(),
                });
            }
            Ok(named) => taken.push(named),
            Err((place, why)) => refused.push(Refused { file: (*file).to_owned(), place, why }),
        }
    }
    let rules: Vec<&'static SigmaRule> = taken.iter().map(|named| named.rule).collect();
    let texts: String =
        files.iter().map(|(name, text)| format!("{name}\0{}\n", Digest::sha256(text.as_bytes()))).collect();
    let digest = (!rules.is_empty()).then(|| Digest::sha256(texts.as_bytes()));
    (Pack { rules, digest }, refused)
}

struct Named {
    rule: &'static SigmaRule,
    name: Option<String>,
}

/// Documents of one file: they are parted by a line of three dashes.
fn parts(text: &str) -> impl Iterator<Item = String> {
    let mut all = vec![String::new()];
    for line in text.lines() {
        if line.trim_end() == "---" {
            all.push(String::new());
        } else if let Some(last) = all.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    let blank =
        |part: &String| part.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    all.into_iter().filter(move |part| !blank(part))
}

#[derive(Clone, Copy)]
enum Level {
    Low,
    Medium,
    High,
}

fn at<T>(place: &str, result: Result<T, String>) -> Result<T, Fault> {
    result.map_err(|why| (place.to_owned(), why))
}

fn word<'d>(document: &'d Value, name: &str) -> Option<&'d str> {
    document.get(name).and_then(Value::as_str)
}

fn rule(document: &Value, known: &[Named]) -> Result<Named, Fault> {
    let title =
        word(document, "title").ok_or_else(|| ("title".to_owned(), "a rule needs a title".to_owned()))?;
    if let Some(status @ ("deprecated" | "unsupported")) = word(document, "status") {
        return Err(("status".to_owned(), format!("the rule says of itself that it is {status}")));
    }
    let level = match word(document, "level").unwrap_or("medium") {
        "informational" | "low" => Level::Low,
        "medium" => Level::Medium,
        "high" | "critical" => Level::High,
        other => return Err(("level".to_owned(), format!("`{other}` is no level"))),
    };
    let id = match (word(document, "id"), word(document, "name")) {
        (Some(id), _) => id.to_owned(),
        (None, Some(name)) => name.to_owned(),
        (None, None) => return Err(("id".to_owned(), "a rule needs an id or a name".to_owned())),
    };
    let tags: Vec<&str> = document
        .get("tags")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let about: &'static About = Box::leak(Box::new(about(&id, title, &tags, level)));
    let (feed, what) = if document.get("correlation").is_some() {
        (Feed::Any, What::Correlation(correlation(document, known)?))
    } else {
        (feed(document)?, What::Detection(detection(document)?))
    };
    let rule = Box::leak(Box::new(SigmaRule { about, feed, what, silent: AtomicBool::new(false) }));
    Ok(Named { rule, name: word(document, "name").map(str::to_owned) })
}

fn about(id: &str, title: &str, tags: &[&str], level: Level) -> About {
    let covers: Vec<&'static str> = tags
        .iter()
        .filter_map(|tag| tag.strip_prefix("attack."))
        .filter(|tag| tag.starts_with(['t', 'T']) && tag.bytes().any(|byte| byte.is_ascii_digit()))
        .map(|tag| lasting(&tag.to_uppercase()))
        .collect();
    let (tier, weight) = match level {
        Level::Low => (Tier::Weight, 500),
        Level::Medium => (Tier::FirstSight, 1500),
        Level::High => (Tier::FirstSight, 3000),
    };
    About {
        id: lasting(&format!("sigma:{id}")),
        tier,
        title: lasting(title),
        why: "A Sigma rule that was loaded here fits what the source said.",
        benign: "See `falsepositives` of the rule.",
        response: "Look at the event and at the rule's references.",
        fields: &[],
        actions: Action::NAMED,
        sources: &[],
        covers: Box::leak(covers.into_boxed_slice()),
        weight,
    }
}

fn feed(document: &Value) -> Result<Feed, Fault> {
    let source = document.get("logsource");
    let part = |name: &str| source.and_then(|source| word(source, name)).map(str::to_lowercase);
    let product =
        part("product").ok_or_else(|| ("logsource.product".to_owned(), "it names no product".to_owned()))?;
    Feed::of(&product, part("service").as_deref()).ok_or_else(|| {
        if let Some(category) = part("category") {
            let why = format!("{product} of category {category} is not heard here: hosts are not watched");
            return ("logsource.category".to_owned(), why);
        }
        let service = part("service").map_or_else(String::new, |service| format!("/{service}"));
        ("logsource".to_owned(), format!("{product}{service} is not heard here; there are {}", Feed::known()))
    })
}

fn detection(document: &Value) -> Result<Detection, Fault> {
    let members = document
        .get("detection")
        .and_then(Value::as_object)
        .ok_or_else(|| ("detection".to_owned(), "a rule needs a detection".to_owned()))?;
    let mut selections = Vec::new();
    for (name, value) in
        members.iter().filter(|(name, _)| !matches!(name.as_str(), "condition" | "timeframe"))
    {
        selections.push((name.clone(), selection(value, &format!("detection.{name}"), 0)?));
    }
    if members.contains_key("timeframe") {
        return Err((
            "detection.timeframe".to_owned(),
            "aggregations are deprecated: write a correlation".to_owned(),
        ));
    }
    let names: Vec<&str> = selections.iter().map(|(name, _)| name.as_str()).collect();
    let place = "detection.condition";
    let condition = |value: &Value| {
        let text = value.as_str().ok_or_else(|| (place.to_owned(), "it is no text".to_owned()))?;
        at(place, Condition::parse(text, &names))
    };
    let conditions = match members.get("condition") {
        Some(Value::Array(items)) => items.iter().map(condition).collect::<Result<Vec<_>, _>>()?,
        Some(value) => vec![condition(value)?],
        None => return Err((place.to_owned(), "a detection needs a condition".to_owned())),
    };
    let fields = document.get("fields").and_then(Value::as_array).into_iter().flatten();
    let fields = fields.filter_map(Value::as_str).map(str::to_owned).collect();
    Ok(Detection { selections, conditions, fields })
}

fn selection(value: &Value, place: &str, depth: usize) -> Result<Selection, Fault> {
    let wrong = |why: &str| (place.to_owned(), why.to_owned());
    if depth > 4 {
        return Err(wrong("it is nested too deep"));
    }
    match value {
        Value::Object(members) => {
            let items = members.iter().map(|(key, value)| item(key, value, &format!("{place}.{key}")));
            Ok(Selection::All(items.collect::<Result<_, _>>()?))
        }
        Value::Array(items) if items.is_empty() => Err(wrong("it is empty")),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            let parts = items.iter().map(|item| selection(item, place, depth + 1));
            Ok(Selection::Any(parts.collect::<Result<_, _>>()?))
        }
        Value::Array(_) | Value::String(_) => keywords(value, false, place),
        _ => Err(wrong("it is neither mapping, list nor text")),
    }
}

fn keywords(value: &Value, all: bool, place: &str) -> Result<Selection, Fault> {
    let one = |value: &Value| match value {
        Value::String(word) => Ok(Test::Text(Glob::parse(word, false).at(Place::Within))),
        _ => Err((place.to_owned(), "a keyword is a text".to_owned())),
    };
    let words = match value {
        Value::Array(items) => items.iter().map(one).collect::<Result<_, _>>()?,
        value => vec![one(value)?],
    };
    Ok(Selection::Keywords { words, all })
}

/// Modifiers behind a field's name, in their order.
struct Modifiers {
    all: bool,
    none: bool,
    cased: bool,
    place: Place,
    /// What the value is turned into first.
    turns: Vec<Turn>,
    kind: ValueKind,
}

#[derive(Clone, Copy)]
enum Turn {
    Base64,
    Base64Offset,
    Utf16Le,
    Utf16Be,
    WinDash,
}

#[derive(Clone, Copy)]
enum ValueKind {
    Text,
    Regex(&'static str),
    Cidr,
    Number(Order),
    Exists,
    Field,
}

fn modifiers(names: &[&str], place: &str) -> Result<Modifiers, Fault> {
    let mut found = Modifiers {
        all: false,
        none: false,
        cased: false,
        place: Place::Whole,
        turns: Vec::new(),
        kind: ValueKind::Text,
    };
    for name in names {
        match *name {
            "contains" => found.place = Place::Within,
            "startswith" => found.place = Place::Start,
            "endswith" => found.place = Place::End,
            "all" => found.all = true,
            "neq" => found.none = true,
            "cased" => found.cased = true,
            "re" => found.kind = ValueKind::Regex(""),
            "i" | "m" | "s" if matches!(found.kind, ValueKind::Regex(_)) => {
                let ValueKind::Regex(before) = found.kind else { continue };
                found.kind = ValueKind::Regex(lasting(&format!("{before}{name}")));
            }
            "cidr" => found.kind = ValueKind::Cidr,
            "gt" => found.kind = ValueKind::Number(Order::Greater),
            "gte" => found.kind = ValueKind::Number(Order::AtLeast),
            "lt" => found.kind = ValueKind::Number(Order::Less),
            "lte" => found.kind = ValueKind::Number(Order::AtMost),
            "exists" => found.kind = ValueKind::Exists,
            "fieldref" => found.kind = ValueKind::Field,
            "base64" => found.turns.push(Turn::Base64),
            "base64offset" => found.turns.push(Turn::Base64Offset),
            "wide" | "utf16le" => found.turns.push(Turn::Utf16Le),
            "utf16be" => found.turns.push(Turn::Utf16Be),
            "windash" => found.turns.push(Turn::WinDash),
            other => return Err((place.to_owned(), format!("the modifier `{other}` is not evaluated here"))),
        }
    }
    Ok(found)
}

fn item(key: &str, value: &Value, place: &str) -> Result<Item, Fault> {
    let mut words = key.split('|');
    let field = words.next().unwrap_or_default();
    let names: Vec<&str> = words.collect();
    let modifiers = modifiers(&names, place)?;
    if field.is_empty() {
        return Err((place.to_owned(), "keywords with modifiers stand in a list of their own".to_owned()));
    }
    let single;
    let values: &[Value] = match value {
        Value::Array(items) => items,
        value => {
            single = [value.clone()];
            &single
        }
    };
    if values.is_empty() {
        return Err((place.to_owned(), "it has no value".to_owned()));
    }
    let mut tests = Vec::new();
    for value in values {
        tests.extend(test(value, &modifiers, place)?);
    }
    let turned = !modifiers.turns.is_empty();
    if turned && modifiers.all && tests.len() > values.len() {
        return Err((
            place.to_owned(),
            "`all` of values that have several spellings is not evaluated here".to_owned(),
        ));
    }
    Ok(Item { field: field.to_owned(), tests, all: modifiers.all, none: modifiers.none })
}

fn test(value: &Value, modifiers: &Modifiers, place: &str) -> Result<Vec<Test>, Fault> {
    let wrong = |why: String| (place.to_owned(), why);
    let text = match value {
        Value::Null if matches!(modifiers.kind, ValueKind::Text) && modifiers.turns.is_empty() => {
            return Ok(vec![Test::Null]);
        }
        Value::String(text) => text.as_str(),
        _ => return Err(wrong("its value is neither text nor null".to_owned())),
    };
    Ok(match modifiers.kind {
        ValueKind::Regex(flags) => vec![at(place, Test::regex(text, flags))?],
        ValueKind::Cidr => vec![at(place, Test::cidr(text))?],
        ValueKind::Number(order) => {
            let number = text.parse().map_err(|_| wrong(format!("`{text}` is no number")))?;
            vec![Test::Number(order, number)]
        }
        ValueKind::Exists => match text {
            "true" | "yes" => vec![Test::Exists(true)],
            "false" | "no" => vec![Test::Exists(false)],
            other => return Err(wrong(format!("`{other}` is neither true nor false"))),
        },
        ValueKind::Field => vec![Test::Field { name: text.to_owned(), how: modifiers.place }],
        ValueKind::Text if modifiers.turns.is_empty() => {
            vec![Test::Text(Glob::parse(text, modifiers.cased).at(modifiers.place))]
        }
        ValueKind::Text => {
            let spellings = turned(text, &modifiers.turns).map_err(wrong)?;
            let encoded = modifiers.turns.iter().any(|turn| !matches!(turn, Turn::WinDash));
            spellings
                .into_iter()
                .map(|spelling| {
                    // base64 tells cases apart; what was encoded has no wildcards any more.
                    let glob = if encoded {
                        Glob::literal(&spelling, true)
                    } else {
                        Glob::parse(&spelling, modifiers.cased)
                    };
                    Test::Text(glob.at(modifiers.place))
                })
                .collect()
        }
    })
}

fn turned(text: &str, turns: &[Turn]) -> Result<Vec<String>, String> {
    let mut all: Vec<Vec<u8>> = vec![text.as_bytes().to_vec()];
    for turn in turns {
        let mut next = Vec::new();
        for bytes in all {
            let text = || {
                String::from_utf8(bytes.clone())
                    .map_err(|_| "modifiers in an order that has no sense".to_owned())
            };
            match turn {
                Turn::Base64 => next.push(matcher::base64(&bytes).into_bytes()),
                Turn::Base64Offset => next.extend(matcher::base64_offsets(&bytes).map(String::into_bytes)),
                Turn::Utf16Le => next.push(text()?.encode_utf16().flat_map(u16::to_le_bytes).collect()),
                Turn::Utf16Be => next.push(text()?.encode_utf16().flat_map(u16::to_be_bytes).collect()),
                Turn::WinDash => {
                    let text = text()?;
                    let dashes = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];
                    next.extend(dashes.iter().map(|dash| text.replace('-', &dash.to_string()).into_bytes()));
                }
            }
        }
        next.sort();
        next.dedup();
        all = next;
    }
    all.into_iter()
        .map(|bytes| String::from_utf8(bytes).map_err(|_| "wide text must be encoded further".to_owned()))
        .collect()
}

fn correlation(document: &Value, known: &[Named]) -> Result<Correlation, Fault> {
    let place = |name: &str| format!("correlation.{name}");
    let wrong = |name: &str, why: String| (place(name), why);
    let body = document.get("correlation").unwrap_or(&Value::Null);
    let kind = match word(body, "type") {
        Some("event_count") => Kind::EventCount,
        Some("value_count") => Kind::ValueCount,
        Some("temporal") => Kind::Temporal,
        Some("temporal_ordered") => Kind::TemporalOrdered,
        other => {
            let why = format!("`{}` is not evaluated here", other.unwrap_or("nothing"));
            return Err(wrong("type", why));
        }
    };
    let listed = |name: &str| -> Result<Vec<String>, Fault> {
        match body.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(one)) => Ok(vec![one.clone()]),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| {
                    item.as_str().map(str::to_owned).ok_or_else(|| wrong(name, "it is no text".to_owned()))
                })
                .collect(),
            Some(_) => Err(wrong(name, "it is neither text nor list".to_owned())),
        }
    };
    let names = listed("rules")?;
    let mut rules = Vec::new();
    for name in &names {
        let id = format!("sigma:{name}");
        let found = known.iter().find(|known| known.rule.about.id == id || known.name.as_ref() == Some(name));
        let found = found.ok_or_else(|| wrong("rules", format!("`{name}` is no rule that was taken")))?;
        if matches!(found.rule.what, What::Correlation(_)) {
            return Err(wrong("rules", format!("`{name}` is a correlation: chains are not evaluated here")));
        }
        rules.push(found.rule);
    }
    if rules.is_empty() {
        return Err(wrong("rules", "it counts nothing".to_owned()));
    }
    let timespan = word(body, "timespan").ok_or_else(|| wrong("timespan", "it is missing".to_owned()))?;
    let millis = millis(timespan)
        .ok_or_else(|| wrong("timespan", format!("`{timespan}` is not like 5m, 1h or 2d")))?;
    let (asked, field) = asked(body, kind).map_err(|why| wrong("condition", why))?;
    let mut aliases: BTreeMap<String, BTreeMap<usize, String>> = BTreeMap::new();
    for (alias, by) in body.get("aliases").and_then(Value::as_object).into_iter().flatten() {
        for (rule, field) in by.as_object().into_iter().flatten() {
            let number = names.iter().position(|name| name == rule);
            let (Some(number), Some(field)) = (number, field.as_str()) else {
                return Err(wrong("aliases", format!("`{rule}` is not among its rules")));
            };
            aliases.entry(alias.clone()).or_default().insert(number, field.to_owned());
        }
    }
    let group_by = listed("group-by")?;
    if !matches!(word(body, "generate"), Some("true" | "yes")) {
        rules.iter().for_each(|rule| rule.silent.store(true, Ordering::Relaxed));
    }
    Ok(Correlation { kind, rules, group_by, aliases, millis, asked, field })
}

fn asked(body: &Value, kind: Kind) -> Result<(Asked, Option<String>), String> {
    let Some(condition) = body.get("condition") else {
        return match kind {
            Kind::Temporal | Kind::TemporalOrdered => Ok((Asked::Than(Order::AtLeast, 0), None)),
            _ => Err("it is missing".to_owned()),
        };
    };
    let members = condition.as_object().ok_or("only mappings are evaluated here: gt, gte, eq")?;
    let mut asked = None;
    for (name, value) in members.iter().filter(|(name, _)| *name != "field") {
        let number = value.as_str().and_then(|text| text.parse::<u64>().ok());
        let number = number.ok_or_else(|| format!("`{name}` is no number"))?;
        let next = match name.as_str() {
            "gt" => Asked::Than(Order::Greater, number),
            "gte" => Asked::Than(Order::AtLeast, number),
            "eq" => Asked::Equal(number),
            // What has not happened is true all the time.
            other => return Err(format!("`{other}` is not evaluated here; there are gt, gte and eq")),
        };
        if asked.replace(next).is_some() {
            return Err("several bounds are not evaluated here".to_owned());
        }
    }
    let field = condition.get("field").and_then(Value::as_str).map(str::to_owned);
    if kind == Kind::ValueCount && field.is_none() {
        return Err("value_count needs a field".to_owned());
    }
    match asked {
        Some(asked) => Ok((asked, field)),
        None => Err("it has no bound: gt, gte or eq".to_owned()),
    }
}

fn millis(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number
        .parse::<i64>()
        .ok()
        .filter(|number| (1..=366).contains(number) || unit < 86_400_000)?
        .checked_mul(unit)
}
