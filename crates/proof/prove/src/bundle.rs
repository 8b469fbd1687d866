//! The proof of a Sigstore bundle, check by check, always in the same order.

use linkward_evidence::bundle::{Bundle, Content, LogEntry, Material, Version};
use linkward_evidence::rekor::{self, Entry};
use linkward_evidence::slsa::Provenance;
use linkward_evidence::statement::{Statement, Subject};
use linkward_model::{Check, Code, Digest, Identity, Instant};

use crate::attestation::{Attestation, Logged, SbomSummary};
use crate::certificate::{CODE_SIGNING, Certificate, PathError, path};
use crate::key::PublicKey;
use crate::pattern::Pattern;
use crate::proven::{Proven, Refusal};
use crate::roots::TrustRoots;
use crate::transparency::OriginRule;
use crate::{sct, timestamp, transparency};

/// Who must have signed.
#[derive(Clone, Copy, Debug)]
pub enum Signer<'a> {
    Certificate {
        subject: &'a Pattern,
        issuer: &'a Pattern,
    },
    Key(&'a PublicKey),
    /// Anybody with a trusted certificate, or one of these keys: whether that signer is accepted is for policy to say.
    LeftToPolicy {
        keyring: &'a [PublicKey],
    },
}

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
    let mut run = Run { roots, now, checks: Vec::new() };
    let digest = Digest::sha256(document);
    let parsed = Bundle::parse(document).map_err(|fault| (fault.code, fault.to_string()));
    let subjects = parsed.as_ref().map(claimed).unwrap_or_default();
    let result = parsed.and_then(|bundle| run.prove(&bundle, signer, artifact));
    match result {
        Ok(found) => Ok(Proven {
            claim: found.attestation,
            checks: run.checks,
            signer: found.signer,
            proven_at: found.time,
            verified_at: now,
            roots: roots.digest(),
            root_documents: roots.document_digests(),
            document: digest,
            key: found.key,
        }),
        Err((code, message)) => {
            let failed = ORDER.get(run.checks.len()).copied().unwrap_or("bundle-shape");
            run.checks.push(Check::failed(failed, code, message.clone()));
            let skipped = ORDER.iter().skip(run.checks.len());
            let skipped: Vec<_> =
                skipped.map(|name| Check::skipped(name, format!("{failed} failed"))).collect();
            run.checks.extend(skipped);
            Err(Box::new(Refusal { code, message, checks: run.checks, document: digest, subjects }))
        }
    }
}

/// What a bundle claims to be about, before anything was checked.
fn claimed(bundle: &Bundle) -> Vec<Digest> {
    match &bundle.content {
        Content::Message { digest, .. } => digest.iter().copied().collect(),
        Content::Envelope(envelope) => Statement::parse(&envelope.payload)
            .map(|statement| statement.subjects.into_iter().flat_map(|subject| subject.digests).collect())
            .unwrap_or_default(),
    }
}

struct Found {
    attestation: Attestation,
    signer: Identity,
    time: Option<Instant>,
    key: Option<Vec<u8>>,
}

struct Run<'a> {
    roots: &'a TrustRoots,
    now: Instant,
    checks: Vec<Check>,
}

/// The key that must have made the signature.
enum Verifier {
    Certificate {
        leaf: Box<Certificate>,
        between: Vec<Certificate>,
    },
    /// Managed keys, one of which must fit.
    Keys(Vec<PublicKey>),
}

