//! The proof of a Sigstore bundle, check by check, always in the same order. The order is the contract: each check relies
//! on those before it.

mod chain;
mod content;
mod signer;
mod time;

use linkward_evidence::bundle::{Bundle, Content, Material, Version};
use linkward_evidence::predicate::Predicate;
use linkward_model::{Check, Code, Digest, Identity, Instant, Sha256Stream};

use crate::attestation::Attestation;
use crate::certificate::Certificate;
use crate::proven::{Proven, Refusal};
use crate::roots::{Instance, TrustRoots};
use content::{claimed, sbom, unread_predicate};
use signer::{Verifier, verifier};
use time::repeats;

pub use signer::{AcceptedSigner, Signer};

/// What must have been signed.
#[derive(Clone, Copy, Debug)]
pub enum Artifact<'a> {
    Bytes(&'a [u8]),
    Digests(&'a [Digest]),
    /// Whatever the signed bundle names becomes the proof's subject.
    AnySubject,
}

type Fault = (Code, String);

/// The checks, in order; those behind a failed one are listed as skipped.
const ORDER: &[&str] = &[
    "bundle-shape",
    "log-entry",
    "log-promise",
    "log-inclusion",
    "checkpoint",
    "timestamp",
    "signing-time",
    "certificate-chain",
    "certificate-usage",
    "sct",
    "signature",
    "log-entry-matches",
    "subject",
    "identity",
];

/// Proves a bundle offline: who signed what, that it was logged, and when.
///
/// # Errors
/// The first check that fails, with those before it.
pub fn bundle(
    document: &[u8],
    roots: &TrustRoots,
    signer: Signer<'_>,
    artifact: Artifact<'_>,
    now: Instant,
) -> Result<Proven<Attestation>, Box<Refusal>> {
    let digest = Digest::sha256(document);
    match Bundle::parse(document) {
        Ok(parsed) => parsed_bundle(&parsed, digest, roots, signer, artifact, now),
        Err(fault) => Err(unreadable(&fault, digest)),
    }
}

/// As [`bundle`] of a file that may be too large to hold, read a piece at a time.
///
/// # Errors
/// The first check that fails, with those before it.
pub fn large_bundle(
    source: &mut (impl std::io::Read + std::io::Seek),
    roots: &TrustRoots,
    signer: Signer<'_>,
    artifact: Artifact<'_>,
    now: Instant,
) -> Result<Proven<Attestation>, Box<Refusal>> {
    match linkward_evidence::large::read(source) {
        Ok((parsed, digest)) => parsed_bundle(&parsed, digest, roots, signer, artifact, now),
        Err(fault) => Err(unreadable(&fault, digest_of(source))),
    }
}

/// Of what can be read.
fn digest_of(source: &mut (impl std::io::Read + std::io::Seek)) -> Digest {
    let mut stream = Sha256Stream::new();
    let mut buffer = [0; 8 << 10];
    if source.seek(std::io::SeekFrom::Start(0)).is_ok() {
        while let Ok(count @ 1..) = source.read(&mut buffer) {
            stream.update(buffer.get(..count).unwrap_or_default());
        }
    }
    stream.finish()
}

fn unreadable(fault: &linkward_evidence::Fault, document: Digest) -> Box<Refusal> {
    Refusal::after(Vec::new(), ORDER, (fault.code, fault.to_string()), document, Vec::new())
}

pub(crate) fn parsed_bundle(
    parsed: &Bundle,
    digest: Digest,
    roots: &TrustRoots,
    signer: Signer<'_>,
    artifact: Artifact<'_>,
    now: Instant,
) -> Result<Proven<Attestation>, Box<Refusal>> {
    let subjects = claimed(parsed);
    let mut closest: Option<(Vec<Check>, Fault)> = None;
    for instance in candidates(parsed, roots) {
        let mut run = Run { instance, now, checks: Vec::new() };
        match run.prove(parsed, signer, artifact) {
            Ok(found) => {
                return Ok(Proven {
                    claim: found.attestation,
                    checks: run.checks,
                    signer: found.signer,
                    proven_at: found.time,
                    verified_at: now,
                    roots: roots.digest(),
                    root_documents: roots.document_digests(),
                    document: digest,
                    key: found.key,
                });
            }
            // Of several instances the one that came furthest is the one that was meant.
            Err(fault) if closest.as_ref().is_none_or(|(checks, _)| checks.len() < run.checks.len()) => {
                closest = Some((run.checks, fault));
            }
            Err(_) => {}
        }
    }
    let (checks, fault) = closest.unwrap_or_else(|| {
        (
            Vec::new(),
            (Code::TrustRootMalformed, "no trust root is given, so nothing can be proven".to_owned()),
        )
    });
    Err(Refusal::after(checks, ORDER, fault, digest, subjects))
}

/// The instances that a bundle may rest on. A managed key belongs to none of them: beside an instance that has logs it
/// may not choose one that asks for no log.
fn candidates<'a>(bundle: &Bundle, roots: &'a TrustRoots) -> Vec<&'a Instance> {
    let managed = matches!(bundle.material, Material::PublicKey { .. });
    let logs = roots.instances.iter().any(|instance| !instance.logs.is_empty());
    roots.instances.iter().filter(|instance| !(managed && logs && instance.logs.is_empty())).collect()
}

