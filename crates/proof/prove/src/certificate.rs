//! X.509 certificates (RFC 5280) as far as signing needs them, and the path from a leaf to a trusted root.

use std::cell::Cell;

use linkward_model::{Algorithm, Instant};

use crate::der::{self, Element, Reader};
use crate::extension::FulcioExtension;
use crate::key::PublicKey;
use crate::roots::AuthorityRoot;

/// Longest path that is followed.
const MAX_PATH: u64 = 6;
/// Most signatures that are tried for one path.
const MAX_TRIES: u32 = 64;

const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const SAN: &[u8] = &[0x55, 0x1d, 0x11];
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x1e];
const CERTIFICATE_POLICIES: &[u8] = &[0x55, 0x1d, 0x20];
const SUBJECT_KEY: &[u8] = &[0x55, 0x1d, 0x0e];
const AUTHORITY_KEY: &[u8] = &[0x55, 0x1d, 0x23];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
/// 2.5.29.37.0
const ANY_PURPOSE: &[u8] = &[0x55, 0x1d, 0x25, 0x00];
const DIGITAL_SIGNATURE: u8 = 0x80;
const NON_REPUDIATION: u8 = 0x40;
const KEY_CERT_SIGN: u8 = 0x04;
/// 1.3.6.1.5.5.7.3.4
pub(crate) const EMAIL_PROTECTION: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x04];
/// 1.3.6.1.5.5.7.3.3
pub(crate) const CODE_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x03];
/// Server and client authentication, e-mail, timestamps and OCSP: 1.3.6.1.5.5.7.3.1, .2, .4, .8, .9
const FOREIGN_PURPOSES: &[&[u8]] = &[
    &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01],
    &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02],
    EMAIL_PROTECTION,
    TIME_STAMPING,
    &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09],
];
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
    serial: Vec<u8>,
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
    critical: bool,
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
        let serial = fields.expect(der::INTEGER)?.content.to_vec();
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
            serial,
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

    /// Fit to sign for exactly this purpose: an end entity, its key for signatures, and nothing critical about it that
    /// is not understood (RFC 5280, 4.2).
    pub(crate) fn signs_for(&self, purpose: &[u8]) -> Result<(), &'static str> {
        let purposes = self.purposes().ok_or("its extended key usage cannot be read")?;
        if self.is_authority() {
            Err("it is an authority's certificate")
        } else if purposes.as_deref() != Some(&[purpose.to_vec()]) {
            Err("its extended key usage is another")
        } else if !self.key_usage(DIGITAL_SIGNATURE) {
            Err("its key usage does not allow signatures")
        } else if self.misunderstood() {
            Err("it has a critical extension that is not understood")
        } else {
            Ok(())
        }
    }

    /// The extended key usages: outer `None` where they cannot be read, inner `None` where there are none.
    fn purposes(&self) -> Option<Option<Vec<Vec<u8>>>> {
        let Some(extension) = self.extension(EXTENDED_KEY_USAGE) else { return Some(None) };
        let mut list = Reader::new(&extension.value).expect(der::SEQUENCE)?.reader();
        let mut found = Vec::new();
        while !list.is_empty() {
            found.push(list.expect(der::OID)?.content.to_vec());
        }
        Some(Some(found))
    }

    /// A certificate without the extension may everything (RFC 5280, 4.2.1.3).
    fn key_usage(&self, bit: u8) -> bool {
        let Some(extension) = self.extension(KEY_USAGE) else { return true };
        let bits = Reader::new(&extension.value).expect(der::BIT_STRING).map(|bits| bits.content);
        // The first byte counts the unused bits.
        bits.and_then(|bits| bits.get(1)).is_some_and(|bits| bits & bit != 0)
    }

    /// Fit to sign code by the rules of the Notary Project: other purposes may stand beside it, but none of those that
    /// other protocols use, and the key usage must be critical.
    pub(crate) fn signs_code(&self) -> Result<(), &'static str> {
        let purposes = self.purposes().ok_or("its extended key usage cannot be read")?;
        let elsewhere =
            |purpose: &Vec<u8>| FOREIGN_PURPOSES.contains(&purpose.as_slice()) || purpose == ANY_PURPOSE;
        if self.is_authority() {
            Err("it is an authority's certificate")
        } else if !self.key_usage_is_critical() || !self.key_usage(DIGITAL_SIGNATURE) {
            Err("its key usage must be critical and allow signatures")
        } else if self.key_usage(KEY_CERT_SIGN) {
            Err("its key usage allows to sign certificates")
        } else if purposes.as_ref().is_some_and(|purposes| purposes.iter().any(elsewhere)) {
            Err("its extended key usage is of another protocol, or of any")
        } else if purposes.is_some_and(|purposes| !purposes.iter().any(|purpose| purpose == CODE_SIGNING)) {
            Err("its extended key usage is not code signing")
        } else if self.misunderstood() {
            Err("it has a critical extension that is not understood")
        } else {
            Ok(())
        }
    }

    /// Fit to sign for an address (RFC 8550, 4.4): an end entity, its key for signatures, its purpose mail or none.
    pub(crate) fn signs_mail(&self) -> Result<(), &'static str> {
        let purposes = self.purposes().ok_or("its extended key usage cannot be read")?;
        let fits = |purpose: &Vec<u8>| purpose == EMAIL_PROTECTION || purpose == ANY_PURPOSE;
        if self.is_authority() {
            Err("it is an authority's certificate")
        } else if purposes.is_some_and(|purposes| !purposes.iter().any(fits)) {
            Err("its extended key usage is not e-mail protection")
        } else if !self.key_usage(DIGITAL_SIGNATURE) && !self.key_usage(NON_REPUDIATION) {
            Err("its key usage does not allow signatures")
        } else if self.misunderstood() {
            Err("it has a critical extension that is not understood")
        } else {
            Ok(())
        }
    }

    /// Whether a CMS signer identifier (RFC 5652, 5.3) names this certificate.
    pub(crate) fn is_named_by(&self, named: &Element<'_>) -> bool {
        if named.tag == 0x80 {
            let own = self.extension(SUBJECT_KEY).map(|extension| Reader::new(&extension.value));
            let own = own.and_then(|mut value| value.expect(der::OCTET_STRING));
            return own.is_some_and(|own| own.content == named.content);
        }
        let mut parts = named.reader();
        let issuer = parts.expect(der::SEQUENCE);
        let serial = parts.expect(der::INTEGER);
        named.tag == der::SEQUENCE
            && issuer.is_some_and(|issuer| issuer.raw == self.issuer)
            && serial.is_some_and(|serial| serial.content == self.serial)
    }

    /// As [`may_issue`](Self::may_issue) for code signing, with the key usage that the Notary Project wants critical.
    pub(crate) fn issues_code(&self, below: u64) -> bool {
        self.key_usage_is_critical() && self.may_issue(CODE_SIGNING, below)
    }

    fn key_usage_is_critical(&self) -> bool {
        self.extension(KEY_USAGE).is_some_and(|extension| extension.critical)
    }

    /// The subject's name, DER.
    pub(crate) fn subject(&self) -> &[u8] {
        &self.subject
    }

    fn misunderstood(&self) -> bool {
        let understood = [KEY_USAGE, SAN, BASIC_CONSTRAINTS, EXTENDED_KEY_USAGE, CERTIFICATE_POLICIES];
        self.extensions
            .iter()
            .any(|extension| extension.critical && !understood.contains(&extension.oid.as_slice()))
    }

    /// Basic constraints: `None` for an end entity, otherwise how many authorities may follow.
    fn constraints(&self) -> Option<Option<u64>> {
        let mut list = Reader::new(&self.extension(BASIC_CONSTRAINTS)?.value).expect(der::SEQUENCE)?.reader();
        if list.optional(0x01)?.content != [0xff] {
            return None;
        }
        match list.optional(der::INTEGER) {
            None => Some(None),
            // What is negative or absurd allows nothing to follow.
            Some(length) => match length.content {
                [byte @ 0..0x80] => Some(Some(u64::from(*byte))),
                _ => Some(Some(0)),
            },
        }
    }

    pub(crate) fn is_authority(&self) -> bool {
        self.constraints().is_some()
    }

    /// Whether it may stand above `below` further authorities on a path to a certificate of this purpose.
    fn may_issue(&self, purpose: &[u8], below: u64) -> bool {
        let nested = match self.purposes() {
            None => false,
            Some(None) => true,
            Some(Some(purposes)) => purposes.iter().any(|listed| listed == purpose || listed == ANY_PURPOSE),
        };
        let length = self.constraints().is_some_and(|limit| limit.is_none_or(|limit| below <= limit));
        // Name constraints are not evaluated, so a path through them is not taken.
        let unconstrained = self.extension(NAME_CONSTRAINTS).is_none();
        length && nested && unconstrained && self.key_usage(KEY_CERT_SIGN) && !self.misunderstood()
    }

    pub(crate) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// Whether name and key identifier leave it open that this is the issuer of `other` (RFC 5280, 4.2.1.1): it spares
    /// signatures that cannot fit, and decides nothing.
    pub(crate) fn may_have_issued(&self, other: &Self) -> bool {
        let named = || {
            let list = Reader::new(&other.extension(AUTHORITY_KEY)?.value).expect(der::SEQUENCE)?;
            Some(list.reader().optional(0x80)?.content)
        };
        let own = || {
            let value = &self.extension(SUBJECT_KEY)?.value;
            Some(Reader::new(value).expect(der::OCTET_STRING)?.content)
        };
        self.subject == other.issuer && named().zip(own()).is_none_or(|(named, own)| named == own)
    }

    /// Whether this certificate's name and key are those of the issuer of `other`.
    pub(crate) fn issued(&self, other: &Self) -> bool {
        let Some(hash) = other.hash else { return false };
        self.subject == other.issuer && self.key.signed_with(hash, &other.tbs, &other.signature)
    }

    /// The subject's e-mail addresses alone: what stands there as a URI may look like one.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut read = || {
            let mut list = Reader::new(&self.extension(SAN)?.value).expect(der::SEQUENCE)?.reader();
            while !list.is_empty() {
                let name = list.any()?;
                if name.tag == 0x81 {
                    found.push(String::from_utf8(name.content.to_vec()).ok()?);
                }
            }
            Some(())
        };
        if read().is_some() { found } else { Vec::new() }
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
        match (self.fulcio(8), self.fulcio(1)) {
            (Some(newer), Some(older)) if newer != older => None,
            (newer, older) => newer.or(older),
        }
    }

    fn fulcio(&self, number: u8) -> Option<String> {
        let value = &self.extension(&[FULCIO, &[number]].concat())?.value;
        // The first six hold the text itself, the later ones a UTF8String (certificate-specification.md).
        let text = if number <= 6 { value.as_slice() } else { Reader::new(value).expect(0x0c)?.content };
        String::from_utf8(text.to_vec()).ok()
    }

    /// Fulcio's extensions that policies ask for.
    pub(crate) fn claims(&self) -> Vec<(FulcioExtension, String)> {
        let read = |extension: &FulcioExtension| Some((*extension, self.fulcio(extension.number())?));
        FulcioExtension::ALL.iter().filter_map(read).collect()
    }
}

