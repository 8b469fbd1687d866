//! The proof of a Sigstore bundle, check by check, always in the same order. One file, because the order is the contract:
//! each check relies on those before it.

use linkward_evidence::bundle::{Bundle, Content, LogEntry, Material, Version};
use linkward_evidence::predicate::Predicate;
use linkward_evidence::rekor::{self, Entry};
use linkward_evidence::simple_signing;
use linkward_evidence::statement::{Statement, Subject};
use linkward_evidence::trusted_root::Validity;
use linkward_model::{Algorithm, Check, Code, Digest, Identity, Instant};

use crate::attestation::{Attestation, Logged, SbomSummary, Stamp};
use crate::certificate::{CODE_SIGNING, Certificate, PathError, path};
use crate::key::PublicKey;
use crate::pattern::Pattern;
use crate::proven::{Proven, Refusal};
use crate::roots::{AuthorityRoot, Instance, LogRoot, TrustRoots};
use crate::{sct, timestamp, transparency};

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

/// What must have been signed.
#[derive(Clone, Copy, Debug)]
pub enum Artifact<'a> {
    Bytes(&'a [u8]),
    Digests(&'a [Digest]),
    /// Whatever the signed bundle names becomes the proof's subject.
    AnySubject,
}

type Fault = (Code, String);

/// Where the entries are, in which logs, and the times that these promise.
type Transparency<'a> = (Vec<Logged>, Vec<&'a LogRoot>, Vec<Instant>);

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
    let parsed = Bundle::parse(document).map_err(|fault| (fault.code, fault.to_string()));
    let subjects = parsed.as_ref().map(claimed).unwrap_or_default();
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(fault) => return Err(refusal(Vec::new(), fault, digest, subjects)),
    };
    let mut closest: Option<(Vec<Check>, Fault)> = None;
    for instance in candidates(&parsed, roots) {
        let mut run = Run { instance, now, checks: Vec::new() };
        match run.prove(&parsed, signer, artifact) {
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
    Err(refusal(checks, fault, digest, subjects))
}

/// The instances that a bundle may rest on. A managed key belongs to none of them: beside an instance that has logs it
/// may not choose one that asks for no log.
fn candidates<'a>(bundle: &Bundle, roots: &'a TrustRoots) -> Vec<&'a Instance> {
    let managed = matches!(bundle.material, Material::PublicKey { .. });
    let logs = roots.instances.iter().any(|instance| !instance.logs.is_empty());
    roots.instances.iter().filter(|instance| !(managed && logs && instance.logs.is_empty())).collect()
}

fn refusal(
    mut checks: Vec<Check>,
    (code, message): Fault,
    document: Digest,
    subjects: Vec<Digest>,
) -> Box<Refusal> {
    let failed = ORDER.get(checks.len()).copied().unwrap_or("bundle-shape");
    checks.push(Check::failed(failed, code, message.clone()));
    let skipped = ORDER.iter().skip(checks.len());
    let skipped: Vec<_> = skipped.map(|name| Check::skipped(name, format!("{failed} failed"))).collect();
    checks.extend(skipped);
    Box::new(Refusal { code, message, checks, document, subjects })
}

