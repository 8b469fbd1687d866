//! X.509 certificates (RFC 5280) as far as signing needs them, and the path from a leaf to a trusted root.

use linkward_model::{Algorithm, Instant};

use crate::der::{self, Element, Reader};
use crate::key::PublicKey;
use crate::roots::AuthorityRoot;

/// Longest path that is followed.
const MAX_PATH: usize = 6;

const SAN: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
/// 1.3.6.1.5.5.7.3.3
pub(crate) const CODE_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];
/// 1.3.6.1.5.5.7.3.8
pub(crate) const TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];
/// 1.3.6.1.4.1.11129.2.4.2
pub(crate) const SCT_LIST: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xd6, 0x79, 0x02, 0x04, 0x02];
/// 1.3.6.1.4.1.57264.1, Fulcio's arc.
const FULCIO: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0xbf, 0x30, 0x01];

#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) der: Vec<u8>,
    pub(crate) tbs: Vec<u8>,
    issuer: Vec<u8>,
    subject: Vec<u8>,
    pub(crate) key: PublicKey,
    pub(crate) not_before: Instant,
    pub(crate) not_after: Instant,
    hash: Option<Algorithm>,
    signature: Vec<u8>,
    pub(crate) extensions: Vec<Extension>,
}

#[derive(Clone, Debug)]
pub(crate) struct Extension {
    pub(crate) oid: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) raw: Vec<u8>,
}

impl Certificate {
    /// `None` where this is no certificate, or its key is of a type that is not supported.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut all = Reader::new(bytes);
        let outer = all.expect(der::SEQUENCE)?;
        if !all.is_empty() {
            return None;
        }
        let mut parts = outer.reader();
        let tbs = parts.expect(der::SEQUENCE)?;
        let algorithm = parts.expect(der::SEQUENCE)?;
        let signature = parts.expect(der::BIT_STRING)?.bits()?.to_vec();
        let mut fields = tbs.reader();
        fields.optional(0xa0);
        fields.expect(der::INTEGER)?;
        let inner = fields.expect(der::SEQUENCE)?;
        // RFC 5280, 4.1.1.2: both must be the same.
        if inner.raw != algorithm.raw {
            return None;
        }
        let issuer = fields.expect(der::SEQUENCE)?.raw.to_vec();
        let mut validity = fields.expect(der::SEQUENCE)?.reader();
        let subject = fields.expect(der::SEQUENCE)?.raw.to_vec();
        let key = PublicKey::from_spki(fields.expect(der::SEQUENCE)?.raw).ok()?;
        fields.optional(0xa1);
        fields.optional(0xa2);
        let extensions = match fields.optional(0xa3) {
            None => Vec::new(),
            Some(list) => read_extensions(&list)?,
        };
        Some(Self {
            der: bytes.to_vec(),
            tbs: tbs.raw.to_vec(),
            issuer,
            subject,
            key,
            not_before: validity.any()?.time()?,
            not_after: validity.any()?.time()?,
            hash: signature_hash(algorithm.reader().expect(der::OID)?.content),
            signature,
            extensions,
        })
    }

    pub(crate) fn extension(&self, oid: &[u8]) -> Option<&Extension> {
        self.extensions.iter().find(|extension| extension.oid == oid)
    }

    pub(crate) fn valid_at(&self, time: Instant) -> bool {
        self.not_before <= time && time <= self.not_after
    }

    pub(crate) fn may(&self, usage: &[u8]) -> bool {
        let listed = || {
            let mut list =
                Reader::new(&self.extension(EXTENDED_KEY_USAGE)?.value).expect(der::SEQUENCE)?.reader();
            let mut found = false;
            while !list.is_empty() {
                found |= list.expect(der::OID)?.content == usage;
            }
            Some(found)
        };
        listed().unwrap_or(false)
    }

    fn is_authority(&self) -> bool {
        let flagged = || {
            let mut list =
                Reader::new(&self.extension(BASIC_CONSTRAINTS)?.value).expect(der::SEQUENCE)?.reader();
            Some(list.optional(0x01)?.content == [0xff])
        };
        flagged().unwrap_or(false)
    }

    pub(crate) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Whether this certificate's name and key are those of the issuer of `other`.
    fn issued(&self, other: &Self) -> bool {
        let Some(hash) = other.hash else { return false };
        self.is_authority()
            && self.subject == other.issuer
            && self.key.signed_with(hash, &other.tbs, &other.signature)
    }

    /// Names of the subject: e-mail addresses, URIs and Fulcio's user names.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut read = || {
            let mut list = Reader::new(&self.extension(SAN)?.value).expect(der::SEQUENCE)?.reader();
            while !list.is_empty() {
                let name = list.any()?;
                match name.tag {
                    0x81 | 0x86 => found.push(String::from_utf8(name.content.to_vec()).ok()?),
                    0xa0 => {
                        let mut other = name.reader();
                        let oid = other.expect(der::OID)?.content;
                        let value = other.expect(0xa0)?.reader().any()?;
                        if oid == [FULCIO, &[7]].concat() {
                            found.push(String::from_utf8(value.content.to_vec()).ok()?);
                        }
                    }
                    _ => {}
                }
            }
            Some(())
        };
        match read() {
            Some(()) => found,
            None => Vec::new(),
        }
    }

    /// The OIDC issuer that Fulcio recorded: the newer extension, or the older one.
    pub(crate) fn oidc_issuer(&self) -> Option<String> {
        self.fulcio(8).or_else(|| self.fulcio(1))
    }

    fn fulcio(&self, number: u8) -> Option<String> {
        let value = &self.extension(&[FULCIO, &[number]].concat())?.value;
        // The first six hold the text itself, the later ones a UTF8String (certificate-specification.md).
        let text = if number <= 6 { value.as_slice() } else { Reader::new(value).expect(0x0c)?.content };
        String::from_utf8(text.to_vec()).ok()
    }

    /// Fulcio's extensions that policies ask for, by name.
    pub(crate) fn claims(&self) -> Vec<(String, String)> {
        const NAMES: &[(u8, &str)] = &[
            (2, "github-workflow-trigger"),
            (3, "github-workflow-sha"),
            (4, "github-workflow-name"),
            (5, "github-workflow-repository"),
            (6, "github-workflow-ref"),
            (9, "build-signer-uri"),
            (10, "build-signer-digest"),
            (11, "runner-environment"),
            (12, "source-repository-uri"),
            (13, "source-repository-digest"),
            (14, "source-repository-ref"),
            (15, "source-repository-identifier"),
            (16, "source-repository-owner-uri"),
            (17, "source-repository-owner-identifier"),
            (18, "build-config-uri"),
            (19, "build-config-digest"),
            (20, "build-trigger"),
            (21, "run-invocation-uri"),
            (22, "source-repository-visibility-at-signing"),
        ];
        NAMES.iter().filter_map(|(number, name)| Some(((*name).to_owned(), self.fulcio(*number)?))).collect()
    }
}

