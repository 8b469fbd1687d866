//! Sigstore bundles v0.1, v0.2 and v0.3 (sigstore/protobuf-specs, protobuf JSON spelling).

use linkward_model::{Algorithm, Code, Digest};
use serde_json::Value;

use crate::dsse::Envelope;
use crate::field::Field;
use crate::{Claim, Fault};

/// Most certificates, log entries and timestamps of one bundle.
const MAX_ITEMS: usize = 32;
/// What Linkward writes while the log is away: signed, and in no log. Never taken for a bundle.
pub const UNLOGGED: &str = "application/vnd.linkward.unlogged-bundle.v1+json";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    V0_1,
    V0_2,
    V0_3,
}

#[derive(Clone, Debug)]
pub struct Bundle {
    pub version: Version,
    pub material: Material,
    pub entries: Vec<LogEntry>,
    /// RFC 3161 responses, DER.
    pub timestamps: Vec<Vec<u8>>,
    pub content: Content,
}

/// Whose key made the signature.
#[derive(Clone, Debug)]
pub enum Material {
    /// DER certificates, the leaf first.
    Certificates(Vec<Vec<u8>>),
    /// A managed key, by a hint that proves nothing.
    PublicKey { hint: String },
}

#[derive(Clone, Debug)]
pub enum Content {
    Message {
        digest: Option<Digest>,
        signature: Vec<u8>,
    },
    Envelope(Envelope),
    /// An envelope whose payload was too large to keep.
    Large(Box<crate::large::Payload>),
    /// A payload that names an image by its digest.
    SimpleSigning {
        payload: Vec<u8>,
        signature: Vec<u8>,
    },
}

#[derive(Clone, Debug)]
pub struct LogEntry {
    pub index: u64,
    pub log_id: Vec<u8>,
    pub kind: String,
    pub version: String,
    /// Seconds since 1970; 0 where the log does not say (Rekor v2).
    pub integrated: i64,
    /// The signed entry timestamp of Rekor v1.
    pub promise: Option<Vec<u8>>,
    pub proof: Option<InclusionProof>,
    pub body: Vec<u8>,
}

#[derive(Clone, Debug)]
pub struct InclusionProof {
    pub index: u64,
    pub size: u64,
    pub root: Vec<u8>,
    pub hashes: Vec<Vec<u8>>,
    pub checkpoint: Option<String>,
}

/// Further formats that hold the same things in other places.
const SIGNED: &[&dyn crate::Format] = &[&crate::pypi::Format, &crate::cosign::Blob, &crate::cosign::Layer];

impl Bundle {
    /// # Errors
    /// Not JSON, or not a bundle; the fault says where.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let document = crate::json(bytes)?;
        let further = SIGNED.iter().find(|format| format.recognise(&document));
        // What calls itself a bundle is one, as for every other reader.
        match further.filter(|_| !crate::Format::recognise(&Format, &document)) {
            None => Self::read(&Field::root(&document)),
            Some(format) => match format.parse(&document)? {
                Claim::Bundle(bundle) => Ok(*bundle),
                _ => Err(Fault::new(Code::UnsupportedFormat, "$", "holds no signature")),
            },
        }
    }

    pub(crate) fn read(field: &Field<'_>) -> Result<Self, Fault> {
        field.object()?;
        let media = field.required("mediaType")?;
        let version = match media.text()? {
            "application/vnd.dev.sigstore.bundle+json;version=0.1" => Version::V0_1,
            "application/vnd.dev.sigstore.bundle+json;version=0.2" => Version::V0_2,
            "application/vnd.dev.sigstore.bundle+json;version=0.3"
            | "application/vnd.dev.sigstore.bundle.v0.3+json" => Version::V0_3,
            UNLOGGED => {
                let message = "the signature waits for a log to hold it".to_owned();
                return Err(Fault::new(Code::BundleUnlogged, media.place(), message));
            }
            other => {
                let message = format!("`{other}` is not a bundle of version 0.1, 0.2 or 0.3");
                return Err(Fault::new(Code::UnsupportedVersion, media.place(), message));
            }
        };
        let material = field
            .optional("verificationMaterial")
            .ok_or_else(|| Fault::new(Code::BundleNoMaterial, "$", "has no `verificationMaterial`"))?;
        let timestamps = match material.optional("timestampVerificationData") {
            None => Vec::new(),
            Some(data) => bounded(&data, "rfc3161Timestamps")?
                .iter()
                .map(|item| item.required("signedTimestamp")?.base64())
                .collect::<Result<_, _>>()?,
        };
        Ok(Self {
            version,
            entries: bounded(&material, "tlogEntries")?.iter().map(entry).collect::<Result<_, _>>()?,
            timestamps,
            content: content(field)?,
            material: read_material(&material)?,
        })
    }
}

pub(crate) fn bounded<'a>(field: &Field<'a>, name: &str) -> Result<Vec<Field<'a>>, Fault> {
    let items = field.list(name)?;
    if items.len() > MAX_ITEMS {
        let message = format!("`{name}` has more than {MAX_ITEMS} items");
        return Err(Fault::new(Code::TooLarge, field.place(), message));
    }
    Ok(items)
}

