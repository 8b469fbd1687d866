//! Notary Project signatures (Notation): a JWS or a COSE_Sign1 over the descriptor of an artifact, with its certificates.

mod cose;
mod jws;

use linkward_model::{Digest, Instant};
use serde_json::Value;

use crate::Fault;
use crate::field::Field;

const PAYLOAD: &str = "application/vnd.cncf.notary.payload.v1+json";
const SCHEME: &str = "io.cncf.notary.signingScheme";
const SIGNING_TIME: &str = "io.cncf.notary.signingTime";
const AUTHENTIC_TIME: &str = "io.cncf.notary.authenticSigningTime";
const EXPIRY: &str = "io.cncf.notary.expiry";
const TIMESTAMP: &str = "io.cncf.notary.timestampSignature";
/// Most certificates of one signature.
const MAX_CHAIN: usize = 16;

/// A signature that nobody has checked yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub form: &'static str,
    pub algorithm: Algorithm,
    pub scheme: Scheme,
    /// When it was signed, as the signer says (scheme x509) or as the authority says (signingAuthority).
    pub time: Option<Instant>,
    pub expiry: Option<Instant>,
    /// Names of critical attributes that are not in the specification: plugins.
    pub further_critical: Vec<String>,
    /// DER, the leaf first.
    pub chain: Vec<Vec<u8>>,
    /// An RFC 3161 token over the signature.
    pub timestamp: Option<Vec<u8>>,
    pub target: Target,
    /// The bytes that are signed.
    pub message: Vec<u8>,
    pub signature: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    Es512,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    X509,
    SigningAuthority,
}

/// What was signed: an artifact's descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
}

impl Envelope {
    /// # Errors
    /// Neither envelope, or not of the specification's shape; the fault says where.
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        if bytes.trim_ascii_start().starts_with(b"{") { jws::read(bytes) } else { cose::read(bytes) }
    }
}

/// What both envelopes say in their protected headers, as they were read from either.
struct Protected {
    content_type: String,
    scheme: String,
    critical: Vec<String>,
    signing_time: Option<Instant>,
    authentic_time: Option<Instant>,
    expiry: Option<Instant>,
    /// Every name that stands there.
    names: Vec<String>,
}

impl Protected {
    /// The rules of the specification that do not depend on the envelope: what must be critical, and which time goes
    /// with which scheme.
    fn judge(self, known: &[&str]) -> Result<Judged, Fault> {
        let fault = |what: String| Fault::field("$.protected", what);
        if self.content_type != PAYLOAD {
            return Err(fault(format!(
                "content type `{}` is not {PAYLOAD}",
                self.content_type.escape_debug()
            )));
        }
        let scheme = match self.scheme.as_str() {
            "notary.x509" => Scheme::X509,
            "notary.x509.signingAuthority" => Scheme::SigningAuthority,
            other => return Err(fault(format!("signing scheme `{}` is not known", other.escape_debug()))),
        };
        let time = match (scheme, self.signing_time, self.authentic_time) {
            (Scheme::X509, time, None) => time,
            (Scheme::SigningAuthority, None, Some(time)) => Some(time),
            _ => return Err(fault("the signing time is not the one that goes with its scheme".to_owned())),
        };
        let mut needed = vec![SCHEME];
        if scheme == Scheme::SigningAuthority {
            needed.push(AUTHENTIC_TIME);
        }
        if self.expiry.is_some() {
            needed.push(EXPIRY);
        }
        // Left uncritical, an older reader may pass over what limits the signature.
        if let Some(name) = needed.iter().find(|name| self.critical.iter().all(|critical| critical != *name))
        {
            return Err(fault(format!("`{name}` must be critical")));
        }
        if let Some(name) = self.critical.iter().find(|name| !self.names.contains(name)) {
            return Err(fault(format!("`{}` is critical and is not there", name.escape_debug())));
        }
        let further = |name: &String| !needed.contains(&name.as_str()) && !known.contains(&name.as_str());
        let further_critical = self.critical.into_iter().filter(further).collect();
        Ok(Judged { scheme, time, expiry: self.expiry, further_critical })
    }
}

struct Judged {
    scheme: Scheme,
    time: Option<Instant>,
    expiry: Option<Instant>,
    further_critical: Vec<String>,
}

fn target(payload: &[u8]) -> Result<Target, Fault> {
    let document = crate::json(payload)?;
    let field = Field::at("$.payload", &document).required("targetArtifact")?;
    let digest = field.required("digest")?;
    Ok(Target {
        media_type: field.required("mediaType")?.text()?.to_owned(),
        digest: digest.text()?.parse().map_err(|_| digest.fault("must be a digest as sha256:HEX"))?,
        size: field.required("size")?.index()?,
    })
}

fn time(field: &Field<'_>, name: &str) -> Result<Option<Instant>, Fault> {
    field
        .optional(name)
        .map(|time| {
            time.text()?.parse().map_err(|_| time.fault("must be a time such as 2030-01-31T12:00:00Z"))
        })
        .transpose()
}

/// The names of an object.
fn names(value: &Value) -> Vec<String> {
    value.as_object().map(|members| members.keys().cloned().collect()).unwrap_or_default()
}
