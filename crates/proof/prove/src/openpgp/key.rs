//! Public keys and subkeys (RFC 9580, 5.5).

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use linkward_model::{Digest, Instant};

use super::packet::Reader;
use crate::key::{Kind, PublicKey};

/// 1.3.6.1.4.1.11591.15.1
const ED25519_LEGACY: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];

#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(super) version: u8,
    pub(super) created: Instant,
    pub(super) algorithm: u8,
    pub(super) fingerprint: Vec<u8>,
    /// The packet's body as signatures over the key hash it.
    pub(super) hashed: Vec<u8>,
    /// Why it can sign nothing, where it cannot.
    pub(super) public: Result<PublicKey, String>,
}

impl Key {
    /// `None` where it is of another version, or cut off.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let mut reader = Reader(body);
        let version = reader.byte()?;
        let created = Instant::from_seconds(i64::from(reader.u32()?));
        let algorithm = reader.byte()?;
        let (hashed, fingerprint) = match version {
            4 => {
                let length = u16::try_from(body.len()).ok()?;
                let hashed = [&[0x99][..], &length.to_be_bytes(), body].concat();
                // The fingerprint of version 4 is made with SHA-1; the key itself is what is compared.
                let fingerprint = digest(&SHA1_FOR_LEGACY_USE_ONLY, &hashed).as_ref().to_vec();
                (hashed, fingerprint)
            }
            6 => {
                let material = reader.u32()?;
                if usize::try_from(material).ok()? != reader.0.len() {
                    return None;
                }
                let length = u32::try_from(body.len()).ok()?;
                let hashed = [&[0x9b][..], &length.to_be_bytes(), body].concat();
                let fingerprint = Digest::sha256(&hashed).as_bytes().to_vec();
                (hashed, fingerprint)
            }
            _ => return None,
        };
        let public = material(algorithm, &mut reader);
        Some(Self { version, created, algorithm, fingerprint, hashed, public })
    }

    /// Eight bytes that older signatures name it by.
    pub(super) fn id(&self) -> &[u8] {
        let end = self.fingerprint.len();
        let range = if self.version == 6 { 0..8 } else { end.saturating_sub(8)..end };
        self.fingerprint.get(range).unwrap_or_default()
    }

    pub(crate) fn fingerprint(&self) -> String {
        hex(&self.fingerprint)
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self.public.as_ref().map(PublicKey::kind) {
            Ok(Kind::P256) => "openpgp-p256",
            Ok(Kind::P384) => "openpgp-p384",
            Ok(Kind::P521) => "openpgp-p521",
            Ok(Kind::Ed25519) => "openpgp-ed25519",
            Ok(Kind::Rsa) => "openpgp-rsa",
            Err(_) => "openpgp",
        }
    }

    pub(crate) fn public_key(&self) -> Option<&PublicKey> {
        self.public.as_ref().ok()
    }
}

fn material(algorithm: u8, reader: &mut Reader<'_>) -> Result<PublicKey, String> {
    let cut = || "the key is cut off".to_owned();
    let key = match algorithm {
        1 | 3 => {
            let (modulus, exponent) = (reader.mpi().ok_or_else(cut)?, reader.mpi().ok_or_else(cut)?);
            if modulus.len() < 256 {
                return Err(format!("an RSA key of {} bits is too short", modulus.len().saturating_mul(8)));
            }
            PublicKey::rsa(modulus, exponent)
        }
        19 => {
            let length = usize::from(reader.byte().ok_or_else(cut)?);
            let curve = reader.take(length).ok_or_else(cut)?;
            PublicKey::ecdsa(curve, reader.mpi().ok_or_else(cut)?)
        }
        22 => {
            let length = usize::from(reader.byte().ok_or_else(cut)?);
            let curve = reader.take(length).ok_or_else(cut)?;
            let point = reader.mpi().ok_or_else(cut)?;
            match point.strip_prefix(&[0x40]) {
                Some(raw) if curve == ED25519_LEGACY && raw.len() == 32 => PublicKey::ed25519(raw),
                _ => return Err("an Edwards curve that is not supported".to_owned()),
            }
        }
        27 => PublicKey::ed25519(reader.take(32).ok_or_else(cut)?),
        17 => return Err("DSA is too weak".to_owned()),
        other => return Err(format!("public-key algorithm {other} is not for signatures, or not supported")),
    };
    let key = key.map_err(|error| error.to_string())?;
    if reader.0.is_empty() { Ok(key) } else { Err("bytes follow the key".to_owned()) }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}
