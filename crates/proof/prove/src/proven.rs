//! The result of a proof, good or bad, always with the checks one by one.

use linkward_model::{Check, Code, Digest, Identity, Instant};

/// A claim whose every check passed. Only this crate makes one.
#[derive(Clone, Debug)]
pub struct Proven<T> {
    pub(crate) claim: T,
    pub(crate) checks: Vec<Check>,
    pub(crate) signer: Identity,
    pub(crate) proven_at: Option<Instant>,
    pub(crate) verified_at: Instant,
    pub(crate) roots: Digest,
    /// Digests of the trust roots' documents.
    pub(crate) root_documents: Vec<Digest>,
    pub(crate) document: Digest,
    /// The managed key that was tried, DER.
    pub(crate) key: Option<Vec<u8>>,
}

impl<T> Proven<T> {
    pub fn claim(&self) -> &T {
        &self.claim
    }

    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    pub fn signer(&self) -> &Identity {
        &self.signer
    }

    /// When it was signed, as a log or a timestamp authority proves; managed keys prove no time.
    pub fn proven_at(&self) -> Option<Instant> {
        self.proven_at
    }

    /// Digest of the trust roots that were used.
    pub fn roots(&self) -> Digest {
        self.roots
    }

    /// Digest of the document that was proven.
    pub fn document(&self) -> Digest {
        self.document
    }
}

/// A claim that failed a check: which one, and those before it.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub code: Code,
    pub message: String,
    pub checks: Vec<Check>,
    pub document: Digest,
    /// What the document claims to be about.
    pub subjects: Vec<Digest>,
}

impl Refusal {
    /// The check after those that were made failed; the ones behind it, in this order, are listed as skipped.
    pub(crate) fn after(
        mut checks: Vec<Check>,
        order: &[&'static str],
        (code, message): (Code, String),
        document: Digest,
        subjects: Vec<Digest>,
    ) -> Box<Self> {
        let failed = order.get(checks.len()).or(order.last()).copied().unwrap_or_default();
        checks.push(Check::failed(failed, code, message.clone()));
        let rest = order.iter().skip(checks.len());
        let rest: Vec<_> = rest.map(|name| Check::skipped(name, format!("{failed} failed"))).collect();
        checks.extend(rest);
        Box::new(Self { code, message, checks, document, subjects })
    }
}
