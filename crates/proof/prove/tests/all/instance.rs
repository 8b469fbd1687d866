//! A small Sigstore instance of our own: authority, both kinds of log, timestamp authority. With its keys at hand a
//! test can make what no published vector shows: bundles that are right in all things but one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_ledger::key::NoteKey;
use linkward_ledger::merkle::{Hash, leaf_hash, node_hash};
use linkward_model::{Digest, Instant};
use linkward_prove::{PublicKey, TrustRoots};
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType, SigningKey as _, date_time_ymd,
};
use serde_json::{Value, json};

pub(crate) const SUBJECT: &str = "https://ci.example/org/app/build.yml@refs/heads/main";
pub(crate) const ISSUER: &str = "https://token.example";
pub(crate) const V1_HOST: &str = "rekor.example";
pub(crate) const V2_HOST: &str = "log.example";
pub(crate) const ARTIFACT: &[u8] = b"an artifact";

/// Within the leaf's two days of validity, 2026-01-01 and 2026-01-02.
pub(crate) const SIGNED: Instant = Instant::from_seconds(1_767_225_600 + 36_000);
/// A month later, when somebody verifies.
pub(crate) const NOW: Instant = Instant::from_seconds(1_767_225_600 + 30 * 86_400);

pub(crate) struct Instance {
    root: (CertificateParams, KeyPair),
    root_der: Vec<u8>,
    tsa_leaf: (Vec<u8>, KeyPair),
    tsa_root: (CertificateParams, KeyPair, Vec<u8>),
    pub(crate) v1: KeyPair,
    pub(crate) v2: KeyPair,
    /// Of a log that is trusted no longer.
    pub(crate) retired: KeyPair,
    /// Of the certificate log.
    pub(crate) certificate_key: KeyPair,
}

pub(crate) struct Leaf {
    pub(crate) der: Vec<u8>,
    pub(crate) key: KeyPair,
    /// Further certificates of the bundle's chain.
    pub(crate) chain: Vec<Vec<u8>>,
}

pub(crate) enum By<'a> {
    Leaf(&'a Leaf),
    Key(&'a KeyPair),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Log {
    /// With a promise of this time.
    V1(Instant),
    V2,
    None,
}

pub(crate) fn b64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(crate) fn unb64(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

pub(crate) fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2035, 1, 1);
    params
}

/// A signing certificate as Fulcio makes them.
pub(crate) fn signing() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![SanType::URI(SUBJECT.try_into().unwrap())];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    let issuer = der(0x0c, ISSUER.as_bytes());
    params.custom_extensions =
        vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, 8], issuer)];
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2026, 1, 2);
    params
}

