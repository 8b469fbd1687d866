//! Every case of sigstore-conformance, by path and by digest: 140 in all. A refused case must be refused for its own
//! reason, which the table names; an always-failing verifier would get 98 of them right.

use std::path::{Path, PathBuf};

use linkward_model::{Code, Digest, Instant};
use linkward_prove::{Artifact, Pattern, PublicKey, Signer, TrustRoots, bundle};

pub(crate) const IDENTITY: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
pub(crate) const ISSUER: &str = "https://token.actions.githubusercontent.com";

/// Each refused case and its reason, the same by path and by digest.
pub(crate) const REFUSED: &[(&str, Code)] = &[
    ("bundle-empty-certificate-chain_fail", Code::BundleNoMaterial),
    ("bundle-from-wrong-instance_fail", Code::LogUnknown),
    ("bundle-invalid-base64-signature_fail", Code::MalformedBase64),
    ("bundle-malformed-json_fail", Code::MalformedJson),
    ("bundle-negative-log-index_fail", Code::MalformedField),
    ("bundle-unknown-version_fail", Code::UnsupportedVersion),
    ("bundle-with-root-cert_fail", Code::BundleRootCertificate),
    ("checkpoint-bad-keyhint_fail", Code::CheckpointInvalid),
    ("checkpoint-wrong-roothash_fail", Code::CheckpointMismatch),
    ("dsse-invalid-sig_fail", Code::SignatureMismatch),
    ("dsse-mismatch-envelope_fail", Code::LogEntryMismatch),
    ("dsse-mismatch-sig_fail", Code::LogEntryMismatch),
    ("inclusion-proof-corrupted-hash_fail", Code::LogProofInvalid),
    ("incorrect-public-key_fail", Code::LogPromiseInvalid),
    ("integrated-time-in-future_fail", Code::CertificateExpired),
    ("intoto-expired-certificate_fail", Code::CertificateExpired),
    ("intoto-log-entry-mismatch_fail", Code::LogEntryMismatch),
    ("intoto-missing-inclusion-proof_fail", Code::LogProofMissing),
    ("intoto-set-outside-signing-cert-validity_fail", Code::CertificateExpired),
    ("intoto-tsa-timestamp-outside-cert-validity_fail", Code::CertificateExpired),
    ("invalid-checkpoint-signature_fail", Code::CheckpointInvalid),
    ("invalid-ct-key_fail", Code::SctInvalid),
    ("invalid-inclusion-proof_fail", Code::LogProofInvalid),
    ("managed-key-no-key_fail", Code::KeyMissing),
    ("managed-key-wrong-key_fail", Code::KeyMalformed),
    ("message-digest-mismatch_fail", Code::DigestMismatch),
    ("rekor2-checkpoint-missing-log-signature_fail", Code::CheckpointMalformed),
    ("rekor2-checkpoint-missing-origin_fail", Code::CheckpointMalformed),
    ("rekor2-checkpoint-missing-root-hash_fail", Code::CheckpointMalformed),
    ("rekor2-checkpoint-missing-size_fail", Code::CheckpointMalformed),
    ("rekor2-checkpoint-no-matching-signature_fail", Code::CheckpointInvalid),
    ("rekor2-dsse-invalid-sig_fail", Code::SignatureMismatch),
    ("rekor2-dsse-mismatch-envelope_fail", Code::LogEntryMismatch),
    ("rekor2-dsse-mismatch-sig_fail", Code::LogEntryMismatch),
    ("rekor2-no-inclusion-proof_fail", Code::LogProofMissing),
    ("rekor2-no-timestamp_fail", Code::BundleNoTime),
    ("rekor2-timestamp-outside-trust-root-tsa-validity_fail", Code::TimestampUntrusted),
    ("rekor2-timestamp-outside-tsa-cert-validity_fail", Code::TimestampUntrusted),
    ("rekor2-timestamp-payload-mismatch_fail", Code::TimestampMismatch),
    ("rekor2-timestamp-untrusted-tsa-with-embedded-cert_fail", Code::TimestampUntrusted),
    ("rekor2-timestamp-untrusted-tsa-without-embedded-cert_fail", Code::TimestampUntrusted),
    ("rekor2-timestamp-with-incorrect-time_fail", Code::MalformedBase64),
    ("set-invalid-signature_fail", Code::LogPromiseInvalid),
    ("signature-mismatch_fail", Code::SignatureMismatch),
    ("trust-root-tlog-missing-validity-start_fail", Code::LogUnknown),
    ("wrong-hashedrekord-artifact_fail", Code::LogEntryMismatch),
    ("wrong-hashedrekord-cert-and-sig_fail", Code::LogEntryMismatch),
    ("wrong-hashedrekord-entry_fail", Code::LogEntryMismatch),
    ("wrong-material_fail", Code::DigestMismatch),
];

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Path,
    Digest,
}

/// The suite's cases, a folder each.
pub(crate) fn cases(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut cases: Vec<_> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    cases.sort();
    cases
}

/// A case, with this bundle.
pub(crate) fn run(folder: &Path, case: &Path, document: &Path, mode: Mode) -> Result<(), Code> {
    let text = |name: &str| std::fs::read_to_string(case.join(name)).ok();
    let document = std::fs::read(document).unwrap();
    let content =
        std::fs::read(case.join("artifact")).or_else(|_| std::fs::read(folder.join("a.txt"))).unwrap();
    let roots = match std::fs::read(case.join("trusted_root.json")) {
        Ok(bytes) => TrustRoots::parse(&bytes).map_err(|_| Code::TrustRootMalformed)?,
        Err(_) => TrustRoots::production(),
    };
    let subject = Pattern::exact(text("identity").as_deref().map_or(IDENTITY, str::trim));
    let issuer = Pattern::exact(text("issuer").as_deref().map_or(ISSUER, str::trim));
    let key = text("key.pub").map(|pem| PublicKey::from_pem(&pem));
    let key = key.transpose().map_err(|_| Code::KeyMalformed)?;
    let signer = match &key {
        Some(key) => Signer::Key(key),
        None => Signer::Certificate { subject: &subject, issuer: &issuer },
    };
    let digests = [Digest::sha256(&content)];
    let artifact = match mode {
        Mode::Path => Artifact::Bytes(&content),
        Mode::Digest => Artifact::Digests(&digests),
    };
    bundle(&document, &roots, signer, artifact, Instant::now()).map(|_| ()).map_err(|refusal| refusal.code)
}

#[test]
fn all_140_cases() {
    let Some(vectors) = linkward_testkit::vectors() else { return };
    let folder = vectors.join("sigstore-conformance/bundle-verify");
    let cases = cases(&folder);
    let mut wrong = Vec::new();
    for case in &cases {
        let name = case.file_name().unwrap().to_str().unwrap();
        for mode in [Mode::Path, Mode::Digest] {
            let expected = if name.ends_with("_fail") {
                let listed = REFUSED.iter().find(|(listed, _)| *listed == name);
                Err(listed.map_or(Code::NoEvidence, |(_, code)| *code))
            } else {
                Ok(())
            };
            let found = run(&folder, case, &case.join("bundle.sigstore.json"), mode);
            if found != expected {
                wrong.push(format!("    (\"{name}\", {found:?}), expected {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(cases.len(), 70);
    assert_eq!(REFUSED.len(), 49);
}
