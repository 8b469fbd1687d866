//! CMS SignedData by one signer (RFC 5652), as timestamps and signed commits carry it.

use linkward_model::{Algorithm, Digest};

use crate::certificate::{Certificate, signature_hash};
use crate::der::{self, Element, Reader};

const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
/// 1.2.840.113549.1.7.1: bytes of no further structure.
pub(crate) const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
const CONTENT_TYPE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
const MESSAGE_DIGEST: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
const MAX_CERTIFICATES: usize = 16;

pub(crate) struct SignedData<'a> {
    pub(crate) content_type: &'a [u8],
    /// None where the signature is detached.
    pub(crate) content: Option<&'a [u8]>,
    /// Those that can be read.
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) signer: SignerInfo<'a>,
}

pub(crate) struct SignerInfo<'a> {
    /// Issuer and serial number, or the identifier of the key.
    named: Element<'a>,
    /// The object identifier of the hash over the content.
    digest: &'a [u8],
    /// The signed attributes, without the tag that they are sent under.
    pub(crate) attributes: &'a [u8],
    unsigned: &'a [u8],
    signature_oid: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl<'a> SignedData<'a> {
    /// A ContentInfo that holds a SignedData with signed attributes by exactly one signer.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut all = Reader::new(bytes);
        let mut info = all.expect(der::SEQUENCE)?.reader();
        if !all.is_empty() || info.expect(der::OID)?.content != SIGNED_DATA {
            return None;
        }
        let mut data = info.expect(0xa0)?.reader().expect(der::SEQUENCE)?.reader();
        data.expect(der::INTEGER)?;
        data.expect(der::SET)?;
        let mut encapsulated = data.expect(der::SEQUENCE)?.reader();
        let content_type = encapsulated.expect(der::OID)?.content;
        let content = match encapsulated.optional(0xa0) {
            Some(content) => Some(content.reader().expect(der::OCTET_STRING)?.content),
            None => None,
        };
        let mut certificates = Vec::new();
        if let Some(list) = data.optional(0xa0) {
            let mut list = list.reader();
            while !list.is_empty() && certificates.len() < MAX_CERTIFICATES {
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
        let named = signer.any()?;
        let digest = signer.expect(der::SEQUENCE)?.reader().expect(der::OID)?.content;
        let attributes = signer.expect(0xa0)?.content;
        let signature_oid = signer.expect(der::SEQUENCE)?.reader().expect(der::OID)?.content;
        let signature = signer.expect(der::OCTET_STRING)?.content;
        let unsigned = signer.optional(0xa1).map_or(&[][..], |unsigned| unsigned.content);
        let signer = SignerInfo { named, digest, attributes, unsigned, signature_oid, signature };
        Some(Self { content_type, content, certificates, signer })
    }

    /// The certificate that the signer names.
    pub(crate) fn certificate(&self) -> Option<&Certificate> {
        self.certificates.iter().find(|certificate| certificate.is_named_by(&self.signer.named))
    }
}

impl<'a> SignerInfo<'a> {
    /// The hash over the content: none for those that are not believed (SHA-1, MD5) or not known.
    pub(crate) fn hash(&self) -> Option<Algorithm> {
        hash(self.digest)
    }

    /// The hash that the signature is over, which goes with its algorithm where that names one.
    pub(crate) fn signature_hash(&self) -> Option<Algorithm> {
        signature_hash(self.signature_oid).or_else(|| self.hash())
    }

    /// What was signed: the attributes as the SET that they are, not as the [0] that they are sent as.
    pub(crate) fn message(&self) -> Vec<u8> {
        der::element(der::SET, self.attributes)
    }

    /// The one value of a signed attribute; an attribute that stands twice has none.
    pub(crate) fn attribute(&self, name: &[u8]) -> Option<Element<'a>> {
        attribute(self.attributes, name)
    }

    /// The one value of an attribute that nobody signed.
    pub(crate) fn unsigned_attribute(&self, name: &[u8]) -> Option<Element<'a>> {
        attribute(self.unsigned, name)
    }

    /// Whether the signed attributes are of this type and content (RFC 5652, 5.6).
    pub(crate) fn is_over(&self, content_type: &[u8], content: &[u8]) -> bool {
        let digest = self.hash().map(|hash| Digest::of(hash, content));
        self.attribute(CONTENT_TYPE).is_some_and(|value| value.content == content_type)
            && self
                .attribute(MESSAGE_DIGEST)
                .zip(digest)
                .is_some_and(|(value, digest)| value.content == digest.as_bytes())
    }
}

fn attribute<'a>(list: &'a [u8], name: &[u8]) -> Option<Element<'a>> {
    let mut list = Reader::new(list);
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

pub(crate) fn hash(oid: &[u8]) -> Option<Algorithm> {
    match oid {
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01] => Some(Algorithm::Sha256),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02] => Some(Algorithm::Sha384),
        [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03] => Some(Algorithm::Sha512),
        _ => None,
    }
}
