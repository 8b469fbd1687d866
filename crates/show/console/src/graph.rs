//! The provenance of a build as a graph: source, materials, builder, artifact, images and workloads. Drawn on the server,
//! each node a link to its record; the same in words below it, for whoever does not see pictures.

use linkward_ledger::{Kind, Term, TermKind};
use linkward_model::Digest;
use linkward_record::{Filter, Row, Store, StoreError};
use maud::{Markup, html};
use serde_json::Value;

use crate::layout::{counted, visible};

/// Columns of the drawing, in the order of the chain.
const STAGES: [&str; 6] = ["Source", "Materials", "Builder", "Artifact", "Image", "Workload"];
/// Nodes of one column; the rest is counted.
const MOST: usize = 6;
const WIDTH: usize = 156;
const HEIGHT: usize = 52;
const GAP_X: usize = 36;
const GAP_Y: usize = 16;
const TOP: usize = 34;

#[derive(Clone, Debug)]
struct Node {
    stage: usize,
    title: String,
    detail: String,
    /// `good`, `bad`, `open` or `quiet`.
    state: &'static str,
    link: String,
}

#[derive(Debug, Default)]
pub(crate) struct Graph {
    nodes: Vec<Node>,
    /// From node to node, with the word of the edge.
    edges: Vec<(usize, usize, &'static str)>,
    /// By column, how many are not drawn.
    left_out: [usize; STAGES.len()],
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

impl Graph {
    fn add(
        &mut self,
        stage: usize,
        title: &str,
        detail: &str,
        state: &'static str,
        link: String,
    ) -> Option<usize> {
        if let Some(known) = self.nodes.iter().position(|node| node.stage == stage && node.title == title) {
            return Some(known);
        }
        if self.nodes.iter().filter(|node| node.stage == stage).count() >= MOST {
            if let Some(left) = self.left_out.get_mut(stage) {
                *left += 1;
            }
            return None;
        }
        let (title, detail) = (title.to_owned(), detail.to_owned());
        self.nodes.push(Node { stage, title, detail, state, link });
        Some(self.nodes.len() - 1)
    }

    fn join(&mut self, from: Option<usize>, to: Option<usize>, word: &'static str) {
        if let (Some(from), Some(to)) = (from, to)
            && !self.edges.iter().any(|(a, b, _)| (*a, *b) == (from, to))
        {
            self.edges.push((from, to, word));
        }
    }

    /// Whether there is more to see than the artifact itself.
    pub(crate) fn tells(&self) -> bool {
        !self.edges.is_empty()
    }

    /// What is recorded about one artifact.
    pub(crate) fn of(store: &Store, digest: &Digest) -> Result<Self, StoreError> {
        let of = |kind: Kind, limit: usize| -> Result<Vec<Row>, StoreError> {
            let term = Some(Term::digest(digest));
            store.rows(&Filter { kind: Some(kind), term, before: None, limit })
        };
        let entry = |index: u64| format!("/log/entry/{index}");
        let mut graph = Self::default();
        let verdict = of(Kind::Verdict, 1)?;
        let (mut name, mut outcome) = (digest.short(), "unknown".to_owned());
        if let Some(row) = verdict.first() {
            let says = store.body(row.index)?.says;
            name = text(&says, "/question/name").to_owned();
            outcome = text(&says, "/outcome").to_owned();
        }
        let state = match outcome.as_str() {
            "allow" => "good",
            "deny" => "bad",
            _ => "open",
        };
        let detail = format!("{outcome}, {}", digest.hex().get(..8).unwrap_or(""));
        let artifact = graph.add(3, &name, &detail, state, format!("/artifact/{digest}"));
        for row in of(Kind::Proof, 20)? {
            let body = store.body(row.index)?;
            let builder = text(&body.says, "/builder");
            if builder.is_empty() {
                continue;
            }
            let short = builder.rsplit_once("//").map_or(builder, |(_, rest)| rest);
            let builder = graph.add(2, short, "provenance proven", "good", entry(row.index));
            graph.join(builder, artifact, "built");
            for term in body.terms.iter().filter(|term| term.kind == TermKind::Revision) {
                let source = graph.source(store, &term.value)?;
                graph.join(source, builder, "read");
            }
        }
        for row in of(Kind::Step, 3)? {
            let says = store.body(row.index)?.says;
            let command: Vec<&str> = says
                .get("command")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let step = graph.add(
                2,
                &format!("step {}", text(&says, "/name")),
                &command.join(" "),
                "quiet",
                entry(row.index),
            );
            graph.join(step, artifact, "made");
            for material in says.get("materials").and_then(Value::as_array).into_iter().flatten() {
                let name = material.get(0).and_then(Value::as_str).unwrap_or("");
                let digest =
                    material.get(1).and_then(Value::as_str).and_then(|text| text.parse::<Digest>().ok());
                let short = digest.map_or_else(String::new, |digest| digest.short());
                let material = graph.add(1, name, &short, "quiet", entry(row.index));
                graph.join(material, step, "read");
            }
        }
        for row in of(Kind::Sbom, 1)? {
            let body = store.body(row.index)?;
            let gaps = body.says.get("gaps").and_then(Value::as_array).map_or(0, Vec::len);
            let packages = body.terms.iter().filter(|term| term.kind == TermKind::Package).count();
            let (state, detail) = if gaps == 0 {
                ("good", "nothing left out".to_owned())
            } else {
                ("open", counted(gaps, "gap"))
            };
            let sbom = graph.add(
                1,
                &counted(packages, "package"),
                &format!("SBOM, {detail}"),
                state,
                entry(row.index),
            );
            graph.join(sbom, artifact, "is in");
            for term in body.terms.iter().filter(|term| term.kind == TermKind::Revision) {
                let source = graph.source(store, &term.value)?;
                graph.join(source, sbom, "names");
            }
        }
        for row in of(Kind::Observation, 5)? {
            let body = store.body(row.index)?;
            for term in body.terms.iter().filter(|term| term.kind == TermKind::Revision) {
                let source = graph.source(store, &term.value)?;
                graph.join(source, artifact, "seen beside");
            }
        }
        for row in of(Kind::Action, 40)? {
            let says = store.body(row.index)?.says;
            if text(&says, "/what") != "deployment" {
                continue;
            }
            let images = says.pointer("/deployment/happened/images").and_then(Value::as_array);
            let mine = |image: &&str| image.ends_with(&digest.to_string());
            for image in images.into_iter().flatten().filter_map(Value::as_str).filter(mine) {
                let name = image.split_once('@').map_or(image, |(name, _)| name);
                let image = graph.add(4, name, &digest.short(), state, format!("/artifact/{digest}"));
                graph.join(artifact, image, "is");
                let workload = text(&says, "/deployment/workload");
                let revision = says.pointer("/deployment/revision").and_then(Value::as_u64).unwrap_or(0);
                let workload =
                    graph.add(5, workload, &format!("revision {revision}"), state, entry(row.index));
                graph.join(image, workload, "runs in");
            }
        }
        Ok(graph)
    }

    fn source(&mut self, store: &Store, revision: &str) -> Result<Option<usize>, StoreError> {
        let term = Some(Term::new(TermKind::Revision, revision));
        let mut found = None;
        for row in store.rows(&Filter { kind: Some(Kind::Observation), term, before: None, limit: 5 })? {
            let says = store.body(row.index)?.says;
            if text(&says, "/what") == "source" {
                let state = match text(&says, "/signature/state") {
                    "proven" => "good",
                    "refused" => "bad",
                    _ => "open",
                };
                found = Some((row.index, state, text(&says, "/signature/state").to_owned()));
                break;
            }
        }
        let short: String = revision.chars().take(16).collect();
        let (state, detail, link) = match found {
            Some((index, state, word)) => (state, format!("signature {word}"), format!("/log/entry/{index}")),
            None => ("open", "not seen here".to_owned(), format!("/search?q={revision}")),
        };
        Ok(self.add(0, &short, &detail, state, link))
    }

    fn place(&self, index: usize) -> (usize, usize) {
        let Some(node) = self.nodes.get(index) else { return (0, 0) };
        let row = self.nodes.iter().take(index).filter(|other| other.stage == node.stage).count();
        (node.stage * (WIDTH + GAP_X), TOP + row * (HEIGHT + GAP_Y))
    }

    pub(crate) fn draw(&self) -> Markup {
        let rows =
            (0..STAGES.len()).map(|stage| self.nodes.iter().filter(|node| node.stage == stage).count()).max();
        let width = STAGES.len() * (WIDTH + GAP_X) - GAP_X;
        let height = TOP + rows.unwrap_or(1) * (HEIGHT + GAP_Y) + 18;
        html! {
            div.scroll.drawing tabindex="0" role="region" aria-label="Provenance graph" {
                svg.graph viewBox={ "-2 0 " (width + 4) " " (height) } width=(width + 4) height=(height) role="group"
                    aria-label="From source to workload; the same in words below" {
                    @for (stage, name) in STAGES.iter().enumerate() {
                        text.column x=(stage * (WIDTH + GAP_X)) y="18" { (name) }
                        @if self.left_out.get(stage).copied().unwrap_or(0) > 0 {
                            text.column x=(stage * (WIDTH + GAP_X)) y=(height - 6) { "and " (self.left_out.get(stage).copied().unwrap_or(0)) " more" }
                        }
                    }
                    @for (from, to, _) in &self.edges { (self.edge(*from, *to)) }
                    @for (index, node) in self.nodes.iter().enumerate() {
                        @let (x, y) = self.place(index);
                        a href=(node.link) aria-label={ (STAGES.get(node.stage).copied().unwrap_or("")) ": " (visible(&node.title)) ", " (visible(&node.detail)) } {
                            title { (visible(&node.title)) "\n" (visible(&node.detail)) }
                            rect class={ "node " (node.state) } x=(x) y=(y) width=(WIDTH) height=(HEIGHT) rx="8" {}
                            text.name x=(x + 10) y=(y + 22) { (mark(node.state)) " " (short(&node.title, 15)) }
                            text.detail x=(x + 10) y=(y + 40) { (short(&node.detail, 20)) }
                        }
                    }
                }
            }
            details { summary { "The same in words" }
                ul { @for (from, to, word) in &self.edges {
                    @if let (Some(from), Some(to)) = (self.nodes.get(*from), self.nodes.get(*to)) {
                        li { a href=(from.link) { (visible(&from.title)) } " " (word) " " a href=(to.link) { (visible(&to.title)) } " (" (visible(&to.detail)) ")" }
                    }
                } } }
        }
    }

    fn edge(&self, from: usize, to: usize) -> Markup {
        let ((x1, y1), (x2, y2)) = (self.place(from), self.place(to));
        let (x1, y1, y2) = (x1 + WIDTH, y1 + HEIGHT / 2, y2 + HEIGHT / 2);
        let middle = x1 + GAP_X / 2;
        // Beyond the next column it goes through the gap between rows, not through boxes.
        let path = if x2 > x1 + GAP_X {
            let lane = y1.max(y2) + HEIGHT / 2 + GAP_Y / 2;
            format!(
                "M{x1} {y1} C{middle} {y1} {middle} {lane} {} {lane} L{} {lane} C{} {lane} {} {y2} {x2} {y2}",
                x1 + GAP_X,
                x2 - GAP_X,
                x2 - GAP_X / 2,
                x2 - GAP_X / 2
            )
        } else {
            format!("M{x1} {y1} C{middle} {y1} {middle} {y2} {x2} {y2}")
        };
        html! { path.edge d=(path) {} }
    }
}

fn mark(state: &str) -> &'static str {
    match state {
        "good" => "\u{2713}",
        "bad" => "\u{2717}",
        "open" => "?",
        _ => "\u{2022}",
    }
}

/// As much as fits; the whole is in the title and in words.
fn short(text: &str, most: usize) -> String {
    let text = visible(text);
    if text.chars().count() <= most {
        return text;
    }
    // Names differ at their ends.
    let tail: Vec<char> = text.chars().rev().take(most / 2).collect();
    let head: String = text.chars().take(most - tail.len() - 1).collect();
    format!("{head}\u{2026}{}", tail.into_iter().rev().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_holds_so_many_and_counts_the_rest() {
        let mut graph = Graph::default();
        let artifact = graph.add(3, "app", "", "good", "/".to_owned());
        for number in 0..20 {
            let material = graph.add(1, &format!("m{number}"), "", "quiet", "/".to_owned());
            graph.join(material, artifact, "read");
        }
        assert_eq!((graph.nodes.len(), graph.edges.len(), graph.left_out[1]), (1 + MOST, MOST, 14));
        let drawn = graph.draw().into_string();
        assert!(drawn.contains("and 14 more") && drawn.matches("<rect").count() == 1 + MOST);
    }

    #[test]
    fn names_from_outside_are_text() {
        let mut graph = Graph::default();
        let a = graph.add(0, "<script>\u{202e}", "", "open", "/x".to_owned());
        let b = graph.add(3, "app", "", "good", "/y".to_owned());
        graph.join(a, b, "read");
        let drawn = graph.draw().into_string();
        assert!(!drawn.contains("<script>") && !drawn.contains('\u{202e}'), "{drawn}");
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(short("dist/built-1.0-linux-x86_64.whl", 12), "dist/\u{2026}64.whl");
        assert_eq!(short("app", 12), "app");
    }
}
