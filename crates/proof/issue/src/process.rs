//! The client's side of the signer process.

use std::ffi::OsStr;
use std::io::{self, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_ledger::LogName;
use linkward_model::{Digest, Instant};

use crate::bundle::Included;
use crate::protocol::{Answer, Ask, LeafAsk, read_frame, write_frame};
use crate::sigstore::instance::{Der, Generation};
use crate::sigstore::leaf::{Above, Request};
use crate::sigstore::timestamp::Query;
use crate::tuf;

/// Where the passphrase of encrypted keys may stand.
pub const PASSPHRASES: [&str; 2] = ["LINKWARD_KEY_PASSPHRASE", "LINKWARD_KEY_PASSPHRASE_FILE"];

/// Why the signer did not sign.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("the signer process could not be started")]
    Start(#[source] io::Error),
    #[error("the signer process is gone; are the keys there and of mode 0600?")]
    Gone(#[source] io::Error),
    #[error("the signer's answer is not understood")]
    Answer,
    #[error("the signer refused: {0}")]
    Refused(String),
}

/// A running signer; it ends when this value is dropped.
#[derive(Debug)]
pub struct SignerProcess {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    /// Whether it keeps other signers of the logs out.
    holds: bool,
}

impl SignerProcess {
    /// Starts the signer: this program with these arguments, an empty environment, and a pipe.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn spawn<A: AsRef<OsStr>>(program: &Path, args: &[A]) -> Result<Self, ProcessError> {
        let mut child = Command::new(program)
            .args(args)
            .env_clear()
            // What opens its keys, and nothing else of this process's environment.
            .envs(PASSPHRASES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .current_dir("/")
            .spawn()
            .map_err(ProcessError::Start)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        match output {
            Some(output) => Ok(Self { child, input, output: BufReader::new(output), holds: false }),
            None => Err(ProcessError::Start(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// The Ed25519 signature over a checkpoint's text.
    ///
    /// # Errors
    /// The signer is gone or refuses.
    pub fn sign_checkpoint(&mut self, log: LogName, key: &str, text: &str) -> Result<Vec<u8>, ProcessError> {
        if !self.holds {
            self.ask(&Ask::Hold)?;
            self.holds = true;
        }
        self.ask(&Ask::Checkpoint { log, text: text.to_owned(), key: key.to_owned() })
    }

    /// The Ed25519 signature over TUF metadata in its canonical form.
    ///
    /// # Errors
    /// The signer is gone or refuses.
    pub fn sign_metadata(
        &mut self,
        role: tuf::Role,
        key: tuf::Key,
        text: &str,
    ) -> Result<Vec<u8>, ProcessError> {
        self.ask(&Ask::Metadata { role, key, text: text.to_owned() })
    }

    /// The Ed25519 signature of the evidence log's key over a message to gates.
    ///
    /// # Errors
    /// The signer is gone or refuses.
    pub fn sign_gate(&mut self, text: &str) -> Result<Vec<u8>, ProcessError> {
        self.ask(&Ask::Gate { text: text.to_owned() })
    }

    /// The ECDSA signature, DER, over a DSSE pre-authentication encoding.
    ///
    /// # Errors
    /// The signer is gone or refuses.
    pub fn sign_pae(&mut self, pae: &[u8]) -> Result<Vec<u8>, ProcessError> {
        self.ask(&Ask::Statement { pae: STANDARD.encode(pae) })
    }

    /// The authority's ECDSA signature, DER, over a TBSCertificate.
    ///
    /// # Errors
    /// The signer is gone or refuses.
    pub fn sign_certificate(&mut self, tbs: &[u8]) -> Result<Vec<u8>, ProcessError> {
        self.ask(&Ask::Certificate { tbs: STANDARD.encode(tbs) })
    }

    /// The authority's public key, an uncompressed P-256 point.
    ///
    /// # Errors
    /// The signer is gone.
    pub fn authority_key(&mut self) -> Result<Vec<u8>, ProcessError> {
        self.ask(&Ask::AuthorityKey)
    }

    /// The ECDSA signature, DER, of an artifact by its SHA-256.
    ///
    /// # Errors
    /// The signer is gone or refuses.
    pub fn sign_artifact(&mut self, digest: &Digest, generation: u32) -> Result<Vec<u8>, ProcessError> {
        self.ask(&Ask::Artifact { digest: *digest, generation })
    }

    /// The ECDSA signature, DER, over the pre-authentication encoding of a person's attestation.
    ///
    /// # Errors
    /// The signer is gone or refuses.
    pub fn sign_attestation(&mut self, pae: &[u8], generation: u32) -> Result<Vec<u8>, ProcessError> {
        self.ask(&Ask::Attestation { pae: STANDARD.encode(pae), generation })
    }

    /// A signing certificate, DER, whose leaf the certificate log includes.
    ///
    /// # Errors
    /// The signer is gone or refuses.
    pub fn issue(
        &mut self,
        request: &Request,
        above: &Above,
        log: u32,
        logged: Instant,
        included: &Included,
    ) -> Result<Vec<u8>, ProcessError> {
        self.ask(&Ask::Leaf(Box::new(LeafAsk {
            request: request.clone(),
            above: above.clone(),
            log,
            logged,
            index: included.index,
            proof: included.proof.iter().map(|hash| Der(hash.0.to_vec())).collect(),
            checkpoint: String::from_utf8_lossy(&included.checkpoint).into_owned(),
        })))
    }

    /// A TimeStampResp, DER.
    ///
    /// # Errors
    /// The signer is gone or refuses.
    pub fn timestamp(&mut self, by: &Generation, query: &Query) -> Result<Vec<u8>, ProcessError> {
        let ask = Ask::Timestamp { generation: by.number, query: query.clone(), chain: by.chain.clone() };
        self.ask(&ask)
    }

    /// A token of the issuer that only tests may trust.
    ///
    /// # Errors
    /// The signer is gone or refuses.
    pub fn test_token(&mut self, claims: serde_json::Value) -> Result<String, ProcessError> {
        String::from_utf8(self.ask(&Ask::Token { claims })?).map_err(|_| ProcessError::Answer)
    }

    /// Cosignature lines over the text of another log's checkpoint, under this witness's name.
    ///
    /// # Errors
    /// The signer is gone or refuses.
    pub fn cosign(&mut self, name: &str, text: &str) -> Result<String, ProcessError> {
        let lines = self.ask(&Ask::Cosign { name: name.to_owned(), text: text.to_owned() })?;
        String::from_utf8(lines).map_err(|_| ProcessError::Answer)
    }

    fn ask(&mut self, ask: &Ask) -> Result<Vec<u8>, ProcessError> {
        let frame = serde_json::to_vec(ask).map_err(|error| ProcessError::Gone(error.into()))?;
        let input =
            self.input.as_mut().ok_or_else(|| ProcessError::Gone(io::ErrorKind::BrokenPipe.into()))?;
        write_frame(input, &frame).map_err(ProcessError::Gone)?;
        let frame = read_frame(&mut self.output).map_err(ProcessError::Gone)?;
        let frame = frame.ok_or_else(|| ProcessError::Gone(io::ErrorKind::UnexpectedEof.into()))?;
        let answer: Answer = serde_json::from_slice(&frame).map_err(|_| ProcessError::Answer)?;
        STANDARD.decode(answer.map_err(ProcessError::Refused)?).map_err(|_| ProcessError::Answer)
    }
}

impl Drop for SignerProcess {
    fn drop(&mut self) {
        // Closing the pipe ends it; killing is for one that hangs.
        self.input.take();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
