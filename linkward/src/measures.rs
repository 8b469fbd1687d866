//! `measures` and `assess`: counted from the record, for people and for other tools.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Args;
use linkward_model::Exit;
use serde_json::Value;

use crate::access::Access;
use crate::cli::Format;
use crate::commands::{nearest, print, print_json};
use crate::wire::Request;

#[derive(Debug, Args)]
pub(crate) struct Measures {
    /// Write Prometheus rules, OpenSLO documents and Grafana boards into a folder instead
    #[arg(long, value_name = "DIR")]
    pub(crate) export: Option<PathBuf>,
}

pub(crate) fn run(args: &Measures, home: Option<&Path>, format: Format) -> Result<Exit> {
    if let Some(folder) = &args.export {
        return export(folder);
    }
    let answer: Value = Access::open(&nearest(home)?)?.ask(Request::Measures)?;
    let all = answer.get("measures").and_then(Value::as_array).cloned().unwrap_or_default();
    if format == Format::Json {
        print_json(&answer)?;
    } else {
        for measure in &all {
            let value =
                measure["value"].as_f64().map_or_else(|| "no data".to_owned(), |value| format!("{value:.4}"));
            print(&format!(
                "{:<4} {:<40} {:>9} {:<8} {:<8} {}\n",
                text(measure, "code"),
                text(measure, "name"),
                value,
                text(measure, "unit"),
                text(measure, "state"),
                text(measure, "detail")
            ))?;
        }
    }
    if format != Format::Json {
        for budget in answer.get("budgets").and_then(Value::as_array).into_iter().flatten() {
            let left = budget["left"]
                .as_f64()
                .map_or_else(|| "no data".to_owned(), |left| format!("{:.0} %", left * 100.0));
            print(&format!(
                "budget {:<38} {left:>9} left     {}\n",
                text(budget, "name"),
                text(budget, "detail")
            ))?;
        }
    }
    let is = |state: &str| all.iter().any(|measure| text(measure, "state") == state);
    Ok(if is("missed") {
        Exit::Denied
    } else if is("no-data") {
        Exit::Unknown
    } else {
        Exit::Allowed
    })
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or("")
}

fn export(folder: &Path) -> Result<Exit> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut files = vec![
        ("prometheus-rules.yaml".to_owned(), linkward_measure::prometheus_rules()),
        ("openslo.yaml".to_owned(), linkward_measure::openslo()),
    ];
    for (name, board) in linkward_measure::grafana() {
        files.push((format!("grafana-{name}.json"), serde_json::to_string_pretty(&board)?));
    }
    for (name, content) in files {
        let path = folder.join(name);
        std::fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))?;
        print(&format!("wrote {}\n", path.display()))?;
    }
    Ok(Exit::Allowed)
}

pub(crate) fn assess(home: Option<&Path>, format: Format) -> Result<Exit> {
    let answer: Value = Access::open(&nearest(home)?)?.ask(Request::Assess)?;
    let items = answer.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    if format == Format::Json {
        print_json(&answer)?;
    } else {
        print(&format!("maturity: {}, because {}\n", text(&answer, "maturity"), text(&answer, "why")))?;
        let mut list = String::new();
        for item in &items {
            if text(item, "list") != list {
                list = text(item, "list").to_owned();
                print(&format!("\n{list}\n"))?;
            }
            print(&format!(
                "  {:<10} {:<40} {}\n",
                text(item, "answer"),
                text(item, "asks"),
                text(item, "seen")
            ))?;
            if text(item, "answer") != "yes" {
                print(&format!("  {:<10} next: {}\n", "", text(item, "next")))?;
            }
        }
    }
    let is = |answer: &str| items.iter().any(|item| text(item, "answer") == answer);
    Ok(if is("no") {
        Exit::Denied
    } else if is("not-known") {
        Exit::Unknown
    } else {
        Exit::Allowed
    })
}
