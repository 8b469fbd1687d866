//! One function a page.

use linkward_ledger::merkle::{leaf_hash, root_from_inclusion};
use linkward_ledger::{Kind, LogName, Term, TermKind};
use linkward_model::{Code, Digest};
use linkward_record::{Filter, Row, Store, StoreError};
use maud::{Markup, html};
use serde_json::Value;

use crate::chain;
use crate::layout::{badge, digest, message, page, requirement, visible};
use crate::request::{HomeFacts, Request, Response};

pub(crate) fn chain(store: &Store, home: &HomeFacts) -> Result<Markup, StoreError> {
    let chain = chain::read(store)?;
    let cell = |artifact: &chain::Artifact, name: &str| match artifact.requirement(name) {
        Some(outcome) => requirement(outcome),
        None => html! { span { "-" } },
    };
    Ok(page(
        "The chain",
        "/",
        &html! {
            p.lead { "From commit to running process: what was seen, what somebody claims, what is proven, and what policy says. "
                "Environment " strong { (home.environment) } ", admission in " a href="/gate" { (home.mode) } "." }
            ol.stages {
                @for stage in &chain.stages {
                    li { strong { (stage.count) } span { (stage.name) } small { (stage.what) } }
                }
            }
            h2 { "Source and dependencies" }
            @if chain.inputs.is_empty() { p { "No project was looked at yet." } }
            @else { div.scroll tabindex="0" role="region" aria-label="Source and dependencies" { table {
                caption { "The newest of each project" }
                thead { tr { th scope="col" { "Project" } th scope="col" { "What" } th scope="col" { "Name" } th scope="col" { "State" }
                    th scope="col" { "Signature" } th scope="col" { "Record" } } }
                tbody { @for input in &chain.inputs { tr {
                    td { (visible(&input.project)) } td.word { (input.what) } td { (visible(&input.name)) } td { (visible(&input.state)) }
                    td { @if let Some(signature) = &input.signature { (badge(signature)) " " } (visible(&input.detail)) }
                    td { a href={ "/log/entry/" (input.record) } { "record " (input.record) } }
                } } }
            } } }
            h2 { "Artifacts" }
            @if chain.artifacts.is_empty() {
                p { "Nothing was decided yet. Run " code { "linkward up" } " in a project, or " code { "linkward run -- CMD" } " to build one." }
            } @else {
                div.scroll tabindex="0" role="region" aria-label="Artifacts" {
                    table {
                        caption { "The newest verdict of each artifact" }
                        thead { tr {
                            th scope="col" { "Artifact" } th scope="col" { "Digest" } th scope="col" { "SBOM" }
                            th scope="col" { "Provenance" } th scope="col" { "Signature" } th scope="col" { "Log proof" }
                            th scope="col" { "Verdict" } th scope="col" { "Why" }
                        } }
                        tbody {
                            @for artifact in &chain.artifacts {
                                tr {
                                    td { a href={ "/artifact/" (artifact.digest) } { (visible(&artifact.name)) } }
                                    td { (digest(&artifact.digest.to_string())) }
                                    td { (cell(artifact, "sbom")) } td { (cell(artifact, "provenance")) }
                                    td { (cell(artifact, "signed")) } td { (cell(artifact, "logged")) }
                                    td { (badge(&artifact.outcome)) }
                                    td { @if let Some(code) = &artifact.code { (code_link(code)) " " (visible(&artifact.detail)) " " }
                                        a href={ "/log/entry/" (artifact.record) } { "record " (artifact.record) } }
                                }
                            }
                        }
                    }
                }
            }
            (crate::boards::export("artifacts"))
            h2 { "Newest records" }
            (records(&store.rows(&Filter { limit: 10, ..Filter::default() })?, "The last ten records of the log"))
            h2 { "The log" }
            dl { dt { "Origin" } dd { code { (chain.log.origin) } } dt { "Records" } dd { (chain.log.size) }
                dt { "Root" } dd { code { (chain.log.root) } } }
        },
    ))
}

fn code_link(code: &str) -> Markup {
    html! { a href={ "/codes/" (code) } { (code) } }
}

