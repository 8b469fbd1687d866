//! `trusted_root.json`: logs, authorities and timestamp authorities of one Sigstore instance, with their validity.

use linkward_model::Instant;

use crate::Fault;
use crate::field::Field;

const MAX_ITEMS: usize = 256;

#[derive(Clone, Debug, Default)]
pub struct TrustedRoot {
    pub logs: Vec<Log>,
    pub certificate_logs: Vec<Log>,
    pub authorities: Vec<Authority>,
    pub timestamp_authorities: Vec<Authority>,
}

/// A transparency log or a certificate log.
#[derive(Clone, Debug)]
pub struct Log {
    pub base_url: String,
    pub id: Vec<u8>,
    /// SubjectPublicKeyInfo, DER.
    pub key: Vec<u8>,
    pub key_details: String,
    pub valid: Validity,
}

/// A certificate authority or a timestamp authority.
#[derive(Clone, Debug)]
pub struct Authority {
    pub uri: String,
    /// DER, leaf or intermediate first, the root last.
    pub chain: Vec<Vec<u8>>,
    pub valid: Validity,
}

/// From a start to an end, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub start: Option<Instant>,
    pub end: Option<Instant>,
}

impl Validity {
    /// Whether a time lies within; a missing start covers nothing.
    pub fn covers(&self, time: Instant) -> bool {
        self.start.is_some_and(|start| start <= time) && self.end.is_none_or(|end| time <= end)
    }
}

impl TrustedRoot {
    /// # Errors
    /// Not JSON, of another media type, or a field is missing.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let document = crate::json(bytes)?;
        let root = Field::root(&document);
        root.object()?;
        if let Some(media) = root.optional("mediaType")
            && !matches!(
                media.text()?,
                "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
                    | "application/vnd.dev.sigstore.trustedroot.v0.1+json"
                    | "application/vnd.dev.sigstore.trustedroot.v0.2+json"
            )
        {
            return Err(media.fault("is not a trusted root of version 0.1 or 0.2"));
        }
        let list = |name: &str| -> Result<Vec<Field<'_>>, Fault> {
            let items = root.list(name)?;
            if items.len() > MAX_ITEMS { Err(root.fault(format!("`{name}` is too long"))) } else { Ok(items) }
        };
        Ok(Self {
            logs: list("tlogs")?.iter().map(log).collect::<Result<_, _>>()?,
            certificate_logs: list("ctlogs")?.iter().map(log).collect::<Result<_, _>>()?,
            authorities: list("certificateAuthorities")?.iter().map(authority).collect::<Result<_, _>>()?,
            timestamp_authorities: list("timestampAuthorities")?
                .iter()
                .map(authority)
                .collect::<Result<_, _>>()?,
        })
    }
}

fn log(field: &Field<'_>) -> Result<Log, Fault> {
    let key = field.required("publicKey")?;
    Ok(Log {
        base_url: field.optional_text("baseUrl")?.unwrap_or("").to_owned(),
        id: field.required("logId")?.required("keyId")?.base64()?,
        key: key.required("rawBytes")?.base64()?,
        key_details: key.required("keyDetails")?.text()?.to_owned(),
        valid: validity(key.optional("validFor").as_ref())?,
    })
}

fn authority(field: &Field<'_>) -> Result<Authority, Fault> {
    let chain = field.required("certChain")?;
    let certificates = chain.list("certificates")?;
    if certificates.is_empty() || certificates.len() > 8 {
        return Err(chain.fault("must hold 1 to 8 certificates"));
    }
    Ok(Authority {
        uri: field.optional_text("uri")?.unwrap_or("").to_owned(),
        chain: certificates
            .iter()
            .map(|item| item.required("rawBytes")?.base64())
            .collect::<Result<_, _>>()?,
        valid: validity(field.optional("validFor").as_ref())?,
    })
}

pub(crate) fn validity(field: Option<&Field<'_>>) -> Result<Validity, Fault> {
    let time = |name: &str| -> Result<Option<Instant>, Fault> {
        let Some(field) = field.and_then(|field| field.optional(name)) else { return Ok(None) };
        field.text()?.parse().map(Some).map_err(|error| field.fault(format!("{error}")))
    };
    Ok(Validity { start: time("start")?, end: time("end")? })
}