impl Instance {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let params = authority("authority.example");
        let root_der = params.self_signed(&key).unwrap().der().to_vec();
        let tsa_key = KeyPair::generate().unwrap();
        let tsa_params = authority("tsa.example");
        let tsa_root_der = tsa_params.self_signed(&tsa_key).unwrap().der().to_vec();
        let tsa_leaf_key = KeyPair::generate().unwrap();
        let mut leaf = authority("tsa leaf");
        leaf.is_ca = IsCa::NoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::TimeStamping];
        let issuer = Issuer::from_params(&tsa_params, &tsa_key);
        let tsa_leaf_der = leaf.signed_by(&tsa_leaf_key, &issuer).unwrap().der().to_vec();
        Self {
            root: (params, key),
            root_der,
            tsa_leaf: (tsa_leaf_der, tsa_leaf_key),
            tsa_root: (tsa_params, tsa_key, tsa_root_der),
            v1: KeyPair::generate().unwrap(),
            v2: KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap(),
            retired: KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap(),
            certificate_key: KeyPair::generate().unwrap(),
        }
    }

    pub(crate) fn leaf(&self) -> Leaf {
        self.leaf_of(&signing())
    }

    pub(crate) fn leaf_of(&self, params: &CertificateParams) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.root.0, &self.root.1);
        let der = params.signed_by(&key, &issuer).unwrap().der().to_vec();
        Leaf { der, key, chain: Vec::new() }
    }

    /// A leaf below an intermediate that the bundle brings along.
    pub(crate) fn leaf_below(&self, between: &CertificateParams, params: &CertificateParams) -> Leaf {
        let between_key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.root.0, &self.root.1);
        let between_der = between.signed_by(&between_key, &issuer).unwrap().der().to_vec();
        let key = KeyPair::generate().unwrap();
        let der = params.signed_by(&key, &Issuer::from_params(between, &between_key)).unwrap().der().to_vec();
        Leaf { der, key, chain: vec![between_der] }
    }

    /// A leaf that carries a timestamp (RFC 6962, 3.2) by the certificate log that this is the key of.
    pub(crate) fn leaf_with_timestamp(&self, params: CertificateParams, log: &KeyPair) -> Leaf {
        self.leaf_seen(params, log, &Issuer::from_params(&self.root.0, &self.root.1))
    }

    /// A leaf by an authority that has this one's name and another key. The certificate log did not look closely.
    pub(crate) fn leaf_by_stranger(&self, params: CertificateParams) -> Leaf {
        let stranger = KeyPair::generate().unwrap();
        self.leaf_seen(params, &self.certificate_key, &Issuer::from_params(&self.root.0, &stranger))
    }

    fn leaf_seen(&self, mut params: CertificateParams, log: &KeyPair, issuer: &Issuer<'_, &KeyPair>) -> Leaf {
        // Both makings must be of one certificate; the identifier of the issuer's key must not give a stranger away.
        params.serial_number = Some(rcgen::SerialNumber::from(7u64));
        params.use_authority_key_identifier_extension = false;
        let key = KeyPair::generate().unwrap();
        let plain = params.signed_by(&key, issuer).unwrap().der().to_vec();
        // Behind the outer header of four bytes.
        let length = 4 + usize::from(u16::from_be_bytes(plain[6..8].try_into().unwrap()));
        let tbs = &plain[4..4 + length];
        let millis = u64::try_from(SIGNED.seconds() * 1000).unwrap().to_be_bytes();
        let mut signed = vec![0, 0];
        signed.extend(millis);
        signed.extend([0, 1]);
        signed.extend(Digest::sha256(&spki(&self.root.1)).as_bytes());
        signed.extend(&u32::try_from(tbs.len()).unwrap().to_be_bytes()[1..]);
        signed.extend(tbs);
        signed.extend([0, 0]);
        let signature = log.sign(&signed).unwrap();
        let prefixed =
            |bytes: &[u8]| [&u16::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
        let id = Digest::sha256(&spki(&self.certificate_key));
        let sct = [&[0][..], id.as_bytes(), &millis, &[0, 0, 4, 3], &prefixed(&signature)].concat();
        let list = der(0x04, &prefixed(&prefixed(&sct)));
        params
            .custom_extensions
            .push(CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2], list));
        let der = params.signed_by(&key, issuer).unwrap().der().to_vec();
        Leaf { der, key, chain: Vec::new() }
    }

    /// The certificate log, as a trust root lists it.
    pub(crate) fn certificate_log(&self) -> Value {
        let key = spki(&self.certificate_key);
        json!({
            "baseUrl": "https://ct.example",
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": b64(&key),
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "validFor": { "start": "2025-06-01T00:00:00Z" },
            },
            "logId": { "keyId": b64(Digest::sha256(&key).as_bytes()) },
        })
    }

    fn v2_id(&self) -> [u8; 32] {
        note_id(&self.v2)
    }

    pub(crate) fn retired_id(&self) -> [u8; 32] {
        note_id(&self.retired)
    }

    fn v1_id(&self) -> Vec<u8> {
        Digest::sha256(&spki(&self.v1)).as_bytes().to_vec()
    }

    /// The trust root, for a test to change.
    pub(crate) fn root(&self) -> Value {
        let start = json!({ "start": "2025-06-01T00:00:00Z" });
        let chain = |ders: &[&[u8]]| -> Value {
            json!({ "certificates": ders.iter().map(|der| json!({ "rawBytes": b64(der) })).collect::<Vec<_>>() })
        };
        json!({
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [
                {
                    "baseUrl": format!("https://{V1_HOST}"),
                    "hashAlgorithm": "SHA2_256",
                    "publicKey": {
                        "rawBytes": b64(&spki(&self.v1)), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": start,
                    },
                    "logId": { "keyId": b64(&self.v1_id()) },
                },
                {
                    "baseUrl": format!("https://{V2_HOST}"),
                    "hashAlgorithm": "SHA2_256",
                    "publicKey": { "rawBytes": b64(&spki(&self.v2)), "keyDetails": "PKIX_ED25519", "validFor": start },
                    "logId": { "keyId": b64(&self.v2_id()) },
                },
            ],
            "certificateAuthorities": [
                { "uri": "https://authority.example", "certChain": chain(&[&self.root_der]), "validFor": start },
            ],
            "ctlogs": [],
            "timestampAuthorities": [{
                "uri": "https://tsa.example",
                "certChain": chain(&[&self.tsa_leaf.0, &self.tsa_root.2]),
                "validFor": start,
            }],
        })
    }

    pub(crate) fn roots(&self) -> TrustRoots {
        parsed(&self.root())
    }

    /// A plain signature over [`ARTIFACT`].
    pub(crate) fn message(&self, by: &By<'_>, log: Log) -> Value {
        let signature = by.key().sign(ARTIFACT).unwrap();
        let digest = Digest::sha256(ARTIFACT);
        let body = match log {
            Log::V1(_) => json!({
                "apiVersion": "0.0.1",
                "kind": "hashedrekord",
                "spec": {
                    "data": { "hash": { "algorithm": "sha256", "value": digest.hex() } },
                    "signature": { "content": b64(&signature), "publicKey": { "content": b64(by.pem().as_bytes()) } },
                },
            }),
            _ => v2_body(by, &digest, &signature),
        };
        let content = json!({
            "messageDigest": { "algorithm": "SHA2_256", "digest": b64(digest.as_bytes()) },
            "signature": b64(&signature),
        });
        self.bundle(by, log, &body, "messageSignature", &content)
    }

    /// An in-toto statement about [`ARTIFACT`].
    pub(crate) fn statement(&self, by: &By<'_>, log: Log) -> Value {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "name": "app", "digest": { "sha256": Digest::sha256(ARTIFACT).hex() } }],
            "predicateType": "https://example.com/predicate/v1",
            "predicate": {},
        });
        self.envelope(by, log, statement.to_string().as_bytes())
    }

    pub(crate) fn envelope(&self, by: &By<'_>, log: Log, payload: &[u8]) -> Value {
        let kind = "application/vnd.in-toto+json";
        let pae = linkward_evidence::dsse::pae(kind, payload);
        let signature = by.key().sign(&pae).unwrap();
        let body = match log {
            Log::V1(_) => json!({
                "apiVersion": "0.0.1",
                "kind": "dsse",
                "spec": {
                    "payloadHash": { "algorithm": "sha256", "value": Digest::sha256(payload).hex() },
                    "signatures": [{ "signature": b64(&signature), "verifier": b64(by.pem().as_bytes()) }],
                },
            }),
            _ => v2_body(by, &Digest::sha256(&pae), &signature),
        };
        let content = json!({
            "payloadType": kind, "payload": b64(payload), "signatures": [{ "sig": b64(&signature) }],
        });
        self.bundle(by, log, &body, "dsseEnvelope", &content)
    }

    fn bundle(&self, by: &By<'_>, log: Log, body: &Value, name: &str, content: &Value) -> Value {
        let mut bundle = json!({
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {},
        });
        let material = &mut bundle["verificationMaterial"];
        match by {
            By::Leaf(leaf) if leaf.chain.is_empty() => {
                material["certificate"] = json!({ "rawBytes": b64(&leaf.der) });
            }
            By::Leaf(leaf) => {
                let chain = std::iter::once(&leaf.der).chain(&leaf.chain);
                let chain: Vec<_> = chain.map(|der| json!({ "rawBytes": b64(der) })).collect();
                material["x509CertificateChain"] = json!({ "certificates": chain });
            }
            By::Key(_) => material["publicKey"] = json!({ "hint": "a key" }),
        }
        match log {
            Log::V1(time) => material["tlogEntries"] = json!([self.v1_entry(body, time)]),
            Log::V2 => material["tlogEntries"] = json!([self.v2_entry(body)]),
            Log::None => {}
        }
        bundle[name] = content.clone();
        if matches!(by, By::Leaf(leaf) if !leaf.chain.is_empty()) {
            bundle["mediaType"] = json!("application/vnd.dev.sigstore.bundle+json;version=0.2");
        }
        bundle
    }

    pub(crate) fn v1_entry(&self, body: &Value, time: Instant) -> Value {
        let bytes = body.to_string().into_bytes();
        let id: String = self.v1_id().iter().map(|byte| format!("{byte:02x}")).collect();
        let promised = format!(
            "{{\"body\":\"{}\",\"integratedTime\":{},\"logID\":\"{id}\",\"logIndex\":1001}}",
            b64(&bytes),
            time.seconds()
        );
        let hint = self.v1_id().get(..4).unwrap().to_vec();
        let mut entry = proven(&bytes, &format!("{V1_HOST} - 7"), V1_HOST, &hint, &self.v1);
        entry["logIndex"] = json!("1001");
        entry["logId"] = json!({ "keyId": b64(&self.v1_id()) });
        entry["kindVersion"] = json!({ "kind": body["kind"], "version": body["apiVersion"] });
        entry["integratedTime"] = json!(time.seconds().to_string());
        entry["inclusionPromise"] =
            json!({ "signedEntryTimestamp": b64(&self.v1.sign(promised.as_bytes()).unwrap()) });
        entry
    }

    pub(crate) fn v2_entry(&self, body: &Value) -> Value {
        entry_of(&self.v2, body)
    }

    pub(crate) fn retired_entry(&self, body: &Value) -> Value {
        entry_of(&self.retired, body)
    }

    /// Adds a timestamp over the bundle's signature.
    pub(crate) fn stamp(&self, bundle: &mut Value, time: Instant) {
        self.stamp_with(bundle, &self.tsa_leaf.1, &self.tsa_leaf.0, &self.tsa_leaf.0, time);
    }

    /// A timestamp by another certificate for timestamps, also issued by the timestamp authority's root.
    pub(crate) fn stamp_by_sibling(&self, bundle: &mut Value, time: Instant) {
        let key = KeyPair::generate().unwrap();
        let mut params = authority("another leaf");
        params.is_ca = IsCa::NoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::TimeStamping];
        let issuer = Issuer::from_params(&self.tsa_root.0, &self.tsa_root.1);
        let der = params.signed_by(&key, &issuer).unwrap().der().to_vec();
        self.stamp_with(bundle, &key, &der, &der, time);
    }

    /// A timestamp that says it is the authority's, by another key.
    pub(crate) fn stamp_by(&self, bundle: &mut Value, key: &KeyPair, time: Instant) {
        self.stamp_with(bundle, key, &self.tsa_leaf.0, &self.tsa_leaf.0, time);
    }

    /// A timestamp whose signed attribute names another certificate than the one that signed.
    pub(crate) fn stamp_naming_another(&self, bundle: &mut Value, time: Instant) {
        self.stamp_with(bundle, &self.tsa_leaf.1, &self.tsa_leaf.0, &self.tsa_root.2, time);
    }

    fn stamp_with(&self, bundle: &mut Value, key: &KeyPair, embedded: &[u8], named: &[u8], time: Instant) {
        let signature = match bundle.get("messageSignature") {
            Some(message) => unb64(&message["signature"]),
            None => unb64(&bundle["dsseEnvelope"]["signatures"][0]["sig"]),
        };
        let token = token(&signature, key, embedded, named, time);
        let list = &mut bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"];
        if list.is_null() {
            *list = json!([]);
        }
        list.as_array_mut().unwrap().push(json!({ "signedTimestamp": b64(&token) }));
    }
}

