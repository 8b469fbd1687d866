//! Signatures (RFC 9580, 5.2): what is hashed, what they say of themselves, and whether they hold.

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use linkward_model::{Algorithm, Digest, Instant};

use super::key::{Key, hex};
use super::packet::{Reader, packets};
use super::{Lack, armor};
use crate::der;
use crate::key::Kind;

/// Largest signature, embedded ones included.
const MAX: usize = 64 << 10;

const CREATED: u8 = 2;
const SIGNATURE_EXPIRES: u8 = 3;
const KEY_EXPIRES: u8 = 9;
const ISSUER: u8 = 16;
const FLAGS: u8 = 27;
const REASON: u8 = 29;
const EMBEDDED: u8 = 32;
const ISSUER_FINGERPRINT: u8 = 33;
/// Those that are understood or cannot widen what a signature proves: exportable, trust, regular expression, revocable,
/// preferences, server preferences, preferred key server, primary user id, policy, signer's user id, features, target,
/// intended recipient, preferred AEAD.
const HARMLESS: &[u8] = &[4, 5, 7, 11, 21, 22, 23, 24, 25, 26, 28, 30, 31, 34, 35, 39];

/// What kind of document a signature says that it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    Binary,
    /// With CR LF at the end of every line.
    Canonical,
}

/// A signature that was read: nothing is checked yet.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    version: u8,
    pub(super) kind: u8,
    algorithm: u8,
    hash: u8,
    /// Version to the end of the hashed subpackets.
    hashed: Vec<u8>,
    salt: Vec<u8>,
    material: Vec<u8>,
    pub(crate) created: Instant,
    expires_after: Option<i64>,
    pub(super) key_expires_after: Option<i64>,
    pub(super) flags: Option<u8>,
    pub(super) reason: Option<u8>,
    pub(super) embedded: Option<Box<Signature>>,
    issuer_ids: Vec<Vec<u8>>,
    issuer_fingerprints: Vec<Vec<u8>>,
    /// Why it proves nothing whatever the key: something critical that is not understood.
    critical: Option<String>,
}

impl Signature {
    /// The one signature of an armoured block.
    pub(crate) fn armoured(text: &[u8]) -> Result<Self, Lack> {
        let malformed = |why: &str| Lack::Malformed(why.to_owned());
        if text.len() > MAX {
            return Err(malformed("it is larger than 64 KiB"));
        }
        let bytes =
            armor::dearmor(text, "SIGNATURE").ok_or_else(|| malformed("its armour cannot be read"))?;
        Self::binary(&bytes)
    }

    pub(crate) fn binary(bytes: &[u8]) -> Result<Self, Lack> {
        match packets(bytes).as_deref() {
            Some([packet]) if packet.kind == 2 => Self::parse(packet.body, 0),
            Some([_, ..]) => Err(Lack::Malformed("it is not one signature alone".to_owned())),
            _ => Err(Lack::Malformed("it is cut off".to_owned())),
        }
    }

