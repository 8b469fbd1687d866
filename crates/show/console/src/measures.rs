//! Measures against their targets, and the checklists; both counted from the record.

use linkward_measure::{Answer, Direction, Measure, State, assess, count, exposition, measures};
use linkward_record::{Store, StoreError};
use maud::{Markup, html};
use serde_json::{Value, json};

use crate::layout::page;
use crate::request::HomeFacts;

fn value(measure: &Measure) -> String {
    let spelled = |value: f64| match measure.unit {
        "ratio" => format!("{:.1} %", value * 100.0),
        "seconds" if value >= 120.0 => format!("{:.0} min", value / 60.0),
        "seconds" => format!("{value:.1} s"),
        _ => format!("{value:.0}"),
    };
    measure.value.map_or_else(|| "no data".to_owned(), spelled)
}

fn target(measure: &Measure) -> String {
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

pub(crate) fn show(store: &Store, home: &HomeFacts) -> Result<Markup, StoreError> {
    let counts = count(store, home.now)?;
    let all = measures(&counts);
    let with = |wanted: State| all.iter().filter(|measure| measure.state == wanted).count();
    Ok(page(
        "Measures",
        "/measures",
        &html! {
            p.lead { "Counted from the record and from nothing else. A measure without data is no data, never a perfect score." }
            ol.stages {
                li { strong { (with(State::Met)) } span { "Met" } small { "of ten measures" } }
                li { strong { (with(State::Missed)) } span { "Missed" } small { "below or above their target" } }
                li { strong { (with(State::NoData)) } span { "No data" } small { "nothing is recorded to count" } }
            }
            div.scroll tabindex="0" role="region" aria-label="Measures" { table {
                caption { "The ten measures" }
                thead { tr { th scope="col" { "Measure" } th scope="col" { "Value" } th scope="col" { "Target" } th scope="col" { "State" } th scope="col" { "Counted" } } }
                tbody { @for measure in &all { tr id=(measure.code) {
                    td { strong { (measure.code) } " " (measure.name) br; small { (measure.formula) } }
                    td { (value(measure)) } td { (target(measure)) } td { (state(measure.state)) }
                    td { (measure.detail) br; small { "Trap: " (measure.trap) } }
                } } }
            } }
            p { "For other tools: " a href="/metrics" { "/metrics" } ", " a href="/api/v1/measures" { "JSON" } ", and rules, objectives and a board by " code { "linkward measures --export DIR" } "." }
        },
    ))
}

pub(crate) fn json(store: &Store, home: &HomeFacts) -> Result<Value, StoreError> {
    Ok(json!({ "version": 1, "at": home.now, "measures": measures(&count(store, home.now)?) }))
}

pub(crate) fn metrics(store: &Store, home: &HomeFacts) -> Result<String, StoreError> {
    Ok(exposition(&count(store, home.now)?))
}

pub(crate) fn assessment(store: &Store, home: &HomeFacts) -> Result<Markup, StoreError> {
    let found = assess(store, &count(store, home.now)?)?;
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
