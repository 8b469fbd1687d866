//! Three boards from the same record: for who answers for it, for who is on call, for who looks into it.

use std::collections::{BTreeMap, BTreeSet};

use linkward_ledger::Kind;
use linkward_measure::{Measure, State, measures};
use linkward_model::Digest;
use linkward_record::{Filter, Store, StoreError};
use maud::{Markup, html};
use serde_json::Value;

use crate::graph::Graph;
use crate::layout::{badge, counted, digest, live, moment, page, subject, visible};
use crate::measures as shown;
use crate::request::{HomeFacts, Request};

const DAY: i64 = 24 * 60 * 60 * 1000;

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

fn tabs(current: &str) -> Markup {
    html! { ul.tabs aria-label="Boards" {
        @for (path, name) in [("/board/executive", "How we stand"), ("/board/on-call", "On call"), ("/board/debug", "In detail")] {
            li { @if path == current { a href=(path) aria-current="page" { (name) } } @else { a href=(path) { (name) } } }
        }
    } }
}

/// Links to a table as files.
pub(crate) fn export(table: &str) -> Markup {
    html! { p.export { "Export: " a href={ "/export/" (table) ".csv" } { (table) " as CSV" } ", " a href={ "/export/" (table) ".json" } { "JSON" } } }
}

fn one<'a>(all: &'a [Measure], code: &str) -> Option<&'a Measure> {
    all.iter().find(|measure| measure.code == code)
}

fn card(home: &HomeFacts, all: &[Measure], code: &str, name: &str) -> Markup {
    let Some(measure) = one(all, code) else { return html! {} };
    let values = home.history.get(code).map_or(&[][..], Vec::as_slice);
    html! { li {
        strong { (shown::value(measure)) } span { (name) }
        @if !values.is_empty() { (shown::spark(values, measure.target)) }
        small { (code) ", " (measure.state.as_str()) ", target " (shown::target(measure)) }
    } }
}

/// Services with what is open about them.
fn affected(home: &HomeFacts) -> BTreeMap<&str, u64> {
    let mut open: BTreeMap<&str, u64> = BTreeMap::new();
    for alert in &home.alerts {
        *open.entry(text(alert, "/deployment")).or_default() += 1;
    }
    open
}

