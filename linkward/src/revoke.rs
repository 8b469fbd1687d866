//! `revoke`: what passed once and must not pass any more.

use std::path::Path;

use anyhow::Result;
use clap::{Args, Subcommand};
use linkward_model::{Exit, Instant};
use serde_json::Value;

use crate::access::Access;
use crate::cli::Format;
use crate::commands::{nearest, print, print_json};
use crate::wire::{Request, Revoke};

#[derive(Debug, Subcommand)]
pub(crate) enum RevokeCommand {
    /// An artifact, by digest
    Digest(What),
    /// A signer: a certificate's subject, exact or as a pattern
    Identity(What),
    /// A managed key, by the SHA-256 of its SubjectPublicKeyInfo
    Key(Key),
    /// An OIDC issuer, with everybody whom it vouches for
    Issuer(What),
    /// A builder, by its id
    Builder(What),
    /// A package: pkg:npm/name is every version, pkg:npm/name@1.* some
    Package(What),
    /// A policy file, by digest
    Policy(What),
    /// Take a revocation back: another record, by which the artifact is decided again
    Undo {
        /// Record of the revocation, as `revoke list` shows it
        #[arg(value_name = "RECORD")]
        revocation: u64,
        #[command(flatten)]
        by: By,
    },
    /// What is revoked now
    List,
}

#[derive(Debug, Args)]
pub(crate) struct What {
    pub(crate) value: String,
    #[command(flatten)]
    pub(crate) by: By,
}

#[derive(Debug, Args)]
pub(crate) struct Key {
    #[command(flatten)]
    pub(crate) what: What,
    /// When the key was compromised: what is proven to be signed before stays good [default: all of it is bad]
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<Instant>,
}

#[derive(Debug, Args)]
pub(crate) struct By {
    /// Why
    #[arg(long)]
    pub(crate) reason: String,
    /// Who answers for it
    #[arg(long, env = "LINKWARD_AUTHOR", hide_env_values = true)]
    pub(crate) author: String,
}

pub(crate) fn revoke(command: RevokeCommand, home: Option<&Path>, format: Format) -> Result<Exit> {
    let add = |kind: &str, what: What, since| Revoke::Add {
        kind: kind.to_owned(),
        value: what.value,
        reason: what.by.reason,
        author: what.by.author,
        since,
    };
    let ask = match command {
        RevokeCommand::Digest(what) => add("digest", what, None),
        RevokeCommand::Identity(what) => add("identity", what, None),
        RevokeCommand::Key(key) => add("key", key.what, key.since),
        RevokeCommand::Issuer(what) => add("issuer", what, None),
        RevokeCommand::Builder(what) => add("builder", what, None),
        RevokeCommand::Package(what) => add("package", what, None),
        RevokeCommand::Policy(what) => add("policy", what, None),
        RevokeCommand::Undo { revocation, by } => {
            Revoke::Undo { revocation, reason: by.reason, author: by.author }
        }
        RevokeCommand::List => Revoke::List,
    };
    let answer: Value = Access::open(&nearest(home)?)?.ask(Request::Revoke { ask })?;
    show(&answer, format)?;
    Ok(Exit::Allowed)
}

/// The answer as JSON, or the text that it carries for people.
pub(crate) fn show(answer: &Value, format: Format) -> Result<()> {
    match format {
        Format::Json => {
            let mut answer = answer.clone();
            if let Value::Object(fields) = &mut answer {
                fields.remove("text");
            }
            print_json(&answer)
        }
        Format::Table => print(answer.get("text").and_then(Value::as_str).unwrap_or("")),
    }
}
