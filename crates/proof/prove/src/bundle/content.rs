//! What was signed: the content, whether the log's entries speak of it, and the artifact that was asked for.

use linkward_evidence::bundle::{Bundle, Content};
use linkward_evidence::predicate::Predicate;
use linkward_evidence::rekor::{self, Entry};
use linkward_evidence::simple_signing;
use linkward_evidence::statement::{Statement, Subject};
use linkward_model::{Algorithm, Code, Digest};

use super::signer::Verifier;
use super::{Artifact, Fault, Run};
use crate::attestation::SbomSummary;
use crate::key::PublicKey;

/// What a bundle claims to be about, before anything was checked.
pub(super) fn claimed(bundle: &Bundle) -> Vec<Digest> {
    match &bundle.content {
        Content::Message { digest, .. } => digest.iter().copied().collect(),
        Content::Envelope(envelope) => Statement::parse(&envelope.payload)
            .map(|statement| statement.subjects.into_iter().flat_map(|subject| subject.digests).collect())
            .unwrap_or_default(),
        Content::Large(payload) => {
            payload.statement.subjects.iter().flat_map(|subject| &subject.digests).copied().collect()
        }
        Content::SimpleSigning { payload, .. } => {
            simple_signing::subject(payload).map(|subject| subject.digests).unwrap_or_default()
        }
    }
}

impl Run<'_> {
    pub(super) fn signature(
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

    pub(super) fn entries_match(
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
                (Content::Large(payload), kind) => Some(match kind {
                    rekor::Kind::HashedRekord001 | rekor::Kind::HashedRekord002 => {
                        payload.pae(entry.digest.algorithm())
                    }
                    rekor::Kind::Dsse001 | rekor::Kind::Intoto002 => payload.digest(entry.digest.algorithm()),
                }),
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

    pub(super) fn subject(&mut self, content: &Signed, artifact: Artifact<'_>) -> Result<(), Fault> {
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
}

/// What a signature turned out to be over.
pub(super) struct Signed {
    pub(super) subjects: Vec<Subject>,
    pub(super) statement: Option<Statement>,
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

pub(super) fn signed(
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
        Content::Large(payload) => match key.signed_digest(&payload.pae(key.own_hash()), signature) {
            Some(true) => Ok(Signed {
                subjects: payload.statement.subjects.clone(),
                statement: Some(payload.statement.clone()),
                digests: Vec::new(),
                bytes: None,
            }),
            Some(false) => Err(wrong()),
            None => {
                let what = "this key signs the payload itself, which is too large to be held".to_owned();
                Err((Code::TooLarge, what))
            }
        },
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
                    || key.signed_prehashed(bytes, signature)
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

/// An SBOM need not be read to be proven; provenance that is not read proves nothing of a build.
pub(super) fn unread_predicate(kind: &str) -> Result<Predicate, Fault> {
    if Predicate::types().any(|known| known == kind) {
        let what =
            format!("a predicate of type {kind} must be read whole, and it is larger than can be held");
        return Err((Code::TooLarge, what));
    }
    Ok(Predicate::Other)
}

pub(super) fn sbom(statement: &Statement) -> Option<SbomSummary> {
    let sbom = match statement.predicate_type.as_str() {
        "https://cyclonedx.org/bom" => linkward_evidence::cyclonedx::read(&statement.predicate),
        kind if kind.starts_with("https://spdx.dev/Document") => {
            linkward_evidence::spdx::read(&statement.predicate)
        }
        _ => return None,
    };
    Some(match sbom {
        Ok(sbom) => SbomSummary { components: sbom.components.len(), gaps: sbom.shortcomings() },
        Err(_) if statement.predicate.is_null() => {
            SbomSummary { components: 0, gaps: vec!["the SBOM is too large to be read here".to_owned()] }
        }
        // An SBOM that cannot be read is there, but says nothing.
        Err(fault) => SbomSummary { components: 0, gaps: vec![format!("the SBOM cannot be read: {fault}")] },
    })
}