fn records(rows: &[Row], caption: &str) -> Markup {
    if rows.is_empty() {
        return html! { p { "No records." } };
    }
    html! {
        div.scroll tabindex="0" role="region" aria-label=(caption) { table {
            caption { (caption) }
            thead { tr { th scope="col" { "Record" } th scope="col" { "Kind" } th scope="col" { "Environment" } th scope="col" { "Time" } th scope="col" { "Blob" } } }
            tbody { @for row in rows { tr {
                td { a href={ "/log/entry/" (row.index) } { (row.index) } }
                td { (row.kind) } td { (row.environment) } td { (row.times.event) } td { (digest(&row.blob.to_string())) }
            } } }
        } }
    }
}

pub(crate) fn artifact(store: &Store, text: &str) -> Result<Response, StoreError> {
    let Ok(parsed) = text.parse::<Digest>() else {
        return Ok(Response::page(
            404,
            message(
                "Not a digest",
                "An artifact is named as sha256: and 64 hexadecimal digits.",
                "linkward check FILE",
            ),
        ));
    };
    let term = Term::digest(&parsed);
    let of = |kind: Kind| {
        store.rows(&Filter { kind: Some(kind), term: Some(term.clone()), before: None, limit: 50 })
    };
    let verdicts = of(Kind::Verdict)?;
    let all = store.rows(&Filter { kind: None, term: Some(term.clone()), before: None, limit: 100 })?;
    if all.is_empty() {
        return Ok(Response::page(
            404,
            message("Nothing is recorded of this digest", text, "linkward check FILE"),
        ));
    }
    let newest = match verdicts.first() {
        Some(row) => chain::artifact(&store.body(row.index)?.says, row.index),
        None => None,
    };
    let mut proofs = Vec::new();
    for row in of(Kind::Proof)?.iter().chain(&of(Kind::Refusal)?) {
        proofs.push((row.index, row.kind, store.body(row.index)?.says));
    }
    let sboms = of(Kind::Sbom)?;
    let name = newest.as_ref().map_or_else(|| parsed.short(), |artifact| visible(&artifact.name));
    let content = html! {
        dl { dt { "Digest" } dd { code { (parsed) } }
            @if let Some(artifact) = &newest {
                dt { "Verdict" } dd { (badge(&artifact.outcome)) " in " (artifact.environment) ", "
                    a href={ "/log/entry/" (artifact.record) } { "record " (artifact.record) } }
                dt { "Replay" } dd { code { "linkward explain " (artifact.record) } }
            } }
        @let graph = crate::graph::Graph::of(store, &parsed)?;
        @if graph.tells() { h2 { "Provenance" } (graph.draw()) }
        @if let Some(artifact) = &newest {
            h2 { "Requirements" }
            @if artifact.requirements.is_empty() { p { (visible(&artifact.detail)) } } @else {
                div.scroll tabindex="0" role="region" aria-label="Requirements" { table {
                    caption { "What policy asks for, and what was found" }
                    thead { tr { th scope="col" { "Requirement" } th scope="col" { "Outcome" } th scope="col" { "Code" } th scope="col" { "Found" } } }
                    tbody { @for item in &artifact.requirements { tr {
                        td { (field(item, "requirement")) } td { (requirement(field(item, "outcome"))) }
                        td { @if let Some(code) = item.get("code").and_then(Value::as_str) { (code_link(code)) } @else { "-" } }
                        td { (visible(field(item, "detail"))) }
                    } } }
                } }
            }
        }
        h2 { "Evidence" }
        @if proofs.is_empty() { p { "No evidence was proven or refused. What was merely found is observed, not attested." } }
        @for (index, kind, says) in &proofs {
            h3 { (kind) " " a href={ "/log/entry/" (index) } { "record " (index) } " "
                (visible(says.get("predicate_type").and_then(Value::as_str).unwrap_or_else(|| field(says, "message")))) }
            @if let Some(signer) = says.get("signer") { p { "Signed by " code { (visible(&signer_name(signer))) } } }
            div.scroll tabindex="0" role="region" aria-label={ "Checks of record " (index) } { table {
                caption { "The checks, one by one" }
                thead { tr { th scope="col" { "Check" } th scope="col" { "Outcome" } th scope="col" { "Detail" } } }
                tbody { @for check in says.get("checks").and_then(Value::as_array).into_iter().flatten() { tr {
                    td { (field(check, "name")) } td { (badge(field(check, "outcome"))) }
                    td { @if let Some(code) = check.get("code").and_then(Value::as_str) { (code_link(code)) " " }
                        (visible(field(check, "detail"))) (visible(field(check, "why"))) }
                } } }
            } }
        }
        @if let Some(row) = sboms.first() { h2 { "SBOM" } (components(store, row)?) (records(&sboms, "SBOMs that name this artifact")) }
        h2 { "Records" }
        (records(&all, "Everything that is recorded of this digest"))
    };
    Ok(Response::page(200, page(&name, "", &content)))
}

