//! Signed certificate timestamps and certificate log leaves, RFC 6962 section 3: the TLS encodings.

use linkward_model::{Digest, Instant};

/// The log's answer, as it stands in the certificate.
pub(crate) const SCT_LIST: &[u64] = &[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];

const V1: u8 = 0;
const CERTIFICATE_TIMESTAMP: u8 = 0;
const TIMESTAMPED_ENTRY: u8 = 0;
const PRECERT_ENTRY: u16 = 1;
/// sha256(4), ecdsa(3)
const ECDSA_SHA256: [u8; 2] = [4, 3];

/// Timestamp, entry type, issuer, certificate, no extensions: what leaf and signature have in common.
fn timestamped(time: Instant, issuer_key: &Digest, tbs: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(tbs.len() + 64);
    out.extend(time.millis().to_be_bytes());
    out.extend(PRECERT_ENTRY.to_be_bytes());
    out.extend(issuer_key.as_bytes());
    let length = u32::try_from(tbs.len()).unwrap_or(u32::MAX).to_be_bytes();
    out.extend(length.iter().skip(1));
    out.extend(tbs);
    out.extend([0, 0]);
    out
}

/// MerkleTreeLeaf of a certificate that is about to be issued.
pub fn leaf(time: Instant, issuer_key: &Digest, tbs: &[u8]) -> Vec<u8> {
    [&[V1, TIMESTAMPED_ENTRY][..], &timestamped(time, issuer_key, tbs)].concat()
}

/// What the log signs.
pub(crate) fn message(time: Instant, issuer_key: &Digest, tbs: &[u8]) -> Vec<u8> {
    [&[V1, CERTIFICATE_TIMESTAMP][..], &timestamped(time, issuer_key, tbs)].concat()
}

/// SignedCertificateTimestampList with one element.
pub(crate) fn list(log: &Digest, time: Instant, signature: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes();
    let mut sct = vec![V1];
    sct.extend(log.as_bytes());
    sct.extend(time.millis().to_be_bytes());
    sct.extend([0, 0]);
    sct.extend(ECDSA_SHA256);
    sct.extend(length(signature.len()));
    sct.extend(signature);
    let mut out = length(sct.len() + 2).to_vec();
    out.extend(length(sct.len()));
    out.extend(sct);
    out
}
