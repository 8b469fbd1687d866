//! What needs no daemon: replaying files, running cases, saying what is covered.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use linkward_detect::{
    About, Alert, CaseFile, Change, Confidence, Engine, Estate, Finding, Heard, INCIDENTS, Incident, Pack,
    RULES, Sight, cases_of, sight,
};
use linkward_evidence::event::{Delivery, Event, FEEDS, Feed, feed, read_all};
use linkward_model::{Code, Exit};
use serde_json::json;

use super::cli::Replay;
use super::settings::DetectFile;
use crate::cli::Format;
use crate::commands::{nearest, print, print_json};
use crate::table::{self, visible};
use crate::wire::{Failure, VERSION};

pub(super) fn replay(args: &Replay, home: Option<&Path>, format: Format) -> Result<Exit> {
    if let Some(text) = incident(&args.file) {
        return replay_incident(&text, format);
    }
    let text = std::fs::read(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    if args.record {
        return super::live::take(&text, args, home, format);
    }
    let events = read(&text, args)?;
    let file = match (&args.estate, nearest(home)) {
        (Some(path), _) => DetectFile::read(path)?,
        (None, Ok(home)) => DetectFile::of_home(home.path())?,
        (None, Err(_)) => DetectFile::default(),
    };
    let pack = file.pack()?;
    let (engine, changes) = judge(events, file.estate, &pack);
    let findings: Vec<&Finding> = engine.findings();
    let load = engine.load();
    if format == Format::Json {
        print_json(&json!({
            "version": VERSION, "events": load.events, "repeated": load.repeated, "too_late": load.too_late,
            "findings": findings, "changes": changes.len(),
        }))?;
    } else {
        print(&format!("{} events, {}\n", load.events, table::counted(findings.len(), "finding")))?;
        for finding in &findings {
            print(&described(finding))?;
        }
        if load.too_late > 0 {
            print(&format!("{} events came too late to be joined with others\n", load.too_late))?;
        }
    }
    Ok(exit(&findings))
}

/// An incident of ours by its name, or a file of that shape.
fn incident(path: &Path) -> Option<Vec<u8>> {
    let name = path.file_stem().and_then(|name| name.to_str())?;
    match std::fs::read(path) {
        Ok(text) => {
            let shape: serde_json::Value = serde_json::from_slice(&text).ok()?;
            (shape.get("facts").is_some() && shape.get("world").is_some()).then_some(text)
        }
        Err(_) => INCIDENTS.iter().find(|(known, _)| *known == name).map(|(_, text)| text.to_vec()),
    }
}

fn replay_incident(text: &[u8], format: Format) -> Result<Exit> {
    let outcome = Incident::parse(text)?.replay()?;
    if format == Format::Json {
        print_json(&json!({ "version": VERSION, "outcome": outcome }))?;
        return Ok(Exit::Denied);
    }
    let word = |confidence: Confidence| match confidence {
        Confidence::Primary => "primary source",
        Confidence::Secondary => "secondary source",
        Confidence::Recalled => "recalled, not checked",
        Confidence::Assumed => "assumed",
    };
    print(&format!("{}: {}\n", outcome.name, outcome.title))?;
    print(&format!(
        "first malicious artifact {} (times are exact to the {})\n",
        outcome.first_malicious, outcome.precision
    ))?;
    for alarm in &outcome.alarms {
        print(&format!(
            "  {} {:<6} {:<24} {}\n      at event `{}` of {}: {} ({})\n",
            alarm.told,
            alarm.alert.as_str(),
            alarm.rule,
            visible(&alarm.subject),
            alarm.event,
            alarm.at,
            alarm.source,
            word(alarm.confidence)
        ))?;
    }
    let world = &outcome.world;
    print(&format!(
        "the world noticed {}: {} ({}, {})\n",
        world.time,
        world.what,
        world.source,
        word(world.confidence)
    ))?;
    print(&match (outcome.caught, outcome.ahead_minutes) {
        (true, Some(minutes)) => format!("caught, {} before the world\n", duration(minutes)),
        _ => "not caught by the first malicious artifact\n".to_owned(),
    })?;
    // An incident that nothing noticed would be the worst of results.
    Ok(if outcome.caught { Exit::Denied } else { Exit::Unknown })
}

fn duration(minutes: i64) -> String {
    match minutes {
        0..120 => format!("{minutes} minutes"),
        120..2880 => format!("{} hours", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}

/// Findings that somebody has to hear of are findings.
fn exit(findings: &[&Finding]) -> Exit {
    if findings.iter().any(|finding| finding.alert != Alert::None) { Exit::Denied } else { Exit::Allowed }
}

pub(super) fn read(text: &[u8], args: &Replay) -> Result<Vec<Event>> {
    let feed = args.feed.as_deref().map(known_feed).transpose()?;
    let delivery = Delivery { topic: args.topic.as_deref(), ..Delivery::default() };
    read_all(text, feed, &delivery)
        .map_err(|fault| Failure::new(fault.code, format!("{}: {fault}", args.file.display())).into())
}

pub(super) fn known_feed(name: &str) -> Result<&'static dyn Feed> {
    feed(name).ok_or_else(|| {
        let names: Vec<_> = FEEDS.iter().map(|feed| feed.name()).collect();
        anyhow::anyhow!("`{name}` is no source that is read; there are {}", names.join(", "))
    })
}

/// In order of time: a file has no order of arrival that would mean anything.
pub(super) fn judge(mut events: Vec<Event>, estate: Estate, pack: &Pack) -> (Engine, Vec<Change>) {
    events.sort_by(|one, other| (one.at(), &one.id).cmp(&(other.at(), &other.id)));
    let mut engine = Engine::with(estate, pack);
    let mut changes = Vec::new();
    for event in events {
        changes.extend(engine.ingest(event));
    }
    (engine, changes)
}

/// A finding for people: when, what, about whom, why.
pub(super) fn described(finding: &Finding) -> String {
    let mut out = format!(
        "\n{} {} {} {}\n  {} ({})\n",
        finding.at,
        finding.alert.as_str().to_uppercase(),
        finding.rule,
        finding.id,
        finding.title,
        visible(&finding.subject)
    );
    if finding.state != linkward_detect::State::Confirmed {
        out.push_str("  provisional: what is missing may still arrive\n");
    }
    for fact in &finding.facts {
        out.push_str(&format!("  {}: {}\n", fact.name, visible(&fact.value)));
    }
    out
}

pub(super) fn test(what: Option<&str>, format: Format) -> Result<Exit> {
    let mut files = Vec::new();
    match what {
        None => files.extend(RULES.iter().filter_map(|rule| cases_of(rule.about().id)).map(<[u8]>::to_vec)),
        Some(name) => match cases_of(name) {
            Some(text) => files.push(text.to_vec()),
            None if Path::new(name).is_file() => files.push(std::fs::read(name)?),
            None => bail!("`{name}` is neither a rule nor a file of cases; see `linkward detect coverage`"),
        },
    }
    let (mut held, mut wrong) = (0, Vec::new());
    for text in files {
        let file = CaseFile::parse(&text)?;
        if linkward_detect::rule(&file.rule).is_none() {
            bail!("the cases are for `{}`, which is no rule", file.rule);
        }
        for case in file.cases()? {
            let result = case.run()?;
            if result.held {
                held += 1;
            } else {
                wrong.push(json!({ "rule": case.rule, "case": case.name, "expected": case.fires, "found": result.found.len() }));
            }
        }
    }
    if format == Format::Json {
        print_json(&json!({ "version": VERSION, "held": held, "wrong": wrong }))?;
    } else {
        for case in &wrong {
            print(&format!(
                "x {}: {}\n",
                case["rule"].as_str().unwrap_or(""),
                case["case"].as_str().unwrap_or("")
            ))?;
        }
        print(&format!("{held} cases hold, {} do not\n", wrong.len()))?;
    }
    // No case at all proves nothing.
    Ok(match (held, wrong.is_empty()) {
        (_, false) => Exit::Denied,
        (0, true) => Exit::Unknown,
        _ => Exit::Allowed,
    })
}

/// What of a folder of Sigma rules is judged here, and what is not, and why.
pub(super) fn sigma(folder: &Path, format: Format) -> Result<Exit> {
    let (pack, refused) = super::settings::sigma_rules(folder)?;
    if format == Format::Json {
        let rules: Vec<_> = pack
            .about()
            .map(|about| json!({ "rule": about.id, "title": about.title, "tier": about.tier, "covers": about.covers }))
            .collect();
        let refused: Vec<_> = refused
            .iter()
            .map(|one| json!({ "file": one.file, "place": one.place, "why": one.why, "code": Code::SigmaMalformed }))
            .collect();
        print_json(&json!({ "version": VERSION, "rules": rules, "refused": refused }))?;
    } else {
        for about in pack.about() {
            print(&format!("{:<44} {:<12} {}\n", about.id, about.tier.as_str(), visible(about.title)))?;
        }
        for one in &refused {
            print(&format!(
                "refused {}, {}: {}\n",
                visible(&one.file),
                visible(&one.place),
                visible(&one.why)
            ))?;
        }
        let counted = (table::counted(pack.len(), "rule"), refused.len());
        print(&format!("{} taken, {} refused\n", counted.0, counted.1))?;
    }
    Ok(if !refused.is_empty() || pack.is_empty() { Exit::Unknown } else { Exit::Allowed })
}

pub(super) fn coverage(home: Option<&Path>, format: Format) -> Result<Exit> {
    // Without a home nothing was heard.
    let lines = match nearest(home) {
        Ok(_) => super::live::coverage(home)?,
        Err(_) => rule_lines(&Estate::default(), &Pack::default(), &Heard::default()),
    };
    if format == Format::Json {
        print_json(&json!({ "version": VERSION, "rules": lines }))?;
        return Ok(Exit::Allowed);
    }
    let text = |line: &serde_json::Value, name: &str| line[name].as_str().unwrap_or("").to_owned();
    for line in &lines {
        let covers: Vec<_> =
            line["covers"].as_array().into_iter().flatten().filter_map(|code| code.as_str()).collect();
        print(&format!("{:<30} {:<12} {}\n", text(line, "rule"), text(line, "tier"), covers.join(" ")))?;
        if let Some(why) = line["blind"].as_str() {
            print(&format!("{:<30} sees nothing: {why}\n", ""))?;
        }
    }
    Ok(Exit::Allowed)
}

/// Why a rule sees nothing, for people.
fn blind(sight: &Sight) -> Option<String> {
    match sight {
        Sight::Armed => None,
        Sight::Unarmed { why } => Some(format!("{why}; add it to detect.toml")),
        Sight::Unheard { sources } => Some(format!("none of these was heard: {}", sources.join(", "))),
        Sight::NoProducer { needs } => {
            Some(format!("no source tells it yet; send it in Linkward's own shape: {}", needs.join("; ")))
        }
    }
}

/// Every rule as data, with what keeps it from seeing.
pub(crate) fn rule_lines(estate: &Estate, pack: &Pack, heard: &Heard) -> Vec<serde_json::Value> {
    let line = |about: &About, sight: &Sight| {
        json!({
            "rule": about.id, "tier": about.tier, "finds": about.title, "covers": about.covers,
            "sources": about.sources, "sight": sight, "blind": blind(sight),
            "why": about.why, "benign": about.benign, "response": about.response,
        })
    };
    let shipped = RULES.iter().map(|rule| line(rule.about(), &sight(*rule, estate, heard)));
    let further = pack.sight(heard).into_iter().map(|(about, sight)| line(about, &sight));
    shipped.chain(further).collect()
}