/// What an SBOM's record says: its packages, the first of them by name, and its gaps.
fn components(store: &Store, row: &Row) -> Result<Markup, StoreError> {
    const MOST: usize = 100;
    let body = store.body(row.index)?;
    let packages: Vec<&str> = body
        .terms
        .iter()
        .filter(|term| term.kind == TermKind::Package)
        .map(|term| term.value.as_str())
        .collect();
    let gaps = body.says.get("gaps").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    Ok(html! {
        p { (packages.len()) " packages, from " a href={ "/log/entry/" (row.index) } { "record " (row.index) } "." }
        @if let Some(points) = body.says.pointer("/quality/score").and_then(Value::as_u64) {
            p { "Quality " (points) " of 100." }
            ul { @for reason in body.says.pointer("/quality/reasons").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) { li { (visible(reason)) } } }
        }
        @if !gaps.is_empty() {
            p { (badge("missing")) " The SBOM has gaps:" }
            ul { @for gap in gaps.iter().take(20).filter_map(Value::as_str) { li { (visible(gap)) } }
                @if gaps.len() > 20 { li { "and " (gaps.len() - 20) " more" } } }
        }
        details { summary { "Packages" }
            ul.packages { @for package in packages.iter().take(MOST) { li { a href={ "/search?q=" (escaped(package)) } { (visible(package)) } } }
                @if packages.len() > MOST { li { "and " (packages.len() - MOST) " more: " code { "linkward sbom" } } } } }
    })
}

/// A value in a query.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' | b':' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or("")
}

fn signer_name(signer: &Value) -> String {
    match field(signer, "type") {
        "key" => field(signer, "id").to_owned(),
        _ => format!("{} (by {})", field(signer, "subject"), field(signer, "issuer")),
    }
}

pub(crate) fn log(store: &Store, request: &Request<'_>) -> Result<Markup, StoreError> {
    let checkpoint = store.checkpoint(LogName::Evidence)?;
    let before = request.parameter("before").and_then(|text| text.parse().ok());
    let rows = store.rows(&Filter { kind: None, term: None, before, limit: 50 })?;
    let last = rows.last().map(|row| row.index).filter(|index| *index > 0);
    Ok(page(
        "The log",
        "/log",
        &html! {
            p.lead { "An append-only Merkle tree. Anybody with this checkpoint can prove that a record is in it, and that nothing was taken out." }
            pre tabindex="0" role="region" aria-label="Checkpoint" { (visible(&String::from_utf8_lossy(checkpoint.note()))) }
            @for witness in store.witnesses().unwrap_or_default() {
                p {
                    @match &witness.trouble {
                        Some(why) => { (badge("unknown")) " witness " code { (visible(&witness.name)) } " did not cosign: " (visible(why)) }
                        None => { (badge("passed")) " witness " code { (visible(&witness.name)) } @if let Some(size) = witness.sizes.get(&LogName::Evidence) { " cosigned the first " (size) " records" } @else { " was not asked yet" } }
                    }
                }
            }
            p { a href="/log/verify" { "Verify in place" } ", or read the tiles: " a href="/tlog/evidence/checkpoint" { "checkpoint" } }
            (records(&rows, "Records, newest first"))
            @if let Some(last) = last { p { a href={ "/log?before=" (last) } { "Older records" } } }
        },
    ))
}

