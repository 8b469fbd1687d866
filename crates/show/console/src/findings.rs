//! Findings: what was noticed, why it fired, what would make it benign, what to do.

use maud::{Markup, html};
use serde_json::Value;

use crate::layout::{message, moment, page, subject, visible};
use crate::request::{HomeFacts, Response};

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// An alert as a word and a shape.
fn alert(line: &Value) -> Markup {
    let open = text(line, "/standing/standing") == "open" && text(line, "/finding/state") != "withdrawn";
    let (mark, class) = match text(line, "/finding/alert") {
        "page" if open => ("\u{2717}", "bad"),
        "ticket" if open => ("?", "open"),
        _ => ("\u{2013}", "quiet"),
    };
    html! { span class={ "badge " (class) } { span aria-hidden="true" { (mark) } " " (text(line, "/finding/alert")) } }
}

fn state(line: &Value) -> &str {
    match text(line, "/standing/standing") {
        "open" => text(line, "/finding/state"),
        other => other,
    }
}

pub(crate) fn list(home: &HomeFacts) -> Markup {
    let open = |word: &str| {
        let counts = |line: &&Value| {
            text(line, "/standing/standing") == "open"
                && text(line, "/finding/state") != "withdrawn"
                && text(line, "/finding/alert") == word
        };
        home.findings.iter().filter(counts).count()
    };
    page(
        "Findings",
        "/findings",
        &html! {
            (crate::layout::live())
            p.lead { "What was noticed, newest first. Invariants page once they are confirmed; first sights are tickets; what counts only together is kept without an alert." }
            ol.stages {
                li { strong { (open("page")) } span { "Pages" } small { "invariants that are broken" } }
                li { strong { (open("ticket")) } span { "Tickets" } small { "first sights, and what may still arrive" } }
                li { strong { (home.findings.len()) } span { "In all" } small { "also excepted, muted and withdrawn" } }
            }
            @if home.findings.is_empty() {
                p { "Nothing was found. That means little while " a href="/coverage" { "no source is heard" } "." }
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Findings" { table {
                    caption { "The newest thousand" }
                    thead { tr { th scope="col" { "Finding" } th scope="col" { "Alert" } th scope="col" { "About" } th scope="col" { "Happened" } th scope="col" { "State" } th scope="col" { "Record" } } }
                    tbody { @for line in &home.findings { tr {
                        td { a href={ "/findings/" (text(line, "/short")) } { (text(line, "/finding/title")) } }
                        td { (alert(line)) } td { (subject(text(line, "/finding/subject"))) }
                        td { (moment(text(line, "/finding/at"))) } td { (state(line)) }
                        td { @if let Some(record) = line.get("record").and_then(Value::as_u64) { a href={ "/log/entry/" (record) } { (record) } } }
                    } } }
                } }
                (crate::boards::export("findings"))
            }
        },
    )
}

pub(crate) fn one(home: &HomeFacts, id: &str) -> Response {
    let Some(line) = home.findings.iter().find(|line| text(line, "/short") == id) else {
        return Response::page(
            404,
            message("No such finding", "No finding has this id.", "linkward detect list --all"),
        );
    };
    let rule = text(line, "/finding/rule");
    let about = home.rules.iter().find(|about| text(about, "/rule") == rule).unwrap_or(&Value::Null);
    let content = html! {
        p.lead { (text(about, "/why")) }
        dl {
            dt { "Alert" } dd { (alert(line)) " " (state(line)) }
            dt { "About" } dd { (visible(text(line, "/finding/subject"))) }
            dt { "Happened" } dd { (text(line, "/finding/at")) }
            dt { "Noticed" } dd { (text(line, "/noticed")) }
            dt { "Rule" } dd { a href={ "/coverage#" (rule) } { (rule) } ", " (text(line, "/finding/tier")) }
            dt { "Event" } dd { code { (visible(text(line, "/finding/event"))) } " from " (text(line, "/finding/source")) }
            @if let Some(record) = line.get("record").and_then(Value::as_u64) {
                dt { "Record" } dd { a href={ "/log/entry/" (record) } { (record) } }
            }
        }
        h2 { "Why it fired" }
        div.scroll tabindex="0" role="region" aria-label="Facts" { table {
            caption { "What was compared" }
            thead { tr { th scope="col" { "Fact" } th scope="col" { "Value" } } }
            tbody { @for fact in line.pointer("/finding/facts").and_then(Value::as_array).into_iter().flatten() { tr {
                td { (visible(text(fact, "/name"))) } td { (visible(text(fact, "/value"))) }
            } } }
        } }
        h2 { "What would make it benign" }
        p { (text(about, "/benign")) }
        h2 { "What to do" }
        p { (text(about, "/response")) }
        @if text(line, "/standing/standing") == "open" {
            @if let Some(who) = home.who.as_ref().filter(|who| who.responds) { (answers(who, id)) }
            p { "Say what it was: " code { "linkward detect dispose " (id) " benign --reason \"...\"" } }
        } @else {
            p { "Kept quiet: " (visible(text(line, "/standing/reason"))) ", until " (text(line, "/standing/until")) }
        }
    };
    Response::page(200, page(text(line, "/finding/title"), "/findings", &content))
}

/// What somebody who responds can do about a finding.
fn answers(who: &crate::Who, id: &str) -> Markup {
    html! {
        form.act action={ "/findings/" (id) "/answer" } method="post" {
            (crate::access::proof(who))
            button type="submit" { "I take it up" }
        }
        form.act action={ "/findings/" (id) "/dispose" } method="post" {
            (crate::access::proof(who))
            label { "It was " select name="disposition" {
                option value="benign" { "benign: it happened, and does no harm" }
                option value="expected" { "expected: it was announced" }
                option value="true" { "true: it was what it says" }
            } }
            label { "because " input name="reason" required maxlength="500"; }
            label { "quiet for " input name="days" type="number" min="1" max="30" value="7"; " days" }
            button type="submit" { "Say so" }
        }
    }
}

pub(crate) fn coverage(home: &HomeFacts) -> Markup {
    page(
        "Detection coverage",
        "/findings",
        &html! {
            p.lead { "Every rule, what it covers, and whether it can see anything here. Armed is only what a source was heard for that can tell everything that one of the rule's own cases needs." }
            ol.stages {
                li { strong { (home.rules.iter().filter(|about| about.get("blind").is_none_or(Value::is_null)).count()) } span { "Armed" } small { "a source that can tell it was heard" } }
                li { strong { (home.rules.iter().filter(|about| about.get("blind").is_some_and(Value::is_string)).count()) } span { "Blind" } small { "each says for want of what" } }
            }
            div.scroll tabindex="0" role="region" aria-label="Rules" { table {
                caption { (home.rules.len()) " rules" }
                thead { tr { th scope="col" { "Rule" } th scope="col" { "Finds" } th scope="col" { "Sees" } th scope="col" { "Tier" } th scope="col" { "Covers" } } }
                tbody { @for about in &home.rules { tr id=(text(about, "/rule")) {
                    td { code { (text(about, "/rule")) } } td { (text(about, "/finds")) }
                    td {
                        @if let Some(why) = about.get("blind").and_then(Value::as_str) { span.badge.open { span aria-hidden="true" { "?" } " blind" } " " (why) }
                        @else { span.badge.good { span aria-hidden="true" { "\u{2713}" } " armed" } }
                    }
                    td { (text(about, "/tier")) } td { (words(about, "covers").join(", ")) }
                } } }
            } }
            (crate::boards::export("coverage"))
        },
    )
}

fn words<'a>(about: &'a Value, name: &str) -> Vec<&'a str> {
    about.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}
