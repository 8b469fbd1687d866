//! Who signed: the kinds of signer that a caller accepts, and the key or certificate that a bundle names.

use linkward_evidence::bundle::{Bundle, Material};
use linkward_evidence::trusted_root::Validity;
use linkward_model::{Code, Identity, Instant};

use super::content::signed;
use super::{Artifact, Fault, Run};
use crate::certificate::Certificate;
use crate::key::PublicKey;
use crate::pattern::Pattern;

/// Who must have signed.
#[derive(Clone, Copy, Debug)]
pub enum Signer<'a> {
    Certificate {
        subject: &'a Pattern,
        issuer: &'a Pattern,
    },
    Key(&'a PublicKey),
    /// One of several.
    AnyOf(&'a [AcceptedSigner]),
    /// Anybody with a trusted certificate, or one of these keys: whether that signer is accepted is for policy to say.
    LeftToPolicy {
        keyring: &'a [PublicKey],
    },
}

/// One of several signers that will do.
#[derive(Clone, Debug)]
pub enum AcceptedSigner {
    Certificate {
        subject: Pattern,
        issuer: Pattern,
    },
    Key(PublicKey),
    /// A key that counts only for what was signed within its time.
    DatedKey {
        key: PublicKey,
        valid: Validity,
    },
}

impl AcceptedSigner {
    pub fn matches(&self, who: &Identity) -> bool {
        match (self, who) {
            (Self::Certificate { subject, issuer }, Identity::Certificate { subject: name, issuer: by }) => {
                subject.matches(name) && issuer.matches(by)
            }
            (Self::Key(key) | Self::DatedKey { key, .. }, Identity::Key { id }) => key.id() == *id,
            _ => false,
        }
    }

    fn key(&self) -> Option<&PublicKey> {
        match self {
            Self::Key(key) | Self::DatedKey { key, .. } => Some(key),
            Self::Certificate { .. } => None,
        }
    }
}

/// The key that must have made the signature.
pub(super) enum Verifier {
    Certificate {
        leaf: Box<Certificate>,
        between: Vec<Certificate>,
    },
    /// Managed keys, one of which must fit.
    Keys(Vec<PublicKey>),
}

impl Run<'_> {
    /// Which of the managed keys made the signature.
    pub(super) fn managed(
        &self,
        keys: &[PublicKey],
        bundle: &Bundle,
        signature: &[u8],
        artifact: Artifact<'_>,
    ) -> Result<PublicKey, Fault> {
        match keys {
            [] => Err((
                Code::KeyMissing,
                "the bundle was signed with a managed key, and none is given".to_owned(),
            )),
            [only] => Ok(only.clone()),
            many => {
                many.iter().find(|key| signed(bundle, signature, key, artifact).is_ok()).cloned().ok_or_else(
                    || (Code::KeyMismatch, "none of the known keys made the signature".to_owned()),
                )
            }
        }
    }

    /// A registry that changes its key goes on trusting what the old one signed, and nothing that it signs later.
    pub(super) fn key_counts(
        &self,
        key: &PublicKey,
        signer: Signer<'_>,
        times: &[Instant],
    ) -> Result<(), Fault> {
        let Signer::AnyOf(accepted) = signer else { return Ok(()) };
        let only = [self.now];
        let times = if times.is_empty() { only.as_slice() } else { times };
        let counts = accepted.iter().filter(|one| one.key() == Some(key)).any(|one| match one {
            AcceptedSigner::DatedKey { valid, .. } => times.iter().all(|time| valid.covers(*time)),
            _ => true,
        });
        if counts {
            return Ok(());
        }
        let what = format!("{key:?} is not listed for the time of the signature");
        Err((Code::KeyExpired, what))
    }

    pub(super) fn identity(
        &mut self,
        verifier: &Verifier,
        key: &PublicKey,
        signer: Signer<'_>,
    ) -> Result<Identity, Fault> {
        let Verifier::Certificate { leaf, .. } = verifier else {
            let identity = Identity::Key { id: key.id() };
            self.passed(identity.to_string());
            return Ok(identity);
        };
        let names = leaf.names();
        let [name] = names.as_slice() else {
            let what = format!("the certificate has {} subject names, expected one", names.len());
            return Err((Code::CertificateMalformed, what));
        };
        let by = leaf
            .oidc_issuer()
            .ok_or_else(|| (Code::CertificateMalformed, "the certificate names no OIDC issuer".to_owned()))?;
        if let Signer::Certificate { subject, issuer } = signer
            && !(subject.matches(name) && issuer.matches(&by))
        {
            let what =
                format!("signed by {name} (by {by}), expected {} (by {})", subject.as_str(), issuer.as_str());
            return Err((Code::IdentityMismatch, what));
        }
        let identity = Identity::Certificate { subject: name.clone(), issuer: by };
        if let Signer::AnyOf(accepted) = signer
            && !accepted.iter().any(|one| one.matches(&identity))
        {
            let what =
                format!("signed by {identity}, who is none of the {} accepted signers", accepted.len());
            return Err((Code::IdentityMismatch, what));
        }
        self.passed(identity.to_string());
        Ok(identity)
    }
}

pub(super) fn verifier(bundle: &Bundle, signer: Signer<'_>) -> Result<Verifier, Fault> {
    match (&bundle.material, signer) {
        (Material::Certificates(_), Signer::Key(_)) => {
            let what = "the bundle was signed with a certificate, a key was given".to_owned();
            Err((Code::KeyMismatch, what))
        }
        (Material::Certificates(_), Signer::AnyOf(accepted))
            if accepted.iter().all(|one| one.key().is_some()) =>
        {
            let what = "the bundle was signed with a certificate, only keys were given".to_owned();
            Err((Code::KeyMismatch, what))
        }
        (Material::Certificates(chain), _) => {
            let parsed: Option<Vec<Certificate>> = chain.iter().map(|der| Certificate::parse(der)).collect();
            let malformed =
                || (Code::CertificateMalformed, "a certificate of the bundle cannot be read".to_owned());
            let mut parsed = parsed.ok_or_else(malformed)?.into_iter();
            let leaf = parsed.next().ok_or_else(malformed)?;
            Ok(Verifier::Certificate { leaf: Box::new(leaf), between: parsed.collect() })
        }
        (Material::PublicKey { .. }, Signer::Key(key)) => Ok(Verifier::Keys(vec![key.clone()])),
        (Material::PublicKey { .. }, Signer::AnyOf(accepted)) => {
            Ok(Verifier::Keys(accepted.iter().filter_map(AcceptedSigner::key).cloned().collect()))
        }
        (Material::PublicKey { .. }, Signer::LeftToPolicy { keyring }) => {
            Ok(Verifier::Keys(keyring.to_vec()))
        }
        (Material::PublicKey { .. }, Signer::Certificate { .. }) => {
            let what =
                "the bundle was signed with a managed key; an identity has no bearing on it".to_owned();
            Err((Code::KeyMissing, what))
        }
    }
}
