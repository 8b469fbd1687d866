//! Notary Project signatures: what the project's own library made, and what an attacker makes of a sound one. Every
//! attack is signed again by whoever could have made it.

use std::path::PathBuf;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use linkward_evidence::rekor::from_pem;
use linkward_model::{Code, Digest, Instant, Outcome};
use linkward_prove::{NotationTrust, TrustedSubject, notation};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use serde_json::{Value, json};

/// 2027-05-11: after the certificate `old` has expired.
const NOW: Instant = Instant::from_seconds(1_810_000_000);
const SUBJECT: &str = "x509.subject: C=US, ST=WA, O=example.com";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/notation")
}

fn pem(name: &str) -> Vec<u8> {
    from_pem(&std::fs::read_to_string(folder().join(name)).unwrap()).unwrap()
}

fn trust() -> NotationTrust {
    NotationTrust {
        authorities: vec![pem("root.pem"), pem("self.pem")],
        signing_authorities: vec![pem("root.pem")],
        timestamp_authorities: vec![pem("tsa.pem")],
        subjects: vec![SUBJECT.parse().unwrap()],
    }
}

fn judge(bytes: &[u8], trust: &NotationTrust, artifact: &[u8], now: Instant) -> Result<Vec<String>, Code> {
    let outcome = notation(bytes, trust, &[Digest::sha256(artifact)], now);
    let (checks, result) = match &outcome {
        Ok(proven) => (proven.checks(), Ok(proven.claim().stamp().is_some())),
        Err(refusal) => (refusal.checks.as_slice(), Err(refusal.code)),
    };
    assert_eq!(checks.len(), 12, "every check is listed: {checks:?}");
    let failed = checks.iter().filter(|check| matches!(check.outcome, Outcome::Failed { .. })).count();
    assert_eq!(failed, usize::from(result.is_err()), "{checks:?}");
    // Nobody was asked about revocation, and that is said.
    let revocation = checks.iter().find(|check| check.name == "revocation").unwrap();
    assert!(matches!(revocation.outcome, Outcome::Skipped { .. }));
    result.map(|stamped| vec![stamped.to_string()])
}

#[test]
fn what_the_projects_own_library_made_holds_or_is_refused_as_it_should() {
    for suffix in ["jws", "cose"] {
        for (name, expected) in [
            ("p256", None),
            ("p384", None),
            ("p521", None),
            ("rsa2048", None),
            ("self", None),
            ("authority", None),
            ("stamped", None),
            ("expired", Some(Code::NotationExpired)),
        ] {
            let bytes = std::fs::read(folder().join(format!("{name}.{suffix}"))).unwrap();
            let found = judge(&bytes, &trust(), b"foo", NOW);
            assert_eq!(found.as_ref().err(), expected.as_ref(), "{name}.{suffix}");
            if expected.is_none() {
                assert_eq!(found.unwrap(), [(name == "stamped").to_string()], "{name}.{suffix}");
            }
            assert!(judge(&bytes, &trust(), b"bar", NOW).is_err(), "{name}.{suffix} of another artifact");
        }
    }
}

#[test]
fn trust_decides() {
    for suffix in ["jws", "cose"] {
        let read = |name: &str| std::fs::read(folder().join(format!("{name}.{suffix}"))).unwrap();
        let with = |change: fn(&mut NotationTrust)| {
            let mut trust = trust();
            change(&mut trust);
            trust
        };
        let late = Instant::from_seconds(3_000_000_000);
        for (name, trust, now, expected) in [
            ("p256", with(|t| t.authorities.clear()), NOW, Code::CertificateUntrusted),
            // The store of one scheme says nothing about the other.
            ("authority", with(|t| t.signing_authorities.clear()), NOW, Code::CertificateUntrusted),
            ("p256", with(|t| t.authorities = vec![pem("tsa.pem")]), NOW, Code::CertificateUntrusted),
            ("p256", with(|t| t.subjects.clear()), NOW, Code::IdentityMismatch),
            (
                "p256",
                with(|t| t.subjects = vec!["x509.subject: C=US, ST=WA, O=other".parse().unwrap()]),
                NOW,
                Code::IdentityMismatch,
            ),
            (
                "p256",
                with(|t| {
                    t.subjects = vec!["x509.subject: C=US, ST=WA, O=example.com, CN=p384".parse().unwrap()]
                }),
                NOW,
                Code::IdentityMismatch,
            ),
            ("p256", with(|_| ()), late, Code::CertificateExpired),
            // Without a timestamp authority the certificates must hold now.
            ("stamped", with(|t| t.timestamp_authorities.clear()), NOW, Code::CertificateExpired),
            (
                "stamped",
                with(|t| t.timestamp_authorities = vec![pem("root.pem")]),
                NOW,
                Code::TimestampUntrusted,
            ),
            ("authority", with(|_| ()), Instant::from_seconds(1_700_000_000), Code::TimestampInvalid),
        ] {
            assert_eq!(judge(&read(name), &trust, b"foo", now), Err(expected), "{name}.{suffix}");
        }
        let anybody = with(|t| t.subjects = vec!["*".parse::<TrustedSubject>().unwrap()]);
        assert!(judge(&read("p256"), &anybody, b"foo", NOW).is_ok());
        // What an authority signed while its certificate held stays proven.
        assert!(judge(&read("authority"), &trust(), b"foo", late).is_ok());
    }
}

