//! Private keys on disk: made once, mode 0600, read by the signer process alone.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_model::Digest;
use serde::{Deserialize, Serialize};

/// What each key file is for.
pub(crate) const EVIDENCE: &str = "evidence.key";
pub(crate) const SIGNING: &str = "signing.key";
pub(crate) const STEP: &str = "step.key";
pub(crate) const AUTHORITY: &str = "authority.key";
/// Signs what a person asks to be signed; never the key of build steps, whose provenance only a recorded step gets.
pub(crate) const ARTIFACT: &str = "artifact.key";
/// Signs the certificate log's checkpoints.
pub(crate) const CERTIFICATES: &str = "certificates.key";

/// The roles of a private Sigstore; each has one key a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Issues signing certificates.
    Authority,
    /// Signs certificate timestamps (RFC 6962).
    CertificateLog,
    /// Signs timestamps (RFC 3161).
    Timestamp,
    /// Signs identity tokens that only tests may trust.
    TestIssuer,
}

impl Role {
    pub(crate) fn file(self, generation: u32) -> String {
        let name = match self {
            Self::Authority => "ca",
            Self::CertificateLog => "ct",
            Self::Timestamp => "tsa",
            Self::TestIssuer => "test-issuer",
        };
        format!("{name}-{generation}.key")
    }
}

/// The public halves of a home's keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKeys {
    /// Signs the evidence log's checkpoints.
    pub evidence: [u8; 32],
    /// Signs the signing log's checkpoints.
    pub signing: [u8; 32],
    /// Signs build steps: SubjectPublicKeyInfo, PEM.
    pub step: String,
    step_der: Vec<u8>,
}

impl PublicKeys {
    /// SHA-256 of the step key's SubjectPublicKeyInfo.
    pub fn step_id(&self) -> Digest {
        Digest::sha256(&self.step_der)
    }
}

/// Why a key could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("{path}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} has mode {mode:o}: a private key must not be readable by others; chmod 600 it")]
    Permissions { path: PathBuf, mode: u32 },
    #[error("{0} is not a PKCS#8 key of the expected kind")]
    Malformed(PathBuf),
    #[error("the system gave no randomness")]
    Random,
}

/// Makes the keys of a home. Files that exist are an error: a key is never written over.
///
/// # Errors
/// The folder cannot be made or a key exists.
pub fn create_keys(folder: &Path) -> Result<PublicKeys, KeyError> {
    DirBuilder::new()
        .mode(0o700)
        .create(folder)
        .map_err(|source| KeyError::Io { path: folder.to_path_buf(), source })?;
    let (evidence, signing) = (create_ed25519(folder, EVIDENCE)?, create_ed25519(folder, SIGNING)?);
    let step_der = create_p256(folder, STEP)?;
    create_p256(folder, AUTHORITY)?;
    std::fs::File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(|source| KeyError::Io { path: folder.to_path_buf(), source })?;
    Ok(PublicKeys { evidence, signing, step: pem("PUBLIC KEY", &step_der), step_der })
}

/// The key that signs what people ask to be signed: PEM of its public half. Made where it is missing.
///
/// # Errors
/// The key cannot be made or read.
pub fn artifact_key(folder: &Path) -> Result<String, KeyError> {
    let der = if folder.join(ARTIFACT).exists() {
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, &read(folder, ARTIFACT)?)
            .map_err(|_| KeyError::Malformed(folder.join(ARTIFACT)))?;
        pair.public_key().as_der().map_err(|_| KeyError::Random)?.as_ref().to_vec()
    } else {
        create_p256(folder, ARTIFACT)?
    };
    Ok(pem("PUBLIC KEY", &der))
}

/// Makes the key of a role's generation; its SubjectPublicKeyInfo.
///
/// # Errors
/// It exists, or cannot be written.
pub(crate) fn create_role(folder: &Path, role: Role, generation: u32) -> Result<Vec<u8>, KeyError> {
    create_p256(folder, &role.file(generation))
}

/// Makes the key of the certificate log's checkpoints.
///
/// # Errors
/// It exists, or cannot be written.
pub fn create_certificates(folder: &Path) -> Result<[u8; 32], KeyError> {
    create_ed25519(folder, CERTIFICATES)
}

fn create_ed25519(folder: &Path, name: &str) -> Result<[u8; 32], KeyError> {
    let random = SystemRandom::new();
    let document = Ed25519KeyPair::generate_pkcs8(&random).map_err(|_| KeyError::Random)?;
    write(folder, name, document.as_ref())?;
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|_| KeyError::Random)?;
    pair.public_key().as_ref().try_into().map_err(|_| KeyError::Random)
}

fn create_p256(folder: &Path, name: &str) -> Result<Vec<u8>, KeyError> {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|_| KeyError::Random)?;
    write(folder, name, document.as_ref())?;
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref()).map_err(|_| KeyError::Random)?;
    Ok(pair.public_key().as_der().map_err(|_| KeyError::Random)?.as_ref().to_vec())
}

fn write(folder: &Path, name: &str, der: &[u8]) -> Result<(), KeyError> {
    let path = folder.join(name);
    let io = |source| KeyError::Io { path: path.clone(), source };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(io)?;
    file.write_all(pem("PRIVATE KEY", der).as_bytes()).and_then(|()| file.sync_all()).map_err(io)
}

/// DER in the textual form of RFC 7468.
pub fn pem(label: &str, der: &[u8]) -> String {
    let encoded = STANDARD.encode(der);
    let lines: Vec<&str> =
        encoded.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A private key's PKCS#8 bytes; refused where others could read the file.
pub(crate) fn read(folder: &Path, name: &str) -> Result<Vec<u8>, KeyError> {
    let path = folder.join(name);
    let io = |source| KeyError::Io { path: path.clone(), source };
    let mode = std::fs::metadata(&path).map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Permissions { path, mode });
    }
    let text = std::fs::read_to_string(&path).map_err(io)?;
    linkward_evidence::rekor::from_pem(&text).ok_or(KeyError::Malformed(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_private_and_never_written_over() {
        let folder = linkward_testkit::scratch();
        let keys = folder.path().join("keys");
        let public = create_keys(&keys).unwrap();
        assert_ne!(public.evidence, public.signing);
        assert_eq!(std::fs::metadata(&keys).unwrap().permissions().mode() & 0o777, 0o700);
        for name in [EVIDENCE, SIGNING, STEP, AUTHORITY] {
            let path = keys.join(name);
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
            assert!(read(&keys, name).is_ok());
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
            assert!(matches!(read(&keys, name), Err(KeyError::Permissions { mode: 0o640, .. })));
        }
        assert!(create_keys(&keys).is_err());
    }
}
