//! Canonical entry bodies of Rekor v1 (hashedrekord, dsse, intoto) and v2 (hashedrekord 0.0.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_model::{Algorithm, Code, Digest};

use crate::Fault;
use crate::field::Field;

/// What a log entry says was signed, by whose key, with which signature.
#[derive(Clone, Debug)]
pub struct Entry {
    pub kind: Kind,
    /// Digest of the artifact (v1 hashedrekord), of the payload (dsse, intoto), or of the pre-authentication
    /// encoding (v2 hashedrekord over DSSE).
    pub digest: Digest,
    /// Digest of the whole envelope, where the entry has one.
    pub envelope: Option<Digest>,
    pub signatures: Vec<Signature>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    HashedRekord001,
    HashedRekord002,
    Dsse001,
    Intoto002,
}

#[derive(Clone, Debug)]
pub struct Signature {
    pub sig: Vec<u8>,
    /// DER of the certificate or of the SubjectPublicKeyInfo.
    pub verifier: Vec<u8>,
}

impl Entry {
    /// # Errors
    /// Not JSON, or of a kind that is not supported.
    pub fn parse(kind: &str, version: &str, body: &[u8]) -> Result<Self, Fault> {
        let document = crate::json(body)?;
        let root = Field::root(&document);
        let says = (root.required("kind")?.text()?, root.required("apiVersion")?.text()?);
        if says != (kind, version) {
            return Err(root.fault(format!("is {} {}, the bundle says {kind} {version}", says.0, says.1)));
        }
        let spec = root.required("spec")?;
        match says {
            ("hashedrekord", "0.0.1") => hashedrekord_001(&spec),
            ("hashedrekord", "0.0.2") => hashedrekord_002(&spec),
            ("dsse", "0.0.1") => dsse_001(&spec),
            ("intoto", "0.0.2") => intoto_002(&spec),
            (kind, version) => Err(Fault::new(
                Code::LogEntryUnsupported,
                root.place(),
                format!("{kind} {version} is not supported"),
            )),
        }
    }
}

fn hashedrekord_001(spec: &Field<'_>) -> Result<Entry, Fault> {
    let signature = spec.required("signature")?;
    let key = signature.required("publicKey")?.required("content")?;
    Ok(Entry {
        kind: Kind::HashedRekord001,
        digest: hash(&spec.required("data")?.required("hash")?)?,
        envelope: None,
        signatures: vec![Signature { sig: signature.required("content")?.base64()?, verifier: pem(&key)? }],
    })
}

fn hashedrekord_002(spec: &Field<'_>) -> Result<Entry, Fault> {
    let spec = spec.required("hashedRekordV002")?;
    let data = spec.required("data")?;
    let name = data.required("algorithm")?;
    let algorithm = match name.text()? {
        "SHA2_256" => Algorithm::Sha256,
        "SHA2_384" => Algorithm::Sha384,
        "SHA2_512" => Algorithm::Sha512,
        other => return Err(name.fault(format!("`{other}` is not supported"))),
    };
    let bytes = data.required("digest")?;
    let digest = Digest::from_bytes(algorithm, &bytes.base64()?)
        .ok_or_else(|| bytes.fault("has the wrong length for its algorithm"))?;
    let signature = spec.required("signature")?;
    let verifier = signature.required("verifier")?;
    let verifier = match (verifier.optional("x509Certificate"), verifier.optional("publicKey")) {
        (Some(certificate), None) => certificate.required("rawBytes")?.base64()?,
        (None, Some(key)) => key.required("rawBytes")?.base64()?,
        _ => return Err(verifier.fault("must hold either x509Certificate or publicKey")),
    };
    let sig = signature.required("content")?.base64()?;
    Ok(Entry {
        kind: Kind::HashedRekord002,
        digest,
        envelope: None,
        signatures: vec![Signature { sig, verifier }],
    })
}

fn dsse_001(spec: &Field<'_>) -> Result<Entry, Fault> {
    let listed = spec.required("signatures")?.items()?;
    let signatures = listed
        .iter()
        .map(|item| {
            Ok(Signature {
                sig: item.required("signature")?.base64()?,
                verifier: pem(&item.required("verifier")?)?,
            })
        })
        .collect::<Result<_, Fault>>()?;
    Ok(Entry {
        kind: Kind::Dsse001,
        digest: hash(&spec.required("payloadHash")?)?,
        envelope: spec.optional("envelopeHash").map(|field| hash(&field)).transpose()?,
        signatures,
    })
}

fn intoto_002(spec: &Field<'_>) -> Result<Entry, Fault> {
    let content = spec.required("content")?;
    let listed = content.required("envelope")?.required("signatures")?.items()?;
    let signatures = listed
        .iter()
        .map(|item| {
            // Signature and key are base64 of base64: the type took DSSE fields as bytes.
            let sig = item.required("sig")?;
            let inner = sig.base64()?;
            let inner = STANDARD.decode(&inner).map_err(|_| sig.fault("is not base64 within base64"))?;
            Ok(Signature { sig: inner, verifier: pem(&item.required("publicKey")?)? })
        })
        .collect::<Result<_, Fault>>()?;
    Ok(Entry {
        kind: Kind::Intoto002,
        digest: hash(&content.required("payloadHash")?)?,
        envelope: content.optional("hash").map(|field| hash(&field)).transpose()?,
        signatures,
    })
}

fn hash(field: &Field<'_>) -> Result<Digest, Fault> {
    let name = field.required("algorithm")?;
    let algorithm =
        Algorithm::from_name(name.text()?).ok_or_else(|| name.fault("is not sha256, sha384 or sha512"))?;
    let value = field.required("value")?;
    Digest::from_hex(algorithm, value.text()?).map_err(|error| value.fault(error.to_string()))
}

/// Base64 of a PEM block.
fn pem(field: &Field<'_>) -> Result<Vec<u8>, Fault> {
    let text = String::from_utf8(field.base64()?).map_err(|_| field.fault("is not PEM text"))?;
    from_pem(&text).ok_or_else(|| field.fault("is not PEM text"))
}

/// The DER inside the first PEM block.
pub fn from_pem(text: &str) -> Option<Vec<u8>> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (_, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    let body: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(body).ok()
}

/// The DER inside every PEM block; `None` where there is none, or one is not base64.
pub fn pem_blocks(text: &str) -> Option<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("-----BEGIN ") {
        let block = rest.get(start..)?;
        found.push(from_pem(block)?);
        let (_, after) = block.split_once("-----END ")?;
        rest = after;
    }
    if found.is_empty() { None } else { Some(found) }
}