impl By<'_> {
    pub(crate) fn key(&self) -> &KeyPair {
        match self {
            Self::Leaf(leaf) => &leaf.key,
            Self::Key(key) => key,
        }
    }

    fn verifier(&self) -> Vec<u8> {
        match self {
            Self::Leaf(leaf) => leaf.der.clone(),
            Self::Key(key) => spki(key),
        }
    }

    pub(crate) fn pem(&self) -> String {
        let label = if matches!(self, Self::Leaf(_)) { "CERTIFICATE" } else { "PUBLIC KEY" };
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", b64(&self.verifier()))
    }
}

pub(crate) fn parsed(root: &Value) -> TrustRoots {
    TrustRoots::parse(root.to_string().as_bytes()).unwrap()
}

pub(crate) fn spki(key: &KeyPair) -> Vec<u8> {
    key.subject_public_key_info()
}

pub(crate) fn public(key: &KeyPair) -> PublicKey {
    PublicKey::from_spki(&spki(key)).unwrap()
}

pub(crate) fn v2_body(by: &By<'_>, digest: &Digest, signature: &[u8]) -> Value {
    let verifier = match by {
        By::Leaf(leaf) => json!({
            "keyDetails": "PKIX_ECDSA_P256_SHA_256", "x509Certificate": { "rawBytes": b64(&leaf.der) },
        }),
        By::Key(key) => json!({
            "keyDetails": "PKIX_ECDSA_P256_SHA_256", "publicKey": { "rawBytes": b64(&spki(key)) },
        }),
    };
    json!({
        "apiVersion": "0.0.2",
        "kind": "hashedrekord",
        "spec": { "hashedRekordV002": {
            "data": { "algorithm": "SHA2_256", "digest": b64(digest.as_bytes()) },
            "signature": { "content": b64(signature), "verifier": verifier },
        } },
    })
}

