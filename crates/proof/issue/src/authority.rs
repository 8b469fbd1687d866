//! The home's own certificate authority, for the admission webhook's TLS. Its key stays with the signer.

use linkward_model::Instant;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData, SignatureAlgorithm, SigningKey,
};

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("certificate could not be made")]
pub struct AuthorityError(#[from] rcgen::Error);

/// The authority: its public key, and a way to ask the signer.
pub struct Authority<F> {
    /// The uncompressed point of the P-256 key.
    public: Vec<u8>,
    sign: F,
}

impl<F> std::fmt::Debug for Authority<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

impl<F> PublicKeyData for Authority<F> {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl<F: Fn(&[u8]) -> Option<Vec<u8>>> SigningKey for Authority<F> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        (self.sign)(message).ok_or(rcgen::Error::RemoteKeyError)
    }
}

/// A server's certificate and key; the key lives in this process and is made anew at each start.
#[derive(Debug)]
pub struct ServerIdentity {
    pub certificate: Vec<u8>,
    /// PKCS#8, DER.
    pub key: Vec<u8>,
}

impl<F: Fn(&[u8]) -> Option<Vec<u8>>> Authority<F> {
    pub fn new(public: Vec<u8>, sign: F) -> Self {
        Self { public, sign }
    }

    fn parameters(name: &str, from: Instant) -> CertificateParams {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = time(from);
        params.not_after = time(from.plus_millis(10 * 365 * 86_400_000));
        params
    }

    /// The self-signed certificate of the authority, PEM.
    ///
    /// # Errors
    /// The signer refuses.
    pub fn certificate(&self, name: &str, from: Instant) -> Result<String, AuthorityError> {
        Ok(Self::parameters(name, from).self_signed(self)?.pem())
    }

    /// A certificate for a server under these names, good for some days.
    ///
    /// # Errors
    /// The signer refuses, or a name is none.
    pub fn server(
        &self,
        name: &str,
        from: Instant,
        names: &[String],
        now: Instant,
        days: i64,
    ) -> Result<ServerIdentity, AuthorityError> {
        let own = Self::parameters(name, from);
        let issuer = Issuer::from_params(&own, self);
        let mut params = CertificateParams::new(names.to_vec())?;
        params.distinguished_name.push(DnType::CommonName, "linkward admission");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        params.not_before = time(now.plus_millis(-3_600_000));
        params.not_after = time(now.plus_millis(days.saturating_mul(86_400_000)));
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        Ok(ServerIdentity { certificate: certificate.der().to_vec(), key: key.serialize_der() })
    }
}

fn time(instant: Instant) -> time::OffsetDateTime {
    time::OffsetDateTime::from_unix_timestamp(instant.seconds()).unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}
