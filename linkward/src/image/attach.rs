//! `attach`: bundles and SBOMs as referrers of an image (OCI distribution 1.1), or, where the registry knows none, under the
//! tag that the specification has for that. `attached` finds and fetches them.
//!
//! A listing that fails is never taken for an empty one: a registry that is overwhelmed would make signatures vanish.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use linkward_evidence::Claim;
use linkward_evidence::bundle::{Bundle, Content};
use linkward_evidence::statement::Statement;
use linkward_model::{Code, Digest, Exit};
use serde_json::{Value, json};

use super::registry::Registry;
use crate::cli::{Attach, Attached, Format};
use crate::commands::{print, print_json};
use crate::table;
use crate::wire::{Failure, VERSION};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// Largest file that is attached.
const MAX_FILE: u64 = 128 << 20;
/// Most referrers that are read of one image.
const MAX_REFERRERS: usize = 10_000;

/// A file to attach.
struct Document {
    name: String,
    media: &'static str,
    bytes: Vec<u8>,
    /// What cosign looks for.
    annotations: Value,
}

/// The image's own manifest, by content.
struct Target {
    digest: Digest,
    media: String,
    size: usize,
}

pub(crate) fn attach(args: &Attach, format: Format) -> Result<Exit> {
    let mut registry = Registry::open(&args.image, "pull,push")?;
    let target = target(&mut registry)?;
    let documents =
        args.files.iter().map(|path| document(path, &target.digest)).collect::<Result<Vec<_>>>()?;
    let mut made = Vec::new();
    for document in &documents {
        let (digest, referrers) = push(&mut registry, &target, document)?;
        made.push((document, digest, referrers));
    }
    match format {
        Format::Json => {
            let rows = made.iter().map(|(document, digest, referrers)| {
                json!({ "file": document.name, "type": document.media, "manifest": digest, "referrers_api": referrers })
            });
            let rows: Vec<Value> = rows.collect();
            print_json(&json!({ "version": VERSION, "image": target.digest, "attached": rows }))?;
        }
        Format::Table => {
            for (document, digest, referrers) in made {
                let how = if referrers { "as a referrer" } else { "under the fallback tag" };
                let name = table::visible(&document.name);
                print(&format!("attached {name} to {} {how}: {digest}\n", target.digest.short()))?;
            }
        }
    }
    Ok(Exit::Allowed)
}

pub(crate) fn attached(args: &Attached, format: Format) -> Result<Exit> {
    let mut registry = Registry::open(&args.image, "pull")?;
    let target = target(&mut registry)?;
    let found = referrers(&mut registry, &target.digest)?;
    let mut rows = Vec::new();
    for one in &found {
        let field = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or("");
        let digest: Digest = field("digest").parse().context("a referrer's digest")?;
        let mut file = None;
        if let Some(folder) = &args.out {
            file = Some(fetch(&mut registry, &digest, folder)?);
        }
        rows.push(json!({ "type": field("artifactType"), "manifest": digest, "file": file }));
    }
    match format {
        Format::Json => print_json(&json!({ "version": VERSION, "image": target.digest, "attached": rows }))?,
        Format::Table if rows.is_empty() => print("nothing is attached\n")?,
        Format::Table => {
            let text =
                |row: &Value, name: &str| row.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
            let head = ["TYPE", "MANIFEST", "FILE"].map(str::to_owned);
            let lines = rows.iter().map(|row| {
                [text(row, "type"), text(row, "manifest"), text(row, "file")]
                    .map(|cell| table::visible(&cell))
            });
            print(&table::grid(&std::iter::once(head).chain(lines).collect::<Vec<_>>()))?;
        }
    }
    Ok(if rows.is_empty() { Exit::Unknown } else { Exit::Allowed })
}

fn target(registry: &mut Registry) -> Result<Target> {
    let (digest, media, bytes) = registry.manifest()?;
    Ok(Target { digest, media, size: bytes.len() })
}