fn read_extensions(list: &Element<'_>) -> Option<Vec<Extension>> {
    let mut found: Vec<Extension> = Vec::new();
    let mut items = list.reader().expect(der::SEQUENCE)?.reader();
    while !items.is_empty() {
        let item = items.expect(der::SEQUENCE)?;
        let mut parts = item.reader();
        let oid = parts.expect(der::OID)?.content.to_vec();
        let critical = parts.optional(0x01).is_some_and(|flag| flag.content != [0]);
        let value = parts.expect(der::OCTET_STRING)?.content.to_vec();
        // RFC 5280, 4.2: no extension stands twice; two would let one reader see one and another the other.
        if found.len() >= 64 || found.iter().any(|known| known.oid == oid) {
            return None;
        }
        found.push(Extension { oid, critical, value, raw: item.raw.to_vec() });
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

/// Follows a leaf to the root of an authority, everything valid at all of these times and made for `purpose`. The last certificate
/// of the authority's chain is the only anchor; what a bundle brings along can only be a link in between.
///
/// Returns the leaf's issuer.
pub(crate) fn path<'a>(
    leaf: &Certificate,
    between: &'a [Certificate],
    authority: &'a AuthorityRoot,
    purpose: &[u8],
    times: &[Instant],
) -> Result<&'a Certificate, PathError> {
    let anchor = authority.chain.last().ok_or(PathError::Untrusted)?;
    let valid =
        !times.is_empty() && times.iter().all(|time| leaf.valid_at(*time) && authority.valid.covers(*time));
    // A timestamp authority's own certificate may be its whole chain.
    if authority.chain.len() == 1 && anchor.der == leaf.der {
        return if valid { Ok(anchor) } else { Err(PathError::Expired) };
    }
    // What the authority's own chain holds too is taken from there, where its links are remembered.
    let further = between.iter().filter(|one| authority.chain.iter().all(|own| own.der != one.der));
    let pool = authority.chain.iter().chain(further).collect();
    let search = Search { pool, authority, anchor, purpose, times, tries: Cell::new(0) };
    search.above(leaf, 0, valid)
}

