//! The proof of a Notary Project signature: by a certificate whose authority and subject the operator names.
//!
//! Known gaps: nobody is asked whether a certificate was revoked, which would need a line; the check is listed as
//! skipped. Attributes of plugins are refused, never passed over. Authorities that constrain names are refused as well.

mod chain;
mod subject;

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use linkward_evidence::notation::{Algorithm, Envelope, Scheme, Target};
use linkward_model::{Check, Code, Digest, Identity, Instant};

use crate::attestation::Stamp;
use crate::certificate::Certificate;
use crate::key::Kind;
use crate::proven::{Proven, Refusal};
use crate::roots::AuthorityRoot;
use crate::timestamp;

pub use subject::{TrustedSubject, TrustedSubjectError};

/// The checks, in order; those behind a failed one are listed as skipped.
const ORDER: &[&str] = &[
    "envelope",
    "critical-attributes",
    "certificates",
    "algorithm",
    "signature",
    "timestamp",
    "certificate-chain",
    "trust-store",
    "revocation",
    "identity",
    "expiry",
    "target",
];

/// Whose signatures count (trust-store-trust-policy.md, one policy).
#[derive(Clone, Debug, Default)]
pub struct NotationTrust {
    /// Store `ca`, DER: for scheme notary.x509.
    pub authorities: Vec<Vec<u8>>,
    /// Store `signingAuthority`, DER: for scheme notary.x509.signingAuthority.
    pub signing_authorities: Vec<Vec<u8>>,
    /// Store `tsa`, DER.
    pub timestamp_authorities: Vec<Vec<u8>>,
    pub subjects: Vec<TrustedSubject>,
}

/// A signature whose signer is proven.
#[derive(Clone, Debug)]
pub struct NotationSignature {
    pub(crate) target: Target,
    pub(crate) stamp: Option<Stamp>,
    pub(crate) subject: String,
}

impl NotationSignature {
    pub fn target(&self) -> &Target {
        &self.target
    }

    pub fn stamp(&self) -> Option<&Stamp> {
        self.stamp.as_ref()
    }