/// What a bundle claims to be about, before anything was checked.
fn claimed(bundle: &Bundle) -> Vec<Digest> {
    match &bundle.content {
        Content::Message { digest, .. } => digest.iter().copied().collect(),
        Content::Envelope(envelope) => Statement::parse(&envelope.payload)
            .map(|statement| statement.subjects.into_iter().flat_map(|subject| subject.digests).collect())
            .unwrap_or_default(),
        Content::SimpleSigning { payload, .. } => {
            simple_signing::subject(payload).map(|subject| subject.digests).unwrap_or_default()
        }
    }
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

/// The key that must have made the signature.
enum Verifier {
    Certificate {
        leaf: Box<Certificate>,
        between: Vec<Certificate>,
    },
    /// Managed keys, one of which must fit.
    Keys(Vec<PublicKey>),
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
            Content::Envelope(_) => "DSSE envelope",
            Content::SimpleSigning { .. } => "simple signing payload",
        };
        self.passed(format!("{:?}, {kind}", bundle.version));
        Ok(())
    }

    /// Every entry of the bundle must hold; returns where they are and the times that they prove.
    fn transparency(&mut self, bundle: &Bundle) -> Result<Transparency<'a>, Fault> {
        if bundle.entries.is_empty() {
            if !self.instance.logs.is_empty() {
                let what = "the trust root names logs, but the bundle holds no log entry".to_owned();
                return Err((Code::BundleNoLogEntry, what));
            }
            for _ in 0..4 {
                self.skipped("the trust root names no log");
            }
            return Ok((Vec::new(), Vec::new(), Vec::new()));
        }
        let instance = self.instance;
        let logs = bundle
            .entries
            .iter()
            .map(|entry| transparency::log(entry, &instance.logs))
            .collect::<Result<Vec<_>, _>>()?;
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
            .map(|(entry, log)| Logged {
                origin: log.host.clone(),
                index: proven_index(entry),
                key: log.key.id(),
            })
            .collect();
        Ok((logged, logs, times))
    }

    fn inclusion(&mut self, bundle: &Bundle, logs: &[&LogRoot]) -> Result<(), Fault> {
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
                    transparency::checkpoint(note, root, proof, log, transparency::origin_rule(entry))?;
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

    fn timestamps(&mut self, bundle: &Bundle, signature: &[u8]) -> Result<Vec<Stamp>, Fault> {
        let stamps = bundle
            .timestamps
            .iter()
            .map(|response| timestamp::check(response, signature, &self.instance.timestamp_authorities))
            .collect::<Result<Vec<_>, _>>()?;
        match stamps.iter().map(|stamp| stamp.time).min() {
            Some(time) => self.passed(format!("{} timestamp(s), the earliest {time}", stamps.len())),
            None => self.skipped("the bundle holds no timestamp"),
        }
        Ok(stamps)
    }

    fn times(&mut self, times: &[Instant], logs: &[&LogRoot], verifier: &Verifier) -> Result<(), Fault> {
        // Who holds the key of a log that is no longer trusted can add to it: an entry counts at a proven time only,
        // or, where there is none, as long as its log is trusted.
        let only = [self.now];
        let counts = if times.is_empty() { only.as_slice() } else { times };
        for (time, log) in counts.iter().flat_map(|time| logs.iter().map(move |log| (time, log))) {
            if !log.valid.covers(*time) {
                let what = format!("the trust root does not trust {} at {time}", log.host);
                return Err((Code::LogUnknown, what));
            }
        }
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
        // The authority whose chain names the leaf's issuer first: the others would only cost signatures.
        let names = |authority: &&AuthorityRoot| authority.chain.iter().any(|one| one.may_have_issued(leaf));
        let (likely, others): (Vec<_>, Vec<_>) = self.instance.authorities.iter().partition(names);
        for authority in likely.into_iter().chain(others) {
            match path(leaf, between, authority, CODE_SIGNING, times) {
                Ok(by) => {
                    issuer = Some(by);
                    break;
                }
                Err(PathError::Expired) => {
                    let outside = times.iter().find(|time| !leaf.valid_at(**time));
                    expired = outside.or(times.iter().min()).copied();
                }
                Err(PathError::Untrusted) => {}
            }
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
        leaf.signs_for(CODE_SIGNING).map_err(|why| {
            (Code::CertificateUsage, format!("the certificate is not for code signing: {why}"))
        })?;
        self.passed("code signing");
        if self.instance.certificate_logs.is_empty() {
            self.skipped("the trust root names no certificate log");
            return Ok(());
        }
        match sct::embedded(leaf, issuer, &self.instance.certificate_logs) {
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

    /// A registry that changes its key goes on trusting what the old one signed, and nothing that it signs later.
    fn key_counts(&self, key: &PublicKey, signer: Signer<'_>, times: &[Instant]) -> Result<(), Fault> {
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
                (
                    Content::SimpleSigning { payload, .. },
                    rekor::Kind::HashedRekord001 | rekor::Kind::HashedRekord002,
                ) => Some(Digest::of(entry.digest.algorithm(), payload)),
                (Content::Message { .. } | Content::SimpleSigning { .. }, _) => None,
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
            None if content.names_subjects() => {
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

/// The number of an entry that something signed speaks for: the promise, or else the inclusion proof.
fn proven_index(entry: &LogEntry) -> u64 {
    match (&entry.promise, &entry.proof) {
        (None, Some(proof)) => proof.index,
        _ => entry.index,
    }
}

/// Entries and timestamps, each once: thresholds count them.
fn repeats(bundle: &Bundle) -> Result<(), Fault> {
    let entries = bundle.entries.iter().map(|entry| (entry.log_id.as_slice(), entry.body.as_slice()));
    let mut entries: Vec<_> = entries.collect();
    let mut stamps: Vec<_> = bundle.timestamps.iter().collect();
    let (all, all_stamps) = (entries.len(), stamps.len());
    entries.sort_unstable();
    entries.dedup();
    stamps.sort_unstable();
    stamps.dedup();
    if entries.len() == all && stamps.len() == all_stamps {
        Ok(())
    } else {
        Err((Code::BundleRepeats, "a log entry or a timestamp stands in the bundle twice".to_owned()))
    }
}

fn verifier(bundle: &Bundle, signer: Signer<'_>) -> Result<Verifier, Fault> {
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

/// What a signature turned out to be over.
struct Signed {
    subjects: Vec<Subject>,
    statement: Option<Statement>,
    /// The artifact's digests that are known.
    digests: Vec<Digest>,
    bytes: Option<Vec<u8>>,
}

impl Signed {
    /// Whether the signed content names its subject, instead of being it.
    fn names_subjects(&self) -> bool {
        self.digests.is_empty()
    }

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
        Content::SimpleSigning { payload, .. } => {
            if !key.signed(payload, signature) && !key.signed_with(Algorithm::Sha256, payload, signature) {
                return Err(wrong());
            }
            let subject =
                simple_signing::subject(payload).map_err(|fault| (fault.code, format!("payload {fault}")))?;
            Ok(Signed { subjects: vec![subject], statement: None, digests: Vec::new(), bytes: None })
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
            // Only digests that the signature is over are proven: what else the caller listed was not signed.
            // Older clients sign SHA-256 with any key; the bundle then says so.
            let fits = |bytes: &[u8]| {
                let stated = digest.map(|digest| digest.algorithm());
                key.signed(bytes, signature)
                    || stated.is_some_and(|hash| key.signed_with(hash, bytes, signature))
            };
            let mut digests = match bytes {
                Some(bytes) if fits(bytes) => digests,
                Some(_) => return Err(wrong()),
                None => {
                    let tried: Vec<(Digest, Option<bool>)> = digests
                        .iter()
                        .map(|digest| (*digest, key.signed_digest(digest, signature)))
                        .collect();
                    if tried.iter().all(|(_, holds)| holds.is_none()) {
                        let what =
                            "this key signs the artifact itself: name the file, not its digest".to_owned();
                        return Err((Code::KeyUnsupported, what));
                    }
                    tried
                        .into_iter()
                        .filter(|(_, holds)| *holds == Some(true))
                        .map(|(digest, _)| digest)
                        .collect()
                }
            };
            if digests.is_empty() {
                return Err(wrong());
            }
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
