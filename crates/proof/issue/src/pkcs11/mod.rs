//! Keys that a PKCS#11 token holds: a security module, a smart card, a key service's module.
//!
//! The vendor's library is loaded by a process of its own, which is asked over pipes and may take only so long: one that
//! crashes, hangs or writes where it should not ends that process, not the one that signs.

mod holder;
mod uri;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use linkward_model::{Algorithm, Code, Digest};
use linkward_prove::PublicKey;
use serde::{Deserialize, Serialize};

pub use holder::serve;
pub use uri::{Pkcs11Uri, UriError};

use crate::process::PASSPHRASES;
use crate::signing_key::{SigningKey, SigningKeyError};

/// Where a PIN may stand that no `pin-source` names.
pub const PIN: &str = "LINKWARD_PKCS11_PIN";
/// Finding a key may mean waking a network.
const TO_OPEN: Duration = Duration::from_secs(30);
const TO_SIGN: Duration = Duration::from_secs(20);

/// What is asked of the process that holds the module, one line each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Ask {
    Open { uri: Pkcs11Uri, pin: Option<String> },
    Sign { digest: String },
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    /// SubjectPublicKeyInfo, base64.
    Key {
        spki: String,
    },
    Signature {
        signature: String,
    },
    Refused {
        code: String,
        message: String,
    },
}

/// Why a token's key is not to be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Pkcs11Error {
    pub code: Code,
    pub message: String,
}

impl Pkcs11Error {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// A key in a token, behind its own process; both end with this value.
#[derive(Debug)]
pub struct Pkcs11Key {
    spki: Vec<u8>,
    public: PublicKey,
    line: Mutex<Line>,
}

#[derive(Debug)]
struct Line {
    child: Child,
    input: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl Pkcs11Key {
    /// Finds the one key that the URI names, with this program started as the holder of the module.
    ///
    /// # Errors
    /// No module, token or key, or several keys; the PIN is missing or wrong; or the module crashed or took too long.
    pub fn open(uri: &Pkcs11Uri, program: &Path, args: &[&str]) -> Result<Self, Pkcs11Error> {
        let pin = match uri.pin_file() {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    Pkcs11Error::new(Code::Pkcs11Pin, format!("pin-source {}: {error}", path.display()))
                })?;
                Some(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            None => std::env::var(PIN).ok(),
        };
        let mut line = Line::start(program, args)?;
        let answer = line.ask(&Ask::Open { uri: uri.clone(), pin }, TO_OPEN)?;
        let odd = || Pkcs11Error::new(Code::Pkcs11Module, "the module's process gave another answer");
        let Answer::Key { spki } = answer else { return Err(odd()) };
        let spki = STANDARD.decode(spki).map_err(|_| odd())?;
        let public = PublicKey::from_spki(&spki).map_err(|error| {
            Pkcs11Error::new(Code::Pkcs11Unsupported, format!("the key's public half: {error}"))
        })?;
        Ok(Self { spki, public, line: Mutex::new(line) })
    }
}

impl SigningKey for Pkcs11Key {
    fn public(&self) -> &[u8] {
        &self.spki
    }

    fn hash(&self) -> Algorithm {
        self.public.own_hash()
    }

    fn sign(&self, digest: &Digest) -> Result<Vec<u8>, SigningKeyError> {
        if digest.algorithm() != self.hash() {
            return Err(SigningKeyError::Hash);
        }
        let mut line = self.line.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let answer = line.ask(&Ask::Sign { digest: digest.to_string() }, TO_SIGN);
        let holder = |error: Pkcs11Error| SigningKeyError::Holder(format!("{}: {error}", error.code));
        let signature = match answer.map_err(holder)? {
            Answer::Signature { signature } => STANDARD.decode(signature).ok(),
            _ => None,
        };
        // A token that signs something else, or with another key, is found out here and not by whoever verifies.
        signature.filter(|signature| self.public.signed_digest(digest, signature) == Some(true)).ok_or_else(
            || SigningKeyError::Holder("what the token made is no signature by its key".to_owned()),
        )
    }
}

impl Line {
    fn start(program: &Path, args: &[&str]) -> Result<Self, Pkcs11Error> {
        let failed = |error: std::io::Error| {
            Pkcs11Error::new(
                Code::Pkcs11Module,
                format!("the module's process could not be started: {error}"),
            )
        };
        let mut command = Command::new(program);
        // Modules are configured by the environment; our own secrets are not for them.
        for secret in PASSPHRASES.iter().chain(&[PIN]) {
            command.env_remove(secret);
        }
        let mut child = command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(failed)?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output = output.ok_or_else(|| failed(std::io::ErrorKind::BrokenPipe.into()))?;
        let (tell, answers) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, input, answers })
    }

    fn ask(&mut self, ask: &Ask, patience: Duration) -> Result<Answer, Pkcs11Error> {
        let crashed = || {
            let message = "the module's process ended in the middle: the vendor's library crashed";
            Pkcs11Error::new(Code::Pkcs11Module, message)
        };
        let mut line = serde_json::to_string(ask).unwrap_or_default();
        line.push('\n');
        let input = self.input.as_mut().ok_or_else(crashed)?;
        input.write_all(line.as_bytes()).and_then(|()| input.flush()).map_err(|_| crashed())?;
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = match self.answers.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Disconnected) => return Err(crashed()),
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.child.kill();
                    let message = format!("the module did not answer within {} s", patience.as_secs());
                    return Err(Pkcs11Error::new(Code::Pkcs11Timeout, message));
                }
            };
            // Some modules write to standard output: what is no answer is not for us.
            match serde_json::from_str(&line) {
                Ok(Answer::Refused { code, message }) => {
                    let code = code.parse().unwrap_or(Code::Pkcs11Module);
                    return Err(Pkcs11Error::new(code, message));
                }
                Ok(answer) => return Ok(answer),
                Err(_) => {}
            }
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
