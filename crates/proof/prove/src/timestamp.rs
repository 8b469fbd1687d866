//! RFC 3161 timestamps: a CMS SignedData (RFC 5652) over a TSTInfo.

use aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY;
use linkward_model::{Algorithm, Code, Digest, Instant};

use crate::attestation::Stamp;
use crate::certificate::{Certificate, PathError, TIME_STAMPING, path};
use crate::cms::{SignedData, hash};
use crate::der::{self, Reader};
use crate::roots::AuthorityRoot;

const TST_INFO: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];
const SIGNING_CERTIFICATE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x0c];
const SIGNING_CERTIFICATE_V2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x2f];
/// A token as it was parsed.
struct Token<'a> {
    content: &'a [u8],
    data: SignedData<'a>,
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
    let message = token.data.signer.message();
    let hash = token.data.signer.signature_hash().ok_or_else(malformed)?;
    let signature = token.data.signer.signature;
    let brought = &token.data.certificates;
    let mut closest =
        (Code::TimestampUntrusted, "no trusted timestamp authority made this timestamp".to_owned());
    for authority in authorities {
        // Where the trust root names the authority's own certificate, no other that its root issued will do.
        let named = authority.chain.first().filter(|first| first.signs_for(TIME_STAMPING).is_ok());
        let signers: Vec<&Certificate> = match named {
            Some(named) => vec![named],
            None => brought.iter().filter(|c| c.signs_for(TIME_STAMPING).is_ok()).collect(),
        };
        for signer in signers {
            if !signer.key.signed_with(hash, &message, signature) {
                let own = brought.iter().any(|certificate| certificate.der == signer.der);
                if own && closest.1.starts_with("no trusted") {
                    closest = (Code::TimestampInvalid, "the authority's signature does not match".to_owned());
                }
                continue;
            }
            if !token.names(signer) {
                let what = "the timestamp names another certificate than the one that signed it".to_owned();
                return Err((Code::TimestampInvalid, what));
            }
            match path(signer, brought, authority, TIME_STAMPING, &[token.time]) {
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
    let data = SignedData::parse(outer.expect(der::SEQUENCE)?.raw)?;
    data.signer.hash()?;
    let content = data.content.filter(|_| data.content_type == TST_INFO)?;
    let mut tst = Reader::new(content).expect(der::SEQUENCE)?.reader();
    tst.expect(der::INTEGER)?;
    tst.expect(der::OID)?;
    let mut imprint = tst.expect(der::SEQUENCE)?.reader();
    let algorithm = hash(imprint.expect(der::SEQUENCE)?.reader().expect(der::OID)?.content)?;
    let imprint = Digest::from_bytes(algorithm, imprint.expect(der::OCTET_STRING)?.content)?;
    tst.expect(der::INTEGER)?;
    let time = tst.expect(der::GENERALIZED_TIME)?.time()?;
    Some(Token { content, data, imprint, time })
}

impl Token<'_> {
    /// Whether the signed attributes name this content's type and digest.
    fn attributes_hold(&self) -> bool {
        self.data.signer.is_over(TST_INFO, self.content)
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
        if let Some(value) = self.data.signer.attribute(SIGNING_CERTIFICATE_V2) {
            return first(value).is_some_and(|(algorithm, named)| {
                named == Digest::of(algorithm.unwrap_or(Algorithm::Sha256), &signer.der).as_bytes()
            });
        }
        let older = self.data.signer.attribute(SIGNING_CERTIFICATE).and_then(first);
        older.is_some_and(|(_, named)| {
            named == aws_lc_rs::digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, &signer.der).as_ref()
        })
    }
}
