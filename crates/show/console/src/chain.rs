//! What the chain page and its API show, read from the record.

use linkward_ledger::{Kind, LogName};
use linkward_model::Digest;
use linkward_record::{Filter, Store, StoreError};
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Debug, Serialize)]
pub(crate) struct Chain {
    pub(crate) version: u32,
    pub(crate) log: Log,
    pub(crate) stages: Vec<Stage>,
    pub(crate) inputs: Vec<Input>,
    pub(crate) artifacts: Vec<Artifact>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Log {
    pub(crate) origin: String,
    pub(crate) size: u64,
    pub(crate) root: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) count: u64,
    pub(crate) what: &'static str,
}

/// What artifacts are made from: the newest source and the newest inventory of each project.
#[derive(Debug, Serialize)]
pub(crate) struct Input {
    pub(crate) what: &'static str,
    pub(crate) project: String,
    pub(crate) name: String,
    pub(crate) state: String,
    /// `proven`, `refused`, `unproven`; nothing for an inventory.
    pub(crate) signature: Option<String>,
    pub(crate) detail: String,
    pub(crate) record: u64,
}

/// The newest verdict of an artifact.
#[derive(Debug, Serialize)]
pub(crate) struct Artifact {
    pub(crate) name: String,
    pub(crate) digest: Digest,
    pub(crate) environment: String,
    pub(crate) outcome: String,
    pub(crate) code: Option<String>,
    pub(crate) detail: String,
    pub(crate) record: u64,
    pub(crate) requirements: Vec<Value>,
}

impl Artifact {
    /// How a requirement came out, in a word.
    pub(crate) fn requirement(&self, name: &str) -> Option<&str> {
        let found =
            self.requirements.iter().find(|r| r.get("requirement").and_then(Value::as_str) == Some(name));
        found.and_then(|requirement| requirement.get("outcome")).and_then(Value::as_str)
    }
}

pub(crate) fn index() -> Value {
    json!({
        "version": 1,
        "paths": ["/api/v1/chain", "/api/v1/records/{index}", "/api/v1/lookup", "/api/v1/findings", "/api/v1/measures", "/api/v1/measures/history", "/api/v1/board", "/export/{table}.csv", "/export/{table}.json", "/events/stream", "/metrics", "/tlog/evidence/checkpoint"],
    })
}

pub(crate) fn read(store: &Store) -> Result<Chain, StoreError> {
    let checkpoint = store.checkpoint(LogName::Evidence)?;
    let counts = store.counts()?;
    let count = |kind: Kind| counts.get(&kind).copied().unwrap_or(0);
    let stages = vec![
        Stage {
            name: "Observed",
            count: count(Kind::Observation),
            what: "sources and artifacts that were seen",
        },
        Stage { name: "SBOMs", count: count(Kind::Sbom), what: "inventories made from lockfiles" },
        Stage { name: "Claims", count: count(Kind::Claim), what: "documents that somebody else wrote" },
        Stage { name: "Proofs", count: count(Kind::Proof), what: "claims whose every check passed" },
        Stage { name: "Refusals", count: count(Kind::Refusal), what: "claims that failed a check" },
        Stage { name: "Verdicts", count: count(Kind::Verdict), what: "decisions by policy" },
    ];
    Ok(Chain {
        version: 1,
        log: Log {
            origin: checkpoint.origin().to_owned(),
            size: checkpoint.size(),
            root: checkpoint.root().to_string(),
        },
        stages,
        inputs: inputs(store)?,
        artifacts: artifacts(store, 200)?,
    })
}

/// Looks through the newest observations and SBOMs; older projects are found by search.
fn inputs(store: &Store) -> Result<Vec<Input>, StoreError> {
    let mut seen = std::collections::BTreeSet::new();
    let mut found = Vec::new();
    for (kind, read) in
        [(Kind::Observation, source as fn(&Value, u64) -> Option<Input>), (Kind::Sbom, inventory)]
    {
        for row in store.rows(&Filter { kind: Some(kind), term: None, before: None, limit: 200 })? {
            if let Some(input) = read(&store.body(row.index)?.says, row.index)
                && seen.insert((input.what, input.project.clone()))
            {
                found.push(input);
            }
        }
    }
    found.sort_by(|a, b| (&a.project, b.what).cmp(&(&b.project, a.what)));
    Ok(found)
}