impl Run<'_> {
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
            Content::Message { signature, .. } => signature,
            Content::Envelope(envelope) => {
                let first = envelope.signatures.first();
                &first
                    .ok_or_else(|| (Code::BundleNoSignature, "the envelope has no signature".to_owned()))?
                    .sig
            }
        };
        let (logged, mut times) = self.transparency(bundle)?;
        times.extend(self.timestamps(bundle, signature)?);
        self.times(&times, &verifier)?;
        let key = match &verifier {
            Verifier::Certificate { leaf, between } => {
                self.certificate(leaf, between, &times)?;
                leaf.key.clone()
            }
            Verifier::Keys(keys) => {
                for _ in 0..3 {
                    self.skipped("a managed key has no certificate");
                }
                self.managed(keys, bundle, signature, artifact)?
            }
        };
        let content = self.signature(bundle, signature, &key, artifact)?;
        self.entries_match(bundle, signature, &verifier, &key, &content)?;
        self.subject(&content, artifact)?;
        let identity = self.identity(&verifier, &key, signer)?;
        let provenance = match &content.statement {
            Some(statement) => Provenance::from_statement(statement)
                .map_err(|fault| (fault.code, format!("predicate {fault}")))?,
            None => None,
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
                provenance,
                logged,
                extensions,
            },
            signer: identity,
            time: times.iter().min().copied(),
            key: managed,
        })
    }

    fn shape(&mut self, bundle: &Bundle, verifier: &Verifier) -> Result<(), Fault> {
        if let Verifier::Certificate { between, .. } = verifier
            && between.iter().any(Certificate::is_self_issued)
        {
            let what =
                "the bundle brings a root certificate along; roots come from the trust root".to_owned();
            return Err((Code::BundleRootCertificate, what));
        }
        let kind = match &bundle.content {
            Content::Message { .. } => "message signature",
            Content::Envelope(_) => "DSSE envelope",
        };
        self.passed(format!("{:?}, {kind}", bundle.version));
        Ok(())
    }

    /// Every entry of the bundle must hold; returns where they are and the times that they prove.
    fn transparency(&mut self, bundle: &Bundle) -> Result<(Vec<Logged>, Vec<Instant>), Fault> {
        if bundle.entries.is_empty() {
            if !self.roots.logs.is_empty() {
                let what = "the trust root names logs, but the bundle holds no log entry".to_owned();
                return Err((Code::BundleNoLogEntry, what));
            }
            for _ in 0..4 {
                self.skipped("the trust root names no log");
            }
            return Ok((Vec::new(), Vec::new()));
        }
        let mut logs = Vec::new();
        for entry in &bundle.entries {
            let log = transparency::log(entry, &self.roots.logs)?;
            if log.valid.start.is_none() {
                let what = format!("the trust root does not say from when {} is trusted", log.host);
                return Err((Code::LogUnknown, what));
            }
            logs.push(log);
        }
        self.passed(logs.iter().map(|log| log.host.as_str()).collect::<Vec<_>>().join(", "));
        let mut times = Vec::new();
        for (entry, log) in bundle.entries.iter().zip(&logs) {
            match transparency::promise(entry, log, self.now)? {
                Some(time) => times.push(time),
                None if bundle.version == Version::V0_1 && entry.proof.is_none() => {
                    let what = "the entry has neither a promise nor an inclusion proof".to_owned();
                    return Err((Code::LogProofMissing, what));
                }
                None => {}
            }
        }
        match times.first() {
            Some(time) => self.passed(format!("logged at {time}")),
            None => self.skipped("the log makes no promise; its inclusion proof counts"),
        }
        self.inclusion(bundle, &logs)?;
        let logged = bundle
            .entries
            .iter()
            .zip(&logs)
            .map(|(entry, log)| Logged { origin: log.host.clone(), index: entry.index })
            .collect();
        Ok((logged, times))
    }

    fn inclusion(&mut self, bundle: &Bundle, logs: &[&crate::roots::LogRoot]) -> Result<(), Fault> {
        let mut roots = Vec::new();
        for entry in &bundle.entries {
            match &entry.proof {
                Some(proof) => roots.push(Some(transparency::inclusion(entry, proof)?)),
                // v0.1 bundles may rest on the promise alone.
                None if bundle.version == Version::V0_1 && entry.promise.is_some() => roots.push(None),
                None => {
                    let what = "the log entry comes without an inclusion proof".to_owned();
                    return Err((Code::LogProofMissing, what));
                }
            }
        }
        let proven = roots.iter().flatten().count();
        if proven == 0 {
            self.skipped("a v0.1 bundle rests on the log's promise");
            self.skipped("there is no inclusion proof");
            return Ok(());
        }
        let describe = |entry: &LogEntry| {
            entry.proof.as_ref().map(|proof| format!("entry {} of {}", proof.index, proof.size))
        };
        self.passed(bundle.entries.iter().filter_map(describe).collect::<Vec<_>>().join(", "));
        let mut checked = 0usize;
        for ((entry, log), root) in bundle.entries.iter().zip(logs).zip(&roots) {
            let (Some(proof), Some(root)) = (&entry.proof, root) else { continue };
            match &proof.checkpoint {
                Some(note) => {
                    transparency::checkpoint(note, root, proof, log, origin_rule(entry))?;
                    checked = checked.saturating_add(1);
                }
                None if bundle.version == Version::V0_1 && entry.promise.is_some() => {}
                None => {
                    let what = "the inclusion proof comes without a checkpoint".to_owned();
                    return Err((Code::CheckpointMissing, what));
                }
            }
        }
        if checked == 0 {
            self.skipped("a v0.1 bundle rests on the log's promise");
        } else {
            self.passed("signed by the log, and of the proof's tree");
        }
        Ok(())
    }

    fn timestamps(&mut self, bundle: &Bundle, signature: &[u8]) -> Result<Vec<Instant>, Fault> {
        let times = bundle
            .timestamps
            .iter()
            .map(|response| timestamp::check(response, signature, &self.roots.timestamp_authorities))
            .collect::<Result<Vec<_>, _>>()?;
        match times.iter().min() {
            Some(time) => self.passed(format!("{} timestamp(s), the earliest {time}", times.len())),
            None => self.skipped("the bundle holds no timestamp"),
        }
        Ok(times)
    }

    fn times(&mut self, times: &[Instant], verifier: &Verifier) -> Result<(), Fault> {
        match (times.iter().min(), verifier) {
            (Some(time), _) => self.passed(format!("signed at {time}")),
            (None, Verifier::Keys(_)) => self.skipped("a managed key does not expire, so no time is needed"),
            (None, Verifier::Certificate { .. }) => {
                let what = "nothing proves when it was signed: no promise of a log, no timestamp".to_owned();
                return Err((Code::BundleNoTime, what));
            }
        }
        if let Some(late) = times.iter().find(|time| **time > self.now) {
            return Err((
                Code::LogTimeInFuture,
                format!("the proven time {late} has not come, it is {}", self.now),
            ));
        }
        Ok(())
    }

    /// The chain must hold at every time that was proven: an attacker could add a timestamp, not remove one.
    fn certificate(
        &mut self,
        leaf: &Certificate,
        between: &[Certificate],
        times: &[Instant],
    ) -> Result<(), Fault> {
        let mut issuer = None;
        let mut expired = None;
        for authority in &self.roots.authorities {
            let mut found = None;
            for time in times {
                match path(leaf, between, authority, *time) {
                    Ok(by) => found = Some(by),
                    Err(PathError::Expired) => {
                        expired = Some(*time);
                        found = None;
                        break;
                    }
                    Err(PathError::Untrusted) => {
                        found = None;
                        break;
                    }
                }
            }
            issuer = issuer.or(found);
        }
        let issuer = match (issuer, expired) {
            (Some(issuer), _) => issuer,
            (None, Some(time)) => {
                let what = format!(
                    "signed at {time}, but the certificate is valid from {} to {}, or its authority not then",
                    leaf.not_before, leaf.not_after
                );
                return Err((Code::CertificateExpired, what));
            }
            (None, None) => {
                let what = "no trusted authority issued the signing certificate".to_owned();
                return Err((Code::CertificateUntrusted, what));
            }
        };
        self.passed(format!("valid from {} to {}", leaf.not_before, leaf.not_after));
        if !leaf.may(CODE_SIGNING) {
            return Err((Code::CertificateUsage, "the certificate is not for code signing".to_owned()));
        }
        self.passed("code signing");
        if self.roots.certificate_logs.is_empty() {
            self.skipped("the trust root names no certificate log");
            return Ok(());
        }
        match sct::embedded(leaf, issuer, &self.roots.certificate_logs) {
            Ok(host) => self.passed(format!("by {host}")),
            Err(sct::SctError::Missing) => {
                return Err((Code::SctMissing, "the certificate carries no signed timestamp".to_owned()));
            }
            Err(sct::SctError::Invalid) => {
                return Err((
                    Code::SctInvalid,
                    "no signed timestamp in the certificate is by a trusted log".to_owned(),
                ));
            }
        }
        Ok(())
    }

    /// Which of the managed keys made the signature.
    fn managed(
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

    fn signature(
        &mut self,
        bundle: &Bundle,
        signature: &[u8],
        key: &PublicKey,
        artifact: Artifact<'_>,
    ) -> Result<Signed, Fault> {
        let content = signed(bundle, signature, key, artifact)?;
        self.passed(format!("by {key:?}"));
        Ok(content)
    }

    fn entries_match(
        &mut self,
        bundle: &Bundle,
        signature: &[u8],
        verifier: &Verifier,
        key: &PublicKey,
        content: &Signed,
    ) -> Result<(), Fault> {
        if bundle.entries.is_empty() {
            self.skipped("the trust root names no log");
            return Ok(());
        }
        let expected: &[u8] = match verifier {
            Verifier::Certificate { leaf, .. } => &leaf.der,
            Verifier::Keys(_) => key.spki(),
        };
        for logged in &bundle.entries {
            let entry = Entry::parse(&logged.kind, &logged.version, &logged.body).map_err(|fault| {
                let code =
                    if fault.code == Code::LogEntryUnsupported { fault.code } else { Code::LogEntryMismatch };
                (code, format!("log entry {fault}"))
            })?;
            let mismatch =
                |what: &str| (Code::LogEntryMismatch, format!("the log entry is of another {what}"));
            if !entry.signatures.iter().any(|listed| listed.sig == signature) {
                return Err(mismatch("signature"));
            }
            if !entry.signatures.iter().any(|listed| listed.sig == signature && listed.verifier == expected) {
                return Err(mismatch("certificate or key"));
            }
            let digest = match (&bundle.content, entry.kind) {
                (Content::Message { .. }, rekor::Kind::HashedRekord001 | rekor::Kind::HashedRekord002) => {
                    content.message_digest(entry.digest)
                }
                (
                    Content::Envelope(envelope),
                    rekor::Kind::HashedRekord001 | rekor::Kind::HashedRekord002,
                ) => Some(Digest::of(entry.digest.algorithm(), &envelope.pae())),
                (Content::Envelope(envelope), rekor::Kind::Dsse001 | rekor::Kind::Intoto002) => {
                    Some(Digest::of(entry.digest.algorithm(), &envelope.payload))
                }
                (Content::Message { .. }, _) => None,
            };
            if digest != Some(entry.digest) {
                return Err(mismatch("artifact"));
            }
        }
        self.passed("the log lists this signature, this key and this content");
        Ok(())
    }

    fn subject(&mut self, content: &Signed, artifact: Artifact<'_>) -> Result<(), Fault> {
        let named = |digest: &Digest| content.subjects.iter().any(|subject| subject.digests.contains(digest));
        let found = match artifact {
            Artifact::AnySubject => {
                let count = content.subjects.len();
                self.passed(format!("{count} subject(s); which is meant is for the caller to say"));
                return Ok(());
            }
            Artifact::Digests(digests) => digests.iter().find(|digest| named(digest)).copied(),
            Artifact::Bytes(bytes) => content
                .subjects
                .iter()
                .flat_map(|subject| &subject.digests)
                .find(|digest| **digest == Digest::of(digest.algorithm(), bytes))
                .copied(),
        };
        match found {
            Some(digest) => {
                self.passed(digest.to_string());
                Ok(())
            }
            None if content.statement.is_some() => {
                Err((Code::SubjectMissing, "the attestation does not name this artifact".to_owned()))
            }
            None => Err((Code::DigestMismatch, "another artifact was signed".to_owned())),
        }
    }

    fn identity(
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
        self.passed(identity.to_string());
        Ok(identity)
    }
}

