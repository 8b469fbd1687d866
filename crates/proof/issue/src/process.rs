//! The client's side of the signer process.

use std::ffi::OsStr;
use std::io::{self, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_ledger::LogName;

use crate::protocol::{Answer, Ask, read_frame, write_frame};

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
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .current_dir("/")
            .spawn()
            .map_err(ProcessError::Start)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        match output {
            Some(output) => Ok(Self { child, input, output: BufReader::new(output) }),
            None => Err(ProcessError::Start(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// The Ed25519 signature over a checkpoint's text.
    ///
    /// # Errors
    /// The signer is gone or refuses.
    pub fn sign_checkpoint(&mut self, log: LogName, text: &str) -> Result<Vec<u8>, ProcessError> {
        self.ask(&Ask::Checkpoint { log, text: text.to_owned() })
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
