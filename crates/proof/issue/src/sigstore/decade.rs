//! Ten years in one test: a hundred rotations of every kind, and everything that was ever signed still proven.

use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use linkward_ledger::key::NoteKey;
use linkward_ledger::merkle::{Frontier, Hash, Nodes, inclusion_proof, leaf_hash, range_root};
use linkward_ledger::{Checkpoint, LogId, LogName, Visibility};
use linkward_model::{Code, Digest, Instant};
use linkward_prove::{Artifact, Pattern, PublicKey, Signer, TrustRoots};
use linkward_testkit::noon;

use super::entry::Entry;
use super::instance::Instance;
use super::leaf::{Above, Name, Request};
use super::timestamp::Query;
use super::{ceremony, sct};
use crate::bundle::{Included, finish, message};
use crate::client::{Material, Unlogged};
use crate::keys::{self, Role};
use crate::signing_key::{LocalKey, SigningKey as _};

const DAY: i64 = 86_400_000;
const SUBJECT: &str = "https://ci.example/app";
const ISSUER: &str = "https://issuer.example";

struct Leaves<'a>(&'a [Hash]);

impl Nodes for Leaves<'_> {
    type Error = std::convert::Infallible;

    fn node(&self, level: u8, index: u64) -> Result<Hash, Self::Error> {
        let (start, end) = ((index << level) as usize, ((index + 1) << level) as usize);
        let mut part = Frontier::new();
        self.0[start..end].iter().for_each(|leaf| part.push(*leaf));
        Ok(part.root())
    }
}

/// A home's services with a clock of their own.
struct World {
    scratch: tempfile::TempDir,
    instance: Instance,
    log: LogId,
    leaves: Vec<Hash>,
    now: Instant,
}

/// Which generations sign; the newest, where a thief has not older ones.
#[derive(Clone)]
struct Used {
    authority: usize,
    certificate_log: usize,
    stamps: usize,
    log: String,
}

impl World {
    fn new() -> Self {
        let scratch = linkward_testkit::scratch();
        let keys = scratch.path().join("keys");
        let public = crate::create_keys(&keys).unwrap();
        crate::artifact_key(&keys).unwrap();
        let now = noon();
        let origin = "0.signing.linkward.internal";
        let log = LogId {
            name: LogName::Signing,
            origin: origin.to_owned(),
            key: NoteKey::new(origin, public.signing).unwrap().to_string(),
            codec: "rekor-v2".to_owned(),
            visibility: Visibility::Public,
            tenant: linkward_model::Tenant::default(),
        };
        let instance = Instance {
            version: 1,
            created: now,
            authorities: vec![ceremony::authority(&keys, "t", 1, now).unwrap()],
            certificate_logs: vec![ceremony::certificate_log(&keys, "t", 1, now).unwrap()],
            timestamp_authorities: vec![ceremony::timestamp(&keys, "t", 1, now).unwrap()],
            test_issuer: None,
            log_keys: Vec::new(),
            artifact_keys: Vec::new(),
        };
        Self { scratch, instance, log, leaves: Vec::new(), now }
    }

    fn keys(&self) -> std::path::PathBuf {
        self.scratch.path().join("keys")
    }

    fn newest(&self) -> Used {
        Used {
            authority: self.instance.authorities.len() - 1,
            certificate_log: self.instance.certificate_logs.len() - 1,
            stamps: self.instance.timestamp_authorities.len() - 1,
            log: self.instance.log_keys.last().map_or_else(|| self.log.key.clone(), |last| last.key.clone()),
        }
    }

