//! `deploy` and `canary`: the ledger of what ran, and whether a canary may go on.

use std::path::Path;

use anyhow::Result;
use clap::{Args, Subcommand};
use linkward_deploy::{ErrorRates, Event};
use linkward_model::Exit;
use serde_json::{Value, json};

use crate::access::Access;
use crate::cli::Format;
use crate::commands::nearest;
use crate::revoke::show;
use crate::wire::{Admit, Deploy, Request};

#[derive(Debug, Subcommand)]
pub(crate) enum DeployCommand {
    /// Record what happened to a revision of a workload
    Record(Box<Record>),
    /// The revisions of a workload, newest first
    List {
        /// NAMESPACE/KIND/NAME
        workload: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Record {
    /// NAMESPACE/KIND/NAME
    pub(crate) workload: String,
    /// The revision [default: the next for new images, the newest otherwise]
    #[arg(long)]
    pub(crate) revision: Option<u64>,
    #[command(flatten)]
    pub(crate) happened: Happened,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Happened {
    /// It was rolled out with this image, by digest; may be repeated
    #[arg(long = "image", value_name = "REFERENCE")]
    pub(crate) images: Vec<String>,
    /// Its pods are ready
    #[arg(long)]
    pub(crate) ready: bool,
    /// A health check or an analysis failed
    #[arg(long, value_name = "WHY")]
    pub(crate) failed: Option<String>,
    /// It was replaced or removed
    #[arg(long, value_name = "WHY")]
    pub(crate) ended: Option<String>,
    /// It brought a migration: what came before cannot run after it
    #[arg(long, value_name = "WHY")]
    pub(crate) barrier: Option<String>,
}

pub(crate) fn deploy(command: DeployCommand, home: Option<&Path>, format: Format) -> Result<Exit> {
    let ask = match command {
        DeployCommand::List { workload } => Deploy::List { workload },
        DeployCommand::Record(record) => {
            let Record { workload, revision, happened } = *record;
            let Happened { mut images, ready, failed, ended, barrier } = happened;
            images.sort();
            images.dedup();
            for image in &images {
                let parsed = linkward_deploy::ImageRef::parse(image)?;
                anyhow::ensure!(
                    parsed.digest.is_some(),
                    "`{image}` has no digest: nobody could say later what ran; write it as repository@sha256:HEX"
                );
            }
            let happened = match (failed, ended, barrier) {
                (Some(why), _, _) => Event::Failed { why },
                (_, Some(why), _) => Event::Ended { why },
                (_, _, Some(why)) => Event::Barrier { why },
                _ if ready => Event::Ready,
                _ => Event::Deployed { images },
            };
            Deploy::Record { workload, revision, happened }
        }
    };
    let answer: Value = Access::open(&nearest(home)?)?.ask(Request::Deploy { ask })?;
    show(&answer, format)?;
    Ok(Exit::Allowed)
}

#[derive(Debug, Args)]
pub(crate) struct Canary {
    /// The canary's image, by digest
    pub(crate) image: String,
    #[arg(long, default_value = "default")]
    pub(crate) namespace: String,
    /// The canary's errors, as a share of its requests
    #[arg(long, value_name = "0..1", requires = "stable_error_rate")]
    pub(crate) error_rate: Option<f64>,
    /// The stable version's errors over the same time
    #[arg(long, value_name = "0..1", requires = "error_rate")]
    pub(crate) stable_error_rate: Option<f64>,
    /// How much worse the canary may be
    #[arg(long, value_name = "0..1", default_value_t = 0.01)]
    pub(crate) tolerance: f64,
}

/// Integrity first: a canary without errors that is revoked is a canary that must not go on.
pub(crate) fn canary(args: &Canary, home: Option<&Path>, format: Format) -> Result<Exit> {
    let ask = Admit::Image { image: args.image.clone(), namespace: args.namespace.clone(), resolved: None };
    let answer: Value = Access::open(&nearest(home)?)?.ask(Request::Admit { ask })?;
    let field = |name: &str| answer.get(name).and_then(Value::as_str).unwrap_or("");
    let errors = match (args.error_rate, args.stable_error_rate) {
        (Some(canary), Some(stable)) => {
            let rates = ErrorRates { canary, stable, tolerance: args.tolerance };
            match rates.fails() {
                Some(fails) => Some(fails),
                None => anyhow::bail!("error rates and tolerance are shares between 0 and 1"),
            }
        }
        _ => None,
    };
    let (verdict, exit) = match (field("outcome"), errors) {
        ("deny", _) | ("allow", Some(true)) => ("fail", Exit::Denied),
        ("allow", _) => ("pass", Exit::Allowed),
        _ => ("inconclusive", Exit::Unknown),
    };
    let why = match (field("outcome"), errors) {
        ("allow", Some(true)) => format!(
            "errors {} against {} of the stable version, more than {} worse",
            args.error_rate.unwrap_or(0.0),
            args.stable_error_rate.unwrap_or(0.0),
            args.tolerance
        ),
        ("allow", Some(false)) => "integrity and errors hold".to_owned(),
        ("allow", None) => "integrity holds; no error rate was given".to_owned(),
        _ => field("message").to_owned(),
    };
    let answer = json!({
        "version": crate::wire::VERSION, "verdict": verdict, "why": why, "integrity": field("outcome"),
        "code": answer.get("code"), "text": format!("{verdict}: {}\n", crate::table::visible(&why)),
    });
    show(&answer, format)?;
    Ok(exit)
}
