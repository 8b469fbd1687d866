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
use linkward_ledger::LogName;
use linkward_model::Digest;
use serde::{Deserialize, Serialize};

use crate::protected::{self, ProtectedError};
use crate::tuf;

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
    #[error("{path}: {source}")]
    Protected { path: PathBuf, source: ProtectedError },
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
    sync(folder)?;
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

/// File of a generation of a key that had one generation at first.
pub(crate) fn generation_file(first: &str, generation: u32) -> String {
    match (generation, first.strip_suffix(".key")) {
        (0 | 1, _) | (_, None) => first.to_owned(),
        (_, Some(name)) => format!("{name}-{generation}.key"),
    }
}

/// The first generation above this one that has no file: a rotation that was killed half way left a key behind, and a
/// key is never written over.
fn free(folder: &Path, after: u32, file: impl Fn(u32) -> String) -> u32 {
    let mut generation = after.saturating_add(1);
    while folder.join(file(generation)).exists() {
        generation = generation.saturating_add(1);
    }
    generation
}

/// Makes the next key of the signing log: its generation and public half.
///
/// # Errors
/// It cannot be written.
pub fn create_log_key(folder: &Path, after: u32) -> Result<(u32, [u8; 32]), KeyError> {
    let generation = free(folder, after, |generation| generation_file(SIGNING, generation));
    Ok((generation, create_ed25519(folder, &generation_file(SIGNING, generation))?))
}

/// Makes the next key for what people ask to be signed: its generation and SubjectPublicKeyInfo.
///
/// # Errors
/// It cannot be written.
pub(crate) fn create_artifact_key(folder: &Path, after: u32) -> Result<(u32, Vec<u8>), KeyError> {
    let generation = free(folder, after, |generation| generation_file(ARTIFACT, generation));
    Ok((generation, create_p256(folder, &generation_file(ARTIFACT, generation))?))
}

pub(crate) fn repository_file(role: tuf::Role, generation: u32) -> String {
    // One key for snapshot and timestamp: both are signed again by themselves, whoever has one may as well have both.
    let name = match role {
        tuf::Role::Snapshot => tuf::Role::Timestamp,
        role => role,
    };
    format!("tuf-{name}-{generation}.key")
}

/// Makes keys of the TUF repository: of root, targets, and of snapshot and timestamp.
///
/// # Errors
/// They cannot be written.
pub fn create_repository_keys(folder: &Path) -> Result<[tuf::Key; 3], KeyError> {
    use tuf::Role::{Root, Targets, Timestamp};
    let generation = free(folder, 0, |generation| repository_file(Root, generation));
    let make = |role| {
        let name = repository_file(role, generation);
        let _ = std::fs::remove_file(folder.join(&name));
        create_ed25519(folder, &name).map(tuf::Key)
    };
    // Root last: while its file is missing, the others are of a rotation that was killed and named nowhere.
    let (targets, timestamp) = (make(Targets)?, make(Timestamp)?);
    Ok([create_ed25519(folder, &repository_file(Root, generation)).map(tuf::Key)?, targets, timestamp])
}

/// Makes the key of the certificate log's checkpoints.
///
/// # Errors
/// It exists, or cannot be written.
pub fn create_certificates(folder: &Path) -> Result<[u8; 32], KeyError> {
    create_ed25519(folder, CERTIFICATES)
}

/// Makes keys for the logs of a home that goes on under new ones.
///
/// # Errors
/// One exists, or cannot be written.
pub fn create_log_keys(folder: &Path, logs: &[LogName]) -> Result<Vec<(LogName, [u8; 32])>, KeyError> {
    let made =
        [(LogName::Evidence, EVIDENCE), (LogName::Signing, SIGNING), (LogName::Certificates, CERTIFICATES)];
    let made = made.into_iter().filter(|(log, _)| logs.contains(log));
    let made = made.map(|(log, file)| Ok((log, create_ed25519(folder, file)?)));
    let keys = made.collect::<Result<_, KeyError>>()?;
    sync(folder)?;
    Ok(keys)
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

/// Makes the names in the folder durable.
pub(crate) fn sync(folder: &Path) -> Result<(), KeyError> {
    std::fs::File::open(folder)
        .and_then(|file| file.sync_all())
        .map_err(|source| KeyError::Io { path: folder.to_path_buf(), source })
}

pub(crate) fn write(folder: &Path, name: &str, der: &[u8]) -> Result<(), KeyError> {
    let path = folder.join(name);
    let io = |source| KeyError::Io { path: path.clone(), source };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(io)?;
    // A folder of encrypted keys gets no bare one.
    let text =
        if protected_file(&folder.join(EVIDENCE)) { sealed(&path, der)? } else { pem("PRIVATE KEY", der) };
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)
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
    read_file(&folder.join(name))
}

/// As [`read`], by path.
pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, KeyError> {
    let io = |source| KeyError::Io { path: path.to_path_buf(), source };
    let mode = std::fs::metadata(path).map_err(io)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(KeyError::Permissions { path: path.to_path_buf(), mode });
    }
    let text = std::fs::read_to_string(path).map_err(io)?;
    let der =
        linkward_evidence::rekor::from_pem(&text).ok_or_else(|| KeyError::Malformed(path.to_path_buf()))?;
    if text.contains(protected::LABEL) {
        return protected::opened(&der, path)
            .map_err(|source| KeyError::Protected { path: path.to_path_buf(), source });
    }
    Ok(der)
}

fn protected_file(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text.contains(protected::LABEL))
}

fn sealed(path: &Path, der: &[u8]) -> Result<String, KeyError> {
    let wrong = |source| KeyError::Protected { path: path.to_path_buf(), source };
    let passphrase = protected::passphrase(path).map_err(wrong)?;
    Ok(pem(protected::LABEL, &protected::seal(der, &passphrase).map_err(wrong)?))
}

/// Private keys of a folder, by path.
///
/// # Errors
/// The folder cannot be read.
pub fn key_files(folder: &Path) -> Result<Vec<PathBuf>, KeyError> {
    let io = |source| KeyError::Io { path: folder.to_path_buf(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "key") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Puts a key file under the program's passphrase, or takes it out; whether that changed it. The file is whole at
/// every moment.
///
/// # Errors
/// The key cannot be read or written, or there is no passphrase, or another.
pub fn protect(path: &Path, encrypted: bool) -> Result<bool, KeyError> {
    if protected_file(path) == encrypted {
        return Ok(false);
    }
    let der = read_file(path)?;
    let text = if encrypted { sealed(path, &der)? } else { pem("PRIVATE KEY", &der) };
    let io = |source| KeyError::Io { path: path.to_path_buf(), source };
    let draft = path.with_extension("key-new");
    let _ = std::fs::remove_file(&draft);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&draft).map_err(io)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(io)?;
    std::fs::rename(&draft, path).map_err(io)?;
    sync(path.parent().unwrap_or(path))?;
    Ok(true)
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
