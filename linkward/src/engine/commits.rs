//! Who signed the commit that a project stands on: proven against the signers that the operator allows.

use std::path::Path;

use base64::Engine as _;
use linkward_model::{Blame, Code, Digest, Instant};
use linkward_prove::{AllowedSigners, Commit, Keyring, ObjectId, Proven, Refusal};
use serde_json::{Value, json};

use crate::wire::{Reason, Source};

use super::Engine;

/// What is known of a commit's signature, with the bytes that it was proven from.
#[derive(Debug)]
pub(crate) struct CommitSignature {
    state: State,
    commit: Option<Vec<u8>>,
    signers: Option<Vec<u8>>,
    keyring: Option<Vec<u8>>,
}

#[derive(Debug)]
enum State {
    Proven(Box<Proven<Commit>>),
    Refused(Box<Refusal>),
    /// No proof was tried.
    Open(Code, String),
}

impl Engine {
    /// Proves the commit of a source. Only the file that linkward.toml names counts: a checkout's own configuration could
    /// name a file that whoever wrote the commit wrote too.
    pub(super) fn commit_signature(&self, source: &Source, now: Instant) -> CommitSignature {
        let bytes = source
            .commit
            .as_ref()
            .and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok());
        let id = source.revision.as_ref().and_then(|revision| revision.parse::<ObjectId>().ok());
        let (Some(bytes), Some(id)) = (bytes, id) else {
            let (code, why) = source.reason.as_ref().map_or_else(
                || (Code::CommitUnproven, "the commit's bytes are not known".to_owned()),
                |reason| (reason.code, reason.detail.clone()),
            );
            return CommitSignature {
                state: State::Open(code, why),
                commit: None,
                signers: None,
                keyring: None,
            };
        };
        self.prove_commit(&id, bytes, now)
    }

    /// Proves a commit from its bytes.
    pub(super) fn prove_commit(&self, id: &ObjectId, bytes: Vec<u8>, now: Instant) -> CommitSignature {
        let (listed, signers) = match self.config.allowed_signers.as_deref() {
            Some(path) => match allowed(&self.home.path().join(path)) {
                Ok((listed, bytes)) => (Some(listed), Some(bytes)),
                Err((code, why)) => {
                    return CommitSignature {
                        state: State::Open(code, why),
                        commit: Some(bytes),
                        signers: None,
                        keyring: None,
                    };
                }
            },
            None => (AllowedSigners::parse(b"").ok(), None),
        };
        let (listed, keyring) = match self.config.keyring.as_deref() {
            None => (listed, None),
            Some(path) => match keys(&self.home.path().join(path)) {
                Ok((keyring, bytes)) => (listed.map(|listed| listed.with_keyring(keyring)), Some(bytes)),
                Err((code, why)) => {
                    let state = State::Open(code, why);
                    return CommitSignature { state, commit: Some(bytes), signers, keyring: None };
                }
            },
        };
        let named = signers.is_some() || keyring.is_some();
        let state = match listed.map(|listed| linkward_prove::commit(id, &bytes, &listed, now)) {
            Some(Ok(proven)) => State::Proven(Box::new(proven)),
            // Without a list every good signature is by an unknown signer, and that is nobody's fault.
            Some(Err(refusal)) if !named && refusal.code == Code::CommitSignerUnknown => {
                let why = "the signature holds, but no allowed signers are named".to_owned();
                State::Open(Code::CommitUnproven, why)
            }
            Some(Err(refusal)) => State::Refused(refusal),
            None => State::Open(Code::CommitUnproven, "no allowed signers are named".to_owned()),
        };
        CommitSignature { state, commit: Some(bytes), signers, keyring }
    }
}

fn allowed(path: &Path) -> Result<(AllowedSigners, Vec<u8>), (Code, String)> {
    let bytes = std::fs::read(path).map_err(|error| {
        (Code::AllowedSignersMalformed, format!("cannot read {}: {error}", path.display()))
    })?;
    match AllowedSigners::parse(&bytes) {
        Ok(listed) => Ok((listed, bytes)),
        Err(error) => Err((error.code(), format!("{}: {error}", path.display()))),
    }
}

