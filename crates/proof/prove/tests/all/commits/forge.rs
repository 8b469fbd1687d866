//! The committed fixtures, and signatures by keys of our own where git and ssh-keygen would not make them.

use std::path::PathBuf;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_prove::ObjectId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Commit,
    Tag,
}

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/commits")
}

pub(crate) fn fixture(name: &str) -> (Kind, Vec<u8>) {
    let read = |ending: &str| std::fs::read(folder().join(format!("{name}.{ending}")));
    match read("commit") {
        Ok(bytes) => (Kind::Commit, bytes),
        Err(_) => (Kind::Tag, read("tag").unwrap()),
    }
}

/// The fixtures' allowed signers.
pub(crate) fn listed() -> String {
    std::fs::read_to_string(folder().join("allowed_signers")).unwrap()
}

/// The id of an object, of 40 or 64 digits.
pub(crate) fn id_of(kind: Kind, digits: usize, bytes: &[u8]) -> ObjectId {
    let name = if kind == Kind::Commit { "commit" } else { "tag" };
    let algorithm = if digits == 64 { &digest::SHA256 } else { &digest::SHA1_FOR_LEGACY_USE_ONLY };
    let whole = [format!("{name} {}\0", bytes.len()).as_bytes(), bytes].concat();
    let hash = digest::digest(algorithm, &whole);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>().parse().unwrap()
}

pub(crate) fn string(content: &[u8]) -> Vec<u8> {
    [&u32::try_from(content.len()).unwrap().to_be_bytes()[..], content].concat()
}

/// The parts of an SSH signature, each of which a test can make wrong.
pub(crate) struct Parts {
    pub(crate) version: u32,
    pub(crate) key: Vec<u8>,
    pub(crate) namespace: &'static str,
    pub(crate) reserved: &'static str,
    pub(crate) hash: &'static str,
    pub(crate) signature: Vec<u8>,
    pub(crate) after: &'static str,
}

impl Parts {
    pub(crate) fn armoured(&self) -> String {
        let fields: [&[u8]; 5] = [
            &self.key,
            self.namespace.as_bytes(),
            self.reserved.as_bytes(),
            self.hash.as_bytes(),
            &self.signature,
        ];
        let mut blob = [b"SSHSIG", &self.version.to_be_bytes()[..]].concat();
        blob.extend(fields.iter().flat_map(|field| string(field)));
        blob.extend(self.after.as_bytes());
        let encoded = STANDARD.encode(blob);
        let lines: Vec<_> = encoded.as_bytes().chunks(70).map(|line| str::from_utf8(line).unwrap()).collect();
        format!("-----BEGIN SSH SIGNATURE-----\n{}\n-----END SSH SIGNATURE-----\n", lines.join("\n"))
    }
}

/// What is signed when a message is signed for git with SHA-512.
fn preimage(namespace: &str, message: &[u8]) -> Vec<u8> {
    let hash = digest::digest(&digest::SHA512, message);
    let fields = [namespace.as_bytes(), b"", b"sha512", hash.as_ref()];
    [b"SSHSIG".to_vec(), fields.iter().flat_map(|field| string(field)).collect()].concat()
}

/// A key in this process.
pub(crate) enum Key {
    Ed25519(Ed25519KeyPair),
    SkEd25519(Ed25519KeyPair, u8),
    SkEcdsa(EcdsaKeyPair, u8),
}

impl Key {
    pub(crate) fn ed25519(seed: u8) -> Self {
        Self::Ed25519(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    pub(crate) fn sk_ed25519(flags: u8) -> Self {
        Self::SkEd25519(Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap(), flags)
    }

    pub(crate) fn sk_ecdsa(flags: u8) -> Self {
        Self::SkEcdsa(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(), flags)
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Ed25519(_) => "ssh-ed25519",
            Self::SkEd25519(..) => "sk-ssh-ed25519@openssh.com",
            Self::SkEcdsa(..) => "sk-ecdsa-sha2-nistp256@openssh.com",
        }
    }

    pub(crate) fn public(&self) -> Vec<u8> {
        let fields: Vec<&[u8]> = match self {
            Self::Ed25519(key) => vec![key.public_key().as_ref()],
            Self::SkEd25519(key, _) => vec![key.public_key().as_ref(), b"ssh:"],
            Self::SkEcdsa(key, _) => vec![b"nistp256", key.public_key().as_ref(), b"ssh:"],
        };
        [string(self.kind().as_bytes()), fields.into_iter().flat_map(string).collect()].concat()
    }

    /// A line of allowed signers.
    pub(crate) fn line(&self, principals: &str, options: &str) -> String {
        format!("{principals} {options}{} {}\n", self.kind(), STANDARD.encode(self.public()))
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Parts {
        let message = preimage("git", message);
        // Security keys sign hashes of the application and the message, with flags and counter between.
        let security = |flags: u8| {
            let hash = |data: &[u8]| digest::digest(&digest::SHA256, data).as_ref().to_vec();
            [hash(b"ssh:"), vec![flags, 0, 0, 0, 7], hash(&message)].concat()
        };
        let signature = match self {
            Self::Ed25519(key) => string(key.sign(&message).as_ref()),
            Self::SkEd25519(key, flags) => {
                [string(key.sign(&security(*flags)).as_ref()), vec![*flags, 0, 0, 0, 7]].concat()
            }
            Self::SkEcdsa(key, flags) => {
                let der = key.sign(&SystemRandom::new(), &security(*flags)).unwrap();
                // SEQUENCE of two INTEGER, which SSH spells alike but for the tags.
                let first = usize::from(der.as_ref()[3]);
                let (r, s) = (&der.as_ref()[4..4 + first], &der.as_ref()[6 + first..]);
                [string(&[string(r), string(s)].concat()), vec![*flags, 0, 0, 0, 7]].concat()
            }
        };
        let signature = [string(self.kind().as_bytes()), signature].concat();
        let key = self.public();
        Parts { version: 1, key, namespace: "git", reserved: "", hash: "sha512", signature, after: "" }
    }
}

/// Puts a signature where git puts it: behind the last header.
pub(crate) fn attach(payload: &str, signature: &str) -> Vec<u8> {
    let (headers, message) = payload.split_once("\n\n").unwrap();
    let folded = signature.trim_end().replace('\n', "\n ");
    format!("{headers}\ngpgsig {folded}\n\n{message}").into_bytes()
}
