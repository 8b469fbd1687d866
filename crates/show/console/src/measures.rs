//! Measures against their targets, and the checklists; both counted from the record.

use linkward_measure::{Answer, Budget, Direction, Measure, State, assess, exposition, measures};
use linkward_model::Instant;
use linkward_record::{Store, StoreError};
use maud::{Markup, html};
use serde_json::{Value, json};

use crate::layout::page;
use crate::request::HomeFacts;

pub(crate) fn value(measure: &Measure) -> String {
    let spelled = |value: f64| match measure.unit {
        "ratio" => format!("{:.1} %", value * 100.0),
        "seconds" if value >= 120.0 => format!("{:.0} min", value / 60.0),
        "seconds" => format!("{value:.1} s"),
        _ => format!("{value:.0}"),
    };
    measure.value.map_or_else(|| "no data".to_owned(), spelled)
}

pub(crate) fn target(measure: &Measure) -> String {
    let word = if measure.direction == Direction::AtLeast { "at least" } else { "at most" };
    let goal = Measure { value: Some(measure.target), ..measure.clone() };
    format!("{word} {}", value(&goal))
}

fn state(state: State) -> Markup {
    let (mark, class) = match state {
        State::Met => ("\u{2713}", "good"),
        State::Missed => ("\u{2717}", "bad"),
        State::NoData => ("?", "open"),
    };
    html! { span class={ "badge " (class) } { span aria-hidden="true" { (mark) } " " (state.as_str()) } }
}

/// A line of values over 28 days, for eyes; the numbers stand beside it.
pub(crate) fn spark(values: &[(Instant, f64)], target: f64) -> Markup {
    const WIDTH: f64 = 140.0;
    const HEIGHT: f64 = 32.0;
    let (Some(first), Some(last)) = (values.first(), values.last()) else { return html! { "-" } };
    let most = values.iter().map(|(_, value)| *value).fold(target, f64::max);
    let least = values.iter().map(|(_, value)| *value).fold(target, f64::min);
    let length = last.0.since(first.0).max(1) as f64;
    let height = |value: f64| {
        let share = if most > least { (value - least) / (most - least) } else { 0.5 };
        HEIGHT - 3.0 - share * (HEIGHT - 6.0)
    };
    let point = |(at, value): &(Instant, f64)| {
        format!("{:.1},{:.1}", at.since(first.0) as f64 / length * WIDTH, height(*value))
    };
    let points: Vec<String> = values.iter().map(point).collect();
    // One value alone is a line too.
    let points = if points.len() == 1 {
        format!("0,{y:.1} {WIDTH},{y:.1}", y = height(last.1))
    } else {
        points.join(" ")
    };
    html! {
        svg.spark viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } width=(WIDTH) height=(HEIGHT) aria-hidden="true" {
            line x1="0" x2=(WIDTH) y1=(height(target)) y2=(height(target)) stroke="currentColor" stroke-dasharray="3 3" opacity="0.45" {}
            polyline points=(points) fill="none" stroke="currentColor" stroke-width="1.6" {}
        }
    }
}

pub(crate) fn not_whole(home: &HomeFacts) -> Markup {
    html! { @if !home.counted {
        p { span.badge.open { span aria-hidden="true" { "?" } " not counted to the end" }
            " " (home.counts.records) " records were counted since the start; load the page again in a moment." }
    } }
}

pub(crate) fn budget(one: &Budget) -> Markup {
    let left = match one.left {
        None => "no data".to_owned(),
        // A percentage of thousands below zero says less than how often it would have been used up.
        Some(left) if left < 0.0 => format!("used up {:.1} times", 1.0 - left),
        Some(left) => format!("{:.0} %", left * 100.0),
    };
    let (mark, class, word) = match one.left {
        None => ("?", "open", "no data"),
        Some(left) if left <= 0.0 => ("\u{2717}", "bad", "spent"),
        Some(_) if one.burns.iter().any(|burn| burn.fires) => ("\u{2717}", "bad", "burning"),
        Some(_) => ("\u{2713}", "good", "within"),
    };
    let rate = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"));
    html! { tr {
        td { strong { (one.name) } br; small { (one.code) } }
        td { span class={ "badge " (class) } { span aria-hidden="true" { (mark) } " " (word) } }
        td { (left) } td { (one.detail) }
        td { @if one.burns.is_empty() { "-" } @for burn in &one.burns {
            div { (burn.long) "/" (burn.short) ": " (rate(burn.rates.0)) " and " (rate(burn.rates.1)) " of " (burn.bound)
                @if burn.fires { " " strong { (burn.severity) } } }
        } }
    } }
}