pub(crate) fn entry(store: &Store, text: &str) -> Result<Response, StoreError> {
    let size = store.checkpoint(LogName::Evidence)?.size();
    let Some(index) = text.parse::<u64>().ok().filter(|index| *index < size) else {
        let what = format!("The log has {size} records.");
        return Ok(Response::page(404, message("No such record", &what, "linkward log list")));
    };
    let checkpoint = store.checkpoint(LogName::Evidence)?;
    let record = store.read(index)?;
    let leaf = record.envelope().encode();
    let proof = store.inclusion(LogName::Evidence, index, checkpoint.size())?;
    let root = root_from_inclusion(index, checkpoint.size(), &leaf_hash(&leaf), &proof).ok();
    let body = store.body(index)?;
    let says = serde_json::to_string_pretty(&body.says).unwrap_or_default();
    let content = html! {
        dl { dt { "Kind" } dd { (body.kind) } dt { "Event" } dd { (record.envelope().times.event) }
            dt { "Claimed" } dd { @match record.envelope().times.claimed { Some(time) => (time), None => "not claimed" } }
            dt { "Proven" } dd { @match record.envelope().times.proven { Some(time) => (time), None => "not proven" } }
            dt { "Blob" } dd { code { (record.envelope().blob) } }
            dt { "Leaf hash" } dd { code { (leaf_hash(&leaf)) } }
            dt { "Inclusion" } dd { @if root == Some(checkpoint.root()) { (badge("passed")) } @else { (badge("failed")) }
                " recomputed just now: leaf " (index) " of " (checkpoint.size()) " leads to root " code { (checkpoint.root()) } } }
        h2 { "Says" }
        pre tabindex="0" role="region" aria-label="What the record says" { (visible(&says)) }
        @if !body.terms.is_empty() {
            h2 { "Found by" }
            ul { @for term in body.terms.iter().take(50) { li { (term.kind.as_str()) ": "
                @if term.kind == TermKind::Digest { a href={ "/artifact/" (term.value) } { code { (term.value) } } }
                @else { (visible(&term.value)) } } }
                @if body.terms.len() > 50 { li { "and " (body.terms.len() - 50) " more" } } }
        }
        h2 { "Audit path" }
        @if proof.is_empty() { p { "The record is the whole tree." } }
        ol { @for hash in &proof { li { code { (hash) } } } }
    };
    Ok(Response::page(200, page(&format!("Record {index}"), "", &content)))
}

pub(crate) fn record_json(store: &Store, text: &str) -> Result<Response, StoreError> {
    let size = store.checkpoint(LogName::Evidence)?.size();
    let Some(index) = text.parse::<u64>().ok().filter(|index| *index < size) else {
        let mut response =
            Response::json(&serde_json::json!({ "error": format!("the log has {size} records") }));
        response.status = 404;
        return Ok(response);
    };
    let record = store.read(index)?;
    Ok(Response::json(&serde_json::json!({
        "version": 1, "record": index, "envelope": record.envelope(), "body": store.body(index)?,
    })))
}

/// Checks what a reader would check first: the newest records against the signed root, each anew.
pub(crate) fn verify(store: &Store) -> Result<Markup, StoreError> {
    const MOST: u64 = 500;
    let checkpoint = store.checkpoint(LogName::Evidence)?;
    let from = checkpoint.size().saturating_sub(MOST);
    let mut wrong = None;
    for index in from..checkpoint.size() {
        // `read` proves leaf, blob and inclusion.
        if let Err(error) = store.read(index) {
            wrong = Some(format!("record {index}: {error}"));
            break;
        }
    }
    Ok(page(
        "Verify the log",
        "/log",
        &html! {
            @match &wrong {
                None => p { (badge("passed")) " Records " (from) " to " (checkpoint.size().saturating_sub(1)) " were read just now; each blob has its digest, and each leaf is proven to be in the tree of the signed checkpoint." },
                Some(what) => p { (badge("failed")) " " (visible(what)) },
            }
            p { "To read every tile, entry and blob from the first byte to the last: " code { "linkward log verify" } }
            pre tabindex="0" role="region" aria-label="Checkpoint" { (visible(&String::from_utf8_lossy(checkpoint.note()))) }
        },
    ))
}

