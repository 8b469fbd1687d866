//! Trust roots: which authorities, logs and timestamp authorities are believed, and when.

use std::sync::OnceLock;

use linkward_evidence::Fault;
use linkward_evidence::trusted_root::{Log, TrustedRoot, Validity};
use linkward_model::{Digest, Instant};

use crate::certificate::Certificate;
use crate::key::PublicKey;

/// trusted_root.json of the public-good instance, from sigstore/root-signing (Apache-2.0).
const PRODUCTION: &[u8] = include_bytes!("production_root.json");

/// When the built-in root was taken: 2026-08-21.
pub const fn production_date() -> Instant {
    Instant::from_seconds(1_787_270_400)
}

/// Why trust roots were not read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RootsError {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error("{0} has a key that cannot be read")]
    Key(String),
    #[error("{0} has a certificate that cannot be read")]
    Certificate(String),
}

#[derive(Clone, Debug)]
pub(crate) struct LogRoot {
    pub(crate) host: String,
    /// The host with its port, as Rekor v1 spells its name.
    pub(crate) authority: String,
    pub(crate) id: Vec<u8>,
    pub(crate) key: PublicKey,
    pub(crate) valid: Validity,
}

#[derive(Clone, Debug)]
pub(crate) struct AuthorityRoot {
    pub(crate) uri: String,
    pub(crate) chain: Vec<Certificate>,
    pub(crate) valid: Validity,
    /// Whether each certificate of the chain is signed by the next, once somebody asked: half of the work for a chain
    /// on P-384, and the same for every bundle. Validity and purpose are looked at each time.
    links: Vec<OnceLock<bool>>,
}

impl AuthorityRoot {
    pub(crate) fn new(uri: String, mut chain: Vec<Certificate>, valid: Validity) -> Self {
        for certificate in &mut chain {
            certificate.key = certificate.key.clone().for_many();
        }
        let links = chain.iter().map(|_| OnceLock::new()).collect();
        Self { uri, chain, valid, links }
    }

    /// As [`Certificate::issued`], remembered for neighbours in this chain.
    pub(crate) fn issued(&self, issuer: &Certificate, below: &Certificate) -> bool {
        let place = self.chain.iter().position(|certificate| std::ptr::eq(certificate, below));
        let next = place.and_then(|place| self.chain.get(place.saturating_add(1)));
        match (place.and_then(|place| self.links.get(place)), next) {
            (Some(link), Some(next)) if std::ptr::eq(next, issuer) => {
                *link.get_or_init(|| issuer.issued(below))
            }
            _ => issuer.issued(below),
        }
    }
}

/// What one `trusted_root.json` names. A proof rests on one instance alone: what it lacks, another does not supply.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) logs: Vec<LogRoot>,
    pub(crate) certificate_logs: Vec<LogRoot>,
    pub(crate) authorities: Vec<AuthorityRoot>,
    pub(crate) timestamp_authorities: Vec<AuthorityRoot>,
}

/// One or several trusted roots, read once.
#[derive(Clone, Debug)]
pub struct TrustRoots {
    documents: Vec<Vec<u8>>,
    /// Of the documents, in their order.
    digests: Vec<Digest>,
    pub(crate) instances: Vec<Instance>,
}

impl TrustRoots {
    /// # Errors
    /// The document, one of its keys or one of its certificates is malformed.
    pub fn parse(bytes: &[u8]) -> Result<Self, RootsError> {
        let root = TrustedRoot::parse(bytes)?;
        let authorities = |list: &[linkward_evidence::trusted_root::Authority]| {
            list.iter()
                .map(|authority| {
                    let chain =
                        authority.chain.iter().map(|der| Certificate::parse(der)).collect::<Option<Vec<_>>>();
                    let chain = chain.ok_or_else(|| RootsError::Certificate(authority.uri.clone()))?;
                    Ok(AuthorityRoot::new(authority.uri.clone(), chain, authority.valid))
                })
                .collect::<Result<Vec<_>, RootsError>>()
        };
        let instance = Instance {
            logs: root.logs.iter().map(log).collect::<Result<_, _>>()?,
            certificate_logs: root.certificate_logs.iter().map(log).collect::<Result<_, _>>()?,
            authorities: authorities(&root.authorities)?,
            timestamp_authorities: authorities(&root.timestamp_authorities)?,
        };
        Ok(Self {
            documents: vec![bytes.to_vec()],
            digests: vec![Digest::sha256(bytes)],
            instances: vec![instance],
        })
    }

    /// The built-in roots of the public-good instance.
    ///
    /// # Panics
    /// Never: a test reads the built-in document.
    pub fn production() -> Self {
        Self::parse(PRODUCTION).unwrap_or_else(|_| Self {
            documents: vec![PRODUCTION.to_vec()],
            digests: vec![Digest::sha256(PRODUCTION)],
            instances: Vec::new(),
        })
    }

    /// Several instances side by side; a proof may use any one.
    pub fn join(roots: &[&Self]) -> Self {
        Self {
            documents: roots.iter().flat_map(|root| root.documents.iter().cloned()).collect(),
            digests: roots.iter().flat_map(|root| root.digests.iter().cloned()).collect(),
            instances: roots.iter().flat_map(|root| root.instances.iter().cloned()).collect(),
        }
    }

    /// The trusted_root.json documents.
    pub fn documents(&self) -> &[Vec<u8>] {
        &self.documents
    }

    /// Digest of the documents' digests, one a line; of the document itself where there is one.
    pub fn digest(&self) -> Digest {
        match self.digests.as_slice() {
            [one] => *one,
            many => {
                let lines: String = many.iter().map(|digest| format!("{digest}\n")).collect();
                Digest::sha256(lines.as_bytes())
            }
        }
    }

    pub(crate) fn document_digests(&self) -> Vec<Digest> {
        self.digests.clone()
    }
}

fn log(log: &Log) -> Result<LogRoot, RootsError> {
    let wrong = |_| RootsError::Key(log.base_url.clone());
    let key = if log.key_details.starts_with("PKCS1_") {
        PublicKey::from_pkcs1(&log.key).map_err(wrong)?
    } else {
        PublicKey::from_spki(&log.key).map_err(wrong)?
    };
    let key = key.for_many();
    let rest = log.base_url.split_once("://").map_or(log.base_url.as_str(), |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or("").to_owned();
    let host = authority.split(':').next().unwrap_or("").to_owned();
    Ok(LogRoot { host, authority, id: log.id.clone(), key, valid: log.valid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_root_is_read_whole() {
        let root = TrustRoots::production();
        let [instance] = root.instances.as_slice() else { panic!("{:?}", root.instances) };
        let counts = [
            instance.logs.len(),
            instance.certificate_logs.len(),
            instance.authorities.len(),
            instance.timestamp_authorities.len(),
        ];
        assert_eq!(counts, [2, 2, 2, 1]);
        assert_eq!(TrustRoots::parse(PRODUCTION).map(|root| root.digest()).ok(), Some(root.digest()));
    }
}