fn note_id(key: &KeyPair) -> [u8; 32] {
    NoteKey::new(V2_HOST, key.public_key_raw().try_into().unwrap()).unwrap().id()
}

fn entry_of(key: &KeyPair, body: &Value) -> Value {
    let bytes = body.to_string().into_bytes();
    let id = note_id(key);
    let mut entry = proven(&bytes, V2_HOST, V2_HOST, &id[..4], key);
    entry["logIndex"] = json!("1");
    entry["logId"] = json!({ "keyId": b64(&id) });
    entry["kindVersion"] = json!({ "kind": body["kind"], "version": body["apiVersion"] });
    entry["integratedTime"] = json!("0");
    entry
}

/// An entry in the second place of a log of three, with its proof and the log's checkpoint.
fn proven(body: &[u8], origin: &str, name: &str, hint: &[u8], key: &KeyPair) -> Value {
    let (first, last) = (leaf_hash(b"first"), leaf_hash(b"last"));
    let root: Hash = node_hash(&node_hash(&first, &leaf_hash(body)), &last);
    json!({
        "canonicalizedBody": b64(body),
        "inclusionProof": {
            "logIndex": "1",
            "treeSize": "3",
            "rootHash": b64(&root.0),
            "hashes": [b64(&first.0), b64(&last.0)],
            "checkpoint": { "envelope": note(origin, &root, name, hint, key) },
        },
    })
}

