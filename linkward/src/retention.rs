//! `linkward retention` and `linkward hold`: which documents go by their age, and which stay whatever their age.

use std::path::Path;

use anyhow::Result;
use clap::{Args, Subcommand};
use linkward_ledger::retention::{DELETABLE, Rules, Scope};
use linkward_ledger::{Kind, Term, TermKind};
use linkward_model::Exit;
use serde_json::Value;

use crate::access::Access;
use crate::cli::Format;
use crate::commands::{nearest, print, print_json};
use crate::table::{self, visible};
use crate::wire::{Request, Retention};

#[derive(Debug, Subcommand)]
pub(crate) enum RetentionCommand {
    /// Show what `apply` would delete now, by the rules of [retention] in linkward.toml, and what holds keep
    Plan,
    /// Delete it: a tombstone in the log says what is gone, before it goes
    Apply,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HoldCommand {
    /// Keep documents whatever their age, until the hold is removed
    Add {
        #[command(flatten)]
        what: Held,
        #[command(flatten)]
        by: Answerable,
    },
    /// Take a hold off; documents whose time has come may go again
    Remove {
        /// Record of the hold, as `hold list` shows it
        #[arg(value_name = "RECORD")]
        hold: u64,
        #[command(flatten)]
        by: Answerable,
    },
    /// The holds in force
    List,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Held {
    /// Everything
    #[arg(long)]
    everything: bool,
    /// Every record of a kind, as `log list` shows it
    #[arg(long, value_name = "KIND")]
    kind: Option<Kind>,
    /// One record
    #[arg(long, value_name = "RECORD")]
    record: Option<u64>,
    /// What is about an artifact or document, sha256:HEX
    #[arg(long, value_name = "DIGEST")]
    digest: Option<linkward_model::Digest>,
    /// What is about a project, image or file of this name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// What a signer signed: the subject of a certificate, its issuer, or a key's id
    #[arg(long, value_name = "IDENTITY")]
    identity: Option<String>,
    /// What is about a package URL
    #[arg(long, value_name = "PURL")]
    package: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Answerable {
    /// Why: the case, for those who come later
    #[arg(long)]
    reason: String,
    /// Who answers for it
    #[arg(long, env = "LINKWARD_AUTHOR", hide_env_values = true)]
    author: String,
}

impl Held {
    fn scope(self) -> Option<Scope> {
        let term = |kind, value: Option<String>| value.map(|value| Scope::Term(Term::new(kind, value)));
        self.everything
            .then_some(Scope::Everything)
            .or(self.kind.map(Scope::Kind))
            .or(self.record.map(Scope::Record))
            .or(term(TermKind::Digest, self.digest.map(|digest| digest.to_string())))
            .or(term(TermKind::Name, self.name))
            .or(term(TermKind::Identity, self.identity))
            .or(term(TermKind::Package, self.package))
    }
}

/// The settings of `[retention]`, one for each kind whose documents may go.
pub(crate) const KEYS: &[&str] = &[
    "observation_days",
    "claim_days",
    "proof_days",
    "refusal_days",
    "sbom_days",
    "decisions_days",
    "events_days",
];

/// A setting of `[retention]`: `KIND_days`.
pub(crate) fn set(rules: &mut Rules, key: &str, days: u32) -> Result<(), String> {
    let named = |kind: &&Kind| key.strip_suffix("_days") == Some(kind.as_str());
    let kind = DELETABLE.iter().find(named).ok_or_else(|| "is not a setting".to_owned())?;
    rules.keep(*kind, days);
    Ok(())
}

pub(crate) fn retention(command: &RetentionCommand, home: Option<&Path>, format: Format) -> Result<Exit> {
    let ask = match command {
        RetentionCommand::Plan => Retention::Plan,
        RetentionCommand::Apply => Retention::Apply,
    };
    let answer: Value = Access::open(&nearest(home)?)?.ask(Request::Retention { ask })?;
    match (format, command) {
        (Format::Json, _) => print_json(&answer)?,
        (_, RetentionCommand::Plan) => print(&planned(&answer))?,
        (_, RetentionCommand::Apply) => print(&applied(&answer))?,
    }
    Ok(Exit::Allowed)
}

fn rules(answer: &Value) -> String {
    let rules = answer["rules"].as_object().into_iter().flatten();
    let rules: Vec<String> = rules.map(|(kind, days)| format!("{kind} {days} days")).collect();
    match rules.is_empty() {
        true => "no rule is set in [retention]: nothing is ever deleted\n".to_owned(),
        false => format!("documents are kept: {}; of other kinds for ever\n", rules.join(", ")),
    }
}

fn planned(answer: &Value) -> String {
    let mut out = rules(answer);
    let rows = answer["documents"].as_array().map_or(&[][..], Vec::as_slice);
    if !rows.is_empty() {
        let head = ["RECORD", "KIND", "NEWEST", "BYTES", "DOCUMENT", "HELD BY"].map(str::to_owned);
        let lines = rows.iter().map(|row| {
            ["record", "kind", "event", "size", "digest", "hold"].map(|name| match &row[name] {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            })
        });
        out.push_str(&table::grid(&std::iter::once(head).chain(lines).collect::<Vec<_>>()));
    }
    let (due, bytes, held) = (&answer["due"], &answer["bytes"], &answer["held"]);
    let shown = rows.len() as u64;
    let all = due.as_u64().unwrap_or(0) + held.as_u64().unwrap_or(0);
    if shown < all {
        out.push_str(&format!("... and {} more\n", all - shown));
    }
    out.push_str(&format!("{due} documents of {bytes} bytes are due, {held} more are held\n"));
    if due.as_u64() != Some(0) {
        out.push_str("next: linkward retention apply\n");
    }
    out
}

fn applied(answer: &Value) -> String {
    let tombstones = answer["tombstones"].as_array().map_or(&[][..], Vec::as_slice);
    let records: Vec<String> = tombstones.iter().map(Value::to_string).collect();
    let mut out = rules(answer);
    out.push_str(&format!("{} documents of {} bytes deleted", answer["deleted"], answer["bytes"]));
    match records.as_slice() {
        [] => {}
        [one] => out.push_str(&format!("; record {one} says which")),
        many => out.push_str(&format!("; records {} say which", many.join(", "))),
    }
    out.push_str(&format!("; {} are held\n", answer["held"]));
    out
}

pub(crate) fn hold(command: HoldCommand, home: Option<&Path>, format: Format) -> Result<Exit> {
    let ask = match command {
        HoldCommand::Add { what, by } => {
            let scope = what.scope().ok_or_else(|| anyhow::anyhow!("name what is held"))?;
            Retention::HoldAdd { scope, reason: by.reason, author: by.author }
        }
        HoldCommand::Remove { hold, by } => {
            Retention::HoldRemove { hold, reason: by.reason, author: by.author }
        }
        HoldCommand::List => Retention::Holds,
    };
    let answer: Value = Access::open(&nearest(home)?)?.ask(Request::Retention { ask })?;
    if format == Format::Json {
        print_json(&answer)?;
    } else {
        print(&held(&answer))?;
    }
    Ok(Exit::Allowed)
}

fn held(answer: &Value) -> String {
    if let Some(says) = answer["says"].as_str() {
        return format!("{}\n", visible(says));
    }
    let rows = answer["holds"].as_array().map_or(&[][..], Vec::as_slice);
    if rows.is_empty() {
        return "no hold is in force\n".to_owned();
    }
    let head = ["RECORD", "HOLDS", "AUTHOR", "REASON"].map(str::to_owned);
    let lines = rows.iter().map(|row| {
        ["record", "holds", "author", "reason"].map(|name| match &row[name] {
            Value::String(text) => visible(text),
            other => other.to_string(),
        })
    });
    table::grid(&std::iter::once(head).chain(lines).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_that_may_go_has_its_setting() {
        let mut rules = Rules::default();
        for key in KEYS {
            assert_eq!(set(&mut rules, key, 1), Ok(()), "{key}");
        }
        assert_eq!(rules.iter().count(), DELETABLE.len());
        assert!(set(&mut rules, "verdict_days", 1).is_err());
    }
}
