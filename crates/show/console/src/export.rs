//! Any table as a file: CSV for people's sheets, JSON for programs.

use linkward_ledger::Kind;
use linkward_measure::measures;
use linkward_record::{Filter, Store, StoreError};
use serde_json::{Value, json};

use crate::chain;
use crate::request::{HomeFacts, Response};

/// Rows of a table of records.
const MOST: usize = 10_000;

/// Tables by the name under which they are exported.
pub(crate) const TABLES: &[&str] =
    &["findings", "alerts", "coverage", "measures", "budgets", "artifacts", "inputs", "records", "services"];

struct Table {
    columns: &'static [&'static str],
    rows: Vec<Vec<String>>,
}

/// `findings.csv`, `findings.json`.
pub(crate) fn file(store: &Store, home: &HomeFacts, name: &str) -> Result<Option<Response>, StoreError> {
    let Some((name, format)) = name.rsplit_once('.') else { return Ok(None) };
    let Some(table) = table(store, home, name)? else { return Ok(None) };
    Ok(match format {
        "csv" => Some(Response::csv(csv(&table))),
        "json" => {
            let row = |row: &Vec<String>| -> Value {
                table
                    .columns
                    .iter()
                    .zip(row)
                    .map(|(name, value)| ((*name).to_owned(), json!(value)))
                    .collect::<serde_json::Map<_, _>>()
                    .into()
            };
            let rows: Vec<Value> = table.rows.iter().map(row).collect();
            Some(Response::json(&json!({ "version": 1, "at": home.now, "table": name, "rows": rows })))
        }
        _ => None,
    })
}

fn table(store: &Store, home: &HomeFacts, name: &str) -> Result<Option<Table>, StoreError> {
    let pick = |values: &[Value], pointers: &[&str]| -> Vec<Vec<String>> {
        let cell = |value: &Value, pointer: &str| match value.pointer(pointer) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
                .collect::<Vec<_>>()
                .join(" "),
            Some(other) => other.to_string(),
        };
        values.iter().map(|value| pointers.iter().map(|pointer| cell(value, pointer)).collect()).collect()
    };
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    Ok(Some(match name {
        "findings" => Table {
            columns: &[
                "id", "rule", "tier", "alert", "state", "standing", "subject", "happened", "noticed",
                "record",
            ],
            rows: pick(
                &home.findings,
                &[
                    "/short",
                    "/finding/rule",
                    "/finding/tier",
                    "/finding/alert",
                    "/finding/state",
                    "/standing/standing",
                    "/finding/subject",
                    "/finding/at",
                    "/noticed",
                    "/record",
                ],
            ),
        },
        "alerts" => Table {
            columns: &[
                "key",
                "severity",
                "rule",
                "subject",
                "deployment",
                "owner",
                "noticed",
                "count",
                "answered",
                "action",
            ],
            rows: pick(
                &home.alerts,
                &[
                    "/key",
                    "/severity",
                    "/rule",
                    "/subject",
                    "/deployment",
                    "/owner",
                    "/noticed",
                    "/count",
                    "/answered",
                    "/action",
                ],
            ),
        },
        "coverage" => Table {
            columns: &["rule", "tier", "finds", "covers", "blind"],
            rows: pick(&home.rules, &["/rule", "/tier", "/finds", "/covers", "/blind"]),
        },
        "services" => Table {
            columns: &["name", "owner", "criticality", "customers", "subjects"],
            rows: pick(&home.services, &["/name", "/owner", "/criticality", "/customers", "/subjects"]),
        },
        "measures" => Table {
            columns: &["code", "name", "value", "unit", "target", "state", "detail"],
            rows: measures(&home.counts)
                .into_iter()
                .map(|one| {
                    vec![
                        one.code.to_owned(),
                        one.name.to_owned(),
                        number(one.value),
                        one.unit.to_owned(),
                        one.target.to_string(),
                        one.state.as_str().to_owned(),
                        one.detail,
                    ]
                })
                .collect(),
        },
        "budgets" => Table {
            columns: &["objective", "measure", "target", "left", "detail"],
            rows: home
                .budgets
                .iter()
                .map(|one| {
                    vec![
                        one.name.to_owned(),
                        one.code.to_owned(),
                        one.target.to_string(),
                        number(one.left),
                        one.detail.clone(),
                    ]
                })
                .collect(),
        },
        "artifacts" => Table {
            columns: &["name", "digest", "environment", "outcome", "code", "detail", "record"],
            rows: chain::artifacts(store, 200)?
                .into_iter()
                .map(|one| {
                    vec![
                        one.name,
                        one.digest.to_string(),
                        one.environment,
                        one.outcome,
                        one.code.unwrap_or_default(),
                        one.detail,
                        one.record.to_string(),
                    ]
                })
                .collect(),
        },
        "inputs" => Table {
            columns: &["project", "what", "name", "state", "signature", "detail", "record"],
            rows: chain::read(store)?
                .inputs
                .into_iter()
                .map(|one| {
                    vec![
                        one.project,
                        one.what.to_owned(),
                        one.name,
                        one.state,
                        one.signature.unwrap_or_default(),
                        one.detail,
                        one.record.to_string(),
                    ]
                })
                .collect(),
        },
        "records" => Table {
            columns: &["record", "kind", "environment", "event", "blob"],
            rows: store
                .rows(&Filter { kind: None::<Kind>, term: None, before: None, limit: MOST })?
                .into_iter()
                .map(|row| {
                    vec![
                        row.index.to_string(),
                        row.kind.to_string(),
                        row.environment.to_string(),
                        row.times.event.to_string(),
                        row.blob.to_string(),
                    ]
                })
                .collect(),
        },
        _ => return Ok(None),
    }))
}

/// RFC 4180. What a sheet would take for a formula gets a quote in front: a subject from outside must not compute.
fn csv(table: &Table) -> String {
    let mut out = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let cells: Vec<String> = cells.map(cell).collect();
        out.push_str(&cells.join(","));
        out.push_str("\r\n");
    };
    line(&mut table.columns.iter().copied());
    for row in &table.rows {
        line(&mut row.iter().map(String::as_str));
    }
    out
}

fn cell(text: &str) -> String {
    let number = text.parse::<f64>().is_ok();
    let guard = if !number && text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if text.contains([',', '"', '\n', '\r']) || !guard.is_empty() {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_compute_nothing() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("-1.5", "-1.5"),
            ("-x", "\"'-x\""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }

    #[test]
    fn lines_end_as_the_format_wants() {
        let table = Table { columns: &["a", "b"], rows: vec![vec!["1".to_owned(), "x\ny".to_owned()]] };
        assert_eq!(csv(&table), "a,b\r\n1,\"x\ny\"\r\n");
    }
}