    pub(super) fn parse(body: &[u8], depth: u8) -> Result<Self, Lack> {
        let cut = || Lack::Malformed("the signature is cut off".to_owned());
        let mut reader = Reader(body);
        let version = reader.byte().ok_or_else(cut)?;
        if !matches!(version, 4 | 6) {
            return Err(Lack::Unsupported(format!("a signature of version {version}")));
        }
        let (kind, algorithm, hash) =
            (reader.byte().ok_or_else(cut)?, reader.byte().ok_or_else(cut)?, reader.byte().ok_or_else(cut)?);
        let length = |reader: &mut Reader<'_>| match version {
            6 => reader.u32().and_then(|length| usize::try_from(length).ok()),
            _ => reader.u16().map(usize::from),
        };
        let inside = length(&mut reader).ok_or_else(cut)?;
        let inside = reader.take(inside).ok_or_else(cut)?;
        let hashed = body.len().saturating_sub(reader.0.len());
        let hashed = body.get(..hashed).ok_or_else(cut)?.to_vec();
        let outside = length(&mut reader).ok_or_else(cut)?;
        let outside = reader.take(outside).ok_or_else(cut)?;
        reader.take(2).ok_or_else(cut)?;
        let salt = match version {
            6 => {
                let count = usize::from(reader.byte().ok_or_else(cut)?);
                reader.take(count).ok_or_else(cut)?.to_vec()
            }
            _ => Vec::new(),
        };
        let mut found = Self {
            version,
            kind,
            algorithm,
            hash,
            hashed,
            salt,
            material: reader.0.to_vec(),
            created: Instant::default(),
            expires_after: None,
            key_expires_after: None,
            flags: None,
            reason: None,
            embedded: None,
            issuer_ids: Vec::new(),
            issuer_fingerprints: Vec::new(),
            critical: None,
        };
        let created = found.subpackets(inside, depth)?;
        found.created = created
            .ok_or_else(|| Lack::Malformed("the signature does not say when it was made".to_owned()))?;
        found.hints(outside, depth)?;
        Ok(found)
    }

    /// What is signed; returns when it was made.
    fn subpackets(&mut self, area: &[u8], depth: u8) -> Result<Option<Instant>, Lack> {
        let mut created = None;
        let mut seen: Vec<u8> = Vec::new();
        for (kind, critical, body) in split(area)? {
            let mut reader = Reader(body);
            let seconds = |reader: &mut Reader<'_>| {
                reader.u32().map(i64::from).ok_or_else(|| Lack::Malformed("a time is cut off".to_owned()))
            };
            // One of two times or flags would be believed and the other not.
            if matches!(kind, CREATED | SIGNATURE_EXPIRES | KEY_EXPIRES | FLAGS | REASON)
                && seen.contains(&kind)
            {
                return Err(Lack::Malformed(format!("subpacket {kind} stands twice")));
            }
            seen.push(kind);
            match kind {
                CREATED => created = Some(Instant::from_seconds(seconds(&mut reader)?)),
                SIGNATURE_EXPIRES => {
                    self.expires_after = Some(seconds(&mut reader)?).filter(|after| *after != 0)
                }
                KEY_EXPIRES => {
                    self.key_expires_after = Some(seconds(&mut reader)?).filter(|after| *after != 0)
                }
                FLAGS => self.flags = Some(body.first().copied().unwrap_or(0)),
                REASON => self.reason = body.first().copied(),
                EMBEDDED => self.embed(body, depth)?,
                ISSUER => self.issuer_ids.push(body.to_vec()),
                ISSUER_FINGERPRINT => self.issuer_fingerprints.extend(body.get(1..).map(<[u8]>::to_vec)),
                other if critical && !HARMLESS.contains(&other) => {
                    self.critical = Some(format!("subpacket {other} is critical and not understood"));
                }
                _ => {}
            }
        }
        Ok(created)
    }

    /// What stands outside of what is signed: who made it, and a signature that is checked by itself.
    fn hints(&mut self, area: &[u8], depth: u8) -> Result<(), Lack> {
        for (kind, _, body) in split(area)? {
            match kind {
                ISSUER => self.issuer_ids.push(body.to_vec()),
                ISSUER_FINGERPRINT => self.issuer_fingerprints.extend(body.get(1..).map(<[u8]>::to_vec)),
                EMBEDDED if self.embedded.is_none() => self.embed(body, depth)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn embed(&mut self, body: &[u8], depth: u8) -> Result<(), Lack> {
        if depth == 0 {
            self.embedded = Some(Box::new(Self::parse(body, depth.saturating_add(1))?));
        }
        Ok(())
    }

    /// Over what kind of document it is.
    pub(crate) fn text(&self) -> Result<Text, Lack> {
        match self.kind {
            0 => Ok(Text::Binary),
            1 => Ok(Text::Canonical),
            other => {
                Err(Lack::Unsupported(format!("a signature of type {other:#04x}, which is over no document")))
            }
        }
    }

    pub(super) fn may_be_by(&self, key: &Key) -> bool {
        let by_fingerprint = self.issuer_fingerprints.contains(&key.fingerprint);
        by_fingerprint
            || (self.issuer_fingerprints.is_empty() && self.issuer_ids.iter().any(|id| id == key.id()))
    }

    pub(super) fn issuer_text(&self) -> String {
        let named = self.issuer_fingerprints.first().or(self.issuer_ids.first());
        named.map_or_else(|| "a key that it does not name".to_owned(), |id| hex(id))
    }

    /// Whether it has not expired by its own word.
    pub(super) fn holds_at(&self, now: Instant) -> bool {
        self.expires_after.is_none_or(|after| now < self.created.plus_millis(after.saturating_mul(1000)))
    }

    /// Whether the key made it over this content.
    pub(super) fn check(&self, key: &Key, content: &[u8]) -> Result<(), Lack> {
        if let Some(why) = &self.critical {
            return Err(Lack::Unsupported(why.clone()));
        }
        let hash = match self.hash {
            8 => Algorithm::Sha256,
            9 => Algorithm::Sha384,
            10 => Algorithm::Sha512,
            1..=3 | 11 => {
                return Err(Lack::Weak(format!("hash {} (MD5, SHA-1, RIPEMD-160 or SHA-224)", self.hash)));
            }
            other => return Err(Lack::Unsupported(format!("hash {other}"))),
        };
        // RFC 9580, 5.2.3: a salt of another length would let what is hashed be read in two ways.
        let salt = match hash {
            Algorithm::Sha256 => 16,
            Algorithm::Sha384 => 24,
            Algorithm::Sha512 => 32,
        };
        if self.version == 6 && self.salt.len() != salt {
            return Err(Lack::Malformed("the salt is not as long as the hash asks for".to_owned()));
        }
        let public = key.public.as_ref().map_err(|why| {
            if key.algorithm == 17 || why.contains("too short") {
                Lack::Weak(why.clone())
            } else {
                Lack::Unsupported(why.clone())
            }
        })?;
        // RFC 9580, 5.2.3: keys and signatures of version 6 go together.
        if self.algorithm != key.algorithm || (self.version == 6) != (key.version == 6) {
            return Err(Lack::Malformed(
                "the signature is of another algorithm or version than its key".to_owned(),
            ));
        }
        let length = u32::try_from(self.hashed.len()).unwrap_or(u32::MAX);
        let message =
            [&self.salt, content, &self.hashed, &[self.version, 0xff], &length.to_be_bytes()].concat();
        let cut = || Lack::Malformed("the signature's numbers cannot be read".to_owned());
        let mut reader = Reader(&self.material);
        let kind = public.kind();
        let sig = match (self.algorithm, kind) {
            (1 | 3, Kind::Rsa) => {
                let number = reader.mpi().ok_or_else(cut)?;
                // Leading zeros are left out here, and belong to the signature there.
                padded(number, modulus_length(public.raw()).ok_or_else(cut)?).ok_or_else(cut)?
            }
            (19, _) => {
                let (r, s) = (reader.mpi().ok_or_else(cut)?, reader.mpi().ok_or_else(cut)?);
                der::element(der::SEQUENCE, &[der::integer(r), der::integer(s)].concat())
            }
            (22, Kind::Ed25519) => {
                let (r, s) = (reader.mpi().ok_or_else(cut)?, reader.mpi().ok_or_else(cut)?);
                [padded(r, 32).ok_or_else(cut)?, padded(s, 32).ok_or_else(cut)?].concat()
            }
            (27, Kind::Ed25519) => reader.take(64).ok_or_else(cut)?.to_vec(),
            _ => return Err(Lack::Unsupported(format!("public-key algorithm {}", self.algorithm))),
        };
        if !reader.0.is_empty() {
            return Err(cut());
        }
        let held = match kind {
            // EdDSA signs the digest here, and not the message.
            Kind::Ed25519 => UnparsedPublicKey::new(&signature::ED25519, public.raw())
                .verify(Digest::of(hash, &message).as_bytes(), &sig)
                .is_ok(),
            kind => match algorithm(kind, hash) {
                Some(algorithm) => {
                    UnparsedPublicKey::new(algorithm, public.raw()).verify(&message, &sig).is_ok()
                }
                None => return Err(Lack::Unsupported("this hash with this key".to_owned())),
            },
        };
        if held { Ok(()) } else { Err(Lack::Mismatch) }
    }
}

/// RSA is PKCS #1 v1.5 here, always.
fn algorithm(kind: Kind, hash: Algorithm) -> Option<&'static dyn VerificationAlgorithm> {
    use Algorithm::{Sha256, Sha384, Sha512};
    Some(match (kind, hash) {
        (Kind::Rsa, Sha256) => &signature::RSA_PKCS1_2048_8192_SHA256,
        (Kind::Rsa, Sha384) => &signature::RSA_PKCS1_2048_8192_SHA384,
        (Kind::Rsa, Sha512) => &signature::RSA_PKCS1_2048_8192_SHA512,
        (Kind::P256, Sha256) => &signature::ECDSA_P256_SHA256_ASN1,
        (Kind::P256, Sha384) => &signature::ECDSA_P256_SHA384_ASN1,
        (Kind::P256, Sha512) => &signature::ECDSA_P256_SHA512_ASN1,
        (Kind::P384, Sha256) => &signature::ECDSA_P384_SHA256_ASN1,
        (Kind::P384, Sha384) => &signature::ECDSA_P384_SHA384_ASN1,
        (Kind::P384, Sha512) => &signature::ECDSA_P384_SHA512_ASN1,
        (Kind::P521, Sha256) => &signature::ECDSA_P521_SHA256_ASN1,
        (Kind::P521, Sha384) => &signature::ECDSA_P521_SHA384_ASN1,
        (Kind::P521, Sha512) => &signature::ECDSA_P521_SHA512_ASN1,
        (Kind::Ed25519, _) => return None,
    })
}

fn modulus_length(pkcs1: &[u8]) -> Option<usize> {
    let modulus = der::Reader::new(pkcs1).expect(der::SEQUENCE)?.reader().expect(der::INTEGER)?.content;
    Some(modulus.strip_prefix(&[0]).unwrap_or(modulus).len())
}

fn padded(number: &[u8], length: usize) -> Option<Vec<u8>> {
    let zeros = length.checked_sub(number.len())?;
    Some([&vec![0; zeros], number].concat())
}

/// Kind, whether it is critical, and body.
type Subpacket<'a> = (u8, bool, &'a [u8]);

fn split(area: &[u8]) -> Result<Vec<Subpacket<'_>>, Lack> {
    let cut = || Lack::Malformed("a subpacket is cut off".to_owned());
    let mut reader = Reader(area);
    let mut found = Vec::new();
    while !reader.0.is_empty() {
        let length = match reader.byte().ok_or_else(cut)? {
            short @ 0..=191 => usize::from(short),
            first @ 192..=254 => {
                let second = usize::from(reader.byte().ok_or_else(cut)?);
                (usize::from(first).saturating_sub(192) << 8).saturating_add(second).saturating_add(192)
            }
            255 => reader.u32().and_then(|length| usize::try_from(length).ok()).ok_or_else(cut)?,
        };
        let (kind, body) = reader.take(length).and_then(<[u8]>::split_first).ok_or_else(cut)?;
        found.push((kind & 0x7f, kind & 0x80 != 0, body));
    }
    Ok(found)
}