/// A file with its type; a bundle must be about the image.
fn document(path: &Path, image: &Digest) -> Result<Document> {
    let shown = path.display();
    let size = std::fs::metadata(path).with_context(|| format!("cannot read {shown}"))?.len();
    if size > MAX_FILE {
        return Err(Failure::new(Code::TooLarge, format!("{shown} is larger than {MAX_FILE} bytes")).into());
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    let claim = linkward_evidence::parse(&bytes)
        .map_err(|fault| Failure::new(fault.code, format!("{shown}: {fault}")))?;
    let (media, annotations) = match &claim {
        Claim::Bundle(bundle) => (BUNDLE, about(bundle, image, path)?),
        Claim::Sbom(_) if bytes.windows(9).any(|window| window == b"CycloneDX") => {
            ("application/vnd.cyclonedx+json", json!({}))
        }
        Claim::Sbom(_) => ("application/spdx+json", json!({})),
        _ => {
            let what = format!("{shown} is neither a Sigstore bundle nor an SBOM");
            return Err(Failure::new(Code::UnsupportedFormat, what).into());
        }
    };
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok(Document { name, media, bytes, annotations })
}

fn about(bundle: &Bundle, image: &Digest, path: &Path) -> Result<Value> {
    let (names, annotations) = match &bundle.content {
        Content::Message { digest, .. } => {
            (digest.as_ref() == Some(image), json!({ "dev.sigstore.bundle.content": "message-signature" }))
        }
        Content::Envelope(envelope) => {
            let statement = Statement::parse(&envelope.payload)
                .map_err(|fault| Failure::new(fault.code, format!("{}: {fault}", path.display())))?;
            attestation(&statement, image)
        }
        Content::Large(payload) => attestation(&payload.statement, image),
        Content::SimpleSigning { .. } => (false, json!({})),
    };
    if names {
        return Ok(annotations);
    }
    let what = format!("{} does not speak of {image}", path.display());
    Err(Failure::new(Code::SubjectMissing, what).into())
}

fn attestation(statement: &Statement, image: &Digest) -> (bool, Value) {
    let annotations = json!({
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": statement.predicate_type,
    });
    (statement.subjects.iter().any(|subject| subject.digests.contains(image)), annotations)
}

/// Pushes blobs, then the manifest that names the image; whether the registry lists referrers by itself.
fn push(registry: &mut Registry, target: &Target, document: &Document) -> Result<(Digest, bool)> {
    let empty = Digest::sha256(b"{}");
    registry.upload(&empty, b"{}")?;
    let digest = Digest::sha256(&document.bytes);
    registry.upload(&digest, &document.bytes)?;
    // Without a time in it, the same file attached again is the same manifest again.
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": document.media,
        "config": { "mediaType": EMPTY, "digest": empty, "size": 2, "data": "e30=" },
        "layers": [{
            "mediaType": document.media, "digest": digest, "size": document.bytes.len(),
            "annotations": { "org.opencontainers.image.title": document.name },
        }],
        "subject": { "mediaType": target.media, "digest": target.digest, "size": target.size },
        "annotations": document.annotations,
    })
    .to_string();
    let own = Digest::sha256(manifest.as_bytes());
    let referrers = registry.put_manifest(&own.to_string(), MANIFEST, manifest.as_bytes())?;
    if !referrers {
        list_by_tag(registry, target, document, &own, manifest.len())?;
    }
    Ok((own, referrers))
}

/// `sha256:HEX` as the tag that lists its referrers where the registry does not.
fn fallback_tag(digest: &Digest) -> String {
    digest.to_string().replace(':', "-")
}

fn list_by_tag(
    registry: &mut Registry,
    target: &Target,
    document: &Document,
    own: &Digest,
    size: usize,
) -> Result<()> {
    let tag = fallback_tag(&target.digest);
    let mut listed = by_tag(registry, &target.digest)?.unwrap_or_default();
    if listed.iter().any(|known| known.get("digest") == Some(&json!(own))) {
        return Ok(());
    }
    listed.push(json!({
        "mediaType": MANIFEST, "digest": own, "size": size, "artifactType": document.media,
        "annotations": document.annotations,
    }));
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": listed }).to_string();
    registry.put_manifest(&tag, INDEX, index.as_bytes())?;
    Ok(())
}

/// Whatever refers to a manifest: by the registry's own list, else by the tag.
fn referrers(registry: &mut Registry, digest: &Digest) -> Result<Vec<Value>> {
    match registry.find(&format!("referrers/{digest}"))? {
        Some(bytes) => entries(&bytes),
        None => Ok(by_tag(registry, digest)?.unwrap_or_default()),
    }
}

fn by_tag(registry: &mut Registry, digest: &Digest) -> Result<Option<Vec<Value>>> {
    let found = registry.find(&format!("manifests/{}", fallback_tag(digest)))?;
    found.map(|bytes| entries(&bytes)).transpose()
}

fn entries(index: &[u8]) -> Result<Vec<Value>> {
    let value: Value = serde_json::from_slice(index).context("the registry's list of referrers")?;
    let listed = value.get("manifests").and_then(Value::as_array);
    let listed = listed.context("the registry's list of referrers has no `manifests`")?;
    if listed.len() > MAX_REFERRERS {
        bail!("the image has more than {MAX_REFERRERS} referrers");
    }
    Ok(listed.clone())
}

/// Writes what a referrer holds, named by its digest: whose name it carries is whatever somebody wrote.
fn fetch(registry: &mut Registry, manifest: &Digest, folder: &Path) -> Result<PathBuf> {
    let bytes =
        registry.find(&format!("manifests/{manifest}"))?.context("a referrer that is listed and gone")?;
    if Digest::sha256(&bytes) != *manifest {
        let what = format!("{manifest}: the bytes are those of {}", Digest::sha256(&bytes));
        return Err(Failure::new(Code::BlobMismatch, what).into());
    }
    let value: Value = serde_json::from_slice(&bytes).context("a referrer's manifest")?;
    let layer =
        value.pointer("/layers/0/digest").and_then(Value::as_str).context("a referrer without content")?;
    let layer: Digest = layer.parse().context("a referrer's content")?;
    let content = registry.find(&format!("blobs/{layer}"))?.context("a referrer whose content is gone")?;
    if Digest::sha256(&content) != layer {
        let what = format!("{layer}: the bytes are those of {}", Digest::sha256(&content));
        return Err(Failure::new(Code::BlobMismatch, what).into());
    }
    std::fs::create_dir_all(folder)?;
    let suffix = match value.get("artifactType").and_then(Value::as_str) {
        Some(BUNDLE) => "sigstore.json",
        _ => "json",
    };
    let path = folder.join(format!("{}.{suffix}", layer.hex()));
    crate::spool::keep(&path, &content)?;
    Ok(path)
}

/// Most that is read of one answer.
pub(super) const MAX_ANSWER: u64 = MAX_FILE;
