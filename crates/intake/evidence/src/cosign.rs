//! What cosign wrote before it wrote Sigstore bundles: the blob bundle, and the layers of `.sig` and `.att` tags, each as
//! its OCI descriptor with the blob inlined as `data` (image-spec, descriptor.md).
//!
//! These rest on the log's promise alone: there is no inclusion proof in them.

use linkward_model::{Code, Digest};
use serde_json::Value;

use crate::bundle::{Bundle, Content, LogEntry, Material, Version};
use crate::dsse::{Envelope, Signature};
use crate::field::Field;
use crate::rekor::{Entry, pem_blocks};
use crate::{Claim, Fault};

const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";
const SIGNATURE: &str = "dev.cosignproject.cosign/signature";

/// `cosign sign-blob --bundle` before version 3.
fn blob(field: &Field<'_>) -> Result<Bundle, Fault> {
    let entries: Vec<LogEntry> =
        field.optional("rekorBundle").iter().map(log_entry).collect::<Result<_, _>>()?;
    let certificate = field.optional("cert").map(|cert| certificates(&cert)).transpose()?;
    // The bundle does not say what was signed; the log entry does, and is checked against the signature.
    let digest = entries.first().and_then(|entry| {
        Entry::parse(&entry.kind, &entry.version, &entry.body).ok().map(|entry| entry.digest)
    });
    Ok(Bundle {
        version: Version::V0_1,
        material: material(certificate.unwrap_or_default()),
        entries,
        timestamps: Vec::new(),
        content: Content::Message { digest, signature: field.required("base64Signature")?.base64()? },
    })
}

fn layer(field: &Field<'_>) -> Result<Bundle, Fault> {
    let data = field.required("data")?;
    let bytes = data.base64()?;
    let digest = field.required("digest")?;
    let named: Digest =
        digest.text()?.parse().map_err(|error| digest.fault(format!("is not a digest: {error}")))?;
    if named != Digest::of(named.algorithm(), &bytes) {
        return Err(Fault::new(
            Code::DigestMismatch,
            data.place(),
            "is not of the digest that the layer names",
        ));
    }
    let annotations = field.required("annotations")?;
    let chain = [
        annotations.optional("dev.sigstore.cosign/certificate"),
        annotations.optional("dev.sigstore.cosign/chain"),
    ];
    let mut found = Vec::new();
    for text in chain.iter().flatten() {
        found.extend(pem_blocks(text.text()?).ok_or_else(|| text.fault("is not PEM text"))?);
    }
    let media = field.required("mediaType")?;
    let content = match media.text()? {
        SIMPLE_SIGNING => {
            let signature = annotations.required(SIGNATURE)?.base64()?;
            Content::SimpleSigning { payload: bytes, signature }
        }
        ENVELOPE => {
            let document = crate::json(&bytes)?;
            Content::Envelope(one_signature(Envelope::read(&Field::root(&document))?, &data)?)
        }
        other => return Err(media.fault(format!("`{other}` is neither {SIMPLE_SIGNING} nor {ENVELOPE}"))),
    };
    Ok(Bundle {
        version: Version::V0_1,
        material: material(found),
        entries: inner(&annotations, "dev.sigstore.cosign/bundle", log_entry)?.into_iter().collect(),
        timestamps: inner(&annotations, "dev.sigstore.cosign/rfc3161timestamp", |field| {
            field.required("SignedRFC3161Timestamp")?.base64()
        })?
        .into_iter()
        .collect(),
        content,
    })
}

fn one_signature(envelope: Envelope, data: &Field<'_>) -> Result<Envelope, Fault> {
    match envelope.signatures.as_slice() {
        [Signature { .. }] => Ok(envelope),
        [] => Err(Fault::new(Code::BundleNoSignature, data.place(), "has no signature")),
        _ => Err(Fault::new(
            Code::BundleManySignatures,
            data.place(),
            "has several signatures, one is expected",
        )),
    }
}

/// JSON within an annotation.
fn inner<T>(
    annotations: &Field<'_>,
    name: &str,
    read: impl Fn(&Field<'_>) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    let Some(text) = annotations.optional(name) else { return Ok(None) };
    let document = crate::json(text.text()?.as_bytes())?;
    read(&Field::root(&document)).map(Some)
}

fn material(chain: Vec<Vec<u8>>) -> Material {
    if chain.is_empty() { Material::PublicKey { hint: String::new() } } else { Material::Certificates(chain) }
}

/// PEM, or base64 of PEM; a public key in its place is no certificate.
fn certificates(field: &Field<'_>) -> Result<Vec<Vec<u8>>, Fault> {
    let text = field.text()?;
    let text = match text.starts_with("-----BEGIN") {
        true => text.to_owned(),
        false => String::from_utf8(field.base64()?).map_err(|_| field.fault("is not PEM text"))?,
    };
    if text.contains("BEGIN PUBLIC KEY") {
        return Ok(Vec::new());
    }
    pem_blocks(&text).ok_or_else(|| field.fault("is not PEM text"))
}

fn log_entry(field: &Field<'_>) -> Result<LogEntry, Fault> {
    let payload = field.required("Payload")?;
    let body = payload.required("body")?.base64()?;
    let id = payload.required("logID")?;
    let document = crate::json(&body)?;
    let says = Field::root(&document);
    Ok(LogEntry {
        index: payload.required("logIndex")?.index()?,
        log_id: hex(id.text()?).ok_or_else(|| id.fault("is not hexadecimal"))?,
        kind: says.required("kind")?.text()?.to_owned(),
        version: says.required("apiVersion")?.text()?.to_owned(),
        integrated: payload.required("integratedTime")?.integer()?,
        promise: Some(field.required("SignedEntryTimestamp")?.base64()?),
        proof: None,
        body,
    })
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let digits: Vec<u8> = text.as_bytes().iter().map(digit).collect::<Option<_>>()?;
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    Some(digits.chunks(2).map(|pair| pair.iter().fold(0, |byte: u8, digit| (byte << 4) | digit)).collect())
}

pub(crate) struct Blob;

impl crate::Format for Blob {
    fn name(&self) -> &'static str {
        "cosign blob bundle"
    }

    fn recognise(&self, document: &Value) -> bool {
        document.get("base64Signature").is_some()
    }

    fn parse(&self, document: &Value) -> Result<Claim, Fault> {
        blob(&Field::root(document)).map(|bundle| Claim::Bundle(Box::new(bundle)))
    }
}

pub(crate) struct Layer;

impl crate::Format for Layer {
    fn name(&self) -> &'static str {
        "cosign layer"
    }

    fn recognise(&self, document: &Value) -> bool {
        document.get("annotations").is_some()
            && document.get("data").is_some()
            && matches!(document.get("mediaType").and_then(Value::as_str), Some(SIMPLE_SIGNING | ENVELOPE))
    }

    fn parse(&self, document: &Value) -> Result<Claim, Fault> {
        layer(&Field::root(document)).map(|bundle| Claim::Bundle(Box::new(bundle)))
    }
}