    /// The certificate's subject, as an x509.subject spells it.
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

/// Proves who signed an artifact, by the digests of the artifact.
///
/// # Errors
/// The first check that fails, with those before it.
pub fn notation(
    bytes: &[u8],
    trust: &NotationTrust,
    artifact: &[Digest],
    now: Instant,
) -> Result<Proven<NotationSignature>, Box<Refusal>> {
    prove(bytes, trust, Some(artifact), now)
}

/// As [`notation`], of whatever artifact the signature names.
pub(crate) fn named_by_itself(
    bytes: &[u8],
    trust: &NotationTrust,
    now: Instant,
) -> Result<Proven<NotationSignature>, Box<Refusal>> {
    prove(bytes, trust, None, now)
}

fn prove(
    bytes: &[u8],
    trust: &NotationTrust,
    artifact: Option<&[Digest]>,
    now: Instant,
) -> Result<Proven<NotationSignature>, Box<Refusal>> {
    let document = Digest::sha256(bytes);
    let mut checks = Vec::new();
    match run(bytes, trust, artifact, now, &mut checks) {
        Ok(found) => Ok(Proven {
            signer: Identity::Certificate {
                subject: found.signature.subject.clone(),
                issuer: found.anchor_subject,
            },
            proven_at: found.signature.stamp.as_ref().map(|stamp| stamp.time),
            claim: found.signature,
            checks,
            verified_at: now,
            roots: found.anchor,
            root_documents: vec![found.anchor],
            document,
            key: None,
        }),
        Err(fault) => {
            let claimed = || Envelope::parse(bytes).map(|envelope| vec![envelope.target.digest]);
            let subjects = artifact.map_or_else(|| claimed().unwrap_or_default(), <[Digest]>::to_vec);
            Err(Refusal::after(checks, ORDER, fault, document, subjects))
        }
    }
}

struct Found {
    signature: NotationSignature,
    /// The certificate of the trust store.
    anchor: Digest,
    anchor_subject: String,
}

fn run(
    bytes: &[u8],
    trust: &NotationTrust,
    artifact: Option<&[Digest]>,
    now: Instant,
    checks: &mut Vec<Check>,
) -> Result<Found, (Code, String)> {
    let mut passed = |detail: String| {
        let name = ORDER.get(checks.len()).copied().unwrap_or("target");
        checks.push(Check::passed(name, detail));
    };
    let envelope = Envelope::parse(bytes).map_err(|fault| (Code::NotationMalformed, fault.to_string()))?;
    let (scheme, store) = match envelope.scheme {
        Scheme::X509 => ("notary.x509", &trust.authorities),
        Scheme::SigningAuthority => ("notary.x509.signingAuthority", &trust.signing_authorities),
    };
    passed(format!("{}, {scheme}", envelope.form));

    if let Some(name) = envelope.further_critical.first() {
        let why = format!("`{}` must be understood, and is not", name.escape_debug());
        return Err((Code::NotationCritical, why));
    }
    passed("none that is not understood".to_owned());

    let certificates: Option<Vec<Certificate>> =
        envelope.chain.iter().map(|der| Certificate::parse(der)).collect();
    let unreadable =
        || (Code::CertificateMalformed, "a certificate of the signature cannot be read".to_owned());
    let certificates = certificates.filter(|list| !list.is_empty()).ok_or_else(unreadable)?;
    let leaf = certificates.first().ok_or_else(unreadable)?;
    let subject = subject::spelled(leaf);
    passed(format!("{} of `{}`", certificates.len(), subject.escape_debug()));

    let (name, algorithm) = algorithm(leaf, envelope.algorithm)?;
    passed(name.to_owned());

    if UnparsedPublicKey::new(algorithm, leaf.key.raw())
        .verify(&envelope.message, &envelope.signature)
        .is_err()
    {
        let why = "the signature is not by the key of its first certificate".to_owned();
        return Err((Code::SignatureMismatch, why));
    }
    passed(format!("by key {}", leaf.key.id().short()));

    // When the chain must hold: as a timestamp proves it, as the authority says, or else now.
    let stamp = stamp(&envelope, trust)?;
    let (time, how) = match (&stamp, envelope.scheme, envelope.time) {
        (Some(stamp), _, _) => (stamp.time, format!("{}, by {}", stamp.time, stamp.authority)),
        (None, Scheme::SigningAuthority, Some(time)) if time <= now => {
            (time, format!("{time}, as the authority says"))
        }
        (None, Scheme::SigningAuthority, time) => {
            let why = format!("the authority says {time:?}, and now is {now}");
            return Err((Code::TimestampInvalid, why));
        }
        (None, Scheme::X509, _) if envelope.timestamp.is_some() => (
            now,
            "there is one, and no timestamp authority was named: the certificates must hold now".to_owned(),
        ),
        (None, Scheme::X509, _) => (now, "none: the certificates must hold now".to_owned()),
    };
    passed(how);

    chain::holds(&certificates, time)?;
    passed(format!("{} certificates, each issued by the next, at {time}", certificates.len()));

    let anchor = certificates.iter().find(|certificate| store.contains(&certificate.der));
    let Some(anchor) = anchor else {
        let why = format!("none of its certificates is in the trust store for {scheme}");
        return Err((Code::CertificateUntrusted, why));
    };
    let anchor_subject = subject::spelled(anchor);
    passed(format!("`{}`", anchor_subject.escape_debug()));

    checks.push(Check::skipped("revocation", "nobody is asked: verification is offline"));
    let mut passed = |detail: String| {
        let name = ORDER.get(checks.len()).copied().unwrap_or("target");
        checks.push(Check::passed(name, detail));
    };

    let trusted = trust.subjects.iter().find(|trusted| trusted.is(leaf));
    let Some(trusted) = trusted else {
        let why =
            format!("the certificate is of `{}`, and that is not a trusted identity", subject.escape_debug());
        return Err((Code::IdentityMismatch, why));
    };
    passed(trusted.to_string());

    match envelope.expiry {
        Some(expiry) if expiry <= now => {
            return Err((Code::NotationExpired, format!("it expired at {expiry}, and now is {now}")));
        }
        Some(expiry) => passed(format!("until {expiry}")),
        None => passed("none".to_owned()),
    }

    let target = envelope.target;
    if artifact.is_some_and(|artifact| !artifact.contains(&target.digest)) {
        return Err((Code::DigestMismatch, format!("it was made for {}", target.digest)));
    }
    passed(format!("{}, {} bytes", target.digest, target.size));
    let anchor = Digest::sha256(&anchor.der);
    Ok(Found { signature: NotationSignature { target, stamp, subject }, anchor, anchor_subject })
}

type Named = (&'static str, &'static dyn VerificationAlgorithm);

/// The algorithm, which the key alone determines (signature-specification.md, "Algorithm Selection").
fn algorithm(leaf: &Certificate, named: Algorithm) -> Result<Named, (Code, String)> {
    let own: Option<(Algorithm, Named)> = match (leaf.key.kind(), leaf.key.details()) {
        (Kind::Rsa, Some("PKIX_RSA_PKCS1V15_2048_SHA256")) => {
            Some((Algorithm::Ps256, ("PS256", &signature::RSA_PSS_2048_8192_SHA256)))
        }
        (Kind::Rsa, Some("PKIX_RSA_PKCS1V15_3072_SHA256")) => {
            Some((Algorithm::Ps384, ("PS384", &signature::RSA_PSS_2048_8192_SHA384)))
        }
        (Kind::Rsa, Some("PKIX_RSA_PKCS1V15_4096_SHA256")) => {
            Some((Algorithm::Ps512, ("PS512", &signature::RSA_PSS_2048_8192_SHA512)))
        }
        (Kind::P256, _) => Some((Algorithm::Es256, ("ES256", &signature::ECDSA_P256_SHA256_FIXED))),
        (Kind::P384, _) => Some((Algorithm::Es384, ("ES384", &signature::ECDSA_P384_SHA384_FIXED))),
        (Kind::P521, _) => Some((Algorithm::Es512, ("ES512", &signature::ECDSA_P521_SHA512_FIXED))),
        _ => None,
    };
    match own {
        None => Err((
            Code::NotationAlgorithm,
            "the specification has no algorithm for this type of key".to_owned(),
        )),
        Some((own, found)) if own == named => Ok(found),
        Some((_, (own, _))) => {
            Err((Code::NotationAlgorithm, format!("it names {named:?}, and its key goes with {own}")))
        }
    }
}

/// The time that a trusted authority proves, if there is a timestamp and somebody to trust for it.
fn stamp(envelope: &Envelope, trust: &NotationTrust) -> Result<Option<Stamp>, (Code, String)> {
    let Some(token) = &envelope.timestamp else { return Ok(None) };
    let parsed = trust.timestamp_authorities.iter().map(|der| Certificate::parse(der));
    let parsed: Option<Vec<Certificate>> = parsed.collect();
    let unreadable =
        || (Code::TrustRootMalformed, "a certificate of the tsa store cannot be read".to_owned());
    let authorities: Vec<AuthorityRoot> = parsed
        .ok_or_else(unreadable)?
        .into_iter()
        .map(|certificate| {
            let valid =
                crate::Validity { start: Some(certificate.not_before), end: Some(certificate.not_after) };
            AuthorityRoot::new(subject::spelled(&certificate), vec![certificate], valid)
        })
        .collect();
    if authorities.is_empty() {
        return Ok(None);
    }
    timestamp::check_token(token, &envelope.signature, &authorities).map(Some)
}