fn read_extensions(list: &Element<'_>) -> Option<Vec<Extension>> {
    let mut found: Vec<Extension> = Vec::new();
    let mut items = list.reader().expect(der::SEQUENCE)?.reader();
    while !items.is_empty() {
        let item = items.expect(der::SEQUENCE)?;
        let mut parts = item.reader();
        let oid = parts.expect(der::OID)?.content.to_vec();
        parts.optional(0x01);
        let value = parts.expect(der::OCTET_STRING)?.content.to_vec();
        // RFC 5280, 4.2: no extension stands twice; two would let one reader see one and another the other.
        if found.len() >= 64 || found.iter().any(|known| known.oid == oid) {
            return None;
        }
        found.push(Extension { oid, value, raw: item.raw.to_vec() });
    }
    Some(found)
}

/// The hash of a signature algorithm: ECDSA (RFC 5758), RSA PKCS#1 v1.5 (RFC 4055), Ed25519 (which has its own).
pub(crate) fn signature_hash(oid: &[u8]) -> Option<Algorithm> {
    match oid {
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02]
        | [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b]
        | [0x2b, 0x65, 0x70] => Some(Algorithm::Sha256),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03]
        | [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0c] => Some(Algorithm::Sha384),
        [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04]
        | [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0d] => Some(Algorithm::Sha512),
        _ => None,
    }
}

/// Why no path was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathError {
    /// No trusted authority issued it.
    Untrusted,
    /// There is a path, but something on it was not valid at the time.
    Expired,
}

/// Follows a leaf to the root of an authority, everything valid at `time`. The last certificate of the authority's
/// chain is the only anchor; what a bundle brings along can only be a link in between.
///
/// Returns the leaf's issuer.
pub(crate) fn path<'a>(
    leaf: &Certificate,
    between: &'a [Certificate],
    authority: &'a AuthorityRoot,
    time: Instant,
) -> Result<&'a Certificate, PathError> {
    let anchor = authority.chain.last().ok_or(PathError::Untrusted)?;
    // A timestamp authority's own certificate may be its whole chain.
    if authority.chain.len() == 1 && anchor.der == leaf.der {
        let valid = anchor.valid_at(time) && authority.valid.covers(time);
        return if valid { Ok(anchor) } else { Err(PathError::Expired) };
    }
    let pool: Vec<&'a Certificate> = authority.chain.iter().chain(between).collect();
    let mut at = leaf;
    let mut issuer = None;
    let mut valid = leaf.valid_at(time) && authority.valid.covers(time);
    for _ in 0..MAX_PATH {
        let next = pool.iter().copied().find(|candidate| candidate.issued(at)).ok_or(PathError::Untrusted)?;
        issuer = issuer.or(Some(next));
        valid &= next.valid_at(time);
        if next.der == anchor.der {
            let issuer = issuer.ok_or(PathError::Untrusted)?;
            return if valid { Ok(issuer) } else { Err(PathError::Expired) };
        }
        at = next;
    }
    Err(PathError::Untrusted)
}