struct Found {
    attestation: Attestation,
    signer: Identity,
    time: Option<Instant>,
    key: Option<Vec<u8>>,
}

struct Run<'a> {
    instance: &'a Instance,
    now: Instant,
    checks: Vec<Check>,
}

impl<'a> Run<'a> {
    /// Records that the next check in the order passed.
    fn passed(&mut self, detail: impl Into<String>) {
        let name = ORDER.get(self.checks.len()).copied().unwrap_or("further");
        self.checks.push(Check::passed(name, detail));
    }

    fn skipped(&mut self, why: impl Into<String>) {
        let name = ORDER.get(self.checks.len()).copied().unwrap_or("further");
        self.checks.push(Check::skipped(name, why));
    }

    fn prove(&mut self, bundle: &Bundle, signer: Signer<'_>, artifact: Artifact<'_>) -> Result<Found, Fault> {
        let verifier = verifier(bundle, signer)?;
        self.shape(bundle, &verifier)?;
        let signature = match &bundle.content {
            Content::Message { signature, .. } | Content::SimpleSigning { signature, .. } => signature,
            Content::Envelope(envelope) => {
                let first = envelope.signatures.first();
                &first
                    .ok_or_else(|| (Code::BundleNoSignature, "the envelope has no signature".to_owned()))?
                    .sig
            }
            Content::Large(payload) => &payload.signature,
        };
        repeats(bundle)?;
        let (logged, logs, mut times) = self.transparency(bundle)?;
        let stamps = self.timestamps(bundle, signature)?;
        times.extend(stamps.iter().map(|stamp| stamp.time));
        self.times(&times, &logs, &verifier)?;
        let key = match &verifier {
            Verifier::Certificate { leaf, between } => {
                self.certificate(leaf, between, &times)?;
                leaf.key.clone()
            }
            Verifier::Keys(keys) => {
                for _ in 0..3 {
                    self.skipped("a managed key has no certificate");
                }
                let key = self.managed(keys, bundle, signature, artifact)?;
                self.key_counts(&key, signer, &times)?;
                key
            }
        };
        let content = self.signature(bundle, signature, &key, artifact)?;
        self.entries_match(bundle, signature, &verifier, &key, &content)?;
        self.subject(&content, artifact)?;
        let identity = self.identity(&verifier, &key, signer)?;
        let predicate = match &content.statement {
            // Only its size is known of a predicate that was not read: what a policy would ask of it is not there.
            Some(statement) if matches!(bundle.content, Content::Large(_)) => {
                unread_predicate(&statement.predicate_type)?
            }
            Some(statement) => {
                Predicate::read(statement).map_err(|fault| (fault.code, format!("predicate {fault}")))?
            }
            None => Predicate::Other,
        };
        let managed = matches!(verifier, Verifier::Keys(_)).then(|| key.spki().to_vec());
        let extensions = match &verifier {
            Verifier::Certificate { leaf, .. } => leaf.claims(),
            Verifier::Keys(_) => Vec::new(),
        };
        Ok(Found {
            attestation: Attestation {
                sbom: content.statement.as_ref().and_then(sbom),
                subjects: content.subjects,
                statement: content.statement,
                predicate,
                logged,
                stamps,
                extensions,
                form: None,
                beside: std::collections::BTreeMap::new(),
            },
            signer: identity,
            time: times.iter().min().copied(),
            key: managed,
        })
    }

    fn shape(&mut self, bundle: &Bundle, verifier: &Verifier) -> Result<(), Fault> {
        if let Verifier::Certificate { between, .. } = verifier
            && let Some(place) = between.iter().position(Certificate::is_self_issued)
        {
            // v0.1 let signers send the whole chain, as npm's did: its end may repeat the anchor, and adds nothing.
            let mut anchors = self.instance.authorities.iter().filter_map(|authority| authority.chain.last());
            let repeated = anchors.any(|anchor| between.last().is_some_and(|last| last.der == anchor.der));
            let last = place.saturating_add(1) == between.len();
            if bundle.version != Version::V0_1 || !last || !repeated {
                let what =
                    "the bundle brings a root certificate along; roots come from the trust root".to_owned();
                return Err((Code::BundleRootCertificate, what));
            }
        }
        let kind = match &bundle.content {
            Content::Message { .. } => "message signature",
            Content::Envelope(_) | Content::Large(_) => "DSSE envelope",
            Content::SimpleSigning { .. } => "simple signing payload",
        };
        self.passed(format!("{:?}, {kind}", bundle.version));
        Ok(())
    }
}
