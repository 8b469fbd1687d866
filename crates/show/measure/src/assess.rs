//! The checklists, answered by looking at what is recorded, not by asking. What nothing recorded shows is "not known".

use linkward_ledger::Kind;
use linkward_record::{Filter, Store, StoreError};
use serde::Serialize;
use serde_json::Value;

use crate::{Counts, State, measures};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    Yes,
    No,
    /// Nothing that is recorded answers it.
    NotKnown,
}

impl Answer {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::NotKnown => "not known",
        }
    }
}

/// One line of a checklist.
#[derive(Clone, Debug, Serialize)]
pub struct Item {
    pub list: &'static str,
    pub asks: &'static str,
    pub answer: Answer,
    /// What was looked at.
    pub seen: String,
    /// What would change the answer.
    pub next: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub struct Assessment {
    pub maturity: &'static str,
    pub why: &'static str,
    pub items: Vec<Item>,
}

/// Walks the checklists.
///
/// # Errors
/// The record cannot be read.
pub fn assess(store: &Store, counts: &Counts) -> Result<Assessment, StoreError> {
    let records = |kind: Kind| counts.kinds.get(&kind).copied().unwrap_or(0);
    let mode = newest(store, Kind::Mode, "mode")?;
    let met = |code: &str| match measures(counts).into_iter().find(|measure| measure.code == code) {
        Some(measure) if measure.state == State::Met => Answer::Yes,
        Some(measure) if measure.state == State::Missed => Answer::No,
        _ => Answer::NotKnown,
    };
    let some = |number: u64| if number > 0 { Answer::Yes } else { Answer::No };
    let nothing = || "nothing that is recorded shows it".to_owned();
    let proofs = records(Kind::Proof);
    let whole: u64 = counts.provenance.values().map(|(_, whole)| whole).sum();
    let item = |list, asks, answer, seen: String, next| Item { list, asks, answer, seen, next };
    const BEFORE: &str = "Before production";
    const DURING: &str = "In production";
    const INCIDENT: &str = "In an incident";
    let items = vec![
        item(
            BEFORE,
            "SBOM in builds",
            met("M2"),
            format!("{} of {} builds", counts.builds_with_sbom, counts.builds),
            "linkward run -- CMD",
        ),
        item(
            BEFORE,
            "Signing configured",
            some(counts.signed),
            format!("{} of {} artifacts are signed", counts.signed, counts.artifacts),
            "linkward run -- CMD",
        ),
        item(
            BEFORE,
            "Provenance recorded",
            some(proofs),
            format!("{proofs} proofs, {whole} artifacts with everything"),
            "linkward evidence add FILE",
        ),
        item(
            BEFORE,
            "CI access scoped",
            Answer::NotKnown,
            nothing(),
            "list roles in detect.toml and send the cloud's audit trail",
        ),
        item(
            BEFORE,
            "Registry immutable",
            registry(counts),
            format!("{} unexpected writes", counts.registry_anomalies),
            "send the registry's notifications to /webhooks/oci",
        ),
        item(
            DURING,
            "Verification enforced at admission",
            mode.as_deref()
                .map_or(Answer::No, |mode| if mode == "enforce" { Answer::Yes } else { Answer::No }),
            format!("mode {}", mode.as_deref().unwrap_or("observe")),
            "linkward admit enforce",
        ),
        item(
            DURING,
            "Events watched",
            if counts.watched { Answer::Yes } else { Answer::No },
            format!("{} sources were heard", counts.sources.len()),
            "see docs/events.md",
        ),
        item(
            DURING,
            "Runtime monitors active",
            Answer::NotKnown,
            nothing(),
            "send what a runtime monitor sees as CloudEvents: docs/events.md",
        ),
        item(
            DURING,
            "Rollback tested",
            if counts.rollbacks.count == 0 { Answer::No } else { met("M8") },
            format!("{} rollbacks", counts.rollbacks.count),
            "linkward rollback",
        ),
        item(DURING, "Runbooks validated", Answer::NotKnown, nothing(), "rehearse one, and record it"),
        item(
            DURING,
            "Vendor contacts known",
            Answer::NotKnown,
            nothing(),
            "keep a list of vendors and contacts; no record shows it",
        ),
        item(
            DURING,
            "SBOMs indexed",
            some(records(Kind::Sbom)),
            format!("{} SBOMs", records(Kind::Sbom)),
            "linkward up",
        ),
        item(
            INCIDENT,
            "Isolate and stop deployments",
            mode.as_deref()
                .map_or(Answer::No, |mode| if mode == "enforce" { Answer::Yes } else { Answer::No }),
            "only an enforcing gate can stop anything".to_owned(),
            "linkward admit enforce",
        ),
        item(
            INCIDENT,
            "Preserve artifacts, logs, attestations",
            some(records(Kind::Events).min(proofs)),
            format!("{} segments of events, {proofs} proofs", records(Kind::Events)),
            "send events and evidence",
        ),
        item(
            INCIDENT,
            "Revoke compromised keys",
            some(records(Kind::Revocation)),
            format!("{} revocations", records(Kind::Revocation)),
            "linkward revoke, once as a rehearsal",
        ),
        item(
            INCIDENT,
            "Notify vendors and legal",
            Answer::NotKnown,
            nothing(),
            "write down who is told, and how",
        ),
        item(
            INCIDENT,
            "Roll back to verified artifacts",
            some(whole),
            format!("{whole} artifacts have everything"),
            "linkward run -- CMD",
        ),
    ];
    let intermediate =
        counts.signed > 0 && proofs > 0 && records(Kind::Sbom) > 0 && records(Kind::Verdict) > 0;
    let (maturity, why) = if intermediate {
        (
            "intermediate",
            "SBOMs, signing, provenance and automated verification are recorded; reproducible builds and hardware-backed keys are not shown by anything recorded",
        )
    } else {
        ("beginner", "SBOMs, signatures, provenance and verdicts are not all recorded yet")
    };
    Ok(Assessment { maturity, why, items })
}

/// Silence of a registry that nobody listens to proves nothing.
fn registry(counts: &Counts) -> Answer {
    match (counts.sources.contains_key("registry"), counts.registry_anomalies) {
        (false, _) => Answer::NotKnown,
        (true, 0) => Answer::Yes,
        (true, _) => Answer::No,
    }
}

fn newest(store: &Store, kind: Kind, name: &str) -> Result<Option<String>, StoreError> {
    let rows = store.rows(&Filter { kind: Some(kind), term: None, before: None, limit: 1 })?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(store.body(row.index)?.says.get(name).and_then(Value::as_str).map(str::to_owned))
}