#[test]
fn no_bit_of_a_signature_may_change() {
    for name in ["p256.jws", "p256.cose"] {
        let bytes = std::fs::read(folder().join(name)).unwrap();
        let mut accepted = Vec::new();
        for at in (0..bytes.len()).step_by(3) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            if judge(&changed, &trust(), b"foo", NOW).is_ok() {
                accepted.push(at);
            }
        }
        // The name of the program that signed stands outside of what is signed, and is used for nothing.
        let agent = bytes.windows(7).position(|window| window == b"make.go").unwrap();
        let label = bytes.windows(27).position(|window| window == b"io.cncf.notary.signingAgent").unwrap();
        let outside: Vec<_> = accepted.iter().filter(|at| !(label..agent + 7).contains(*at)).collect();
        assert!(outside.is_empty(), "{name}: {outside:?}");
    }
}

/// One link of a chain.
struct Holder {
    params: CertificateParams,
    key: KeyPair,
    der: Vec<u8>,
}

fn params(name: &str, authority: bool) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    for (kind, value) in [
        (DnType::CountryName, "US"),
        (DnType::StateOrProvinceName, "WA"),
        (DnType::OrganizationName, "example.com"),
        (DnType::CommonName, name),
    ] {
        subject.push(kind, value);
    }
    params.distinguished_name = subject;
    params.not_before = rcgen::date_time_ymd(2025, 1, 1);
    params.not_after = rcgen::date_time_ymd(2040, 1, 1);
    if authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    } else {
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    }
    params
}

fn holder(params: CertificateParams, by: Option<&Holder>) -> Holder {
    let key = KeyPair::generate().unwrap();
    let certificate = match by {
        None => params.self_signed(&key).unwrap(),
        Some(by) => params.signed_by(&key, &Issuer::from_params(&by.params, &by.key)).unwrap(),
    };
    Holder { der: certificate.der().to_vec(), params, key }
}

/// Everything that goes into a JWS.
struct Sealed {
    root: Holder,
    leaf: Holder,
    protected: Value,
    payload: Value,
    chain: Vec<Vec<u8>>,
    header: Value,
    now: Instant,
}

impl Sealed {
    fn new() -> Self {
        let root = holder(params("root", true), None);
        let leaf = holder(params("leaf", false), Some(&root));
        Self {
            protected: json!({
                "alg": "ES256", "cty": "application/vnd.cncf.notary.payload.v1+json",
                "crit": ["io.cncf.notary.signingScheme"], "io.cncf.notary.signingScheme": "notary.x509",
                "io.cncf.notary.signingTime": "2025-01-02T00:00:00Z",
            }),
            payload: json!({ "targetArtifact": {
                "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": Digest::sha256(b"foo").to_string(), "size": 3,
            } }),
            chain: vec![leaf.der.clone(), root.der.clone()],
            header: json!({}),
            now: NOW,
            root,
            leaf,
        }
    }

    fn replace_leaf(&mut self, params: CertificateParams) {
        self.leaf = holder(params, Some(&self.root));
        self.chain = vec![self.leaf.der.clone(), self.root.der.clone()];
    }

    fn replace_root(&mut self, params: CertificateParams) {
        self.root = holder(params, None);
        self.leaf = holder(self::params("leaf", false), Some(&self.root));
        self.chain = vec![self.leaf.der.clone(), self.root.der.clone()];
    }