fn source(says: &Value, record: u64) -> Option<Input> {
    let text = |pointer: &str| says.pointer(pointer).and_then(Value::as_str);
    if text("/what") != Some("source") {
        return None;
    }
    let revision = text("/source/revision").map_or_else(|| "no revision".to_owned(), |r| format!("git:{r}"));
    // Records of before commits were proven keep the state with the source.
    let signature = text("/signature/state").or_else(|| text("/source/signature/state"))?;
    let detail = match signature {
        "proven" => format!(
            "{} with {}",
            text("/signature/signer").unwrap_or(""),
            text("/signature/key").unwrap_or("")
        ),
        _ => text("/signature/why").or_else(|| text("/source/signature/why")).unwrap_or("").to_owned(),
    };
    Some(Input {
        what: "source",
        project: text("/project")?.to_owned(),
        name: revision,
        state: text("/source/tree").unwrap_or("not known").to_owned(),
        signature: Some(signature.to_owned()),
        detail,
        record,
    })
}

fn inventory(says: &Value, record: u64) -> Option<Input> {
    let list = |name: &str| says.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let lockfiles: Vec<&str> = list("lockfiles").iter().filter_map(Value::as_str).collect();
    let gaps = list("gaps").len();
    let many =
        |count: u64, word: &str| if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") };
    Some(Input {
        what: "dependencies",
        project: says.get("name").and_then(Value::as_str)?.to_owned(),
        name: lockfiles.join(", "),
        state: many(says.get("components").and_then(Value::as_u64)?, "component"),
        signature: None,
        detail: match says.pointer("/quality/score").and_then(Value::as_u64) {
            None if gaps == 0 => String::new(),
            None => format!("{}: see the record", many(gaps as u64, "gap")),
            Some(points) if gaps == 0 => format!("quality {points} of 100"),
            Some(points) => format!("quality {points} of 100, {}: see the record", many(gaps as u64, "gap")),
        },
        record,
    })
}

/// Verdicts that are looked through for a page: few artifacts may have very many.
const MOST_VERDICTS: usize = 1000;

/// The newest verdict of each artifact, newest first, among the newest thousand verdicts.
pub(crate) fn artifacts(store: &Store, limit: usize) -> Result<Vec<Artifact>, StoreError> {
    let mut seen = std::collections::BTreeSet::new();
    let mut found = Vec::new();
    let mut before = None;
    for _ in 0..MOST_VERDICTS / 200 {
        if found.len() >= limit {
            break;
        }
        let rows = store.rows(&Filter { kind: Some(Kind::Verdict), term: None, before, limit: 200 })?;
        let Some(last) = rows.last() else { break };
        before = Some(last.index);
        for row in rows {
            let body = store.body(row.index)?;
            if let Some(artifact) = artifact(&body.says, row.index)
                && seen.insert((artifact.digest, artifact.name.clone(), artifact.environment.clone()))
            {
                found.push(artifact);
            }
        }
    }
    found.truncate(limit);
    Ok(found)
}

pub(crate) fn artifact(says: &Value, record: u64) -> Option<Artifact> {
    let text = |pointer: &str| says.pointer(pointer).and_then(Value::as_str);
    Some(Artifact {
        name: text("/question/name")?.to_owned(),
        digest: text("/question/digest")?.parse().ok()?,
        environment: text("/question/environment").unwrap_or("").to_owned(),
        outcome: text("/outcome")?.to_owned(),
        code: text("/reasons/0/code").map(str::to_owned),
        detail: text("/reasons/0/detail").unwrap_or("").to_owned(),
        record,
        requirements: says.get("requirements").and_then(Value::as_array).cloned().unwrap_or_default(),
    })
}