pub(crate) fn show(home: &HomeFacts) -> Markup {
    let all = measures(&home.counts);
    let with = |wanted: State| all.iter().filter(|measure| measure.state == wanted).count();
    page(
        "Measures",
        "/measures",
        &html! {
            p.lead { "Counted from the record and from nothing else. A measure without data is no data, never a perfect score." }
            (not_whole(home))
            ol.stages {
                li { strong { (with(State::Met)) } span { "Met" } small { "of ten measures" } }
                li { strong { (with(State::Missed)) } span { "Missed" } small { "below or above their target" } }
                li { strong { (with(State::NoData)) } span { "No data" } small { "nothing is recorded to count" } }
            }
            div.scroll tabindex="0" role="region" aria-label="Measures" { table {
                caption { "The ten measures" }
                thead { tr { th scope="col" { "Measure" } th scope="col" { "Value" } th scope="col" { "28 days" } th scope="col" { "Target" } th scope="col" { "State" } th scope="col" { "Counted" } } }
                tbody { @for measure in &all { tr id=(measure.code) {
                    td { strong { (measure.code) } " " (measure.name) br; small { (measure.formula) } }
                    td.word { (value(measure)) }
                    td { (spark(home.history.get(measure.code).map_or(&[][..], Vec::as_slice), measure.target)) }
                    td { (target(measure)) } td { (state(measure.state)) }
                    td { (measure.detail) br; small { "Trap: " (measure.trap) } }
                } } }
            } }
            (crate::boards::export("measures"))
            h2 { "Error budgets" }
            p { "Over 28 days. A burn rate of 1 uses a budget up exactly; both windows of a pair must be above the bound. Integrity has a budget of its own: minutes in which something ran that is not verified, summed over workloads, never traded against anything else." }
            div.scroll tabindex="0" role="region" aria-label="Error budgets" { table {
                caption { "Budgets and how fast they burn" }
                thead { tr { th scope="col" { "Objective" } th scope="col" { "State" } th scope="col" { "Left" } th scope="col" { "Counted" } th scope="col" { "Burn rates" } } }
                tbody { @for one in &home.budgets { (budget(one)) } }
            } }
            (crate::boards::export("budgets"))
            p { "For other tools: " a href="/metrics" { "/metrics" } ", " a href="/api/v1/measures" { "JSON" } ", " a href="/api/v1/measures/history" { "history" }
                ", and rules, objectives and boards by " code { "linkward measures --export DIR" } ". " a href="/assess" { "The checklists" } " are answered from the same counts." }
        },
    )
}

pub(crate) fn json(home: &HomeFacts) -> Value {
    json!({ "version": 1, "at": home.now, "whole": home.counted, "measures": measures(&home.counts), "budgets": home.budgets })
}

pub(crate) fn history(home: &HomeFacts) -> Value {
    json!({ "version": 1, "at": home.now, "days": 28, "series": home.history })
}

/// Prometheus text exposition 0.0.4.
pub(crate) fn metrics(home: &HomeFacts) -> String {
    use std::fmt::Write as _;
    // What is not counted yet is absent, never 0.
    let mut out = if home.waiting.is_some() { String::new() } else { exposition(&home.counts) };
    let mut family = |name: &str, kind: &str, help: &str, samples: &[(String, f64)]| {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    };
    let plain = |value: f64| [(String::new(), value)];
    family(
        "linkward_build_info",
        "gauge",
        "Always 1; what runs.",
        &[(format!("{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0)],
    );
    family(
        "linkward_counted",
        "gauge",
        "Whether the whole record is in these numbers.",
        &plain(f64::from(u8::from(home.counted))),
    );
    family(
        "linkward_decisions_dropped_total",
        "counter",
        "Gate decisions that were not written down.",
        &plain(home.decisions_dropped as f64),
    );
    let open = |severity: &str| {
        let open = home
            .alerts
            .iter()
            .filter(|alert| alert.get("severity").and_then(Value::as_str) == Some(severity));
        (format!("{{severity=\"{severity}\"}}"), open.count() as f64)
    };
    family(
        "linkward_alerts_open",
        "gauge",
        "What people were told and have not answered.",
        &[open("page"), open("ticket")],
    );
    let undelivered: u64 = home.undelivered.iter().map(|(_, count)| count).sum();
    family(
        "linkward_alerts_undelivered",
        "gauge",
        "What could not be delivered yet.",
        &plain(undelivered as f64),
    );
    let left: Vec<(String, f64)> = home
        .budgets
        .iter()
        .map(|budget| (format!("{{objective=\"{}\"}}", budget.name), budget.left.unwrap_or(f64::NAN)))
        .collect();
    family(
        "linkward_budget_left_ratio",
        "gauge",
        "What is left of error budgets over 28 days; NaN is no data.",
        &left,
    );
    out
}

pub(crate) fn assessment(store: &Store, home: &HomeFacts) -> Result<Markup, StoreError> {
    let found = assess(store, &home.counts)?;
    let answer = |answer: Answer| {
        let (mark, class) = match answer {
            Answer::Yes => ("\u{2713}", "good"),
            Answer::No => ("\u{2717}", "bad"),
            Answer::NotKnown => ("?", "open"),
        };
        html! { span class={ "badge " (class) } { span aria-hidden="true" { (mark) } " " (answer.as_str()) } }
    };
    Ok(page(
        "Assessment",
        "/measures",
        &html! {
            (not_whole(home))
            p.lead { "Maturity: " strong { (found.maturity) } ". " (found.why) "." }
            div.scroll tabindex="0" role="region" aria-label="Checklists" { table {
                caption { "Answered by what is recorded, not by asking" }
                thead { tr { th scope="col" { "When" } th scope="col" { "Asks" } th scope="col" { "Answer" } th scope="col" { "Seen" } th scope="col" { "Next" } } }
                tbody { @for item in &found.items { tr {
                    td { (item.list) } td { (item.asks) } td { (answer(item.answer)) } td { (item.seen) } td { (item.next) }
                } } }
            } }
        },
    ))
}
