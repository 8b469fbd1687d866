//! Which crate may depend on which: the architecture as a table, checked against `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Result, bail};
use serde_json::Value;

/// A crate of ours and those of ours that it may use. Tests may use more.
const ALLOWED: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("ledger", &["model"]),
    ("testkit", &["model"]),
    ("collect", &["model"]),
    ("evidence", &["model"]),
    ("inventory", &["model", "evidence"]),
    ("advisory", &["model", "evidence"]),
    ("inspect", &["model", "evidence"]),
    ("prove", &["model", "ledger", "evidence"]),
    ("record", &["model", "ledger"]),
    ("issue", &["model", "ledger", "evidence", "prove"]),
    ("decide", &["model", "ledger", "prove", "advisory"]),
    ("detect", &["model", "ledger", "evidence"]),
    ("deploy", &["model", "ledger", "record", "decide"]),
    ("measure", &["model", "ledger", "record"]),
    ("console", &["model", "ledger", "record", "measure"]),
    ("tests", &["model", "ledger", "testkit"]),
];

/// Crates that do I/O, SQL or async, and may not stand below these.
const PURE: &[&str] =
    &["model", "ledger", "evidence", "inventory", "advisory", "inspect", "prove", "decide", "detect"];
const IMPURE: &[&str] = &["tokio", "hyper", "axum", "rusqlite", "rustls", "reqwest", "socket2", "mio"];

pub(crate) fn check() -> Result<()> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1"])
        .current_dir(crate::root()?)
        .output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let graph = graph(&metadata);
    let mut wrong = forbidden(&graph);
    for pure in PURE {
        let below = closure(&graph, &format!("linkward-{pure}"));
        wrong.extend(
            IMPURE.iter().filter(|name| below.contains(**name)).map(|name| format!("{pure} reaches {name}")),
        );
    }
    if wrong.is_empty() {
        println!("arrows: every dependency points the way that ARCHITECTURE.md says");
        return Ok(());
    }
    bail!("forbidden dependencies:\n  {}", wrong.join("\n  "))
}

type Graph = BTreeMap<String, BTreeSet<String>>;

/// Normal and build dependencies by name.
fn graph(metadata: &Value) -> Graph {
    let mut graph = Graph::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let Some(name) = package["name"].as_str() else { continue };
        let below = package["dependencies"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|dependency| dependency["kind"].as_str() != Some("dev") && dependency["optional"] != true)
            .filter_map(|dependency| dependency["name"].as_str());
        graph.entry(name.to_owned()).or_default().extend(below.map(str::to_owned));
    }
    graph
}

fn forbidden(graph: &Graph) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, below) in graph {
        let Some(name) = name.strip_prefix("linkward-") else { continue };
        let Some((_, allowed)) = ALLOWED.iter().find(|(known, _)| *known == name) else {
            wrong.push(format!("{name} is not in the table of xtask/src/arrows.rs"));
            continue;
        };
        let ours = below.iter().filter_map(|below| below.strip_prefix("linkward-"));
        wrong.extend(ours.filter(|below| !allowed.contains(below)).map(|below| format!("{name} -> {below}")));
    }
    wrong
}

fn closure(graph: &Graph, from: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(at) = open.pop() {
        for below in graph.get(&at).into_iter().flatten() {
            if found.insert(below.clone()) {
                open.push(below.clone());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forbidden_arrow_is_found() {
        let graph = Graph::from([
            (
                "linkward-prove".to_owned(),
                BTreeSet::from(["linkward-record".to_owned(), "linkward-model".to_owned()]),
            ),
            ("linkward-stray".to_owned(), BTreeSet::new()),
        ]);
        let wrong = forbidden(&graph);
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong.contains(&"prove -> record".to_owned()));
        let graph = Graph::from([
            ("a".to_owned(), BTreeSet::from(["b".to_owned()])),
            ("b".to_owned(), BTreeSet::from(["tokio".to_owned()])),
        ]);
        assert!(closure(&graph, "a").contains("tokio"));
    }
}