fn keys(path: &Path) -> Result<(Keyring, Vec<u8>), (Code, String)> {
    let bytes = std::fs::read(path)
        .map_err(|error| (Code::KeyringMalformed, format!("cannot read {}: {error}", path.display())))?;
    match Keyring::parse(&bytes) {
        Ok(keyring) => Ok((keyring, bytes)),
        Err(error) => Err((error.code(), format!("{}: {error}", path.display()))),
    }
}

impl CommitSignature {
    /// The cell of the table.
    pub(super) fn cell(&self) -> String {
        match &self.state {
            State::Proven(proven) => {
                let signed = proven.claim().signed();
                format!("{}, proven", signed.address())
            }
            State::Refused(refusal) if refusal.code == Code::CommitUnsigned => "none".to_owned(),
            // A signature of a kind that is not checked says nothing against the commit.
            State::Refused(refusal) if refusal.code.blame() == Blame::Missing => "not proven".to_owned(),
            State::Refused(_) => "refused".to_owned(),
            State::Open(..) => "not proven".to_owned(),
        }
    }

    /// Why it is not proven, if it is not.
    pub(super) fn reason(&self, source: &Source) -> Option<Reason> {
        let (code, detail) = match &self.state {
            State::Proven(_) => return None,
            State::Refused(refusal) => (refusal.code, refusal.message.clone()),
            State::Open(code, why) => (*code, why.clone()),
        };
        let next = match &source.signers_hint {
            Some(path) if code == Code::CommitUnproven => {
                format!("Set [trust] allowed_signers = \"{path}\" in linkward.toml, as your git settings do.")
            }
            _ => code.fix().to_owned(),
        };
        Some(Reason { code, detail, next })
    }

    /// For the record: the result, the checks, and the list that it was made against.
    pub(crate) fn says(&self) -> Value {
        let signers = self.signers.as_ref().map(|bytes| Digest::sha256(bytes));
        let keyring = self.keyring.as_ref().map(|bytes| Digest::sha256(bytes));
        match &self.state {
            State::Proven(proven) => {
                let signed = proven.claim().signed();
                json!({
                    "state": "proven", "signer": signed.address(), "key": signed.fingerprint(),
                    "line": signed.line(), "checks": proven.checks(), "allowed_signers": signers, "keyring": keyring,
                })
            }
            State::Refused(refusal) => json!({
                "state": if refusal.code.blame() == Blame::Missing { "unproven" } else { "refused" }, "code": refusal.code, "why": refusal.message,
                "checks": refusal.checks, "allowed_signers": signers, "keyring": keyring,
            }),
            State::Open(code, why) => json!({ "state": "unproven", "code": code, "why": why }),
        }
    }

    /// How the signature stands, in the words of events, and the key where it is proven. What cannot be checked is not said.
    pub(super) fn stands(&self) -> (Option<&'static str>, Option<String>) {
        match &self.state {
            State::Proven(proven) => (Some("good"), Some(proven.claim().signed().fingerprint().to_string())),
            State::Refused(refusal) => match refusal.code {
                Code::CommitUnsigned => (Some("unsigned"), None),
                Code::CommitSignerUnknown | Code::CommitSignerMismatch | Code::CommitSignerExpired => {
                    (Some("unknown"), None)
                }
                code if code.blame() == Blame::Missing => (None, None),
                _ => (Some("bad"), None),
            },
            State::Open(..) => (None, None),
        }
    }

    /// Digests of what the proof was made from, to be recorded with it.
    pub(crate) fn documents(&self) -> Vec<Digest> {
        self.bytes().iter().map(|bytes| Digest::sha256(bytes)).collect()
    }

    pub(super) fn bytes(&self) -> Vec<Vec<u8>> {
        self.commit.iter().chain(&self.signers).chain(&self.keyring).cloned().collect()
    }
}
