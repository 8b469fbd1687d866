//! The making of an authority: a root that lives for one signature, and what it signs.
//!
//! The root's key is never written: it signs one certificate and is forgotten. There is nothing above the signer's
//! keys to steal; a new generation has a new root, and the trust root names both.

use std::path::Path;

use linkward_model::Instant;
use linkward_prove::PublicKey;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use super::instance::Generation;
use super::leaf::{Above, Point};
use crate::keys::{KeyError, Role, create_role};

/// How long an authority of its own making is good for.
const YEARS_MILLIS: i64 = 10 * 365 * 86_400_000;
/// Certificates start a little before they are made: clocks differ.
const SKEW_MILLIS: i64 = 5 * 60 * 1000;
const EXTENDED_KEY_USAGE: &[u64] = &[2, 5, 29, 37];
const TIME_STAMPING: &[u64] = &[1, 3, 6, 1, 5, 5, 7, 3, 8];

/// Why an authority was not made.
#[derive(Debug, thiserror::Error)]
pub enum CeremonyError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    #[error("this key has one generation")]
    Unrotatable,
    #[error("a key that was just made cannot be read")]
    Unreadable,
}

fn root(name: &str, now: Instant) -> Result<(CertificateParams, KeyPair), rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "linkward");
    params.distinguished_name.push(DnType::CommonName, format!("{name} root"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(1));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = time(now.plus_millis(-SKEW_MILLIS));
    params.not_after = time(now.plus_millis(YEARS_MILLIS));
    Ok((params, KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384)?))
}

/// A certificate authority of a home: key, and chain from the issuing certificate to the root.
///
/// # Errors
/// The key exists, or cannot be written.
pub fn authority(
    keys: &Path,
    home: &str,
    generation: u32,
    now: Instant,
) -> Result<Generation, CeremonyError> {
    let name = format!("{home} ca {generation}");
    let spki = create_role(keys, Role::Authority, generation)?;
    let key = PublicKey::from_spki(&spki).map_err(|_| CeremonyError::Unreadable)?;
    let above = Above { name: name.clone(), generation, point: key.raw().to_vec() };
    let (root, root_key) = root(&name, now)?;
    let anchor = root.self_signed(&root_key)?;
    let mut params = above.parameters();
    params.not_before = root.not_before;
    params.not_after = root.not_after;
    params.use_authority_key_identifier_extension = true;
    let issuing = params.signed_by(&Point(key.raw()), &Issuer::from_params(&root, &root_key))?;
    Ok(Generation::new(generation, name, spki, vec![issuing.der().to_vec(), anchor.der().to_vec()], now))
}

/// A timestamp authority of a home: key, and chain from its certificate to the root.
///
/// # Errors
/// The key exists, or cannot be written.
pub fn timestamp(
    keys: &Path,
    home: &str,
    generation: u32,
    now: Instant,
) -> Result<Generation, CeremonyError> {
    let name = format!("{home} tsa {generation}");
    let spki = create_role(keys, Role::Timestamp, generation)?;
    let key = PublicKey::from_spki(&spki).map_err(|_| CeremonyError::Unreadable)?;
    let (root, root_key) = root(&name, now)?;
    let anchor = root.self_signed(&root_key)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "linkward");
    params.distinguished_name.push(DnType::CommonName, &name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // RFC 3161, 2.3: this purpose alone, and critical.
    let purpose = yasna::construct_der(|writer| {
        writer.write_sequence(|writer| {
            writer.next().write_oid(&yasna::models::ObjectIdentifier::from_slice(TIME_STAMPING));
        });
    });
    let mut purpose = CustomExtension::from_oid_content(EXTENDED_KEY_USAGE, purpose);
    purpose.set_criticality(true);
    params.custom_extensions = vec![purpose];
    params.not_before = root.not_before;
    params.not_after = root.not_after;
    params.use_authority_key_identifier_extension = true;
    let own = params.signed_by(&Point(key.raw()), &Issuer::from_params(&root, &root_key))?;
    Ok(Generation::new(generation, name, spki, vec![own.der().to_vec(), anchor.der().to_vec()], now))
}

/// The certificate log's key for timestamps.
///
/// # Errors
/// The key exists, or cannot be written.
pub fn certificate_log(
    keys: &Path,
    home: &str,
    generation: u32,
    now: Instant,
) -> Result<Generation, CeremonyError> {
    let spki = create_role(keys, Role::CertificateLog, generation)?;
    Ok(Generation::new(generation, format!("{home} ct {generation}"), spki, Vec::new(), now))
}

/// The key of the token issuer that only tests may trust.
///
/// # Errors
/// The key exists, or cannot be written.
pub fn test_issuer(keys: &Path, home: &str, now: Instant) -> Result<Generation, CeremonyError> {
    let spki = create_role(keys, Role::TestIssuer, 1)?;
    Ok(Generation::new(1, format!("{home} test issuer"), spki, Vec::new(), now))
}

pub(crate) fn time(instant: Instant) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(instant.seconds()).unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}
