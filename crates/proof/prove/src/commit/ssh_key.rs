//! SSH public keys and raw signatures in their wire format (RFC 4253, 5656, 8332, 8709, OpenSSH's PROTOCOL.u2f).
//!
//! Every field is read to its end and in its one spelling: a key or signature that can be written in two ways would have
//! two fingerprints.

use aws_lc_rs::signature::{self, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use linkward_model::Digest;

use crate::key::PublicKey;

const MIN_RSA_BITS: usize = 2048;
const MAX_RSA_BITS: usize = 8192;
/// Bit 0 of a security key's flags: somebody touched it.
const USER_PRESENT: u8 = 1;

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyFault {
    Malformed(&'static str),
    Unsupported(String),
    Weak(String),
    /// A certificate: the key is vouched for by another.
    Certificate(String),
}

/// Why a signature is not by the key over the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum SignatureFault {
    Malformed(&'static str),
    Weak(&'static str),
    Unsupported(String),
    /// The security key did not see anybody touch it: a program alone may have signed.
    NobodyPresent,
    Mismatch,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    fn from_name(name: &[u8]) -> Option<Self> {
        match name {
            b"nistp256" => Some(Self::P256),
            b"nistp384" => Some(Self::P384),
            b"nistp521" => Some(Self::P521),
            _ => None,
        }
    }

    /// Bytes of a coordinate.
    fn size(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    fn algorithm(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::P256 => &signature::ECDSA_P256_SHA256_FIXED,
            Self::P384 => &signature::ECDSA_P384_SHA384_FIXED,
            Self::P521 => &signature::ECDSA_P521_SHA512_FIXED,
        }
    }

    fn oid(self) -> &'static [u8] {
        match self {
            Self::P256 => &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
            Self::P384 => &[0x2b, 0x81, 0x04, 0x00, 0x22],
            Self::P521 => &[0x2b, 0x81, 0x04, 0x00, 0x23],
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    Ed25519(Vec<u8>),
    Ecdsa(Curve, Vec<u8>),
    /// Modulus and exponent, big-endian without leading zeros.
    Rsa(Vec<u8>, Vec<u8>),
}

/// A public key that can check signatures. It says nothing about whom it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SshKey {
    kind: String,
    material: Material,
    /// A security key's application, which it signs along: `ssh:` and what follows.
    application: Option<Vec<u8>>,
    blob: Vec<u8>,
}

impl SshKey {
    pub(super) fn parse(blob: &[u8]) -> Result<Self, KeyFault> {
        const CUT: KeyFault = KeyFault::Malformed("the key is cut off");
        let mut wire = Wire::new(blob);
        let kind = wire.name().ok_or(CUT)?;
        if kind.ends_with("-cert-v01@openssh.com") {
            return Err(KeyFault::Certificate(kind.to_owned()));
        }
        let material = match kind {
            "ssh-ed25519" | "sk-ssh-ed25519@openssh.com" => {
                let key = wire.string().ok_or(CUT)?;
                if key.len() != 32 {
                    return Err(KeyFault::Malformed("an Ed25519 key has 32 bytes"));
                }
                Material::Ed25519(key.to_vec())
            }
            "ssh-rsa" => {
                let exponent = wire.positive().ok_or(CUT)?;
                let modulus = wire.positive().ok_or(CUT)?;
                rsa_size(modulus)?;
                Material::Rsa(modulus.to_vec(), exponent.to_vec())
            }
            "sk-ecdsa-sha2-nistp256@openssh.com" => ecdsa(&mut wire, "nistp256")?,
            "ssh-dss" => return Err(KeyFault::Weak("DSA signs with SHA-1 alone".to_owned())),
            other => match other.strip_prefix("ecdsa-sha2-") {
                Some(curve) => ecdsa(&mut wire, curve)?,
                None => return Err(KeyFault::Unsupported(other.escape_debug().take(64).collect())),
            },
        };
        let application = match kind.starts_with("sk-") {
            true => Some(wire.string().ok_or(CUT)?.to_vec()),
            false => None,
        };
        if !wire.is_empty() {
            return Err(KeyFault::Malformed("bytes follow the key"));
        }
        Ok(Self { kind: kind.to_owned(), material, application, blob: blob.to_vec() })
    }

    /// `ssh-ed25519` and the like.
    pub(super) fn kind(&self) -> &str {
        &self.kind
    }

    pub(super) fn blob(&self) -> &[u8] {
        &self.blob
    }

    /// As `ssh-keygen -l` prints it.
    pub(super) fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(Digest::sha256(&self.blob).as_bytes()))
    }

    /// The same key as a SubjectPublicKeyInfo, which names keys everywhere else.
    pub(super) fn public_key(&self) -> Option<PublicKey> {
        match &self.material {
            Material::Ed25519(raw) => PublicKey::ed25519(raw).ok(),
            Material::Ecdsa(curve, raw) => PublicKey::ecdsa(curve.oid(), raw).ok(),
            Material::Rsa(modulus, exponent) => PublicKey::rsa(modulus, exponent).ok(),
        }
    }

    /// Checks a raw signature, and says with which algorithm it was made.
    pub(super) fn verify<'a>(&self, message: &[u8], blob: &'a [u8]) -> Result<&'a str, SignatureFault> {
        const CUT: SignatureFault = SignatureFault::Malformed("the raw signature is cut off");
        let mut wire = Wire::new(blob);
        let algorithm = wire.name().ok_or(CUT)?;
        let signature = wire.string().ok_or(CUT)?;
        let mut flags = None;
        let message = match &self.application {
            Some(application) => {
                let (flag, counter) = (wire.byte().ok_or(CUT)?, wire.u32().ok_or(CUT)?);
                flags = Some(flag);
                let hashes = [Digest::sha256(application), Digest::sha256(message)];
                let [application, message] = hashes.each_ref().map(Digest::as_bytes);
                [application, &[flag], &counter.to_be_bytes(), message].concat()
            }
            None => message.to_vec(),
        };
        if !wire.is_empty() {
            return Err(SignatureFault::Malformed("bytes follow the raw signature"));
        }
        let good = match (&self.material, algorithm) {
            (Material::Rsa(..), "ssh-rsa") => return Err(SignatureFault::Weak("ssh-rsa signs with SHA-1")),
            (Material::Rsa(n, e), "rsa-sha2-256") => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&signature::RSA_PKCS1_2048_8192_SHA256, &message, signature).is_ok()
            }
            (Material::Rsa(n, e), "rsa-sha2-512") => {
                let key = RsaPublicKeyComponents { n, e };
                key.verify(&signature::RSA_PKCS1_2048_8192_SHA512, &message, signature).is_ok()
            }
            (_, other) if other != self.kind => {
                return Err(SignatureFault::Unsupported(other.escape_debug().take(64).collect()));
            }
            (Material::Ed25519(key), _) => {
                UnparsedPublicKey::new(&signature::ED25519, key).verify(&message, signature).is_ok()
            }
            (Material::Ecdsa(curve, key), _) => {
                let fixed = fixed(signature, curve.size())
                    .ok_or(SignatureFault::Malformed("an ECDSA signature is two positive numbers"))?;
                UnparsedPublicKey::new(curve.algorithm(), key).verify(&message, &fixed).is_ok()
            }
            (Material::Rsa(..), other) => {
                return Err(SignatureFault::Unsupported(other.escape_debug().take(64).collect()));
            }
        };
        // The flags are signed along: only a signature that holds makes them worth reading.
        match flags {
            _ if !good => Err(SignatureFault::Mismatch),
            Some(flags) if flags & USER_PRESENT == 0 => Err(SignatureFault::NobodyPresent),
            _ => Ok(algorithm),
        }
    }
}