fn read_material(field: &Field<'_>) -> Result<Material, Fault> {
    one_of(field, &["x509CertificateChain", "certificate", "publicKey"])?;
    let none = || Fault::new(Code::BundleNoMaterial, field.place(), "names neither a certificate nor a key");
    if let Some(chain) = field.optional("x509CertificateChain") {
        let certificates = bounded(&chain, "certificates")?
            .iter()
            .map(|item| item.required("rawBytes")?.base64())
            .collect::<Result<Vec<_>, _>>()?;
        return if certificates.is_empty() { Err(none()) } else { Ok(Material::Certificates(certificates)) };
    }
    if let Some(certificate) = field.optional("certificate") {
        return Ok(Material::Certificates(vec![certificate.required("rawBytes")?.base64()?]));
    }
    let key = field.optional("publicKey").ok_or_else(none)?;
    Ok(Material::PublicKey { hint: key.optional_text("hint")?.unwrap_or("").to_owned() })
}

pub(crate) fn entry(field: &Field<'_>) -> Result<LogEntry, Fault> {
    let kind = field.required("kindVersion")?;
    let promise =
        field.optional("inclusionPromise").and_then(|promise| promise.optional("signedEntryTimestamp"));
    Ok(LogEntry {
        index: field.optional("logIndex").map_or(Ok(0), |field| field.index())?,
        log_id: field.required("logId")?.required("keyId")?.base64()?,
        kind: kind.required("kind")?.text()?.to_owned(),
        version: kind.required("version")?.text()?.to_owned(),
        integrated: field.optional("integratedTime").map_or(Ok(0), |field| field.integer())?,
        promise: promise.map(|field| field.base64()).transpose()?,
        proof: field.optional("inclusionProof").map(|field| proof(&field)).transpose()?,
        body: field.required("canonicalizedBody")?.base64()?,
    })
}

fn proof(field: &Field<'_>) -> Result<InclusionProof, Fault> {
    let hashes = field.list("hashes")?;
    // A tree of 2^63 leaves has paths of 63 hashes.
    if hashes.len() > 64 {
        return Err(Fault::new(Code::TooLarge, field.place(), "has more than 64 hashes"));
    }
    let checkpoint = field.optional("checkpoint").and_then(|checkpoint| checkpoint.optional("envelope"));
    Ok(InclusionProof {
        index: field.optional("logIndex").map_or(Ok(0), |field| field.index())?,
        size: field.required("treeSize")?.index()?,
        root: field.required("rootHash")?.base64()?,
        hashes: hashes.iter().map(Field::base64).collect::<Result<_, _>>()?,
        checkpoint: checkpoint.map(|field| field.text().map(str::to_owned)).transpose()?,
    })
}

/// A protobuf `oneof`: two readers of a document that sets two members could each see another signer or signature.
fn one_of(field: &Field<'_>, names: &[&str]) -> Result<(), Fault> {
    let set: Vec<&str> = names.iter().copied().filter(|name| field.optional(name).is_some()).collect();
    match set.as_slice() {
        [first, second, ..] => {
            Err(field.fault(format!("holds both `{first}` and `{second}`, one is expected")))
        }
        _ => Ok(()),
    }
}

fn content(field: &Field<'_>) -> Result<Content, Fault> {
    one_of(field, &["dsseEnvelope", "messageSignature"])?;
    if let Some(envelope) = field.optional("dsseEnvelope") {
        let envelope_read = Envelope::read(&envelope)?;
        return match envelope_read.signatures.len() {
            0 => Err(Fault::new(Code::BundleNoSignature, envelope.place(), "has no signature")),
            1 => Ok(Content::Envelope(envelope_read)),
            count => Err(Fault::new(
                Code::BundleManySignatures,
                envelope.place(),
                format!("has {count} signatures, a bundle holds one"),
            )),
        };
    }
    let message = field.optional("messageSignature").ok_or_else(|| {
        Fault::new(Code::BundleNoSignature, "$", "has neither messageSignature nor dsseEnvelope")
    })?;
    let signature = message
        .optional("signature")
        .ok_or_else(|| Fault::new(Code::BundleNoSignature, message.place(), "has no `signature`"))?
        .base64()?;
    let digest = match message.optional("messageDigest") {
        None => None,
        // cosign writes an empty one where an Ed25519 key signed the message itself.
        Some(digest) if digest.object()?.is_empty() => None,
        Some(digest) => {
            let name = digest.required("algorithm")?;
            let algorithm = match name.text()? {
                "SHA2_256" => Algorithm::Sha256,
                "SHA2_384" => Algorithm::Sha384,
                "SHA2_512" => Algorithm::Sha512,
                other => return Err(name.fault(format!("`{other}` is not SHA2_256, SHA2_384 or SHA2_512"))),
            };
            let bytes = digest.required("digest")?;
            let read = Digest::from_bytes(algorithm, &bytes.base64()?);
            Some(read.ok_or_else(|| bytes.fault("has the wrong length for its algorithm"))?)
        }
    };
    Ok(Content::Message { digest, signature })
}

pub(crate) struct Format;

impl crate::Format for Format {
    fn name(&self) -> &'static str {
        "Sigstore bundle"
    }

    fn recognise(&self, document: &Value) -> bool {
        let media = document.get("mediaType").and_then(Value::as_str).unwrap_or("");
        media.contains("dev.sigstore.bundle")
            || media == UNLOGGED
            || document.get("verificationMaterial").is_some()
    }

    fn parse(&self, document: &Value) -> Result<Claim, Fault> {
        Bundle::read(&Field::root(document)).map(|bundle| Claim::Bundle(Box::new(bundle)))
    }
}
