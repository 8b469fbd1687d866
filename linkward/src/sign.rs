//! `sign` and `attest`: what a person wants signed with the home's artifact key.
//!
//! That key is not the one of build steps: nobody can have provenance signed here that policy takes for a recorded
//! build's.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use linkward_model::Exit;
use serde_json::{Value, json};

use crate::access::Access;
use crate::cli::{self, Format};
use crate::commands::{hash, nearest, print, print_json};
use crate::table;
use crate::wire::{Request, SignedArtifact};

/// Short names of predicate types.
const TYPES: &[(&str, &str)] = &[
    ("cyclonedx", "https://cyclonedx.org/bom"),
    ("spdx", "https://spdx.dev/Document"),
    ("openvex", "https://openvex.dev/ns"),
    ("slsa-provenance", "https://slsa.dev/provenance/v1"),
    ("vuln", "https://in-toto.io/attestation/vulns/v0.1"),
];
/// Largest predicate: an SBOM of a hundred thousand components.
const MAX_PREDICATE: u64 = 128 << 20;

pub(crate) fn sign(args: &cli::Sign, home: Option<&Path>, format: Format) -> Result<Exit> {
    let digest = hash(&args.file)?;
    let name = file_name(&args.file);
    let home = nearest(home)?;
    home.ensure_artifact_key()?;
    let request = Request::SignArtifact { name: name.clone(), digest, environment: None };
    let signed: SignedArtifact = Access::open(&home)?.ask(request)?;
    let out = args.bundle.clone().unwrap_or_else(|| beside(&args.file, "sigstore.json"));
    finish(&signed, &out, &name, home.path(), format)
}

pub(crate) fn attest(args: &cli::Attest, home: Option<&Path>, format: Format) -> Result<Exit> {
    let (short, kind) = match TYPES.iter().find(|(short, _)| *short == args.kind) {
        Some((short, kind)) => (*short, (*kind).to_owned()),
        None if args.kind.contains("://") => ("attestation", args.kind.clone()),
        None => {
            let names: Vec<_> = TYPES.iter().map(|(short, _)| *short).collect();
            bail!("--type `{}` is neither a URI nor one of {}", args.kind, names.join(", "));
        }
    };
    let path = &args.predicate;
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?.len();
    if size > MAX_PREDICATE {
        bail!("{} is larger than {MAX_PREDICATE} bytes", path.display());
    }
    let predicate: Value = serde_json::from_slice(&std::fs::read(path)?)
        .with_context(|| format!("{} is not JSON", path.display()))?;
    if !predicate.is_object() {
        bail!("{} must hold a JSON object", path.display());
    }
    let digest = hash(&args.file)?;
    let name = file_name(&args.file);
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": name, "digest": { "sha256": digest.hex() } }],
        "predicateType": kind,
        "predicate": predicate,
    });
    let home = nearest(home)?;
    home.ensure_artifact_key()?;
    let statement = statement.to_string();
    let request = Request::SignAttestation { name: name.clone(), statement, environment: None };
    let signed: SignedArtifact = Access::open(&home)?.ask(request)?;
    let out = args.bundle.clone().unwrap_or_else(|| beside(&args.file, &format!("{short}.sigstore.json")));
    finish(&signed, &out, &name, home.path(), format)
}

fn finish(signed: &SignedArtifact, out: &Path, name: &str, home: &Path, format: Format) -> Result<Exit> {
    std::fs::write(out, &signed.bundle).with_context(|| format!("cannot write {}", out.display()))?;
    match format {
        Format::Json => print_json(&json!({
            "version": signed.version, "bundle": out, "record": signed.record,
            "log": { "origin": signed.log, "index": signed.index },
        }))?,
        Format::Table => print(&format!(
            "signed {}: entry {} of {}, record #{}\n  bundle {}\nnext: linkward verify --bundle {} --key {} \
             --trusted-root {} FILE\n",
            table::visible(name),
            signed.index,
            signed.log,
            signed.record,
            out.display(),
            out.display(),
            home.join("artifact.pub").display(),
            home.join("trusted_root.json").display(),
        ))?,
    }
    Ok(Exit::Allowed)
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{suffix}"));
    PathBuf::from(name)
}