fn ecdsa(wire: &mut Wire<'_>, named: &str) -> Result<Material, KeyFault> {
    let unsupported =
        || KeyFault::Unsupported(format!("ecdsa-sha2-{}", named.escape_debug().take(64).collect::<String>()));
    let name = wire.string().ok_or(KeyFault::Malformed("the key is cut off"))?;
    if name != named.as_bytes() {
        return Err(KeyFault::Malformed("the key's type and its curve differ"));
    }
    let curve = Curve::from_name(name).ok_or_else(unsupported)?;
    let point = wire.string().ok_or(KeyFault::Malformed("the key is cut off"))?;
    let expected = curve.size().saturating_mul(2).saturating_add(1);
    if point.first() != Some(&4) || point.len() != expected {
        return Err(KeyFault::Malformed("the key's point is not an uncompressed one of its curve"));
    }
    Ok(Material::Ecdsa(curve, point.to_vec()))
}

fn rsa_size(modulus: &[u8]) -> Result<(), KeyFault> {
    let unused = modulus.first().map_or(0, |byte| byte.leading_zeros());
    let unused = usize::try_from(unused).unwrap_or(0);
    let bits = modulus.len().saturating_mul(8).saturating_sub(unused);
    match bits {
        ..MIN_RSA_BITS => {
            Err(KeyFault::Weak(format!("an RSA key of {bits} bits; {MIN_RSA_BITS} is the least")))
        }
        MIN_RSA_BITS..=MAX_RSA_BITS => Ok(()),
        _ => Err(KeyFault::Unsupported(format!("RSA of {bits} bits"))),
    }
}

/// An ECDSA signature as two numbers of fixed length.
fn fixed(signature: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut wire = Wire::new(signature);
    let mut fixed = Vec::new();
    for _ in 0..2 {
        let number = wire.positive()?;
        fixed.resize(fixed.len().saturating_add(size.checked_sub(number.len())?), 0);
        fixed.extend_from_slice(number);
    }
    wire.is_empty().then_some(fixed)
}

/// Reads SSH's wire format and never panics.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wire<'a> {
    rest: &'a [u8],
}

impl<'a> Wire<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.take(length)
    }

    /// A string that is the name of something.
    pub(super) fn name(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.string()?).ok()
    }

    /// A number above zero in its shortest spelling, without the byte for its sign.
    fn positive(&mut self) -> Option<&'a [u8]> {
        let number = self.string()?;
        match number {
            [0, rest @ ..] if rest.first().is_some_and(|byte| *byte >= 0x80) => Some(rest),
            [1..=0x7f, ..] => Some(number),
            _ => None,
        }
    }
}
