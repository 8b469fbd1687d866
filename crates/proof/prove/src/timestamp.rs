//! RFC 3161 timestamps: a CMS SignedData (RFC 5652) over a TSTInfo.

use aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY;
use linkward_model::{Algorithm, Code, Digest, Instant};

use crate::attestation::Stamp;
use crate::certificate::{Certificate, PathError, TIME_STAMPING, path, signature_hash};
use crate::der::{self, Reader};
use crate::roots::AuthorityRoot;

const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
const SIGNING_CERTIFICATE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x0c];
const SIGNING_CERTIFICATE_V2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x2f];
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];

/// A token as it was parsed.
struct Token<'a> {
    content: &'a [u8],
    certificates: Vec<Certificate>,
    attributes: &'a [u8],
    digest: Algorithm,
    signature_oid: &'a [u8],
    signature: &'a [u8],
    imprint: Digest,
    time: Instant,
}

/// Checks a timestamp over these bytes; returns the time that it proves, and by whom.
pub(crate) fn check(
    response: &[u8],
    signed: &[u8],
    authorities: &[AuthorityRoot],
) -> Result<Stamp, (Code, String)> {
    let malformed =
        || (Code::TimestampInvalid, "the timestamp is not a well-formed RFC 3161 response".to_owned());
    let token = parse(response).ok_or_else(malformed)?;
    if token.imprint != Digest::of(token.imprint.algorithm(), signed) {
        let what = "the timestamp was made over other bytes than this signature".to_owned();
        return Err((Code::TimestampMismatch, what));
    }
    if !token.attributes_hold() {
        return Err((Code::TimestampInvalid, "the signed attributes are of another content".to_owned()));
    }
    // Signed attributes are hashed as the SET that they are, not as the [0] that they are sent as.
    let message = der::element(der::SET, token.attributes);
    let hash = signature_hash(token.signature_oid).unwrap_or(token.digest);
    let mut closest =
        (Code::TimestampUntrusted, "no trusted timestamp authority made this timestamp".to_owned());
    for authority in authorities {
        // Where the trust root names the authority's own certificate, no other that its root issued will do.
        let named = authority.chain.first().filter(|first| first.signs_for(TIME_STAMPING).is_ok());
        let signers: Vec<&Certificate> = match named {
            Some(named) => vec![named],
            None => token.certificates.iter().filter(|c| c.signs_for(TIME_STAMPING).is_ok()).collect(),
        };
        for signer in signers {
            if !signer.key.signed_with(hash, &message, token.signature) {
                let own = token.certificates.iter().any(|certificate| certificate.der == signer.der);
                if own && closest.1.starts_with("no trusted") {
                    closest = (Code::TimestampInvalid, "the authority's signature does not match".to_owned());
                }
                continue;
            }
            if !token.names(signer) {
                let what = "the timestamp names another certificate than the one that signed it".to_owned();
                return Err((Code::TimestampInvalid, what));
            }
            match path(signer, &token.certificates, authority, TIME_STAMPING, &[token.time]) {
                Ok(_) => {
                    let anchor = authority.chain.last().map_or(&signer.key, |anchor| &anchor.key);
                    let name = authority.uri.clone();
                    return Ok(Stamp { authority: name, time: token.time, key: anchor.id() });
                }
                Err(PathError::Expired) => {
                    let what = format!("the timestamp authority was not valid at {}", token.time);
                    closest = (Code::TimestampUntrusted, what);
                }
                Err(PathError::Untrusted) => {}
            }
        }
    }
    Err(closest)
}

/// As [`check`] where the token stands without the response that brought it.
pub(crate) fn check_token(
    token: &[u8],
    signed: &[u8],
    authorities: &[AuthorityRoot],
) -> Result<Stamp, (Code, String)> {
    let granted = der::element(der::SEQUENCE, &der::integer(&[0]));
    check(&der::element(der::SEQUENCE, &[&granted, token].concat()), signed, authorities)
}

