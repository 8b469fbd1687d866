//! `rollback`: the way back is planned from what is true today, shown, and on confirmation taken: in the cluster, or in Git.

mod apply;
mod automatic;
mod git;

use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use linkward_model::{Code, Exit};
use serde_json::{Value, json};

pub(crate) use self::automatic::pass;
use crate::access::Access;
use crate::cli::Format;
use crate::cluster::Api;
use crate::commands::{nearest, print};
use crate::revoke::show;
use crate::wire::{Deploy, Failure, Request, VERSION};

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// NAMESPACE/KIND/NAME
    #[arg(required_unless_present_any = ["auto", "present"])]
    pub(crate) workload: Option<String>,
    /// Take the way back in the cluster of [cluster] in linkward.toml, and wait until it is ready
    #[arg(long)]
    pub(crate) apply: bool,
    /// Take it as a commit in this checkout, for clusters that follow Git
    #[arg(long, value_name = "DIR", requires = "path", conflicts_with = "apply")]
    pub(crate) git: Option<PathBuf>,
    /// The manifest in the checkout
    #[arg(long, value_name = "FILE", requires = "git")]
    pub(crate) path: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    #[arg(long, default_value = "by hand")]
    pub(crate) reason: String,
    /// Who answers for it
    #[arg(long, env = "LINKWARD_AUTHOR", hide_env_values = true, default_value = "command")]
    pub(crate) author: String,
    /// How long to wait for the workload to become ready
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) wait: u64,
    /// Take every workload back that runs what is revoked, as far as [rollback] in linkward.toml allows
    #[arg(long, conflicts_with_all = ["workload", "apply", "git"])]
    pub(crate) auto: bool,
    /// Say that somebody is there: without it nothing is taken back by itself
    #[arg(long, conflicts_with_all = ["workload", "apply", "git", "auto"])]
    pub(crate) present: bool,
}

/// What was decided about one workload.
pub(crate) struct Target {
    pub(crate) workload: String,
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) images: Vec<String>,
}

impl Target {
    /// The target of a plan; `None` where there is none.
    fn of(workload: &str, plan: &Value) -> Option<Self> {
        let number = |pointer: &str| plan.pointer(pointer).and_then(Value::as_u64);
        let images = plan.pointer("/target/images")?.as_array()?;
        Some(Self {
            workload: workload.to_owned(),
            from: number("/current/number")?,
            to: number("/target/number")?,
            images: images.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }
}

pub(crate) fn rollback(args: &Rollback, home: Option<&Path>, format: Format) -> Result<Exit> {
    let home = nearest(home)?;
    let access = Access::open(&home)?;
    if args.present {
        let ask = Deploy::Present { author: args.author.clone() };
        show(&access.ask(Request::Deploy { ask })?, format)?;
        return Ok(Exit::Allowed);
    }
    if args.auto {
        return automatic::command(&access, &home.config()?, Duration::from_secs(args.wait), format);
    }
    let workload = args.workload.clone().unwrap_or_default();
    let answer: Value = access.ask(Request::Deploy { ask: Deploy::Plan { workload: workload.clone() } })?;
    let target = answer.get("plan").and_then(|plan| Target::of(&workload, plan));
    let taking = args.apply || args.git.is_some();
    if !taking || format == Format::Table {
        show(&answer, format)?;
    }
    let Some(target) = target else { return Ok(Exit::Unknown) };
    if !taking {
        return Ok(Exit::Allowed);
    }
    let outcome = match &args.git {
        Some(folder) => {
            let file = args.path.clone().unwrap_or_default();
            let draft = git::draft(folder, &file, &target)?;
            confirm(args.yes, &draft.shown())?;
            draft.commit(&access, args, &target)?
        }
        None => {
            let Some(cluster) = home.config()?.cluster else {
                bail!(
                    "name the API server in [cluster] of linkward.toml, or the checkout with --git DIR --path FILE"
                );
            };
            let api = Api::open(&cluster)?;
            let draft = apply::draft(&api, &target)?;
            confirm(args.yes, &draft.shown())?;
            let decided = apply::Decided { automatic: false, author: &args.author, reason: &args.reason };
            draft.apply(&access, &api, &decided, Duration::from_secs(args.wait))?
        }
    };
    let text = outcome.get("text").and_then(Value::as_str).unwrap_or("").to_owned();
    let mut whole =
        json!({ "version": VERSION, "workload": workload, "plan": answer.get("plan"), "text": text });
    if let (Value::Object(whole), Value::Object(outcome)) = (&mut whole, outcome) {
        whole.extend(outcome);
    }
    show(&whole, format)?;
    Ok(Exit::Allowed)
}

/// Asks the person at the terminal; without a terminal nobody can say yes.
fn confirm(yes: bool, what: &str) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        bail!("nobody can be asked here: look at the plan, then say --yes");
    }
    print(&format!("{what}take it? [y/N] "))?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "yes") { Ok(()) } else { bail!("nothing was changed") }
}

/// It cannot be told which image goes where.
fn unclear(error: &impl std::fmt::Display) -> anyhow::Error {
    Failure::new(Code::RollbackUnclear, error.to_string()).into()
}
