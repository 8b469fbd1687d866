//! `rebuild`: everything that something bad went into is built again, in order, and every result is proven before the
//! next one starts (M1027).

mod trigger;

use std::path::Path;

use anyhow::Result;
use clap::{Args, Subcommand, ValueEnum};
use linkward_model::Exit;
use serde_json::Value;

pub(crate) use self::trigger::{Asked, Triggers};
use crate::access::Access;
use crate::cli::Format;
use crate::commands::nearest;
use crate::revoke::show;
use crate::wire::{Rebuild, Request};

#[derive(Debug, Subcommand)]
pub(crate) enum RebuildCommand {
    /// What would be built again, in which order, by which triggers; nothing is changed
    Plan(What),
    /// Revoke it, and have everything that it went into built again
    Start {
        #[command(flatten)]
        what: What,
        /// Why
        #[arg(long)]
        reason: String,
        /// Who answers for it
        #[arg(long, env = "LINKWARD_AUTHOR", hide_env_values = true)]
        author: String,
    },
    /// How far a rebuild is; exit code 0 where all is verified, 1 where a result was refused, 3 while something is open
    Status {
        /// Its record [default: the newest]
        #[arg(value_name = "RECORD")]
        record: Option<u64>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct What {
    kind: Kind,
    /// 'pkg:npm/name@>=1.0.0,<1.2.0', or sha256:HEX of an artifact or base image
    #[arg(value_name = "VALUE")]
    value: String,
    /// What builds are to take instead, handed to every trigger: pkg:npm/name@1.2.0, or image@sha256:HEX; may be repeated
    #[arg(long = "pin", value_name = "WHAT")]
    pins: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Package,
    Digest,
}

pub(crate) fn rebuild(command: RebuildCommand, home: Option<&Path>, format: Format) -> Result<Exit> {
    let named = |what: What| {
        let kind = match what.kind {
            Kind::Package => "package",
            Kind::Digest => "digest",
        };
        (kind.to_owned(), what.value, what.pins)
    };
    let ask = match command {
        RebuildCommand::Plan(what) => {
            let (kind, value, pins) = named(what);
            Rebuild::Plan { kind, value, pins }
        }
        RebuildCommand::Start { what, reason, author } => {
            let (kind, value, pins) = named(what);
            Rebuild::Start { kind, value, pins, reason, author }
        }
        RebuildCommand::Status { record } => Rebuild::Status { record },
    };
    let answer: Value = Access::open(&nearest(home)?)?.ask(Request::Rebuild { ask })?;
    show(&answer, format)?;
    Ok(match answer.get("state").and_then(Value::as_str) {
        Some("verified" | "planned") => Exit::Allowed,
        Some("refused") => Exit::Denied,
        _ => Exit::Unknown,
    })
}
