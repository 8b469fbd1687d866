//! The signer process: holds the keys and answers over a pipe. It refuses what it should not sign.
//!
//! Frames are a four-byte length and JSON. The process that asks can be taken over; the keys cannot be read
//! through this pipe, and a log cannot be rolled back or forked by asking for another checkpoint.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use linkward_ledger::key::NoteKey;
use linkward_ledger::merkle::{Hash, leaf_hash, verify_inclusion};
use linkward_ledger::{Checkpoint, LogName, VerifiedCheckpoint};
use linkward_model::{Algorithm, Digest, Instant};
use serde::{Deserialize, Serialize};

use crate::keys::{self, KeyError, Role};
use crate::sigstore::instance::Der;
use crate::sigstore::leaf::{Above, Request};
use crate::sigstore::sct;
use crate::sigstore::timestamp::Query;
use crate::tuf;

/// How the name of the issuer that only tests may trust ends; no host name can (RFC 6761).
pub const TEST_ISSUER: &str = ".test-issuer.invalid";
/// Largest frame: an SBOM of a hundred thousand components within an attestation.
const MAX_FRAME: u32 = 192 << 20;

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "sign")]
pub(crate) enum Ask {
    /// Before the first checkpoint: keeps other signers of these logs out. An empty answer.
    Hold,
    /// Refused before [`Ask::Hold`] was answered.
    Checkpoint {
        log: LogName,
        text: String,
        /// The log's key, in the spelling of signed notes; a log has had others before.
        key: String,
    },
    /// A message from the record to its gates: a feed message or heartbeat.
    Gate { text: String },
    /// A DSSE pre-authentication encoding, base64.
    Statement { pae: String },
    /// The TBSCertificate of a webhook's server certificate, base64.
    Certificate { tbs: String },
    /// The authority's public key; asking signs nothing.
    AuthorityKey,
    /// SHA-256 of an artifact that a person wants signed.
    Artifact { digest: Digest, generation: u32 },
    /// The pre-authentication encoding of an attestation that a person wants signed, base64.
    Attestation { pae: String, generation: u32 },
    /// Metadata of the TUF repository, in the form that is signed.
    Metadata { role: tuf::Role, key: tuf::Key, text: String },
    /// A signing certificate, once the certificate log has it.
    Leaf(Box<LeafAsk>),
    /// A timestamp of now.
    Timestamp { generation: u32, query: Query, chain: Vec<Der> },
    /// An identity token of the issuer that only tests may trust.
    Token { claims: serde_json::Value },
    /// A checkpoint of another log, which this home witnesses.
    Cosign { name: String, text: String },
}

/// What a certificate is made from, and the proof that it was logged.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LeafAsk {
    pub(crate) request: Request,
    pub(crate) above: Above,
    /// Generation of the certificate log's key.
    pub(crate) log: u32,
    pub(crate) logged: Instant,
    pub(crate) index: u64,
    pub(crate) proof: Vec<Der>,
    pub(crate) checkpoint: String,
}

/// The signature, base64, or why there is none.
pub(crate) type Answer = Result<String, String>;

/// Answers until the pipe closes.
///
/// # Errors
/// The keys cannot be read, or the pipe broke in the middle of a frame.
pub fn serve(folder: &Path, mut input: impl Read, mut output: impl Write) -> Result<(), KeyError> {
    let mut signer = Signer::open(folder)?;
    let io = |source| KeyError::Io { path: PathBuf::from("the signer's pipe"), source };
    while let Some(frame) = read_frame(&mut input).map_err(io)? {
        let answer: Answer = match serde_json::from_slice(&frame) {
            Ok(ask) => signer.answer(&ask).map(|signature| STANDARD.encode(signature)),
            Err(error) => Err(format!("request is not understood: {error}")),
        };
        let bytes = serde_json::to_vec(&answer).map_err(|error| io(error.into()))?;
        write_frame(&mut output, &bytes).map_err(io)?;
    }
    Ok(())
}

pub(crate) fn write_frame(output: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length <= MAX_FRAME);
    let length =
        length.ok_or_else(|| io::Error::other(format!("frame of {} bytes is too large", bytes.len())))?;
    output.write_all(&length.to_be_bytes())?;
    output.write_all(bytes)?;
    output.flush()
}