fn parse(response: &[u8]) -> Option<Token<'_>> {
    let mut outer = Reader::new(response).expect(der::SEQUENCE)?.reader();
    let status = outer.expect(der::SEQUENCE)?.reader().expect(der::INTEGER)?.content;
    // granted, or granted with modifications
    if !matches!(status, [0 | 1]) {
        return None;
    }
    let mut info = outer.expect(der::SEQUENCE)?.reader();
    if info.expect(der::OID)?.content != SIGNED_DATA {
        return None;
    }
    let mut data = info.expect(0xa0)?.reader().expect(der::SEQUENCE)?.reader();
    data.expect(der::INTEGER)?;
    data.expect(der::SET)?;
    let mut encapsulated = data.expect(der::SEQUENCE)?.reader();
    if encapsulated.expect(der::OID)?.content != TST_INFO {
        return None;
    }
    let content = encapsulated.expect(0xa0)?.reader().expect(der::OCTET_STRING)?.content;
    let mut certificates = Vec::new();
    if let Some(list) = data.optional(0xa0) {
        let mut list = list.reader();
        while !list.is_empty() && certificates.len() < 16 {
            certificates.extend(Certificate::parse(list.any()?.raw));
        }
    }
    data.optional(0xa1);
    let mut signers = data.expect(der::SET)?.reader();
    let mut signer = signers.expect(der::SEQUENCE)?.reader();
    if !signers.is_empty() {
        return None;
    }
    signer.expect(der::INTEGER)?;
    signer.any()?;
    let digest = hash(signer.expect(der::SEQUENCE)?.reader().expect(der::OID)?.content)?;
    let attributes = signer.expect(0xa0)?.content;
    let signature_oid = signer.expect(der::SEQUENCE)?.reader().expect(der::OID)?.content;
    let signature = signer.expect(der::OCTET_STRING)?.content;
    let mut tst = Reader::new(content).expect(der::SEQUENCE)?.reader();
    tst.expect(der::INTEGER)?;
    tst.expect(der::OID)?;
    let mut imprint = tst.expect(der::SEQUENCE)?.reader();
    let algorithm = hash(imprint.expect(der::SEQUENCE)?.reader().expect(der::OID)?.content)?;
    let imprint = Digest::from_bytes(algorithm, imprint.expect(der::OCTET_STRING)?.content)?;
    tst.expect(der::INTEGER)?;
    let time = tst.expect(der::GENERALIZED_TIME)?.time()?;
    Some(Token { content, certificates, attributes, digest, signature_oid, signature, imprint, time })
}

impl Token<'_> {
    /// The one value of a signed attribute; an attribute that stands twice has none.
    fn attribute(&self, name: &[u8]) -> Option<der::Element<'_>> {
        let mut list = Reader::new(self.attributes);
        let mut found = None;
        while !list.is_empty() {
            let mut attribute = list.expect(der::SEQUENCE)?.reader();
            if attribute.expect(der::OID)?.content != name {
                continue;
            }
            let mut values = attribute.expect(der::SET)?.reader();
            let value = values.any()?;
            if found.replace(value).is_some() || !values.is_empty() {
                return None;
            }
        }
        found
    }

    /// Whether the signed attributes name this content's type and digest.
    fn attributes_hold(&self) -> bool {
        let digest = Digest::of(self.digest, self.content);
        self.attribute(CONTENT_TYPE).is_some_and(|value| value.content == TST_INFO)
            && self.attribute(MESSAGE_DIGEST).is_some_and(|value| value.content == digest.as_bytes())
    }

    /// Whether the signing certificate attribute (RFC 3161, 2.4.2; RFC 5816) names this certificate.
    fn names(&self, signer: &Certificate) -> bool {
        let first = |value: der::Element<'_>| -> Option<(Option<Algorithm>, Vec<u8>)> {
            let mut id = value.reader().expect(der::SEQUENCE)?.reader().expect(der::SEQUENCE)?.reader();
            let algorithm = match id.optional(der::SEQUENCE) {
                None => None,
                Some(named) => Some(hash(named.reader().expect(der::OID)?.content)?),
            };
            Some((algorithm, id.expect(der::OCTET_STRING)?.content.to_vec()))
        };
        if let Some(value) = self.attribute(SIGNING_CERTIFICATE_V2) {
            return first(value).is_some_and(|(algorithm, named)| {
                named == Digest::of(algorithm.unwrap_or(Algorithm::Sha256), &signer.der).as_bytes()
            });
        }
        let older = self.attribute(SIGNING_CERTIFICATE).and_then(first);
        older.is_some_and(|(_, named)| {
            named == aws_lc_rs::digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, &signer.der).as_ref()
        })
    }
}

fn hash(oid: &[u8]) -> Option<Algorithm> {
    match oid {
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01] => Some(Algorithm::Sha256),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02] => Some(Algorithm::Sha384),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03] => Some(Algorithm::Sha512),
        _ => None,
    }
}
