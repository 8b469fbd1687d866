//! Signed certificate timestamps embedded in a certificate (RFC 6962, sections 3.2 and 3.3).

use linkward_model::{Algorithm, Digest, Instant};

use crate::certificate::{Certificate, SCT_LIST};
use crate::der::{self, Reader};
use crate::roots::LogRoot;

/// Why no timestamp holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SctError {
    Missing,
    Invalid,
}

/// Finds one timestamp in the leaf that a trusted log signed; returns the log's host name.
pub(crate) fn embedded<'a>(
    leaf: &Certificate,
    issuer: &Certificate,
    logs: &'a [LogRoot],
) -> Result<&'a str, SctError> {
    let extension = leaf.extension(SCT_LIST).ok_or(SctError::Missing)?;
    let mut inner = Reader::new(&extension.value);
    let list = inner.expect(der::OCTET_STRING).ok_or(SctError::Invalid)?.content;
    let (length, mut rest) = prefix(list).ok_or(SctError::Invalid)?;
    if length != rest.len() || rest.is_empty() {
        return Err(SctError::Invalid);
    }
    let tbs = without_scts(leaf).ok_or(SctError::Invalid)?;
    while !rest.is_empty() {
        let (length, after) = prefix(rest).ok_or(SctError::Invalid)?;
        let (sct, after) = after.split_at_checked(length).ok_or(SctError::Invalid)?;
        rest = after;
        if let Some(host) = check(sct, &tbs, issuer, logs) {
            return Ok(host);
        }
    }
    Err(SctError::Invalid)
}

fn prefix(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_at_checked(2)?;
    Some((usize::from(u16::from_be_bytes(length.try_into().ok()?)), rest))
}

fn check<'a>(sct: &[u8], tbs: &[u8], issuer: &Certificate, logs: &'a [LogRoot]) -> Option<&'a str> {
    let (&version, rest) = sct.split_first()?;
    let (id, rest) = rest.split_at_checked(32)?;
    let (timestamp, rest) = rest.split_at_checked(8)?;
    let (length, rest) = prefix(rest)?;
    let (extensions, rest) = rest.split_at_checked(length)?;
    let (algorithm, rest) = rest.split_at_checked(2)?;
    let (length, signature) = prefix(rest)?;
    // SHA-256 with ECDSA or RSA, as RFC 6962 requires of logs.
    if version != 0 || !matches!(algorithm, [4, 1 | 3]) || length != signature.len() {
        return None;
    }
    let millis = i64::try_from(u64::from_be_bytes(timestamp.try_into().ok()?)).ok()?;
    let mut signed = vec![0, 0];
    signed.extend_from_slice(timestamp);
    signed.extend_from_slice(&[0, 1]);
    signed.extend_from_slice(Digest::sha256(issuer.key.spki()).as_bytes());
    signed.extend_from_slice(u32::try_from(tbs.len()).ok()?.to_be_bytes().get(1..)?);
    signed.extend_from_slice(tbs);
    signed.extend_from_slice(&u16::try_from(extensions.len()).ok()?.to_be_bytes());
    signed.extend_from_slice(extensions);
    logs.iter()
        .filter(|log| log.id == id && log.valid.covers(Instant::from_millis(millis)))
        .find(|log| log.key.signed_with(Algorithm::Sha256, &signed, signature))
        .map(|log| log.host.as_str())
}

/// The certificate's TBS as the log saw it: without the extension that holds the timestamps.
fn without_scts(leaf: &Certificate) -> Option<Vec<u8>> {
    let mut outer = Reader::new(&leaf.tbs);
    let mut fields = outer.expect(der::SEQUENCE)?.reader();
    let mut content = Vec::new();
    while !fields.is_empty() {
        let field = fields.any()?;
        if field.tag != 0xa3 {
            content.extend_from_slice(field.raw);
        }
    }
    let kept: Vec<u8> = leaf
        .extensions
        .iter()
        .filter(|extension| extension.oid != SCT_LIST)
        .flat_map(|extension| extension.raw.iter().copied())
        .collect();
    if !kept.is_empty() {
        content.extend(der::element(0xa3, &der::element(der::SEQUENCE, &kept)));
    }
    Some(der::element(der::SEQUENCE, &content))
}
