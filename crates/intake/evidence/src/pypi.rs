//! PEP 740 attestation objects: a statement with its signature, certificate and log entries, as Python indexes serve them.
//!
//! What the index writes about the publisher beside it is its own word; only the certificate is proven.

use serde_json::Value;

use crate::bundle::{Bundle, Content, Material, Version, bounded, entry};
use crate::dsse::{Envelope, Signature};
use crate::field::Field;
use crate::{Claim, Fault};
use linkward_model::Code;

pub(crate) fn read(field: &Field<'_>) -> Result<Bundle, Fault> {
    let version = field.required("version")?;
    if version.integer()? != 1 {
        return Err(Fault::new(Code::UnsupportedVersion, version.place(), "is not 1"));
    }
    let material = field.required("verification_material")?;
    let envelope = field.required("envelope")?;
    Ok(Bundle {
        // As with these, an entry must bring its inclusion proof.
        version: Version::V0_3,
        material: Material::Certificates(vec![material.required("certificate")?.base64()?]),
        entries: bounded(&material, "transparency_entries")?.iter().map(entry).collect::<Result<_, _>>()?,
        timestamps: Vec::new(),
        content: Content::Envelope(Envelope {
            payload_type: "application/vnd.in-toto+json".to_owned(),
            payload: envelope.required("statement")?.base64()?,
            signatures: vec![Signature { key_id: None, sig: envelope.required("signature")?.base64()? }],
        }),
    })
}

pub(crate) struct Format;

impl crate::Format for Format {
    fn name(&self) -> &'static str {
        "PEP 740 attestation"
    }

    fn recognise(&self, document: &Value) -> bool {
        document.get("verification_material").is_some() && document.get("envelope").is_some()
    }

    fn parse(&self, document: &Value) -> Result<Claim, Fault> {
        read(&Field::root(document)).map(|bundle| Claim::Bundle(Box::new(bundle)))
    }
}
