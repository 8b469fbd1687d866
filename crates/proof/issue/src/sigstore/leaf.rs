//! Signing certificates as Fulcio makes them: ten minutes, no subject, one critical name, the claims as extensions.
//!
//! A request is data, and a certificate a function of it: the signer process makes the certificate itself from the
//! same request that was logged. Nobody can have it sign an authority, or anything else that is no such leaf.

use linkward_model::{Digest, Instant};
use linkward_prove::PublicKey;
use rcgen::{
    CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, OtherNameValue, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm, SigningKey,
};
use serde::{Deserialize, Serialize};

use super::sct;

/// How long a signing certificate holds.
pub const LIFETIME_MILLIS: i64 = 10 * 60 * 1000;
/// Fulcio's arc of extensions.
const FULCIO: [u64; 9] = [1, 3, 6, 1, 4, 1, 57264, 1, 0];
const KEY_IDENTIFIER: &[u64] = &[2, 5, 29, 14];

/// Whom a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Name {
    Email(String),
    Uri(String),
    /// A user name without a domain, under Fulcio's own type.
    Username(String),
}

impl Name {
    pub fn as_str(&self) -> &str {
        match self {
            Self::Email(name) | Self::Uri(name) | Self::Username(name) => name,
        }
    }
}

/// All that goes into a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// SubjectPublicKeyInfo, DER.
    pub key: Vec<u8>,
    pub name: Name,
    /// Numbers below Fulcio's arc, and their text, ascending.
    pub claims: Vec<(u8, String)>,
    pub serial: Vec<u8>,
    pub not_before: Instant,
}

/// The authority above: its name and public key give its key identifier, and so the certificate's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Above {
    pub name: String,
    pub generation: u32,
    /// The uncompressed point of the P-256 key.
    pub point: Vec<u8>,
}

/// Why no certificate was made.
#[derive(Debug, thiserror::Error)]
pub enum LeafError {
    #[error("the key is of a type that certificates are not made for")]
    Key,
    #[error("a name or claim does not fit into a certificate")]
    Field,
    #[error("certificate could not be made")]
    Make(#[from] rcgen::Error),
}

impl Above {
    /// The parameters of the authority's own certificate.
    pub(crate) fn parameters(&self) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "linkward");
        params.distinguished_name.push(DnType::CommonName, &self.name);
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        params
    }

    /// SHA-256 of the authority's SubjectPublicKeyInfo, which certificate logs name it by.
    pub fn key_hash(&self) -> Digest {
        Digest::sha256(&Point(&self.point).subject_public_key_info())
    }
}

/// A P-256 public key by its point.
pub(crate) struct Point<'a>(pub(crate) &'a [u8]);

impl PublicKeyData for Point<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.0
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

/// The key of a certificate to be, of any type.
struct Subject<'a> {
    raw: &'a [u8],
    algorithm: &'static SignatureAlgorithm,
}

impl PublicKeyData for Subject<'_> {
    fn der_bytes(&self) -> &[u8] {
        self.raw
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

/// Signs by asking; what is signed is kept, so that a caller without the key can learn it.
struct Ask<'a, F> {
    point: &'a [u8],
    sign: F,
}

impl<F> PublicKeyData for Ask<'_, F> {
    fn der_bytes(&self) -> &[u8] {
        self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl<F: Fn(&[u8]) -> Option<Vec<u8>>> SigningKey for Ask<'_, F> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        (self.sign)(message).ok_or(rcgen::Error::RemoteKeyError)
    }
}

impl Request {
    /// The TBSCertificate without a timestamp: what the certificate log lists and signs.
    ///
    /// # Errors
    /// The request does not make a certificate.
    pub fn tbs(&self, above: &Above) -> Result<Vec<u8>, LeafError> {
        let seen = std::cell::RefCell::new(Vec::new());
        let keep = |message: &[u8]| {
            *seen.borrow_mut() = message.to_vec();
            // A signature that is none: the certificate around it is thrown away.
            Some(vec![0])
        };
        self.make(above, None, keep)?;
        Ok(seen.into_inner())
    }

    /// The certificate, DER, with the log's timestamp in it.
    pub(crate) fn certificate(
        &self,
        above: &Above,
        timestamps: &[u8],
        sign: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<Vec<u8>, LeafError> {
        self.make(above, Some(timestamps), sign)
    }

    fn make(
        &self,
        above: &Above,
        timestamps: Option<&[u8]>,
        sign: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Result<Vec<u8>, LeafError> {
        let key = PublicKey::from_spki(&self.key).map_err(|_| LeafError::Key)?;
        let algorithm = match key.details() {
            Some("PKIX_ECDSA_P256_SHA_256") => &rcgen::PKCS_ECDSA_P256_SHA256,
            Some("PKIX_ECDSA_P384_SHA_384") => &rcgen::PKCS_ECDSA_P384_SHA384,
            Some("PKIX_ECDSA_P521_SHA_512") => &rcgen::PKCS_ECDSA_P521_SHA512,
            Some(_) => &rcgen::PKCS_RSA_SHA256,
            None => return Err(LeafError::Key),
        };
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.serial_number = Some(SerialNumber::from_slice(&self.serial));
        params.not_before = super::ceremony::time(self.not_before);
        params.not_after = super::ceremony::time(self.not_before.plus_millis(LIFETIME_MILLIS));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        params.use_authority_key_identifier_extension = true;
        let ia5 = |text: &str| text.try_into().map_err(|_| LeafError::Field);
        params.subject_alt_names = vec![match &self.name {
            Name::Email(name) => SanType::Rfc822Name(ia5(name)?),
            Name::Uri(name) => SanType::URI(ia5(name)?),
            Name::Username(name) => SanType::OtherName((arc(7), OtherNameValue::Utf8String(name.clone()))),
        }];
        let id = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, key.raw());
        let id = yasna::construct_der(|writer| writer.write_bytes(id.as_ref()));
        params.custom_extensions = vec![CustomExtension::from_oid_content(KEY_IDENTIFIER, id)];
        for (number, text) in &self.claims {
            if text.len() > 4096 {
                return Err(LeafError::Field);
            }
            // The first six hold the text itself, the later ones a UTF8String (certificate-specification.md).
            let content = if *number <= 6 {
                text.clone().into_bytes()
            } else {
                yasna::construct_der(|writer| writer.write_utf8_string(text))
            };
            params.custom_extensions.push(CustomExtension::from_oid_content(&arc(*number), content));
        }
        if let Some(timestamps) = timestamps {
            let content = yasna::construct_der(|writer| writer.write_bytes(timestamps));
            params.custom_extensions.push(CustomExtension::from_oid_content(sct::SCT_LIST, content));
        }
        let own = above.parameters();
        let issuer = Issuer::from_params(&own, Ask { point: &above.point, sign });
        let subject = Subject { raw: key.raw(), algorithm };
        Ok(params.signed_by(&subject, &issuer)?.der().to_vec())
    }
}

fn arc(number: u8) -> Vec<u64> {
    let mut arc = FULCIO.to_vec();
    if let Some(last) = arc.last_mut() {
        *last = u64::from(number);
    }
    arc
}