pub(crate) fn executive(home: &HomeFacts) -> Markup {
    let all = measures(&home.counts);
    let pages = home.alerts.iter().filter(|alert| text(alert, "/severity") == "page").count();
    let affected = affected(home);
    let hit: Vec<&Value> =
        home.services.iter().filter(|service| affected.contains_key(text(service, "/name"))).collect();
    let customers: BTreeSet<&str> = hit
        .iter()
        .flat_map(|service| service.get("customers").and_then(Value::as_array).into_iter().flatten())
        .filter_map(Value::as_str)
        .collect();
    let behind: Vec<_> = home
        .counts
        .projects
        .iter()
        .filter(|project| project.gaps || home.now.since(project.at) > 30 * DAY)
        .collect();
    page(
        "How we stand",
        "/board/on-call",
        &html! {
            (tabs("/board/executive")) (live()) (shown::not_whole(home))
            ol.stages.cards {
                (card(home, &all, "M1", "Deployments verified"))
                li { strong { (pages) } span { "Open pages" } small { (counted(home.alerts.len(), "alert")) " in all, " (home.counts.unverified_workloads) " of " (home.counts.workloads) " workloads run unverified" } }
                (card(home, &all, "M7", "Time to detect"))
                (card(home, &all, "M8", "Time to roll back"))
                (card(home, &all, "M2", "Builds with SBOM"))
                li { strong { (hit.len()) } span { "Services affected" } small { @if home.services.is_empty() { "no service is listed in detect.toml" } @else { (counted(customers.len(), "customer")) ": " (customers.iter().copied().collect::<Vec<_>>().join(", ")) } } }
            }
            h2 { "Error budgets" }
            div.scroll tabindex="0" role="region" aria-label="Error budgets" { table {
                caption { "What is left for 28 days" }
                thead { tr { th scope="col" { "Objective" } th scope="col" { "State" } th scope="col" { "Left" } th scope="col" { "Counted" } th scope="col" { "Burn rates" } } }
                tbody { @for one in &home.budgets { (shown::budget(one)) } }
            } }
            (export("budgets"))
            h2 { "Behind on SBOM" }
            @if home.counts.projects.is_empty() { p { (badge("unknown")) " No SBOM of a project is recorded." } }
            @else if behind.is_empty() { p { (badge("passed")) " Every project with an SBOM has a whole one of the last 30 days." } }
            @else { div.scroll tabindex="0" role="region" aria-label="Behind on SBOM" { table {
                caption { "Projects and vendors whose newest SBOM has gaps or is older than 30 days" }
                thead { tr { th scope="col" { "Project" } th scope="col" { "Newest" } th scope="col" { "State" } th scope="col" { "Quality" } } }
                tbody { @for project in &behind { tr { td { (visible(&project.name)) } td { (moment(&project.at.to_string())) } td { @if project.gaps { "has gaps" } @else { "is old" } } td { @if let Some(points) = project.quality { (points) " of 100" } @else { "not known" } } } } }
            } } }
            h2 { "Services" }
            @if home.services.is_empty() { p { "List services with their owners as " code { "[[service]]" } " in detect.toml: alerts find their owner by them." } }
            @else {
                div.scroll tabindex="0" role="region" aria-label="Services" { table {
                    caption { "Who looks after what" }
                    thead { tr { th scope="col" { "Service" } th scope="col" { "Owner" } th scope="col" { "Criticality" } th scope="col" { "Customers" } th scope="col" { "Open alerts" } } }
                    tbody { @for service in &home.services { tr {
                        td { (visible(text(service, "/name"))) } td { (visible(text(service, "/owner"))) } td { (text(service, "/criticality")) }
                        td { (service.get("customers").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")) }
                        td { (affected.get(text(service, "/name")).copied().unwrap_or(0)) }
                    } } }
                } }
                (export("services"))
            }
        },
    )
}

/// A row for who is on call: what, where, since when, and what to do.
struct Row {
    mark: &'static str,
    what: String,
    about: String,
    at: String,
    link: String,
    action: String,
}

/// What an empty table means: nothing happened, or nobody looked.
enum Empty<'a> {
    Quiet(&'a str),
    Unwatched(&'a str),
}

fn rows(caption: &str, empty: &Empty<'_>, rows: &[Row]) -> Markup {
    html! {
        h2 { (caption) }
        @if rows.is_empty() { p { @match empty {
            Empty::Quiet(what) => { (badge("passed")) " " (what) }
            Empty::Unwatched(what) => { (badge("unknown")) " " (what) }
        } } }
        // On a phone the cells stand below each other; the roles keep it a table for ears.
        @else { div.scroll tabindex="0" role="region" aria-label=(caption) { table.rows role="table" {
            caption { (counted(rows.len(), "row")) ", newest first" }
            thead role="rowgroup" { tr role="row" { @for name in ["What", "About", "Since", "Next action"] { th scope="col" role="columnheader" { (name) } } } }
            tbody role="rowgroup" { @for row in rows { tr role="row" {
                td role="cell" { (badge(row.mark)) " " a href=(row.link) { (visible(&row.what)) } }
                td role="cell" { (subject(&row.about)) } td role="cell" { (moment(&row.at)) } td role="cell" { (visible(&row.action)) }
            } } }
        } } }
    }
}

/// Findings that stand, of some rules.
fn found(home: &HomeFacts, fits: impl Fn(&str) -> bool) -> Vec<Row> {
    let stands = |line: &&Value| {
        text(line, "/standing/standing") == "open"
            && text(line, "/finding/state") != "withdrawn"
            && fits(text(line, "/finding/rule"))
    };
    home.findings
        .iter()
        .filter(stands)
        .take(50)
        .map(|line| {
            let rule = text(line, "/finding/rule");
            let about = home.rules.iter().find(|about| text(about, "/rule") == rule).unwrap_or(&Value::Null);
            Row {
                mark: if text(line, "/finding/alert") == "page" { "page" } else { "ticket" },
                what: text(line, "/finding/title").to_owned(),
                about: text(line, "/finding/subject").to_owned(),
                at: text(line, "/finding/at").to_owned(),
                link: format!("/findings/{}", text(line, "/short")),
                action: text(about, "/response").to_owned(),
            }
        })
        .collect()
}

pub(crate) fn on_call(home: &HomeFacts) -> Markup {
    let alerts: Vec<Row> = home
        .alerts
        .iter()
        .rev()
        .take(100)
        .map(|alert| {
            let who = alert
                .get("answered")
                .and_then(Value::as_str)
                .map_or_else(String::new, |who| format!("{who}. "));
            let id = text(alert, "/findings/0");
            let link = if id.is_empty() {
                format!("/log/entry/{}", alert.get("record").and_then(Value::as_u64).unwrap_or(0))
            } else {
                format!("/findings/{id}")
            };
            let link = if text(alert, "/rule") == "alert-undelivered" {
                "/board/on-call#undelivered".to_owned()
            } else {
                link
            };
            Row {
                mark: if text(alert, "/severity") == "page" { "page" } else { "ticket" },
                what: text(alert, "/title").to_owned(),
                about: format!(
                    "{}{}",
                    text(alert, "/subject"),
                    alert
                        .get("owner")
                        .and_then(Value::as_str)
                        .map_or_else(String::new, |owner| format!(", owner {owner}"))
                ),
                at: text(alert, "/noticed").to_owned(),
                link,
                action: format!("{who}{}", text(alert, "/action")),
            }
        })
        .collect();
    let refused = |outcome: &str| -> Vec<Row> {
        let recent = home
            .counts
            .refused
            .iter()
            .rev()
            .filter(|one| one.outcome == outcome && home.now.since(one.at) <= DAY);
        recent
            .take(50)
            .map(|one| Row {
                mark: if outcome == "deny" { "refused" } else { "missing" },
                what: one.code.clone().unwrap_or_else(|| outcome.to_owned()),
                about: format!("{} in {}", one.image, one.namespace),
                at: one.at.to_string(),
                link: one.verdict.map_or_else(
                    || format!("/log/entry/{}", one.record),
                    |verdict| format!("/log/entry/{verdict}"),
                ),
                action: one.verdict.map_or_else(
                    || "Submit its evidence: linkward evidence add FILE".to_owned(),
                    |verdict| {
                        format!("linkward explain {verdict}, then mend what it names or hold the rollout")
                    },
                ),
            })
            .collect()
    };
    let heard = |sources: &[&str]| sources.iter().any(|source| home.counts.sources.contains_key(*source));
    let watched = |watched: bool, quiet, unwatched| {
        if watched { Empty::Quiet(quiet) } else { Empty::Unwatched(unwatched) }
    };
    let decided = home.counts.decisions.values().any(|count| *count > 0);
    let nothing_decided = "No decision of the gate is recorded yet.";
    page(
        "On call",
        "/board/on-call",
        &html! {
            (tabs("/board/on-call")) (live()) (shown::not_whole(home))
            @if !home.undelivered.is_empty() {
                p #undelivered { (badge("failed")) " Not delivered: "
                    @for (channel, count) in &home.undelivered { (visible(channel)) " (" (count) ") " } "; see " code { "linkward detect alerts" } }
            }
            (rows("Open alerts", &Empty::Quiet("Nobody was told anything that is still open."), &alerts))
            (export("alerts"))
            (rows("Failing verifications, 24 hours", &watched(decided, "No deployment was refused.", nothing_decided), &refused("deny")))
            (rows("Deployments without attestation, 24 hours", &watched(decided, "No deployment lacked evidence.", nothing_decided), &refused("unknown")))
            (rows("Registry writes", &watched(heard(&["registry"]), "No write to a registry that should not have been.", "No registry was heard: send its notifications (docs/events.md)."), &found(home, linkward_measure::is_registry)))
            (rows("Runners", &watched(heard(&["ci"]), "No anomaly of a runner.", "No CI system was heard: send its events (docs/events.md)."), &found(home, linkward_measure::is_runner)))
            (export("findings"))
        },
    )
}

pub(crate) fn debug(store: &Store, home: &HomeFacts, request: &Request<'_>) -> Result<Markup, StoreError> {
    let asked = request.parameter("digest").unwrap_or_default();
    let artifacts = crate::chain::artifacts(store, 30)?;
    let chosen =
        asked.trim().parse::<Digest>().ok().or_else(|| artifacts.first().map(|artifact| artifact.digest));
    let graph = chosen.map(|digest| Graph::of(store, &digest)).transpose()?;
    let newest =
        |kind: Kind, limit: usize| store.rows(&Filter { kind: Some(kind), term: None, before: None, limit });
    let mut signed = Vec::new();
    for row in newest(Kind::Proof, 15)?.iter().chain(&newest(Kind::Refusal, 10)?) {
        signed.push((row.index, row.kind, row.times.event, store.body(row.index)?.says));
    }
    signed.sort_by_key(|(index, ..)| std::cmp::Reverse(*index));
    let mut timeline = Vec::new();
    for kind in
        [Kind::Finding, Kind::Events, Kind::Action, Kind::Revocation, Kind::Mode, Kind::Decisions, Kind::Step]
    {
        for row in newest(kind, 12)? {
            timeline.push((row.index, kind, row.times.event, said(kind, &store.body(row.index)?.says)));
        }
    }
    timeline.sort_by_key(|(index, ..)| std::cmp::Reverse(*index));
    timeline.truncate(30);
    Ok(page(
        "In detail",
        "/board/on-call",
        &html! {
            (tabs("/board/debug")) (live())
            h2 { "Provenance of a build" }
            form.pick action="/board/debug" method="get" {
                label for="digest" { "Artifact" } " "
                input #digest name="digest" value=(asked) placeholder="sha256:..." list="known";
                datalist #known { @for artifact in &artifacts { option value=(artifact.digest) { (visible(&artifact.name)) } } }
                " " button type="submit" { "Draw" }
            }
            @match &graph {
                Some(graph) if graph.tells() => { (graph.draw()) }
                Some(graph) => { (graph.draw()) p { "Nothing more is recorded of it: build it with " code { "linkward run -- CMD" } "." } }
                None => { p { "No artifact was decided about yet. Run " code { "linkward up" } "." } }
            }
            h2 { "Signing history" }
            @if signed.is_empty() { p { "Nothing was proven or refused yet." } }
            @else { div.scroll tabindex="0" role="region" aria-label="Signing history" { table {
                caption { "Proofs and refusals, newest first" }
                thead { tr { th scope="col" { "Record" } th scope="col" { "Outcome" } th scope="col" { "Of" } th scope="col" { "By" } th scope="col" { "Time" } } }
                tbody { @for (index, kind, at, says) in &signed { tr {
                    td { a href={ "/log/entry/" (index) } { (index) } }
                    td { (badge(if *kind == Kind::Proof { "proven" } else { "refused" })) }
                    td { (visible(text(says, "/name"))) " " small { (visible(text(says, "/predicate_type"))) (text(says, "/code")) } }
                    td { (signer(says)) } td { (moment(&at.to_string())) }
                } } }
            } } }
            h2 { "Timeline" }
            @if timeline.is_empty() { p { "Nothing happened yet." } }
            @else { div.scroll tabindex="0" role="region" aria-label="Timeline" { table {
                caption { "What happened, newest first" }
                thead { tr { th scope="col" { "Record" } th scope="col" { "Kind" } th scope="col" { "What" } th scope="col" { "Time" } } }
                tbody { @for (index, kind, at, what) in &timeline { tr {
                    td { a href={ "/log/entry/" (index) } { (index) } } td.word { (kind) } td { (subject(what)) } td { (moment(&at.to_string())) }
                } } }
            } } }
            (export("records"))
            p { "Records " (home.counts.records) " counted. " a href="/log" { "The whole log" } "." }
        },
    ))
}

fn signer(says: &Value) -> Markup {
    match says.get("signer") {
        Some(signer) if text(signer, "/type") == "key" => digest(text(signer, "/id")),
        Some(signer) => html! { (visible(text(signer, "/subject"))) },
        None => html! { "-" },
    }
}

/// A record in a line.
fn said(kind: Kind, says: &Value) -> String {
    let number = |pointer: &str| says.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    match kind {
        Kind::Finding => format!(
            "{} {}: {}",
            text(says, "/finding/state"),
            text(says, "/finding/rule"),
            text(says, "/finding/subject")
        ),
        Kind::Events => {
            format!("{} of {}", counted(number("/count") as usize, "event"), text(says, "/source"))
        }
        Kind::Decisions => format!("{} of the gate", counted(number("/decisions") as usize, "decision")),
        Kind::Step => format!(
            "step {} ended with {}",
            text(says, "/name"),
            says.get("exit_code").map(ToString::to_string).unwrap_or_default()
        ),
        Kind::Revocation => {
            format!("{} {} {}", text(says, "/what"), text(says, "/kind"), text(says, "/value"))
        }
        Kind::Mode => format!("the gate is in {}", text(says, "/mode")),
        _ if text(says, "/what") == "deployment" => {
            format!("{} {}", text(says, "/deployment/workload"), text(says, "/deployment/happened/event"))
        }
        _ => format!("{} {}", text(says, "/what"), text(says, "/rule")),
    }
}

/// What the API gives of the boards.
pub(crate) fn json(home: &HomeFacts) -> Value {
    let missed: Vec<&str> =
        measures(&home.counts).iter().filter(|one| one.state == State::Missed).map(|one| one.code).collect();
    serde_json::json!({
        "version": 1, "at": home.now, "whole": home.counted, "alerts": home.alerts, "missed": missed,
        "budgets": home.budgets, "services": home.services, "unverified": home.counts.unverified,
        "undelivered": home.undelivered.iter().map(|(channel, count)| serde_json::json!({ "channel": channel, "count": count })).collect::<Vec<_>>(),
    })
}
