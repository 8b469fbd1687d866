//! Real bundles, and some that were broken on purpose: npm, conda, GitHub, cosign, Rekor v1 and v2.

use std::collections::BTreeSet;

use linkward_model::{Code, Instant};
use linkward_prove::{Artifact, Pattern, PublicKey, Signer, TrustRoots, bundle};
use linkward_testkit::{skipped, vectors};

const PRODUCTION: &str = "";
const GITHUB: &str = "github_trusted_root.json";
const STAGING: &str = "valid_trusted_root.json";

const ACTIONS: &str = "https://token.actions.githubusercontent.com";

/// Subject and issuer, or why not.
type Expected = Result<(&'static str, &'static str), Code>;

/// File, trust root, and the signer or the code of the refusal.
const TABLE: &[(&str, &str, Expected)] = &[
    (
        "bundle-provenance.json",
        PRODUCTION,
        Ok((
            "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main",
            ACTIONS,
        )),
    ),
    ("bundle-publish.json", PRODUCTION, Err(Code::KeyMissing)),
    ("bundle_cve_2022_36056.txt.sigstore", STAGING, Err(Code::LogEntryMismatch)),
    ("bundle_invalid_version.txt.sigstore", STAGING, Err(Code::UnsupportedVersion)),
    ("bundle_no_cert_v1.txt.sigstore", STAGING, Err(Code::BundleNoMaterial)),
    ("bundle_no_checkpoint.txt.sigstore", STAGING, Err(Code::CheckpointMissing)),
    ("bundle_no_log_entry.txt.sigstore", STAGING, Err(Code::BundleNoLogEntry)),
    ("bundle_v3_no_signed_time.txt.sigstore.json", PRODUCTION, Err(Code::BundleNoTime)),
    ("conda-attestation-rekor2.sigstore.json", PRODUCTION, Err(Code::LogUnknown)),
    (
        "conda-attestation.sigstore.json",
        PRODUCTION,
        Ok((
            "https://github.com/prefix-dev/sigstore-example/.github/workflows/action.yaml@refs/heads/main",
            ACTIONS,
        )),
    ),
    (
        "cosign-v3-blob.sigstore.json",
        PRODUCTION,
        Ok(("w.vollprecht@gmail.com", "https://github.com/login/oauth")),
    ),
    ("dsse-2sigs.sigstore.json", PRODUCTION, Err(Code::BundleManySignatures)),
    ("dsse.sigstore.json", PRODUCTION, Ok(("brian@dehamer.com", "https://github.com/login/oauth"))),
    // The trust root beside it is a reduced copy without the authority that issued the certificate.
    ("github-private-attestation.sigstore.json", GITHUB, Err(Code::CertificateUntrusted)),
    ("github-private-attestation.sigstore.json", PRODUCTION, Err(Code::BundleNoLogEntry)),
    ("github_sha384_bundle.json", GITHUB, Err(Code::CertificateUntrusted)),
    ("othername.sigstore.json", STAGING, Err(Code::LogUnknown)),
    (
        "sigstore.js@2.0.0-provenance.sigstore.json",
        PRODUCTION,
        Ok((
            "https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main",
            ACTIONS,
        )),
    ),
    (
        "valid_bundle.json",
        STAGING,
        Ok((
            "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main",
            ACTIONS,
        )),
    ),
];

/// After the newest of them was signed.
fn now() -> Instant {
    "2026-08-21T00:00:00Z".parse().unwrap()
}

#[test]
fn real_bundles_verify_or_are_refused_with_their_code() {
    let Some(folder) = vectors().map(|vectors| vectors.join("bundles")) else {
        return skipped("LINKWARD_VECTORS is not set");
    };
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let mut wrong = Vec::new();
    for (name, root, expected) in TABLE {
        let roots =
            if root.is_empty() { TrustRoots::production() } else { TrustRoots::parse(&read(root)).unwrap() };
        let document = read(name);
        let (subject, issuer) = expected
            .map_or((Pattern::exact("nobody"), Pattern::exact("")), |(subject, issuer)| {
                (Pattern::exact(subject), Pattern::exact(issuer))
            });
        let signer = match expected {
            Ok(_) => Signer::Certificate { subject: &subject, issuer: &issuer },
            Err(_) => Signer::LeftToPolicy { keyring: &[] },
        };
        let found = bundle(&document, &roots, signer, Artifact::AnySubject, now());
        let found = found.map(|_| ()).map_err(|refusal| (refusal.code, refusal.message));
        if found.as_ref().map_err(|(code, _)| *code).err() != expected.err() {
            wrong.push(format!("{name}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Every bundle of the folder is in the table.
    let listed: BTreeSet<&str> = TABLE.iter().map(|(name, ..)| *name).collect();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let other = ["_root.json", ".pub", ".conda", ".txt"].iter().any(|end| name.ends_with(end));
        assert!(other || listed.contains(name.as_str()), "{name} is not in the table");
    }
}

#[test]
fn real_bundles_with_their_artifact_or_key() {
    let Some(folder) = vectors().map(|vectors| vectors.join("bundles")) else {
        return skipped("LINKWARD_VECTORS is not set");
    };
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let roots = TrustRoots::production();
    let keyless = Signer::LeftToPolicy { keyring: &[] };
    let code = |document: &str, signer, artifact: &[u8]| {
        let found = bundle(&read(document), &roots, signer, Artifact::Bytes(artifact), now());
        found.err().map(|refusal| refusal.code)
    };
    let conda = read("signed-package-2.1.0-hb0f4dca_0.conda");
    assert_eq!(code("conda-attestation.sigstore.json", keyless, &conda), None);
    assert_eq!(code("conda-attestation.sigstore.json", keyless, &conda[1..]), Some(Code::SubjectMissing));
    let blob = read("cosign-v3-blob.txt");
    assert_eq!(code("cosign-v3-blob.sigstore.json", keyless, &blob), None);
    assert_eq!(code("cosign-v3-blob.sigstore.json", keyless, &blob[1..]), Some(Code::DigestMismatch));

    let key = PublicKey::from_pem(&String::from_utf8(read("publish_key.pub")).unwrap()).unwrap();
    let publish = read("bundle-publish.json");
    bundle(&publish, &roots, Signer::Key(&key), Artifact::AnySubject, now()).unwrap();
    // The key of another signer: a log's.
    let other = TrustRoots::parse(&read(STAGING)).unwrap();
    assert!(bundle(&publish, &other, Signer::Key(&key), Artifact::AnySubject, now()).is_err());
}