/// Types of purls that a bare name is looked for in.
const ECOSYSTEMS: &[&str] = &[
    "cargo", "npm", "pypi", "golang", "maven", "nuget", "gem", "composer", "deb", "rpm", "apk", "oci",
    "github",
];

pub(crate) fn search(store: &Store, request: &Request<'_>) -> Result<Markup, StoreError> {
    let query = request.parameter("q").unwrap_or_default();
    let query = query.trim();
    let mut groups = Vec::new();
    if !query.is_empty() && query.len() <= 500 {
        let plain = format!("sha256:{query}");
        // A package by its bare name, whatever its ecosystem.
        let purls: Vec<String> = ECOSYSTEMS.iter().map(|kind| format!("pkg:{kind}/{query}")).collect();
        let mut prefixes: Vec<(TermKind, &str)> = vec![
            (TermKind::Digest, query),
            (TermKind::Digest, &plain),
            (TermKind::Package, query),
            (TermKind::Identity, query),
            (TermKind::Name, query),
            (TermKind::Builder, query),
            (TermKind::Revision, query),
        ];
        prefixes.extend(purls.iter().map(|purl| (TermKind::Package, purl.as_str())));
        for (kind, prefix) in prefixes {
            for value in store.terms(kind, prefix, 20)? {
                let term = Term::new(kind, &value);
                let rows = store.rows(&Filter { kind: None, term: Some(term), before: None, limit: 5 })?;
                groups.push((kind, value, rows));
            }
        }
    }
    Ok(page(
        "Search",
        "",
        &html! {
            @if query.is_empty() { p { "Search by the start of a digest, a package as " code { "serde" } " or " code { "pkg:cargo/serde" } ", a signer, a builder, a revision as " code { "git:" } ", or a name." } }
            @else if groups.is_empty() { p { "Nothing recorded starts with " code { (visible(query)) } "." } }
            @for (kind, value, rows) in &groups {
                h2 { (kind.as_str()) ": "
                    @if *kind == TermKind::Digest { a href={ "/artifact/" (value) } { (visible(value)) } } @else { (visible(value)) } }
                (records(rows, "Newest records"))
            }
        },
    ))
}

pub(crate) fn gate(home: &HomeFacts) -> Markup {
    page(
        "The admission gate",
        "/gate",
        &html! {
            p.lead { "Mode " strong { (home.mode) } ". In observe everything is allowed, with warnings; enforcing refuses to start until what was seen is covered." }
            @if home.decisions_dropped > 0 { p { (badge("failed")) " " (home.decisions_dropped) " decisions were not written down: the journal was full." } }
            h2 { "Seen" }
            @if home.seen.is_empty() { p { "No review has come yet. Apply the webhook: " code { "linkward admit manifest | kubectl apply -f -" } } }
            @else { div.scroll tabindex="0" role="region" aria-label="Images" { table { caption { "Images in reviews" }
                thead { tr { th scope="col" { "Image" } th scope="col" { "Workload" } th scope="col" { "Reviews" } } }
                tbody { @for (image, workload, count) in &home.seen { tr { td { (visible(image)) } td { (visible(workload)) } td { (count) } } } } } } }
            h2 { "Would break" }
            @if home.would_break.is_empty() { p { (badge("passed")) " Enforcing would refuse nothing of what was seen." } }
            @else { ul { @for item in &home.would_break { li { (visible(item)) } } } }
        },
    )
}

pub(crate) fn codes() -> Markup {
    page(
        "Reason codes",
        "/codes",
        &html! { div.scroll tabindex="0" role="region" aria-label="Codes" { table { caption { "Every refusal has a stable code" }
            thead { tr { th scope="col" { "Code" } th scope="col" { "Meaning" } } }
            tbody { @for code in Code::ALL { tr { td { (code_link(code.as_str())) } td { (code.summary()) } } } }
        } } },
    )
}

pub(crate) fn code(text: &str) -> Response {
    match text.parse::<Code>() {
        Ok(code) => Response::page(
            200,
            page(
                code.as_str(),
                "/codes",
                &html! { p.lead { (code.summary()) } h2 { "What to do" } p { (code.fix()) } },
            ),
        ),
        Err(_) => Response::page(404, message("No such code", text, "linkward code")),
    }
}