    /// A keyless signature of now.
    fn certified(&mut self, artifact: &Digest, used: &Used) -> String {
        let key = LocalKey::ephemeral().unwrap();
        let authority = self.instance.authorities[used.authority].clone();
        let point = PublicKey::from_spki(&authority.key.0).unwrap().raw().to_vec();
        let above = Above { name: authority.name.clone(), generation: authority.number, point };
        let request = Request {
            key: key.public().to_vec(),
            name: Name::Uri(SUBJECT.to_owned()),
            claims: vec![(1, ISSUER.to_owned()), (8, ISSUER.to_owned())],
            serial: vec![0x41; 16],
            not_before: Instant::from_seconds(self.now.seconds()),
        };
        let ct = self.instance.certificate_logs[used.certificate_log].clone();
        let tbs = request.tbs(&above).unwrap();
        let ct_key = p256(&self.keys(), &Role::CertificateLog.file(ct.number));
        let timestamp = sign(&ct_key, &sct::message(self.now, &above.key_hash(), &tbs));
        let list = sct::list(&Digest::sha256(&ct.key.0), self.now, &timestamp);
        let ca_key = p256(&self.keys(), &Role::Authority.file(authority.number));
        let der = request.certificate(&above, &list, |tbs| Some(sign(&ca_key, tbs))).unwrap();
        self.finish(artifact, &Material::Certificate(der), &key.sign(artifact).unwrap(), used)
    }

    /// A signature of now by the newest key for what people sign.
    fn keyed(&mut self, artifact: &Digest, used: &Used) -> String {
        let number = self.instance.artifact_keys.last().map_or(1, |last| last.number);
        let path = self.keys().join(keys::generation_file(keys::ARTIFACT, number));
        let key = LocalKey::read(&path).unwrap();
        self.finish(artifact, &Material::Key(key.public().to_vec()), &key.sign(artifact).unwrap(), used)
    }

    fn finish(&mut self, artifact: &Digest, material: &Material, signature: &[u8], used: &Used) -> String {
        let tsa = self.instance.timestamp_authorities[used.stamps].clone();
        let chain: Vec<Vec<u8>> = tsa.chain.iter().map(|der| der.0.clone()).collect();
        let tsa_key = p256(&self.keys(), &Role::Timestamp.file(tsa.number));
        let stamp = Query::of(signature)
            .answer(&chain, &[0x42; 16], self.now, |attributes| Ok(sign(&tsa_key, attributes)))
            .unwrap();
        let content = message(artifact, signature);
        let details = "PKIX_ECDSA_P256_SHA_256";
        let unlogged = Unlogged::new(&content, material, artifact, signature, details, &[stamp], Vec::new());
        let body = Entry::parse(unlogged.request().to_string().as_bytes()).unwrap().body;
        self.leaves.push(leaf_hash(&body));
        let size = self.leaves.len() as u64;
        let mut frontier = Frontier::new();
        self.leaves.iter().for_each(|leaf| frontier.push(*leaf));
        let nodes = Leaves(&self.leaves);
        let root = frontier.root();
        assert_eq!(range_root(&nodes, 0, size), Ok(root));
        let checkpoint = Checkpoint { origin: self.log.origin.clone(), size, root, extensions: Vec::new() };
        let (text, key) = (checkpoint.text(), used.log.parse::<NoteKey>().unwrap());
        let signature = self.log_key(&key).sign(text.as_bytes()).as_ref().to_vec();
        let note = format!("{text}\n{}", linkward_ledger::note::signature_line(&key, &signature));
        let included = Included {
            index: size - 1,
            size,
            root,
            proof: inclusion_proof(&nodes, size - 1, size).unwrap(),
            checkpoint: note.into_bytes(),
        };
        let log = LogId { key: used.log.clone(), ..self.log.clone() };
        finish(&unlogged, &body, &included, &log).unwrap()
    }

    fn log_key(&self, key: &NoteKey) -> Ed25519KeyPair {
        use aws_lc_rs::signature::KeyPair as _;
        let found = (1..).map_while(|generation| {
            let file = keys::generation_file(keys::SIGNING, generation);
            let der = self.keys().join(&file).exists().then(|| keys::read(&self.keys(), &file).unwrap())?;
            Some(Ed25519KeyPair::from_pkcs8(&der).unwrap())
        });
        found.into_iter().find(|pair| pair.public_key().as_ref() == key.public()).unwrap()
    }

    fn roots(&self) -> TrustRoots {
        let root = self.instance.trusted_root(&self.log, noon()).unwrap();
        TrustRoots::parse(root.to_string().as_bytes()).unwrap()
    }

