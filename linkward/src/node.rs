//! The image verifier that containerd runs on a node: decides from a snapshot, with the control plane away.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use linkward_deploy::{MAX_DESCRIPTOR, NodeQuestion, node_reason};
use linkward_model::{Exit, Instant};

use crate::commands::print;
use crate::replica::Local;

/// Where a node keeps its trust, settings and snapshot.
pub(crate) const FOLDER: &str = "/etc/linkward/gate";

#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct ImageVerifier {
    /// Folder with trust.json, linkward.toml, snapshot and floor.json
    #[arg(long, value_name = "DIR", default_value = FOLDER)]
    pub(crate) gate: PathBuf,
    /// What containerd passes: -name REFERENCE -digest DIGEST -stdin-media-type TYPE
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAGS")]
    pub(crate) flags: Vec<String>,
}

/// Whether these arguments are those of containerd, which knows no subcommands.
pub(crate) fn is_protocol(args: &[std::ffi::OsString]) -> bool {
    args.get(1).and_then(|first| first.to_str()).is_some_and(|first| {
        let flag = first.trim_start_matches('-').split('=').next().unwrap_or("");
        first.starts_with('-') && matches!(flag, "name" | "digest" | "stdin-media-type")
    })
}

/// Answers on standard output, with the exit code as containerd reads it: 0 lets the pull go on.
pub(crate) fn verify(args: &ImageVerifier) -> Result<Exit> {
    match answer(args) {
        Ok((text, refused)) => {
            print(&text)?;
            Ok(if refused { Exit::Denied } else { Exit::Allowed })
        }
        Err(error) => {
            // containerd shows what is printed here; an error is no yes.
            print(&format!("linkward: refused: {error:#}\n"))?;
            Ok(Exit::Error)
        }
    }
}

fn answer(args: &ImageVerifier) -> Result<(String, bool)> {
    let question = NodeQuestion::parse(&args.flags)?;
    if question.descriptor {
        let mut bytes = Vec::new();
        std::io::stdin().lock().take(MAX_DESCRIPTOR).read_to_end(&mut bytes)?;
        question.check_descriptor(&bytes)?;
    }
    let now = Instant::now();
    let local = Local::open(&args.gate, &args.gate)?;
    let gate = local.gate(now);
    let (decision, refused) = gate.verify_node(&question, now);
    Ok((node_reason(&decision, refused), refused))
}