struct Search<'a, 'p> {
    pool: Vec<&'a Certificate>,
    authority: &'a AuthorityRoot,
    anchor: &'a Certificate,
    purpose: &'p [u8],
    times: &'p [Instant],
    tries: Cell<u32>,
}

impl<'a> Search<'a, '_> {
    /// The issuer of `below` on a path to the anchor, with so many authorities already beneath it.
    fn above(&self, below: &Certificate, depth: u64, valid: bool) -> Result<&'a Certificate, PathError> {
        let mut closest = PathError::Untrusted;
        if depth >= MAX_PATH {
            return Err(closest);
        }
        for candidate in &self.pool {
            // A certificate that signs itself leads nowhere unless it is the anchor.
            let itself = candidate.der == below.der;
            if itself || !candidate.may_have_issued(below) || !candidate.may_issue(self.purpose, depth) {
                continue;
            }
            // A bundle of many alike certificates must not make us try every order of them.
            self.tries.set(self.tries.get().saturating_add(1));
            if self.tries.get() > MAX_TRIES || !self.authority.issued(candidate, below) {
                continue;
            }
            let valid = valid && self.times.iter().all(|time| candidate.valid_at(*time));
            let found = if candidate.der == self.anchor.der {
                if valid { Ok(*candidate) } else { Err(PathError::Expired) }
            } else {
                self.above(candidate, depth.saturating_add(1), valid)
            };
            match found {
                Ok(_) => return Ok(candidate),
                Err(PathError::Expired) => closest = PathError::Expired,
                Err(PathError::Untrusted) => {}
            }
        }
        Err(closest)
    }
}