    fn rotate(&mut self, what: usize) {
        let (keys, now) = (self.keys(), self.now);
        let role = match what {
            0 => Role::Authority,
            1 => Role::CertificateLog,
            2 => Role::Timestamp,
            3 => {
                self.instance.rotate_log(&self.log, noon(), &keys, DAY, now).unwrap();
                return;
            }
            _ => {
                let pem = crate::artifact_key(&keys).unwrap();
                let first = linkward_evidence::rekor::from_pem(&pem).unwrap();
                self.instance.rotate_artifact_key(first, &keys, "t", DAY, now).unwrap();
                return;
            }
        };
        self.instance.rotate(role, &keys, "t", DAY, now).unwrap();
    }
}

fn p256(folder: &Path, file: &str) -> EcdsaKeyPair {
    let der = keys::read(folder, file).unwrap();
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der).unwrap()
}

fn sign(key: &EcdsaKeyPair, message: &[u8]) -> Vec<u8> {
    key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
}

fn proven(
    bundle: &str,
    artifact: &Digest,
    roots: &TrustRoots,
    keyring: &[PublicKey],
    now: Instant,
) -> Result<(), Code> {
    let digests = [*artifact];
    let artifact = Artifact::Digests(&digests);
    let certified = bundle.contains("\"certificate\"");
    let (subject, issuer) = (Pattern::exact(SUBJECT), Pattern::exact(ISSUER));
    let signer = if certified {
        Signer::Certificate { subject: &subject, issuer: &issuer }
    } else {
        Signer::LeftToPolicy { keyring }
    };
    linkward_prove::bundle(bundle.as_bytes(), roots, signer, artifact, now)
        .map(drop)
        .map_err(|refusal| refusal.code)
}

#[test]
fn a_hundred_rotations_in_ten_years_and_every_bundle_verifies() {
    let mut world = World::new();
    let artifact = Digest::sha256(b"an artifact");
    let mut bundles = Vec::new();
    for round in 0..=100 {
        let used = world.newest();
        bundles.push(world.certified(&artifact, &used));
        bundles.push(world.keyed(&artifact, &used));
        if round == 100 {
            break;
        }
        world.now = world.now.plus_millis(36 * DAY);
        world.rotate(round % 5);
        if round % 20 == 19 {
            check(&world, &artifact, &bundles);
        }
        world.now = world.now.plus_millis(3_600_000);
    }
    check(&world, &artifact, &bundles);
    assert!(world.now.since(noon()) >= 3600 * DAY);
    assert_eq!((world.instance.authorities.len(), world.instance.log_keys.len()), (21, 21));
    let list = world.instance.key_list(&[]);
    let listed = linkward_evidence::key_list::parse(list.to_string().as_bytes()).unwrap();
    assert_eq!(listed.iter().filter(|key| key.valid.end.is_none()).count(), 1);

    // Whoever finds an older key signs nothing with it any more.
    let first_log = world.instance.log_keys[0].key.clone();
    let newest = world.newest();
    for (name, used, code) in [
        ("authority", Used { authority: 0, ..newest.clone() }, Code::CertificateExpired),
        ("timestamps", Used { stamps: 0, ..newest.clone() }, Code::TimestampUntrusted),
        ("certificate log", Used { certificate_log: 0, ..newest.clone() }, Code::SctInvalid),
        ("log", Used { log: first_log, ..newest.clone() }, Code::LogUnknown),
    ] {
        let bundle = world.certified(&artifact, &used);
        assert_eq!(proven(&bundle, &artifact, &world.roots(), &[], world.now), Err(code), "{name}");
    }
}

fn check(world: &World, artifact: &Digest, bundles: &[String]) {
    let roots = world.roots();
    let keyring: Vec<PublicKey> = match world.instance.artifact_keys.as_slice() {
        [] => Vec::new(),
        known => known.iter().map(|key| PublicKey::from_spki(&key.key.0).unwrap()).collect(),
    };
    for (place, bundle) in bundles.iter().enumerate() {
        assert_eq!(proven(bundle, artifact, &roots, &keyring, world.now), Ok(()), "bundle {place}");
    }
}
