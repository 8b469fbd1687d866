//! What a certificate says of its holder, for those who search logs. Read, not proven: anybody can write a certificate.

use crate::certificate::Certificate;
use crate::extension::FulcioExtension;

/// Names, issuer and Fulcio's extensions of a certificate, as they stand there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The SubjectPublicKeyInfo, DER.
    pub key: Vec<u8>,
    pub names: Vec<String>,
    pub issuer: Option<String>,
    pub extensions: Vec<(FulcioExtension, String)>,
}

/// `None` where the bytes are no X.509 certificate, such as a bare key.
pub fn named(der: &[u8]) -> Option<Named> {
    let certificate = Certificate::parse(der)?;
    Some(Named {
        key: certificate.key.spki().to_vec(),
        names: certificate.names(),
        issuer: certificate.oidc_issuer(),
        extensions: certificate.claims(),
    })
}