fn origin_rule(entry: &LogEntry) -> OriginRule {
    // Rekor v2 writes 0.0.2 of hashedrekord and makes no promise; v1's origin has the tree's id behind the host.
    if entry.promise.is_none() && entry.version == "0.0.2" {
        OriginRule::HostName
    } else {
        OriginRule::AnyName
    }
}

fn verifier(bundle: &Bundle, signer: Signer<'_>) -> Result<Verifier, Fault> {
    match (&bundle.material, signer) {
        (Material::Certificates(_), Signer::Key(_)) => {
            let what = "the bundle was signed with a certificate, a key was given".to_owned();
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

/// What a signature turned out to be over.
struct Signed {
    subjects: Vec<Subject>,
    statement: Option<Statement>,
    /// The artifact's digests that are known.
    digests: Vec<Digest>,
    bytes: Option<Vec<u8>>,
}

impl Signed {
    /// The artifact's digest under the function of another.
    fn message_digest(&self, like: Digest) -> Option<Digest> {
        match &self.bytes {
            Some(bytes) => Some(Digest::of(like.algorithm(), bytes)),
            None => self.digests.iter().find(|digest| digest.algorithm() == like.algorithm()).copied(),
        }
    }
}

fn signed(
    bundle: &Bundle,
    signature: &[u8],
    key: &PublicKey,
    artifact: Artifact<'_>,
) -> Result<Signed, Fault> {
    let wrong =
        || (Code::SignatureMismatch, "the signature does not match what it should be over".to_owned());
    match &bundle.content {
        Content::Envelope(envelope) => {
            if !key.signed(&envelope.pae(), signature) {
                return Err(wrong());
            }
            let in_toto = envelope.payload_type == "application/vnd.in-toto+json";
            let statement = if in_toto {
                Some(
                    Statement::parse(&envelope.payload)
                        .map_err(|fault| (fault.code, format!("payload {fault}")))?,
                )
            } else {
                None
            };
            let subjects = statement.as_ref().map(|statement| statement.subjects.clone()).unwrap_or_default();
            Ok(Signed { subjects, statement, digests: Vec::new(), bytes: None })
        }
        Content::Message { digest, signature: _ } => {
            let (digests, bytes): (Vec<Digest>, Option<&[u8]>) = match artifact {
                Artifact::Bytes(bytes) => {
                    let own = Digest::of(key.own_hash(), bytes);
                    let stated = digest.map(|digest| Digest::of(digest.algorithm(), bytes));
                    (stated.into_iter().chain([own, Digest::sha256(bytes)]).collect(), Some(bytes))
                }
                Artifact::Digests(digests) => (digests.to_vec(), None),
                Artifact::AnySubject => (digest.iter().copied().collect(), None),
            };
            if let Some(stated) = digest
                && let Some(known) = digests.iter().find(|known| known.algorithm() == stated.algorithm())
                && known != stated
            {
                let what = format!("the bundle is of {}, the artifact is {}", stated.short(), known.short());
                return Err((Code::DigestMismatch, what));
            }
            let holds = match bytes {
                Some(bytes) => key.signed(bytes, signature),
                None => {
                    let mut any = None;
                    for digest in &digests {
                        any = key
                            .signed_digest(digest, signature)
                            .map(|holds| holds || any == Some(true))
                            .or(any);
                    }
                    any.ok_or_else(|| {
                        let what =
                            "this key signs the artifact itself: name the file, not its digest".to_owned();
                        (Code::KeyUnsupported, what)
                    })?
                }
            };
            if !holds {
                return Err(wrong());
            }
            let mut digests = digests;
            digests.sort();
            digests.dedup();
            Ok(Signed {
                subjects: vec![Subject { name: String::new(), digests: digests.clone() }],
                statement: None,
                digests,
                bytes: bytes.map(<[u8]>::to_vec),
            })
        }
    }
}

fn sbom(statement: &Statement) -> Option<SbomSummary> {
    let sbom = match statement.predicate_type.as_str() {
        "https://cyclonedx.org/bom" => linkward_evidence::cyclonedx::read(&statement.predicate),
        kind if kind.starts_with("https://spdx.dev/Document") => {
            linkward_evidence::spdx::read(&statement.predicate)
        }
        _ => return None,
    };
    Some(match sbom {
        Ok(sbom) => SbomSummary { components: sbom.components.len(), gaps: sbom.shortcomings() },
        // An SBOM that cannot be read is there, but says nothing.
        Err(fault) => SbomSummary { components: 0, gaps: vec![format!("the SBOM cannot be read: {fault}")] },
    })
}
