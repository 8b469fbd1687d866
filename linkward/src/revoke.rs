//! `revoke`: what passed once and must not pass any more.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use linkward_deploy::{Proposal, Proposed};
use linkward_ledger::note::{Note, signature_line};
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
    /// A package: pkg:npm/name is every version, pkg:npm/name@1.* some, pkg:npm/name@>=1.0.0,<1.2.0 a range
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
    /// Sign what somebody else has proposed, where it takes several people
    Confirm {
        /// Record of the proposal
        #[arg(value_name = "RECORD")]
        proposal: u64,
        /// The person's name
        #[arg(long, env = "LINKWARD_AUTHOR", hide_env_values = true)]
        author: String,
        /// The person's private key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// What is revoked now, and what waits for a further person
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
    /// The author's private key, where it takes several people (`people` of [revoke] in linkward.toml)
    #[arg(long = "sign-with", value_name = "FILE")]
    pub(crate) sign_with: Option<PathBuf>,
}

pub(crate) fn revoke(command: RevokeCommand, home: Option<&Path>, format: Format) -> Result<Exit> {
    let add = |kind: &str, what: What, since| Revoke::Add {
        kind: kind.to_owned(),
        value: what.value,
        reason: what.by.reason,
        author: what.by.author,
        since,
    };
    if let RevokeCommand::Confirm { proposal, author, key } = &command {
        return confirm(*proposal, author, key, home, format);
    }
    let key = signing_key(&command);
    let ask = match command {
        RevokeCommand::Confirm { .. } => Revoke::List,
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
    let ask = match key {
        Some(key) => signed(ask, &key)?,
        None => ask,
    };
    tell(&Access::open(&nearest(home)?)?, ask, format)
}

fn tell(access: &Access, ask: Revoke, format: Format) -> Result<Exit> {
    let answer: Value = access.ask(Request::Revoke { ask })?;
    show(&answer, format)?;
    // What waits for somebody has not happened.
    let pending = answer.get("pending").and_then(Value::as_bool).unwrap_or(false);
    Ok(if pending { Exit::Unknown } else { Exit::Allowed })
}

fn signing_key(command: &RevokeCommand) -> Option<PathBuf> {
    use RevokeCommand::{Builder, Confirm, Digest, Identity, Issuer, List, Package, Policy, Undo};
    match command {
        Digest(what) | Identity(what) | Issuer(what) | Builder(what) | Package(what) | Policy(what) => {
            what.by.sign_with.clone()
        }
        RevokeCommand::Key(key) => key.what.by.sign_with.clone(),
        Undo { by, .. } => by.sign_with.clone(),
        Confirm { .. } | List => None,
    }
}

/// The same wish as a signed proposal.
fn signed(ask: Revoke, key: &Path) -> Result<Revoke> {
    let (what, reason, author) = match ask {
        Revoke::Add { kind, value, reason, author, since } => {
            (Proposed::Revoke { kind, value, since }, reason, author)
        }
        Revoke::Undo { revocation, reason, author } => (Proposed::Undo { revocation }, reason, author),
        other => return Ok(other),
    };
    let at = Instant::from_seconds(Instant::now().seconds());
    let text = Proposal { what, at, reason }.text();
    // What does not read back as it was meant must not be signed.
    Proposal::parse(&text).context("value and reason are one line each")?;
    let (person, signature) = linkward_issue::person::sign(key, &author, text.as_bytes())?;
    Ok(Revoke::Propose { note: format!("{text}\n{}", signature_line(&person, &signature)) })
}

fn confirm(proposal: u64, author: &str, key: &Path, home: Option<&Path>, format: Format) -> Result<Exit> {
    let access = Access::open(&nearest(home)?)?;
    let record: Value = access.ask(Request::Show { index: proposal })?;
    let note = record.pointer("/body/says/note").and_then(Value::as_str).unwrap_or("");
    let note = Note::parse(note.as_bytes())
        .with_context(|| format!("record {proposal} is no proposal; see `linkward revoke list`"))?;
    Proposal::parse(note.text()).with_context(|| format!("record {proposal} is no proposal"))?;
    if format == Format::Table {
        print(note.text())?;
    }
    let (person, signature) = linkward_issue::person::sign(key, author, note.text().as_bytes())?;
    let signature = signature_line(&person, &signature);
    tell(&access, Revoke::Confirm { proposal, signature }, format)
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