/// The next frame; `None` where the pipe was closed between frames.
pub(crate) fn read_frame(input: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match input.read(&mut length)? {
        0 => return Ok(None),
        got => input.read_exact(length.get_mut(got..).unwrap_or_default())?,
    }
    let length = u32::from_be_bytes(length);
    if length > MAX_FRAME {
        return Err(io::Error::other(format!("frame of {length} bytes is too large")));
    }
    let mut frame = Vec::new();
    input.take(u64::from(length)).read_to_end(&mut frame)?;
    if frame.len() as u64 == u64::from(length) {
        Ok(Some(frame))
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

struct Signer {
    folder: PathBuf,
    /// The first is the log's first key.
    logs: BTreeMap<LogName, Vec<Ed25519KeyPair>>,
    step: EcdsaKeyPair,
    authority: EcdsaKeyPair,
    random: SystemRandom,
    /// Held from before the first checkpoint on: no other process signs for these logs.
    lock: Option<File>,
}

impl Signer {
    fn open(folder: &Path) -> Result<Self, KeyError> {
        let ed25519 = |name: &str| {
            Ed25519KeyPair::from_pkcs8(&keys::read(folder, name)?)
                .map_err(|_| KeyError::Malformed(folder.join(name)))
        };
        let p256 = |name: &str| {
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &keys::read(folder, name)?)
                .map_err(|_| KeyError::Malformed(folder.join(name)))
        };
        let mut logs = BTreeMap::from([
            (LogName::Evidence, vec![ed25519(keys::EVIDENCE)?]),
            (LogName::Signing, vec![ed25519(keys::SIGNING)?]),
        ]);
        if folder.join(keys::CERTIFICATES).exists() {
            logs.insert(LogName::Certificates, vec![ed25519(keys::CERTIFICATES)?]);
        }
        for generation in 2.. {
            let file = keys::generation_file(keys::SIGNING, generation);
            if !folder.join(&file).exists() {
                break;
            }
            logs.entry(LogName::Signing).or_default().push(ed25519(&file)?);
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            logs,
            step: p256(keys::STEP)?,
            authority: p256(keys::AUTHORITY)?,
            random: SystemRandom::new(),
            lock: None,
        })
    }

    fn answer(&mut self, ask: &Ask) -> Result<Vec<u8>, String> {
        match ask {
            Ask::Hold if self.lock.is_some() => Ok(Vec::new()),
            Ask::Hold => {
                let lock = crate::signed::settled(&self.folder).map_err(|error| error.to_string())?;
                self.lock = Some(lock.ok_or("the folder of keys is gone")?);
                Ok(Vec::new())
            }
            Ask::Checkpoint { log, text, key } => self.checkpoint(*log, text, key),
            Ask::Metadata { role, key, text } => self.metadata(*role, *key, text),
            Ask::Gate { text } => {
                // The same key signs checkpoints: a text must never be both.
                if !text.starts_with("linkward.gate/v1\n") || Checkpoint::parse(text).is_ok() {
                    return Err("only messages to gates are signed for gates".to_owned());
                }
                let key = self.logs.get(&LogName::Evidence).and_then(|keys| keys.first());
                let key = key.ok_or("no key for the evidence log")?;
                Ok(key.sign(text.as_bytes()).as_ref().to_vec())
            }
            Ask::Statement { pae } => {
                let pae = STANDARD.decode(pae).map_err(|_| "the encoding is not base64".to_owned())?;
                if !pae.starts_with(b"DSSEv1 ") {
                    return Err(
                        "only DSSE pre-authentication encodings are signed with the step key".to_owned()
                    );
                }
                self.ecdsa(&self.step, &pae)
            }
            Ask::AuthorityKey => Ok(self.authority.public_key().as_ref().to_vec()),
            Ask::Certificate { tbs } => {
                let tbs = STANDARD.decode(tbs).map_err(|_| "the certificate is not base64".to_owned())?;
                // A TBSCertificate is a SEQUENCE; a DSSE encoding or a checkpoint is not.
                if tbs.first() != Some(&0x30) {
                    return Err("only certificates are signed with the authority's key".to_owned());
                }
                self.ecdsa(&self.authority, &tbs)
            }
            Ask::Artifact { digest, generation } => {
                let key = self.named(&keys::generation_file(keys::ARTIFACT, *generation))?;
                if digest.algorithm() != Algorithm::Sha256 {
                    return Err("artifacts are signed by their SHA-256 digest".to_owned());
                }
                let digest = aws_lc_rs::digest::Digest::import_less_safe(
                    digest.as_bytes(),
                    &aws_lc_rs::digest::SHA256,
                )
                .map_err(|_| "the digest has the wrong length".to_owned())?;
                let signature = key.sign_digest(&digest).map_err(|_| "signing failed".to_owned())?;
                Ok(signature.as_ref().to_vec())
            }
            Ask::Attestation { pae, generation } => {
                let pae = STANDARD.decode(pae).map_err(|_| "the encoding is not base64".to_owned())?;
                if !pae.starts_with(b"DSSEv1 ") {
                    return Err("an attestation is a DSSE pre-authentication encoding".to_owned());
                }
                let key = self.named(&keys::generation_file(keys::ARTIFACT, *generation))?;
                self.ecdsa(&key, &pae)
            }
            Ask::Leaf(ask) => self.leaf(ask),
            Ask::Timestamp { generation, query, chain } => {
                let key = self.named(&Role::Timestamp.file(*generation))?;
                let chain: Vec<Vec<u8>> = chain.iter().map(|der| der.0.clone()).collect();
                query.answer(&chain, &self.serial()?, Instant::now(), |attributes| {
                    self.ecdsa(&key, attributes)
                })
            }
            Ask::Token { claims } => self.token(claims),
            Ask::Cosign { name, text } => crate::witness::cosign(&self.folder, name, text),
        }
    }

    /// A key that not every home has.
    fn named(&self, file: &str) -> Result<EcdsaKeyPair, String> {
        let der = keys::read(&self.folder, file).map_err(|error| error.to_string())?;
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &der)
            .map_err(|_| format!("{file} is malformed"))
    }

    /// Sixteen random bytes, positive as an integer.
    fn serial(&self) -> Result<Vec<u8>, String> {
        let mut serial = vec![0; 16];
        aws_lc_rs::rand::SecureRandom::fill(&self.random, &mut serial)
            .map_err(|_| "the system gave no randomness".to_owned())?;
        if let Some(first) = serial.first_mut() {
            *first = *first & 0x3f | 0x40;
        }
        Ok(serial)
    }

    /// Makes a signing certificate. It is one by construction, holds from now for ten minutes, and stands in the
    /// certificate log, under a checkpoint that this process signed itself.
    fn leaf(&self, ask: &LeafAsk) -> Result<Vec<u8>, String> {
        let skew = Instant::now().since(ask.request.not_before);
        if !(-10_000..=60_000).contains(&skew) || ask.logged.since(ask.request.not_before).abs() > 60_000 {
            return Err("a signing certificate starts when it is issued".to_owned());
        }
        let tbs = ask.request.tbs(&ask.above).map_err(|error| error.to_string())?;
        let issuer = ask.above.key_hash();
        self.included(ask, &sct::leaf(ask.logged, &issuer, &tbs))?;
        let log = self.named(&Role::CertificateLog.file(ask.log))?;
        let log_id = log.public_key().as_der().map_err(|_| "the log's key cannot be read".to_owned())?;
        let log_id = Digest::sha256(log_id.as_ref());
        let signature = self.ecdsa(&log, &sct::message(ask.logged, &issuer, &tbs))?;
        let list = sct::list(&log_id, ask.logged, &signature);
        let key = self.named(&Role::Authority.file(ask.above.generation))?;
        if key.public_key().as_ref() != ask.above.point {
            return Err("the authority named is another".to_owned());
        }
        ask.request
            .certificate(&ask.above, &list, |tbs| self.ecdsa(&key, tbs).ok())
            .map_err(|error| error.to_string())
    }

    fn included(&self, ask: &LeafAsk, leaf: &[u8]) -> Result<(), String> {
        let key = self.logs.get(&LogName::Certificates).and_then(|keys| keys.first());
        let key = key.ok_or("this home has no certificate log")?;
        let public = key.public_key().as_ref().try_into().map_err(|_| "the log's key is malformed")?;
        let origin = ask.checkpoint.lines().next().unwrap_or("");
        let key = NoteKey::new(origin, public).map_err(|error| error.to_string())?;
        let checkpoint = VerifiedCheckpoint::open(ask.checkpoint.as_bytes(), &key)
            .map_err(|error| format!("the certificate is not logged: {error}"))?;
        let proof: Option<Vec<Hash>> = ask.proof.iter().map(|hash| Hash::from_slice(&hash.0)).collect();
        let proof = proof.ok_or("the proof holds something else than hashes")?;
        verify_inclusion(ask.index, checkpoint.size(), &leaf_hash(leaf), &proof, &checkpoint.root())
            .map_err(|error| format!("the certificate is not logged: {error}"))
    }

    /// A compact JWS (RFC 7515) of these claims; the issuer's name says that it is none to rely on.
    fn token(&self, claims: &serde_json::Value) -> Result<Vec<u8>, String> {
        let file = Role::TestIssuer.file(1);
        let der = keys::read(&self.folder, &file).map_err(|error| error.to_string())?;
        let fixed = &aws_lc_rs::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::from_pkcs8(fixed, &der).map_err(|_| format!("{file} is malformed"))?;
        let issuer = claims.get("iss").and_then(serde_json::Value::as_str).unwrap_or("");
        if !issuer.ends_with(TEST_ISSUER) {
            return Err("the test issuer signs under its own name alone".to_owned());
        }
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let header = encode(br#"{"alg":"ES256","kid":"test","typ":"JWT"}"#);
        let signed = format!("{header}.{}", encode(claims.to_string().as_bytes()));
        let signature = self.ecdsa(&key, signed.as_bytes())?;
        Ok(format!("{signed}.{}", encode(&signature)).into_bytes())
    }

    fn ecdsa(&self, key: &EcdsaKeyPair, message: &[u8]) -> Result<Vec<u8>, String> {
        let signature = key.sign(&self.random, message).map_err(|_| "signing failed".to_owned())?;
        Ok(signature.as_ref().to_vec())
    }

    /// Signs metadata of the role that the key is for; never an older one than before.
    fn metadata(&self, role: tuf::Role, key: tuf::Key, text: &str) -> Result<Vec<u8>, String> {
        let (found, version) = tuf::described(text).ok_or("this is no TUF metadata in its canonical form")?;
        if found != role {
            return Err(format!("the text is {found} metadata, not {role}"));
        }
        let memory = self.folder.join(format!("tuf-{role}.signed"));
        let last = std::fs::read_to_string(&memory).ok().and_then(|text| text.trim().parse::<u64>().ok());
        if let Some(last) = last.filter(|last| *last > version) {
            return Err(format!("{role} {last} was signed before; {version} would roll clients back"));
        }
        let mut pair = None;
        for generation in 1.. {
            let file = keys::repository_file(role, generation);
            if !self.folder.join(&file).exists() {
                break;
            }
            let der = keys::read(&self.folder, &file).map_err(|error| error.to_string())?;
            let found = Ed25519KeyPair::from_pkcs8(&der).map_err(|_| format!("{file} is malformed"))?;
            if found.public_key().as_ref() == key.0 {
                pair = Some(found);
                break;
            }
        }
        let pair = pair.ok_or_else(|| format!("no key of this home is {} for {role}", key.id()))?;
        crate::signed::remember(&crate::signed::RealDisk, &memory, &version.to_string())
            .map_err(|error| format!("what was signed cannot be remembered: {error}"))?;
        Ok(pair.sign(text.as_bytes()).as_ref().to_vec())
    }

    fn checkpoint(&mut self, log: LogName, text: &str, key: &str) -> Result<Vec<u8>, String> {
        let checkpoint = Checkpoint::parse(text).map_err(|error| error.to_string())?;
        if checkpoint.text() != text {
            return Err("the checkpoint is not in its canonical form".to_owned());
        }
        if checkpoint.origin.split('.').nth(1) != Some(log.as_str()) {
            return Err(format!("`{}` is not an origin of the {} log", checkpoint.origin, log.as_str()));
        }
        // What is asked is in the pipe when the asker is killed: whoever comes next must find the lock taken.
        if self.lock.is_none() {
            return Err("checkpoints are signed by the one process that holds the logs' keys".to_owned());
        }
        let memory = crate::signed::memory(&self.folder, log);
        let unread = |error: String| format!("what was signed before cannot be read: {error}");
        let last =
            crate::signed::last_signed(&self.folder, log).map_err(|error| unread(error.to_string()))?;
        if let Some(last) = last {
            let last = Checkpoint::parse(&last).map_err(|error| unread(error.to_string()))?;
            if last.origin != checkpoint.origin {
                return Err(format!("this key signs for {}, not for {}", last.origin, checkpoint.origin));
            }
            if last.size > checkpoint.size {
                return Err(format!(
                    "a checkpoint of {} entries was signed before; one of {} would roll the log back",
                    last.size, checkpoint.size
                ));
            }
            if last.size == checkpoint.size && last.root != checkpoint.root {
                return Err(format!(
                    "another root was signed before for {} entries: this would fork the log",
                    last.size
                ));
            }
        }
        let named: NoteKey = key.parse().map_err(|_| "the log's key is malformed".to_owned())?;
        let key = self.logs.get(&log).into_iter().flatten();
        let key = key
            .into_iter()
            .find(|key| key.public_key().as_ref() == named.public())
            .ok_or_else(|| format!("no key of this home is that of the {} log", log.as_str()))?;
        let signature = key.sign(text.as_bytes()).as_ref().to_vec();
        crate::signed::remember(&crate::signed::RealDisk, &memory, text)
            .map_err(|error| format!("what was signed cannot be remembered: {error}"))?;
        Ok(signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(folder: &Path, asks: &[Ask]) -> Vec<Answer> {
        let mut input = Vec::new();
        for ask in asks {
            write_frame(&mut input, &serde_json::to_vec(ask).unwrap()).unwrap();
        }
        let mut output = Vec::new();
        serve(folder, input.as_slice(), &mut output).unwrap();
        let mut output = output.as_slice();
        std::iter::from_fn(|| read_frame(&mut output).unwrap())
            .map(|frame| serde_json::from_slice(&frame).unwrap())
            .collect()
    }

    /// What is answered to each by a process that holds the logs' keys.
    fn ask_holding(folder: &Path, asks: Vec<Ask>) -> Vec<Answer> {
        let asks: Vec<Ask> = std::iter::once(Ask::Hold).chain(asks).collect();
        ask(folder, &asks).split_off(1)
    }

    fn checkpoint(keys: &crate::PublicKeys, log: LogName, origin: &str, size: u64, root: u8) -> Ask {
        let checkpoint = Checkpoint {
            origin: origin.to_owned(),
            size,
            root: linkward_ledger::Hash([root; 32]),
            extensions: Vec::new(),
        };
        let key = if log == LogName::Evidence { keys.evidence } else { keys.signing };
        let key = NoteKey::new(origin, key).unwrap().to_string();
        Ask::Checkpoint { log, text: checkpoint.text(), key }
    }

    #[test]
    fn what_would_roll_back_or_fork_a_log_is_not_signed() {
        let folder = linkward_testkit::scratch();
        let keys = folder.path().join("keys");
        let public = crate::create_keys(&keys).unwrap();
        let origin = "0.evidence.linkward.internal";
        let sign = |size, root| checkpoint(&public, LogName::Evidence, origin, size, root);
        let asks = [sign(5, 1), Ask::Hold, sign(5, 1), sign(5, 1), sign(5, 2), sign(4, 1), sign(6, 3)];
        let answers = ask(&keys, &asks);
        let signed: Vec<bool> = answers.iter().map(Result::is_ok).collect();
        assert_eq!(signed, [false, true, true, true, false, false, true], "{answers:?}");
        // The memory outlives the process.
        let later =
            vec![sign(5, 1), checkpoint(&public, LogName::Evidence, "1.evidence.linkward.internal", 9, 1)];
        assert!(ask_holding(&keys, later).iter().all(Result::is_err));
        let wrong_log = vec![checkpoint(&public, LogName::Signing, origin, 1, 1)];
        assert!(ask_holding(&keys, wrong_log).iter().all(Result::is_err));
        // A memory that cannot be read is no empty one.
        std::fs::write(crate::signed::memory(&keys, LogName::Evidence), "torn").unwrap();
        assert!(ask_holding(&keys, vec![sign(7, 1)]).iter().all(Result::is_err));
    }

    #[test]
    fn keys_sign_only_what_they_are_for() {
        let folder = linkward_testkit::scratch();
        let keys = folder.path().join("keys");
        crate::create_keys(&keys).unwrap();
        let answers = ask(
            &keys,
            &[
                Ask::Statement { pae: STANDARD.encode("DSSEv1 1 a 1 b") },
                Ask::Statement { pae: STANDARD.encode("0.evidence.linkward.internal\n9\n") },
                Ask::Certificate { tbs: STANDARD.encode("DSSEv1 1 a 1 b") },
                Ask::Certificate { tbs: "!".to_owned() },
                Ask::Gate { text: "linkward.gate/v1\nseq 1\n".to_owned() },
                Ask::Gate { text: "0.evidence.linkward.internal\n9\n".to_owned() },
                // A checkpoint in the clothes of a message.
                Ask::Gate { text: format!("linkward.gate/v1\n9\n{}\n", STANDARD.encode([1; 32])) },
            ],
        );
        let signed: Vec<bool> = answers.iter().map(Result::is_ok).collect();
        assert_eq!(signed, [true, false, false, false, true, false, false]);
    }

    #[test]
    fn a_log_is_signed_for_by_the_key_that_is_named() {
        let folder = linkward_testkit::scratch();
        let keys = folder.path().join("keys");
        let mut public = crate::create_keys(&keys).unwrap();
        let stranger = public.evidence;
        let (generation, second) = crate::create_log_key(&keys, 1).unwrap();
        assert_eq!(generation, 2);
        let origin = "0.signing.linkward.internal";
        let first = checkpoint(&public, LogName::Signing, origin, 1, 1);
        public.signing = second;
        let next = checkpoint(&public, LogName::Signing, origin, 1, 1);
        public.signing = stranger;
        let other = checkpoint(&public, LogName::Signing, origin, 1, 1);
        let answers = ask_holding(&keys, vec![first, next, other]);
        assert!(answers[0].is_ok() && answers[1].is_ok() && answers[2].is_err(), "{answers:?}");
        assert_ne!(answers[0], answers[1]);
    }

    #[test]
    fn metadata_is_signed_in_its_role_and_never_back_in_time() {
        let folder = linkward_testkit::scratch();
        let keys = folder.path().join("keys");
        crate::create_keys(&keys).unwrap();
        let [root, targets, timestamp] = crate::create_repository_keys(&keys).unwrap();
        let text = |role: &str, version: u64| format!("{{\"_type\":\"{role}\",\"version\":{version}}}");
        let sign = |role, key, text: &str| Ask::Metadata { role, key, text: text.to_owned() };
        use tuf::Role::{Root, Snapshot, Targets, Timestamp};
        let answers = ask(
            &keys,
            &[
                sign(Root, root, &text("root", 1)),
                sign(Targets, targets, &text("targets", 2)),
                sign(Snapshot, timestamp, &text("snapshot", 1)),
                sign(Timestamp, timestamp, &text("timestamp", 7)),
                sign(Targets, targets, &text("targets", 1)),
                sign(Targets, timestamp, &text("targets", 3)),
                sign(Targets, targets, &text("root", 3)),
                sign(Targets, targets, "{ \"_type\":\"targets\",\"version\":3}"),
                sign(Targets, targets, "DSSEv1 1 a 1 b"),
            ],
        );
        let signed: Vec<bool> = answers.iter().map(Result::is_ok).collect();
        assert_eq!(signed, [true, true, true, true, false, false, false, false, false], "{answers:?}");
    }

    #[test]
    fn broken_frames_end_the_signer_without_a_panic() {
        let folder = linkward_testkit::scratch();
        let keys = folder.path().join("keys");
        crate::create_keys(&keys).unwrap();
        for input in [&[0, 0][..], &[255, 255, 255, 255], &[0, 0, 0, 9, b'{']] {
            assert!(serve(&keys, input, Vec::new()).is_err());
        }
        let mut output = Vec::new();
        serve(&keys, &[0, 0, 0, 1, b'x'][..], &mut output).unwrap();
        assert!(String::from_utf8_lossy(&output).contains("not understood"));
    }
}
