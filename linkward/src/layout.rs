//! `linkward verify --layout`: an in-toto layout with its links, from files.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use clap::Args;
use linkward_evidence::in_toto::Artifacts;
use linkward_model::Digest;
use linkward_prove::{
    Folder, Inspected, Inspections, Inspector, LayoutQuestion, Proven, Refusal, SupplyChain,
};

use crate::verify::public_key;

/// Largest link that is read.
const MAX_LINK: u64 = 64 << 20;

#[derive(Debug, Args)]
pub(crate) struct LayoutArgs {
    /// An in-toto layout, instead of bundles: the artifact must be a product of its last step
    #[arg(long, value_name = "FILE", requires = "layout_keys", conflicts_with_all = ["bundles", "identities", "keys", "key_list", "signers"])]
    pub(crate) layout: Option<PathBuf>,
    /// The public key of the layout's owner, PEM; may be repeated, each must have signed
    #[arg(long = "layout-key", value_name = "PEM", requires = "layout")]
    layout_keys: Vec<PathBuf>,
    /// Where the links lie, as STEP.KEYID.link [default: the layout's folder]
    #[arg(long, value_name = "DIR", requires = "layout")]
    link_dir: Option<PathBuf>,
    /// A value for a parameter of the layout; may be repeated
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter, requires = "layout")]
    parameters: Vec<(String, String)>,
    /// Run the commands that the layout demands of its verifier, in this folder
    #[arg(long, value_name = "DIR", requires = "layout", conflicts_with = "skip_inspections")]
    run_inspections: Option<PathBuf>,
    /// Accept the result without the commands that the layout demands of its verifier
    #[arg(long, requires = "layout")]
    skip_inspections: bool,
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("`{text}` is not NAME=VALUE"))
}

pub(crate) fn prove(
    args: &LayoutArgs,
    layout: &Path,
    artifact: &[Digest],
    now: linkward_model::Instant,
) -> Result<Result<Proven<SupplyChain>, Box<Refusal>>> {
    let bytes = std::fs::read(layout).with_context(|| format!("cannot read {}", layout.display()))?;
    let keys = args.layout_keys.iter().map(|path| public_key(path)).collect::<Result<Vec<_>>>()?;
    let beside = || layout.parent().unwrap_or(Path::new("")).to_owned();
    let links = Links(args.link_dir.clone().unwrap_or_else(beside));
    let parameters: BTreeMap<String, String> = args.parameters.iter().cloned().collect();
    let shell = args.run_inspections.clone().map(Shell);
    let inspections = match &shell {
        Some(shell) => Inspections::Run(shell),
        None if args.skip_inspections => Inspections::Skipped,
        None => Inspections::Undecided,
    };
    Ok(linkward_prove::layout(LayoutQuestion {
        layout: &bytes,
        keys: &keys,
        links: &links,
        parameters: &parameters,
        inspections,
        artifact,
        now,
    }))
}

struct Links(PathBuf);

impl Folder for Links {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        let path = self.0.join(path);
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
            Ok(found) if found.len() > MAX_LINK => return Err(format!("is larger than {MAX_LINK} bytes")),
            Ok(_) => {}
        }
        std::fs::read(&path).map(Some).map_err(|error| error.to_string())
    }
}

/// Runs inspections in a folder, and records what lies there before and after.
struct Shell(PathBuf);

impl Inspector for Shell {
    fn run(&self, command: &[String]) -> Result<Inspected, String> {
        let materials = recorded(&self.0)?;
        let succeeded = match command {
            // The reference implementation runs nothing for an empty command, and records all the same.
            [] => true,
            [program, arguments @ ..] => Command::new(program)
                .args(arguments)
                .current_dir(&self.0)
                .stdin(Stdio::null())
                // What it says is for the person, and standard output is for the result.
                .stdout(std::io::stderr())
                .status()
                .map_err(|error| format!("cannot run `{}`: {error}", program.escape_debug()))?
                .success(),
        };
        Ok(Inspected { materials, products: recorded(&self.0)?, succeeded })
    }
}

fn recorded(folder: &Path) -> Result<Artifacts, String> {
    let names = RefCell::new(Vec::new());
    let note = |name: &str| {
        names.borrow_mut().push(name.to_owned());
        false
    };
    let walk = linkward_collect::walk_whole(folder, &note)
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    if let Some(skipped) = walk.skipped.first() {
        return Err(format!("{}: {}", skipped.path, skipped.why));
    }
    let mut found = Artifacts::new();
    for name in names.into_inner() {
        let (digest, _) =
            linkward_collect::hash_file(&folder.join(&name)).map_err(|error| format!("{name}: {error}"))?;
        found.insert(name, BTreeMap::from([("sha256".to_owned(), digest.hex())]));
    }
    Ok(found)
}