    fn judge(&self) -> Result<Vec<String>, Code> {
        let protected = URL_SAFE_NO_PAD.encode(self.protected.to_string());
        let payload = URL_SAFE_NO_PAD.encode(self.payload.to_string());
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, self.leaf.key.serialized_der())
            .unwrap();
        let sig = pair.sign(&SystemRandom::new(), format!("{protected}.{payload}").as_bytes()).unwrap();
        let mut header = self.header.clone();
        header["x5c"] = self.chain.iter().map(|der| STANDARD.encode(der)).collect();
        let envelope = json!({
            "payload": payload, "protected": protected, "header": header, "signature": URL_SAFE_NO_PAD.encode(sig.as_ref()),
        });
        let mut trust = trust();
        trust.authorities.push(self.root.der.clone());
        judge(envelope.to_string().as_bytes(), &trust, b"foo", self.now)
    }
}

type Attack = (&'static str, fn(&mut Sealed), Option<Code>);

const ATTACKS: &[Attack] = &[
    ("nothing", |_| (), None),
    ("algorithm none", |s| s.protected["alg"] = json!("none"), Some(Code::NotationMalformed)),
    ("a symmetric algorithm", |s| s.protected["alg"] = json!("HS256"), Some(Code::NotationMalformed)),
    ("an algorithm of another key", |s| s.protected["alg"] = json!("PS256"), Some(Code::NotationAlgorithm)),
    ("a weaker hash than the key's", |s| s.protected["alg"] = json!("ES384"), Some(Code::NotationAlgorithm)),
    (
        "another content type",
        |s| s.protected["cty"] = json!("application/json"),
        Some(Code::NotationMalformed),
    ),
    (
        "another scheme",
        |s| s.protected["io.cncf.notary.signingScheme"] = json!("x"),
        Some(Code::NotationMalformed),
    ),
    ("a scheme that is not critical", |s| s.protected["crit"] = json!([]), Some(Code::NotationMalformed)),
    (
        "an expiry that is not critical",
        |s| s.protected["io.cncf.notary.expiry"] = json!("2039-01-01T00:00:00Z"),
        Some(Code::NotationMalformed),
    ),
    (
        "something critical that is not there",
        |s| s.protected["crit"] = json!(["io.cncf.notary.signingScheme", "x"]),
        Some(Code::NotationMalformed),
    ),
    (
        "a plugin that must be asked",
        |s| {
            s.protected["crit"] =
                json!(["io.cncf.notary.signingScheme", "io.cncf.notary.verificationPlugin"]);
            s.protected["io.cncf.notary.verificationPlugin"] = json!("x");
        },
        Some(Code::NotationCritical),
    ),
    (
        "an authority's time under the signer's scheme",
        |s| {
            s.protected["io.cncf.notary.authenticSigningTime"] = json!("2025-01-02T00:00:00Z");
        },
        Some(Code::NotationMalformed),
    ),
    (
        "a signer passes for an authority",
        |s| {
            s.protected["crit"] =
                json!(["io.cncf.notary.signingScheme", "io.cncf.notary.authenticSigningTime"]);
            s.protected["io.cncf.notary.signingScheme"] = json!("notary.x509.signingAuthority");
            s.protected["io.cncf.notary.authenticSigningTime"] = json!("2025-01-02T00:00:00Z");
            s.protected.as_object_mut().unwrap().remove("io.cncf.notary.signingTime");
        },
        Some(Code::CertificateUntrusted),
    ),
    ("no target", |s| s.payload = json!({}), Some(Code::NotationMalformed)),
    (
        "another target",
        |s| s.payload["targetArtifact"]["digest"] = json!(Digest::sha256(b"bar").to_string()),
        Some(Code::DigestMismatch),
    ),
    (
        "a target by SHA-1",
        |s| s.payload["targetArtifact"]["digest"] = json!(format!("sha1:{}", "0".repeat(40))),
        Some(Code::NotationMalformed),
    ),
    ("no certificate", |s| s.chain.clear(), Some(Code::CertificateMalformed)),
    ("a certificate cut off", |s| s.chain[0].truncate(100), Some(Code::CertificateMalformed)),
    (
        "another's certificate",
        |s| s.chain = vec![holder(params("leaf", false), Some(&s.root)).der, s.root.der.clone()],
        Some(Code::SignatureMismatch),
    ),
    ("a chain without its root", |s| s.chain.truncate(1), Some(Code::CertificateUntrusted)),
    (
        "a chain whose links do not fit",
        |s| s.chain[1] = holder(params("root", true), None).der,
        Some(Code::CertificateUntrusted),
    ),
    ("a root twice", |s| s.chain.push(s.root.der.clone()), Some(Code::CertificateUntrusted)),
    (
        "a root of its own, of the trusted root's name",
        |s| {
            let own = holder(params("root", true), None);
            s.leaf = holder(params("leaf", false), Some(&own));
            s.chain = vec![s.leaf.der.clone(), own.der];
        },
        Some(Code::CertificateUntrusted),
    ),
    (
        "a leaf that issues a leaf",
        |s| {
            let below = holder(params("below", false), Some(&s.leaf));
            s.chain.insert(0, below.der.clone());
            s.leaf = below;
        },
        Some(Code::CertificateUsage),
    ),
    (
        "a certificate for servers",
        |s| {
            let mut leaf = params("leaf", false);
            leaf.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
            s.replace_leaf(leaf);
        },
        Some(Code::CertificateUsage),
    ),
    (
        "a certificate for timestamps alone",
        |s| {
            let mut leaf = params("leaf", false);
            leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::TimeStamping];
            s.replace_leaf(leaf);
        },
        Some(Code::CertificateUsage),
    ),
    (
        "a certificate for any purpose",
        |s| {
            let mut leaf = params("leaf", false);
            leaf.extended_key_usages.push(ExtendedKeyUsagePurpose::Any);
            s.replace_leaf(leaf);
        },
        Some(Code::CertificateUsage),
    ),
    (
        "a certificate without a purpose",
        |s| {
            let mut leaf = params("leaf", false);
            leaf.extended_key_usages.clear();
            s.replace_leaf(leaf);
        },
        None,
    ),
    (
        "a certificate without a key usage",
        |s| {
            let mut leaf = params("leaf", false);
            leaf.key_usages.clear();
            s.replace_leaf(leaf);
        },
        Some(Code::CertificateUsage),
    ),
    (
        "an authority's certificate signs code",
        |s| {
            let mut leaf = params("leaf", true);
            leaf.key_usages.push(KeyUsagePurpose::DigitalSignature);
            s.replace_leaf(leaf);
        },
        Some(Code::CertificateUsage),
    ),
    (
        "a key that may sign certificates",
        |s| {
            let mut leaf = params("leaf", false);
            leaf.key_usages.push(KeyUsagePurpose::KeyCertSign);
            s.replace_leaf(leaf);
        },
        Some(Code::CertificateUsage),
    ),
    (
        "a root that may not sign certificates",
        |s| {
            let mut root = params("root", true);
            root.key_usages = vec![KeyUsagePurpose::CrlSign];
            s.replace_root(root);
        },
        Some(Code::CertificateUsage),
    ),
    (
        "a chain longer than its root allows",
        |s| {
            let mut root = params("root", true);
            root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            s.root = holder(root, None);
            let between = holder(params("between", true), Some(&s.root));
            s.leaf = holder(params("leaf", false), Some(&between));
            s.chain = vec![s.leaf.der.clone(), between.der, s.root.der.clone()];
        },
        Some(Code::CertificateUsage),
    ),
    (
        "a certificate that is not valid yet",
        |s| s.now = Instant::from_seconds(1_700_000_000),
        Some(Code::CertificateExpired),
    ),
    (
        "a timestamp that is none",
        |s| s.header["io.cncf.notary.timestampSignature"] = json!("AAAA"),
        Some(Code::TimestampInvalid),
    ),
    (
        "a timestamp of another signature",
        |s| {
            let stamped: Value =
                serde_json::from_slice(&std::fs::read(folder().join("stamped.jws")).unwrap()).unwrap();
            s.header["io.cncf.notary.timestampSignature"] =
                stamped["header"]["io.cncf.notary.timestampSignature"].clone();
        },
        Some(Code::TimestampMismatch),
    ),
];

#[test]
fn every_attack_ends_as_the_table_says() {
    let mut wrong = Vec::new();
    for (name, attack, expected) in ATTACKS {
        let mut sealed = Sealed::new();
        attack(&mut sealed);
        let found = sealed.judge().err();
        if found != *expected {
            wrong.push(format!("{name}: {found:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