pub(crate) fn note(origin: &str, root: &Hash, name: &str, hint: &[u8], key: &KeyPair) -> String {
    let text = format!("{origin}\n3\n{}\n", b64(&root.0));
    let signature = [hint, &key.sign(text.as_bytes()).unwrap()].concat();
    format!("{text}\n\u{2014} {name} {}\n", b64(&signature))
}

/// One DER element.
pub(crate) fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut out = vec![tag];
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => out.push(short),
        Ok(byte) => out.extend([0x81, byte]),
        Err(_) => {
            out.push(0x82);
            out.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    out.extend_from_slice(content);
    out
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    der(0x30, &parts.concat())
}

/// An RFC 3161 response over these bytes.
fn token(signed: &[u8], key: &KeyPair, embedded: &[u8], named: &[u8], time: Instant) -> Vec<u8> {
    let oid = |bytes: &[u8]| der(0x06, bytes);
    let sha256 = sequence(&[oid(&[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01])]);
    let tst_type = oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04]);
    let digits: String =
        time.to_string().split('.').next().unwrap().chars().filter(char::is_ascii_digit).collect();
    let info = sequence(&[
        der(0x02, &[1]),
        oid(&[0x2a, 0x03]),
        sequence(&[sha256.clone(), der(0x04, Digest::sha256(signed).as_bytes())]),
        der(0x02, &[9]),
        der(0x18, format!("{digits}Z").as_bytes()),
    ]);
    let attribute = |name: &[u8], value: Vec<u8>| sequence(&[oid(name), der(0x31, &value)]);
    let nine = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09];
    let named = sequence(&[sequence(&[sequence(&[der(0x04, Digest::sha256(named).as_bytes())])])]);
    let attributes = [
        attribute(&[&nine[..], &[3]].concat(), tst_type.clone()),
        attribute(&[&nine[..], &[4]].concat(), der(0x04, Digest::sha256(&info).as_bytes())),
        attribute(&[&nine[..], &[16, 2, 47]].concat(), named),
    ]
    .concat();
    let signature = key.sign(&der(0x31, &attributes)).unwrap();
    let signer = sequence(&[
        der(0x02, &[1]),
        sequence(&[sequence(&[]), der(0x02, &[1])]),
        sha256.clone(),
        der(0xa0, &attributes),
        sequence(&[oid(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02])]),
        der(0x04, &signature),
    ]);
    let data = sequence(&[
        der(0x02, &[3]),
        der(0x31, &sha256),
        sequence(&[tst_type, der(0xa0, &der(0x04, &info))]),
        der(0xa0, embedded),
        der(0x31, &signer),
    ]);
    let signed_data = oid(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02]);
    sequence(&[sequence(&[der(0x02, &[0])]), sequence(&[signed_data, der(0xa0, &data)])])
}
