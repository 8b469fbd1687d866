//! `sign` and `attest`: what a person wants signed, with the home's artifact key, an identity, or a key of their own.
//!
//! The artifact key is not the one of build steps: nobody can have provenance signed here that policy takes for a recorded
//! build's.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use linkward_issue::client::Subject;
use linkward_model::{Code, Digest, Exit};
use serde_json::{Value, json};

use crate::access::Access;
use crate::cli::{self, Format};
use crate::commands::{nearest, print, print_json, resolve};
use crate::instance::{self, Outcome};
use crate::wire::{Request, SignedArtifact, VERSION};
use crate::{spool, table};

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
    let (name, digest) = artifact(&args.file)?;
    let out = args.bundle.clone().unwrap_or_else(|| beside(&args.file, "sigstore.json"));
    if args.instance.named() {
        let outcome = instance::sign(&Subject::Artifact(digest), &args.instance, home)?;
        return by_instance(&outcome, &out, &name, args.allow_spool, format);
    }
    let home = nearest(home)?;
    home.ensure_artifact_key()?;
    let request = Request::SignArtifact {
        name: name.clone(),
        digest,
        environment: None,
        out: std::path::absolute(&out).ok(),
    };
    let signed: SignedArtifact = Access::open(&home)?.ask(request)?;
    finish(&signed, &out, &name, args.allow_spool, home.path(), format)
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
    let (name, digest) = artifact(&args.file)?;
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{ "name": name, "digest": { "sha256": digest.hex() } }],
        "predicateType": kind,
        "predicate": predicate,
    });
    let statement = statement.to_string();
    let out = args.bundle.clone().unwrap_or_else(|| beside(&args.file, &format!("{short}.sigstore.json")));
    if args.instance.named() {
        let outcome = instance::sign(&Subject::Statement(statement.as_bytes()), &args.instance, home)?;
        return by_instance(&outcome, &out, &name, args.allow_spool, format);
    }
    let home = nearest(home)?;
    home.ensure_artifact_key()?;
    let request = Request::SignAttestation {
        name: name.clone(),
        statement,
        environment: None,
        out: std::path::absolute(&out).ok(),
    };
    let signed: SignedArtifact = Access::open(&home)?.ask(request)?;
    finish(&signed, &out, &name, args.allow_spool, home.path(), format)
}

/// What an instance gave, written down.
fn by_instance(outcome: &Outcome, out: &Path, name: &str, allow_spool: bool, format: Format) -> Result<Exit> {
    match outcome {
        Outcome::Waiting { form, why } => {
            spool::keep(out, form.as_bytes())?;
            waits(&format!("{why:#}"), out, allow_spool, format)
        }
        Outcome::Logged(bundle) => {
            spool::keep(out, bundle.as_bytes())?;
            match format {
                Format::Json => print_json(&json!({ "version": VERSION, "bundle": out, "logged": true }))?,
                Format::Table => {
                    print(&format!("signed {}\n  bundle {}\n", table::visible(name), out.display()))?;
                }
            }
            Ok(Exit::Allowed)
        }
    }
}

/// Says that a signature is made, and in no log.
fn waits(why: &str, out: &Path, allow_spool: bool, format: Format) -> Result<Exit> {
    let code = Code::BundleUnlogged;
    match format {
        Format::Json => print_json(&json!({
            "version": VERSION, "bundle": out, "logged": false, "code": code, "message": why,
        }))?,
        Format::Table => print(&format!(
            "signed, but not logged: {}\n  {code}: {}\n  next: linkward spool flush {}\n",
            table::visible(why),
            code.summary(),
            out.display()
        ))?,
    }
    Ok(if allow_spool { Exit::Allowed } else { Exit::Unknown })
}

fn finish(
    signed: &SignedArtifact,
    out: &Path,
    name: &str,
    allow_spool: bool,
    home: &Path,
    format: Format,
) -> Result<Exit> {
    spool::keep(out, signed.bundle.as_bytes())?;
    if let Some(why) = &signed.unlogged {
        return waits(why, out, allow_spool, format);
    }
    let (record, index) = (signed.record.unwrap_or_default(), signed.index.unwrap_or_default());
    match format {
        Format::Json => print_json(&json!({
            "version": signed.version, "bundle": out, "record": record,
            "log": { "origin": signed.log, "index": index },
        }))?,
        Format::Table => print(&format!(
            "signed {}: entry {} of {}, record #{}\n  bundle {}\nnext: linkward verify --bundle {} --key {} \
             --trusted-root {} FILE\n",
            table::visible(name),
            index,
            signed.log,
            record,
            out.display(),
            out.display(),
            home.join("artifact.pub").display(),
            home.join("trusted_root.json").display(),
        ))?,
    }
    Ok(Exit::Allowed)
}

/// Name and digest of a file, or of what is known by its digest alone, as an image is. A file wins.
fn artifact(path: &Path) -> Result<(String, Digest)> {
    let (name, digest) = resolve(&path.to_string_lossy())?;
    Ok((name.unwrap_or_else(|| digest.to_string()), digest))
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{suffix}"));
    PathBuf::from(name)
}
