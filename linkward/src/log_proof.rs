//! `linkward log proof` and `log verify-proof`: a proof that leaves the home, and its verification by those who have none.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use linkward_ledger::LogName;
use linkward_ledger::cosigner::CosignerKey;
use linkward_ledger::key::NoteKey;
use linkward_ledger::log_proof::{LogProof, LogProofError};
use linkward_ledger::merkle::leaf_hash;
use linkward_ledger::quorum::WitnessPolicy;
use linkward_model::{Code, Exit};

use crate::access::Access;
use crate::cli::Format;
use crate::commands::{print, print_json};
use crate::home::Home;
use crate::wire::Request;

#[derive(Debug, Args)]
pub(crate) struct Proof {
    /// The entry's number
    #[arg(value_name = "N")]
    index: u64,
    /// Which log: evidence or signing
    #[arg(long, default_value = "evidence", value_parser = log_name)]
    log: LogName,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyProof {
    /// The proof
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The log's verifier key, name+hash+base64
    #[arg(long, value_name = "VKEY")]
    key: NoteKey,
    /// The entry's bytes [default: those that the proof brings along]
    #[arg(long, value_name = "FILE")]
    entry: Option<PathBuf>,
    #[command(flatten)]
    witnesses: Witnesses,
}

/// Which witnesses must have cosigned.
#[derive(Debug, Args)]
pub(crate) struct Witnesses {
    /// A witness's verifier key, name+hash+base64; may be repeated
    #[arg(id = "witness", long = "witness", value_name = "VKEY")]
    keys: Vec<CosignerKey>,
    /// How many of the witnesses must have cosigned [default: all]
    #[arg(id = "witnesses", long = "witnesses", value_name = "COUNT", requires = "witness")]
    at_least: Option<usize>,
}

impl Witnesses {
    pub(crate) fn policy(&self) -> Result<WitnessPolicy> {
        let at_least = self.at_least.unwrap_or(self.keys.len());
        Ok(WitnessPolicy::new(self.keys.clone(), at_least)?)
    }
}

pub(crate) fn log_name(text: &str) -> Result<LogName, String> {
    [LogName::Evidence, LogName::Signing]
        .into_iter()
        .find(|name| name.as_str() == text)
        .ok_or_else(|| "the logs are `evidence` and `signing`".to_owned())
}

pub(crate) fn proof(args: &Proof, home: &Home) -> Result<Exit> {
    let text: String = Access::open(home)?.ask(Request::LogProof { log: args.log, index: args.index })?;
    print(&text)?;
    Ok(Exit::Allowed)
}

pub(crate) fn verify(args: &VerifyProof, format: Format) -> Result<Exit> {
    let text = std::fs::read_to_string(&args.file)
        .with_context(|| format!("cannot read {}", args.file.display()))?;
    let proof = LogProof::parse(&text).with_context(|| args.file.display().to_string())?;
    let entry = match (&args.entry, &proof.extra) {
        (Some(path), _) => std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?,
        (None, Some(entry)) => entry.clone(),
        (None, None) => anyhow::bail!("the proof does not bring its entry along; name it with --entry"),
    };
    match proof.verify(&leaf_hash(&entry), &args.key, &args.witnesses.policy()?) {
        Ok(logged) => {
            let size = logged.checkpoint.size();
            let origin = logged.checkpoint.origin();
            if format == Format::Json {
                print_json(&serde_json::json!({
                    "version": crate::wire::VERSION, "logged": true, "origin": origin, "index": logged.index,
                    "size": size, "root": logged.checkpoint.root().to_string(), "witnesses": logged.witnesses,
                }))?;
            } else {
                let names: Vec<_> = logged.witnesses.iter().map(|(name, _)| name.as_str()).collect();
                let seen =
                    if names.is_empty() { "no witness asked for".to_owned() } else { names.join(", ") };
                print(&format!("logged: entry {} of {size} in {origin}; witnesses: {seen}\n", logged.index))?;
            }
            Ok(Exit::Allowed)
        }
        Err(error) => {
            let (code, exit) = match error {
                LogProofError::Witnesses(_) => (Code::WitnessesTooFew, Exit::Unknown),
                _ => (Code::LogProofInvalid, Exit::Denied),
            };
            if format == Format::Json {
                print_json(&serde_json::json!({
                    "version": crate::wire::VERSION, "logged": false, "code": code, "message": error.to_string(),
                }))?;
            } else {
                print(&format!("not proven: {code}: {error}\n  fix: {}\n", code.fix()))?;
            }
            Ok(exit)
        }
    }
}
