//! DSSE envelopes, secure-systems-lab/dsse protocol v1.0: payload, its type, signatures over both.

use serde_json::Value;

use crate::field::Field;
use crate::{Claim, Fault};

/// A signed envelope whose signatures nobody has checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub payload_type: String,
    pub payload: Vec<u8>,
    pub signatures: Vec<Signature>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// A hint, never trusted.
    pub key_id: Option<String>,
    pub sig: Vec<u8>,
}

impl Envelope {
    /// The bytes that are signed.
    pub fn pae(&self) -> Vec<u8> {
        pae(&self.payload_type, &self.payload)
    }

    pub(crate) fn read(field: &Field<'_>) -> Result<Self, Fault> {
        let signatures = field
            .list("signatures")?
            .iter()
            .map(|field| {
                Ok(Signature {
                    key_id: field.optional_text("keyid")?.filter(|id| !id.is_empty()).map(str::to_owned),
                    sig: field.required("sig")?.base64()?,
                })
            })
            .collect::<Result<_, Fault>>()?;
        Ok(Self {
            payload_type: field.required("payloadType")?.text()?.to_owned(),
            payload: field.required("payload")?.base64()?,
            signatures,
        })
    }
}

/// Pre-authentication encoding: the lengths keep type and payload from being confused.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    [head(payload_type, payload.len() as u64).as_bytes(), payload].concat()
}

/// What stands before a payload of this length.
pub(crate) fn head(payload_type: &str, length: u64) -> String {
    format!("DSSEv1 {} {payload_type} {length} ", payload_type.len())
}

pub(crate) struct Format;

impl crate::Format for Format {
    fn name(&self) -> &'static str {
        "DSSE envelope"
    }

    fn recognise(&self, document: &Value) -> bool {
        document.get("payloadType").is_some() && document.get("signatures").is_some()
    }

    fn parse(&self, document: &Value) -> Result<Claim, Fault> {
        Envelope::read(&Field::root(document)).map(Claim::Envelope)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn pae_of_the_specification() {
        // The test vector of protocol.md.
        let expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
        assert_eq!(super::pae("http://example.com/HelloWorld", b"hello world"), expected);
    }
}
